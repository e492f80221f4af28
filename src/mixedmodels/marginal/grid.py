"""The reference grid: every combination of the values of its variables, and its rows of X.

X is made by the design as for new data, so that polynomials and splines are computed from the
covariate at its value of the grid. How cells are averaged is in `weights`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray, LongArray
from mixedmodels.design import Design
from mixedmodels.design.absent import rows_needed
from mixedmodels.design.rebuild import new_rows, rebuild_fixed
from mixedmodels.design.variables import variable_column
from mixedmodels.errors import MixedModelsError
from mixedmodels.marginal.axes import Axis, axes_of, with_values
from mixedmodels.marginal.nesting import nesting_of
from mixedmodels.memory import require

_OFFSET_IS_APART = (
    " The offset is chosen by offset=: offset=0 gives rates where it is the log of an exposure."
)
_REMEDY = "Give at= with fewer values, or ask for means of fewer variables at a time."


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """All combinations of values, the first variable varying fastest.

    Attributes:
        design: The design of the model.
        axes: The variables by name.
        nests: By nested factor the factors that it is nested in.
        X: (cells, p_all) columns of the fixed part.
        offset: What every mean contains: the mean of the offset over the rows of the data, or what
            is asked for.
        offset_asked: Whether it was asked for.
        constant: What every mean has of what stands for the intercept: 1, and 0 of slopes.
    """

    design: Design
    axes: Mapping[str, Axis]
    nests: Mapping[str, tuple[str, ...]]
    X: FloatArray
    offset: float
    offset_asked: bool = False
    constant: float = 1.0

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values of each variable."""
        return tuple(len(axis) for axis in self.axes.values())

    def codes(self) -> dict[str, LongArray]:
        """For each variable (cells,) which of its values each cell has."""
        return cell_codes(self.axes)

    def counts(self) -> FloatArray:
        """(cells,) rows of the data with the levels of a cell; covariates do not matter."""
        total = np.zeros(math.prod(self.shape))
        counted = {name: axis for name, axis in self.axes.items() if axis.codes is not None}
        if not counted:
            return np.full(len(total), float(self.design.n))
        first = next(iter(counted.values()))
        place = np.zeros_like(np.asarray(first.codes))
        known = np.ones(len(place), dtype=np.bool_)
        step = 1
        for axis in counted.values():
            codes = np.zeros(0, dtype=np.int64) if axis.codes is None else axis.codes
            known &= codes >= 0
            place += step * np.maximum(codes, 0)
            step *= len(axis)
        rows = None if first.rows is None else first.rows[known]
        found = np.bincount(place[known], rows, minlength=step).astype(np.float64)
        cell, step = np.zeros(len(total), dtype=np.int64), 1
        codes_of = self.codes()
        for name, axis in counted.items():
            cell += step * codes_of[name]
            step *= len(axis)
        return found[cell]


def reference_grid(design: Design, at: Any = None, *, bare: bool = False) -> Grid:
    """The grid of a model: all levels of factors, covariates at their means or as `at` says.

    Args:
        design: The design of the model.
        at: Values of variables, by name.
        bare: Whether a model without fixed effects has one, of a single cell.

    Raises:
        MixedModelsError: The model has no fixed effects, or `at` is not understood.
        ResourceError: There are too many combinations.
    """
    axes = axes_of(design)
    hint = _OFFSET_IS_APART if design.is_shifted else ""
    return grid_over(design, with_values(axes, at, hint), nesting_of(design, axes), bare=bare)


def with_offset(grid: Grid, offset: float | None) -> Grid:
    """The grid, its offset as asked for if it is.

    Raises:
        MixedModelsError: The model has none.
    """
    if offset is None:
        return grid
    if not grid.design.is_shifted:
        raise MixedModelsError(f"offset is {offset:g}, but the model has no offset.")
    return dataclasses.replace(grid, offset=float(offset), offset_asked=True)


def grid_over(
    design: Design,
    axes: Mapping[str, Axis],
    nests: Mapping[str, tuple[str, ...]],
    *,
    bare: bool = False,
) -> Grid:
    """The grid of given variables; `bare` and errors as of `reference_grid`."""
    if not (design.x_names or bare):
        hint = " type='prob' gives the probabilities of the categories."
        raise MixedModelsError(
            "The model has no fixed effects, so there are no marginal means."
            f"{'' if design.categories is None else hint}"
        )
    cells, p = math.prod(len(axis) for axis in axes.values()), len(design.x_names)
    require({f"{cells} combinations": 24.0 * cells * p}, "The reference grid", remedy=_REMEDY)
    table = grid_table(axes)
    X = rebuild_fixed(design, new_rows(table))
    _check(X, axes)
    return Grid(design, axes, nests, X, _mean_offset(design))


def _mean_offset(design: Design) -> float:
    if not design.is_shifted:
        return 0.0
    if design.has_rows:
        return 0.0 if design.offset is None else float(design.offset.mean())
    if design.summary is None:
        raise rows_needed()
    return design.summary.offset / design.n


def cell_codes(axes: Mapping[str, Axis]) -> dict[str, LongArray]:
    """For each variable (cells,) which of its values each cell has."""
    cells = math.prod(len(axis) for axis in axes.values())
    found, step = {}, 1
    for name, axis in axes.items():
        found[name] = np.arange(cells, dtype=np.int64) // step % len(axis)
        step *= len(axis)
    return found


def grid_table(axes: Mapping[str, Axis]) -> pd.DataFrame:
    """The cells as a table of data."""
    codes = cell_codes(axes)
    if not axes:
        return pd.DataFrame(index=range(1))
    return pd.DataFrame({name: axis.at(codes[name]) for name, axis in axes.items()})


def training_table(design: Design) -> pd.DataFrame:
    """The columns behind the fixed part at the rows used, as a table of data."""
    columns: dict[str, Any] = {}
    for name, variable in design.variables.items():
        values = variable_column(name, design.variables, design.fixed_spec, design.X)
        levels = variable.levels
        columns[name] = values if levels is None else pd.Categorical.from_codes(values, levels)
    return pd.DataFrame(columns, index=range(design.n))


def _check(X: FloatArray, axes: Mapping[str, Axis]) -> None:
    bad = ~np.isfinite(X).all(axis=1)
    if not bad.any():
        return
    cell = int(np.argmax(bad))
    raise MixedModelsError(
        f"The fixed part cannot be computed for {cell_label(axes, cell)}; give other values by at=."
    )


def cell_label(axes: Mapping[str, Axis], cell: int, only: Sequence[str] | None = None) -> str:
    """A cell in words: `f = a, x = 2.5`."""
    step, parts = 1, []
    for name, axis in axes.items():
        if only is None or name in only:
            parts.append(f"{name} = {axis.labels[cell // step % len(axis)]}")
        step *= len(axis)
    return ", ".join(parts) or "the model"


def combined(codes: Sequence[LongArray], sizes: Sequence[int]) -> LongArray:
    """(cells,) number of the combination of several codes, the first varying fastest."""
    total, step = np.zeros_like(codes[0]), 1
    for code, size in zip(codes, sizes, strict=True):
        total = total + step * code
        step *= size
    return total
