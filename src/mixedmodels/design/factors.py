"""Factors of a formula to blocks of columns: the values behind each factor, coded and named.

A factor becomes a block once for the whole design; which of its columns a term uses (all levels, or
one fewer) is decided in `rank`, and products are formed in `matrix`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from mixedmodels.arrays import AnyArray, FloatArray
from mixedmodels.design.codes import categorize, drop_unused, match_levels
from mixedmodels.design.coding import Coding, full_coding, make_coding
from mixedmodels.design.columns import (
    CategoricalColumn,
    Column,
    NumericColumn,
    first_levels,
    level_labels,
)
from mixedmodels.design.evaluate import bind_factor, evaluate
from mixedmodels.design.finite import check_finite_levels, sources
from mixedmodels.design.functions import Basis, CodedColumn
from mixedmodels.design.levels import kind_of_times, times_remedy
from mixedmodels.design.rows import Rows
from mixedmodels.design.stray import check_meant_as_factor, strays
from mixedmodels.errors import DataError, FormulaError
from mixedmodels.formula import Factor
from mixedmodels.values import quick


@quick
@dataclass(frozen=True, slots=True, eq=False)
class NumericBlock:
    """Columns of numbers.

    Attributes:
        names: Column names.
        values: One (n,) array for each.
        spans: Whether the columns add up to a constant, so that the first one is redundant
            beside an intercept (a spline basis with its intercept).
        n_unused: 0; numbers have no levels.
    """

    names: tuple[str, ...]
    values: tuple[AnyArray, ...]
    spans: bool = False
    n_unused: int = 0

    def columns(self, reduced: bool) -> tuple[str, ...]:
        """Names of the columns, the first one left out when `reduced`."""
        return self.names[1:] if reduced else self.names

    def write(self, column: int, reduced: bool, out: FloatArray) -> None:
        """Store one column in `out` (n,)."""
        out[...] = self.values[column + reduced]


@quick
@dataclass(frozen=True, slots=True, eq=False)
class CategoricalBlock:
    """Columns that code a categorical factor.

    Attributes:
        name: Of the factor.
        codes: (n,) level of each row; the columns of a row with -1 (missing) mean nothing.
        contrast: Coding beside an intercept.
        full: Coding where the factor also stands for the intercept.
        n_unused: Levels left out because they do not occur.
        spans: True; all levels together add up to a constant.
    """

    name: str
    codes: AnyArray
    contrast: Coding
    full: Coding
    n_unused: int = 0
    spans: bool = True

    def columns(self, reduced: bool) -> tuple[str, ...]:
        """Names of the columns of the contrast (`reduced`) or of all levels."""
        return tuple([self.name + suffix for suffix in self._coding(reduced).suffixes])

    def write(self, column: int, reduced: bool, out: FloatArray) -> None:
        """Store one column in `out` (n,)."""
        coding = self._coding(reduced)
        if coding.matrix is None:
            out[...] = self.codes == coding.indicated[column]
        else:
            coding.matrix[:, column].take(self.codes, out=out, mode="clip")

    def _coding(self, reduced: bool) -> Coding:
        return self.contrast if reduced else self.full


Block: TypeAlias = NumericBlock | CategoricalBlock


@quick
@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """How to make a factor's block again on new data, as it was made in training.

    Attributes:
        factor: The factor.
        formula: The formula it stands in, for messages.
        states: What stateful functions have learnt.
        levels: Levels of a categorical factor, or None.
        contrast: Its coding beside an intercept, or None.
        names: Column names of a numeric factor.
    """

    factor: Factor
    formula: str
    states: dict[str, Any] = field(default_factory=dict)
    levels: pd.Index | None = None
    contrast: Coding | None = None
    names: tuple[str, ...] = ()


def train_factor(
    factor: Factor,
    formula: str,
    value: NumericBlock | CategoricalColumn | CodedColumn,
    states: dict[str, Any],
    rows: Rows,
    contrasts: Mapping[str, Any],
) -> tuple[Block, Recipe]:
    """The block of a factor on the training rows, and the recipe to make it again.

    Args:
        factor: The factor.
        formula: The formula it stands in, for messages.
        value: What it is on the rows, without missing values.
        states: What stateful functions in it have learnt.
        rows: The rows, for messages.
        contrasts: Column or factor to contrast.

    Raises:
        DataError: it has times or infinite levels, or fewer than two levels.
    """
    asked = _asked_contrast(factor, value, contrasts)
    if isinstance(value, CodedColumn):
        value = value.column
    if isinstance(value, NumericBlock):
        if asked is not None:
            raise DataError(
                f"contrasts names '{factor.name}', which is numeric; write C({factor.source})."
            )
        return value, Recipe(factor, formula, states, names=value.names)
    times = kind_of_times(value.levels) if factor.is_column else None
    if times is not None:
        raise DataError(f"'{factor.name}' has {times}; {times_remedy(times, factor.source)}.")
    column = drop_unused(value)
    if factor.is_column and asked is None:
        check_meant_as_factor(factor.name, column, rows, declared=value.declared)
    check_finite_levels(factor.name, column, rows, sources(factor, formula, rows))
    if len(column.levels) < 2:
        listed = ", ".join(level_labels(column.levels))
        raise DataError(
            f"'{factor.name}' is categorical with only one level in use ({listed}), so it has no "
            "effect to estimate; leave it out of the formula."
        )
    labels = level_labels(column.levels)
    contrast = make_coding(asked, column.levels, factor.name, labels)
    full = full_coding(labels)
    recipe = Recipe(factor, formula, states, column.levels, contrast)
    n_unused = len(value.levels) - len(column.levels)
    return CategoricalBlock(factor.name, column.codes, contrast, full, n_unused), recipe


def replay_factor(recipe: Recipe, rows: Rows) -> Block:
    """The block of a factor on new rows; where its column is missing, the row means nothing.

    Raises:
        FormulaError: a column is missing from the new data.
        DataError: the column is of another kind than in training, or has a level that was not
            there.
    """
    value = factor_values(recipe.factor, recipe.formula, rows, recipe.states)
    return replay_value(recipe, value, rows)


def replay_value(
    recipe: Recipe,
    value: NumericBlock | CategoricalColumn | CodedColumn,
    rows: Rows,
    when: str = "when the model was fitted",
) -> Block:
    """The block of a factor on new rows, of its value there; raises as `replay_factor`.

    Args:
        recipe: How the block was made in training.
        value: What the factor is on the new rows.
        rows: The new rows.
        when: When training was, for messages.
    """
    factor = recipe.factor
    if recipe.levels is not None and factor.is_column:
        value = categorize(rows.column(factor.name))  # numbers with all their digits
    if isinstance(value, CodedColumn):
        value = value.column
    if recipe.levels is None or recipe.contrast is None:
        if isinstance(value, NumericBlock):
            return NumericBlock(recipe.names, value.values, value.spans)
        raise DataError(
            f"'{factor.name}' was numeric {when}; here it has categories "
            f"({first_levels(value.levels, 3)}). "
            + (strays(factor.name, value, rows.names_at) or "Give numbers.")
        )
    if isinstance(value, NumericBlock):
        value = categorize(NumericColumn(value.values[0]))
    codes = match_levels(value, recipe.levels)
    unknown = (codes < 0) & (value.codes >= 0)
    if unknown.any():
        stray = value.levels.take(np.unique(value.codes[unknown]))
        raise DataError(
            f"'{factor.name}' has levels that were not there {when}: "
            f"{first_levels(stray, 5)} ({rows.describe(unknown)}). "
            f"Known levels: {first_levels(recipe.levels, 10)}."
        )
    full = full_coding(level_labels(recipe.levels))
    return CategoricalBlock(factor.name, codes, recipe.contrast, full)


def factor_values(
    factor: Factor, formula: str, rows: Rows, states: dict[str, Any]
) -> NumericBlock | CategoricalColumn | CodedColumn:
    """What a factor is on the given rows: numbers, or a categorical column.

    Raises:
        FormulaError: it names no column, cannot be computed, or has not one value for each row.
    """
    bound = bind_factor(factor, formula, rows.table)
    if bound is None:
        return _plain(factor.name, rows.column(factor.name), rows)
    try:
        value = evaluate(bound, rows, states)
        return _normalise(factor.name, value, rows.n_rows)
    except FormulaError as error:
        raise FormulaError(error.message, formula, factor.start, factor.end) from None


def _plain(name: str, column: Column, rows: Rows) -> NumericBlock | CategoricalColumn:
    if isinstance(column, CategoricalColumn):
        return column
    if column.values.dtype.kind == "b":
        return categorize(column)
    values = column.values if column.absent is None else rows.numbers(name)
    return NumericBlock((name,), (values,))


def _normalise(
    name: str, value: Any, n_rows: int
) -> NumericBlock | CategoricalColumn | CodedColumn:
    spans = False
    suffixes: tuple[Any, ...] | None = None
    if isinstance(value, Basis):
        spans, suffixes, value = value.spans, value.names, value.columns
    if isinstance(value, dict):
        value = np.column_stack([np.asarray(column) for column in value.values()])
    if isinstance(value, CodedColumn):
        _check_length(value.column.codes, n_rows)
        return value
    if isinstance(value, (CategoricalColumn, pd.Categorical)):
        codes = value.codes
        _check_length(codes, n_rows)
        if isinstance(value, pd.Categorical):
            return CategoricalColumn(codes, value.categories, bool(value.ordered))
        return value
    array = np.asarray(value)
    _check_length(array, n_rows)
    if array.dtype.kind not in "fiub" or array.ndim > 2:
        raise FormulaError(f"'{name}' gives {array.dtype} values; numbers are needed.")
    if array.ndim == 1 and array.dtype.kind == "b":
        return categorize(NumericColumn(array))
    if array.ndim == 1:
        return NumericBlock((name,), (array,))
    suffixes = suffixes or tuple(range(1, array.shape[1] + 1))
    return NumericBlock(tuple([f"{name}{suffix}" for suffix in suffixes]), tuple(array.T), spans)


def _check_length(array: AnyArray, n_rows: int) -> None:
    if array.ndim == 0 or array.shape[0] != n_rows:
        found = "a single value" if array.ndim == 0 else f"{array.shape[0]} values"
        columns = " Two columns are cbind(a, b)." if found.startswith("2 ") else ""
        raise FormulaError(f"This gives {found}, not one for each of the {n_rows} rows.{columns}")


def _asked_contrast(factor: Factor, value: Any, contrasts: Mapping[str, Any]) -> Any:
    """From inside the formula first, then by the factor's name, then by that of its column."""
    if isinstance(value, CodedColumn):
        if value.contrast is not None:
            return value.contrast
        inner = factor.source.partition("(")[2].rpartition(")")[0].partition(",")[0].strip(" `")
        return contrasts.get(factor.name, contrasts.get(inner))
    return contrasts.get(factor.name)
