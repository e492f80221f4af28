"""Sections laid out as plain text, and the string a summary is."""

from __future__ import annotations

from collections.abc import Iterable

from mixedmodels.report.latex import render_latex
from mixedmodels.report.markdown import render_markdown
from mixedmodels.report.numbers import align
from mixedmodels.report.sections import Paragraph, Section


class Report(str):
    """A string that shows itself as printed, and as HTML in a notebook.

    Attributes:
        html: The same as HTML.
        sections: What is laid out, for the other forms.
    """

    html: str
    sections: tuple[Section, ...]

    def __new__(cls, text: str, html: str, sections: Iterable[Section] = ()) -> Report:
        """Text with its HTML counterpart."""
        report = super().__new__(cls, text)
        report.html = html
        report.sections = tuple(sections)
        return report

    def __reduce__(self) -> tuple[type[Report], tuple[str, str, tuple[Section, ...]]]:
        """Pickles and copies are made again of the parts."""
        return Report, (str(self), self.html, self.sections)

    def to_markdown(self) -> str:
        """The same as Markdown, with tables of pipes."""
        return render_markdown(self.sections)

    def to_latex(self) -> str:
        """The same as LaTeX, for a document that loads the package booktabs."""
        return render_latex(self.sections)

    def __repr__(self) -> str:
        """The text itself, so that an interactive session shows it laid out."""
        return str(self)

    def _repr_html_(self) -> str:
        return self.html


def render_text(sections: Iterable[Section]) -> str:
    """Plain text of the sections, a blank line between them."""
    return "\n\n".join("\n".join(_lines(section)) for section in sections)


def _lines(section: Section) -> list[str]:
    if isinstance(section, Paragraph):
        return list(section.lines)
    caption = [section.caption] if section.caption else []
    return [*caption, *align([section.header, *section.rows], section.sides)]
