"""Predictions of generalized models with their errors, and means over the random effects.

Errors are those of the linear predictor; limits on the scale of the response are limits there,
transformed, and standard errors go by the slope of the link.
"""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy

from mixedmodels.arrays import BoolArray, FloatArray
from mixedmodels.design.places import used_rows
from mixedmodels.errors import MixedModelsError, warn
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.generalized_covariances import known_parameters, partly_known
from mixedmodels.estimates.tables import fixed_mean
from mixedmodels.estimates.tails import transformed_limits
from mixedmodels.estimates.unknown import PartlyKnown, variances_of_rows
from mixedmodels.estimates.working import working_fit
from mixedmodels.families.links import NODES, mean_over
from mixedmodels.memory import require
from mixedmodels.prediction.generalized import PREDICTIONS, PredictionType
from mixedmodels.prediction.intervals import Wanted
from mixedmodels.prediction.predict import (
    RowSolver,
    absent_rows,
    conditional_variance,
    predicted,
)
from mixedmodels.prediction.replicates import interval_tails
from mixedmodels.prediction.target import Target
from mixedmodels.spelling import chosen_option

# Step of differences in the parameters, in standard errors.
_STEP = 1e-3
# Rounding of the link of a mean, relative, from which on no digits of it are known.
_DIGITS = 1e-6
# Draws of an observation at each row, and numbers drawn at a time.
_DRAWS, _MOST = 4000, 4_000_000


@dataclass(frozen=True, slots=True)
class WantedScale:
    """What interval is asked for, and on which scale.

    Attributes:
        interval: Kind, level and uncertainty.
        type: "response" or "link".
        average: Whether the prediction is the mean over the random effects.

    Raises:
        MixedModelsError: Options that do not go together.
    """

    interval: Wanted
    type: PredictionType = "response"
    average: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "type", chosen_option("type", self.type, PREDICTIONS))
        if self.interval.kind == "prediction" and self.type == "link":
            raise MixedModelsError(
                "kind='prediction' is about an observation, which is on the scale of the response; "
                "leave out type='link', or take kind='confidence'."
            )
        if self.interval.kind == "prediction" and self.average:
            raise MixedModelsError(
                "kind='prediction' with random='average': an observation is drawn at given random "
                "effects. Take random='none' or 'all', or kind='confidence'."
            )


def check_mean_of(fitted: GeneralizedFitted, type: str, *, average: bool) -> None:  # noqa: A002
    """Refuse means whose errors or averages are not those of the linear predictor alone.

    Raises:
        MixedModelsError: On the scale of the response, of ordered responses or of counts with zeros
            of their own; or another scale than that and the link; an average of ordered responses.
    """
    if average and fitted.model.family.ordered:
        raise MixedModelsError(
            "random='average' of ordered responses: a category has no mean. Take random='none', or "
            "average predict(type='prob') over simulated groups."
        )
    of = fitted.distribution
    by_row = not of.family.with_all and isinstance(of.dispersion, np.ndarray)
    if average and by_row:
        raise MixedModelsError(
            "random='average' of truncated counts with predictors of the dispersion. Take "
            "random='none'."
        )
    if type not in ("response", "link"):
        raise MixedModelsError(
            f"type is {type!r:.40}; here it must be 'response' or 'link'. predict() has others."
        )
    if type == "response" and (of.family.ordered or of.zero is not None or by_row):
        what = "ordered responses" if of.zero is None else "counts with zeros of their own"
        what = "truncated counts with predictors of the dispersion" if by_row else what
        raise MixedModelsError(
            f"type='response' of {what} depends on more than the linear predictor. Take "
            "type='link', whose errors are known."
        )


def averaged_means(fitted: GeneralizedFitted, target: Target) -> FloatArray:
    """(n,) means of the response over the random effects, by quadrature on a row's variance.

    NaN, with a warning, where predictors have no mean for more than a thousandth of the random
    effects; fewer are left out.
    """
    found = _averaged(fitted, target, fitted.solution.theta, _population(fitted, target))
    lost = np.isnan(found) & ~absent_rows(target)
    if lost.any():
        warn(
            f"{lost.sum()} of {target.n} rows have no mean over the random effects: by the link "
            f"{fitted.model.family.link.name} too many of their predictors have no mean. Take "
            "random='all' or 'none'.",
        )
    return found


def averaged_predictors(fitted: GeneralizedFitted, means: FloatArray) -> FloatArray:
    """The link of means; NaN where rounding of the mean leaves no digits of it."""
    link = fitted.model.family.link
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        eta = link.predictor(means)
        error = np.finfo(np.float64).eps * np.abs(means / link.slope(eta))
        known = np.isfinite(eta) & (error < _DIGITS * np.maximum(np.abs(eta), 1.0))
    found: FloatArray = np.where(known, eta, np.nan)
    return found


def generalized_intervals(
    fitted: GeneralizedFitted,
    target: Target,
    wanted: WantedScale,
    *,
    random: bool,
    covariance: FloatArray | PartlyKnown,
) -> pd.DataFrame:
    """The table of predictions, standard errors and limits.

    Args:
        fitted: The fit.
        target: The rows.
        wanted: What is asked for.
        random: Whether random effects take part.
        covariance: Of the kept coefficients (p, p), for rows without random effects.
    """
    check_mean_of(fitted, wanted.type, average=wanted.average)
    link, of = fitted.model.family.link, fitted.distribution
    # An average is the mean itself; else the mean is that of what is seen.
    curve = link if wanted.average or wanted.type == "link" else of
    if wanted.average:
        mu = averaged_means(fitted, target)
        eta = averaged_predictors(fitted, mu)
    else:
        eta = predicted(fitted, target)
    with np.errstate(all="ignore"):  # a warning names what is not a number
        if wanted.average:
            variance = _averaged_variance(fitted, target, covariance, wanted)
        else:
            mu = curve.mean(eta)
            variance = _variance(fitted, target, covariance, wanted, random=random)
        variance[absent_rows(target)] = np.nan
        error, tails = np.sqrt(variance), interval_tails(wanted.interval.level)
        if wanted.interval.kind == "prediction":
            table = _observations(fitted, target, eta, error, tails)
        else:
            limits = eta[:, None] + scipy.special.ndtri(tails) * error[:, None]
            if wanted.type == "response":
                limits = transformed_limits(curve.mean_and_slope, eta, limits.T).T
                table = _table(target, mu, error * np.abs(curve.slope(eta)), limits)
            else:
                table = _table(target, eta, error, limits)
    return _warn_of_unknown(target, eta, mu, table, np.isnan(variance))


def _warn_of_unknown(
    target: Target, eta: FloatArray, mu: FloatArray, table: pd.DataFrame, undetermined: BoolArray
) -> pd.DataFrame:
    """The table, with a warning where rows have no interval."""
    rows = table.isna().to_numpy().any(axis=1) & ~absent_rows(target)
    lost = rows & undetermined & np.isfinite(eta)
    if lost.any():
        warn(
            f"{lost.sum()} of {target.n} rows have no interval, as "
            f"{used_rows(np.flatnonzero(lost)[:1], None, target.index)}: the data do not determine "
            "coefficients that they take, which have no standard errors; see fit.messages.",
        )
    rows &= ~lost
    if rows.any():
        at = int(np.argmax(rows))
        warn(
            f"{rows.sum()} of {target.n} rows have no interval in double precision, as "
            f"{used_rows(np.array([at]), None, target.index)}: its linear predictor is "
            f"{eta[at]:.3g} and its mean {mu[at]:.6g}. Predict nearer to the data.",
        )
    return table


def _table(target: Target, at: FloatArray, error: FloatArray, limits: FloatArray) -> pd.DataFrame:
    columns = {"prediction": at, "std_error": error, "lower": limits[:, 0], "upper": limits[:, 1]}
    return pd.DataFrame(columns, target.index)


# -- errors of the predictor ----------------------------------------------------------------------


def _variance(
    fitted: GeneralizedFitted,
    target: Target,
    covariance: FloatArray | PartlyKnown,
    wanted: WantedScale,
    *,
    random: bool,
) -> FloatArray:
    X = target.X[:, fitted.solution.kept]
    if not random:
        return variances_of_rows(X, covariance)
    variance = _joint_variance(fitted, target)
    if wanted.interval.uncertainty == "full":
        variance += _owed_to_others(fitted, target)
    partly = fitted.once(partly_known)
    if partly is not None:
        variance[partly.unknown(X)] = np.nan
    return variance


def _joint_variance(fitted: GeneralizedFitted, target: Target) -> FloatArray:
    """(n,) variance of the error of x'beta + z'b given theta and the family's own parameter.

    By the weights of the determinant of the criterion. Where thresholds move with the coefficients,
    by those of the scoring step.
    """
    model = fitted.model
    if model.family.ordered:
        working = fitted.once(working_fit)
        more = np.zeros((target.n, working.model.design.X.shape[1] - target.X.shape[1]))
        padded = dataclasses.replace(target, X=np.hstack([target.X, more]))
        return conditional_variance(working, padded)
    solver = RowSolver.of(model.products, target)
    with model.criterion().at(fitted.solution.par) as point:
        variance: FloatArray = solver.rows(point).variance
    variance[absent_rows(target)] = np.nan
    return variance


def _owed_to_others(fitted: GeneralizedFitted, target: Target) -> FloatArray:
    """(n,) variance of the predictor that is due to theta and the family's own parameter.

    By differences along the directions in which the coefficients move with each of them, the modes
    following: the law of total variance, given these and over them.
    """
    model, solution = fitted.model, fitted.solution
    m, p = len(solution.theta), solution.p
    known = fitted.once(known_parameters)
    others = np.append(np.arange(m), np.arange(m + p, len(solution.par)))
    out = np.zeros(target.n)
    if known is None or np.isnan(np.diag(known.matrix)[:m]).any():
        return out + np.nan
    covariance = known.known
    others = others[np.diag(covariance)[others] > 0.0]
    if not others.size:
        return out
    values, vectors = np.linalg.eigh(covariance[np.ix_(others, others)])
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    # Columns: how all parameters move with one standard deviation of a combination of the others.
    along = covariance[:, others] @ np.linalg.pinv(covariance[np.ix_(others, others)]) @ root
    criterion = model.own_criterion()
    user = criterion.to_user(solution.par)
    for direction in along.T:
        sides = []
        for sign in (1.0, -1.0):
            at = criterion.from_user(user + sign * _STEP * direction)
            moved = dataclasses.replace(fitted, solution=model.solution(criterion, at))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the same as of the prediction itself
                sides.append(predicted(moved, target))
        out += ((sides[0] - sides[1]) / (2.0 * _STEP)) ** 2
    return out


# -- means over the random effects ----------------------------------------------------------------


def _averaged(
    fitted: GeneralizedFitted, target: Target, theta: FloatArray, eta: FloatArray
) -> FloatArray:
    """(n,) means over the random effects, of which the predictors are `eta` (n,)."""
    link = fitted.model.family.link
    require({f"{target.n} rows at {NODES} nodes": 16.0 * target.n * NODES}, "The prediction")
    sd = np.sqrt(_prior_variance(fitted, target, theta))
    of = fitted.distribution

    def mean(at: FloatArray) -> FloatArray:
        return of.family.seen(link.mean(at), of.dispersion)[0]

    found = mean_over(link, eta, sd, None if of.family.with_all else mean)
    found[absent_rows(target)] = np.nan
    return found


def _population(fitted: GeneralizedFitted, target: Target) -> FloatArray:
    """(n,) predictors without random effects."""
    return fixed_mean(target, np.nan_to_num(fitted.solution.beta))


def _prior_variance(fitted: GeneralizedFitted, target: Target, theta: FloatArray) -> FloatArray:
    """(n,) z' Lambda Lambda' z."""
    templates = fitted.model.templates
    variance = np.zeros(target.n)
    for t, lam in enumerate(templates.lam(theta)):
        group, first = templates.groups[t], templates.term_offsets[t]
        root = target.z[group][:, first : first + templates.sizes[t]] @ lam
        variance += np.einsum("ij,ij->i", root, root)
    return variance


def _averaged_variance(
    fitted: GeneralizedFitted,
    target: Target,
    covariance: FloatArray | PartlyKnown,
    wanted: WantedScale,
) -> FloatArray:
    """(n,) variance of the link of the mean, by the delta method."""
    solution = fitted.solution
    m, p, X = len(solution.theta), solution.p, target.X[:, solution.kept]
    sd, every = np.zeros(m), covariance
    if wanted.interval.uncertainty == "full":
        known = fitted.once(known_parameters)
        if known is None:
            return np.full(target.n, np.nan)
        every, covariance = known.of(slice(0, m + p)), known.of(slice(m, m + p))
        sd = np.sqrt(np.diag(every.matrix)[:m])
    slopes = np.zeros((target.n, m + p))
    for j in np.flatnonzero(sd):
        direction = sd[j] * np.eye(m)[j]
        slopes[:, j] = _difference(fitted, target, direction, np.zeros(target.n)) / sd[j]
    error = np.sqrt(variances_of_rows(X, covariance))
    step = np.where(error > 0.0, error, 1.0)
    by_eta = _difference(fitted, target, np.zeros(m), step) / step
    slopes[:, m:] = by_eta[:, None] * X
    return variances_of_rows(slopes if every is not covariance else slopes[:, m:], every)


def _difference(
    fitted: GeneralizedFitted, target: Target, theta: FloatArray, eta: FloatArray
) -> FloatArray:
    """(n,) slope of the predictor of the mean over the random effects.

    Args:
        fitted: The fit.
        target: The rows.
        theta: (m,) direction of theta, of the size of its error.
        eta: (n,) direction of the predictors, likewise.
    """
    at, about = fitted.solution.theta, _population(fitted, target)
    high, low = (
        averaged_predictors(
            fitted, _averaged(fitted, target, at + step * theta, about + step * eta)
        )
        for step in (_STEP, -_STEP)
    )
    slope: FloatArray = (high - low) / (2.0 * _STEP)
    return slope


# -- observations ---------------------------------------------------------------------------------


def _observations(
    fitted: GeneralizedFitted,
    target: Target,
    eta: FloatArray,
    error: FloatArray,
    tails: FloatArray,
) -> pd.DataFrame:
    """Intervals of new observations: quantiles of draws over the errors of the predictor.

    The draws are the same on every call.
    """
    family, dispersion = fitted.model.family, fitted.solution.dispersion
    if isinstance(dispersion, np.ndarray):
        raise MixedModelsError(
            "kind='prediction': the family's parameter has predictors, by which observations vary; "
            "take kind='confidence'."
        )
    m = np.ones(target.n) if target.weights is None else target.weights
    rng = np.random.default_rng(1)
    normal = scipy.special.ndtri((np.arange(_DRAWS) + 0.5) / _DRAWS)
    spread, limits = np.full(target.n, np.nan), np.full((target.n, 2), np.nan)
    rows = np.flatnonzero(np.isfinite(eta) & np.isfinite(error))
    some = max(1, _MOST // _DRAWS)
    for first in range(0, len(rows), some):
        part = rows[first : first + some]
        with np.errstate(invalid="ignore", divide="ignore"):
            mu = family.link.mean(eta[part] + error[part] * rng.permutation(normal)[:, None])
        drawn = fitted.shown_of(family.possible_draws(rng, mu, m[part], dispersion), m[part])
        spread[part] = drawn.std(axis=0)
        limits[part] = np.quantile(drawn, tails, axis=0, method="inverted_cdf").T
    at = fitted.distribution.mean(eta)
    return _table(target, fitted.shown_of(at * m, m) if family.of_trials else at, spread, limits)
