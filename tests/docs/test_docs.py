"""Runs the README and every page of docs/, and compares what they print with what they say.

A ```python block runs in the namespace of its page; a ```console block holds `$ mixedmodels ...`
lines, which run through the command's entry point. A ```text block that follows is compared with
what was printed, and so is the rest of a console block. Spaces do not count, numbers agree to a
relative 1e-3 (the last digits depend on the machine), and `...` stands for anything. A page runs in
a fresh directory, so files that it makes vanish.
"""

from __future__ import annotations

import contextlib
import io
import math
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mixedmodels.cli import main

TOP = Path(__file__).parents[2]
PAGES = [TOP / "README.md", *sorted((TOP / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WORD = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|[^\s\d]+")
RELATIVE = 1e-3
ABSOLUTE = 1e-6


class Block(NamedTuple):
    """A fenced block, the line it starts on, and whether nothing stands between it and the last."""

    language: str
    text: str
    line: int
    follows: bool


def blocks_of(page: str) -> Iterator[Block]:
    end = -1
    for match in FENCE.finditer(page):
        between = page[end : match.start()] if end >= 0 else "x"
        line = page.count("\n", 0, match.start()) + 1
        yield Block(match[1], match[2], line, not between.strip())
        end = match.end()


def same_word(expected: str, actual: str) -> bool:
    if expected == actual:
        return True
    try:
        return math.isclose(float(expected), float(actual), rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    except ValueError:
        return False


def agrees(expected: str, actual: str) -> bool:
    return words_agree(WORD.findall(expected), WORD.findall(actual))


def words_agree(expected: list[str], actual: list[str]) -> bool:
    if "..." not in expected:
        return len(expected) == len(actual) and all(map(same_word, expected, actual))
    gap = expected.index("...")
    head, tail = expected[:gap], expected[gap + 1 :]
    if len(actual) < gap or not all(map(same_word, head, actual)):
        return False
    return any(words_agree(tail, actual[start:]) for start in range(gap, len(actual) + 1))


def run_python(block: Block, namespace: dict[str, Any], path: Path) -> str:
    # The line numbers of a traceback are those of the page.
    source = "\n" * block.line + block.text
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source, str(path), "exec"), namespace)
    return printed.getvalue()


def run_console(block: Block) -> Iterator[tuple[str, str]]:
    """Pairs (what the page says, what was printed), one per command."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        words = shlex.split(command)
        assert words[0] == "mixedmodels", f"line {block.line}: only `mixedmodels` is run: {command}"
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            assert main(words[1:]) == 0, f"line {block.line}: {command}"
        yield expected, printed.getvalue()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(TOP)))
def test_page(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "page"}
    printed = ""
    for block in blocks_of(path.read_text(encoding="utf-8")):
        pairs: list[tuple[str, str]] = []
        if block.language == "python":
            printed = run_python(block, namespace, path)
        elif block.language == "console":
            pairs.extend(run_console(block))
        elif block.language == "text" and block.follows:
            pairs.append((block.text, printed))
        for expected, actual in pairs:
            place = f"{path.name}, line {block.line}"
            message = f"{place}: the page says\n{expected}\nbut this was printed\n{actual}"
            assert agrees(expected, actual), message


@pytest.mark.parametrize(
    ("expected", "actual", "result"),
    [
        ("sigma 25.592", "sigma   25.5918", True),
        ("sigma 25.592", "sigma 25.7", False),
        ("a b", "a b c", False),
        ("a ... c", "a x y c", True),
        ("a ...", "a", True),
        ("a ... c", "a x y", False),
        ("nan", "0.0", False),
        ("[1.5, -2.25e-3]", "[ 1.5001 -2.25e-03]", False),
        ("[1.5 -2.25e-3]", "[ 1.5001 -2.25e-03]", True),
    ],
)
def test_comparison(expected: str, actual: str, result: bool) -> None:
    assert agrees(expected, actual) is result
