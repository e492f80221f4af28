"""A DataFrame of Spark: its partitions, read one after the other through Arrow.

A Spark DataFrame of version 4 has an Arrow C stream, which brings all rows to this process. For
large data let every Spark task sum its own rows instead (see the page on large data).
"""

from __future__ import annotations

from typing import Any

from mixedmodels.errors import DataError
from mixedmodels.streaming.adapters.streams import from_stream
from mixedmodels.streaming.source import Source


def from_spark(frame: Any) -> Source:
    """A Spark DataFrame.

    Raises:
        DataError: It is of a version that gives no Arrow stream.
    """
    if not hasattr(frame, "__arrow_c_stream__"):
        raise DataError(
            "A Spark DataFrame of this version gives no Arrow stream; write it to Parquet "
            "(frame.write.parquet) and give the folder, or give [frame.toArrow] of PySpark 4."
        )
    return from_stream(frame)
