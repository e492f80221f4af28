"""Which factors are nested in others: by the data, or because the formula says so.

A factor is nested in another when each of its levels occurs with a single level of that; and, as in
`y ~ site / plot`, when it has no term of its own but one with the other factor.
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
    for inner, outer in _by_formula(design, set(several)):
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


def _by_formula(design: Design, several: set[str]) -> list[tuple[str, str]]:
    """Pairs of a factor without a term of its own and a factor that it stands within."""
    terms = {variables_of_term(design, term) for term in design.formula.terms}
    found = []
    for term in terms:
        if len(term) < 2:
            continue
        alone = {name for name in term if term - {name} in terms}
        inner = {name for name in alone if name in several and frozenset({name}) not in terms}
        outer = {name for name in term - alone if name in several}
        found += [(a, b) for a in sorted(inner) for b in sorted(outer)]
    return found


def occurs(axis: Axis, outer: list[Axis]) -> BoolArray:
    """(l, l1, l2, ...) whether a level of a factor occurs with levels of others in the data."""
    shape = (len(axis), *(len(other) for other in outer))
    table = np.zeros(shape, dtype=np.bool_)
    codes = [axis.codes, *(other.codes for other in outer)]
    known = np.logical_and.reduce([code >= 0 for code in codes if code is not None])
    table[tuple(code[known] for code in codes if code is not None)] = True
    return table
