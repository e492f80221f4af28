"""Coefficients of the levels of one grouping factor by themselves: least squares within levels."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray, IntArray
from mixedmodels.estimates.linear import Fitted
from mixedmodels.estimates.tables import fixed_mean, random_part

# Smallest eigenvalue of a level's scaled cross-product below which the level has no estimates of
# its own.
_SINGULAR = 1e-10


def within_levels(fitted: Fitted, group: int) -> pd.DataFrame:
    """Least-squares deviations from the fixed effects for each level of a group by itself.

    What the fixed part, the offset and the random effects of the other grouping factors explain is
    taken from the response; the rest is regressed, with the prior weights, on the group's columns
    of Z within each level. As the variances of the group grow, its conditional modes tend to these
    values.

    Args:
        fitted: The fit.
        group: Position of the grouping factor in the design.

    Returns:
        Levels by effects, as `ranef` has them; NaN where a level's rows do not determine them.
    """
    design = fitted.model.design
    factor = design.groups[group]
    own = [term for term in design.terms if term.group == group]
    columns = [term.z[:, j] for term in own for j in range(len(term.columns))]
    rest = _without_group(fitted, group)
    weighted = columns if design.w is None else [column * design.w for column in columns]
    size = len(columns)
    cross = np.empty((factor.n_levels, size, size))
    right = np.empty((factor.n_levels, size))
    for i in range(size):
        right[:, i] = _sums(factor.codes, weighted[i] * rest, factor.n_levels)
        for j in range(i + 1):
            sums = _sums(factor.codes, weighted[i] * columns[j], factor.n_levels)
            cross[:, i, j] = cross[:, j, i] = sums
    names = list(fitted.model.templates.effects[group])
    return pd.DataFrame(
        _solve(cross, right), index=factor.levels.rename(factor.name), columns=names
    )


def _without_group(fitted: Fitted, group: int) -> FloatArray:
    """(n,) the response less all that is not this group's: fixed part, offset, other groups."""
    model, solution = fitted.model, fitted.solution
    design, templates = model.design, model.templates
    b = solution.b.copy()
    for t, term in enumerate(design.terms):
        if term.group == group:
            b[templates.term_starts[t] : templates.term_starts[t + 1]] = 0.0
    others = random_part(templates, design.groups, design.terms, b, design.n)
    rest: FloatArray = design.y - others - fixed_mean(design, solution.beta)
    return rest


def _sums(codes: IntArray, values: FloatArray, n_levels: int) -> FloatArray:
    """(levels,) sums over the rows of each level."""
    sums: FloatArray = np.bincount(codes, values, n_levels).astype(np.float64)
    return sums


def _solve(cross: FloatArray, right: FloatArray) -> FloatArray:
    """The solution of each level's equations; NaN where they are singular."""
    scale = np.sqrt(np.einsum("lss->ls", cross))
    unit = np.where(scale > 0.0, scale, 1.0)
    scaled = cross / (unit[:, :, None] * unit[:, None, :])
    good = np.linalg.eigvalsh(scaled)[:, 0] > _SINGULAR
    found = np.full_like(right, np.nan)
    found[good] = np.linalg.solve(scaled[good], (right / unit)[good, :, None])[:, :, 0] / unit[good]
    return found
