"""A LazyFrame of Polars: one partition, run anew by Polars' streaming engine for each reading."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mixedmodels.streaming.source import BATCH_ROWS, Source, make_source


@dataclass(frozen=True, slots=True)
class LazyPartition:
    """All rows of a LazyFrame."""

    key: str
    frame: Any
    name: str = "the LazyFrame"
    rows: int | None = None

    def batches(self, columns: Sequence[str]) -> Iterator[Any]:
        """Tables, in the order of the rows."""
        chosen = self.frame.select(list(columns))
        if not hasattr(chosen, "collect_batches"):  # Polars before 1.34
            yield chosen.collect().to_arrow()
            return
        for frame in chosen.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
            yield frame.to_arrow()

    def row_name(self, row: int) -> str:
        """The number of the row."""
        return f"row {row}"


def from_lazy(frame: Any) -> Source:
    """A LazyFrame; categories become text, whose order does not depend on where it occurs first."""
    kinds = frame.collect_schema()
    categories = [name for name, kind in kinds.items() if str(kind).startswith("Categorical")]
    if categories:
        text = type(kinds)({"text": str}).dtypes()[0]
        frame = frame.cast(dict.fromkeys(categories, text))
    schema = frame.limit(0).collect().to_arrow().schema
    plan = hashlib.sha256(frame.explain(optimized=False).encode()).hexdigest()[:16]
    return make_source("a LazyFrame", schema, [LazyPartition(f"LazyFrame {plan}", frame)])
