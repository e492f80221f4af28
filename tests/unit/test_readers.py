"""Tables from files: every way of writing the same text, digits that are kept, and what is said."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mixedmodels.errors import DataError
from mixedmodels.layout import TextOptions
from mixedmodels.readers import read_table

ROWS = [("été", 1.5, 1), ("b", -20.25, 2), ("b", 1e-3, 3), ("ça", 0.1, 4)]


def written(sep: str, decimal: str, end: str = "\n") -> str:
    lines = [sep.join(("gruppe", "y", "n"))]
    lines += [sep.join((g, str(y).replace(".", decimal), str(n))) for g, y, n in ROWS]
    return end.join(lines) + end


def same(table: pd.DataFrame) -> None:
    assert list(table.columns) == ["gruppe", "y", "n"]
    assert table["gruppe"].tolist() == [row[0] for row in ROWS]
    assert table["y"].tolist() == [row[1] for row in ROWS]
    assert table["n"].tolist() == [1, 2, 3, 4]
    assert table["n"].dtype == np.int64


SEPARATORS = {
    (",", "."): "",
    (";", ","): "semicolons between fields, decimal commas",
    (";", "."): "semicolons between fields",
    ("\t", "."): "tabs between fields",
    ("\t", ","): "tabs between fields, decimal commas",
    ("|", "."): "bars between fields",
    (" ", "."): "blanks between fields",
}
ENCODINGS = {
    "utf-8": "",
    "utf-8-sig": "",
    "latin-1": "encoding cp1252",
    "cp1252": "encoding cp1252",
    "utf-16": "encoding utf-16",
    "utf-16-le": "encoding utf-16-le",
    "utf-16-be": "encoding utf-16-be",
    "utf-32": "encoding utf-32",
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(("sep", "decimal"), SEPARATORS)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["unix", "windows"])
def test_the_same_table(encoding: str, sep: str, decimal: str, end: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(written(sep, decimal, end).encode(encoding))
    table, notes = read_table(str(path))
    same(table)
    assumed = ", ".join(filter(None, (ENCODINGS[encoding], SEPARATORS[sep, decimal])))
    assert notes == ([f"read with {assumed}"] if assumed else [])


@pytest.mark.parametrize("name", ["a.tsv", "a.tab", "A.TSV", "a.tsv.gz", "a.txt", "a.dat.xz"])
def test_names_of_files(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    content = written("\t", ".").encode()
    pack: Any = {".gz": gzip.compress, ".xz": lzma.compress}.get(path.suffix, bytes)
    path.write_bytes(pack(content))
    table, notes = read_table(str(path))
    same(table)
    assert bool(notes) == (".t" not in name.lower() or name == "a.txt")


@pytest.mark.parametrize("sep", ["tab", "\t", r"\t"])
def test_options_say_it(sep: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(written("\t", ",").encode("latin-1"))
    table, notes = read_table(str(path), TextOptions(sep, ",", "latin-1"))
    same(table)
    assert notes == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sep": ""}, "--sep is ''"),
        ({"sep": "ab"}, "--sep is 'ab'"),
        ({"sep": '"'}, "cannot stand between fields"),
        ({"sep": "\n"}, "cannot stand between fields"),
        ({"decimal": "x"}, "--decimal is 'x'"),
        ({"decimal": ""}, "--decimal is ''"),
        ({"sep": ",", "decimal": ","}, "are both ','"),
        ({"encoding": "utf-99"}, "not known"),
        ({"encoding": "base64"}, "not known"),
        ({"encoding": ""}, "not known"),
        ({"encoding": "a\0b"}, "not known"),
    ],
)
def test_impossible_options(options: dict[str, str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        TextOptions(**options)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n\n  \n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"a,b\n", "has a header but no rows"),
        (b"a,b", "has a header but no rows"),
        (b"a,b\n1,2\n1,2,3\n1,2,3,4\n", "fields"),
        (b"\x00\x01\x02\x03a,b\n", "null bytes"),
        (b'a,b\n"1,2\n3,4\n', "EOF|quote"),
    ],
)
def test_what_is_not_a_table(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"cannot be read: .*({said})"):
        read_table(str(path))


def test_the_wrong_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(written(",", ".").encode("latin-1"))
    with pytest.raises(DataError, match="not encoded as utf-8"):
        read_table(str(path), TextOptions(encoding="utf-8"))


def column(content: str, tmp_path: Path, name: str = "x") -> tuple[list[Any], list[str]]:
    path = tmp_path / "a.csv"
    path.write_text(content, encoding="utf-8")
    table, notes = read_table(str(path))
    return table[name].tolist(), notes


@pytest.mark.parametrize(
    ("values", "expected", "said"),
    [
        (["007", "7", "010"], ["007", "7", "010"], "leading zeros"),
        (["0", "10", "200"], [0, 10, 200], ""),
        (["0.5", "00.25", "1"], [0.5, 0.25, 1.0], ""),
        (["9007199254740993", "9007199254740992"], [9007199254740993, 9007199254740992], ""),
        (["9223372036854775807", "-5"], [9223372036854775807, -5], ""),
        (["18446744073709551615", "1"], [18446744073709551615, 1], ""),
        (["123456789012345678901", "1"], ["123456789012345678901", "1"], "too many digits"),
        (["9007199254740993", "", "3"], [9007199254740993, None, 3], ""),
        (["01", "", "3"], ["01", None, "3"], "leading zeros"),
        (["1.5", ".", "2", "3"], [1.5, None, 2.0, 3.0], "'.'; first in row 2) taken as missing"),
        (["1.5", "?", "-", "3"], [1.5, None, None, 3.0], "taken as missing"),
        (["1", "2", "NA", "n/a"], [1.0, 2.0, None, None], ""),
        (["1", "2", "3", "4x"], ["1", "2", "3", "4x"], "because of 1 of its values ('4x'; first"),
        (["a", "None", ".", "NA"], ["a", "None", ".", None], ""),
        (["1,000", "2,500.5", "3,0"], None, ""),
        (["TRUE", "FALSE", "TRUE"], [True, False, True], ""),
        (["0.1", "1e-5", "2.2250738585072014e-308"], [0.1, 1e-5, 2.2250738585072014e-308], ""),
        (["0.30000000000000004", "0.3"], [0.30000000000000004, 0.3], ""),
    ],
    ids=lambda value: str(value)[:24],
)
def test_values_and_what_is_said(
    values: list[str], expected: list[Any] | None, said: str, tmp_path: Path
) -> None:
    content = "x,k\n" + "".join(f'"{value}",a\n' for value in values)
    found, notes = column(content, tmp_path)
    found = [None if pd.isna(value) else value for value in found]
    assert expected is None or found == expected
    assert bool(notes) == bool(said)
    assert said in "".join(notes)


def test_grupped_thousands(tmp_path: Path) -> None:
    found, notes = column('x,k\n"1,000",a\n"12,500",b\n', tmp_path)
    assert found == ["1,000", "12,500"]
    assert "its values have commas" in notes[0]


def test_odd_headers(tmp_path: Path) -> None:
    content = 'row," my y ",`p(%)`,"a,b",x,x\n1,2,3,4,5,6\n2,3,4,5,6,7\n'
    path = tmp_path / "a.csv"
    path.write_text(content, encoding="utf-8")
    table, notes = read_table(str(path))
    assert list(table.columns) == ["row", "my y", "`p(%)`", "a,b", "x", "x"]
    assert table.iloc[1].tolist() == [2, 3, 4, 5, 6, 7]
    assert notes == []


def test_names_of_rows_and_one_column(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("y g\nr1 1.5 a\nr2 2.5 b\n", encoding="utf-8")
    table, _ = read_table(str(path))
    assert table["y"].tolist() == [1.5, 2.5]
    assert table.index.tolist() == ["r1", "r2"]
    path.write_text("y\n1\n2\n", encoding="utf-8")
    _, notes = read_table(str(path))
    assert notes == ["it has one column only, 'y'; if that is wrong, give --sep"]


def test_other_files(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="not a text file"):
        read_table(str(tmp_path / "a.parquet"), TextOptions(sep=";"))
    for name in ("a\0b", "x" * 5000, str(tmp_path)):
        with pytest.raises(DataError, match="neither a file nor a bundled data set"):
            read_table(name)
    table, notes = read_table("dyestuff")
    assert (len(table), notes) == (30, [])
