"""A whole HTML page: sections of a report and pictures in one file that needs no other.

The style sheet is here. Pictures are SVG elements, so that their text can be searched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from mixedmodels.report.chapters import Chapter
from mixedmodels.report.heads import with_heads
from mixedmodels.report.html import render_html

# The width that a picture is drawn for.
_SVG_WIDTH = re.compile(r'<svg[^>]*\swidth="([\d.]+pt)"')

# Background of a dark page, and so of its pictures.
DARK_PAPER = "#16181b"
_STYLE = """
:root { color-scheme: light dark; --ink: #222; --soft: #555; --paper: #fff; --line: #ccc;
        --stripe: #f6f7f8; --note: #fff7e6; --shade: rgba(0, 0, 0, .18); }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --soft: #a8a8a8; --paper: DARK_PAPER; --line: #444; --stripe: #1f2226;
          --note: #33290f; --shade: rgba(255, 255, 255, .22); }
  figure svg image { filter: invert(1) hue-rotate(180deg) brightness(1.2); } }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; color: var(--ink);
       background: var(--paper); max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; padding-bottom: .2rem;
     border-bottom: 1px solid var(--line); }
code { font: .95em/1.4 ui-monospace, "SF Mono", Menlo, Consolas, monospace;
       overflow-wrap: anywhere; }
p { overflow-wrap: anywhere; }
table { border-collapse: collapse; margin: .8rem 0 1.2rem; font-variant-numeric: tabular-nums; }
caption { color: var(--soft); padding-bottom: .2rem; display: block; position: sticky; left: 0; }
th { border-bottom: 1px solid var(--soft); font-weight: 600; }
th, td { white-space: nowrap; vertical-align: baseline; }
/* Text wraps, numbers do not: a long name may not push the numbers off the page. */
td[style*="left"] { white-space: normal; overflow-wrap: break-word; max-width: 18rem; }
tbody tr:nth-child(even) td { background-color: var(--stripe); }
tbody tr:last-child td { border-bottom: 1px solid var(--line); }
td:first-child { position: sticky; left: 0; background-color: var(--paper); }
/* Shadows at the sides of a table that has more columns than fit: they go with scrolling. */
div > table, .picture { display: block; overflow-x: auto; max-width: 100%;
  background: linear-gradient(to right, var(--paper) 30%, transparent) left / 3rem 100%,
    linear-gradient(to left, var(--paper) 30%, transparent) right / 3rem 100%,
    linear-gradient(to right, var(--shade), transparent) left / .8rem 100%,
    linear-gradient(to left, var(--shade), transparent) right / .8rem 100%;
  background-attachment: local, local, scroll, scroll; background-repeat: no-repeat; }
.notes { background: var(--note); border-left: 4px solid #d55e00; padding: .5rem .9rem;
         margin: 1rem 0; }
.notes p { margin: .2rem 0; }
figure { margin: 1.2rem 0 2rem; }
figure svg { max-width: 100%; height: auto; display: block; }
figcaption { color: var(--soft); font-size: .92rem; max-width: 46rem; margin-top: .4rem; }
footer { color: var(--soft); font-size: .85rem; margin-top: 3rem; }
@media (max-width: 40rem) {
  body { font-size: 14px; margin: 1rem auto; }
  h1 { font-size: 1.15rem; }
  table { font-size: 13px; }
  th, td { padding-right: .6em !important; }
  td[style*="left"] { max-width: 9.5rem; } }
@media screen and (max-width: 40rem) {
  figure svg { max-width: none; flex: none; width: max(100%, calc(.75 * var(--width))); }
  .picture { display: flex; }
  .picture::after { content: ""; position: sticky; right: 0; flex: 0 0 .8rem; margin-left: -.8rem;
    background: linear-gradient(to left, var(--shade), transparent); } }
@media print {
  body { max-width: none; margin: 0; font-size: 10pt; }
  h2, h2 + p, h2 + p + p, caption { break-after: avoid; }
  table, figure, .picture { break-inside: avoid; }
  figure svg { max-height: 22cm; }
  th { white-space: normal; }
  td:first-child { position: static; }
  td[style*="left"] { max-width: 11rem; }
  div > table, .picture { overflow: visible; background: none; } }
@media print and (max-width: 34rem) {
  body { font-size: 8pt; padding: 0; }
  h1, h2 { font-size: 10pt; }
  caption, figcaption { font-size: 8pt; }
  table { font-size: 6.5pt; }
  th, td { padding: .1em .4em .1em 0 !important; }
  td[style*="left"] { overflow-wrap: anywhere; max-width: 5.5rem; }
  td[style*="left"]:last-child { max-width: 11rem; } }
""".replace("DARK_PAPER", DARK_PAPER)


_DARK = "@media screen and (prefers-color-scheme: dark) {{ figure svg {{ {} }} }}\n"


class Picture(NamedTuple):
    """A picture as an SVG element, and what it shows."""

    caption: str
    svg: str


def render_page(
    title: str,
    notes: Sequence[str],
    chapters: Sequence[Chapter],
    pictures: Sequence[Picture],
    footer: str,
    dark: str = "",
) -> str:
    """A page of HTML with everything inside, pictures as data.

    Args:
        title: The formula.
        notes: What the reader should know first.
        chapters: Text and tables; the last comes after the pictures.
        pictures: What was drawn.
        footer: What made the page.
        dark: CSS declarations for the pictures on a dark page.
    """
    style = _STYLE + (_DARK.format(dark) if dark else "")
    warned = "".join(f"<p>{escape(note)}</p>" for note in notes)
    body = [
        f"<h1><code>{escape(title)}</code></h1>",
        f'<div class="notes">{warned}</div>' if warned else "",
        *map(_chapter, chapters[:-1]),
        "<h2>Pictures</h2>" if pictures else "",
        *map(_figure, pictures),
        *map(_chapter, chapters[-1:]),
        f"<footer>{escape(footer)}</footer>",
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n"
    )


def _chapter(chapter: Chapter) -> str:
    return f"<h2>{escape(chapter.heading)}</h2>\n{render_html(with_heads(chapter.sections))}"


def _figure(picture: Picture) -> str:
    caption = escape(picture.caption)
    found = _SVG_WIDTH.search(picture.svg)
    width = found[1] if found else "480pt"
    opening = f'<svg role="img" aria-label="{caption}" style="--width: {width}"'
    svg = picture.svg.replace("<svg", opening, 1)
    return (
        f'<figure><div class="picture" tabindex="0">{svg}</div>'
        f"<figcaption>{caption}</figcaption></figure>"
    )
