"""The estimated criterion against the exact one: values, gradients, fits, and stated errors."""

from __future__ import annotations

import functools
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.crossed_designs import DESIGNS, THREE, TWO, ratings, respond, three

import mixedmodels as mm
from mixedmodels import LinearMixedFit, LinearMixedModel, _core
from mixedmodels.criterion.iterative import IterativeCriterion

SEEDS = range(100, 120)


@functools.cache
def data(name: str) -> dict[str, Any]:
    table: dict[str, Any] = DESIGNS[name][1]()
    return table


@functools.cache
def fitted(name: str, method: str, reml: bool = True) -> LinearMixedFit:
    return mm.lmer(DESIGNS[name][0], data(name), reml=reml, method=method)  # type: ignore[arg-type]


def estimator(model: LinearMixedModel, seed: int) -> _core.Estimator:
    inner = model._model
    return _core.Estimator(inner.products, inner.templates.core_entries, seed, 1)


def statistical_errors(fit: LinearMixedFit) -> Any:
    return np.sqrt(np.diag(2.0 * np.linalg.inv(fit.model.hessian(fit.theta))))


def model_of(name: str) -> LinearMixedModel:
    return fitted(name, "exact").model


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("reml", [True, False])
def test_stated_errors_hold_over_twenty_seeds(name: str, reml: bool) -> None:
    """Away from the optimum, where the gradient is large."""
    model = model_of(name)
    theta = 1.1 * np.array(fitted(name, "exact")._fitted.solution.axes_theta)
    exact = model._model.criterion(reml=reml)
    value, slope = exact.value(theta), exact.gradient(theta)
    values, slopes = [], []
    for seed in SEEDS:
        found = estimator(model, seed)
        assert found.prepare(theta)
        values.append((found.value(theta, reml) - value) / found.standard_error)
        errors = np.sqrt(np.diag(found.gradient_covariance))
        slopes.append((found.gradient(reml) - slope) / errors)
    for off in (np.array(values), np.array(slopes)):
        assert (np.abs(off) > 2.0).mean() <= 0.2
        assert np.sqrt((off**2).mean()) <= 1.7


def test_ratings_by_both_ways_and_over_twenty_seeds() -> None:
    """The estimate of ratings is good to 0.01, and of 20 seeds 4 at most are beyond two errors."""
    table = ratings(5, 250_000, 3000, 1500)
    exact, found = mm.lmer(TWO, table, method="exact"), mm.lmer(TWO, table, method="iterative")
    accuracy = found.optsum.accuracy
    assert accuracy is not None
    assert accuracy.objective <= 0.05
    assert abs(found.objective - exact.objective) <= 0.01
    assert (np.abs(found.theta - exact.theta) <= 0.01 * statistical_errors(exact)).all()
    np.testing.assert_allclose(found.beta, exact.beta, rtol=1e-6)
    axes = np.array(exact._fitted.solution.axes_theta)
    beyond = 0
    for seed in range(20):
        estimate = estimator(exact.model, seed)
        assert estimate.prepare(axes)
        error = estimate.value(axes, True) - exact.objective
        assert abs(error) <= 0.01
        beyond += abs(error) > 2.0 * estimate.standard_error
    assert beyond <= 4


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("reml", [True, False])
def test_a_fit_is_the_exact_one_within_what_it_states(name: str, reml: bool) -> None:
    exact, found = fitted(name, "exact", reml), fitted(name, "iterative", reml)
    accuracy = found.optsum.accuracy
    assert accuracy is not None
    assert found.optsum.converged
    assert abs(found.objective - exact.objective) <= 4.0 * accuracy.objective
    share = np.abs(found.theta - exact.theta) / statistical_errors(exact)
    assert share.max() <= 0.01
    assert accuracy.share <= 0.01
    np.testing.assert_allclose(found.beta, exact.beta, rtol=1e-4)
    np.testing.assert_allclose(found.sigma, exact.sigma, rtol=1e-4)
    np.testing.assert_allclose(found.vcov, exact.vcov, rtol=2e-3, atol=1e-12)


@pytest.mark.parametrize("name", DESIGNS)
def test_coefficients_and_modes_are_exact_at_the_same_theta(name: str) -> None:
    model = model_of(name)
    theta = np.array(fitted(name, "exact")._fitted.solution.axes_theta)
    found = estimator(model, 1)
    found.value(theta, True)
    with model._model.criterion(reml=True).at(theta) as point:
        np.testing.assert_allclose(found.beta, point.beta, rtol=1e-10)
        np.testing.assert_allclose(found.b, point.b, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(found.pwrss, point.pwrss, rtol=1e-12)
        np.testing.assert_allclose(found.logdet_RX2, point.logdet_RX2, rtol=1e-10)
        np.testing.assert_allclose(found.vcov(True), point.vcov, rtol=1e-8, atol=1e-14)
        fixed, slope = point.fixed_derivatives()
    np.testing.assert_allclose(found.fixed_derivatives, fixed, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found.log_pwrss, slope, rtol=1e-6)


@pytest.mark.parametrize("basis", [-1, 1, 2, 40])
def test_any_basis_gives_the_same_value_within_its_error(basis: int) -> None:
    model = model_of("communities")
    theta = np.array([0.45, 0.66])
    value = model.objective(theta)
    found = estimator(model, 3)
    assert found.prepare(theta, basis, 32)
    assert found.basis == max(basis, 0)
    assert abs(found.value(theta, True) - value) <= 4.0 * found.standard_error


def test_a_larger_basis_lowers_the_error_of_communities() -> None:
    errors = []
    for basis in (-1, 1, 16):
        found = estimator(model_of("communities"), 3)
        found.prepare(np.array([0.45, 0.66]), basis, 32)
        errors.append(found.standard_error)
    assert errors[2] < 0.1 * errors[1] < 0.1 * errors[0]


def test_theta_of_zero_is_the_model_without_the_term() -> None:
    table = data("three")
    smaller = LinearMixedModel(TWO, table)
    model = LinearMixedModel(THREE, table, method="iterative")
    theta = np.array([0.5, 0.6])
    value = model.objective([*theta, 0.0])
    error = model._model.workspace.estimator.standard_error  # type: ignore[attr-defined]
    assert abs(value - smaller.objective(theta)) <= 4.0 * error
    slope = model.gradient([*theta, 0.0])
    assert abs(slope[2]) < 1e-3  # the Krylov space is not the whole one


@pytest.mark.parametrize("seed", range(4))
def test_a_variance_of_zero_is_found(seed: int) -> None:
    """Groups without effects: theta is zero, or small where the sample has some variance."""
    rng = np.random.default_rng(seed)
    codes = [rng.integers(0, levels, 6000) for levels in (200, 120, 40)]
    table = respond(rng, codes, (0.5, 0.5, 0.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.SingularFitWarning)
        exact = mm.lmer(THREE, table)
        found = mm.lmer(THREE, table, method="iterative")
    np.testing.assert_allclose(found.theta, exact.theta, atol=2e-3)
    assert (found.theta == 0.0).tolist() == (exact.theta == 0.0).tolist()
    assert found.optsum.status == exact.optsum.status


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x + (1 + x | g1) + (1 | g2)",
        "y ~ x + (1 | g1) + (1 + x | g2)",
        "y ~ x + (1 + x | g1) + (1 + x | g2)",
        "y ~ x + (1 + x || g1) + (1 | g2)",
        "y ~ 1 + (1 | g1) + (1 | g2) + (1 | g3)",
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_templates_weights_and_offsets(formula: str, weighted: bool) -> None:
    rng = np.random.default_rng(8)
    table = three(8)
    table["y"] = table["y"] + 0.3 * rng.standard_normal(500)[table["g1"]] * table["x"]
    table["y"] = table["y"] + 0.2 * rng.standard_normal(250)[table["g2"]] * table["x"]
    table["w"] = rng.uniform(0.5, 2.0, len(table["y"]))
    given = {"weights": "w", "offset": "0.1 * x"} if weighted else {}
    exact = mm.lmer(formula, table, **given)  # type: ignore[arg-type]
    found = mm.lmer(formula, table, method="iterative", **given)  # type: ignore[arg-type]
    assert found.optsum.converged
    accuracy = found.optsum.accuracy
    assert accuracy is not None
    assert abs(found.objective - exact.objective) <= 4.0 * accuracy.objective
    share = np.abs(found.theta - exact.theta) / statistical_errors(exact)
    assert share.max() <= 0.02
    np.testing.assert_allclose(found.beta, exact.beta, rtol=1e-3, atol=1e-6)


def test_conditional_covariances_and_degrees_of_freedom() -> None:
    exact, found = fitted("ratings", "exact"), fitted("ratings", "iterative")
    for group in ("g1", "g2"):
        np.testing.assert_allclose(
            found.ranef_cov()[group], exact.ranef_cov()[group], rtol=0.02, atol=1e-12
        )
    pairs = (found.coef_table(), exact.coef_table())
    np.testing.assert_allclose(*(table["df"] for table in pairs), rtol=0.02)
    np.testing.assert_allclose(*(table["std_error"] for table in pairs), rtol=1e-4)
    np.testing.assert_allclose(found.fitted, exact.fitted, atol=1e-4)


def test_the_same_numbers_again_and_for_any_number_of_threads() -> None:
    one, again, three = (
        mm.lmer(TWO, data("ratings"), method="iterative", threads=threads) for threads in (1, 1, 3)
    )
    for other in (again, three):
        assert other.objective == one.objective
        assert other.theta.tolist() == one.theta.tolist()


# -- what is said ---------------------------------------------------------------------------


def test_the_error_is_stated() -> None:
    fit = fitted("ratings", "iterative")
    line = "log-likelihood estimated: -2 log L +- "
    assert line in str(fit.summary())
    assert line in str(fit)
    assert line in str(fit.optsum).replace("\n              ", " ")
    assert any(message.startswith(line) for message in fit.messages)
    exact = fitted("ratings", "exact")
    assert exact.optsum.accuracy is None
    assert "estimated" not in str(exact.summary())


def test_comparisons_state_the_errors() -> None:
    fit = fitted("ratings", "iterative", reml=False)
    smaller = fit.update("~ . - x")
    table = mm.anova(smaller, fit)
    assert "Deviances are estimated: fit1 +- 0.0" in table.note
    expected = mm.anova(*(one.update(method="exact") for one in (smaller, fit)))
    np.testing.assert_allclose(table["statistic"].iloc[1], expected["statistic"].iloc[1], atol=0.05)
    assert "estimated" not in expected.note


def test_comparisons_warn_of_large_errors() -> None:
    fit = fitted("worker-firm", "iterative", reml=False)
    smaller = fit.update("~ . - x")
    accuracy = fit.optsum.accuracy
    assert accuracy is not None
    assert accuracy.objective > 0.05
    with pytest.warns(mm.EstimatedWarning, match="standard error of up to"):
        mm.anova(smaller, fit)
    with pytest.warns(mm.EstimatedWarning, match="standard error of up to"):
        fit.drop1()


@pytest.mark.parametrize(
    "call",
    [
        lambda fit: fit.leverage(),
        lambda fit: fit.cooks_distance(),
        lambda fit: fit.profile(),
        lambda fit: fit.bootstrap(3, seed=1),
        lambda fit: fit.influence("g2"),
        lambda fit: fit.predict_interval(),
        lambda fit: fit.summary(ddf="kenward-roger"),
        lambda fit: fit.model.pls(fit.theta),
        lambda fit: fit.model.block_plan(),
        lambda fit: fit.model.fill_in(),
    ],
)
def test_what_needs_the_factor_is_refused_by_name(call: Any) -> None:
    name = call.__code__.co_names[-2 if "theta" in call.__code__.co_names else -1]
    with pytest.raises(mm.MixedModelsError, match="needs the factor of the model") as refused:
        call(fitted("ratings", "iterative"))
    assert name in str(refused.value) or "summary" in str(refused.value)


def test_saved_and_pickled_fits_keep_the_error(tmp_path: Path) -> None:
    fit = fitted("ratings", "iterative")
    fit.save(tmp_path / "fit.mm")
    for again in (mm.load(tmp_path / "fit.mm"), pickle.loads(pickle.dumps(fit))):
        assert again.objective == fit.objective
        assert again.messages == fit.messages
        assert isinstance(again.model._criterion, IterativeCriterion)
        accuracy, before = again.optsum.accuracy, fit.optsum.accuracy
        assert accuracy is not None
        assert before is not None
        assert accuracy.objective == before.objective
        assert accuracy.theta.tolist() == before.theta.tolist()


def test_refits_stay_with_the_method() -> None:
    fit = fitted("ratings", "iterative")
    again = fit.refit(fit.model.y + 1.0)
    assert again.optsum.accuracy is not None
    np.testing.assert_allclose(again.theta, fit.theta, rtol=1e-4)
    exact = fit.update(method="exact")
    assert exact.optsum.accuracy is None
    assert fit.ranova()["statistic"].iloc[1:].min() > 0.0


def test_other_methods_of_minimisation_end_in_the_root() -> None:
    table = ratings(5, 4000, 100, 60)
    found = mm.lmer(TWO, table, method="iterative", optimizer="Nelder-Mead")
    usual = mm.lmer(TWO, table, method="iterative")
    assert found.optsum.converged
    np.testing.assert_allclose(found.theta, usual.theta, rtol=1e-5)


def test_a_start_and_a_watch() -> None:
    table = ratings(5, 4000, 100, 60)
    usual = mm.lmer(TWO, table, method="iterative")
    found = mm.lmer(TWO, table, method="iterative", start=[3.0, 0.05])
    np.testing.assert_allclose(found.theta, usual.theta, rtol=1e-4)
    assert found.optsum.theta_start.tolist() == [3.0, 0.05]
    assert len(found.optsum.to_frame()) >= 3
