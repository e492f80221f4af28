"""What a user gives as data to a source: which adapter reads it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pandas as pd

from mixedmodels.errors import DataError
from mixedmodels.streaming.adapters.callables import from_callables
from mixedmodels.streaming.adapters.dask import from_dask
from mixedmodels.streaming.adapters.files import from_dataset, from_path
from mixedmodels.streaming.adapters.polars import from_lazy
from mixedmodels.streaming.adapters.spark import from_spark
from mixedmodels.streaming.adapters.streams import from_stream, from_table
from mixedmodels.streaming.packages import pyarrow
from mixedmodels.streaming.source import Source

_KNOWN = (
    "a path, a glob or a folder of Parquet, Arrow or CSV files, a pyarrow.dataset.Dataset, a "
    "relation of DuckDB or anything else with __arrow_c_stream__, a Polars LazyFrame, a Dask or "
    "Spark DataFrame, or a list of functions that return batches of Arrow"
)


_LIBRARIES: dict[str, Callable[[Any], Source]] = {
    "polars": lambda data: from_lazy(data.lazy()),
    "dask": from_dask,
    "dask_expr": from_dask,
    "pyspark": from_spark,
}


def is_source(data: Any) -> bool:
    """Whether data are read in parts; a table in memory is not."""
    if isinstance(data, (pd.DataFrame, dict)):
        return False
    if isinstance(data, (str, os.PathLike, Source)):
        return True
    if isinstance(data, (list, tuple)):
        return bool(data) and all(map(callable, data))
    library, name = _library(data), type(data).__name__
    if library == "polars":
        return name == "LazyFrame"
    if library in ("dask", "dask_expr", "pyspark"):
        return name == "DataFrame"
    if library == "pyarrow":
        return name.endswith("Dataset") or name == "RecordBatchReader"
    return library in ("duckdb", "_duckdb", "ibis") and hasattr(data, "__arrow_c_stream__")


def as_source(data: Any) -> Source:
    """A source, whatever gives the rows.

    Raises:
        DataError: Nothing that rows can be read from.
        FileError: Files that are not there, or cannot be read.
        MixedModelsError: An optional package is missing; with the command that installs it.
    """
    if isinstance(data, Source):
        return data
    pa = pyarrow()
    if isinstance(data, (str, os.PathLike)):
        return from_path(data)
    if isinstance(data, (list, tuple)):
        return from_callables(data)
    if isinstance(data, pd.DataFrame):
        return from_table(_of_pandas(data))
    if isinstance(data, pa.Table):
        return from_table(data)
    library = _library(data)
    if library == "pyarrow" and type(data).__name__.endswith("Dataset"):
        return from_dataset(data)
    if library in _LIBRARIES:
        return _LIBRARIES[library](data)
    if hasattr(data, "__arrow_c_stream__"):
        return from_stream(data)
    raise DataError(f"The source is {data!r:.80}; give {_KNOWN}.")


def _of_pandas(data: pd.DataFrame) -> Any:
    pa = pyarrow()
    try:
        return pa.Table.from_pandas(data, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(f"The table cannot be made one of Arrow: {error}") from None


def _library(data: Any) -> str:
    return type(data).__module__.partition(".")[0]
