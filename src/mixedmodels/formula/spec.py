"""What a formula says, as frozen values: the result of parsing, the input of the design stage.

No text is parsed here and no data is seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mixedmodels.formula.tokens import quote_name
from mixedmodels.naming import distinct
from mixedmodels.values import quick


@quick
@dataclass(frozen=True, slots=True)
class Factor:
    """The smallest piece of a term: a column, or an expression of columns.

    Attributes:
        name: How it is called in column names: as typed, without backticks round a column.
        source: As typed, exactly: `text[start:end]` of the formula.
        is_column: True for a plain column, False for an expression to be evaluated.
        start: Where `source` begins in the formula.
        key: Identifies the factor: a column called ``log(x)`` is not the expression.
    """

    name: str
    source: str
    is_column: bool
    start: int
    key: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", f"`{self.name}`" if self.is_column else self.name)

    @property
    def end(self) -> int:
        """One past the last character of `source` in the formula."""
        return self.start + len(self.source)

    @property
    def code(self) -> str:
        """The factor as it must be written in a formula (backticks where the name needs them)."""
        return self.source if not self.is_column else quote_name(self.name)


@dataclass(frozen=True, slots=True)
class Term:
    """A product of factors; the empty product is the intercept."""

    factors: tuple[Factor, ...]

    @property
    def name(self) -> str:
        """`(Intercept)`, or the names of the factors joined by colons."""
        return ":".join(factor.name for factor in self.factors) or "(Intercept)"


@dataclass(frozen=True, slots=True)
class RandomTerm:
    """One random-effects term, nesting already expanded.

    Attributes:
        lhs: Left of the bar with the intercept explicit, e.g. ``"1 + Days"``, ``"0 + Machine"``.
        factors: Names of the grouping factors whose interaction is the group.
        correlated: False for ``(x || g)``.
        start: Where ``(lhs | group)`` begins in the formula.
        end: One past its last character.
        terms: The parsed left-hand side.
        grouping: The parsed grouping factors, parallel to `factors`.
        keys: The keys of these, which identify the group.
    """

    lhs: str
    factors: tuple[str, ...]
    correlated: bool
    start: int
    end: int
    terms: tuple[Term, ...]
    grouping: tuple[Factor, ...]
    keys: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", tuple(factor.key for factor in self.grouping))

    @property
    def group(self) -> str:
        """Name of the grouping factor, e.g. ``"Subject"`` or ``"cask:batch"``."""
        return ":".join(self.factors)

    @property
    def name(self) -> str:
        """The term as one writes it, e.g. ``"(1 + Days | Subject)"``; it can be read again."""
        group = ":".join(factor.code for factor in self.grouping)
        return f"({self.lhs} {'|' if self.correlated else '||'} {group})"


@dataclass(frozen=True, slots=True)
class FormulaSpec:
    """A whole formula.

    Attributes:
        text: As the user typed it.
        response: Left-hand side, as typed.
        fixed: The fixed part, expanded, with the intercept explicit, e.g. ``"1 + Days"``.
        random: Random-effects terms in formula order.
        response_factor: The parsed left-hand side.
        terms: The parsed fixed part, by degree as R orders it.
        offsets: The arguments of ``offset(...)`` in the fixed part; they add up.
        powers: Powers of one term as typed, ``"Days^2"``: they are the term itself.
        predictors: The factors of all parts but the response, each once.
        groupings: The grouping factors, each once: what it is called, its key and its factors. Of
            two with the same name, each is called as it is written in a formula.
    """

    text: str
    response: str
    fixed: str
    random: tuple[RandomTerm, ...]
    response_factor: Factor
    terms: tuple[Term, ...]
    offsets: tuple[Factor, ...]
    powers: tuple[str, ...] = field(default=(), repr=False, compare=False)
    predictors: tuple[Factor, ...] = field(init=False, repr=False, compare=False)
    groupings: tuple[tuple[str, tuple[str, ...], tuple[Factor, ...]], ...] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        found = [factor for term in self.terms for factor in term.factors]
        found += self.offsets
        for random in self.random:
            found += [factor for term in random.terms for factor in term.factors]
            found += random.grouping
        once: dict[str, Factor] = {}
        for factor in found:
            once.setdefault(factor.key, factor)
        object.__setattr__(self, "predictors", tuple(once.values()))
        object.__setattr__(self, "groupings", _groupings(self.random))


def _groupings(
    random: tuple[RandomTerm, ...],
) -> tuple[tuple[str, tuple[str, ...], tuple[Factor, ...]], ...]:
    found = {term.keys: term.grouping for term in random}
    groups = tuple(found.values())
    names = distinct(
        [":".join(factor.name for factor in group) for group in groups],
        lambda g: ":".join(map(written, groups[g])),
    )
    return tuple(zip(names, found, groups, strict=True))


def written(factor: Factor) -> str:
    """A factor as in a formula; an expression with uniform spaces."""
    return factor.code if factor.is_column else factor.name


def write_terms(terms: tuple[Term, ...]) -> str:
    """The sum of `terms` as formula text with the intercept (or its absence) explicit."""
    intercept = "1" if any(not term.factors for term in terms) else "0"
    products = (":".join(factor.code for factor in term.factors) for term in terms if term.factors)
    return " + ".join((intercept, *products))
