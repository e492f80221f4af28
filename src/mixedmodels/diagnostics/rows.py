"""What single rows weigh: hat values, residuals of each kind, Cook's distances at the theta found.

Fits without rows are `influence`'s. Here theta is held, which makes everything a closed form of the
row's share in the penalized least squares problem.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import Any, Protocol

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.criterion.point import LinearPoint
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.linear import Fitted
from mixedmodels.estimates.solution import Solution
from mixedmodels.settings import (
    ResidualKind,
)

# Part of a row left to the residual below which the row determines a coefficient by itself. Its
# residual is rounding error, and no ratio to it has a meaning.
_DETERMINED = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class RowValues:
    """Of every row at one theta, in units in which the row has weight one.

    Attributes:
        random: (n,) share of the hat value that the random effects take.
        fixed: (n,) share that the fixed effects take of the rest.
        prior: (n,) variance of the random part over sigma^2, z'Lambda Lambda'z without the weight.
        residual: (n,) sqrt(w) (y - fitted).
        direction: (n, p) what the kept coefficients owe to residual / (1 - hat), or (n, 0).
    """

    random: FloatArray
    fixed: FloatArray
    prior: FloatArray
    residual: FloatArray
    direction: FloatArray

    @property
    def hat(self) -> FloatArray:
        """(n,) diagonal of the hat matrix."""
        return self.random + self.fixed

    @property
    def spare(self) -> FloatArray:
        """(n,) 1 - hat; NaN where a row determines a coefficient by itself."""
        return _spare(self.hat)


@dataclass(frozen=True, slots=True, eq=False)
class RowShares:
    """Of some rows: what Cook's distances need of them.

    Attributes:
        hat: (n,) diagonal of the hat matrix.
        residual: (n,) sqrt(w) (y - fitted).
    """

    hat: FloatArray
    residual: FloatArray

    @property
    def spare(self) -> FloatArray:
        """(n,) 1 - hat; NaN where a row determines a coefficient by itself."""
        return _spare(self.hat)


def _spare(hat: FloatArray) -> FloatArray:
    return np.where(1.0 - hat > _DETERMINED, 1.0 - hat, np.nan)


def values_at(point: LinearPoint, *, directions: bool = False) -> RowValues:
    """The values at a point; `directions` asks for those too."""
    found = point.row_values(directions=directions)
    return RowValues(found.random, found.fixed, found.prior, found.residual, found.direction)


@singledispatch
def rows_of(fitted: Any) -> RowValues:
    """The values at the optimum of a fit, of whichever kind."""
    raise NotImplementedError(type(fitted))


@rows_of.register
def _(fitted: Fitted) -> RowValues:
    with fitted.criterion.at(fitted.solution.axes_theta) as point:
        return values_at(point)


class Scale(Protocol):
    """What Cook's distances need of a solution."""

    @property
    def n(self) -> int:
        """Number of rows."""

    @property
    def p(self) -> int:
        """Rank of X."""

    @property
    def sigma(self) -> float:
        """Residual standard deviation."""


@singledispatch
def scale_of(fitted: Any) -> Scale:
    """What Cook's distances of a fit divide by."""
    raise NotImplementedError(type(fitted))


@scale_of.register
def _(fitted: Fitted) -> Scale:
    return fitted.solution


def fixed_part(fitted: Any) -> FloatArray:
    """(n,) X beta, without the offset."""
    design = fitted.model.design
    part: FloatArray = design.X @ np.nan_to_num(fitted.solution.beta)
    return part


def cooks_by_row(values: RowValues | RowShares, solution: Scale) -> FloatArray:
    """(n,) residual^2 hat / (sigma^2 p (1 - hat)^2), as lme4's; NaN when p = 0."""
    if solution.p == 0:
        return np.full(len(values.residual), np.nan)
    ratio = values.residual / values.spare
    distances: FloatArray = ratio**2 * values.hat / (solution.sigma**2 * solution.p)
    return distances


def row_columns(
    values: RowValues | RowShares,
    solution: Solution,
    y: FloatArray,
    fit_values: FloatArray,
    fixed: FloatArray,
    offset: FloatArray,
    w: FloatArray,
) -> dict[str, FloatArray]:
    """What `augment` adds to rows, by name; each array is (n,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        standardized = values.residual / (solution.sigma * np.sqrt(values.spare))
        cooks = cooks_by_row(values, solution)
    return {
        ".fitted": fit_values,
        ".resid": y - fit_values,
        ".std_resid": standardized,
        ".hat": values.hat,
        ".cooksd": cooks,
        ".fixed": fixed,
        ".offset": offset,
        ".weights": w,
        ".wtres": values.residual,
    }


def sigma_without(values: RowValues, solution: Solution) -> FloatArray:
    """(n,) residual standard deviation without each row, theta held.

    pwrss falls by residual^2 / (1 - hat), exactly.
    """
    df = solution.scale_df - 1
    if df < 1:
        return np.full(solution.n, np.nan)
    left = np.maximum(solution.pwrss - values.residual**2 / values.spare, 0.0)
    sigmas: FloatArray = np.sqrt(left / df)
    return sigmas


def residuals_of_kind(
    fitted: Fitted, values: RowValues, kind: ResidualKind, *, marginal: bool
) -> FloatArray:
    """(n,) residuals; see `LinearMixedFit.std_residuals`.

    Raises:
        MixedModelsError: sigma = 0 where one divides by it.
    """
    design, solution = fitted.model.design, fitted.solution
    root = 1.0 if design.w is None else np.sqrt(design.w)
    if marginal:
        offset = 0.0 if design.offset is None else design.offset
        pearson = root * (design.y - offset - fixed_part(fitted))
    else:
        pearson = values.residual
    if kind == "raw":
        return np.asarray(pearson / root, dtype=np.float64)
    if kind == "pearson":
        return np.array(pearson)
    if not solution.sigma > 0.0:
        raise MixedModelsError(
            f"std_residuals: kind={kind!r} divides by sigma, which is 0; use 'raw' or 'pearson'."
        )
    sigma = sigma_without(values, solution) if kind == "studentized" else solution.sigma
    variance = _variance(fitted, values, root**2, kind, marginal=marginal)
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled: FloatArray = pearson / (sigma * np.sqrt(variance))
    return scaled


def _variance(
    fitted: Fitted,
    values: RowValues,
    w: FloatArray | float,
    kind: ResidualKind,
    *,
    marginal: bool,
) -> FloatArray:
    """(n,) variance, over sigma^2, of sqrt(w) times the error or times the residual.

    The residual's is smaller by what the estimates take.
    """
    if not marginal:
        return np.ones(fitted.solution.n) if kind == "scaled" else values.spare
    variance: FloatArray = 1.0 + w * values.prior
    if kind == "scaled":
        return variance
    kept, vcov = fitted.solution.kept, fitted.solution.vcov
    X = fitted.model.design.X[:, kept]
    taken = np.einsum("ij,ij->i", X @ vcov, X) / fitted.solution.sigma**2
    spare = variance - w * taken
    return np.where(spare > _DETERMINED * variance, spare, np.nan)
