"""Generalized fits without rows: by the working model, by one Newton step, or searched again."""

from __future__ import annotations

import numpy as np

from mixedmodels.arrays import FloatArray, IntArray, LongArray
from mixedmodels.diagnostics.deletion import RowSets, deletions_of
from mixedmodels.diagnostics.one_step import Deletions
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.generalized_covariances import known_parameters
from mixedmodels.estimates.rows_left import fit_of_rows, has_scores, part_of_rows
from mixedmodels.estimates.working import working_fit
from mixedmodels.settings import Control, InfluenceMethod


@deletions_of.register
def _(
    fitted: GeneralizedFitted,
    sets: RowSets,
    method: InfluenceMethod,
    control: Control,
    threads: int,
) -> Deletions:
    if method == "held":
        return _held(fitted, sets, control, threads)
    found = _empty(fitted, sets)
    for i in range(len(sets.sizes)):
        left = np.delete(
            np.arange(fitted.model.design.n), sets.rows[sets.start[i] : sets.start[i + 1]]
        )
        if left.size:
            _STEPS[method](fitted, left, control, found, i)
    return found


def _held(fitted: GeneralizedFitted, sets: RowSets, control: Control, threads: int) -> Deletions:
    """One scoring step of the coefficients and modes, theta and the dispersion kept."""
    working, solution = fitted.once(working_fit), fitted.solution
    found = deletions_of(working, sets, "held", control, threads)
    p = solution.p  # thresholds are coefficients of the working model that come after these
    change = (found.beta - working.solution.beta[working.solution.kept])[:, :p]
    out = _empty(fitted, sets)
    out.theta[:] = solution.axes_theta
    out.beta[:] = solution.beta[solution.kept] + change
    out.std_error[:] = found.std_error[:, :p] / found.sigma[:, None]
    out.objective[:] = found.objective
    return out


def _one_step(
    fitted: GeneralizedFitted, left: LongArray, control: Control, out: Deletions, i: int
) -> None:
    """One Newton step of all parameters, by the Hessian of all rows."""
    del control
    solution, m = fitted.solution, len(fitted.solution.theta)
    try:
        part = part_of_rows(fitted, left)
    except MixedModelsError:
        if not has_scores(fitted):
            raise
        return
    known = fitted.once(known_parameters)
    if known is None:
        return
    step = -0.5 * known.known @ part.gradient
    step[np.isnan(np.diag(known.matrix))] = np.nan
    theta = fitted.model.templates.rectify(solution.theta + step[:m])
    out.theta[i] = fitted.model.axes.to_axes(theta)
    out.beta[i] = solution.beta[solution.kept] + step[m : m + solution.p]
    out.std_error[i] = np.sqrt(np.diag(solution.vcov))
    out.objective[i] = part.value


def _exact(
    fitted: GeneralizedFitted, left: LongArray, control: Control, out: Deletions, i: int
) -> None:
    """The search again, of the rows left."""
    again = fit_of_rows(fitted, left, control)
    if again is None:
        return
    other, kept = again.solution, fitted.solution.kept
    places = np.searchsorted(other.kept, kept)
    there = np.isin(kept, other.kept)
    errors = np.sqrt(np.diag(other.vcov))
    out.theta[i] = fitted.model.axes.to_axes(np.array(other.theta))
    out.beta[i, there] = other.beta[kept[there]]
    out.std_error[i, there] = errors[places[there]]
    out.objective[i] = other.objective
    out.decrement[i] = again.optsum.decrement


_STEPS = {"one-step": _one_step, "exact": _exact}


def _empty(fitted: GeneralizedFitted, sets: RowSets) -> Deletions:
    design, count = fitted.model.design, len(sets.sizes)
    m, p = len(fitted.solution.theta), fitted.solution.p

    def unknown(*shape: int) -> FloatArray:
        return np.full(shape, np.nan)

    return Deletions(
        theta=unknown(count, m),
        beta=unknown(count, p),
        std_error=unknown(count, p),
        sigma=np.ones(count),
        objective=unknown(count),
        n=design.n - sets.sizes,
        levels=_levels_left(fitted, sets),
        decrement=unknown(count),
    )


def _levels_left(fitted: GeneralizedFitted, sets: RowSets) -> IntArray:
    groups = fitted.model.design.groups
    out = np.empty((len(sets.sizes), len(groups)), dtype=np.int32)
    for g, group in enumerate(groups):
        rows_of_level = np.bincount(group.codes, minlength=group.n_levels)
        for i in range(len(sets.sizes)):
            gone = np.bincount(
                group.codes[sets.rows[sets.start[i] : sets.start[i + 1]]],
                minlength=group.n_levels,
            )
            out[i, g] = int((gone < rows_of_level).sum())
    return out
