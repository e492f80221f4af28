"""How a text file is written: encoding, separator and decimal mark, found where not given.

Only the bytes and the first lines are looked at; the values are read in `delimited`.
"""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import lzma
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mixedmodels.errors import DataError

SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".dat")
COMPRESSED: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", r"\s+": "blanks"}
_SAMPLE = 1 << 18
_SAMPLE_LINES = 100
# Part of the lines that a separator must split alike, where none splits all.
_MOST = 0.75
_CHUNK = 1 << 22

_COMMA_NUMBER = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_POINT_NUMBER = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?")
_ZEROS = re.compile(rb"[\s,;|\"][+-]?0\d")


@dataclass(frozen=True, slots=True)
class TextOptions:
    """How a text file is written; None is for what is to be found.

    Attributes:
        sep: One character between fields; also "tab" or "blank".
        decimal: "." or ",".
        encoding: Of the characters, such as "latin-1".

    Raises:
        DataError: An option that cannot be.
    """

    sep: str | None = None
    decimal: str | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        if self.sep is not None and len(self.separator or "") != 1 and self.separator != r"\s+":
            raise DataError(f"--sep is {self.sep!r}; it must be one character, 'tab' or 'blank'.")
        if self.separator is not None and self.separator in '\n\r"':
            raise DataError(f"--sep is {self.sep!r}, which cannot stand between fields.")
        if self.decimal not in (None, ".", ","):
            raise DataError(f"--decimal is {self.decimal!r}; it must be '.' or ','.")
        if self.decimal is not None and self.decimal == self.separator:
            raise DataError(f"--sep and --decimal are both {self.decimal!r}.")
        if self.encoding is not None:
            _check_encoding(self.encoding)

    @property
    def separator(self) -> str | None:
        """What pandas calls the separator."""
        named = {"tab": "\t", r"\t": "\t", "blank": r"\s+", " ": r"\s+", "": ""}
        return None if self.sep is None else named.get(self.sep, self.sep)


class Layout(NamedTuple):
    """How a text file is written.

    Attributes:
        encoding: Of the characters.
        sep: Between fields, as pandas has it.
        decimal: Decimal mark.
        header: Names as they stand in the file: pandas would tell equal ones apart by numbers.
        zeros: Whether a number may begin with a zero before another digit.
        note: What was assumed beside the usual, or "".
    """

    encoding: str
    sep: str
    decimal: str
    header: list[str]
    zeros: bool
    note: str


def find_layout(path: Path, options: TextOptions) -> Layout:
    """Find out how a file is written.

    Raises:
        DataError: It is empty, or not text.
    """
    encoding, zeros = _survey(path, options.encoding)
    lines = _first_lines(path, encoding)
    if not lines:
        raise DataError("it is empty")
    usual = "\t" if _suffix(path) in (".tsv", ".tab") else ","
    sep = options.separator or _separator(lines, usual)
    decimal = options.decimal or _decimal(lines, sep)
    header = [name.strip("\ufeff \t") for name in _split(lines[0], sep)]
    found = []
    if options.encoding is None and encoding not in ("utf-8", "utf-8-sig"):
        found.append(f"encoding {encoding}")
    if options.sep is None and sep != usual:
        found.append(f"{_SEPARATORS[sep]} between fields")
    if options.decimal is None and decimal != ".":
        found.append("decimal commas")
    note = f"read with {', '.join(found)}" if found else ""
    return Layout(encoding, sep, decimal, header, zeros, note)


def _suffix(path: Path) -> str:
    inner = path.with_suffix("") if path.suffix.lower() in COMPRESSED else path
    return inner.suffix.lower()


def open_file(path: Path) -> Any:
    """The bytes of a file, decompressed."""
    return COMPRESSED.get(path.suffix.lower(), open)(path, "rb")


def _check_encoding(name: str) -> None:
    try:
        known = codecs.lookup(name)
        "".encode(known.name)
    except (LookupError, ValueError):
        raise DataError(f"--encoding is {name!r:.40}, which is not known; try latin-1.") from None


class _Survey(NamedTuple):
    """Findings of one pass over all bytes.

    Attributes:
        encoding: Of the characters.
        zeros: Whether a field may begin with a zero before another digit.
    """

    encoding: str
    zeros: bool


def _survey(path: Path, given: str | None) -> _Survey:
    """Find the encoding by the mark at the start, by null bytes, by whether all of it is UTF-8."""
    with open_file(path) as file:
        piece = file.read(_SAMPLE)
        wide = next((name for mark, name in _BOMS if piece.startswith(mark)), None)
        if given is not None or wide not in (None, "utf-8-sig") or b"\0" in piece:
            return _Survey(given or wide or _wide_encoding(piece), True)
        decoder = codecs.getincrementaldecoder("utf-8")()
        encoding, western, zeros, last = wide or "utf-8", "cp1252", False, b"\n"
        while piece:
            if b"\0" in piece:
                raise DataError("it has null bytes, so it is not text, or is damaged")
            zeros = zeros or bool(_ZEROS.search(last + piece))
            last = piece[-4:]
            try:
                decoder.decode(piece)
            except UnicodeDecodeError:
                encoding = ""
            # The bytes that Windows-1252 leaves open.
            if any(byte in piece for byte in b"\x81\x8d\x8f\x90\x9d"):
                western = "latin-1"
            piece = file.read(_CHUNK)
    return _Survey(encoding or western, zeros)


def _wide_encoding(start: bytes) -> str:
    """UTF-16 without a mark: of text with many ASCII characters every other byte is null."""
    odd, even = start[1::2].count(0), start[::2].count(0)
    if odd > 0.4 * len(start) / 2 and not even:
        return "utf-16-le"
    if even > 0.4 * len(start) / 2 and not odd:
        return "utf-16-be"
    raise DataError("it has null bytes, so it is not text")


def _first_lines(path: Path, encoding: str) -> list[str]:
    """The first lines that are not empty; the last one may be cut off and is left out."""
    with open_file(path) as file:
        sample = file.read(_SAMPLE)
        more = bool(file.read(1))
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(sample, final=not more)
    except UnicodeDecodeError as error:
        line = sample[: error.start].count(b"\n") + 1
        raise DataError(
            f"it is not encoded as {encoding}: the byte 0x{sample[error.start]:02x} in line "
            f"{line}; give the right --encoding, such as latin-1"
        ) from None
    lines = text.splitlines()
    if more and len(lines) > 1:
        lines.pop()
    return [line for line in lines if line.strip("\ufeff \t")][:_SAMPLE_LINES]


def _split(line: str, sep: str) -> list[str]:
    if sep == r"\s+":
        return next(csv.reader([line.strip()], delimiter=" ", skipinitialspace=True), [])
    return next(csv.reader([line], delimiter=sep, skipinitialspace=True), [])


def _separator(lines: list[str], usual: str) -> str:
    """The one that splits all lines into equally many fields, and the header into most."""
    best, most = usual, len(_split(lines[0], usual))
    if _agree(lines, usual) and most > 1:
        return usual
    for sep in _SEPARATORS:
        fields = len(_split(lines[0], sep))
        if _agree(lines, sep) and (fields > most or (fields > 1 and not _agree(lines, best))):
            best, most = sep, fields
    return best if most > 1 else _mostly(lines, usual)


def _mostly(lines: list[str], usual: str) -> str:
    """The one that splits most lines into as many fields as the header: a few may be damaged."""
    for sep in _SEPARATORS:
        wanted = len(_split(lines[0], sep))
        alike = sum(len(_split(line, sep)) == wanted for line in lines[1:])
        if wanted > 1 and alike >= _MOST * (len(lines) - 1):
            return sep
    return usual


def _agree(lines: list[str], sep: str) -> bool:
    """Whether lines have as many fields as the header, or one more (names of rows)."""
    wanted = len(_split(lines[0], sep))
    counts = {len(_split(line, sep)) for line in lines[1:]}
    return counts in ({wanted}, {wanted + 1}, set())


def _decimal(lines: list[str], sep: str) -> str:
    if sep == ",":
        return "."
    fields = [field.strip() for line in lines[1:] for field in _split(line, sep)]
    commas = any(_COMMA_NUMBER.fullmatch(field) for field in fields)
    points = any(_POINT_NUMBER.fullmatch(field) for field in fields)
    return "," if commas and not points else "."
