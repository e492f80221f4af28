"""Formulas as MathML, which browsers draw themselves: the site needs no network and no script."""

from __future__ import annotations

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

# Bars around a norm or a determinant, which else get the spaces of an operator and unequal heights.
_BAR = re.compile(r'<mo(?: fence="false")?(?: stretchy="false")?>(&#x0007C;|&#x02016;)</mo>')
# A named function beside a letter, a number or a fraction.
_AFTER = re.compile(r"(?<=</m[in]>)(<mi>(?:log|exp|det|tr)</mi>)")
_BEFORE = re.compile(r"(<mi>(?:log|exp|det|tr)</mi>)(?=<(?:m[in]|mfrac|msu[bp])>)")
_SPACE = '<mspace width="0.1667em"/>'


def formula_of(text: str, display: str = "inline") -> str:
    """A formula of LaTeX as MathML."""
    made = convert(text, display=display)
    made = _BAR.sub(r'<mo stretchy="false" lspace="0" rspace="0">\1</mo>', made)
    made = made.replace("<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>")
    return _AFTER.sub(rf"{_SPACE}\1", _BEFORE.sub(rf"\1{_SPACE}", made))


def inline(writer: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within a line."""
    writer.body.append(formula_of(node.astext()))
    raise nodes.SkipNode


def display(writer: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula of its own, which scrolls by itself on a narrow screen."""
    formula = formula_of(node.astext(), display="block")
    writer.body.append(f'<div class="formula">{formula}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer that `html_math_renderer` names."""
    app.add_html_math_renderer("mathml", (inline, None), (display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
