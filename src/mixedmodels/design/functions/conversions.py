"""R's conversions between numbers, truth values, text and factors.

R tells text from factors. A column of text and a factor are one kind here, so what R would answer
differently for the two is refused with what to write for each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.design.codes import TRUTH_LEVELS
from mixedmodels.design.columns import CategoricalColumn, first_levels, level_labels
from mixedmodels.design.functions.factors import settled
from mixedmodels.design.functions.kinds import (
    CodedColumn,
    TextColumn,
    basis,
    categories,
    is_categorical,
    numbers,
    occurring,
)
from mixedmodels.design.functions.learning import of_levels
from mixedmodels.design.functions.signature import Function, function
from mixedmodels.errors import DataError, FormulaError

_TRUE = frozenset({"TRUE", "true", "T", "True"})
_FALSE = frozenset({"FALSE", "false", "F", "False"})


def as_numeric(x: Any, *, _state: dict[str, Any]) -> FloatArray:
    """``as.numeric(x)``: numbers as they are, TRUE as 1, a factor's codes from 1.

    Raises:
        FormulaError: a column of which R's answer depends on whether it is text or a factor.
        DataError: text that is not a number, or a level that training did not have.
    """
    if not is_categorical(x):
        return numbers(x)
    if isinstance(x, TextColumn):
        return _parsed(x)
    column = categories(x)
    if column.levels.dtype.kind in "mM":
        numbers(column)
    if not isinstance(x, CodedColumn) and not column.ordered:
        raise FormulaError(
            "gives the codes of a factor, but the numbers of text. Write as.numeric(factor(f)) for "
            "the codes of the levels from 1 on, or as.numeric(as.character(f)) for the numbers "
            "that the labels stand for."
        )
    column, levels = settled(x, _state)
    if len(column.levels) > len(levels):
        stray = first_levels(column.levels[len(levels) :], 5)
        raise DataError(f"has levels that were not there when the model was fitted: {stray}.")
    return np.where(column.codes < 0, np.nan, column.codes + 1.0)


def as_integer(x: Any, *, _state: dict[str, Any]) -> FloatArray:
    """``as.integer(x)``: `as_numeric` without what follows the decimal point."""
    return np.trunc(as_numeric(x, _state=_state))


def as_logical(x: Any) -> Any:
    """``as.logical(x)``: FALSE for 0, TRUE for other numbers; R's words for them.

    Raises:
        DataError: text that is not such a word.
    """
    if is_categorical(x):
        column = occurring(categories(x))
        labels = level_labels(column.levels)
        stray = [label for label in labels if label not in _TRUE | _FALSE]
        if stray:
            raise DataError(f"needs TRUE and FALSE, not '{stray[0]}'; write f == '{stray[0]}'.")
        truth = np.array([*(label in _TRUE for label in labels), -1], dtype=np.int8)[column.codes]
    else:
        values = numbers(x)
        truth = np.where(np.isnan(values), -1, values != 0.0).astype(np.int8)
    if truth.ndim != 1 or (truth >= 0).all():
        return truth != 0
    return CategoricalColumn(truth, TRUTH_LEVELS)


def as_character(x: Any) -> TextColumn:
    """``as.character(x)``: the labels as text, in the order of text."""
    column = occurring(categories(x))
    labels = np.array(level_labels(column.levels), dtype=object)
    levels, position = np.unique(labels, return_inverse=True)
    codes = np.append(position, -1).astype(np.int32)[column.codes]
    return TextColumn(codes, pd.Index(levels, dtype=object))


def _parsed(column: TextColumn) -> FloatArray:
    """The numbers that the texts stand for."""
    found = [_number(label) for label in level_labels(column.levels)]
    values: FloatArray = np.array([*found, np.nan])
    return values[column.codes]


def _number(text: str) -> float:
    try:
        # Python reads 1_000 as a number, R does not.
        return float(text.replace("_", "?"))
    except ValueError:
        raise DataError(
            f"needs numbers written as text, not '{text}', which would be missing in R; mend the "
            "column first."
        ) from None


def cbind(*columns: Any) -> Any:
    """``cbind(a, b)``: columns of numbers side by side; a constant stands for all rows."""
    if not columns:
        raise FormulaError("needs columns of numbers.")
    parts = [numbers(column) for column in columns]
    lengths = [len(part) for part in parts if part.ndim]
    if not lengths:
        raise FormulaError("needs a column of the data; constants alone are no column.")
    n = max(lengths)
    parts = [part if part.ndim else np.full(n, part) for part in parts]
    alike = {part.shape for part in parts} == {(n,)}
    return basis(np.array(parts).T if alike else np.column_stack(parts))


FUNCTIONS: dict[str, Function] = {
    "cbind": function("cbind", cbind),
    "as.numeric": function("as.numeric", as_numeric, stateful=True, learner=of_levels("x")),
    "as.double": function("as.double", as_numeric, stateful=True, learner=of_levels("x")),
    "as.integer": function("as.integer", as_integer, stateful=True, learner=of_levels("x")),
    "as.logical": function("as.logical", as_logical),
    "as.character": function("as.character", as_character),
}
