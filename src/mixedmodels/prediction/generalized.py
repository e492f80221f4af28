"""Responses and residuals of generalized models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.covariance import Templates
from mixedmodels.design import Design
from mixedmodels.design.places import used_rows
from mixedmodels.errors import MixedModelsError, ModelError, warn
from mixedmodels.estimates.components import exponential, of_role, probability
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.generalized_refits import GeneralizedRefitter
from mixedmodels.estimates.own import own_coefficients
from mixedmodels.estimates.parameters import to_sd_cor
from mixedmodels.estimates.tables import fixed_mean, random_part
from mixedmodels.estimates.working import pearson_residuals, working_residuals
from mixedmodels.families.base import DISPERSION, ZERO_INFLATION
from mixedmodels.families.distribution import Distribution
from mixedmodels.families.links import Link
from mixedmodels.families.ordinal import OrderedDistribution
from mixedmodels.prediction.bootstrap import Plan, Replicates, replicates_of
from mixedmodels.prediction.parameters_at import distribution_at, predictor_at
from mixedmodels.prediction.simulate import Seed, random_generator, simulator
from mixedmodels.settings import BOOTSTRAPS, MODES, BootstrapKind, Modes, thread_count
from mixedmodels.spelling import chosen_option

PredictionType: TypeAlias = Literal[
    "response", "link", "conditional", "zprob", "zlink", "disp", "zero", "prob", "class"
]
ResidualType: TypeAlias = Literal["deviance", "pearson", "response", "working", "quantile"]
PREDICTIONS: tuple[PredictionType, ...] = get_args(PredictionType)
RESIDUALS: tuple[ResidualType, ...] = get_args(ResidualType)

# Draws of which a quantile residual is a share.
_DRAWS = 250


def predicted_values(
    fitted: GeneralizedFitted, kind: PredictionType, predictors: pd.Series[float], data: Any
) -> FloatArray:
    """(n,) predictions of a kind.

    Args:
        fitted: The fit.
        kind: Another kind than "link".
        predictors: (n,) linear predictors of the mean, by row label.
        data: The rows as given, or None for those of the fit.

    Raises:
        MixedModelsError: The model has no such parameter.
    """
    if kind in ("prob", "class"):
        raise MixedModelsError(f"type is {kind!r}, {_without_categories(fitted)}.")
    eta = predictors.to_numpy()
    mu = _means(fitted.model.family.link, eta, predictors.index)
    if kind == "conditional":
        return mu
    if kind == "response":
        return distribution_at(fitted, data).mean(eta)
    role = DISPERSION if kind == "disp" else ZERO_INFLATION
    component = of_role(fitted.model.components, role)
    if component is None:
        raise MixedModelsError(f"type is {kind!r}; {_without_role(fitted, role)}.")
    predictor = predictor_at(fitted, component, data)
    values = predictor
    if kind != "zlink":
        values = exponential(predictor) if kind == "disp" else probability(predictor)
    found: FloatArray = np.where(np.isnan(eta), np.nan, values)
    return found


def _means(link: Link, eta: FloatArray, index: pd.Index) -> FloatArray:
    """Means at predictors, with a warning where the link has none."""
    mu = link.mean(eta)
    rows = np.isfinite(eta) & ~np.isfinite(mu)
    if rows.any():
        at = int(np.argmax(rows))
        warn(
            f"{rows.sum()} of {len(eta)} rows have no mean under the {link.name} link, as "
            f"{used_rows(np.array([at]), None, index)}: its linear predictor is {eta[at]:.3g}. "
            "Predict nearer to the data, or take a link under which every predictor has a mean "
            '(link="log").'
        )
    return mu


def _without_categories(fitted: GeneralizedFitted) -> str:
    start = "which is for ordered responses"
    if not fitted.model.family.of_trials:
        return f'{start}; means are type="response"'
    return f'{start}; the probability of success is type="response"' + (
        ", a limit of your own makes classes of it" if (fitted.model.weights == 1.0).all() else ""
    )


def _without_role(fitted: GeneralizedFitted, role: str) -> str:
    if role == ZERO_INFLATION:
        return "the model was fitted without zero_inflation="
    return f"the {fitted.model.family.title} family has no parameter beside its mean"


def category_probabilities(fitted: GeneralizedFitted, eta: pd.Series[float]) -> pd.DataFrame:
    """(n, J) probabilities of the categories, in columns called as these; by row label."""
    of = fitted.distribution
    assert isinstance(of, OrderedDistribution)
    columns = fitted.model.design.categories
    return pd.DataFrame(of.probabilities(eta.to_numpy()), eta.index, columns)


def as_categories(design: Design, y: FloatArray) -> pd.Categorical:
    """Categories by their numbers; missing where these are NaN."""
    codes = np.where(np.isnan(y), -1, y).astype(np.int64)
    return pd.Categorical.from_codes(codes, design.categories, ordered=True)


def most_likely(fitted: GeneralizedFitted, eta: pd.Series[float]) -> pd.Series[Any]:
    """The category with the largest probability, by row label."""
    p = category_probabilities(fitted, eta).to_numpy()
    found = np.where(np.isnan(p).any(axis=1), np.nan, np.nan_to_num(p).argmax(axis=1))
    return pd.Series(as_categories(fitted.model.design, found), eta.index, name="prediction")


def fitted_means(fitted: GeneralizedFitted) -> FloatArray:
    """(n,) means; of ordered responses the probability of the category observed."""
    eta, of = fitted.solution.eta, fitted.distribution
    if isinstance(of, OrderedDistribution):
        y = fitted.model.design.y.astype(np.int64)
        found: FloatArray = of.probabilities(eta)[np.arange(len(y)), y]
        return found
    return of.mean(eta)


def residuals_of_type(
    fitted: GeneralizedFitted, kind: ResidualType, seed: Seed = None
) -> FloatArray:
    """(n,) residuals given the modes."""
    m = fitted.model.weights
    y, eta, of = fitted.mean_response, fitted.solution.eta, fitted.distribution
    if kind == "quantile":
        return _quantiles(fitted, seed)
    left: FloatArray = y - of.mean(eta)
    if kind == "response":
        return left
    if kind == "working":
        return working_residuals(fitted)
    if kind == "pearson":
        return pearson_residuals(fitted)
    unit = np.maximum(of.unit_deviance(y, eta), 0.0)
    deviance: FloatArray = np.sign(left) * np.sqrt(m * unit)
    return deviance


def _quantiles(fitted: GeneralizedFitted, seed: Seed) -> FloatArray:
    model, eta = fitted.model, fitted.solution.eta
    rng, _ = random_generator(seed)
    below = np.zeros(len(eta))
    same = np.zeros(len(eta))
    for _ in range(_DRAWS):
        drawn = fitted.distribution.draw(rng, eta, model.weights)
        below += drawn < model.design.y
        same += drawn == model.design.y
    found: FloatArray = (below + rng.random(len(eta)) * (same + 1.0)) / (_DRAWS + 1.0)
    return found


class Draws:
    """Draws responses of a generalized model; of trials, successes.

    Args:
        design: The design.
        templates: What theta means.
        distribution: That of the responses.
        m: (n,) prior weights; trials.
        eta: (n,) linear predictor, or its part without random effects.
        lam: Templates of random effects that are drawn; None for none.
    """

    def __init__(
        self,
        design: Design,
        templates: Templates,
        distribution: Distribution,
        m: FloatArray,
        eta: FloatArray,
        lam: Sequence[FloatArray] | None,
    ) -> None:
        self._design, self._templates = design, templates
        self._distribution, self._m = distribution, m
        self._eta, self._lam = eta, lam

    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """(count, n) responses."""
        return np.array([self._one(rng) for _ in range(count)])

    def _one(self, rng: np.random.Generator) -> FloatArray:
        eta = self._eta
        if self._lam is not None:
            design, templates = self._design, self._templates
            normal, starts = rng.standard_normal(templates.q), templates.term_starts
            for t, lam in enumerate(self._lam):
                part = normal[starts[t] : starts[t + 1]]
                normal[starts[t] : starts[t + 1]] = (part.reshape(-1, len(lam)) @ lam.T).ravel()
            eta = eta + random_part(templates, design.groups, design.terms, normal, design.n)
        return self._distribution.draw(rng, eta, self._m)


@simulator.register
def _(fitted: GeneralizedFitted, modes: Modes, kind: BootstrapKind = "parametric") -> Draws:
    modes = chosen_option("modes", modes, MODES)
    kind = chosen_option("kind", kind, BOOTSTRAPS)
    if kind == "residual":
        raise ModelError(
            "kind='residual' resamples residuals of rows, which a generalized model does not have; "
            "kind='parametric' draws from the family."
        )
    model, solution = fitted.model, fitted.solution
    eta, lam = solution.eta, None
    if modes == "new":
        eta = fixed_mean(model.design, solution.beta)
        lam = model.templates.lam(solution.theta)
    return Draws(model.design, model.templates, fitted.distribution, model.weights, eta, lam)


@replicates_of.register
def _(fitted: GeneralizedFitted, plan: Plan) -> Callable[[FloatArray], Replicates]:
    model, control = fitted.model, fitted.optsum.control
    threads = model.affordable_threads(thread_count(plan.threads, model.threads))
    refitter = GeneralizedRefitter(model, fitted.solution.par, control, threads)
    m, p = model.templates.m, fitted.solution.p
    others_of = own_coefficients(fitted).of

    def replicates(responses: FloatArray) -> Replicates:
        user, objective = refitter(responses)
        theta, beta = user[:, :m], user[:, m : m + p]
        random = to_sd_cor(model.templates, theta, np.ones(len(user)))
        scale = np.exp(user[:, m + p :][:, list(fitted.scale_places)])
        others = others_of(user[:, m + p :])
        return Replicates(np.column_stack([random, scale, beta, others]), theta, objective)

    return replicates
