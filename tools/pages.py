"""Runs the README and the pages of docs/: their code, their commands and their pictures.

A ```python block runs in the namespace of its page, and so does `<!-- python ... -->`, which
readers do not see. A ```console block holds `$ mixedmodels ...` lines, which run through the
command's entry point. A ```text block that follows is what was printed, and so is the rest of a
console block. A picture `![...](images/NAME.png)` is the matplotlib Figure that the page made last
before it: the value of the last statement of a block, assigned to a name or not.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from mixedmodels.cli import main

TOP = Path(__file__).parents[1]
PAGES = [TOP / "README.md", *sorted((TOP / "docs").rglob("*.md"))]
PIECE = re.compile(
    r"^(?P<fence>```+)(?P<language>[^\n`]*)\n(?P<text>.*?)^(?P=fence)$"
    r"|^<!-- python\n(?P<hidden>.*?)^-->$"
    r"|!\[[^\]]*\]\((?:\.\./)*images/(?P<picture>[^)]+)\)",
    re.MULTILINE | re.DOTALL,
)


class Piece(NamedTuple):
    """Kind ("python", "console", "text", "picture", another language), text and first line.

    `follows` says whether nothing stands between this piece and the one before.
    """

    kind: str
    text: str
    line: int
    follows: bool


class Printed(NamedTuple):
    """What the page says that was printed at a line, and what was."""

    line: int
    expected: str
    actual: str


@dataclass
class Run:
    """What the run of a page has printed and drawn."""

    printed: list[Printed] = field(default_factory=list)
    pictures: dict[str, Figure] = field(default_factory=dict)


def pieces_of(page: str) -> Iterator[Piece]:
    """The pieces of a page in their order."""
    end = -1
    for match in PIECE.finditer(page):
        follows = end >= 0 and not page[end : match.start()].strip()
        line = page.count("\n", 0, match.start()) + 1
        if match["picture"] is not None:
            yield Piece("picture", match["picture"], line, follows)
        elif match["hidden"] is not None:
            yield Piece("python", match["hidden"], line, follows)
        else:
            yield Piece(match["language"], match["text"], line, follows)
        end = match.end()


def run_page(path: Path) -> Run:
    """Run a page in the current directory.

    Raises:
        AssertionError: A picture without a figure before it, or a command that cannot be run.
    """
    run, namespace = Run(), {"__name__": "page", "__file__": str(path)}
    output, figure = "", None
    for piece in pieces_of(path.read_text(encoding="utf-8")):
        if piece.kind == "python":
            output, value = _run_python(piece, namespace, path)
            figure = value if isinstance(value, Figure) else figure
        elif piece.kind == "console":
            run.printed.extend(_run_console(piece))
        elif piece.kind == "text" and piece.follows:
            run.printed.append(Printed(piece.line, piece.text, output))
        elif piece.kind == "picture":
            assert figure is not None, f"line {piece.line}: no figure was made for {piece.text}"
            run.pictures[piece.text], figure = figure, None
    return run


def _run_python(piece: Piece, namespace: dict[str, Any], path: Path) -> tuple[str, object]:
    # The line numbers of a traceback are those of the page.
    tree = ast.parse("\n" * piece.line + piece.text, str(path))
    *_, last = tree.body or [None]
    namespace["_value"] = None
    if isinstance(last, ast.Expr):
        tree.body[-1] = ast.Assign([ast.Name("_value", ast.Store())], last.value)
    elif isinstance(last, ast.Assign):
        last.targets.append(ast.Name("_value", ast.Store()))
    ast.fix_missing_locations(tree)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, str(path), "exec"), namespace)
    return printed.getvalue(), namespace["_value"]


def _run_console(piece: Piece) -> Iterator[Printed]:
    for part in re.split(r"^\$ ", piece.text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        words = shlex.split(command)
        assert words[0] == "mixedmodels", f"line {piece.line}: only `mixedmodels` is run: {command}"
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            assert main(words[1:]) == 0, f"line {piece.line}: {command}"
        yield Printed(piece.line, expected, output.getvalue())
