"""One Newton step from the fit with all rows to the fit without some of them.

The gradient is that of the criterion of the rows left, exact; the Hessian is that of all rows. For
single rows all gradients come at once: without row i, with theta held,

    pwrss  falls by r^2 / (1 - h),        log|L|^2             grows by log(1 - h_Z),
    beta   falls by direction r / (1 - h),  log|L|^2 |RX|^2    grows by log(1 - h),

with h the hat value, h_Z its random share and r the weighted residual (see `rows`). What one row
changes in the criterion is thus a smooth function of theta with known values for all rows, and its
differences in theta cost two evaluations per parameter whatever the number of rows.

Gradient and Hessian give the same step for any origin of a covariate; the templates that it leads
to are made along the forward axes of the terms (`advance`), where this holds to all orders.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixedmodels._core import advance
from mixedmodels.arrays import BoolArray, FloatArray, IntArray, LongArray
from mixedmodels.covariance import Templates
from mixedmodels.diagnostics.rows import values_at
from mixedmodels.estimates.forward import ForwardAxes
from mixedmodels.estimates.linear import Fitted

# Curvature, relative to the largest, below which a direction is flat and no step is made along it.
_FLAT = 1e-8
# Steps of the differences in theta, in natural units; they are central, so the error is its square.
_STEP = 1e-4


def no_step(fitted: Fitted) -> FloatArray:
    """(m, m) zeros in the place of an inverse Hessian: theta is kept."""
    m = len(fitted.solution.axes_theta)
    return np.zeros((m, m), order="F")


def newton_matrix(fitted: Fitted) -> FloatArray:
    """(m, m) inverse Hessian at the optimum, zero for entries of theta that stand at zero."""
    theta, criterion = fitted.solution.axes_theta, fitted.criterion
    hessian = criterion.hessian(theta)
    unit = np.where(theta == 0.0, 0.0, criterion.unit)
    values, vectors = np.linalg.eigh(hessian * np.outer(unit, unit))
    curved = values > _FLAT * values.max(initial=0.0)
    inverse = np.divide(1.0, values, out=np.zeros_like(values), where=curved)
    scaled = (vectors * inverse) @ vectors.T
    return np.asfortranarray(scaled * np.outer(unit, unit))


@dataclass(frozen=True, slots=True, eq=False)
class Deletions:
    """Fits without sets of rows; NaN where nothing can be computed.

    Attributes:
        theta: (sets, m) along the axes of the terms.
        beta: (sets, p) kept coefficients; NaN for those that the rows left do not determine.
        std_error: (sets, p).
        sigma: (sets,).
        objective: (sets,) the criterion.
        n: (sets,) rows left.
        levels: (sets, groups) levels left.
        decrement: (sets,) what the criterion may still fall; NaN after one step.
    """

    theta: FloatArray
    beta: FloatArray
    std_error: FloatArray
    sigma: FloatArray
    objective: FloatArray
    n: LongArray
    levels: IntArray
    decrement: FloatArray

    def refuse(self, refused: BoolArray) -> None:
        """Make the estimates of some fits NaN."""
        for values in (self.theta, self.beta, self.std_error, self.sigma, self.objective):
            values[refused] = np.nan


@dataclass(frozen=True, slots=True, eq=False)
class _Without:
    """Every row's fit without it at one theta.

    Attributes:
        change: (n,) change of the criterion by leaving the row out.
        beta: (n, p) coefficients.
        log_pwrss: (n,).
        log_spread: (n, p) logarithms of the standard errors over sigma.
    """

    change: FloatArray
    beta: FloatArray
    log_pwrss: FloatArray
    log_spread: FloatArray


def rows_by_one_step(fitted: Fitted, rows: LongArray, newton: FloatArray) -> Deletions:
    """The fits without each of these single rows.

    Args:
        fitted: The fit with all rows.
        rows: (k,) positions.
        newton: (m, m) what takes gradients to steps of theta; zeros keep it where it is.
    """
    solution, model = fitted.solution, fitted.model
    theta, n = solution.axes_theta, len(rows)
    at = _without(fitted, theta, rows)
    free = np.flatnonzero(newton.any(axis=0)).tolist()
    size = np.maximum(np.abs(theta), 0.1 * model.axes.unit)
    slopes = {k: _slope(fitted, k, rows, _STEP * size[k]) for k in free}
    gradient = np.zeros((n, len(theta)))
    for k, slope in slopes.items():
        gradient[:, k] = slope.change
    step = -gradient @ newton
    # A standard deviation by itself stops at zero; what a step means for others `advance` decides.
    held = _alone(model.templates) & (theta + step < 0.0)
    step = np.where(held, -theta, step)
    beta, log_pwrss, log_spread = at.beta.copy(), at.log_pwrss.copy(), at.log_spread.copy()
    for k, slope in slopes.items():
        by = step[:, k]
        beta += by[:, None] * slope.beta
        log_pwrss += by * slope.log_pwrss
        log_spread += by[:, None] * slope.log_spread
    axes = ForwardAxes.of(model.products, model.templates)
    df = solution.scale_df - 1
    sigma = np.sqrt(np.exp(log_pwrss) / df) if df > 0 else np.full(n, np.nan)
    levels = np.empty((n, len(model.design.groups)), dtype=np.int32)
    for g, group in enumerate(model.design.groups):
        alone = np.bincount(group.codes, minlength=group.n_levels)[group.codes[rows]] == 1
        levels[:, g] = group.n_levels - alone
    return Deletions(
        theta=advance(theta, np.ascontiguousarray(step), *axes.packed()),
        beta=beta,
        std_error=sigma[:, None] * np.exp(log_spread),
        sigma=sigma,
        objective=solution.objective + at.change + 0.5 * np.einsum("ij,ij->i", gradient, step),
        n=np.full(n, n_left(fitted)),
        levels=levels,
        decrement=np.full(n, np.nan),
    )


def _alone(templates: Templates) -> BoolArray:
    """(m,) entries of theta of terms with one column."""
    return np.array([templates.sizes[t] == 1 for t, _, _ in templates.entries.tolist()])


def n_left(fitted: Fitted) -> int:
    """Rows less one."""
    return fitted.solution.n - 1


def _slope(fitted: Fitted, k: int, rows: LongArray, step: float) -> _Without:
    """Derivatives of `_without` with respect to theta_k, by central differences."""
    theta = fitted.solution.axes_theta
    move = np.zeros_like(theta)
    move[k] = step
    up = _without(fitted, theta + move, rows)
    down = _without(fitted, theta - move, rows)
    return _Without(
        *(
            (getattr(up, name) - getattr(down, name)) / (2.0 * step)
            for name in ("change", "beta", "log_pwrss", "log_spread")
        )
    )


def _fit(df: int, log_pwrss: FloatArray) -> FloatArray:
    """What the sum of squares adds to the criterion at its best variance."""
    added: FloatArray = df * (1.0 + np.log(2.0 * np.pi / max(df, 1)) + log_pwrss)
    return added


def _without(fitted: Fitted, theta: FloatArray, rows: LongArray) -> _Without:
    reml, df = fitted.solution.reml, fitted.solution.scale_df
    with fitted.criterion.at(theta) as point:
        values = values_at(point, directions=True)
        pwrss_of_all, RX, beta = point.pwrss, point.RX, point.beta
    spare, residual = values.spare[rows], values.residual[rows]
    direction = values.direction[rows]
    with np.errstate(divide="ignore", invalid="ignore"):
        pwrss = pwrss_of_all - residual**2 / spare
        log_pwrss = np.log(np.where(pwrss > 0.0, pwrss, np.nan))
        log_det = np.log(spare if reml else 1.0 - values.random[rows])
    change = log_det + _fit(df - 1, log_pwrss) - _fit(df, np.log(pwrss_of_all))
    if fitted.model.design.w is not None:
        change += np.log(fitted.model.design.w[rows])
    root = np.linalg.inv(RX @ fitted.model.products.R)
    spread = np.einsum("ij,ij->i", root, root) + direction**2 / spare[:, None]
    return _Without(
        change=change,
        beta=beta - direction * (residual / spare)[:, None],
        log_pwrss=log_pwrss,
        log_spread=0.5 * np.log(spread),
    )
