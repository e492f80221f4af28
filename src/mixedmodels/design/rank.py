"""Which categorical factors lose a level in which term, so that columns are not redundant.

The rule of Wilkinson and Rogers as patsy and formulaic apply it: a term is the sum of the parts
that earlier terms do not span; parts are joined back, (anything) + (anything):(reduced a) being
(anything):(full a). Structure only; the rank in the data is found later by the core.
"""

from __future__ import annotations

import functools
import itertools
from typing import TypeAlias

Scoped: TypeAlias = tuple[tuple[int, bool], ...]
"""A product of factors: (factor, reduced) pairs; () is the intercept."""

_MAX_PARTS = 256
"""Parts of one term that earlier terms do not span; joining them takes their cube."""

_MAX_FACTORS = 10
"""Categorical factors in one term, which has two parts for each combination of them."""


class TooManyParts(Exception):
    """A term with so many categorical factors that its parts cannot be told apart in time."""

    def __init__(self, term: int, factors: int) -> None:
        super().__init__(term, factors)
        self.term = term
        self.factors = factors


@functools.lru_cache(maxsize=512)
def scope_terms(
    terms: tuple[tuple[int, ...], ...], spanning: tuple[bool, ...]
) -> tuple[tuple[Scoped, ...], ...]:
    """For each term, the products whose columns it contributes.

    Args:
        terms: Factors of each term, by number; () for the intercept.
        spanning: For each factor, whether its full set of columns adds up to the intercept.

    Raises:
        TooManyParts: a term is an interaction of too many factors.
    """
    orders = [sum(spanning[factor] for factor in term) for term in terms]
    if max(orders, default=0) > _MAX_FACTORS:
        largest = orders.index(max(orders))
        raise TooManyParts(largest, orders[largest])
    spanned: set[frozenset[tuple[int, bool]]] = set()
    scoped: list[tuple[Scoped, ...]] = []
    for number, term in enumerate(terms):
        choices: list[list[tuple[tuple[int, bool], ...]]] = [
            [((factor, True),), ()] if spanning[factor] else [((factor, False),)] for factor in term
        ]
        parts = [tuple(itertools.chain(*choice)) for choice in itertools.product(*choices)]
        new = [part for part in parts if frozenset(part) not in spanned]
        if len(new) > _MAX_PARTS:
            raise TooManyParts(number, orders[number])
        spanned.update(frozenset(part) for part in new)
        scoped.append(tuple(_join(new)))
    return tuple(scoped)


def _join(parts: list[Scoped]) -> list[Scoped]:
    joined: list[Scoped] = []
    for part in sorted(parts, key=len):
        for smaller in joined:
            extra = set(part) - set(smaller)
            if len(part) == len(smaller) + 1 and len(extra) == 1:
                ((factor, reduced),) = extra
                if reduced:
                    whole = tuple((f, False) if f == factor else (f, r) for f, r in part)
                    joined = _join([*(p for p in joined if p != smaller), whole])
                    break
        else:
            joined.append(part)
    return joined
