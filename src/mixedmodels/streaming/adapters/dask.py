"""A DataFrame of Dask: its partitions, read where they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mixedmodels.streaming.packages import optional, pyarrow
from mixedmodels.streaming.source import Source, make_source


@dataclass(frozen=True, slots=True)
class DaskPartition:
    """One partition of a Dask DataFrame.

    Attributes:
        key: The name that Dask has for it, which depends on how it is made.
        name: For messages.
        frame: The DataFrame; None where the rows are loaded.
        number: Which partition.
        loaded: The rows as a pandas DataFrame, on a worker that has them; else None.
        rows: Not known.
    """

    key: str
    name: str
    frame: Any
    number: int
    loaded: Any = None
    rows: int | None = None

    def delayed(self, columns: Sequence[str]) -> Any:
        """What gives the rows when a scheduler of Dask runs it."""
        return self.frame[list(columns)].partitions[self.number].to_delayed()[0]

    def given(self, rows: Any) -> DaskPartition:
        """The same with its rows."""
        return DaskPartition(self.key, self.name, None, self.number, rows)

    def batches(self, columns: Sequence[str]) -> Iterator[Any]:
        """The rows at once, computed in this process unless they are loaded."""
        rows = self.loaded
        if rows is None:
            rows = self.delayed(columns).compute(scheduler="synchronous")
        yield pyarrow().Table.from_pandas(rows[list(columns)], preserve_index=False)

    def row_name(self, row: int) -> str:
        """The number of the row."""
        return f"row {row}"


def from_dask(frame: Any) -> Source:
    """A Dask DataFrame."""
    utils = optional("dask.dataframe.utils", "dask")
    like = pyarrow().Table.from_pandas(utils.meta_nonempty(frame._meta), preserve_index=False)  # noqa: SLF001
    name = frame._name  # noqa: SLF001 (the token of how the frame is made)
    parts = [
        DaskPartition(
            f"{name} {number:06d}", f"partition {number} of the Dask DataFrame", frame, number
        )
        for number in range(frame.npartitions)
    ]
    return make_source(f"a Dask DataFrame of {frame.npartitions} partitions", like.schema, parts)
