"""Reading a table for the command line: from a file, or a bundled data set by its name.

The Python interface takes tables that are in memory already; nothing else uses this module. Parquet
and Arrow files are read by pyarrow or by polars, whichever is installed: optional packages,
imported here alone.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

from mixedmodels.datasets import list_datasets, load_dataset
from mixedmodels.errors import DataError, did_you_mean

_STREAM_OF_ARROW = b"\xff\xff\xff\xff"


def read_table(source: str) -> Any:
    """The table that `source` names.

    Args:
        source: Path of a CSV (.csv, also compressed as .csv.gz and the like), Parquet (.parquet,
            .pq), Arrow or Feather file (.arrow, .feather, .ipc), or the name of a bundled data set.
            A file goes before a data set of the same name.

    Returns:
        A pandas or Polars DataFrame or a PyArrow table.

    Raises:
        DataError: There is no such file or data set, the kind of file is unknown, the file cannot
            be read, or no installed package reads it.
    """
    path = Path(source)
    if not path.is_file():
        return _bundled(source)
    reader = _READERS.get(_kind(path))
    if reader is None:
        raise DataError(
            f"{source}: files that end in {path.suffix or 'nothing'!r} are not read;"
            f" give one of {', '.join(_READERS)}."
        )
    try:
        return reader(path)
    except DataError:
        raise
    except Exception as error:  # each reader has its own tree of errors
        raise DataError(f"{source} cannot be read: {error}") from error


def _kind(path: Path) -> str:
    """The suffix that says what is in the file, in lower case; `.csv` for `.csv.gz`."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    if len(suffixes) == 2 and suffixes[0] == ".csv":
        return ".csv"
    return suffixes[-1] if suffixes else ""


def _bundled(source: str) -> pd.DataFrame:
    known = list_datasets()
    if source not in known:
        raise DataError(
            f"{source!r} is neither a file nor a bundled data set.{did_you_mean(source, known)}"
            " `mixedmodels datasets` lists the data sets."
        )
    return load_dataset(source)


def _read_parquet(path: Path) -> Any:
    if find_spec("pyarrow"):
        return import_module("pyarrow.parquet").read_table(path)
    return _polars("Parquet").read_parquet(path)


def _read_arrow(path: Path) -> Any:
    with path.open("rb") as file:
        is_stream = file.read(4) == _STREAM_OF_ARROW
    if find_spec("pyarrow"):
        if not is_stream:
            return import_module("pyarrow.feather").read_table(path)
        with path.open("rb") as file, import_module("pyarrow.ipc").open_stream(file) as stream:
            return stream.read_all()
    polars = _polars("Arrow")
    return polars.read_ipc_stream(path) if is_stream else polars.read_ipc(path)


def _polars(kind: str) -> Any:
    if not find_spec("polars"):
        raise DataError(f"{kind} files need pyarrow or polars: pip install pyarrow")
    return import_module("polars")


_READERS: dict[str, Callable[[Path], Any]] = {
    ".csv": pd.read_csv,
    ".parquet": _read_parquet,
    ".pq": _read_parquet,
    ".arrow": _read_arrow,
    ".feather": _read_arrow,
    ".ipc": _read_arrow,
}
