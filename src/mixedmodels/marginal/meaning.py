"""What means are of, in words: for axes, headings and notes of tables.

A mean of a generalized model may be a probability, the mean of the counts without the zeros of zero
inflation or before truncation, or a place on the latent scale of an ordered response.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from mixedmodels.design import Design
from mixedmodels.errors import FormulaError
from mixedmodels.families.base import ZERO_INFLATION, Family
from mixedmodels.formula.expression import parse_expression
from mixedmodels.formula.tree import Call
from mixedmodels.marginal.grid import Grid
from mixedmodels.marginal.scale import Scale

_LOGARITHMS = frozenset({"log", "np.log"})
# Offset above which the exposure is not a number.
_LARGEST = 700.0

_CONDITIONAL = (
    "Means are conditional, of counts without the extra zeros of zero inflation: predict() has "
    "(1 - p) times these."
)
_BEFORE_TRUNCATION = (
    "Means are those before truncation: predict() has the mean of the counts that are seen."
)
_RELATIVE = (
    "Estimates are relative to the thresholds, so that only their differences have a meaning; "
    "type='prob' gives the probabilities of the categories."
)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a mean is.

    Attributes:
        kind: "mean", "probability of", and so on.
        of: What it is of, on the scale of the response.
        predictor: What it is on the scale of the linear predictor.
        notes: Sentences for tables and pictures.
        latent: Of an ordered response the link of its latent scale, or "".
    """

    kind: str
    of: str
    predictor: str
    notes: tuple[str, ...] = ()
    latent: str = ""

    @property
    def response(self) -> str:
        """The mean on the scale of the response."""
        return f"{self.kind} {self.of}"

    @property
    def observed(self) -> str:
        """An axis of means on the scale of the response, and of responses."""
        return self.of if self.kind == "mean" else self.response


def linear_meaning(design: Design, scale: Scale | None) -> Meaning:
    """What means of a linear model are.

    Args:
        design: The design of the model.
        scale: The way back to the response that the formula transforms.
    """
    name = design.response_name
    of = name if scale is None else scale.of or name
    return Meaning("mean", of, f"mean {name}")


def generalized_meaning(design: Design, family: Family) -> Meaning:
    """What means of a generalized model are.

    Args:
        design: The design of the model.
        family: Its family.
    """
    link, name = family.link.name, design.response_name
    if family.ordered:
        of = _ordered(design)
        notes = (f"The scale is the latent one ({link}).", _RELATIVE)
        return Meaning("mean", of, f"{of} on the latent scale ({link})", notes, link)
    kind, of, note = "mean", name, ""
    if family.of_trials:
        kind, of = _success(design)
    elif any(part.spec.role == ZERO_INFLATION for part in design.parts):
        kind, note = "conditional mean", _CONDITIONAL
    elif not family.with_all:
        kind, note = "mean before truncation of", _BEFORE_TRUNCATION
    predictor = f"{kind} {of}" if link == "identity" else f"{link} of {kind} {of}"
    return Meaning(kind, of, predictor, (note,) if note else ())


def _ordered(design: Design) -> str:
    """The column whose categories are ordered, or the response as typed."""
    factor = design.formula.response_factor
    if factor.is_column:
        return design.response_name
    try:
        references = parse_expression(factor.source).references
    except FormulaError:
        return design.response_name
    columns = [one.name for one in references if not one.called]
    return columns[0] if len(columns) == 1 else design.response_name


def _success(design: Design) -> tuple[str, str]:
    """What the probabilities of a binomial model are of."""
    factor, name = design.formula.response_factor, design.response_name
    if factor.is_column:  # with trials, of shares
        return ("probability", f"({name})") if design.is_weighted else ("probability of", name)
    try:
        node = parse_expression(factor.source).tree
    except FormulaError:
        return "probability", f"({name})"
    if isinstance(node, Call) and node.name in ("cbind", "I") and node.arguments:
        first = node.arguments[0]
        return "probability of", factor.source[first.start : first.end].strip()
    return "probability", f"({name})"


def exposure_of(design: Design) -> str | None:
    """What the offset is the natural logarithm of, as it is written; None where it is not one."""
    spec = design.offset_spec
    texts = [recipe.factor.source for recipe in spec.recipes]
    if spec.argument is not None:
        texts.append(spec.argument.text or "")
    if len(texts) != 1 or not texts[0]:
        return None
    try:
        node = parse_expression(texts[0]).tree
    except FormulaError:
        return None
    if isinstance(node, Call) and node.name == "offset" and len(node.arguments) == 1:
        node = node.arguments[0]
    if not isinstance(node, Call) or node.name not in _LOGARITHMS:
        return None
    if len(node.arguments) != 1 or node.keywords:
        return None
    inner = node.arguments[0]
    return texts[0][inner.start : inner.end].strip()


def exposure_words(grid: Grid) -> str:
    """The exposure at the offset of a grid, "hours = 1"; "" where the offset is of no exposure."""
    exposure = exposure_of(grid.design)
    if exposure is None or not grid.offset < _LARGEST:
        return ""
    return f"{exposure} = {math.exp(grid.offset):.5g}"


def offset_words(grid: Grid) -> str:
    """What is said behind the name of a mean for an offset that was asked for."""
    if not grid.offset_asked:
        return ""
    words = exposure_words(grid)
    return f" for {words}" if words else f" at offset {grid.offset:.5g}"
