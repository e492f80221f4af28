"""Draws the pictures of docs/ by running the pages: `python -m tools.draw_docs [PAGE ...]`."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tools.pages import PAGES, TOP, pieces_of, run_page

IMAGES = TOP / "docs" / "images"
DPI = 90


def draw(path: Path) -> None:
    """Run one page in a directory of its own and save its pictures."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name, figure in run_page(path).pictures.items():
            figure.savefig(IMAGES / name, dpi=DPI, metadata={"Software": None})
        os.chdir(TOP)


def main(wanted: list[str]) -> None:
    """Draw the pictures of pages given by name ("pictures"), or of all."""
    for path in PAGES:
        has_pictures = any(piece.kind == "picture" for piece in pieces_of(path.read_text("utf-8")))
        if has_pictures and (not wanted or path.stem in wanted):
            draw(path)


if __name__ == "__main__":
    main(sys.argv[1:])
