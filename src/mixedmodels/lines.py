"""Records of a text file and the lines they begin in: for messages, and for what is damaged.

A record may take several lines (line breaks between quotes), blank lines do not count, and pandas,
which reads the values, does not say which line a row comes from. Files are read here only when
something is to be said about them.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mixedmodels.arrays import LongArray
from mixedmodels.design.places import Named
from mixedmodels.layout import Layout, open_file

_LONGEST_FIELD = 1 << 24


class Record(NamedTuple):
    """One record.

    Attributes:
        line: The line it begins in, counted from 1.
        fields: How many fields it has.
    """

    line: int
    fields: int


class _Unended(Exception):
    """A quote that is not closed; the argument is the line it may begin in."""


class Lines:
    """Names the rows of a text file by the lines they begin in.

    Args:
        path: The file.
        layout: How it is written.
        n_rows: Rows that were read from it.
    """

    def __init__(self, path: Path, layout: Layout, n_rows: int) -> None:
        self._path = path
        self._layout = layout
        self._n_rows = n_rows

    def __call__(self, positions: LongArray) -> Named:
        """The rows at `positions` by lines, or counted where lines and rows do not agree."""
        try:
            begins = [record.line for record in records(self._path, self._layout)][1:]
        except (OSError, UnicodeError, csv.Error, _Unended):
            begins = []
        if len(begins) != self._n_rows:
            return counted_from_one(positions)
        return Named([f"line {begins[position]}" for position in positions.tolist()], "")

    def shorter(self) -> list[int]:
        """Lines whose records have fewer fields than the header."""
        try:
            first, *others = records(self._path, self._layout)
        except (OSError, UnicodeError, csv.Error, _Unended, ValueError):
            return []
        return [record.line for record in others if record.fields < first.fields]


def counted_from_one(positions: LongArray) -> Named:
    """Rows of a file that has no lines, by number."""
    return Named([f"row {position + 1}" for position in positions.tolist()], "counted from 1")


def records(path: Path, layout: Layout) -> Iterator[Record]:
    """The records, the header first.

    Raises:
        UnicodeError: It is not encoded as the layout says.
        csv.Error: A field is longer than any sensible one.
    """
    blank = layout.sep == r"\s+"
    with open_file(path) as raw, io.TextIOWrapper(raw, layout.encoding, newline="") as text:
        before = csv.field_size_limit(min(_LONGEST_FIELD, sys.maxsize))
        reader = csv.reader(
            (line.strip(" \t") for line in text) if blank else text,
            delimiter=" " if blank else layout.sep,
            skipinitialspace=True,
            strict=True,
        )
        begin = 1
        try:
            for fields in reader:
                if any(field.strip() for field in fields) or len(fields) > 1:
                    yield Record(begin, len(fields))
                begin = reader.line_num + 1
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise _Unended(begin) from None
            raise
        finally:
            csv.field_size_limit(before)


def damage(path: Path, layout: Layout) -> str:
    """What keeps a file from being split into fields, with its line and what to do; or ""."""
    try:
        found = records(path, layout)
        first = next(found)
        allowed = None
        for record in found:
            # One field more than the header in the first row: names of rows.
            allowed = allowed or max(first.fields, min(record.fields, first.fields + 1))
            if record.fields > allowed:
                return (
                    f"line {record.line} has {record.fields} fields and the header "
                    f"{first.fields}; mend the line (put a text with separators in quotes), or "
                    "give --sep"
                )
    except _Unended as error:
        return (
            f"a quote is not closed, in the record that begins in line {error}; close it, or "
            "remove single quotation marks from the file"
        )
    except UnicodeDecodeError as error:
        return misread(path, layout.encoding, error)
    except (csv.Error, StopIteration) as error:
        return str(error)
    return ""


def misread(path: Path, encoding: str, error: UnicodeDecodeError) -> str:
    """Which line is not encoded as it should be, and what to do."""
    where = ""
    with open_file(path) as file:
        for number, line in enumerate(file, 1):
            byte = _undecoded(line, encoding)
            if byte is not None:
                where = f": line {number} has the byte 0x{byte:02x}"
                break
    return (
        f"it is not encoded as {error.encoding}{where}; give the right --encoding, such as latin-1"
    )


def _undecoded(line: bytes, encoding: str) -> int | None:
    """The first byte of a line that is not of the encoding, or None."""
    try:
        line.decode(encoding)
    except UnicodeDecodeError as error:
        return error.object[error.start]
    return None
