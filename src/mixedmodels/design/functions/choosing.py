"""Choices by row, lists of constants, and functions that return what they are given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import AnyArray
from mixedmodels.design.columns import level_label, level_labels
from mixedmodels.design.functions.arithmetic import same_shape
from mixedmodels.design.functions.kinds import (
    CodedColumn,
    TextColumn,
    categories,
    constant,
    count,
    flag,
    is_categorical,
    listed,
    numbers,
)
from mixedmodels.design.functions.signature import Function, function
from mixedmodels.errors import FormulaError

MAX_LIST = 10_000
"""Largest number of constants in a list."""


def identity(x: Any) -> Any:
    """``I(x)``: its argument; the text inside is arithmetic, not formula operators."""
    return x


def choose(test: Any, yes: Any, no: Any) -> Any:
    """``ifelse(test, yes, no)``: row by row; text gives a factor of the texts.

    Raises:
        FormulaError: `yes` or `no` is a factor, whose codes R would take.
    """
    asked = numbers(test)
    if any(isinstance(value, str) or is_categorical(value) for value in (yes, no)):
        return _choose_text(asked, yes, no)
    truths = all(isinstance(value, (bool, np.bool_)) or _is_bool(value) for value in (yes, no))
    condition, yes, no = same_shape((asked, numbers(yes), numbers(no)))
    chosen: AnyArray = np.where(condition != 0.0, yes, no)
    if np.isnan(condition).any():
        return np.where(np.isnan(condition), np.nan, chosen)
    return chosen != 0.0 if truths else chosen


def _is_bool(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "b"


def _choose_text(asked: AnyArray, yes: Any, no: Any) -> TextColumn:
    codes: list[AnyArray] = []
    texts: list[str] = []
    for value in (yes, no):
        if is_categorical(value) and not isinstance(value, TextColumn):
            raise FormulaError("chooses among numbers or text; write as.character(f) for a factor.")
        found = _texts(value, asked.shape)
        codes.append(np.where(found.codes < 0, -1, found.codes + len(texts)))
        texts += level_labels(found.levels)
    levels, position = np.unique(np.array(texts, dtype=object), return_inverse=True)
    chosen = np.where(asked != 0.0, *codes)
    chosen[np.isnan(asked)] = -1
    return TextColumn(
        np.append(position, -1).astype(np.int32)[chosen], pd.Index(levels, dtype=object)
    )


def _texts(value: Any, shape: tuple[int, ...]) -> TextColumn:
    if isinstance(value, TextColumn):
        return value
    if isinstance(value, (str, bool, int, float)):
        label = pd.Index([level_label(value)], dtype=object)
        return TextColumn(np.zeros(shape, dtype=np.int32), label)
    column = categories(value)
    return TextColumn(column.codes, pd.Index(level_labels(column.levels), dtype=object))


def is_element(x: Any, table: Any, invert: Any = False) -> AnyArray:
    """``np.isin(x, ["a", "b"])``: whether each value is among the constants."""
    column = categories(x)
    wanted = {level_label(value) for value in listed(table, "table", MAX_LIST)}
    among = np.array([label in wanted for label in level_labels(column.levels)] + [False])
    found: AnyArray = among[column.codes]
    return ~found if flag(invert, "invert") else found


def combine(*values: Any) -> tuple[Any, ...]:
    """``c(1, 2)``: a list of constants.

    Raises:
        FormulaError: a column, or too many.
    """
    found: list[Any] = []
    for value in values:
        if isinstance(value, CodedColumn) or np.ndim(value) > 1:
            raise FormulaError("makes lists of constants, not of columns.")
        found += listed(value, "values", MAX_LIST)
    if len(found) > MAX_LIST:
        raise FormulaError(f"makes lists of at most {MAX_LIST} values, not {len(found)}.")
    return tuple(found)


def sequence(start: Any, to: Any, by: Any = None, *, length_out: Any = None) -> tuple[float, ...]:
    """``seq(from, to, by)``, ``seq(from, to, length.out=)``: a list of equidistant constants."""
    low, high = constant(start, "from"), constant(to, "to")
    if length_out is not None:
        n_values = count(length_out, "length.out", 1, MAX_LIST)
        return tuple(np.linspace(low, high, n_values).tolist())
    step = (1.0 if high >= low else -1.0) if by is None else constant(by, "by")
    if step == 0.0 or (high - low) / step < 0.0:
        raise FormulaError(f"cannot go from {low:g} to {high:g} by {step:g}.")
    n_steps = (high - low) / step + 1e-10
    if not n_steps < MAX_LIST:
        raise FormulaError(f"makes lists of at most {MAX_LIST} values.")
    return tuple((low + step * np.arange(int(n_steps) + 1)).tolist())


FUNCTIONS: dict[str, Function] = {
    "I": function("I", identity),
    "offset": function("offset", identity),
    "identity": function("identity", identity),
    "ifelse": function("ifelse", choose),
    "np.where": function("np.where", choose),
    "is.element": function("is.element", is_element, x="el"),
    "np.isin": function("np.isin", is_element, x="element", table="test_elements"),
    "c": function("c", combine),
    "seq": function("seq", sequence, start="from", length_out="length.out"),
}
