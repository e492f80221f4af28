"""Runs the README and every page of docs/, and compares what they print with what they say.

A ```python block runs in the namespace of its page; a ```console block holds `$ mixedmodels ...`
lines, which run through the command's entry point. A ```text block that follows is compared with
what was printed, and so is the rest of a console block. How text is compared is in `printed`. A
page runs in a fresh directory, so files that it makes vanish.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from printed import agrees

from mixedmodels.cli import main

TOP = Path(__file__).parents[2]
PAGES = [TOP / "README.md", *sorted((TOP / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


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
