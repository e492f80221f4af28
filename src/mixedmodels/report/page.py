"""A whole HTML page: sections of a report and pictures in one file that needs no other.

The style sheet is here; the sections are `report.html`'s, and pictures come as SVG text.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from mixedmodels.report.html import render_html
from mixedmodels.report.sections import Section

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; color: #222;
       max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; padding-bottom: .2rem;
     border-bottom: 1px solid #ddd; }
code { font: .95em/1.4 ui-monospace, "SF Mono", Menlo, Consolas, monospace;
       overflow-wrap: anywhere; }
table { border-collapse: collapse; margin: .8rem 0 1.2rem; font-variant-numeric: tabular-nums; }
caption { color: #555; padding-bottom: .2rem; white-space: nowrap; }
th { border-bottom: 1px solid #888; font-weight: 600; }
th, td { padding: .15rem .9rem .15rem 0; white-space: nowrap; }
tbody tr:nth-child(even) { background: #f6f7f8; }
tbody tr:last-child td { border-bottom: 1px solid #ccc; }
div > table { display: block; overflow-x: auto; }
.notes { background: #fff7e6; border-left: 4px solid #d55e00; padding: .5rem .9rem;
         margin: 1rem 0; }
.notes p { margin: .2rem 0; }
figure { margin: 1.2rem 0 2rem; }
figure img { max-width: 100%; height: auto; }
figcaption { color: #555; font-size: .92rem; max-width: 46rem; }
footer { color: #777; font-size: .85rem; margin-top: 3rem; }
"""


class Chapter(NamedTuple):
    """Sections under a heading."""

    heading: str
    sections: Sequence[Section]


class Picture(NamedTuple):
    """A picture as SVG text, and what it shows."""

    caption: str
    svg: str


def render_page(
    title: str,
    notes: Sequence[str],
    chapters: Iterable[Chapter],
    pictures: Sequence[Picture],
    footer: str,
) -> str:
    """A page of HTML with everything inside, pictures as data.

    Args:
        title: The formula.
        notes: What the reader should know first.
        chapters: Text and tables.
        pictures: Shown after them.
        footer: What made the page.
    """
    warned = "".join(f"<p>{escape(note)}</p>" for note in notes)
    body = [
        f"<h1><code>{escape(title)}</code></h1>",
        f'<div class="notes">{warned}</div>' if warned else "",
        *(f"<h2>{escape(c.heading)}</h2>\n{render_html(c.sections)}" for c in chapters),
        "<h2>Pictures</h2>" if pictures else "",
        *map(_figure, pictures),
        f"<footer>{escape(footer)}</footer>",
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n"
    )


def _figure(picture: Picture) -> str:
    data = base64.b64encode(picture.svg.encode()).decode()
    caption = escape(picture.caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )
