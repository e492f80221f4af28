"""What a user gives as data to a source: which adapter reads it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from mixedmodels.errors import DataError
from mixedmodels.streaming.adapters.callables import from_callables
from mixedmodels.streaming.adapters.dask import from_dask
from mixedmodels.streaming.adapters.files import from_dataset, from_files, from_path
from mixedmodels.streaming.adapters.once import from_stream_once, reads_once
from mixedmodels.streaming.adapters.pandas import from_pandas
from mixedmodels.streaming.adapters.polars import from_lazy
from mixedmodels.streaming.adapters.spark import from_spark
from mixedmodels.streaming.adapters.streams import from_stream, from_table
from mixedmodels.streaming.kinds import is_path, library_of
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


def as_source(data: Any) -> Source:
    """A source, whatever gives the rows.

    Raises:
        DataError: Nothing that rows can be read from.
        FileError: Files that are not there, or cannot be read.
        MixedModelsError: An optional package is missing; with the command that installs it.
    """
    if isinstance(data, Source):
        return data
    if is_path(data):
        return from_path(data)
    if isinstance(data, (list, tuple)):
        return _of_list(data)
    pa = pyarrow()
    if isinstance(data, (pd.DataFrame, Mapping)):
        return from_pandas(pd.DataFrame(data))
    if isinstance(data, pa.Table):
        return from_table(data)
    library = library_of(data)
    if reads_once(data):
        return from_stream_once(data)[1]
    if library == "pyarrow" and type(data).__name__.endswith("Dataset"):
        return from_dataset(data)
    if library in _LIBRARIES:
        return _LIBRARIES[library](data)
    if hasattr(data, "__arrow_c_stream__"):
        return from_stream(data)
    raise DataError(f"The source is {data!r:.80}; give {_KNOWN}.")


def _of_list(data: Sequence[Any]) -> Source:
    if data and all(map(is_path, data)):
        return from_files("The list", list(map(os.fsdecode, data)))
    pyarrow()
    return from_callables(data)
