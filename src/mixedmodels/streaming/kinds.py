"""Which data are sources, told by their types alone: nothing of a library is imported."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from mixedmodels.streaming.source import Source


def is_source(data: Any) -> bool:
    """Whether data are read in parts; a table in memory is not."""
    if isinstance(data, (pd.DataFrame, Mapping)):
        return False
    if is_path(data) or isinstance(data, (Source, Iterator)):
        return True
    if isinstance(data, (list, tuple)):
        return bool(data) and (all(map(callable, data)) or all(map(is_path, data)))
    library, name = library_of(data), type(data).__name__
    if library == "polars":
        return name == "LazyFrame"
    if library in ("dask", "dask_expr", "pyspark"):
        return name == "DataFrame"
    if library == "pyarrow":
        return name.endswith("Dataset") or name == "RecordBatchReader"
    return library in ("duckdb", "_duckdb", "ibis") and hasattr(data, "__arrow_c_stream__")


def is_path(data: Any) -> bool:
    """Whether data are the name of a file or folder."""
    return isinstance(data, (str, os.PathLike))


def library_of(data: Any) -> str:
    """The package that an object is of."""
    return type(data).__module__.partition(".")[0]
