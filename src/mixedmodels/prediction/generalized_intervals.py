"""Predictions of generalized models with their errors, and means over the random effects.

Errors are those of the linear predictor; limits on the scale of the response are limits there,
transformed, and standard errors go by the slope of the link. A mean that depends on other
predictors too has the errors of all of them, by the delta method, in units of the linear one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy

from mixedmodels.arrays import BoolArray, FloatArray
from mixedmodels.design import Design
from mixedmodels.design.places import used_rows
from mixedmodels.errors import MixedModelsError, warn
from mixedmodels.estimates.components import probability
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.generalized_covariances import known_parameters
from mixedmodels.estimates.tables import fixed_mean
from mixedmodels.estimates.tails import transformed_limits
from mixedmodels.estimates.unknown import PartlyKnown, variances_of_rows
from mixedmodels.families.base import ZERO_INFLATION
from mixedmodels.families.distribution import Distribution
from mixedmodels.families.links import NODES, mean_over
from mixedmodels.memory import require
from mixedmodels.prediction.generalized import PREDICTIONS, PredictionType
from mixedmodels.prediction.intervals import Wanted
from mixedmodels.prediction.parameters_at import (
    MeanCurve,
    OtherPredictor,
    distribution_at,
    mean_components,
    mean_ratios,
    other_predictors,
)
from mixedmodels.prediction.predict import absent_rows, predicted
from mixedmodels.prediction.predictor_errors import (
    Asked,
    errors_of_rows,
    errors_with_modes,
    errors_without,
)
from mixedmodels.prediction.replicates import interval_tails
from mixedmodels.prediction.target import Target
from mixedmodels.spelling import chosen_option

# Step of differences of means over the random effects, in standard errors.
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
    """Refuse what has no mean, and averages that are not had.

    Raises:
        MixedModelsError: On the scale of the response, of ordered responses; or another scale than
            that and the link; an average of ordered responses.
    """
    if average and fitted.model.family.ordered:
        raise MixedModelsError(
            "random='average' of ordered responses: a category has no mean. Take random='none', or "
            "average predict(type='prob') over simulated groups."
        )
    if type != "link" and fitted.model.family.ordered:
        raise MixedModelsError(
            "Of ordered responses a category has no mean, and predict_interval() has limits with "
            "type='link' only. Probabilities of the categories with limits are fit.emmeans("
            f"{_probabilities(fitted.model.design)})."
        )
    of = fitted.distribution
    if average and not of.family.with_all and isinstance(of.dispersion, np.ndarray):
        raise MixedModelsError(
            "random='average' of truncated counts with predictors of the dispersion. Take "
            "random='none'."
        )
    if type not in ("response", "link"):
        raise MixedModelsError(
            f"type is {type!r:.40}; here it must be 'response' or 'link'. predict() has others."
        )


def _probabilities(design: Design) -> str:
    """Arguments of emmeans() that give probabilities of the categories."""
    factors = [name for name, of in design.variables.items() if of.levels is not None]
    numbers = [name for name in design.variables if name not in factors]
    within = f" | {factors[0]}" if factors else ""
    at = f", at={{{numbers[0]!r}: [...]}}" if numbers else ""
    return f'"~ {design.category_name}{within}", type="prob"{at}'


def check_covariance(fitted: GeneralizedFitted, wanted: WantedScale) -> None:
    """Refuse a covariance of the fixed effects where the mean has other coefficients too.

    Raises:
        MixedModelsError: It has.
    """
    parts = mean_components(fitted.model)
    if parts and wanted.type == "response":
        roles = " and ".join(part.role.replace("_", " ") for part in parts)
        raise MixedModelsError(
            f"vcov= is a covariance of the fixed effects alone; the mean has the {roles} too. "
            "Take type='link', or leave out vcov=."
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


def averaged_values(
    fitted: GeneralizedFitted,
    target: Target,
    data: Any,
    type: PredictionType,  # noqa: A002
) -> FloatArray:
    """(n,) means over the random effects, or the link of those without zeros of their own.

    Args:
        fitted: The fit.
        target: The rows.
        data: The rows as given, or None for those of the fit.
        type: "response" or "link".
    """
    means = averaged_means(fitted, target)
    if type == "link":
        return averaged_predictors(fitted, means)
    return MeanCurve(fitted.model.family.link, distribution_at(fitted, data).zero).of_mean(means)


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
    data: Any,
    *,
    random: bool,
    covariance: FloatArray | PartlyKnown,
) -> pd.DataFrame:
    """The table of predictions, standard errors and limits.

    Args:
        fitted: The fit.
        target: The rows.
        wanted: What is asked for.
        data: The rows as given, or None for those of the fit.
        random: Whether random effects take part.
        covariance: Of the kept coefficients (p, p), for rows without random effects.
    """
    check_mean_of(fitted, wanted.type, average=wanted.average)
    link = fitted.model.family.link
    others: tuple[OtherPredictor, ...] = ()
    if wanted.type == "link":
        curve: Distribution | MeanCurve = MeanCurve(link)
        of = fitted.distribution
    else:
        of = fitted.distribution if fitted.model.family.ordered else distribution_at(fitted, data)
        # An average is the mean itself; else the mean is that of what is seen.
        curve = MeanCurve(link, of.zero) if wanted.average else of
        parts = mean_components(fitted.model)
        if wanted.average:
            parts = tuple(part for part in parts if part.role == ZERO_INFLATION)
        others = other_predictors(fitted, parts, data, target.n)
    if wanted.average:
        means = averaged_means(fitted, target)
        eta = averaged_predictors(fitted, means)
    else:
        eta = predicted(fitted, target)
    with np.errstate(all="ignore"):  # a warning names what is not a number
        mu = (
            curve.of_mean(means)
            if isinstance(curve, MeanCurve) and wanted.average
            else curve.mean(eta)
        )
        ratios = mean_ratios(of, curve, eta, others)
        full = wanted.interval.uncertainty == "full"
        asked = Asked(fitted, target, full, covariance, others, ratios)
        if wanted.average:
            errors = _averaged_errors(asked)
        else:
            errors = errors_with_modes(asked) if random else errors_without(asked)
        absent = absent_rows(target)
        for other in others:
            absent |= np.isnan(other.values)
        errors[absent] = np.nan
        variance = np.einsum("ni,nij,nj->n", ratios, errors, ratios)
        error, tails = np.sqrt(variance), interval_tails(wanted.interval.level)
        if wanted.interval.kind == "prediction":
            table = _observations(asked, of, eta, errors, tails)
        else:
            limits = eta[:, None] + scipy.special.ndtri(tails) * error[:, None]
            if wanted.type == "response":
                limits = transformed_limits(curve.mean_and_slope, eta, limits.T).T
                table = _table(target, mu, error * np.abs(curve.slope(eta)), limits)
            else:
                table = _table(target, eta, error, limits)
    undetermined: BoolArray = np.asarray(np.isnan(errors).any(axis=(1, 2)))
    return _warn_of_unknown(target, eta, mu, table, undetermined, absent)


def _warn_of_unknown(
    target: Target,
    eta: FloatArray,
    mu: FloatArray,
    table: pd.DataFrame,
    undetermined: BoolArray,
    absent: BoolArray,
) -> pd.DataFrame:
    """The table, with a warning where rows have no interval."""
    rows = table.isna().to_numpy().any(axis=1) & ~absent
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


def _averaged_errors(asked: Asked) -> FloatArray:
    """Errors of the link of the mean and of the other predictors, by the delta method."""
    fitted, target, covariance = asked.fitted, asked.target, asked.covariance
    solution, X = fitted.solution, asked.X
    m, p = len(solution.theta), solution.p
    sd = np.zeros(m)
    known = fitted.once(known_parameters) if asked.full or asked.others else None
    if asked.full or asked.others:
        if known is None:
            return np.full((target.n, 1 + len(asked.others), 1 + len(asked.others)), np.nan)
        covariance = known.of(slice(m, m + p))
    if known is not None and asked.full:
        sd = np.sqrt(np.diag(known.of(slice(0, m + p)).matrix)[:m])
    slopes = np.zeros((target.n, m + p))
    for j in np.flatnonzero(sd):
        direction = sd[j] * np.eye(m)[j]
        slopes[:, j] = _difference(fitted, target, direction, np.zeros(target.n)) / sd[j]
    error = np.sqrt(variances_of_rows(X, covariance))
    step = np.where(error > 0.0, error, 1.0)
    by_eta = _difference(fitted, target, np.zeros(m), step) / step
    slopes[:, m:] = by_eta[:, None] * X
    if known is None:
        return variances_of_rows(slopes[:, m:], covariance)[:, None, None]
    first = 0 if asked.full else m
    rows = [np.hstack([slopes[:, first:], np.zeros((target.n, len(solution.psi)))])]
    rows += [
        np.hstack([np.zeros((target.n, m + p - first)), other.slopes]) for other in asked.others
    ]
    return errors_of_rows(asked, rows, known.of(slice(first, None)))


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
    asked: Asked,
    of: Distribution,
    eta: FloatArray,
    errors: FloatArray,
    tails: FloatArray,
) -> pd.DataFrame:
    """Intervals of new observations: quantiles of draws over the errors of the predictors.

    The dispersion is taken as known. The draws are the same on every call.
    """
    fitted, target, others = asked.fitted, asked.target, asked.others
    family = fitted.model.family
    m = np.ones(target.n) if target.weights is None else target.weights
    rng = np.random.default_rng(1)
    normal = scipy.special.ndtri((np.arange(_DRAWS) + 0.5) / _DRAWS)
    spread, limits = np.full(target.n, np.nan), np.full((target.n, 2), np.nan)
    known = np.isfinite(np.einsum("ni,nij,nj->n", asked.ratios, errors, asked.ratios))
    rows = np.flatnonzero(np.isfinite(eta) & known)
    some = max(1, _MOST // _DRAWS)
    for first in range(0, len(rows), some):
        part = rows[first : first + some]
        root = _roots(np.nan_to_num(errors[part]))
        moves = [rng.permutation(normal)[:, None] for _ in range(1 + len(others))]
        values = [eta[part], *(other.values[part] for other in others)]
        at = [
            value + sum(root[:, j, i] * move for i, move in enumerate(moves[: j + 1]))
            for j, value in enumerate(values)
        ]
        with np.errstate(invalid="ignore", divide="ignore"):
            mu = family.link.mean(at[0])
        dispersion = of.dispersion
        if isinstance(dispersion, np.ndarray):
            dispersion = np.broadcast_to(dispersion[part], mu.shape)
        zeros = [
            probability(drawn)
            for other, drawn in zip(others, at[1:], strict=True)
            if other.role == ZERO_INFLATION
        ]
        made = family.possible_draws(rng, mu, m[part], dispersion)
        for zero in zeros:
            made = np.where(rng.random(made.shape) < zero, 0.0, made)
        shown = fitted.shown_of(made, m[part])
        spread[part] = shown.std(axis=0)
        limits[part] = np.quantile(shown, tails, axis=0, method="inverted_cdf").T
    center = of.mean(eta)
    return _table(
        target, fitted.shown_of(center * m, m) if family.of_trials else center, spread, limits
    )


def _roots(covariances: FloatArray) -> FloatArray:
    """(n, c, c) lower triangles R with R R' the covariances, which may be singular."""
    out = np.zeros_like(covariances)
    for j in range(covariances.shape[1]):
        pivot = covariances[:, j, j] - (out[:, j, :j] ** 2).sum(axis=1)
        out[:, j, j] = np.sqrt(np.maximum(pivot, 0.0))
        for i in range(j + 1, covariances.shape[1]):
            left = covariances[:, i, j] - (out[:, i, :j] * out[:, j, :j]).sum(axis=1)
            out[:, i, j] = np.where(out[:, j, j] > 0.0, left / out[:, j, j], 0.0)
    return out
