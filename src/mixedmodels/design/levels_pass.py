"""Levels and counts of rows that come in batches, and the design of all rows, without rows.

The rows go through the steps of an ordinary design (`used`). Of every level, and of the extremes of
the response, one row is kept. A design made of the kept rows, with what stateful functions have
learnt, has the levels, codings and columns of one of all rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from mixedmodels.arrays import IntArray, LongArray
from mixedmodels.design.asked import Asked, Counts, counts_of
from mixedmodels.design.builder import Builder
from mixedmodels.design.checks import check_identifiable, check_response, warn_of_wide_terms
from mixedmodels.design.columns import CategoricalColumn
from mixedmodels.design.design import Design
from mixedmodels.design.frame import as_table
from mixedmodels.design.functions import CodedColumn
from mixedmodels.design.groups import code_column, code_value
from mixedmodels.design.learning_pass import States
from mixedmodels.design.levels import level_positions
from mixedmodels.design.missing import (
    ALL_WEIGHTS_ZERO,
    MissingRows,
    no_row_left,
)
from mixedmodels.design.rows import Larger, Rows
from mixedmodels.design.seen import SeenLevels, SeenTuples, first_rows_of_new
from mixedmodels.design.used import UsedRows, columns_needed, use_rows
from mixedmodels.design.variables import Variable, variables_of
from mixedmodels.errors import DataError
from mixedmodels.formula import Factor

_NONE = np.zeros(0, dtype=np.int64)


class LevelsPass:
    """The pass that counts and finds levels, when all functions have learnt.

    Args:
        asked: The model.
        states: What stateful functions have learnt.

    Attributes:
        counts: Rows read and dropped.
        seen: By key of a categorical factor: its levels, and how often each occurs.
        tuples: By keys of the factors of a grouping: how their levels combine.
    """

    def __init__(self, asked: Asked, states: States) -> None:
        self.asked = asked
        self.states = states
        self.counts = Counts()
        self.seen: dict[str, SeenLevels] = {}
        self.tuples: dict[tuple[str, ...], SeenTuples] = {}
        self._low, self._high = np.inf, -np.inf

    def add(self, data: Any) -> tuple[LongArray, LongArray]:
        """Count one batch.

        Returns:
            Positions of the rows that are used, and of those that are to be kept for their levels.

        Raises:
            MixedModelsError: The batch cannot be used.
        """
        rows = Rows(as_table(data))
        n_read = rows.n_rows
        missing = self.asked.complete_rows(rows)
        if not rows.n_rows:
            self.counts = self.counts.merge(counts_of(n_read, missing))
            return _NONE, _NONE
        used = self._use(missing)
        self.counts = self.counts.merge(counts_of(n_read, missing, used.n_zero_weight))
        kept = self._note(used)
        positions = np.arange(n_read) if rows.kept is None else rows.kept
        return positions, positions[kept]

    def _use(self, missing: MissingRows) -> UsedRows:
        rows = missing.rows
        weights, offset = self.asked.argument("weights", rows), self.asked.argument("offset", rows)
        return use_rows(self.asked.spec, missing, weights, offset, states=self.states)

    def _note(self, used: UsedRows) -> LongArray:
        """Positions, among the rows used, of those that are to be kept."""
        kept = [_NONE, *self._new_extremes(used)]
        spec = self.asked.spec
        numbers: dict[str, IntArray] = {}
        grouping = {factor.key: factor for term in spec.random for factor in term.grouping}
        for factor in spec.predictors:
            column = _column_of(factor, used, spec.text, is_group=factor.key in grouping)
            used.values.check_finite(factor)
            if column is None:
                continue
            seen = self.seen.setdefault(factor.key, SeenLevels())
            before = len(seen)
            numbers[factor.key] = seen.number(column)
            kept.append(first_rows_of_new(numbers[factor.key], before))
        for term in spec.random:
            if len(term.keys) > 1:
                tuples = self.tuples.setdefault(term.keys, SeenTuples(len(term.keys)))
                before = len(tuples)
                found = tuples.number([numbers[key] for key in term.keys])
                kept.append(first_rows_of_new(found, before))
        chosen = np.zeros(len(used.y), dtype=np.bool_)
        for rows in kept:
            chosen[rows] = True
        return np.flatnonzero(chosen)

    def _new_extremes(self, used: UsedRows) -> Iterator[LongArray]:
        """The rows where the response is larger or smaller than before."""
        if not used.y.size:
            return
        low, high = int(np.argmin(used.y)), int(np.argmax(used.y))
        if used.y[low] < self._low:
            self._low = float(used.y[low])
            yield np.array([low])
        if used.y[high] > self._high:
            self._high = float(used.y[high])
            yield np.array([high])

    def merge(self, other: LevelsPass, kept: Any) -> LongArray:
        """Add what later batches have shown.

        Args:
            other: That.
            kept: A table of the rows that it has kept.

        Returns:
            Positions of the rows in `kept` that are to be kept for the levels of both.
        """
        self.counts = self.counts.merge(other.counts)
        if other.counts.n == 0:
            return _NONE
        before = {key: seen.counts.copy() for key, seen in self.seen.items()}
        rows = Rows(as_table(kept))
        positions = self._note(self._use(self.asked.complete_rows(rows)))
        for key, seen in self.seen.items():
            # The rows kept stand for all rows of the other.
            counts = np.zeros(len(seen), dtype=np.int64)
            counts[: len(before.get(key, ()))] = before.get(key, 0)
            place = level_positions(other.seen[key].levels, seen.levels)
            counts[place] += other.seen[key].counts
            seen.counts = counts
        return positions if rows.kept is None else rows.kept[positions]

    def design(self, kept: Any) -> Design:
        """The design of all rows, without rows.

        Args:
            kept: A table of the rows that are kept.

        Raises:
            DataError: No row is left, or the response is constant.
            ModelError: The data cannot identify the model.
        """
        asked, counts = self.asked, self.counts
        if counts.n == 0:
            if not counts.n_read:
                raise DataError("The data has no rows.")
            none_left = counts.n_dropped == counts.n_read
            raise DataError(no_row_left(counts.n_missing) if none_left else ALL_WEIGHTS_ZERO)
        named = {f.name: self.seen[f.key] for f in asked.spec.predictors if f.key in self.seen}
        rows = Rows(as_table(kept), Larger(counts.n, named))
        used = self._use(self.asked.complete_rows(rows))
        builder = Builder(asked.spec, used.values, asked.contrasts)
        fixed, X = builder.fixed()
        groups, terms = builder.random(fixed, X)
        check_response(asked.spec.response, used.y, counts.n)
        check_identifiable(terms, groups, counts.n, residual=True)
        warn_of_wide_terms(terms, groups)
        weights = asked.argument("weights", rows)
        order = columns_needed(asked.spec, rows.table, used.offset_spec.argument, weights)
        return Design(
            formula=asked.spec,
            y=used.y[:0],
            X=X[:0].copy(order="F"),
            x_names=fixed.names,
            w=None if used.w is None else used.w[:0],
            offset=None if used.offset is None else used.offset[:0],
            groups=tuple(dataclasses.replace(g, codes=g.codes[:0].copy()) for g in groups),
            terms=tuple(dataclasses.replace(t, z=t.z[:0].copy(order="F")) for t in terms),
            n=counts.n,
            n_dropped=counts.n_dropped,
            rows=None,
            index=None,
            response_name=asked.spec.response,
            fixed_spec=fixed,
            offset_spec=used.offset_spec,
            variables={
                name: Variable(None if v.values is None else v.values[:0].copy(), v.levels)
                for name, v in variables_of(asked.spec, rows, fixed).items()
            },
            messages=(*counts.messages(order), *builder.level_messages()),
        ).freeze()


def _column_of(
    factor: Factor, used: UsedRows, text: str, *, is_group: bool
) -> CategoricalColumn | None:
    """A factor with levels on the rows in use; None for numbers that do not group."""
    if is_group and factor.is_column:
        return code_column(factor.name, used.values.rows)
    value = used.values.value(factor)
    if is_group:
        return code_value(factor, text, value)
    if isinstance(value, CodedColumn):
        return value.column
    return value if isinstance(value, CategoricalColumn) else None
