"""Runs the checks of a fit: numbers of the data, the same numbers of simulated data, verdicts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.checking.missing_codes import missing_codes_check
from mixedmodels.checking.numbers import (
    FEW,
    Squares,
    View,
    kurtosis,
    normal_scores,
    not_normal,
    not_uniform,
    ranks_among,
    skewness,
    spread_between,
    spread_ratio,
)
from mixedmodels.checking.result import Check, Checks, Shown, Verdict, rare
from mixedmodels.design.by_row import used_labels
from mixedmodels.diagnostics.deletion import influence
from mixedmodels.diagnostics.variance import vif
from mixedmodels.errors import MixedModelsError, ModelError
from mixedmodels.estimates.linear import Fitted
from mixedmodels.estimates.messages import singular_terms
from mixedmodels.estimates.refits import Refitter
from mixedmodels.memory import require
from mixedmodels.prediction.simulate import (
    MOST_NUMBERS,
    Seed,
    check_count,
    random_generator,
    response_chunks,
    simulator,
)
from mixedmodels.settings import InfluenceMethod, thread_count

# Numbers of simulated responses that are made if the user does not say how many data sets.
_NUMBERS = 5e6
_MOST, _LEAST = 199, 99
# Cook's distances, and variance inflations, from which on they are worth a look, and a problem.
_COOKS = (0.5, 1.0)
_SKEWED = 0.5
_VIF = (5.0, 10.0)
# Levels and rows above which deletions are not made for a check.
_MOST_LEVELS = 2000

SPREAD, LEVELS = "Spread", "Spread between levels"
NORMAL, EFFECTS, SIMULATED = "Normal residuals", "Normal random effects", "Simulated residuals"


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    """Numbers by check; scores of squares apart, which need their spread to be compared."""

    numbers: dict[str, float]
    scores: FloatArray


class _Measure:
    """Measures a view; what does not depend on the response is made once."""

    def __init__(self, fitted: Fitted) -> None:
        design = fitted.model.design
        self.squares = Squares(design, fitted.solution.kept.astype(np.int64))
        self.coarsest = min(design.groups, key=lambda group: group.n_levels)
        self._codes = self.coarsest.codes.astype(np.int64)
        self._scores = normal_scores(design.n)
        self._of_levels = {
            group.n_levels: normal_scores(group.n_levels)
            for group in design.groups
            if group.n_levels >= FEW
        }

    def __call__(self, view: View) -> _Measured:
        numbers = {
            SPREAD: abs(spread_ratio(view)),
            LEVELS: spread_between(view, self._codes, self.coarsest.n_levels),
            NORMAL: not_normal(view.scaled, self._scores),
        }
        for name, modes in view.modes.items():
            scores = self._of_levels.get(len(modes))
            number = np.nan if scores is None else not_normal(modes, scores)
            numbers[f"{EFFECTS}: {name}"] = number
        return _Measured(numbers, self.squares.scores(view))


@singledispatch
def check_fit(
    fitted: Any,
    nsim: int | None,
    seed: Seed,
    threads: int | None,
    report: Callable[[int, int], None],
) -> Checks:
    """The checks of a fit of whichever kind; see `LinearMixedFit.check`.

    Raises:
        MixedModelsError: An unusable number, seed or number of threads, or sigma = 0.
    """
    raise NotImplementedError(type(fitted))


@check_fit.register
def _(
    fitted: Fitted,
    nsim: int | None,
    seed: Seed,
    threads: int | None,
    report: Callable[[int, int], None],
) -> Checks:
    model, solution = fitted.model, fitted.solution
    if not solution.sigma > 0.0:
        raise MixedModelsError("check: sigma is 0, so there are no residuals to look at.")
    design = model.design
    count = affordable(design.n) if nsim is None else check_count("nsim", nsim)
    rng, entropy = random_generator(seed)
    measure = _Measure(fitted)
    view = View.of(model, solution, design.y)
    found = measure(view)
    require({f"{count} simulated responses": 24.0 * count * design.n}, "check",
            remedy="Use a smaller nsim.")  # fmt: skip
    draws = np.concatenate(
        list(response_chunks(simulator(fitted, "new"), rng, count, design.n + model.templates.q))
    )
    simulated = _simulated(fitted, measure, draws, threads, report)
    uniform, quantile = quantiles_check(design.y, draws, rng)
    cooks, of = cooks_of(fitted)
    inflation = inflation_of(fitted)
    checks = (
        _linearity(measure.squares.names, found, simulated),
        _spread(view, found, simulated),
        _levels(measure.coarsest.name, found, simulated),
        _normal(fitted, view, found, simulated),
        _effects(view, found, simulated),
        uniform,
        influence_check(cooks, of),
        collinearity_check(inflation),
        singular_check(fitted),
        *missing_codes_check(design),
    )
    shown = Shown(view.fitted, view.scaled, view.modes, quantile, cooks, of, inflation)
    return Checks(checks, design.formula.text, count, entropy, shown)


def affordable(n: int) -> int:
    """Simulated data sets of so many rows, where the user does not say how many."""
    return int(np.clip(_NUMBERS / n, _LEAST, _MOST))


def _simulated(
    fitted: Fitted,
    measure: _Measure,
    draws: FloatArray,
    threads: int | None,
    report: Callable[[int, int], None],
) -> list[_Measured]:
    """The numbers of fits to simulated responses; those without a fit are left out."""
    model, solution = fitted.model, fitted.solution
    count = model.affordable_threads(thread_count(threads, model.threads))
    control = fitted.optsum.control
    refitter = Refitter(model, solution.reml, solution.axes_theta, control, count)
    out: list[_Measured] = []
    for responses in _parts(draws, count):
        for y, theta in zip(responses, refitter(responses).theta, strict=True):
            if np.isfinite(theta).all():
                own = model.with_response(y)
                found = own.solution(own.criterion(reml=solution.reml), theta)
                out.append(measure(View.of(own, found, y)))
        report(len(out), len(draws))
    return out


def _parts(draws: FloatArray, threads: int) -> Iterator[FloatArray]:
    """Responses in chunks that grow until one takes half a second."""
    done, size = 0, 4 * threads
    most = max(1, MOST_NUMBERS // draws.shape[1])
    while done < len(draws):
        began = time.perf_counter()
        yield draws[done : done + size]
        done += size
        if time.perf_counter() - began < 0.5:
            size = min(most, 2 * size)


def share_above(value: float, simulated: Sequence[float]) -> float:
    """Share of the simulated values, and of this one among them, that are as large; or NaN."""
    known = np.array([s for s in simulated if np.isfinite(s)])
    if not np.isfinite(value) or not len(known):
        return float("nan")
    return float((1 + np.sum(known >= value)) / (1 + len(known)))


def _judged(p_value: float, count: int) -> Verdict:
    if np.isnan(p_value):
        return "not checked"
    return "look" if p_value <= rare(count) * (1.0 + 1e-9) else "fine"


def _by_number(value: float, limits: tuple[float, float]) -> Verdict:
    return "problem" if value >= limits[1] else "look" if value >= limits[0] else "fine"


# -- one by one -----------------------------------------------------------------------------


def _linearity(names: Sequence[str], found: _Measured, simulated: list[_Measured]) -> Check:
    name, measure = "Linearity", "largest score of a square (z)"
    scores = np.array([one.scores for one in simulated])
    sd = scores.std(axis=0) if len(scores) > 2 else np.zeros(len(names))
    # A square that the model has already scores nothing but rounding.
    usable = sd > 1e-6
    if not usable.any():
        text = "no covariate has a square that the model does not have."
        return Check(name, "not checked", measure, np.nan, np.nan, text)
    relative = np.abs(scores[:, usable]) / sd[usable]
    own = np.abs(found.scores[usable]) / sd[usable]
    at = int(np.argmax(own))
    which = [n for n, used in zip(names, usable, strict=True) if used][at]
    p_value = share_above(float(own[at]), relative.max(axis=1).tolist())
    verdict = _judged(p_value, len(simulated))
    said = (
        f"the square of {which} would improve the fit: the relation bends. Try poly({which}, 2) or "
        "a spline, or another scale."
        if verdict == "look"
        else f"no bend: the square that would add most is that of {which}."
    )
    return Check(name, verdict, measure, float(own[at]), p_value, said)


def _spread(view: View, found: _Measured, simulated: list[_Measured]) -> Check:
    measure = "sd of upper over lower third"
    ratio = float(np.exp(spread_ratio(view)))
    p_value = share_above(found.numbers[SPREAD], [one.numbers[SPREAD] for one in simulated])
    verdict = _judged(p_value, len(simulated))
    if verdict == "not checked":
        text = "too few different fitted values."
    elif verdict == "look":
        grows = "grows" if ratio > 1.0 else "falls"
        text = f"the residuals' spread {grows} with the fitted values. Try log(y) or weights."
    else:
        text = "residuals spread alike at low and high fitted values."
    return Check(SPREAD, verdict, measure, ratio, p_value, text)


def _levels(group: str, found: _Measured, simulated: list[_Measured]) -> Check:
    measure = "sd of log sd by level"
    value = found.numbers[LEVELS]
    p_value = share_above(value, [one.numbers[LEVELS] for one in simulated])
    verdict = _judged(p_value, len(simulated))
    if verdict == "not checked":
        text = f"too few levels of {group} with {FEW} rows."
    elif verdict == "look":
        text = (
            f"residuals spread more at some levels of {group} than at others. Skewed residuals and "
            "those with heavy tails do so too: look at their distribution first."
        )
    else:
        text = f"residuals spread alike at all levels of {group}."
    return Check(LEVELS, verdict, measure, value, p_value, text)


def _normal(fitted: Fitted, view: View, found: _Measured, simulated: list[_Measured]) -> Check:
    measure = "1 - r² of the normal plot"
    value = found.numbers[NORMAL]
    p_value = share_above(value, [one.numbers[NORMAL] for one in simulated])
    verdict = _judged(p_value, len(simulated))
    at = int(np.argmax(np.abs(view.scaled)))
    row = used_labels(fitted.model.design)[at]
    largest = f"the largest is {view.scaled[at]:.1f} sd in row {row}"
    if verdict == "look":
        shape, advice = _shape(view.scaled)
        text = f"{shape}; {largest}. {advice}"
    else:
        text = f"as normal as those of the model; {largest}."
    return Check(NORMAL, verdict, measure, value, p_value, text)


def _shape(values: FloatArray) -> tuple[str, str]:
    """How values differ from normal ones, and what that means."""
    skew, excess = skewness(values), kurtosis(values)
    # Of a normal sample the skewness is within about two such errors of zero.
    error = math.sqrt(6.0 / len(values))
    if skew > max(_SKEWED, 4.0 * error):
        return (
            f"skewed to the right (skewness {skew:.1f})",
            "Where responses are positive, log(y) or sqrt(y) may suit better.",
        )
    if skew < -max(_SKEWED, 4.0 * error):
        return f"skewed to the left (skewness {skew:.1f})", "Another scale of y may suit better."
    tails = "heavier" if excess > 0.0 else "lighter"
    return (
        f"tails {tails} than normal (excess kurtosis {excess:.1f})",
        "Coefficients are hardly affected, intervals for observations are.",
    )


def _effects(view: View, found: _Measured, simulated: list[_Measured]) -> Check:
    """The effect that is least like its simulated ones."""
    measure = "1 - r² of the normal plot"
    shares = {}
    for name in view.modes:
        key = f"{EFFECTS}: {name}"
        shares[name] = share_above(found.numbers[key], [one.numbers[key] for one in simulated])
    known = {name: p for name, p in shares.items() if np.isfinite(p)}
    if not known:
        text = f"no effect with {FEW} levels and a variance."
        return Check(EFFECTS, "not checked", measure, np.nan, np.nan, text)
    name = min(known, key=lambda name: known[name])
    # The least of several shares is compared with as many.
    p_value = min(1.0, known[name] * len(known))
    verdict = _judged(p_value, len(simulated))
    value = found.numbers[f"{EFFECTS}: {name}"]
    text = (
        f"the modes of {name} are not like those of a normal sample: look for outlying levels or "
        "two kinds of them."
        if verdict == "look"
        else f"like those of a normal sample; the least so are those of {name}."
    )
    return Check(EFFECTS, verdict, measure, value, p_value, text)


def quantiles_check(
    y: FloatArray, draws: FloatArray, rng: np.random.Generator
) -> tuple[Check, Any]:
    """The distribution of quantile residuals against that of simulated ones; and these."""
    measure = "distance from uniform"
    count = len(draws) + 1
    ranks = list(ranks_among(np.vstack([draws, y])))
    distances = [not_uniform(one, count) for one in ranks]
    p_value = share_above(distances[-1], distances[:-1])
    verdict = _judged(p_value, len(draws))
    text = (
        "responses are not spread as those that the model makes: look at the picture of quantile "
        "residuals."
        if verdict == "look"
        else "responses lie among simulated ones as these do among each other."
    )
    quantile = (ranks[-1] + rng.random(len(y))) / count
    return Check(SIMULATED, verdict, measure, distances[-1], p_value, text), quantile


def cooks_of(
    fitted: Any, method: InfluenceMethod = "one-step"
) -> tuple[pd.Series[float] | None, str]:
    """Cook's distances of the levels of the coarsest grouping factor that is small, or of rows."""
    if not fitted.solution.p:
        return None, ""
    try:
        return _cooks_of(fitted, method)
    except ModelError:  # the coefficients have no covariance
        return None, "row"


def _cooks_of(fitted: Any, method: InfluenceMethod) -> tuple[pd.Series[float], str]:
    group = min(fitted.model.design.groups, key=lambda group: group.n_levels)
    if 2 < group.n_levels <= _MOST_LEVELS:
        found = influence(fitted, group.name, method).cooks_distance
        if found.notna().any():
            return found, group.name
    return influence(fitted, None, method).cooks_distance, "row"


def influence_check(cooks: pd.Series[float] | None, of: str) -> Check:
    """The largest of Cook's distances."""
    name, measure = "Influence", "largest Cook's distance"
    if cooks is None or not cooks.notna().any():
        why = "the coefficients have no covariance." if of else "there are no fixed effects."
        return Check(name, "not checked", measure, np.nan, np.nan, why)
    label, value = cooks.idxmax(), float(cooks.max())
    verdict = _by_number(value, _COOKS)
    what = f"row {label}" if of == "row" else f"{of} {label}"
    call = "influence()" if of == "row" else f"influence({of!r})"
    text = (
        f"without {what} the coefficients change much; see {call}."
        if verdict != "fine"
        else f"nothing moves the coefficients far; {what} does most."
    )
    return Check(name, verdict, measure, value, np.nan, text)


def inflation_of(fitted: Any) -> pd.Series[float] | None:
    """Variance inflations of the terms, comparable between them; None with fewer than two."""
    if sum(bool(term.factors) for term in fitted.model.design.formula.terms) < 2:
        return None
    scaled: pd.Series[float] = vif(fitted)["scaled"] ** 2
    return scaled.rename("vif")


def collinearity_check(inflation: pd.Series[float] | None) -> Check:
    """The largest inflation of a variance."""
    name, measure = "Collinearity", "largest inflation (vif)"
    if inflation is None or not inflation.notna().any():
        text = "fewer than two terms."
        return Check(name, "not checked", measure, np.nan, np.nan, text)
    term, value = inflation.idxmax(), float(inflation.max())
    verdict = _by_number(value, _VIF)
    text = (
        f"{term} can hardly be told from the other terms. Covariates in an interaction: centre "
        "them; else the data cannot separate them."
        if verdict != "fine"
        else f"terms can be told apart; {term} least."
    )
    return Check(name, verdict, measure, value, np.nan, text)


def singular_check(fitted: Any) -> Check:
    """Whether a direction of the random effects has no variance."""
    name, measure = "Singularity", "least relative sd"
    templates, solution = fitted.model.templates, fitted.solution
    diagonal = np.abs(solution.relative_theta[templates.diagonal])
    value = float(diagonal.min())
    terms = singular_terms(templates, solution.relative_theta, fitted.optsum.control.singular_tol)
    verdict: Verdict = "look" if terms else "fine"
    text = (
        "a direction of the random effects has no variance; singularity() says which and what to "
        "write instead."
        if terms
        else "every direction of the random effects varies."
    )
    if not fitted.optsum.converged:
        verdict, text = "problem", f"the search has not converged; see messages. {text}"
    return Check(name, verdict, measure, value, np.nan, text)
