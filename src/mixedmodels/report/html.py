"""Sections laid out as HTML for notebooks: no style sheet, no script, all text escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from mixedmodels.report.sections import Paragraph, Section, Table

_ALIGN = {"<": "left", ">": "right"}


def render_html(sections: Iterable[Section]) -> str:
    """One `div` with a paragraph or a table per section."""
    return "<div>\n" + "\n".join(map(_section, sections)) + "\n</div>"


def _section(section: Section) -> str:
    if isinstance(section, Paragraph):
        return "<p>" + "<br>".join(map(escape, section.lines)) + "</p>"
    return _table(section)


def _table(table: Table) -> str:
    caption = (
        f'<caption style="caption-side: top; text-align: left; font-weight: bold">'
        f"{escape(table.caption)}</caption>"
        if table.caption
        else ""
    )
    head = _row(table.header, table.sides, "th")
    body = "".join(_row(row, table.sides, "td") for row in table.rows)
    return f"<table>{caption}<thead>{head}</thead><tbody>{body}</tbody></table>"


def _row(cells: Iterable[str], sides: str, tag: str) -> str:
    inside = "".join(
        f'<{tag} style="text-align: {_ALIGN[side]}; padding: .15em .9em .15em 0">'
        f"{escape(cell)}</{tag}>"
        for cell, side in zip(cells, sides, strict=True)
    )
    return f"<tr>{inside}</tr>"
