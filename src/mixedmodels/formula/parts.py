"""Formulas of other parameters of a distribution than its mean: `"~ x"`, without a response."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

from mixedmodels.errors import FormulaError
from mixedmodels.formula.grammar import parse_tokens
from mixedmodels.formula.parse import check_without_bars, sides
from mixedmodels.formula.random_terms import random_chunk
from mixedmodels.formula.spec import Factor, Term
from mixedmodels.formula.terms import parse_terms, summands_of
from mixedmodels.formula.tokens import split_tokens


@dataclass(frozen=True, slots=True)
class PartSpec:
    """What such a formula says.

    Attributes:
        role: What it is of: "dispersion" or "zero_inflation".
        text: As the user typed it.
        terms: Its terms, by degree.
        predictors: The factors, each once.
    """

    role: str
    text: str
    terms: tuple[Term, ...]
    predictors: tuple[Factor, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        once = {factor.key: factor for term in self.terms for factor in term.factors}
        object.__setattr__(self, "predictors", tuple(once.values()))

    @property
    def constant(self) -> bool:
        """Whether it is the intercept alone."""
        return all(not term.factors for term in self.terms)


def parse_part(role: str, text: object) -> PartSpec:
    """Parse a formula such as `"~ x + group"`.

    Args:
        role: The argument that it is given as.
        text: The formula.

    Raises:
        FormulaError: It cannot be understood, or has what such a formula cannot have.
    """
    if not isinstance(text, str):
        raise FormulaError(
            f"{role} is {text!r:.60}; it must be a formula such as '~ x' or '~ 1', or None."
        )
    return _parse(role, text)


@functools.lru_cache(maxsize=256)
def _parse(role: str, text: str) -> PartSpec:
    if "~" not in text:
        message = f"{role} begins with '~'. Write {role}='~ {text.strip():.60}'."
        raise FormulaError(message, text, 0, len(text))
    left, right = sides(text, split_tokens(text))
    if len(left) > 1:
        message = f"{role} has nothing left of '~'; the response is that of the model."
        raise FormulaError(message, text, left[0].start, left[-1].start)
    tree = parse_tokens(text, right, computing=False)
    summands = summands_of(tree)
    for _, node in summands:
        if random_chunk(node) is not None:
            message = f"{role} has fixed effects only; random effects are not available there."
            raise FormulaError(message, text, node.start, node.end)
        check_without_bars(text, node)
    terms, offsets = parse_terms(text, summands)
    if offsets:
        message = f"{role} has no offset."
        raise FormulaError(message, text, offsets[0].start, offsets[0].end)
    if not terms:
        message = f"{role} has no terms; '~ 1' is one value for all rows."
        raise FormulaError(message, text, tree.start, tree.end)
    return PartSpec(role, text, terms)
