"""A DataFrame of Spark: all its rows, brought to this process through Arrow.

For large data let every Spark task sum its own rows instead (see the page on large data).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mixedmodels.errors import DataError
from mixedmodels.streaming.adapters.streams import from_stream
from mixedmodels.streaming.packages import pyarrow
from mixedmodels.streaming.source import Source


def from_spark(frame: Any) -> Source:
    """A Spark DataFrame.

    Raises:
        DataError: It is of a version of PySpark before 4, which gives nothing of Arrow.
    """
    if not hasattr(frame, "toArrow"):
        raise DataError(
            "A Spark DataFrame of this version gives nothing of Arrow; write it to Parquet "
            "(frame.write.parquet) and give the folder, or use PySpark 4."
        )
    return from_stream(
        _Rows(frame), kind="pyspark DataFrame", schema=frame.limit(0).toArrow().schema
    )


@dataclass(frozen=True, slots=True)
class _Rows:
    """A DataFrame as a stream of Arrow, which PySpark 4.0 and 4.1 do not give themselves."""

    frame: Any

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """A new stream of all rows.

        Columns travel by number: Spark's own stream looks up names that hold dots as fields.
        """
        pa, names = pyarrow(), list(self.frame.columns)
        frame = self.frame.toDF(*(f"c{number}" for number in range(len(names))))
        given = frame if hasattr(frame, "__arrow_c_stream__") else frame.toArrow()
        reader = pa.RecordBatchReader.from_stream(given)
        fields = [field.with_name(name) for field, name in zip(reader.schema, names, strict=True)]
        named = (batch.rename_columns(names) for batch in reader)
        stream = pa.RecordBatchReader.from_batches(pa.schema(fields), named)
        return stream.__arrow_c_stream__(requested_schema)

    def select(self, columns: Sequence[str]) -> _Rows:
        """The columns alone: Spark does not read the others."""
        quoted = ("`" + name.replace("`", "``") + "`" for name in columns)
        return _Rows(self.frame.select(*quoted))
