"""Delimited text (CSV, TSV and their kin) to a table, with what was assumed about the file.

Every unusual assumption, and every column that is text because of a few values, is reported to the
user in a note. How the file is written is found in `layout`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mixedmodels.errors import DataError
from mixedmodels.layout import Layout, TextOptions, find_layout
from mixedmodels.lines import Lines, damage

# What is missing wherever it stands, and what is missing among numbers only.
_MISSING = ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null")
_MISSING_NUMBERS = frozenset(
    {
        ".",
        "-",
        "--",
        "?",
        "*",
        "na",
        "Na",
        "None",
        "none",
        "missing",
        "#NULL!",
        "#DIV/0!",
        "#VALUE!",
    }
)
# Least part of numbers in a column that counts as one of numbers with stray values.
_MOSTLY = 0.5
# Newer versions of pandas read decimal numbers to the last bit without being asked.
_EXACT = tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1)

_GROUPED_NUMBER = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
_LEADING_ZERO = re.compile(r"[+-]?0\d+")
_INTEGER = re.compile(r"[+-]?\d+")


class TextTable(NamedTuple):
    """What a file holds, and what the user should know about how it was read."""

    table: pd.DataFrame
    notes: list[str]
    lines: Lines


def read_delimited(path: Path, options: TextOptions) -> TextTable:
    """Read a text file.

    Raises:
        DataError: It has no rows, is not text, or cannot be split into fields.
    """
    layout = find_layout(path, options)
    notes = [layout.note] if layout.note else []
    table = _split(path, layout)
    if not len(table):
        raise DataError("it has a header but no rows")
    lines = Lines(path, layout, len(table))
    header = layout.header
    if len(header) != table.shape[1]:
        header = list(map(str, table.columns))
    if len(header) == 1:
        notes.append(f"it has one column only, {header[0]!r:.40}; if that is wrong, give --sep")
    _keep_digits(table, path, layout, notes)
    for position, name in enumerate(header):
        table.isetitem(position, _cleaned(name, table.iloc[:, position], layout, notes, lines))
    if table.iloc[:, -1].isna().any():
        _note_short_lines(lines, notes)
    table.columns = pd.Index(header)
    return TextTable(table, notes, lines)


def _split(path: Path, layout: Layout) -> pd.DataFrame:
    """Read, with what is wrong in words of ours.

    Raises:
        DataError: With the line and what to do.
    """
    try:
        return _read(path, layout)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        found = damage(path, layout)
        if not found:
            found = f"its lines cannot be split into fields ({error!s:.200})"
        raise DataError(found) from None


def _note_short_lines(lines: Lines, notes: list[str]) -> None:
    short = lines.shorter()
    if short:
        count = "1 line has" if len(short) == 1 else f"{len(short)} lines have"
        notes.append(
            f"{count} fewer fields than the header (first line {short[0]}); what is absent there "
            "is taken as missing"
        )


def _read(path: Path, layout: Layout, **more: Any) -> pd.DataFrame:
    return pd.read_csv(
        path,
        sep=layout.sep,
        decimal=layout.decimal,
        encoding=layout.encoding,
        skipinitialspace=True,
        keep_default_na=False,
        na_values=list(_MISSING),
        low_memory=False,
        **({} if _EXACT else {"float_precision": "round_trip"}),
        **more,
    )


def _keep_digits(table: pd.DataFrame, path: Path, layout: Layout, notes: list[str]) -> None:
    """Give columns of identifiers the digits back that numbers do not have."""
    doubtful = [
        position
        for position, dtype in enumerate(table.dtypes)
        if (dtype.kind in "iuf" and layout.zeros)
        or (dtype.kind == "f" and _beyond_doubles(table.iloc[:, position]))
    ]
    if not doubtful:
        return
    texts = _read(path, layout, dtype=str)
    for position in doubtful:
        text = texts.iloc[:, position].str.strip()
        column, name = table.iloc[:, position], table.columns[position]
        if text.dropna().str.fullmatch(_LEADING_ZERO).any():
            table[name] = text
            notes.append(f"column {name!r} has numbers with leading zeros and is kept as text")
        elif column.dtype.kind == "f" and text.dropna().str.fullmatch(_INTEGER).all():
            table[name] = _long_integers(text)


def _beyond_doubles(column: pd.Series[float]) -> bool:
    with np.errstate(invalid="ignore"):
        values = column.to_numpy()
        return bool((np.abs(values) >= 2.0**53).any())


def _long_integers(text: pd.Series[str]) -> pd.Series[Any]:
    present = text.dropna()
    numbers = [int(value) for value in present]
    if max(map(abs, numbers), default=0) >= 2**63:
        return text
    return pd.Series(pd.array(numbers, dtype="Int64"), index=present.index).reindex(text.index)


def _cleaned(name: str, column: Any, layout: Layout, notes: list[str], lines: Lines) -> Any:
    """One column, with a note where a few values keep it from being numbers."""
    if column.dtype.kind in "iufb":
        return column
    texts = [str(value).strip() for value in column.tolist()]
    present = np.flatnonzero(~column.isna().to_numpy())
    numbers = np.full(len(texts), np.nan)
    stray = []
    for row in present.tolist():
        number = _number(texts[row], layout.decimal)
        if number is None:
            stray.append(row)
        else:
            numbers[row] = number
    if not stray and present.size and _INTEGER.fullmatch(texts[present[0]]):
        notes.append(f"column {name!r} has numbers of too many digits and is kept as text")
        return column.where(column.isna(), pd.Series(texts, index=column.index))
    distinct = list(dict.fromkeys(texts[row] for row in stray))
    if not stray or len(stray) > (1 - _MOSTLY) * len(present):
        if stray and all(map(_GROUPED_NUMBER.fullmatch, distinct)):
            notes.append(
                f"column {name!r} is text: its values have commas ({distinct[0]}); write numbers "
                "without them, or give --decimal"
            )
        return column
    listed = ", ".join(map(repr, distinct[:3]))
    first = lines(np.array(stray[:1])).names[0]
    where = f"{len(stray)} of its values ({listed}; first in {first})"
    if set(distinct) <= _MISSING_NUMBERS:
        notes.append(f"column {name!r}: {where} taken as missing")
        return pd.Series(numbers, index=column.index)
    notes.append(f"column {name!r} is text, not numbers, because of {where}")
    return column


def _number(text: str, decimal: str) -> float | None:
    if _LEADING_ZERO.fullmatch(text) or "_" in text:
        return None
    try:
        return float(text.replace(",", ".") if decimal == "," else text)
    except ValueError:
        return None
