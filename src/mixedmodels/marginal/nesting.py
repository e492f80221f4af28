"""Which factors are nested in others: by the data, or because the formula says so.

A factor is nested in another when each of its levels occurs with a single level of that; and, as in
`y ~ site / plot`, when it has no term of its own but one with the other factor. A covariate that is
compared at several values may be nested by the formula, as in `y ~ 0 + site + site:x`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mixedmodels.arrays import BoolArray, LongArray
from mixedmodels.design import Design
from mixedmodels.formula import Term
from mixedmodels.formula.expression import parse_expression
from mixedmodels.marginal.axes import Axis


def nesting_of(design: Design, axes: Mapping[str, Axis]) -> dict[str, tuple[str, ...]]:
    """The factors in which each nested factor is nested."""
    several = {
        name: axis.codes for name, axis in axes.items() if axis.codes is not None and len(axis) > 1
    }
    found: dict[str, dict[str, None]] = {}
    for inner, codes in several.items():
        for outer, others in several.items():
            if inner != outer and inner not in found.get(outer, {}) and _inside(codes, others):
                found.setdefault(inner, {})[outer] = None
    varying = {name for name, axis in axes.items() if len(axis) > 1}
    for inner, outer in _by_formula(design, varying):
        if inner not in found.get(outer, {}):
            found.setdefault(inner, {})[outer] = None
    return {inner: tuple(outer) for inner, outer in found.items()}


def variables_of_term(design: Design, term: Term) -> frozenset[str]:
    """The columns that a term of the fixed part is made of."""
    names: set[str] = set()
    for factor in term.factors:
        if factor.is_column:
            names.add(factor.name)
        else:
            tree = parse_expression(factor.source)
            names.update(r.name for r in tree.references if r.name in design.variables)
    return frozenset(names)


def _inside(codes: LongArray, others: LongArray) -> bool:
    """Whether every level of the first occurs with one level of the second."""
    known = (codes >= 0) & (others >= 0)
    inner, outer = codes[known], others[known]
    if not len(inner):
        return False
    first = np.full(int(inner.max()) + 1, -1, dtype=np.int64)
    first[inner] = outer
    return bool((first[inner] == outer).all())


def _by_formula(design: Design, varying: set[str]) -> list[tuple[str, str]]:
    """Pairs of a variable without a term of its own and one that it stands within.

    Those that it stands within have a coefficient for each level there, because the term without
    them is not in the model. Two variables that would stand within each other are not nested.
    """
    terms = list(dict.fromkeys(variables_of_term(design, term) for term in design.formula.terms))
    found: dict[str, set[str]] = {}
    for name in sorted(varying):
        own = [term for term in terms if name in term]
        if not own or frozenset({name}) in own:
            continue
        alone = [term for term in own if term - {name} in terms]
        outer = [
            frozenset(o for o in term - {name} if o in varying and term - {o} not in terms)
            for term in alone or own
        ]
        least = [one for one in outer if not any(other < one for other in outer)]
        found[name] = {other for one in least for other in one}
    for inner in found:
        found[inner] = _reached(found, inner)
    return [
        (inner, outer)
        for inner, others in found.items()
        if inner not in others
        for outer in sorted(others)
    ]


def _reached(nests: Mapping[str, set[str]], inner: str) -> set[str]:
    """What a variable is nested in, directly or through others."""
    found: set[str] = set()
    waiting = set(nests[inner])
    while waiting:
        found |= waiting
        waiting = {other for one in waiting for other in nests.get(one, ())} - found
    return found


def occurs(axis: Axis, outer: list[Axis]) -> BoolArray:
    """(l, l1, l2, ...) whether a level of a factor occurs with levels of others in the data.

    Values of a covariate are taken to occur with all.
    """
    axes = [axis, *outer]
    table = np.zeros([1 if one.codes is None else len(one) for one in axes], dtype=np.bool_)
    codes = [one.codes for one in axes if one.codes is not None]
    known = np.logical_and.reduce([code >= 0 for code in codes]) if codes else ...
    table[tuple(0 if one.codes is None else one.codes[known] for one in axes)] = True
    return np.broadcast_to(table, [len(one) for one in axes])
