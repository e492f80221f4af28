"""Markdown, LaTeX and the page: layout, and that nothing in a name breaks it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from mixedmodels.report.html import render_html
from mixedmodels.report.latex import render_latex
from mixedmodels.report.markdown import render_markdown
from mixedmodels.report.page import Chapter, Picture, render_page
from mixedmodels.report.results import Summary
from mixedmodels.report.sections import Paragraph, Table
from mixedmodels.report.text import render_text

SECTIONS = [
    Paragraph(("First line", "y ~ a * b + (1 | g_1)")),
    Table(
        "Fixed effects:",
        ("", "Estimate", "Pr(>|z|)"),
        (("a:b", "-0.5", "<2e-16"), ("x_1 & 50 %", "1.5e+08", "0.25")),
        "<>>",
    ),
]


def test_markdown() -> None:
    assert render_markdown(SECTIONS) == (
        "First line\\\n"
        "y \\~ a \\* b + (1 \\| g\\_1)\n\n"
        "**Fixed effects:**\n\n"
        "|             | Estimate | Pr(\\>\\|z\\|) |\n"
        "| :---------- | -------: | ----------: |\n"
        "| a:b         |     -0.5 |     \\<2e-16 |\n"
        "| x\\_1 & 50 % |  1.5e+08 |        0.25 |\n"
    )


def test_latex() -> None:
    assert render_latex(SECTIONS) == (
        "\\medskip\\noindent\nFirst line\\\\\n"
        "y \\ensuremath{\\sim} a * b + (1 \\textbar{} g\\_1)\n\n"
        "\\medskip\\noindent\n\\textbf{Fixed effects:}\\\\[.5ex]\n"
        "\\begin{tabular}{lrr}\n\\toprule\n"
        " & Estimate & Pr(\\textgreater{}\\textbar{}z\\textbar{}) \\\\\n\\midrule\n"
        "a:b & $-0.5$ & $<2 \\times 10^{-16}$ \\\\\n"
        "x\\_1 \\& 50 \\% & $1.5 \\times 10^{8}$ & $0.25$ \\\\\n"
        "\\bottomrule\n\\end{tabular}\n"
    )


@pytest.mark.parametrize("text", ["\\", "{}", "a^b", "#1", "$x$", "~", "<|>", "%", "&", "_"])
def test_latex_of_special_characters_is_balanced(text: str) -> None:
    written = render_latex([Paragraph((text,))])
    bare = re.sub(r"\\[{}&#%$_]", "", written)
    assert bare.count("{") == bare.count("}")
    assert not re.search(r"(?<!\\)[#$%&_]", written)


def test_a_summary_has_other_forms() -> None:
    summary = Summary(tuple(SECTIONS), pd.DataFrame())
    assert summary.to_markdown() == render_markdown(SECTIONS)
    assert summary.to_latex() == render_latex(SECTIONS)
    assert summary._repr_html_() == render_html(SECTIONS)
    assert repr(summary) == str(summary) == render_text(SECTIONS)


class _Page(HTMLParser):
    """Fails on a tag that closes what is not open; collects what would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("br", "meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_is_balanced_escaped_and_self_contained() -> None:
    pictures = [Picture('A "quoted" <caption>', "<svg></svg>")]
    html = render_page(
        "y ~ I(x < 1) + (1 | g)", ["mind <this>"], [Chapter("Summary", SECTIONS)], pictures, "end"
    )
    parser = _Page()
    parser.feed(html)
    assert parser.open == []
    assert "mind &lt;this&gt;" in html
    assert "<title>y ~ I(x &lt; 1) + (1 | g)</title>" in html
    assert 'aria-label="A &quot;quoted&quot; &lt;caption&gt;"' in html
    assert parser.sources == []


def test_page_without_pictures_and_notes() -> None:
    html = render_page("y ~ (1 | g)", [], [], [], "end")
    assert "Pictures" not in html
    assert '<div class="notes">' not in html
