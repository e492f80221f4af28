"""The checks of a generalized fit: overdispersion, zeros, simulated residuals, and by numbers.

Their numbers are those of data simulated from the fit and fitted again, as for linear models.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.checking.missing_codes import missing_codes_check
from mixedmodels.checking.numbers import effect_names
from mixedmodels.checking.result import Check, Checks, Shown, rare
from mixedmodels.checking.run import (
    affordable,
    check_fit,
    collinearity_check,
    cooks_of,
    inflation_of,
    influence_check,
    quantiles_check,
    share_above,
    singular_check,
)
from mixedmodels.estimates.components import of_role
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.generalized_refits import GeneralizedRefitter
from mixedmodels.estimates.rows_left import has_scores
from mixedmodels.estimates.tables import term_modes
from mixedmodels.estimates.working import pearson_residuals
from mixedmodels.families.base import ZERO_INFLATION
from mixedmodels.memory import require
from mixedmodels.prediction.simulate import (
    Seed,
    check_count,
    random_generator,
    response_chunks,
    simulator,
)
from mixedmodels.settings import thread_count

__all__ = ["check_fit"]

_AT_A_TIME = 32


@check_fit.register
def _(
    fitted: GeneralizedFitted,
    nsim: int | None,
    seed: Seed,
    threads: int | None,
    report: Callable[[int, int], None],
) -> Checks:
    model, design = fitted.model, fitted.model.design
    count = affordable(design.n) if nsim is None else check_count("nsim", nsim)
    rng, entropy = random_generator(seed)
    require({f"{count} simulated responses": 24.0 * count * design.n}, "check",
            remedy="Use a smaller nsim.")  # fmt: skip
    numbers = design.n + model.templates.q
    draws = np.concatenate(list(response_chunks(simulator(fitted, "new"), rng, count, numbers)))
    simulated = _dispersions(fitted, draws, threads, report)
    uniform, quantile = quantiles_check(*_without_ties(fitted, draws, rng), rng)
    cooks, of = cooks_of(fitted, "one-step" if has_scores(fitted) else "held")
    inflation = inflation_of(fitted)
    checks = (
        _dispersion(fitted, simulated),
        _zeros(fitted, draws),
        uniform,
        influence_check(cooks, of),
        collinearity_check(inflation),
        singular_check(fitted),
        *missing_codes_check(design),
    )
    eta, pearson = fitted.solution.eta, pearson_residuals(fitted)
    shown = Shown(eta, pearson, _modes(fitted), quantile, cooks, of, inflation)
    return Checks(checks, design.formula.text, count, entropy, shown)


def _dispersion_of(fitted: GeneralizedFitted) -> float:
    """Sum of squared Pearson residuals over its degrees of freedom."""
    df = max(fitted.solution.rows_less_rank, 1)
    return float(np.sum(pearson_residuals(fitted) ** 2) / df)


def _dispersions(
    fitted: GeneralizedFitted,
    draws: FloatArray,
    threads: int | None,
    report: Callable[[int, int], None],
) -> list[float]:
    """The same of the fits to simulated responses; those without a fit are left out."""
    model = fitted.model
    count = model.affordable_threads(thread_count(threads, model.threads))
    refitter = GeneralizedRefitter(model, fitted.solution.par, fitted.optsum.control, count)
    out: list[float] = []
    for first in range(0, len(draws), _AT_A_TIME):
        some = draws[first : first + _AT_A_TIME]
        for y, user in zip(some, refitter(some)[0], strict=True):
            if not np.isfinite(user).all():
                continue
            own = model.with_response(y)
            criterion = own.criterion()
            solution = own.solution(criterion, criterion.from_user(user))
            found = _dispersion_of(dataclasses.replace(fitted, model=own, solution=solution))
            if np.isfinite(found):  # predictors without a mean where its modes are not found again
                out.append(found)
        report(min(first + _AT_A_TIME, len(draws)), len(draws))
    return out


def _dispersion(fitted: GeneralizedFitted, simulated: list[float]) -> Check:
    name, measure = "Dispersion", "Pearson chi-square over df"
    family, value = fitted.model.family, _dispersion_of(fitted)
    if family.of_trials and (fitted.model.weights == 1.0).all():
        text = "responses of 0 and 1 cannot show overdispersion."
        return Check(name, "not checked", measure, value, np.nan, text)
    above = share_above(value, simulated)
    below = share_above(-value, [-other for other in simulated])
    p_value = min(above, below)
    limit = rare(len(simulated)) * (1.0 + 1e-9)
    if np.isnan(p_value):
        text = "no fit to simulated data."
        return Check(name, "not checked", measure, value, np.nan, text)
    usual = float(np.mean(simulated))
    if p_value > limit:
        text = f"as in simulated data, where it is {usual:.2f} on average."
        return Check(name, "fine", measure, value, p_value, text)
    if value > usual:
        text = (
            f"responses vary more than the {family.title} family says ({usual:.2f} is usual). Try "
            "an effect for each row, (1 | row), or a family with a parameter of its own."
        )
    else:
        text = (
            f"responses vary less than the {family.title} family says ({usual:.2f} is usual): "
            "standard errors are too large."
        )
        if family.parameter:  # which is estimated from the spread
            text += (
                f" Its {family.parameter} may have taken in something else, such as zeros that the "
                "family does not have."
            )
    return Check(name, "look", measure, value, p_value, text)


def _zeros(fitted: GeneralizedFitted, draws: FloatArray) -> Check:
    name, measure = "Zeros", "zeros over expected ones"
    y = fitted.model.design.y
    expected = (draws == 0.0).sum(axis=1).astype(np.float64)
    mean = float(expected.mean())
    if not fitted.model.family.counts or not mean > 0.0:
        text = "responses are not counts that may be zero."
        return Check(name, "not checked", measure, np.nan, np.nan, text)
    found = float((y == 0.0).sum())
    above = share_above(found, expected.tolist())
    below = share_above(-found, (-expected).tolist())
    p_value = min(above, below)
    if p_value > rare(len(draws)) * (1.0 + 1e-9):
        text = f"{found:.0f} of {len(y)} responses are zero, {mean:.1f} in simulated data."
        return Check(name, "fine", measure, found / mean, p_value, text)
    more = "more" if found > mean else "fewer"
    text = (
        f"{found:.0f} of {len(y)} responses are zero, {more} than in simulated data ({mean:.1f}). "
        f"{_advice_on_zeros(fitted, found, mean)}"
    )
    return Check(name, "look", measure, found / mean, p_value, text)


def _advice_on_zeros(fitted: GeneralizedFitted, found: float, mean: float) -> str:
    """What to try where there are too many or too few zeros."""
    inflated = of_role(fitted.model.components, ZERO_INFLATION) is not None
    own = bool(fitted.model.family.parameter)
    if found < mean:
        if inflated:
            return "Try a model without zero_inflation."
        if found == 0.0:
            return 'If a zero cannot be seen, take the family "truncated_poisson" or another such.'
        return "Look for rows in which a zero cannot be seen."
    spread = "" if own else ', or family="negative_binomial" for overdispersion'
    if inflated:
        return f'Try predictors of the zeros, zero_inflation="~ x"{spread}.'
    return f'Try zero_inflation="~ 1" for rows that can only be zero{spread}.'


def _without_ties(
    fitted: GeneralizedFitted, draws: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Responses and draws; whole numbers moved by less than one, which breaks ties at random."""
    y = fitted.model.design.y
    family = fitted.model.family
    if not (family.counts or family.of_trials or family.ordered):
        return y, draws
    return y + rng.random(y.shape), draws + rng.random(draws.shape)


def _modes(fitted: GeneralizedFitted) -> dict[str, FloatArray]:
    """The (levels,) modes of each effect."""
    templates, design = fitted.model.templates, fitted.model.design
    names = iter(effect_names(design))
    found: dict[str, FloatArray] = {}
    for t in range(len(design.terms)):
        own = term_modes(templates, fitted.solution.b, t)
        found |= {next(names): own[:, j] for j in range(own.shape[1])}
    return found
