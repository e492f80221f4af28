"""Sections laid out as plain text, no line longer than 80 columns where that can be.

A table that is too wide keeps all its columns: long labels and names of columns are broken over
several lines, and what is left is printed in blocks of columns under each other, each with the
labels. Sentences and captions go on in the next line; a name longer than a line stays whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from mixedmodels.report.numbers import align
from mixedmodels.report.sections import Paragraph, Section, Table

WIDTH = 80
# Columns are not made narrower than this, those of numbers not narrower than these.
_NARROWEST = 16
# Words, and names in a formula without blanks.
_WORDS, _NAMES = re.compile(r"^\s+|\S+\s*"), re.compile(r"[^*+|:]+[*+|:]*|[*+|:]+")
_PIECES = re.compile(r"[^.:,*+_ ]+[.:,*+_ ]*|[.:,*+_ ]+")


def render_text(sections: Iterable[Section]) -> str:
    """Plain text of the sections, a blank line between them."""
    return "\n\n".join("\n".join(_lines(section)) for section in sections)


def _lines(section: Section) -> list[str]:
    if isinstance(section, Paragraph):
        return [part for line in section.lines for part in in_width(line)]
    return [*(in_width(section.caption) if section.caption else []), *_table(section)]


def in_width(line: str) -> list[str]:
    """A sentence in lines of at most 80 columns, names whole."""
    if len(line) <= WIDTH:
        return [line]
    lines = [""]
    for word in _WORDS.findall(line):
        parts = _NAMES.findall(word) if len(word.rstrip()) > WIDTH else [word]
        for part in parts:
            if lines[-1].strip() and len(lines[-1]) + len(part.rstrip()) > WIDTH:
                lines.append("")
            lines[-1] += part
    return [line.rstrip() for line in lines]


def _table(table: Table) -> Iterator[str]:
    rows = [table.header, *table.rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if _total(widths) <= WIDTH:
        yield from align(rows, table.sides)
        return
    least = [
        _NARROWEST if side == "<" else max([_NARROWEST, *(len(row[j]) for row in table.rows)])
        for j, side in enumerate(table.sides)
    ]
    while _total(widths) > WIDTH and (wide := [j for j, w in enumerate(widths) if w > least[j]]):
        widths[max(wide, key=lambda j: widths[j])] -= 1
    labels = _labels(table.sides)
    for number, block in enumerate(_blocks(widths, table.sides, labels)):
        sides = "".join(table.sides[j] for j in block)
        limits = [widths[j] for j in block]
        # A row of a triangle may have nothing in later blocks.
        shown = [row for row in rows if not number or any(row[j] for j in block if j >= labels)]
        broken = [_broken([row[j] for j in block], limits, sides) for row in shown]
        yield from align([line for row in broken for line in row], sides)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(widths) - 1


def _labels(sides: str) -> int:
    """Number of text columns at the left, which identify the rows."""
    found = len(sides) - len(sides.lstrip("<"))
    return found if found < len(sides) else 1


def _blocks(widths: Sequence[int], sides: str, labels: int) -> Iterator[list[int]]:
    """Columns by block; the labels are in each."""
    block = list(range(labels))
    for j in range(labels, len(sides)):
        if len(block) > labels and _total([widths[i] for i in [*block, j]]) > WIDTH:
            yield block
            block = list(range(labels))
        block.append(j)
    yield block


def _broken(cells: Sequence[str], widths: Sequence[int], sides: str) -> list[list[str]]:
    """The lines of a row whose texts do not fit into one; numbers stand in the first."""
    columns = [
        wrapped(cell, width) if side == "<" or len(cell) > width else [cell]
        for cell, width, side in zip(cells, widths, sides, strict=True)
    ]
    height = max(map(len, columns))
    padded = [column + [""] * (height - len(column)) for column in columns]
    return [list(line) for line in zip(*padded, strict=True)]


def wrapped(text: str, width: int) -> list[str]:
    """`text` in lines no longer than `width`, broken after marks of punctuation if it can be."""
    lines = [""]
    for piece in _PIECES.findall(text):
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > width:
            lines.append("")
        rest = lines.pop() + piece
        while len(rest.rstrip()) > width:
            lines.append(rest[:width])
            rest = rest[width:]
        lines.append(rest)
    return [line.rstrip() for line in lines]
