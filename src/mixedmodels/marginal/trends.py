"""Slopes of a covariate by cells of other variables: differences of rows of the grid.

A central difference is exact for polynomials of the second degree and good to about 1e-6 for what
else formulas have (splines, logarithms). Slopes over a function of the covariate, such as log(x),
are over the difference of the function.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.design import Design
from mixedmodels.design.evaluate import Bound, bind, evaluate
from mixedmodels.design.rebuild import new_rows
from mixedmodels.errors import FormulaError, MixedModelsError
from mixedmodels.marginal.axes import Axis, axes_of, find_axis, with_values
from mixedmodels.marginal.comparing import Origin
from mixedmodels.marginal.contrasts import method_name
from mixedmodels.marginal.grid import Grid, cell_label, grid_over, grid_table
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
from mixedmodels.naming import spaceless

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
    latent: str = "",
) -> MarginalMeans:
    """Slopes of `var`; `latent` is the link of an ordered response, and the rest as for means.

    Raises:
        MixedModelsError: `var` is not a covariate, or as `marginal_means`.
    """
    asked = read_specs(specs, by)
    method = method_name(asked.contrast) if asked.contrast else ""
    base = axes_of(design)
    if not isinstance(var, str):
        raise MixedModelsError(f"var is {var!r:.80}; it must be the name of a covariate.")
    name, function = _read(design, base, var)
    over = name if function is None else var.strip()
    axes = with_values(_as_covariate(base, name), at)
    grid = _sloped(design, axes, name, function, nesting_of(design, base))
    names, groups = resolve(asked, grid)
    functions = mean_functions(grid, source, names, groups, wanted.weights)
    view = dataclasses.replace(wanted, type="link").view(None, source.tests.sigma)
    notes = average_notes(grid, names, wanted.weights, shifted=False)
    notes += involved_note(grid, (*names, name))
    if len(functions.L) > 1 and not np.ptp(functions.L, axis=0).any():
        notes.append(
            f"The model has no interaction of {name} with {' or '.join(names)}: the slopes are one "
            "number, and do not differ."
        )
    if scale is not None:
        notes.append(f"Slopes are on the scale of {scale.name}.")
    if latent:
        notes.append(f"Slopes are on the latent scale ({latent}).")
    notes.append(degrees_note(source))
    adjust = None if wanted.adjust == "tukey" else wanted.adjust
    measured = f"slope of {design.response_name} over {over}"
    origin = Origin(functions, source, view, adjust, f"Slopes of {over}", tuple(notes), measured)
    slopes = means_of(origin)
    if not method:
        return slopes
    return MarginalMeans(slopes.table, origin, contrasts_of(origin, method, groups))


def _read(design: Design, axes: dict[str, Axis], var: str) -> tuple[str, Bound | None]:
    """The covariate of `var`, and the function of it that `var` is, or None.

    Raises:
        MixedModelsError: Neither a covariate nor a function of one.
    """
    if var.strip().strip("`") in axes or not axes:
        return find_axis(var, axes, "var", design=design), None
    try:
        bound = bind(var, new_rows(_first_cell(axes)).table)
    except FormulaError:
        find_axis(var, axes, "var", design=design)
        raise
    if len(bound.names) != 1:
        listed = " and ".join(map(repr, bound.names)) or "no variable"
        raise MixedModelsError(
            f"var is {var!r:.80}, of {listed}; slopes are over a covariate or a function of one."
        )
    return bound.names[0], bound


def _first_cell(axes: dict[str, Axis]) -> pd.DataFrame:
    """A row of data."""
    return pd.DataFrame({name: axis.at(np.zeros(1, dtype=np.int64)) for name, axis in axes.items()})


def _values(design: Design, bound: Bound, axes: dict[str, Axis]) -> FloatArray:
    """(cells,) values of a function of the covariate; what it has learnt is that of the model.

    Raises:
        MixedModelsError: Not one column of numbers, or it has learnt nothing in the model.
    """
    text, states = bound.expression.text.strip(), {}
    if bound.states:
        recipes = design.fixed_spec.recipes.values()
        alike = [one for one in recipes if spaceless(one.factor.source) == spaceless(text)]
        if not alike:
            raise MixedModelsError(
                f"var is {text!r:.80}, which learns from the data and is not in the model; slopes "
                f"over '{bound.names[0]}' itself are by its name."
            )
        states = alike[0].states
    values = evaluate(bound, new_rows(grid_table(axes)), states)
    if not isinstance(values, np.ndarray) or values.ndim != 1 or values.dtype.kind != "f":
        raise MixedModelsError(
            f"var is {text!r:.80}, which is not one column of numbers; slopes over "
            f"'{bound.names[0]}' itself are by its name."
        )
    return values


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
    design: Design,
    axes: dict[str, Axis],
    name: str,
    function: Bound | None,
    nests: dict[str, tuple[str, ...]],
) -> Grid:
    """The grid with derivatives of X in place of its values; the offset does not change."""
    axis = axes[name]
    step = _STEP * axis.span
    ends = []
    for sign in (1.0, -1.0):
        values = pd.Index(axis.values.to_numpy(dtype=np.float64) + sign * step)
        moved = {**axes, name: dataclasses.replace(axis, values=values)}
        X = grid_over(design, moved, nests).X
        ends.append((X, None if function is None else _values(design, function, moved)))
    (above, up), (below, down) = ends
    gap = np.full(len(above), 2.0 * step)
    if function is not None and up is not None and down is not None:
        with np.errstate(invalid="ignore"):
            gap = up - down
        bad = ~np.isfinite(gap) | (gap == 0.0)
        if bad.any():
            cell = cell_label(axes, int(np.argmax(bad)), [name])
            raise MixedModelsError(
                f"var is {function.expression.text.strip()!r:.80}, over which there is no slope at "
                f"{cell}; give other values by at=."
            )
    X = (above - below) / gap[:, None]
    # A difference of what does not change is zero.
    X[above == below] = 0.0
    return Grid(design, axes, nests, X, 0.0, constant=0.0)
