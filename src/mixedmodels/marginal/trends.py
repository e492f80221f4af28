"""Slopes of a covariate by cells of other variables: differences of rows of the grid.

A central difference is exact for polynomials of the second degree and good to about 1e-6 for what
else formulas have (splines, logarithms).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.design import Design
from mixedmodels.errors import MixedModelsError
from mixedmodels.marginal.axes import Axis, axes_of, find_axis, with_values
from mixedmodels.marginal.comparing import Origin
from mixedmodels.marginal.contrasts import method_name
from mixedmodels.marginal.grid import Grid, grid_over
from mixedmodels.marginal.means import (
    Wanted,
    average_notes,
    degrees_note,
    involved_note,
    mean_functions,
    resolve,
)
from mixedmodels.marginal.nesting import nesting_of
from mixedmodels.marginal.results import MarginalMeans, contrasts_of, means_of
from mixedmodels.marginal.scale import Scale
from mixedmodels.marginal.source import Source
from mixedmodels.marginal.specs import read_specs

# Half the difference of the covariate, relative to its range.
_STEP = 5e-4


def marginal_trends(
    design: Design,
    source: Source,
    scale: Scale | None,
    specs: Any,
    var: Any,
    by: Any,
    at: Any,
    wanted: Wanted,
) -> MarginalMeans:
    """Slopes of `var`; the other arguments are those of `means.marginal_means`.

    Raises:
        MixedModelsError: `var` is not a covariate, or as `marginal_means`.
    """
    asked = read_specs(specs, by)
    method = method_name(asked.contrast) if asked.contrast else ""
    base = axes_of(design)
    if not isinstance(var, str):
        raise MixedModelsError(f"var is {var!r:.80}; it must be the name of a covariate.")
    name = find_axis(var, base, "var", design=design)
    axes = with_values(_as_covariate(base, name), at)
    grid = _sloped(design, axes, name, nesting_of(design, base))
    names, groups = resolve(asked, grid)
    functions = mean_functions(grid, source, names, groups, wanted.weights)
    view = dataclasses.replace(wanted, type="link").view(None, source.tests.sigma)
    notes = average_notes(grid, names, wanted.weights, shifted=False)
    notes += involved_note(grid, names)
    if len(functions.L) > 1 and not np.ptp(functions.L, axis=0).any():
        notes.append(
            f"The model has no interaction of {name} with {' or '.join(names)}: the slopes are one "
            "number, and do not differ."
        )
    if scale is not None:
        notes.append(f"Slopes are on the scale of {scale.name}.")
    notes.append(degrees_note(source))
    adjust = None if wanted.adjust == "tukey" else wanted.adjust
    measured = f"slope of {design.response_name} over {name}"
    origin = Origin(functions, source, view, adjust, f"Slopes of {name}", tuple(notes), measured)
    slopes = means_of(origin)
    if not method:
        return slopes
    return MarginalMeans(slopes.table, origin, contrasts_of(origin, method, groups))


def _as_covariate(axes: dict[str, Axis], name: str) -> dict[str, Axis]:
    """The variables, that of the slope at its mean although it may have two values only."""
    axis = axes[name]
    if not axis.is_numeric or axis.span == 0.0:
        raise MixedModelsError(
            f"var names '{name}', which is a factor; slopes are those of a covariate. Differences "
            "of levels are fit.emmeans(...).pairs()."
        )
    if axis.codes is None:
        return axes
    numbers = axis.values.to_numpy(dtype=np.float64)[axis.codes]
    mean = float(np.average(numbers, weights=axis.rows))
    moved = dataclasses.replace(axis, values=pd.Index([mean]), labels=(f"{mean:.6g}",), codes=None)
    return {**axes, name: moved}


def _sloped(
    design: Design, axes: dict[str, Axis], name: str, nests: dict[str, tuple[str, ...]]
) -> Grid:
    """The grid with derivatives of X in place of its values; the offset does not change."""
    axis = axes[name]
    step = _STEP * axis.span
    ends = []
    for sign in (1.0, -1.0):
        values = pd.Index(axis.values.to_numpy(dtype=np.float64) + sign * step)
        ends.append(
            grid_over(design, {**axes, name: dataclasses.replace(axis, values=values)}, nests)
        )
    above, below = ends
    X = (above.X - below.X) / (2.0 * step)
    # A difference of what does not change is zero.
    X[above.X == below.X] = 0.0
    return Grid(design, axes, nests, X, 0.0, constant=0.0)
