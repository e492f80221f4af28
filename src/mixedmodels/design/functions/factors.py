"""Functions that make factors, with R's levels: ``factor``, ``relevel``, ``interaction``.

Levels are those of the training data on new data too, wherever codes or labels depend on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels._core import interact
from mixedmodels.arrays import IntArray
from mixedmodels.design.codes import match_levels
from mixedmodels.design.codes import relevel as put_levels
from mixedmodels.design.coding import Contrast
from mixedmodels.design.columns import (
    CategoricalColumn,
    first_levels,
    level_label,
    level_labels,
)
from mixedmodels.design.functions.kinds import (
    CodedColumn,
    basis,
    categories,
    count,
    flag,
    is_categorical,
    listed,
    occurring,
)
from mixedmodels.design.functions.learning import OfLevels
from mixedmodels.design.functions.signature import Function, function
from mixedmodels.errors import DataError, FormulaError, did_you_mean
from mixedmodels.naming import first_few

MAX_LEVELS = 10_000
"""Largest number of levels or labels that a formula may list."""

_SHOWN = 10


def coded(x: Any, contrast: Any = None, *, levels: Any = None, base: Any = None) -> CodedColumn:
    """``C(x, contrast, levels=, base=)``: a column as categories, coded as asked.

    Raises:
        FormulaError: `base` without a contrast that has one.
        DataError: a value is not among `levels`.
    """
    if isinstance(x, CodedColumn) and contrast is None:
        contrast = x.contrast
    if isinstance(contrast, Function):
        contrast = contrast()
    if base is not None:
        if contrast != Contrast("treatment"):
            raise FormulaError(
                "takes base= for contr.treatment only: C(x, contr.treatment, base=2)."
            )
        contrast = Contrast("treatment", position=count(base, "base", 1, MAX_LEVELS))
    column = categories(x)
    if levels is not None:
        column = put_levels(column, _levels(levels), "")
    return CodedColumn(column, contrast)


def factor(
    x: Any, levels: Any = None, labels: Any = None, ordered: Any = None, *, _state: dict[str, Any]
) -> CodedColumn:
    """``factor(x, levels, labels, ordered)``: a column as categories, in the order of `levels`.

    Raises:
        DataError: a value is not among `levels`.
    """
    if isinstance(levels, (Contrast, Function)):
        raise FormulaError("takes no contrast; write C(x, contrast).")
    column = categories(x)
    if levels is not None:
        column = put_levels(column, _levels(levels), "")
    if labels is not None:
        column = _relabelled(column, labels, learnt=levels is None, state=_state)
    if ordered is not None or isinstance(x, CodedColumn):
        column = CategoricalColumn(
            column.codes,
            column.levels,
            column.ordered if ordered is None else flag(ordered, "ordered"),
        )
    contrast = x.contrast if isinstance(x, CodedColumn) else None
    return CodedColumn(column, contrast, compact=levels is None and labels is None)


def ordered(
    x: Any, levels: Any = None, labels: Any = None, *, _state: dict[str, Any]
) -> CodedColumn:
    """``ordered(x, levels, labels)``: a factor whose levels are ordered."""
    return factor(x, levels, labels, True, _state=_state)


def as_factor(x: Any) -> CodedColumn:
    """``as.factor(x)``: numbers and text as categories; a factor stays what it is."""
    return x if isinstance(x, CodedColumn) else CodedColumn(categories(x), compact=True)


def drop_levels(f: Any) -> CodedColumn:
    """``droplevels(f)``: without the levels that do not occur in the training data."""
    contrast = f.contrast if isinstance(f, CodedColumn) else None
    return CodedColumn(_factor(f), contrast, compact=True)


def relevel(x: Any, ref: Any, *, _state: dict[str, Any]) -> CodedColumn:
    """``relevel(f, ref)``: the factor with `ref` (a level, or its number) as its first level.

    Raises:
        FormulaError: numbers, or an ordered factor.
        DataError: there is no such level.
    """
    column = _factor(x)
    if column.ordered:
        raise FormulaError("needs a factor whose levels are not ordered; R refuses it too.")
    values = listed(ref, "ref", MAX_LEVELS)
    if len(values) != 1:
        raise FormulaError(f"needs one level as 'ref', not {len(values)}.")
    column, levels = settled(x, _state)
    first = _position(values[0], levels)
    order = [first, *(level for level in range(len(levels)) if level != first)]
    front = levels.take(order)
    stray = column.levels[len(levels) :]
    both = front if len(stray) == 0 else front.append(stray)
    return CodedColumn(CategoricalColumn(match_levels(column, both), both))


def interaction(
    *columns: Any, sep: Any = ".", drop: Any = False, lex_order: Any = False
) -> CodedColumn:
    """``interaction(a, b)``: one factor of the combinations that occur, labelled ``"a1.b1"``.

    Raises:
        DataError: two combinations have one label.
    """
    if not isinstance(sep, str):
        raise FormulaError("needs a text as 'sep'.")
    flag(drop, "drop")
    parts = [occurring(categories(column)) for column in columns]
    n_rows = len(parts[0].codes)
    present = np.logical_and.reduce([part.codes >= 0 for part in parts])
    slowest_first = parts if flag(lex_order, "lex.order") else parts[::-1]
    codes = slowest_first[0].codes[present].astype(np.int32)
    chosen: tuple[IntArray, ...] = (np.arange(len(slowest_first[0].levels), dtype=np.int32),)
    for part in slowest_first[1:]:
        n_levels = len(part.levels)
        others = part.codes[present].astype(np.int32)
        both = interact(codes, len(chosen[0]), others, n_levels)
        codes, before = both.codes, both.level_a
        chosen = (*(which[before] for which in chosen), both.level_b)
    if slowest_first is not parts:
        chosen = chosen[::-1]
    labels = [
        np.array(level_labels(part.levels), dtype=object)[which]
        for part, which in zip(parts, chosen, strict=True)
    ]
    levels = pd.Index([sep.join(pieces) for pieces in zip(*labels, strict=True)], dtype=object)
    if not levels.is_unique:
        twice = levels[levels.duplicated()][0]
        raise DataError(f"has two combinations with the label '{twice}'; give sep=, such as ':'.")
    every = np.full(n_rows, -1, dtype=np.int32)
    every[present] = codes
    return CodedColumn(CategoricalColumn(every, levels))


def dummy(f: Any, levels_to_keep: Any = None, *, _state: dict[str, Any]) -> Any:
    """``dummy(f, "b")``: an indicator of each level named; of all but the first without names.

    Raises:
        DataError: a level named is not one of the factor's.
    """
    column, levels = settled(as_factor(f), _state)
    labels = level_labels(levels)
    if levels_to_keep is None:
        kept = list(range(1, len(labels)))
    else:
        wanted = [level_label(v) for v in listed(levels_to_keep, "levelsToKeep", MAX_LEVELS)]
        kept = [_position(label, levels) for label in wanted]
    if not kept:
        raise DataError("needs a factor with at least two levels in use.")
    indicators = np.equal.outer(column.codes, kept).astype(np.float64)
    indicators[column.codes < 0] = np.nan
    return basis(indicators, names=[labels[level] for level in kept])


def settled(x: Any, state: dict[str, Any]) -> tuple[CategoricalColumn, pd.Index]:
    """A factor with the levels of training, and these levels; levels seen later follow them."""
    column = categories(x)
    if "levels" not in state:
        if isinstance(x, CodedColumn) and x.compact:
            column = occurring(column)
        state["levels"] = column.levels
    known: pd.Index = state["levels"]
    codes = match_levels(column, known)
    stray = np.unique(column.codes[(codes < 0) & (column.codes >= 0)])
    if stray.size == 0:
        return CategoricalColumn(codes, known, column.ordered), known
    levels = pd.Index(level_labels(known) + level_labels(column.levels.take(stray)), dtype=object)
    return CategoricalColumn(match_levels(column, levels), levels, column.ordered), known


def _factor(x: Any) -> CategoricalColumn:
    if not is_categorical(x):
        raise FormulaError("needs a factor, not numbers; write factor(x) for x inside it.")
    return categories(x)


def _levels(given: Any) -> pd.Index:
    levels = pd.Index(listed(given, "levels", MAX_LEVELS))
    labels = level_labels(levels)
    if len(set(labels)) < len(labels):
        raise FormulaError("is given a level twice.")
    return levels


def _position(wanted: Any, levels: pd.Index) -> int:
    """Which level is meant: by label, or by R's number for a number."""
    labels = level_labels(levels)
    if isinstance(wanted, str):
        if wanted in labels:
            return labels.index(wanted)
        raise DataError(
            f"has no level '{wanted}'; it has {first_few(labels, _SHOWN)}."
            f"{did_you_mean(wanted, labels)}"
        )
    return count(wanted, "ref", 1, max(len(labels), 1)) - 1


def _relabelled(
    column: CategoricalColumn, labels: Any, *, learnt: bool, state: dict[str, Any]
) -> CategoricalColumn:
    """The column with a label for each level; levels with one label become one level."""
    names = [level_label(label) for label in listed(labels, "labels", MAX_LEVELS)]
    levels = column.levels
    if learnt:
        column, levels = settled(CodedColumn(column, compact=True), state)
        if len(column.levels) > len(levels):
            stray = first_levels(column.levels[len(levels) :], _SHOWN)
            raise DataError(f"has values that were not there when the model was fitted: {stray}.")
    if len(names) != len(levels):
        raise DataError(
            f"needs a label for each of the {len(levels)} levels "
            f"({first_levels(levels, _SHOWN)}), not {len(names)}."
        )
    codes, distinct = pd.factorize(np.array(names, dtype=object))
    position = np.append(codes, -1).astype(np.int32)
    return CategoricalColumn(
        position[column.codes], pd.Index(distinct, dtype=object), column.ordered
    )


def _labels_learner(given: Mapping[str, Any]) -> OfLevels | None:
    """Learns from batches where labels are given for levels that are not."""
    learns = given.get("labels") is not None and given.get("levels") is None
    return OfLevels("x") if learns else None


FUNCTIONS: dict[str, Function] = {
    "C": function("C", coded),
    "factor": function("factor", factor, stateful=True, learner=_labels_learner),
    "ordered": function("ordered", ordered, stateful=True, learner=_labels_learner),
    "as.factor": function("as.factor", as_factor),
    "droplevels": function("droplevels", drop_levels),
    "relevel": function("relevel", relevel, stateful=True, learner=lambda _given: OfLevels("x")),
    "interaction": function("interaction", interaction, lex_order="lex.order"),
    "dummy": function(
        "dummy",
        dummy,
        stateful=True,
        learner=lambda _given: OfLevels("f"),
        levels_to_keep="levelsToKeep",
    ),
}
