"""How cells of the grid are averaged into means: one row of weights for each mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np

from mixedmodels.arrays import FloatArray, LongArray
from mixedmodels.errors import MixedModelsError
from mixedmodels.marginal.grid import Grid, combined
from mixedmodels.marginal.nesting import occurs
from mixedmodels.memory import require

Weights: TypeAlias = Literal["equal", "proportional", "outer", "cells", "flat", "counterfactual"]
WEIGHTS: tuple[Weights, ...] = get_args(Weights)


def target_codes(grid: Grid, names: Sequence[str]) -> tuple[LongArray, dict[str, LongArray]]:
    """The combinations of some variables that means are asked for.

    Returns:
        (cells,) number of the combination of each cell, -1 where a nested factor does not occur
        so; and by variable (k,) the codes of the combinations.
    """
    codes = grid.codes()
    chosen = [codes[name] for name in names]
    sizes = [len(grid.axes[name]) for name in names]
    cells = int(np.prod(grid.shape, dtype=np.int64))
    where = combined(chosen, sizes) if names else np.zeros(cells, dtype=np.int64)
    real = np.ones(cells, dtype=np.bool_)
    for name in names:
        outer = [other for other in grid.nests.get(name, ()) if other in names]
        if outer:
            table = occurs(grid.axes[name], [grid.axes[other] for other in outer])
            real &= table[tuple(codes[one] for one in (name, *outer))]
    numbers, first, inverse = np.unique(where[real], return_index=True, return_inverse=True)
    if not len(numbers):
        raise MixedModelsError("None of the combinations asked for occurs in the data.")
    target = np.full(cells, -1, dtype=np.int64)
    target[real] = inverse
    at = np.flatnonzero(real)[first]
    return target, {name: codes[name][at] for name in names}


def cell_weights(
    grid: Grid, names: Sequence[str], target: LongArray, weights: Weights
) -> FloatArray:
    """(k, cells) weights of the cells in each mean, rows adding up to 1.

    Args:
        grid: The grid.
        names: Variables of the means.
        target: (cells,) the mean that each cell belongs to, -1 for none.
        weights: "equal" for levels, "proportional" to how often the levels averaged over occur
            together, "outer" for products of how often each occurs, "cells" for the numbers of
            rows, "flat" for cells with rows.
    """
    averaged = [name for name in grid.axes if name not in names]
    counts = grid.counts()
    if weights == "cells":
        one = counts
    elif weights == "flat":
        one = (counts > 0.0).astype(np.float64)
    else:
        one = _averaged(grid, averaged, counts, weights)
    k = int(target.max()) + 1
    require({f"{k} means of {len(one)} combinations": 24.0 * k * len(one)}, "The averages")
    table = np.zeros((k, len(target)))
    inside = np.flatnonzero(target >= 0)
    table[target[inside], inside] = one[inside]
    total = table.sum(axis=1)
    # Where no cell has rows, all count alike, and the mean is not estimable if X says so.
    empty = total == 0.0
    table[target[inside], inside] += empty[target[inside]]
    normalised: FloatArray = table / table.sum(axis=1)[:, None]
    return normalised


def _averaged(
    grid: Grid, averaged: Sequence[str], counts: FloatArray, weights: Weights
) -> FloatArray:
    """(cells,) weights that depend on the levels averaged over, and not on those of the mean."""
    shares = _existing(grid, averaged)
    if weights == "equal":
        return shares
    one = (shares > 0.0).astype(np.float64)
    if weights == "outer":
        for name in averaged:
            one *= _marginal(grid, [name], counts)
        return one
    # Levels of a nested factor are counted within those that it is nested in.
    nests = [outer for name in averaged for outer in grid.nests.get(name, ())]
    return one * _marginal(grid, list(dict.fromkeys([*averaged, *nests])), counts)


def _existing(grid: Grid, averaged: Sequence[str]) -> FloatArray:
    """(cells,) 1 over the number of levels, of a nested factor those within its nest."""
    codes = grid.codes()
    one = np.ones(len(grid.X))
    for name in averaged:
        outer = grid.nests.get(name, ())
        if not outer:
            continue
        table = occurs(grid.axes[name], [grid.axes[other] for other in outer])
        shares = table / np.maximum(table.sum(axis=0), 1)
        one *= shares[tuple(codes[each] for each in (name, *outer))]
    return one


def _marginal(grid: Grid, names: Sequence[str], counts: FloatArray) -> FloatArray:
    """(cells,) rows with the same levels of some variables."""
    codes = grid.codes()
    sizes = [len(grid.axes[name]) for name in names]
    if not names:
        return np.ones(len(counts))
    where = combined([codes[name] for name in names], sizes)
    rows: FloatArray = np.asarray(np.bincount(where, weights=counts), dtype=np.float64)
    return rows[where]
