"""Grouping factors: codes and levels of a column, or of the observed combinations of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mixedmodels._core import interact
from mixedmodels.arrays import BoolArray, IntArray, LongArray
from mixedmodels.design.absent import refuse_absent
from mixedmodels.design.codes import categorize, match_levels
from mixedmodels.design.columns import CategoricalColumn, NumericColumn, level_labels
from mixedmodels.design.factors import NumericBlock, factor_values
from mixedmodels.design.functions import CodedColumn
from mixedmodels.design.names import interaction_labels
from mixedmodels.design.rows import Rows
from mixedmodels.errors import FormulaError
from mixedmodels.formula import Factor
from mixedmodels.values import quick

# Largest number that combinations of levels are counted to.
_LARGEST = 2**62


@quick
@dataclass(frozen=True, slots=True, eq=False)
class GroupSpec:
    """How to find the level of a group on new data.

    Attributes:
        factors: The factors whose combinations are the levels.
        formula: The formula they stand in, for messages.
        levels: Levels in use of each factor.
        parts: For each factor, (l,) its level in each level of the group.
        states: For each factor, what stateful functions in it have learnt.
    """

    factors: tuple[Factor, ...]
    formula: str
    levels: tuple[pd.Index, ...]
    parts: tuple[IntArray, ...]
    states: tuple[dict[str, Any], ...]


@quick
@dataclass(frozen=True, slots=True, eq=False)
class GroupingFactor:
    """One grouping factor.

    Attributes:
        name: ``"Subject"``, or ``"cask:batch"`` for an interaction.
        codes: (n,) int32 level of each row.
        spec: How to code new data.
        n_levels: Number of levels in use.
    """

    name: str
    codes: IntArray
    spec: GroupSpec
    n_levels: int = field(init=False)
    _made: list[pd.Index] = field(init=False, repr=False, default_factory=list)

    if not TYPE_CHECKING:
        __getattr__ = refuse_absent

    def __post_init__(self) -> None:
        object.__setattr__(self, "n_levels", len(self.spec.parts[0]) if self.spec.parts else 0)

    @property
    def levels(self) -> pd.Index:
        """(l,) levels in use, in the user's order, made when they are asked for.

        Of an interaction the labels ``"a:A"`` of the observed combinations, by first factor, then
        second. Two combinations never have one label (see `names.interaction_labels`).
        """
        if not self._made:
            self._made.append(combined_labels(self.spec))
        return self._made[0]


def code_column(name: str, rows: Rows) -> CategoricalColumn:
    """A column as a grouping factor: codes and levels, unused levels included."""
    return categorize(rows.column(name))


def code_value(
    factor: Factor, formula: str, value: NumericBlock | CategoricalColumn | CodedColumn
) -> CategoricalColumn:
    """The value of an expression as a grouping factor: codes and levels.

    Raises:
        FormulaError: it gives several columns.
    """
    if isinstance(value, CodedColumn):
        return value.column
    if not isinstance(value, NumericBlock):
        return value
    if len(value.values) == 1:
        return categorize(NumericColumn(value.values[0]))
    raise FormulaError(
        "A grouping factor is one column; this gives several.", formula, factor.start, factor.end
    )


def build_group(
    name: str,
    factors: tuple[Factor, ...],
    formula: str,
    used: Sequence[CategoricalColumn],
    states: tuple[dict[str, Any], ...],
) -> GroupingFactor:
    """The grouping factor of a random-effects term.

    Args:
        name: What it is called.
        factors: The factors whose interaction it is.
        formula: The whole formula, for messages.
        used: Their codes and levels, without unused levels.
        states: What stateful functions in them have learnt.
    """
    codes = used[0].codes
    parts: tuple[IntArray, ...] = (np.arange(len(used[0].levels), dtype=np.int32),)
    for column in used[1:]:
        both = interact(codes, len(parts[0]), column.codes, len(column.levels))
        codes, before = both.codes, both.level_a
        parts = (*(part[before] for part in parts), both.level_b)
    levels = tuple(column.levels for column in used)
    spec = GroupSpec(factors, formula, levels, parts, states)
    return GroupingFactor(name, codes, spec)


def match_group(spec: GroupSpec, rows: Rows) -> tuple[IntArray, BoolArray | None]:
    """The level of each new row, -1 where it is missing or was not there in training.

    Returns:
        (n,) codes, and (n,) whether a value is missing; None where none is.
    """
    return match_columns(spec, recode_group(spec, rows))


def match_columns(
    spec: GroupSpec, columns: Sequence[CategoricalColumn]
) -> tuple[IntArray, BoolArray | None]:
    """The same, given the factors of the group on the new rows, with their own levels."""
    absent: BoolArray | None = None
    for column in columns:
        found = column.missing()
        if found is not None:
            absent = found if absent is None else absent | found
    coded = [
        match_levels(column, levels) for column, levels in zip(columns, spec.levels, strict=True)
    ]
    return (coded[0] if len(coded) == 1 else _match_parts(spec, coded)), absent


def _match_parts(spec: GroupSpec, coded: list[IntArray]) -> IntArray:
    """The combination that each row is; -1 for one that training did not have."""
    known: LongArray = spec.parts[0].astype(np.int64)
    wanted: LongArray = coded[0].astype(np.int64)
    bound = len(spec.levels[0])
    for part, codes, levels in zip(spec.parts[1:], coded[1:], spec.levels[1:], strict=True):
        bound *= len(levels)
        if bound > _LARGEST:
            # Numbers of the combinations so far take the place of the combinations.
            distinct = np.unique(known)
            known, wanted = np.searchsorted(distinct, known), _find(distinct, wanted)
            bound = len(distinct) * len(levels)
        # Sorted as the combinations are.
        known, wanted = known * len(levels) + part, wanted * len(levels) + codes
    position = _find(known, wanted)
    for codes in coded:
        position[codes < 0] = -1
    return position.astype(np.int32)


def _find(known: LongArray, wanted: LongArray) -> LongArray:
    """(n,) where each number is in an ascending array; -1 where it is not."""
    position = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[position] == wanted, position, -1)


def group_labels(spec: GroupSpec, rows: Rows) -> list[str]:
    """(n,) label of each new row's level, known or not; ``"NA"`` for a missing value."""
    labelled = []
    for column in recode_group(spec, rows):
        labels = np.array([*level_labels(column.levels), "NA"], dtype=object)
        labelled.append(labels[column.codes])
    return [":".join(row) for row in zip(*labelled, strict=True)]


def recode_group(spec: GroupSpec, rows: Rows) -> list[CategoricalColumn]:
    """The factors of a group on new rows, with their own levels; -1 where missing.

    Raises:
        FormulaError: a column is missing, or an expression cannot be computed.
    """
    return [
        code_value(factor, spec.formula, factor_values(factor, spec.formula, rows, states))
        if not (factor.is_column and factor.name in rows.table)
        else code_column(factor.name, rows)
        for factor, states in zip(spec.factors, spec.states, strict=True)
    ]


def combined_labels(spec: GroupSpec) -> pd.Index:
    """(l,) the levels of a group, made of those of its factors."""
    if len(spec.factors) == 1:
        return spec.levels[0]
    known = [level_labels(levels) for levels in spec.levels]
    texts = [
        np.array(names, dtype=object)[part] for names, part in zip(known, spec.parts, strict=True)
    ]
    labels = texts[0]
    for text in texts[1:]:
        labels = labels + ":" + text
    if not any(":" in "\n".join(names) for names in known):
        return pd.Index(labels, dtype=object)
    told_apart = interaction_labels(labels.tolist(), lambda level: [text[level] for text in texts])
    return pd.Index(told_apart, dtype=object)
