"""Which rows a model uses: missing values, weights of zero; and weights and offset themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mixedmodels.arrays import BoolArray, FloatArray
from mixedmodels.design.alignment import row_numbers
from mixedmodels.design.codes import TRUTH_LEVELS
from mixedmodels.design.columns import CategoricalColumn
from mixedmodels.design.evaluate import Bound, bind, evaluate
from mixedmodels.design.factors import NumericBlock, Recipe
from mixedmodels.design.finite import LEFT_OUT, warn_of_lost_rows
from mixedmodels.design.functions import CodedColumn
from mixedmodels.design.operators import Unsuitable, as_numbers
from mixedmodels.design.rows import Rows
from mixedmodels.design.stray import strays, strays_in_rows
from mixedmodels.errors import DataError, FormulaError
from mixedmodels.formula.tokens import quote_name
from mixedmodels.settings import NaAction
from mixedmodels.values import quick

ALL_WEIGHTS_ZERO = "All weights are zero, so no row is left."
"""What to say where that is so."""


@dataclass(frozen=True, slots=True, eq=False)
class Argument:
    """`weights` or `offset` as given: an expression of columns, or values for every row.

    Attributes:
        role: ``"weights"`` or ``"offset"``.
        text: The expression, or None.
        values: (rows of the data,) the values, or None.
        columns: Columns that the expression needs.
        states: What stateful functions in the expression have learnt.
    """

    role: str
    text: str | None = None
    values: FloatArray | None = None
    columns: tuple[str, ...] = ()
    states: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is called in messages: the expression as typed, or the role."""
        return self.role if self.text is None else self.text.strip("` ")

    @property
    def is_computed(self) -> bool:
        """Whether it is an expression, more than the name of a column."""
        return self.text is not None and self.columns != (self.name,)

    def announce(self, absent: BoolArray, rows: Rows) -> None:
        """Warn of rows (n,) in which an expression has no value."""
        if self.is_computed:
            warn_of_lost_rows(self.name, absent, rows, lambda: self.columns, LEFT_OUT)

    def on(self, rows: Rows) -> FloatArray:
        """(n,) its values on the kept rows, float64, a copy."""
        if self.text is not None:
            return _expression_values(self, self.text, rows)
        values = self.values if self.values is not None else np.empty(0)
        return values.copy() if rows.kept is None else values[rows.kept]


@quick
@dataclass(frozen=True, slots=True, eq=False)
class OffsetSpec:
    """How to make the offset on new data.

    Attributes:
        argument: The `offset` argument, or None.
        recipes: One for each ``offset(...)`` of the formula.
    """

    argument: Argument | None
    recipes: tuple[Recipe, ...]


def read_argument(role: str, given: Any, rows: Rows) -> Argument | None:
    """Understand `weights=` or `offset=`.

    Raises:
        FormulaError: an expression that cannot be understood or names no column.
        DataError: values that are not numbers, not one for each row, or of other rows.
    """
    if given is None:
        return None
    if isinstance(given, str):
        text = quote_name(given) if given in rows.table else given
        return Argument(role, text=text, columns=_bind(role, text, rows).names)
    values = row_numbers(
        role,
        given,
        rows.n_rows,
        rows.table.index,
        "rows of the data (before missing ones are dropped)",
        "the name of a column",
    )
    return Argument(role, values=values)


class MissingRows:
    """Drops the rows with a missing value, or refuses them, and keeps count.

    Args:
        rows: The rows in use.
        action: "omit" and "exclude" drop, "raise" refuses.
        part: Whether these are some of the rows of a model, so that none need be left.

    Attributes:
        rows: Rows of the table.
        action: What is done with missing values.
        part: Which part of the rows, in words for messages.
        n_dropped: How many rows were dropped.
        counts: By name of a column or expression: rows in which it is missing.
    """

    def __init__(self, rows: Rows, action: NaAction, *, part: bool = False) -> None:
        self.rows = rows
        self.action = action
        self.part = part
        self.n_dropped = 0
        self.counts: dict[str, int] = {}

    def of_columns(self, columns: Iterable[str], *arguments: Argument | None) -> None:
        """Drop the rows where a column, or an argument given as values, is missing.

        Raises:
            DataError: There are some and they are refused; or no row is left.
        """
        masks: dict[str, BoolArray] = {}
        for name in columns:
            absent = self.rows.missing(name)
            if absent is not None and absent.any():
                masks[name] = absent
        for argument in arguments:
            if argument is None or argument.values is None:
                continue
            absent = np.isnan(argument.values)
            if absent.any():
                masks[argument.role] = absent
        keep = self.kept(masks)
        if keep is not None:
            self.rows.restrict(keep)

    def kept(self, masks: Mapping[str, BoolArray]) -> BoolArray | None:
        """(n,) False where a value is missing, now counted as dropped; None where none is.

        Args:
            masks: By name of what is missing: (n,) where.

        Raises:
            DataError: There are some and they are refused; or no row is left.
        """
        if not masks:
            return None
        counts = {name: int(mask.sum()) for name, mask in masks.items()}
        missing = np.logical_or.reduce(list(masks.values()))
        if self.action == "raise":
            raise DataError(
                f"There are missing values ({_listed(counts)}): {self.rows.describe(missing)}. "
                'Drop or fill them, or use na_action="omit".'
            )
        self.counts.update(counts)
        self.n_dropped += int(missing.sum())
        if missing.all() and not self.part:
            raise DataError(no_row_left(self.counts))
        keep: BoolArray = ~missing
        return keep

    @property
    def message(self) -> str | None:
        """What the user should know, or None."""
        return missing_message(self.n_dropped, self.counts)


def missing_message(n_dropped: int, counts: Mapping[str, int]) -> str | None:
    """What the user should know of rows with missing values that were dropped, or None."""
    if not n_dropped:
        return None
    return f"{count_rows(n_dropped)} with missing values dropped ({_listed(counts)})."


def weights_message(n_zero: int, *, trials: bool = False) -> str | None:
    """What the user should know of rows with a weight of zero that were dropped, or None.

    Args:
        n_zero: Number of these rows.
        trials: Whether the weights are trials that the response has counted.
    """
    if not n_zero:
        return None
    return f"{count_rows(n_zero)} {'without a trial' if trials else 'with weight zero'} dropped."


def no_row_left(counts: Mapping[str, int]) -> str:
    """What to say where every row has a missing value."""
    return f"No row is left: every one has a missing value ({_listed(counts)})."


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def read_weights(
    argument: Argument | None, rows: Rows, missing: MissingRows
) -> tuple[FloatArray | None, int]:
    """The weights on the kept rows, and how many rows they drop.

    Rows whose weight is zero are dropped as if absent. A missing value that arises in an
    expression is one like any other.

    Raises:
        DataError: a weight is negative or infinite, or all are zero; or weights are missing and
            such rows are refused.
    """
    if argument is None:
        return None, 0
    w = argument.on(rows)
    nan = np.isnan(w)
    if nan.any():
        keep = missing.kept({argument.name: nan})
        if keep is not None:
            argument.announce(nan, rows)
            rows.restrict(keep)
            w = w[keep]
    bad = ~(np.isfinite(w) & (w >= 0))
    if bad.any():
        raise DataError(
            f"weights must be finite and not negative: {rows.describe(bad, w)} ({bad.sum()} of "
            f"{len(w)} rows). Correct or drop these rows; a weight of zero leaves a row out."
        )
    zero = w == 0
    if not zero.any():
        return w, 0
    if zero.all() and not missing.part:
        raise DataError(ALL_WEIGHTS_ZERO)
    rows.restrict(~zero)
    return w[~zero], int(zero.sum())


def count_rows(count: int) -> str:
    """``"1 row"``, ``"2 rows"``."""
    return f"{count} row" if count == 1 else f"{count} rows"


def offset_values(
    recipe: Recipe, value: NumericBlock | CategoricalColumn | CodedColumn, rows: Rows
) -> FloatArray:
    """(n,) one ``offset(...)`` of the formula, float64.

    Raises:
        DataError: it is not one column of numbers.
    """
    if isinstance(value, CategoricalColumn) and value.levels is TRUTH_LEVELS:
        return value.codes.astype(np.float64)
    if not isinstance(value, NumericBlock) or len(value.values) != 1:
        found = strays(recipe.factor.name, value, rows.names_at)
        raise DataError(f"'{recipe.factor.name}' is not one column of numbers. {found}".rstrip())
    return value.values[0].astype(np.float64)


def _expression_values(argument: Argument, text: str, rows: Rows) -> FloatArray:
    bound = _bind(argument.role, text, rows)
    try:
        value = evaluate(bound, rows, argument.states)
    except FormulaError as error:
        raise _of_argument(argument.role, error) from None
    try:
        values = np.asarray(as_numbers(value), dtype=np.float64)
    except Unsuitable:
        shown = text.strip("`")
        found = next(filter(None, (strays_in_rows(name, rows) for name in argument.columns)), "")
        raise DataError(
            f"{argument.role} '{shown}' must be numbers, not categories. {found}".rstrip()
        ) from None
    if values.ndim == 0:
        values = np.full(rows.n_rows, values)
    if values.shape != (rows.n_rows,):
        shown = text.strip("`")
        raise DataError(f"{argument.role} '{shown}' does not give one number for each row.")
    return np.array(values)


def _bind(role: str, text: str, rows: Rows) -> Bound:
    try:
        return bind(text, rows.table)
    except FormulaError as error:
        raise _of_argument(role, error) from None


def _of_argument(role: str, error: FormulaError) -> FormulaError:
    return FormulaError(f"{role}: {error.message}", error.text, error.start, error.end)
