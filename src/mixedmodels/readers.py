"""Reading a table for the command line: from a file, or a bundled data set by its name.

The Python interface takes tables that are in memory already; nothing else uses this module. Text
is read in `delimited`. Parquet and Arrow files are read by pyarrow or by polars, whichever is
installed: optional packages, imported here alone.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from mixedmodels.datasets import list_datasets, load_dataset
from mixedmodels.delimited import read_delimited
from mixedmodels.design.places import Naming
from mixedmodels.errors import DataError, did_you_mean
from mixedmodels.layout import COMPRESSED, SUFFIXES, TextOptions
from mixedmodels.lines import counted_from_one

# What files begin and end with.
_MARK = 8
_MARKS = (b"PAR1", b"PARE")
_STREAM_OF_ARROW = b"\xff\xff\xff\xff"
_SPREADSHEETS = (".xlsx", ".xls", ".ods", ".xlsm", ".xlsb")
_SHEETS = " Save the sheet as CSV."
_MARKS_OF_ARROW = (b"ARROW1", b"FEA1", _STREAM_OF_ARROW)
_AS_FOUND = TextOptions()


class Loaded(NamedTuple):
    """A table, and what the user should know about how it was read.

    Attributes:
        table: A pandas or Polars DataFrame or a PyArrow table.
        notes: Assumptions, in words.
        naming: Names its rows by the lines of the file, or counted from 1.
    """

    table: Any
    notes: list[str]
    naming: Naming = counted_from_one


def read_table(source: str, options: TextOptions = _AS_FOUND) -> Loaded:
    """The table that `source` names.

    Args:
        source: Path of a CSV (.csv), TSV (.tsv, .tab) or other text file (.txt, .dat), each also
            compressed (.csv.gz, .bz2, .xz), Parquet (.parquet, .pq), Arrow or Feather file (.arrow,
            .feather, .ipc), or the name of a bundled data set. A file goes before a data set of the
            same name.
        options: How a text file is written.

    Raises:
        DataError: There is no such file or data set, the kind of file is unknown, the file cannot
            be read, or no installed package reads it.
    """
    if not _is_file(source):
        _refuse_folder(source)
        return Loaded(_bundled(source), [])
    path = Path(source)
    kind = _kind(path)
    if kind not in _READERS and kind not in SUFFIXES:
        known = ", ".join((*SUFFIXES, *_READERS))
        raise DataError(
            f"{source}: files that end in {path.suffix or 'nothing'!r} are not read;"
            f" give one of {known}.{_SHEETS if kind in _SPREADSHEETS else ''}"
        )
    if kind in _READERS and options != _AS_FOUND:
        raise DataError(f"{source} is not a text file; --sep, --decimal, --encoding are for those.")
    try:
        if kind in SUFFIXES:
            return Loaded(*read_delimited(path, options))
        return Loaded(_READERS[kind](path), [])
    except _PackageMissing:
        raise
    except MemoryError:
        raise
    except Exception as error:  # each reader has its own tree of errors
        raise DataError(f"{source} cannot be read: {_reason(path, kind, error)}.") from error


class _PackageMissing(DataError):
    """No installed package reads a kind of file."""


def _is_file(source: str) -> bool:
    try:
        return Path(source).is_file()
    except (OSError, ValueError):
        return False


def _refuse_folder(source: str) -> None:
    """A folder is not read.

    Raises:
        DataError: The name is that of a folder, and of no bundled data set.
    """
    try:
        folder = bool(source) and Path(source).is_dir()
    except (OSError, ValueError):
        return
    if folder and source not in list_datasets():
        raise DataError(f"{source} is a folder; give one file with all rows.")


def _kind(path: Path) -> str:
    """The suffix that says what is in the file, in lower case; `.csv` for `.csv.gz`."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    if len(suffixes) == 2 and suffixes[0] in SUFFIXES and suffixes[1] in COMPRESSED:
        return suffixes[0]
    return suffixes[-1] if suffixes else ""


def _reason(path: Path, kind: str, error: Exception) -> str:
    """Why a file cannot be read, and what to do, whatever library found it out."""
    if isinstance(error, DataError):
        return str(error).rstrip(".")
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if kind in SUFFIXES:
        # What is left is decompression.
        return f"its compressed content is damaged or cut off ({_brief(error)}); make the file anew"
    name = "Parquet" if kind in (".parquet", ".pq") else "Arrow or Feather"
    return _damage_of(path, name) or (
        f"its content is damaged ({_brief(error)}); write the {name} file anew"
    )


def _brief(error: Exception) -> str:
    """The first line of what another library says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")[:200]


def _damage_of(path: Path, name: str) -> str:
    """The fault that the first and last bytes of a Parquet or Arrow file show; or ""."""
    with path.open("rb") as file:
        start = file.read(_MARK)
        size = file.seek(0, io.SEEK_END)
        file.seek(max(size - _MARK, 0))
        end = file.read()
    if not start:
        return "it is empty"
    whole = start.startswith(_MARKS) if name == "Parquet" else start.startswith(_MARKS_OF_ARROW)
    if not whole:
        text = " It looks like text: give it the ending .csv" if start.isascii() else ""
        return f"it does not begin as {name} files do.{text or ' Look at what wrote it'}"
    if not end.endswith((*_MARKS, *_MARKS_OF_ARROW)) and not start.startswith(_STREAM_OF_ARROW):
        return f"it is cut off: it does not end as {name} files do; copy or write it anew"
    return ""


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
        raise _PackageMissing(f"{kind} files need pyarrow or polars: pip install pyarrow")
    return import_module("polars")


_READERS: dict[str, Callable[[Path], Any]] = {
    ".parquet": _read_parquet,
    ".pq": _read_parquet,
    ".arrow": _read_arrow,
    ".feather": _read_arrow,
    ".ipc": _read_arrow,
}
