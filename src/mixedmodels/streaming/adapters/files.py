"""Files of Parquet, Arrow, Feather and CSV: a path, a glob, a folder, or a dataset of pyarrow."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixedmodels.datasets import list_datasets
from mixedmodels.errors import DataError, FileError
from mixedmodels.storage.files import path_text
from mixedmodels.streaming.adapters.streams import from_table
from mixedmodels.streaming.packages import optional
from mixedmodels.streaming.source import BATCH_ROWS, Source, make_source

# Rows of neighbouring row groups that are read as one partition.
_PARTITION_ROWS = 1 << 20
# Bytes of a text file in which its first line ends.
_FIRST_LINE = 1 << 16
_FORMATS = {
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    **dict.fromkeys((".arrow", ".feather", ".ipc"), "ipc"),
    **dict.fromkeys((".csv", ".csv.gz", ".csv.bz2"), "csv"),
    **dict.fromkeys((".tsv", ".tab", ".tsv.gz"), "tsv"),
}
_GLOB = " Give a pattern for files of one kind, such as 'folder/*.parquet'."
_TITLES = {"parquet": "Parquet", "ipc": "Arrow", "csv": "CSV", "tsv": "TSV"}


@dataclass(frozen=True, slots=True)
class FilePartition:
    """Some row groups of a file, or all of it.

    Attributes:
        key: Path, size, time of the last change, row groups.
        name: The path, and which row groups.
        rows: Number of rows, where the file says so.
        fragment: What pyarrow reads.
        stamp: Size and time of the last change when the source was made.
        schema: Of the whole source.
        groups: Row groups and their rows; empty of files without.
    """

    key: str
    name: str
    rows: int | None
    fragment: Any
    stamp: str
    schema: Any
    groups: tuple[tuple[int, int], ...] = ()

    def batches(self, columns: Sequence[str]) -> Iterator[Any]:
        """Record batches.

        Raises:
            DataError: The file has changed since the source was made.
        """
        self._check_unchanged()
        yield from self.fragment.to_batches(
            schema=self.schema,
            columns=list(columns),
            batch_size=BATCH_ROWS,
            batch_readahead=1,
            fragment_readahead=1,
            use_threads=False,
        )
        self._check_unchanged()

    def _check_unchanged(self) -> None:
        found = _stamp(self.fragment)
        if found != self.stamp:
            raise DataError(
                f"the file has changed since the source was made ({self.stamp}, now {found}); "
                "make the plan anew"
            )

    def row_name(self, row: int) -> str:
        """The row, and its row group where the file has these."""
        for group, rows in self.groups:
            if row < rows:
                return f"row {row} of row group {group}"
            row -= rows
        return f"row {row}"


def from_path(path: Any) -> Source:
    """Every file that a path, a glob or a folder names.

    Raises:
        FileError: There is none, or they are of kinds that are not read together.
    """
    text = path_text(path)
    try:
        files = _files(text)
    except OSError as error:
        raise FileError(f"{text} cannot be read: {error.strerror or error}.") from None
    return from_files(text, files)


def from_files(text: str, files: Sequence[str]) -> Source:
    """Files of one kind.

    Args:
        text: What they are called together, for messages.
        files: Their paths.

    Raises:
        FileError: They are of kinds that are not read together, or cannot be read.
    """
    files = [os.path.abspath(file) for file in files]  # noqa: PTH100 (links stay as they are)
    kinds = {_kind(file) for file in files}
    stray = next((file for file in files if _kind(file) is None), None)
    if stray is not None:
        known = ", ".join(_FORMATS)
        raise FileError(f"{stray} is not of a kind that is read ({known}).{_GLOB}")
    if len(kinds) > 1:
        listed = " and ".join(sorted(_TITLES[str(kind)] for kind in kinds))
        raise FileError(f"{text} has files of several kinds, {listed}.{_GLOB}")
    kind = str(kinds.pop())
    dataset = optional("pyarrow.dataset", "arrow")
    try:
        # The folder itself, so that its sub-folders `year=2020` become a column.
        partitioning = "hive" if any("=" in part for part in Path(files[0]).parts) else None
        found = dataset.dataset(files, format=_format(kind, files[0]), partitioning=partitioning)
    except (OSError, ValueError, NotImplementedError) as error:
        raise FileError(f"{text} cannot be read as {_TITLES[kind]}: {error}") from None
    return from_dataset(found, _TITLES[kind])


def from_dataset(dataset: Any, title: str = "a dataset") -> Source:
    """A `pyarrow.dataset.Dataset`, split by row groups; one in memory, cut by rows.

    Raises:
        DataError: It has no files, or files and tables in memory, or cannot be read.
        FileError: A file cannot be read.
    """
    try:
        fragments = list(dataset.get_fragments())
    except (OSError, ValueError) as error:
        raise DataError(f"The source ({title}) cannot be read: {error}") from None
    in_memory = [not hasattr(fragment, "filesystem") for fragment in fragments]
    if any(in_memory):
        if not all(in_memory):
            raise DataError(
                "The dataset has tables in memory beside files; write the tables to files, or give "
                "a list of functions that return batches of Arrow."
            )
        return from_table(dataset.to_table(), "a dataset in memory")
    partitions = [part for fragment in fragments for part in _split(fragment, dataset.schema)]
    count = f"{len(fragments)} file{'s' * (len(fragments) != 1)}"
    return make_source(f"{count} of {title}", dataset.schema, partitions)


def _files(text: str) -> list[str]:
    path = Path(os.path.expanduser(text))  # noqa: PTH111 (a home that is not known stays as it is)
    if path.is_dir():
        # What begins so is not data: marks of other programs, and files that are being written.
        found = [
            file
            for file in path.rglob("*")
            if file.is_file() and not any(p[0] in "._" for p in file.relative_to(path).parts)
        ]
        if not found:
            raise FileError(f"{text} is a folder without files.")
        return sorted(map(str, found))
    if path.is_file():
        return [str(path)]
    fitting = _fitting(path)
    if not fitting:
        hint = ""
        if text in list_datasets():
            hint = f" For the bundled data set write load_dataset({text!r})."
        raise FileError(
            f"{text} is neither a file nor a folder, and no file fits it as a pattern.{hint}"
        )
    return fitting


def _fitting(pattern: Path) -> list[str]:
    """The files that fit a pattern such as ``"data/2020-*/*.parquet"``."""
    top = Path(pattern.anchor)
    try:
        found = top.glob(str(pattern.relative_to(top)))
        return sorted(str(file) for file in found if file.is_file())
    except (OSError, ValueError, NotImplementedError):
        return []


def _kind(file: str) -> str | None:
    suffixes = [suffix.lower() for suffix in Path(file).suffixes[-2:]]
    return _FORMATS.get("".join(suffixes)) or _FORMATS.get("".join(suffixes[-1:]))


def _format(kind: str, first: str) -> Any:
    """The format of pyarrow; of text the sign between fields is that of the first line."""
    if kind not in ("csv", "tsv"):
        return kind
    signs = "\t,;|" if kind == "tsv" else ",;\t|"
    with optional("pyarrow", "arrow").input_stream(first) as file:
        line = file.read(_FIRST_LINE).partition(b"\n")[0].decode("utf-8", "replace")
    csv = optional("pyarrow.csv", "arrow")
    return optional("pyarrow.dataset", "arrow").CsvFileFormat(
        parse_options=csv.ParseOptions(delimiter=max(signs, key=line.count)),
        convert_options=csv.ConvertOptions(strings_can_be_null=True),
    )


def _split(fragment: Any, schema: Any) -> Iterator[FilePartition]:
    """The partitions of one file."""
    stamp = _stamp(fragment)
    path = fragment.path
    groups = getattr(fragment, "row_groups", None)
    if groups is None:
        rows = None if str(fragment.format).startswith("<CsvFileFormat") else _rows(fragment)
        yield FilePartition(f"{path} ({stamp})", path, rows, fragment, stamp, schema)
        return
    held: list[tuple[int, int]] = []
    for place, group in enumerate(groups):
        held.append((group.id, group.num_rows))
        total = sum(rows for _, rows in held)
        if total >= _PARTITION_ROWS or place + 1 == len(groups):
            first, last = held[0][0], held[-1][0]
            which = f"row groups {first} to {last}" if last > first else f"row group {first}"
            yield FilePartition(
                f"{path} ({stamp}) {first:06d}-{last:06d}",
                f"{path}, {which}",
                total,
                fragment.subset(row_group_ids=[group for group, _ in held]),
                stamp,
                schema,
                tuple(held),
            )
            held = []


def _rows(fragment: Any) -> int:
    try:
        return int(fragment.count_rows())
    except (OSError, ValueError) as error:
        raise FileError(f"{fragment.path} cannot be read: {error}") from None


def _stamp(fragment: Any) -> str:
    """Size and time of the last change of a file."""
    info = fragment.filesystem.get_file_info(fragment.path)
    changed = info.mtime_ns
    return f"{info.size} bytes of {changed if changed is None else changed / 1e9}"
