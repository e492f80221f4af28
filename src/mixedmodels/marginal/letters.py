"""Compact letters: means that share a letter do not differ significantly.

The insert and absorb algorithm of Piepho (2004, Journal of Computational and Graphical Statistics
13, 456-466).
"""

from __future__ import annotations

import string
from collections.abc import Sequence

import numpy as np

from mixedmodels.arrays import BoolArray, FloatArray


def compact_letters(differ: BoolArray, order: FloatArray) -> list[str]:
    """The letters of each mean.

    Args:
        differ: (k, k) which means differ.
        order: (k,) the means; the smallest is given the first letter. NaN is given none.

    Returns:
        (k,) letters; two means share one if and only if they do not differ.
    """
    present = np.flatnonzero(~np.isnan(order)).tolist()
    columns: list[frozenset[int]] = [frozenset(present)] if present else []
    for i in present:
        for j in present:
            if j > i and differ[i, j]:
                columns = _split(columns, i, j)
    place = {row: position for position, row in enumerate(sorted(present, key=order.__getitem__))}
    columns = sorted(columns, key=lambda column: sorted(place[row] for row in column))
    names = _names(len(columns))
    found = []
    for row in range(len(order)):
        own = [name for name, column in zip(names, columns, strict=True) if row in column]
        found.append("".join(own))
    return found


def _split(columns: Sequence[frozenset[int]], i: int, j: int) -> list[frozenset[int]]:
    """No column has both i and j; a column within another goes."""
    parts: list[frozenset[int]] = []
    for column in columns:
        parts += [column - {i}, column - {j}] if {i, j} <= column else [column]
    distinct = list(dict.fromkeys(parts))
    return [part for part in distinct if not any(part < other for other in distinct)]


def _names(count: int) -> list[str]:
    """a, b, ..., z, A, ..., Z, then numbers in brackets."""
    alphabet = string.ascii_lowercase + string.ascii_uppercase
    return [alphabet[i] if i < len(alphabet) else f"({i + 1})" for i in range(count)]
