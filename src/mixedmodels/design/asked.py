"""A model as it is asked for, and the counts of rows that were read for it in batches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mixedmodels.design.build import check_contrasts
from mixedmodels.design.frame import as_table
from mixedmodels.design.missing import (
    Argument,
    MissingRows,
    missing_message,
    read_argument,
    weights_message,
)
from mixedmodels.design.roles import check_roles
from mixedmodels.design.rows import Rows
from mixedmodels.design.used import columns_needed
from mixedmodels.formula import FormulaSpec
from mixedmodels.settings import NaAction


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A model as it is asked for, before any row is seen.

    Attributes:
        spec: The parsed formula.
        weights: A column or an expression of columns, or None.
        offset: A column or an expression of columns, or None.
        contrasts: Column (or factor as written) to contrast.
        na_action: "omit" or "raise".
    """

    spec: FormulaSpec
    weights: str | None = None
    offset: str | None = None
    contrasts: Mapping[str, Any] = field(default_factory=dict)
    na_action: NaAction = "omit"

    def argument(self, role: str, rows: Rows) -> Argument | None:
        """`weights` or `offset`; raises as `read_argument`."""
        return read_argument(role, getattr(self, role), rows)

    def complete_rows(self, rows: Rows) -> MissingRows:
        """Drop the rows of one batch in which a column is missing; none may be left.

        A column that is missing in all rows of a batch may have lost its type, so nothing is to be
        computed of it.

        Raises:
            DataError: There are some and they are refused.
        """
        missing = MissingRows(rows, self.na_action, part=True)
        given = self.argument("offset", rows), self.argument("weights", rows)
        missing.of_columns(columns_needed(self.spec, rows.table, *given), *given)
        return missing

    def columns(self, table: Any) -> dict[str, None]:
        """The columns that formula, weights and offset need; raises FormulaError."""
        rows = Rows(as_table(table))
        check_contrasts(self.contrasts, rows.table)
        check_roles(self.spec, rows.table)
        weights = self.argument("weights", rows)
        needed = columns_needed(self.spec, rows.table, self.argument("offset", rows), weights)
        return needed | dict.fromkeys(weights.columns if weights else ())


@dataclass(slots=True)
class Counts:
    """Rows that were read and dropped.

    Attributes:
        n_read: Rows read.
        n_missing: By column or expression: rows in which it is missing.
        n_dropped: Rows dropped for missing values.
        n_zero_weight: Rows dropped because their weight is zero.
    """

    n_read: int = 0
    n_missing: dict[str, int] = field(default_factory=dict)
    n_dropped: int = 0
    n_zero_weight: int = 0

    @property
    def n(self) -> int:
        """Number of rows used."""
        return self.n_read - self.n_dropped - self.n_zero_weight

    def merge(self, other: Counts) -> Counts:
        """The sum of both."""
        names = dict.fromkeys((*self.n_missing, *other.n_missing))
        missing = {k: self.n_missing.get(k, 0) + other.n_missing.get(k, 0) for k in names}
        return Counts(
            self.n_read + other.n_read,
            missing,
            self.n_dropped + other.n_dropped,
            self.n_zero_weight + other.n_zero_weight,
        )

    def messages(self, order: Iterable[str] = ()) -> list[str]:
        """What the user should know; columns in the given order first."""
        names = [*(name for name in order if name in self.n_missing), *self.n_missing]
        counts = {name: self.n_missing[name] for name in names}
        found = (missing_message(self.n_dropped, counts), weights_message(self.n_zero_weight))
        return [message for message in found if message]


def counts_of(n_read: int, missing: MissingRows, n_zero_weight: int = 0) -> Counts:
    """The counts of one batch."""
    return Counts(n_read, dict(missing.counts), missing.n_dropped, n_zero_weight)
