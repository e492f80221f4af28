"""Bootstrap of a fit: responses are drawn and fitted in chunks, so that memory stays bounded.

Draws come from one stream and every response is fitted on its own, so neither the chunks nor the
threads show in the result. Drawing is `simulate`'s, fitting the compiled core's, intervals are
`replicates`'.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import singledispatch
from numbers import Real
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from mixedmodels.arrays import BoolArray, FloatArray
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.linear import Fitted
from mixedmodels.estimates.parameters import AnyFitted, all_names, all_values, to_sd_cor
from mixedmodels.estimates.refits import Refitter, attempt, singular_rows
from mixedmodels.memory import require
from mixedmodels.naming import distinct
from mixedmodels.output import labelled
from mixedmodels.prediction.drawn_sums import DrawnSums
from mixedmodels.prediction.replicates import Bootstrap
from mixedmodels.prediction.simulate import (
    MOST_NUMBERS,
    Seed,
    check_count,
    random_generator,
    simulator,
)
from mixedmodels.settings import BOOTSTRAPS, MODES, BootstrapKind, Modes, thread_count
from mixedmodels.spelling import chosen_option

# Seconds that a chunk is to take: progress shows, and interrupts are noticed.
_SECONDS = 0.5

Report: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be drawn and fitted.

    Attributes:
        nsim: Replicates.
        seed: Of the random numbers.
        modes: Whether random effects are drawn anew or kept.
        kind: Whether responses are drawn from normal distributions or residuals resampled.
        threads: Threads that fit; None for those of the fit.
        report: Called with replicates done and all of them.

    Raises:
        MixedModelsError: An unknown option, or an invalid number of replicates or threads.
    """

    nsim: int
    seed: Seed = None
    modes: Modes = "new"
    kind: BootstrapKind = "parametric"
    threads: int | None = None
    report: Report | None = None

    def __post_init__(self) -> None:
        check_count("nsim", self.nsim)
        object.__setattr__(self, "modes", chosen_option("modes", self.modes, MODES))
        object.__setattr__(self, "kind", chosen_option("kind", self.kind, BOOTSTRAPS))
        thread_count(self.threads)


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """All replicates: the statistic (nsim, names), theta, the criterion; and the seed."""

    table: FloatArray
    theta: FloatArray
    objective: FloatArray
    entropy: Any


class Replicates(NamedTuple):
    """Of some responses: all parameters (count, names), theta (count, m) and criteria (count,)."""

    table: FloatArray
    theta: FloatArray
    objective: FloatArray


def bootstrap(fitted: AnyFitted, plan: Plan) -> Bootstrap:
    """Replicates of standard deviations, correlations, sigma and fixed effects.

    Raises:
        MixedModelsError: An unknown option, or an unusable seed.
    """
    _require_results(fitted, plan, len(all_names(fitted)))
    rng, entropy = random_generator(plan.seed)
    replicate = replicates_of(fitted, plan)
    found = [replicate(responses) for responses in drawn_responses(fitted, plan, rng)]
    table, theta, objective = map(np.concatenate, zip(*found, strict=True))
    names = all_names(fitted)
    estimates = pd.Series(all_values(fitted), index=list(names), name="estimate")
    return _result(fitted, plan, estimates, _Drawn(table, theta, objective, entropy))


@singledispatch
def replicates_of(fitted: Any, plan: Plan) -> Callable[[FloatArray], Replicates]:
    """What gives of responses (count, n) the replicates of a fit of whichever kind."""
    raise NotImplementedError(type(fitted))


@replicates_of.register
def _(fitted: Fitted, plan: Plan) -> Callable[[FloatArray], Replicates]:
    refitter, model = refitter_of(fitted, plan), fitted.model

    def replicates(responses: FloatArray) -> Replicates:
        found = refitter(responses)
        theta = model.axes.from_axes(found.theta)
        random = to_sd_cor(model.templates, theta, found.sigma)
        table = np.column_stack([random, found.sigma, found.beta])
        return Replicates(table, theta, found.objective)

    return replicates


def bootstrap_statistic(
    fitted: Fitted,
    plan: Plan,
    refit: Callable[[FloatArray], Any],
    statistic: Callable[[Any], Any],
    estimates: Any,
) -> Bootstrap:
    """Replicates of any statistic of a fit.

    Args:
        fitted: The fit.
        plan: What is to be drawn.
        refit: Makes of a response (n,) the fit that `statistic` takes.
        statistic: Gives a number, a Series or a dict of numbers.
        estimates: What `statistic` gives for the fit itself.

    Raises:
        MixedModelsError: The statistic gives something else, or other names than before.
    """
    expected = as_series(estimates)
    _require_results(fitted, plan, len(expected))
    rng, entropy = random_generator(plan.seed)
    nsim, m = plan.nsim, len(fitted.solution.theta)
    drawn = _Drawn(
        np.full((nsim, len(expected)), np.nan),
        np.full((nsim, m), np.nan),
        np.full(nsim, np.nan),
        entropy,
    )
    for i, y in enumerate(y for chunk in drawn_responses(fitted, plan, rng) for y in chunk):
        fit = attempt(refit, y)
        if fit is not None and fit.converged:
            drawn.table[i] = _aligned(as_series(statistic(fit)), expected)
            drawn.theta[i], drawn.objective[i] = fit.theta, fit.objective
    return _result(fitted, plan, expected, drawn)


def as_series(value: Any) -> pd.Series[float]:
    """A number, a Series or a dict of numbers as a Series named "estimate".

    Raises:
        MixedModelsError: Anything else.
    """
    value = labelled(value)
    try:
        if isinstance(value, (Real, np.generic)) or (
            isinstance(value, np.ndarray) and value.ndim == 0
        ):
            return pd.Series([float(value)], index=["statistic"], name="estimate")
        if isinstance(value, (pd.Series, Mapping)):
            series = pd.Series(value, dtype=np.float64, name="estimate")
            return series.set_axis(_told_apart(series.index))
    except (TypeError, ValueError):
        pass
    raise MixedModelsError(
        f"statistic gave {value!r:.80}; it must give a number, a Series or a dict of numbers."
    )


def _require_results(fitted: Fitted, plan: Plan, names: int) -> None:
    """Refuse replicates whose results do not fit into memory.

    Raises:
        ResourceError: With the bytes.
    """
    m = fitted.model.templates.m
    size = 24.0 * plan.nsim * (names + m + 1)
    require({f"{plan.nsim} replicates": size}, "The bootstrap", remedy="Use a smaller nsim.")


def _told_apart(index: pd.Index) -> pd.Index:
    """Labels of which no two are equal."""
    return index if index.is_unique else pd.Index(distinct([str(label) for label in index]))


def _result(fitted: Fitted, plan: Plan, estimates: pd.Series[float], drawn: _Drawn) -> Bootstrap:
    for array in (drawn.theta, drawn.objective):
        array.flags.writeable = False
    return Bootstrap(
        replicates=pd.DataFrame(drawn.table, columns=estimates.index),
        estimates=estimates,
        theta=drawn.theta,
        objective=drawn.objective,
        n_failed=int(np.isnan(drawn.objective).sum()),
        n_singular=int(_singular(fitted, drawn.theta).sum()),
        seed=drawn.entropy,
        modes=plan.modes,
        kind=plan.kind,
    )


def drawn_responses(fitted: Fitted, plan: Plan, rng: np.random.Generator) -> Iterator[FloatArray]:
    """Responses (count, n), chunk by chunk; of a model without rows their sums."""
    design, q = fitted.model.design, fitted.model.templates.q
    if design.has_rows or plan.kind == "residual":
        draw, length = simulator(fitted, plan.modes, plan.kind).draw, design.n
    else:
        draw, length = DrawnSums(fitted, plan.modes).draw, 2 * q + len(design.x_names) + 1
    most = max(1, MOST_NUMBERS // (length + q))
    size = min(most, 4 * thread_count(plan.threads, fitted.model.threads))
    done = 0
    while done < plan.nsim:
        began = time.perf_counter()
        count = min(size, plan.nsim - done)
        yield draw(rng, count)
        done += count
        if plan.report is not None:
            plan.report(done, plan.nsim)
        if time.perf_counter() - began < _SECONDS:
            size = min(most, 4 * size)


def refitter_of(fitted: Fitted, plan: Plan) -> Refitter:
    """Fits the model of a fit to other responses, from its theta."""
    solution, model = fitted.solution, fitted.model
    threads = model.affordable_threads(thread_count(plan.threads, model.threads))
    return Refitter(model, solution.reml, solution.axes_theta, fitted.optsum.control, threads)


def _singular(fitted: Fitted, theta: FloatArray) -> BoolArray:
    """(nsim,) whether a replicate is singular, as for the fit itself."""
    return singular_rows(fitted.model, fitted.model.axes.to_axes(theta), fitted.optsum.control)


def _aligned(values: pd.Series[float], expected: pd.Series[float]) -> FloatArray:
    if not values.index.equals(expected.index):
        raise MixedModelsError(
            f"statistic gave {list(values.index)} for a replicate and {list(expected.index)} for "
            "the fit; it must give the same names for every fit."
        )
    numbers: FloatArray = values.to_numpy()
    return numbers
