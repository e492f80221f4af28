"""A generalized model in words and as equations: its family, link and all its parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

# Coefficients that an equation shows.
MOST_SHOWN = 8
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_INTERCEPT = "(Intercept)"


def indexed(letter: str, number: int) -> str:
    """A letter with a subscript."""
    return letter + str(number).translate(_SUBSCRIPTS)


def product(coefficient: str, name: str) -> str:
    """A term of an equation; an intercept is its coefficient."""
    return coefficient if name == _INTERCEPT else f"{coefficient} · {name}"


def linear_terms(letter: str, matrix: str, names: Sequence[str]) -> list[str]:
    """Terms of a linear predictor; a product of matrix and vector where they are many."""
    if len(names) > MOST_SHOWN:
        return [f"{matrix}{letter}"]
    first = 0 if _INTERCEPT in names else 1
    return [product(indexed(letter, first + k), name) for k, name in enumerate(names)]


def listed(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    shown = ["intercept" if name == _INTERCEPT else name for name in names[:MOST_SHOWN]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


class ParameterWords(NamedTuple):
    """A parameter of the distribution with fixed effects, or one value for all rows.

    Attributes:
        title: What it is called.
        names: Of its coefficients; empty where it is one value.
    """

    title: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class DistributionWords:
    """What is said of the distribution of responses.

    Attributes:
        family: The family in words.
        link: Name of the link.
        method: How the likelihood is made.
        own: The family's own parameter, or "".
        of_trials: Whether responses are successes of trials.
        with_all: Whether all responses are seen; of truncated counts those above zero are.
        ordered: What is ordered in categories, or "".
        categories: Those of an ordered response.
        dispersion: The own parameter, or None.
        zeros: The probability of zeros of their own, or None.
    """

    family: str
    link: str
    method: str
    own: str = ""
    of_trials: bool = False
    with_all: bool = True
    ordered: str = ""
    categories: tuple[str, ...] = ()
    dispersion: ParameterWords | None = None
    zeros: ParameterWords | None = None

    def words(self) -> Iterator[str]:
        """Sentences on the parameters beside the mean."""
        if self.categories:
            yield f"Categories in their order: {listed(self.categories)}."
        parts = ((self.dispersion, f"log({self.own})"), (self.zeros, "logit(p)"))
        for part, predictor in parts:
            if part is None:
                continue
            of = f"{predictor}: {listed(part.names)}" if part.names else "one value for all rows"
            yield f"{part.title}, {of}."

    def mean_lines(self, terms: Sequence[str]) -> tuple[str, ...]:
        """The linear predictor, and what it is of."""
        predictor = " + ".join(terms)
        if not self.categories:
            return (f"{self.link}(μ) = {predictor}",)
        return (
            f"P({self.ordered} ≤ j) = F(κⱼ − η), where F is the inverse of the {self.link} link",
            f"η = {predictor}",
        )

    def parameter_lines(self) -> Iterator[str]:
        """Predictors of the other parameters, thresholds."""
        if self.categories:
            count = len(self.categories) - 1
            shown = [indexed("κ", j + 1) for j in range(count)]
            middle = shown if count <= MOST_SHOWN else [*shown[:2], "…", shown[-1]]
            yield f"{' < '.join(middle)}: thresholds between the categories"
        if self.dispersion is not None and self.dispersion.names:
            yield f"log({self.own}) = {' + '.join(linear_terms('γ', 'W', self.dispersion.names))}"
        if self.zeros is not None:
            names = self.zeros.names or (_INTERCEPT,)
            yield f"logit(p) = {' + '.join(linear_terms('ζ', 'V', names))}"

    def response_lines(self, response: str, *, weighted: bool) -> Iterator[str]:
        """How responses are distributed; `weighted` where there are prior weights."""
        if self.categories:
            return
        own = self.own
        if own == "phi":
            own = "dispersion phi / weight" if weighted else "dispersion phi"
        mean = "probability μ" if self.of_trials else "mean μ"
        what = f"{response} ~ {self.family} with {mean}{f' and {own}' if own else ''}"
        if not self.with_all:
            what += ", which are those before truncation" if own else " before truncation"
        yield what if self.zeros is None else f"{response} = 0 with probability p, else {what}"
