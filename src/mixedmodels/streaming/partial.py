"""Sums of some partitions with what belongs to them: a value that is merged and kept in files."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixedmodels._core import Sums
from mixedmodels.arrays import AnyArray
from mixedmodels.design.asked import Counts
from mixedmodels.design.summary import RowSummary
from mixedmodels.errors import DataError

_HEADER = "header"
_SUMMARY = "rows."


@dataclass(frozen=True, slots=True, eq=False)
class Partial:
    """Sums of some partitions.

    Attributes:
        plan_id: Hash of the plan that they are made by.
        sums: The sums of the core.
        keys: Keys of the partitions.
        counts: Rows read and dropped.
        summary: What else is known of the rows; None in sums that were made without it.
    """

    plan_id: str
    sums: Sums
    keys: tuple[str, ...]
    counts: Counts
    summary: RowSummary | None = None

    def merge(self, other: Partial) -> Partial:
        """The sums of both, a new value.

        Raises:
            DataError: They are of different plans, or a partition is in both.
        """
        if self.plan_id != other.plan_id:
            raise DataError(
                f"The sums are made by different plans ({self.plan_id[:16]} and "
                f"{other.plan_id[:16]}); sum both by one plan, made of all data."
            )
        twice = set(self.keys) & set(other.keys)
        if twice:
            raise DataError(
                f"{min(twice)} is in both sums; its rows would count twice. Leave it out of one."
            )
        summary = None
        if self.summary is not None and other.summary is not None:
            summary = self.summary.merge(other.summary)
        return Partial(
            self.plan_id,
            self.sums.merge(other.sums),
            (*self.keys, *other.keys),
            self.counts.merge(other.counts),
            summary,
        )

    def to_bytes(self) -> bytes:
        """The same as a file of NumPy's, bit for bit."""
        counts = self.counts
        header = {
            "plan": self.plan_id,
            "keys": self.keys,
            "read": counts.n_read,
            "missing": counts.n_missing,
            "dropped": counts.n_dropped,
            "zero": counts.n_zero_weight,
        }
        text = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
        arrays: dict[str, Any] = {_HEADER: text, **self.sums.state(), **summary_arrays(self)}
        file = io.BytesIO()
        np.savez(file, **arrays)
        return file.getvalue()

    @staticmethod
    def from_bytes(content: bytes) -> Partial:
        """What `to_bytes` wrote.

        Raises:
            Exception: Of many kinds, where the content is damaged.
        """
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(arrays.pop(_HEADER).tobytes())
        counts = Counts(header["read"], header["missing"], header["dropped"], header["zero"])
        summary = summary_in(arrays)
        sums = Sums.from_state(arrays)
        return Partial(header["plan"], sums, tuple(header["keys"]), counts, summary)


def summary_arrays(partial: Partial) -> dict[str, AnyArray]:
    """The summary of the rows, under names that sums do not have."""
    if partial.summary is None:
        return {}
    return {_SUMMARY + name: array for name, array in partial.summary.state().items()}


def summary_in(arrays: dict[str, AnyArray]) -> RowSummary | None:
    """The summary among the arrays of a file; takes its arrays out.

    Raises:
        ValueError: They do not belong together.
    """
    names = [name for name in arrays if name.startswith(_SUMMARY)]
    state = {name.removeprefix(_SUMMARY): arrays.pop(name) for name in names}
    return RowSummary.from_state(state) if state else None
