"""Sections laid out as Markdown, tables with pipes as GitHub and Pandoc read them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mixedmodels.report.sections import Paragraph, Section, Table

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~$])")


def render_markdown(sections: Iterable[Section]) -> str:
    """Markdown of the sections, a blank line between them; ends in a newline."""
    return "\n\n".join(map(_section, sections)) + "\n"


def _section(section: Section) -> str:
    if isinstance(section, Paragraph):
        # A backslash at the end of a line breaks it.
        return "\\\n".join(map(_escaped, section.lines))
    caption = f"**{_escaped(section.caption)}**\n\n" if section.caption else ""
    return caption + _table(section)


def _table(table: Table) -> str:
    cells = [[_escaped(cell) for cell in row] for row in (table.header, *table.rows)]
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
    rules = [
        ":" + "-" * (width - 1) if side == "<" else "-" * (width - 1) + ":"
        for side, width in zip(table.sides, widths, strict=True)
    ]
    header, *rows = (
        [
            f"{cell:{side}{width}}"
            for cell, side, width in zip(row, table.sides, widths, strict=True)
        ]
        for row in cells
    )
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rules, *rows))


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)
