"""Grouping factors and random-effects terms by what users write: any order, spacing and backticks.

``h:g`` is ``g:h``, ``(1|g)`` is ``(1 | g)``, and R's ``~(1 | g)`` is the same term.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import numpy as np

from mixedmodels.arrays import BoolArray
from mixedmodels.design.design import Design
from mixedmodels.design.groups import GroupingFactor
from mixedmodels.errors import FormulaError, MixedModelsError, did_you_mean
from mixedmodels.formula import RandomTerm, parse_formula
from mixedmodels.formula.random_terms import group_signature, product_signature, term_signature
from mixedmodels.naming import ambiguous

# Factors of an interaction whose orders are all tried.
_FEW = 4


class GroupNames:
    """Finds grouping factors by name; holds nothing of their rows.

    Args:
        groups: Of a design.

    Attributes:
        names: What they are called.
    """

    def __init__(self, groups: Sequence[GroupingFactor]) -> None:
        self.names = [group.name for group in groups]
        self._known = [group_signature(group.spec.factors) for group in groups]
        self._plain = [frozenset(f.name for f in group.spec.factors) for group in groups]

    def find(self, asked: Any) -> int | None:
        """The position of a grouping factor; None where none is called so.

        Raises:
            MixedModelsError: The name can mean several.
        """
        if not isinstance(asked, str):
            return None
        if asked in self.names:
            return self.names.index(asked)
        wanted = {group_signature(term.grouping) for term in _parsed(asked)}
        found = [g for g, known in enumerate(self._known) if known in wanted]
        if not found:
            plain = frozenset(part.strip() for part in asked.split(":"))
            found = [g for g, known in enumerate(self._plain) if known == plain]
        if len(found) > 1:
            raise ambiguous(asked, [self.names[g] for g in found])
        return found[0] if found else None

    def unknown(self, asked: Any) -> str:
        """The sentence about a name that is not that of a grouping factor."""
        hint = did_you_mean(asked, self.names) if isinstance(asked, str) else ""
        listed = ", ".join(self.names)
        return f"{asked!r} is not a grouping factor of this model; it has {listed}.{hint}"


def find_terms(design: Design, asked: Any) -> list[int]:
    """Positions of the terms on a grouping factor, or of a term as one writes it; maybe none.

    Raises:
        MixedModelsError: The name can mean several, or is a term with a mistake in it.
    """
    if not isinstance(asked, str):
        return []
    names = [group.name for group in design.groups]
    if "|" in asked and asked not in names:
        wanted = {term_signature(term) for term in _parsed(asked, strict=True)}
        known = [term_signature(term.source) for term in design.terms]
        return [t for t, own in enumerate(known) if own in wanted] if wanted <= set(known) else []
    group = GroupNames(design.groups).find(asked)
    return [t for t, term in enumerate(design.terms) if term.group == group]


def find_parts(design: Design, asked: Any) -> dict[int, BoolArray]:
    """What `find_terms` finds with all its columns, or a part of terms: `(1 | g)` of `(x | g)`.

    Returns:
        Positions of terms, and which of their columns are asked for; maybe none.

    Raises:
        MixedModelsError: The name can mean several, or is a term with a mistake in it.
    """
    terms = design.terms
    found = find_terms(design, asked)
    if found or not isinstance(asked, str) or "|" not in asked:
        return {t: np.ones(len(terms[t].spec.names), dtype=bool) for t in found}
    parts: dict[int, BoolArray] = {}
    for wanted in _parsed(asked, strict=True):
        own = _columns_of_products(design, wanted)
        if own is None:
            return {}
        for t, kept in own.items():
            parts[t] = parts[t] | kept if t in parts else kept
    return parts


def _columns_of_products(design: Design, wanted: RandomTerm) -> dict[int, BoolArray] | None:
    """Columns of the terms on one group that belong to `wanted`; None where it has others."""
    group = group_signature(wanted.grouping)
    asked = {product_signature(product) for product in wanted.terms}
    seen: set[Hashable] = set()
    parts: dict[int, BoolArray] = {}
    for t, term in enumerate(design.terms):
        if group_signature(term.source.grouping) != group:
            continue
        products = [product_signature(product) for product in term.source.terms]
        kept = np.array([products[number] in asked for number in term.spec.terms])
        seen.update(products)
        if kept.any():
            parts[t] = kept
    return parts if asked <= seen else None


def group_spellings(group: GroupingFactor) -> Iterator[str]:
    """The name of a grouping factor, its parts in any order where they are few."""
    factors = group.spec.factors
    yield group.name
    for ordered in itertools.permutations(factors) if len(factors) <= _FEW else (factors,):
        yield ":".join(factor.name for factor in ordered)
        yield ":".join(factor.code for factor in ordered)


def _parsed(text: str, *, strict: bool = False) -> tuple[RandomTerm, ...]:
    """The random-effects terms of a text: a term, or the right of its bar."""
    term = text.strip().removeprefix("~").strip()
    if "|" not in term:
        term = f"(1 | {term})"
    try:
        return parse_formula(f"y ~ {term if term.startswith('(') else f'({term})'}").random
    except FormulaError as error:
        if strict:
            raise MixedModelsError(f"{error.message} It was {text!r}.") from None
        return ()
