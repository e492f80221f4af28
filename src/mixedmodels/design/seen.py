"""Levels that have occurred so far, numbered in the order in which batches bring them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mixedmodels.arrays import IntArray, LongArray
from mixedmodels.design.columns import CategoricalColumn
from mixedmodels.design.levels import level_positions

# Largest number of levels that a pair of numbers in 64 bits can tell apart.
_SHIFT = 32


class SeenLevels:
    """The levels of one factor.

    Attributes:
        levels: The levels so far, in order of appearance.
        counts: (l,) rows of each so far.
    """

    def __init__(self) -> None:
        self.levels: pd.Index = pd.Index([])
        self.counts: LongArray = np.zeros(0, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.levels)

    def number(self, column: CategoricalColumn) -> IntArray:
        """(n,) number of each row's level; -1 where missing. New levels get the next numbers."""
        occurs = np.bincount(column.codes[column.codes >= 0], minlength=len(column.levels))
        used = np.flatnonzero(occurs)
        wanted = column.levels.take(used)
        known = np.full(len(used), -1, dtype=np.int64)
        if len(self.levels):
            known = level_positions(wanted, self.levels)
        new = np.flatnonzero(known < 0)
        known[new] = len(self.levels) + np.arange(len(new))
        if len(new):
            found = wanted.take(new)
            self.levels = self.levels.append(found) if len(self.levels) else found
            self.counts = np.concatenate([self.counts, np.zeros(len(new), dtype=np.int64)])
        self.counts[known] += occurs[used]
        # The last place is where code -1 lands.
        numbers = np.full(len(column.levels) + 1, -1, dtype=np.int32)
        numbers[used] = known
        return numbers[column.codes]


class SeenTuples:
    """Combinations of the levels of two factors or more."""

    def __init__(self, n_factors: int) -> None:
        self._known = [pd.Index([], dtype=np.int64) for _ in range(n_factors - 1)]

    def __len__(self) -> int:
        return len(self._known[-1])

    def number(self, numbers: Sequence[IntArray]) -> IntArray:
        """(n,) number of each row's combination; none of the given numbers may be -1."""
        found = numbers[0]
        for place, other in enumerate(numbers[1:]):
            found = self._pairs(place, found, other)
        return found

    def _pairs(self, place: int, first: IntArray, second: IntArray) -> IntArray:
        keys = first.astype(np.int64) << _SHIFT | second
        codes, distinct = pd.factorize(keys)
        index = self._known[place]
        known = np.asarray(index.get_indexer(distinct))
        new = known < 0
        known[new] = len(index) + np.arange(int(new.sum()))
        if new.any():
            self._known[place] = index.append(pd.Index(distinct[new]))
        found: IntArray = known.astype(np.int32)[codes]
        return found


def first_rows_of_new(numbers: IntArray, n_before: int) -> LongArray:
    """(k,) for each number from `n_before` on: the first row that has it, ascending."""
    rows = np.flatnonzero(numbers >= n_before)
    if not rows.size:
        return rows
    new = numbers[rows] - n_before
    first = np.full(int(new.max()) + 1, -1, dtype=np.int64)
    # The last one to be stored is the first one in the batch.
    first[new[::-1]] = rows[::-1]
    return np.sort(first[first >= 0])
