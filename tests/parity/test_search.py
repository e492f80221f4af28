"""Every method from the usual start, and the default method from bad starts, at lme4's optimum."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast, get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from parity.measures import CASES, model_of

from mixedmodels import (
    ConvergenceWarning,
    LinearMixedModel,
    MixedModelsError,
    SingularFitWarning,
    load_dataset,
)
from mixedmodels.lazy import late_module
from mixedmodels.linear import LinearMixedFit
from mixedmodels.optimize import nlopt_extra
from mixedmodels.settings import Control, OptimizerName

OPTIMIZERS = [name for name in get_args(OptimizerName) if name != "BOBYQA"]
# Optional for users; `pip install -e ".[dev]"` brings it, so that CI runs these too.
NLOPT = pytest.mark.skipif(not nlopt_extra.has_nlopt(), reason="the extra nlopt is not installed")

# One theta, inside and at zero; two terms; templates of size 2; several local optima; a singular
# template that is not zero.
SEARCHED = [
    "dyestuff_ml",
    "dyestuff2_ml",
    "pastes_ml",
    "sleepstudy_slope_reml",
    "orthodont_reml",
    "early_reml",
]

STARTED = [
    "pastes_ml",
    "pastes_reml",
    "sleepstudy_slope_ml",
    "sleepstudy_slope_reml",
    "machines_full_reml",
    "oxboys_ml",
    "orthodont_ml",
    "orthodont_reml",
    "insteval_slope_ml",
    "dyestuff2_ml",
    "dyestuff2_reml",
    "early_reml",
    "star_ml",
]

Start = Callable[[NDArray[np.float64]], NDArray[np.float64]]
STARTS: dict[str, Start] = {
    "ones": np.ones_like,
    "zeros": np.zeros_like,
    "ten times": lambda theta: 10.0 * theta + 0.01,
    "hundred times": lambda theta: 100.0 * theta + 1.0,
    "tiny": lambda theta: np.full_like(theta, 1e-4),
    "wrong signs": lambda theta: -np.ones_like(theta),
}


@lru_cache(maxsize=1)
def case_model(case_id: str) -> LinearMixedModel:
    return model_of(CASES[case_id])


def fit_case(case_id: str, **options: object) -> LinearMixedFit:
    case = CASES[case_id]
    with warnings.catch_warnings():
        if case["singular"]:
            warnings.simplefilter("ignore", SingularFitWarning)
        fit: LinearMixedFit = case_model(case_id).fit(**options)  # type: ignore[arg-type]
    return fit


def assert_lme4s_optimum(case_id: str, fit: LinearMixedFit, theta: float = 1e-4) -> None:
    case = CASES[case_id]
    expected = np.array(case["theta"])
    assert fit.objective - case["criterion"] < 1e-6
    np.testing.assert_allclose(fit.theta, expected, atol=theta * np.abs(expected).max() + 1e-12)
    assert fit.converged
    assert fit.is_singular is case["singular"]


@pytest.mark.parametrize("case_id", SEARCHED)
@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, pytest.param("BOBYQA", marks=NLOPT)])
def test_every_method_finds_the_optimum(case_id: str, optimizer: str) -> None:
    fit = fit_case(case_id, optimizer=optimizer)
    assert_lme4s_optimum(case_id, fit)
    assert fit.optsum.optimizer == optimizer or optimizer == "auto"
    assert fit.optsum.n_objective > 0


def test_bobyqa_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nlopt_extra, "nlopt", late_module("nlopt_not_installed"))
    with pytest.raises(MixedModelsError, match=r"'BOBYQA' needs NLopt.*mixedmodels\[nlopt\].*COBY"):
        fit_case("pastes_ml", optimizer="BOBYQA")


def test_unknown_method() -> None:
    with pytest.raises(MixedModelsError, match=r"'bobyqua'; it must be one of .*'BOBYQA'"):
        fit_case("pastes_ml", optimizer="bobyqua")


@pytest.mark.parametrize("case_id", STARTED)
@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS.keys())
def test_bad_starts(case_id: str, start: Start) -> None:
    theta = np.array(CASES[case_id]["theta"])
    assert_lme4s_optimum(case_id, fit_case(case_id, start=start(theta)))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("case_id", ["pastes_ml", "sleepstudy_slope_reml"])
def test_every_method_escapes_from_zero(case_id: str, optimizer: str) -> None:
    theta = np.zeros(len(CASES[case_id]["theta"]))
    assert_lme4s_optimum(case_id, fit_case(case_id, start=theta, optimizer=optimizer))


@pytest.mark.parametrize("start", [None, [0.27, 0.45, 0.0], [0.0, 0.0, 0.0]], ids=str)
def test_false_zero_of_a_third_factor(start: list[float] | None) -> None:
    """InstEval with dept: a search that stays at theta_dept = 0 ends 8.85 too high."""
    model = case_model_of_departments()
    fit = model.fit(start=start)
    assert fit.theta_names == ["s.(Intercept)", "d.(Intercept)", "dept.(Intercept)"]
    assert fit.deviance == pytest.approx(237721.76877, abs=1e-5)
    assert fit.theta[2] > 0.05
    assert fit.converged
    assert not fit.is_singular
    assert model.objective([*fit.theta[:2], 0.0]) > fit.deviance + 8.0


@lru_cache(maxsize=1)
def case_model_of_departments() -> LinearMixedModel:
    formula = "y ~ service + (1 | s) + (1 | d) + (1 | dept)"
    return LinearMixedModel(formula, load_dataset("insteval"), reml=False)


@pytest.mark.parametrize("optimizer", ["auto", "Nelder-Mead"])
def test_best_point_is_kept_when_evaluations_run_out(optimizer: OptimizerName) -> None:
    """Evaluations enough to go downhill, and not to arrive."""
    model, control = case_model("pastes_ml"), Control(max_evaluations=3)
    with pytest.warns(ConvergenceWarning, match=r"Not converged: .*Allow more evaluations"):
        fit = model.fit(optimizer=optimizer, control=control, start=[3.0, 1.0])
    assert not fit.converged
    assert fit.optsum.status == "max_evaluations"
    assert "Not converged" in str(fit)
    assert fit.objective < model.objective([3.0, 1.0])
    assert fit.objective <= min(value for value, _ in fit.optsum.trace) + 1e-9
    assert fit.objective == pytest.approx(model.objective(fit.theta), rel=1e-13)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ([1.0, 0.0], r"start has shape \(2,\).*3 parameters: theta \(Subject.\(Intercept\), Subj"),
        ([1.0, np.nan, 1.0], "every value must be finite"),
        ([1e200, 0.0, 1e200], "cannot be computed at the start"),
        ("ones", r"start is 'ones'; it must be one number for each of: theta \(Subject"),
    ],
    ids=["too short", "NaN", "overflow", "text"],
)
def test_starts_that_cannot_be_used(start: list[float], message: str) -> None:
    with pytest.raises(MixedModelsError, match=message):
        case_model("sleepstudy_slope_reml").fit(start=start)


def test_options_that_cannot_be_used() -> None:
    model, wrong = case_model("pastes_ml"), cast(Any, "ML")
    with pytest.raises(MixedModelsError, match=r"reml is 'ML'; it must be True .*or False"):
        LinearMixedModel("y ~ x + (1 | g)", {}, reml=wrong)
    with pytest.raises(MixedModelsError, match=r"control is 'ML'; make it with Control"):
        model.fit(control=wrong)
    with pytest.raises(MixedModelsError, match=r"max_evaluations is 0; .* at least 1"):
        Control(max_evaluations=0)


def test_trace_ends_at_the_optimum() -> None:
    fit = fit_case("classroom_ml", start=[0.836158, 0.489669])
    value, theta = fit.optsum.trace[0]
    assert value == pytest.approx(11466.913, abs=5e-4)
    np.testing.assert_allclose(theta, [0.836158, 0.489669])
    value, theta = fit.optsum.trace[-1]
    assert value == pytest.approx(fit.objective, abs=1e-8)
    np.testing.assert_allclose(theta, fit.theta, atol=1e-6)
    assert list(fit.optsum.theta_start) == [0.836158, 0.489669]
