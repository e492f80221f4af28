"""Tables from files: every way of writing the same text, digits that are kept, and what is said."""

from __future__ import annotations

import bz2
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
    table, notes, _ = read_table(str(path))
    same(table)
    assumed = ", ".join(filter(None, (ENCODINGS[encoding], SEPARATORS[sep, decimal])))
    assert notes == ([f"read with {assumed}"] if assumed else [])


@pytest.mark.parametrize("name", ["a.tsv", "a.tab", "A.TSV", "a.tsv.gz", "a.txt", "a.dat.xz"])
def test_names_of_files(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    content = written("\t", ".").encode()
    pack: Any = {".gz": gzip.compress, ".xz": lzma.compress}.get(path.suffix, bytes)
    path.write_bytes(pack(content))
    table, notes, _ = read_table(str(path))
    same(table)
    assert bool(notes) == (".t" not in name.lower() or name == "a.txt")


@pytest.mark.parametrize("sep", ["tab", "\t", r"\t"])
def test_options_say_it(sep: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(written("\t", ",").encode("latin-1"))
    table, notes, _ = read_table(str(path), TextOptions(sep, ",", "latin-1"))
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
    table, notes, _ = read_table(str(path))
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
        (["1.5", ".", "2", "3"], [1.5, None, 2.0, 3.0], "'.'; first in line 3) taken as missing"),
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
    table, notes, _ = read_table(str(path))
    assert list(table.columns) == ["row", "my y", "`p(%)`", "a,b", "x", "x"]
    assert table.iloc[1].tolist() == [2, 3, 4, 5, 6, 7]
    assert notes == []


def test_names_of_rows_and_one_column(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("y g\nr1 1.5 a\nr2 2.5 b\n", encoding="utf-8")
    table, _, _ = read_table(str(path))
    assert table["y"].tolist() == [1.5, 2.5]
    assert table.index.tolist() == ["r1", "r2"]
    path.write_text("y\n1\n2\n", encoding="utf-8")
    _, notes, _ = read_table(str(path))
    assert notes == ["it has one column only, 'y'; if that is wrong, give --sep"]


LINES = ["y,x,g", *(f"{k / 8},{k % 5},{'abc'[k % 3]}" for k in range(12))]


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".csv.xz", ".tsv", ".txt"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({7: "1,2,a,9"}, "line 8 has 4 fields and the header 3; .*--sep"),
        ({3: "", 7: "1,2,a,9,9"}, "line 8 has 5 fields"),
        ({4: '1,2,"a\nb"', 7: "1,2,a,9"}, "line 9 has 4 fields"),
        ({5: '1,2,"a'}, "a quote is not closed, in the record that begins in line 6"),
        ({12: "1,2,a,9"}, "line 13 has 4 fields"),
    ],
)
def test_lines_that_cannot_be_split(
    suffix: str, change: dict[int, str], said: str, tmp_path: Path
) -> None:
    sep = "," if "csv" in suffix else "\t"
    lines = [change.get(k, line).replace(",", sep) for k, line in enumerate(LINES)]
    path = tmp_path / f"a{suffix}"
    opened = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix, open)
    with opened(path, "wb") as file:
        file.write("\n".join(lines).encode())
    with pytest.raises(DataError, match=rf"a{suffix} cannot be read: {said}"):
        read_table(str(path))


def test_short_lines_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\n".join([*LINES[:4], "1.5", *LINES[4:], "2.5,3"]), encoding="utf-8")
    table, notes, _ = read_table(str(path))
    assert table["g"].isna().sum() == 2
    [said] = notes
    assert said.startswith(
        "2 lines have fewer fields than the header (first line 5); what is absent"
    )


def test_rows_are_named_by_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('y,g\n1,"a\nb"\n\n2,c\n3,d\n', encoding="utf-8")
    naming = read_table(str(path)).naming
    assert naming(np.array([0, 1, 2])) == (["line 2", "line 5", "line 6"], "")
    path.write_text("y,g\n1,a\n", encoding="utf-8")  # changed since: rows are counted
    assert naming(np.array([0, 2])) == (["row 1", "row 3"], "counted from 1")
    assert read_table("dyestuff").naming(np.array([4])) == (["row 5"], "counted from 1")


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda _: b"", "it is empty"),
        (lambda _: b"y,x\n1,2\n", "it does not begin as .* files do. It looks like text"),
        (lambda _: b"\x00\xff\x01 nothing", "it does not begin as .* files do. Look at"),
        (lambda content: content[:-30], "it is cut off"),
        (lambda content: content[:-90] + b"\xff" * 80 + content[-10:], "its content is damaged"),
    ],
)
def test_damaged_binary_files(suffix: str, damage: Any, said: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    table = pd.DataFrame({"y": np.arange(50.0), "g": list("abcde") * 10})
    table.to_parquet(path) if suffix == ".parquet" else table.to_feather(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=rf"a{suffix} cannot be read: {said}"):
        read_table(str(path))


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
@pytest.mark.parametrize("cut", [True, False])
def test_damaged_compression(suffix: str, cut: bool, tmp_path: Path) -> None:
    path = tmp_path / f"a.csv{suffix}"
    content = {".gz": gzip, ".bz2": bz2, ".xz": lzma}[suffix].compress("\n".join(LINES).encode())
    path.write_bytes(content[:-15] if cut else b"not compressed")
    with pytest.raises(DataError, match="compressed content is damaged or cut off"):
        read_table(str(path))


def test_spreadsheets_are_to_be_saved_as_text(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(b"PK")
    with pytest.raises(DataError, match="Save the sheet as CSV"):
        read_table(str(path))


def test_other_files(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="not a text file"):
        read_table(str(tmp_path / "a.parquet"), TextOptions(sep=";"))
    with pytest.raises(DataError, match="is a folder"):
        read_table(str(tmp_path))
    for name in ("a\0b", "x" * 5000):
        with pytest.raises(DataError, match="neither a file nor a bundled data set"):
            read_table(name)
    table, notes, _ = read_table("dyestuff")
    assert (len(table), notes) == (30, [])


def test_a_folder_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sleepstudy").mkdir()
    for source in (str(tmp_path), str(tmp_path / "sleepstudy")):
        with pytest.raises(DataError, match="is a folder; give one file"):
            read_table(source)
    monkeypatch.chdir(tmp_path)
    assert len(read_table("sleepstudy").table) == 180
