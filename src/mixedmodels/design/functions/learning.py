"""How stateful functions learn from rows that come in batches.

A function that is called with a `Learning` as its state has its arguments noted and raises
`StillLearning` in place of a value. When all batches are seen, the learner says what the function
has learnt. Most functions learn from few rows (those of the smallest and the largest value, or one
row of each level): the learner names these rows, and the function is trained on them as on a table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np

from mixedmodels.arrays import FloatArray, LongArray
from mixedmodels.design.columns import CategoricalColumn
from mixedmodels.design.functions.kinds import categories, is_categorical, one_column
from mixedmodels.design.seen import SeenLevels, first_rows_of_new
from mixedmodels.errors import DataError, MixedModelsError

MOST_DISTINCT = 1_000_000
"""Distinct values that are counted for quantiles."""

_NONE = np.zeros(0, dtype=np.int64)


class StillLearning(MixedModelsError):
    """Raised in place of a value while a function learns.

    Attributes:
        rows: Positions of the rows in use that the function is to be trained on.
    """

    def __init__(self, rows: LongArray) -> None:
        super().__init__("The function has not seen all rows yet.")
        self.rows = rows


class Learner(Protocol):
    """What one call of a stateful function notes of the batches."""

    def add(self, given: Mapping[str, Any]) -> LongArray:
        """Note the arguments on one batch; positions of rows that are to be kept."""

    def merge(self, other: Any) -> None:
        """Add what the same call has noted of later batches."""

    def finish(self) -> dict[str, Any] | None:
        """What the function has learnt; None where it is to be trained on the rows kept."""


MakeLearner: TypeAlias = "Callable[[Mapping[str, Any]], Learner | None]"
"""Makes the learner for arguments; None where the function learns nothing from such arguments."""


class Learning(dict[str, Any]):
    """The state of a call that is learning.

    Attributes:
        learner: What notes its arguments; None before the first batch.
        learns_nothing: Whether its arguments are such that it learns nothing.
    """

    learner: Learner | None = None
    learns_nothing: bool = False

    def observe(self, make: MakeLearner | None, given: Mapping[str, Any]) -> None:
        """Note the arguments of a call.

        Raises:
            StillLearning: Unless the function learns nothing from such arguments.
        """
        if self.learner is None:
            self.learner = None if make is None else make(given)
        if self.learner is not None:
            raise StillLearning(self.learner.add(given))
        self.learns_nothing = True

    def merge(self, other: Learning) -> None:
        """Add what the same call has noted of later batches."""
        self.learns_nothing = self.learns_nothing or other.learns_nothing
        if self.learner is None:
            self.learner = other.learner
        elif other.learner is not None:
            self.learner.merge(other.learner)

    @property
    def is_finished(self) -> bool:
        """Whether the call has been made, so that it is known what it learns."""
        return self.learns_nothing or self.learner is not None

    def finish(self) -> dict[str, Any]:
        """What the function has learnt; empty where it is to be trained on the rows kept."""
        learnt = None if self.learner is None else self.learner.finish()
        return {} if learnt is None else learnt


class OfExtremes:
    """A function that learns from the smallest and the largest value of its first argument."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._low, self._high = np.inf, -np.inf

    def add(self, given: Mapping[str, Any]) -> LongArray:
        """The rows that go beyond what was seen before."""
        values = one_column(given[self._name])
        rows = []
        low, high = np.fmin.reduce(values, initial=np.inf), np.fmax.reduce(values, initial=-np.inf)
        if low < self._low:
            self._low = float(low)
            rows.append(int(np.flatnonzero(values == low)[0]))
        if high > self._high:
            self._high = float(high)
            rows.append(int(np.flatnonzero(values == high)[0]))
        return np.unique(np.array(rows, dtype=np.int64))

    def merge(self, other: OfExtremes) -> None:
        """The wider range of the two."""
        self._low, self._high = min(self._low, other._low), max(self._high, other._high)

    def finish(self) -> None:
        """Learnt from the rows kept."""


class OfLevels:
    """A function that learns from the levels of its first argument."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._seen = SeenLevels()

    def add(self, given: Mapping[str, Any]) -> LongArray:
        """The first row of each new level."""
        before = len(self._seen)
        return first_rows_of_new(self._seen.number(categories(given[self._name])), before)

    def merge(self, other: OfLevels) -> None:
        """Levels of both; rows that are kept for the other's may repeat a level."""
        levels = other._seen.levels
        codes = np.arange(len(levels), dtype=np.int32)
        self._seen.number(CategoricalColumn(codes, levels))

    def finish(self) -> None:
        """Learnt from the rows kept."""


class OfCounts:
    """A function that learns from the distinct values of its first argument and their counts.

    Args:
        name: The argument.
        train: Gives the state of the function, from distinct values (k,), ascending, how often
            each occurs (k,), and the other arguments.
    """

    def __init__(
        self,
        name: str,
        train: Callable[[FloatArray, LongArray, Mapping[str, Any]], dict[str, Any]],
    ) -> None:
        self._name = name
        self._train = train
        self._given: Mapping[str, Any] = {}
        self._values: FloatArray = np.zeros(0)
        self._counts: LongArray = _NONE

    def add(self, given: Mapping[str, Any]) -> LongArray:
        """Count the values of a batch."""
        values = one_column(given[self._name])
        found, counts = np.unique(values[~np.isnan(values)], return_counts=True)
        self._given = {name: value for name, value in given.items() if name != self._name}
        self._put(found, counts)
        return _NONE

    def _put(self, values: FloatArray, counts: LongArray) -> None:
        both, place = np.unique(np.concatenate([self._values, values]), return_inverse=True)
        if len(both) > MOST_DISTINCT:
            raise DataError(
                f"has more than {MOST_DISTINCT:,} distinct values to take quantiles of, which is "
                "more than are counted in a source. Give knots=, or round the values."
            )
        total = np.zeros(len(both), dtype=np.int64)
        np.add.at(total, place, np.concatenate([self._counts, counts]))
        self._values, self._counts = both, total

    def merge(self, other: OfCounts) -> None:
        """The counts of both."""
        self._given = self._given or other._given
        self._put(other._values, other._counts)

    def finish(self) -> dict[str, Any]:
        """What the function learns from the counts."""
        return self._train(self._values, self._counts, self._given)


def of_levels(name: str) -> MakeLearner:
    """Learners of the levels of an argument, where that is categorical."""
    return lambda given: OfLevels(name) if is_categorical(given[name]) else None
