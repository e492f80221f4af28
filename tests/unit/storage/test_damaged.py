"""Files that are damaged, or made to do harm: refused in our tree of errors, within bounds."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from fuzz import files
from unit.storage import hostile

import mixedmodels as mm
from mixedmodels.errors import FileError
from mixedmodels.storage import container

GOOD = files.originals()
HOSTILE = hostile.hostile()


@pytest.mark.parametrize("first", range(0, 100, 25))
def test_damaged_files(first: int, tmp_path: Path) -> None:
    outcomes = set()
    for seed in range(first, first + 25):
        content = files.draw(Random(seed))
        outcomes.add(hostile.outcome(content, tmp_path / "fit.mm"))
    assert "refused" in outcomes


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files(kind: str, tmp_path: Path) -> None:
    assert hostile.outcome(HOSTILE[kind], tmp_path / "fit.mm") == "refused"


def test_hostile_files_take_little_memory(tmp_path: Path) -> None:
    kinds = ("bomb", "many bombs", "header bomb", "list bomb", "bzip2", "lzma")
    for kind in kinds:
        (tmp_path / kind).write_bytes(HOSTILE[kind])
    code = f"""
import resource, mixedmodels as mm
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for kind in {kinds!r}:
    try:
        mm.load({str(tmp_path)!r} + "/" + kind)
    except mm.FileError:
        print("refused")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, "MB")
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    lines = run.stdout.split("\n")
    assert lines.count("refused") == len(kinds)
    assert int(lines[len(kinds)].split()[0]) < 400


def changed(content: bytes, change: Any) -> bytes:
    header, arrays = files.unpacked(content)
    by_class: dict[str, list[Any]] = {}
    for written in header["objects"]:
        if "class" in written:
            by_class.setdefault(written["class"], []).append(written["fields"])
    change(header, by_class, arrays)
    return container.pack(header, arrays)


def set_field(kind: str, field: str, value: Any) -> Any:
    def change(_header: Any, by_class: Any, _arrays: Any) -> None:
        by_class[kind][0][field] = value

    return change


CHANGES: dict[str, tuple[Any, str]] = {
    "rows": (set_field("Design", "n", 10**6), "not one value for each row"),
    "no rows": (set_field("Design", "n", 0), "no rows|not one value"),
    "truth for a number": (set_field("Design", "n", True), "its Design has True as n"),
    "text for an array": (set_field("Design", "y", "a"), "its Design has 'a' as y"),
    "names": (set_field("Design", "x_names", {"tuple": ["a"]}), "each row and column|one name"),
    "group of a term": (set_field("TermDesign", "group", 7), "no grouping factor"),
    "another formula": (
        set_field("FormulaSpec", "text", "Reaction ~ 1 + (1 | Subject)"),
        "its formula is not its text",
    ),
    "name of a group": (set_field("GroupingFactor", "name", "g"), "not those of its formula"),
    "levels": (
        set_field("GroupSpec", "parts", {"tuple": []}),
        "not made of its factors",
    ),
    "learnt": (set_field("Recipe", "states", 3), "its Recipe has 3 as states"),
    "rank": (set_field("Solution", "p", 1), "that of another model"),
    "sigma": (set_field("Solution", "sigma", {"float": "nan"}), "not finite"),
    "negative": (set_field("Solution", "pwrss", {"float": "-0x1p+0"}), "negative"),
    "status": (set_field("OptSummary", "status", "perfect"), "its OptSummary has 'perfect'"),
    "method": (set_field("OptSummary", "optimizer", "magic"), "its OptSummary has 'magic'"),
    "variable": (set_field("Variable", "values", {"tuple": [1]}), "its Variable has"),
    "tolerance": (set_field("Control", "gtol", {"float": "0x1p+3"}), "gtol is 8.0"),
    "trace": (set_field("OptSummary", "trace", {"tuple": [1]}), "its OptSummary has"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_parts_that_do_not_belong_together(name: str, tmp_path: Path) -> None:
    change, message = CHANGES[name]
    (tmp_path / "fit.mm").write_bytes(changed(GOOD[1], change))
    with pytest.raises(
        FileError, match=f"cannot be understood: .*({message}).*Fit the model again"
    ):
        mm.load(tmp_path / "fit.mm")


@pytest.mark.parametrize("text", ["a\ud800", "\udfffb", "\ud83d"])
def test_text_that_is_not_unicode(text: str, tmp_path: Path) -> None:
    change = set_field("Design", "response_name", text)
    (tmp_path / "fit.mm").write_bytes(changed(GOOD[1], change))
    with pytest.raises(FileError, match="is damaged: its header has text that is not Unicode"):
        mm.load(tmp_path / "fit.mm")


def test_text_beyond_the_basic_plane_is_kept(tmp_path: Path) -> None:
    data = mm.load_dataset("sleepstudy").rename(columns={"Reaction": "\U0001f600"})
    mm.lmer("`\U0001f600` ~ Days + (1 | Subject)", data).save(tmp_path / "fit.mm")
    assert "\U0001f600" in mm.load(tmp_path / "fit.mm").formula


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite(value: float, tmp_path: Path) -> None:
    header, arrays = files.unpacked(GOOD[1])
    refused = 0
    for name, array in arrays.items():
        if array.dtype == np.float64:
            spoilt = {**arrays, name: array.copy(order="K")}
            spoilt[name].flat[0] = value
            (tmp_path / "fit.mm").write_bytes(container.pack(header, spoilt))
            with pytest.raises(FileError, match="not finite"):
                mm.load(tmp_path / "fit.mm")
            refused += 1
    assert refused >= 2


def test_files_that_shrink_to_almost_nothing_can_be_read_again() -> None:
    arrays = {"0.npy": np.zeros(12_000_000), "1.npy": np.arange(3.0), "2.npy": np.zeros(300_000)}
    content = container.pack({"a": 1}, arrays, 100_000_000)
    assert len(content) * 100 >= 100_000_000
    assert len(content) < 5_000_000
    file = container.unpack("it", io.BytesIO(content))
    assert file.header == {"a": 1}
    for name, array in arrays.items():
        assert file.arrays[name].tobytes() == array.tobytes()
