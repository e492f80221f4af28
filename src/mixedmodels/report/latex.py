"""Sections laid out as LaTeX: tabulars with the rules of the package booktabs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mixedmodels.report.sections import Paragraph, Section, Table

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "$": r"\$",
    "_": r"\_",
    "~": r"\ensuremath{\sim}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}
_NUMBER = re.compile(r"(<?)([+-]?\d+(?:\.\d*)?)(?:e([+-]?\d+))?")


def render_latex(sections: Iterable[Section]) -> str:
    """LaTeX of the sections, to be put into a document that loads booktabs; ends in a newline."""
    return "\n\n".join(map(_section, sections)) + "\n"


def _section(section: Section) -> str:
    if isinstance(section, Paragraph):
        return "\\medskip\\noindent\n" + "\\\\\n".join(map(_escaped, section.lines))
    title = f"\\textbf{{{_escaped(section.caption)}}}\\\\[.5ex]\n" if section.caption else ""
    return f"\\medskip\\noindent\n{title}{_table(section)}"


def _table(table: Table) -> str:
    sides = "".join("l" if side == "<" else "r" for side in table.sides)
    header = " & ".join(map(_escaped, table.header))
    rows = [" & ".join(map(_cell, row, table.sides)) + r" \\" for row in table.rows]
    return "\n".join(
        (
            rf"\begin{{tabular}}{{{sides}}}",
            r"\toprule",
            header + r" \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
        )
    )


def _cell(cell: str, side: str) -> str:
    """Numbers in mathematics, so that a minus is one; anything else as text."""
    number = _NUMBER.fullmatch(cell.strip()) if side == ">" else None
    if number is None:
        return _escaped(cell)
    below, mantissa, exponent = number.groups()
    power = rf" \times 10^{{{int(exponent)}}}" if exponent else ""
    return f"${below}{mantissa}{power}$"


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(character, character) for character in text)
