"""A DataFrame of Dask: its partitions, read where they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mixedmodels.streaming.adapters.pandas import table_of
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
    like, unusable = _example(frame._meta)  # noqa: SLF001 (its columns without rows)
    name = frame._name  # noqa: SLF001 (the token of how the frame is made)
    parts = [
        DaskPartition(
            f"{name} {number:06d}", f"partition {number} of the Dask DataFrame", frame, number
        )
        for number in range(frame.npartitions)
    ]
    source = make_source(f"a Dask DataFrame of {frame.npartitions} partitions", like.schema, parts)
    return dataclasses.replace(source, unusable=unusable)


def _example(columns: Any) -> tuple[Any, dict[str, str]]:
    """Rows made up by Dask, as a table of Arrow, and the columns that it or Arrow cannot make."""
    utils = optional("dask.dataframe.utils", "dask")

    def made(place: int) -> Callable[[], Any]:
        return lambda: utils.meta_nonempty(columns.iloc[:, place])

    rows = len(utils.meta_nonempty(columns.iloc[:, :0]))
    return table_of(columns.columns, map(made, range(columns.shape[1])), rows)
