"""Influence, robust covariances, checks, reports and searches of generalized fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from generalized_fits import CASES, fit_case

import mixedmodels as mm
from mixedmodels.design.parts import design_of_rows

ONE_FACTOR = [name for name in CASES if name not in ("crossed", "singular")]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*ONE_FACTOR, "crossed"])
def test_deletions_of_groups(name: str) -> None:
    """Exact ones are fits of the data without the rows; the others are near to these."""
    fit = fit_case(name)
    group = fit.model.design.groups[0].name
    exact = fit.influence(group, exact=True)
    data = fit.data
    label = exact.beta.index[1]
    column = data[group]
    left = data[column.astype(str) != str(label)]
    again = fit.update(data=left)
    kept = fit.solution.kept
    np.testing.assert_allclose(exact.beta.loc[label], again.beta[kept], atol=2e-4)
    np.testing.assert_allclose(exact.theta.loc[label], again.theta, atol=2e-4)
    np.testing.assert_allclose(exact.std_error.loc[label], again.stderror, rtol=1e-3)
    assert exact.nobs[label] == again.nobs
    assert exact.converged.all()
    if not fit.solution.p:
        return
    change = exact.dfbeta.to_numpy()
    for method in ("one-step", "held"):
        found = fit.influence(group, method).dfbeta.to_numpy()
        assert np.corrcoef(found.ravel(), change.ravel())[0, 1] > 0.9, method
    step = fit.influence(group, "one-step")
    assert np.abs(step.dfbeta.to_numpy() - change).max() < 0.5 * np.abs(change).max() + 0.05


def test_measures_of_deletions() -> None:
    fit = fit_case("trials")
    found = fit.influence("herd")
    d, root = found.dfbeta.to_numpy(), np.linalg.inv(fit.vcov.to_numpy())
    np.testing.assert_allclose(
        found.cooks_distance, np.einsum("ij,jk,ik->i", d, root, d) / 4, rtol=1e-6
    )
    pd.testing.assert_series_equal(fit.cooks_distance("herd"), found.cooks_distance)
    pd.testing.assert_frame_equal(fit.dfbetas("herd"), found.dfbetas)
    rows = fit.influence(method="one-step")
    assert rows.beta.shape == (56, 4)
    assert "herd" in str(found)
    fit.plot_influence("herd")
    with pytest.raises(mm.MixedModelsError, match="influence"):
        fit.influence("cow")


@pytest.mark.parametrize("name", ONE_FACTOR)
def test_robust_covariances_are_those_of_scores_by_differences(name: str) -> None:
    """A cluster's score: differences of its part of the criterion, as a model of its own."""
    fit = fit_case(name)
    if not fit.solution.p or name in ("dependent", "shares, probit"):
        return
    group = fit.model.design.groups[0]
    full = fit.vcov_full().to_numpy()
    p, m = fit.solution.p, len(fit.theta)
    own = [] if fit.dispersion is None else [np.log(fit.dispersion)]
    at = np.concatenate([fit.beta, fit.theta, own])
    scale = np.ones(len(at))
    scale[p + m :] = fit.dispersion or 1.0
    scores = []
    for level in range(group.n_levels):
        left = fit.model._model.with_design(
            design_of_rows(fit.model.design, np.flatnonzero(group.codes == level))
        )
        D = np.linalg.lstsq(left.design.X[:, left.products.kept], left.design.X, rcond=None)[0]

        def value(x: Any, left: Any = left, D: Any = D) -> float:
            user = np.concatenate([x[p : p + m], D @ x[:p], x[p + m :]])
            criterion = left.criterion()
            return float(criterion.value(criterion.from_user(user)))

        h = 1e-4
        steps = h * np.eye(len(at))
        scores.append([-0.5 * (value(at + e) - value(at - e)) / (2 * h) for e in steps])
    parts = np.array(scores) / scale @ full[:, :p]
    expected = parts.T @ parts
    found = fit.vcov_robust(kind="CR0")
    np.testing.assert_allclose(found.to_frame(), expected, rtol=2e-4, atol=1e-7)
    J = group.n_levels
    np.testing.assert_allclose(fit.vcov_robust().to_frame(), expected * J / (J - 1), rtol=2e-4)


def test_tests_by_a_robust_covariance() -> None:
    fit = fit_case("trials")
    robust = fit.vcov_robust("herd")
    for given in (robust, "CR1", robust.to_frame()):
        table = fit.coef_table(vcov=given)
        np.testing.assert_allclose(table["std_error"], robust.stderror)
        assert np.isinf(table["df"]).all()
    assert fit.emmeans("period", vcov="CR1").to_frame()["std_error"].iloc[0] == pytest.approx(
        robust.stderror.iloc[0]
    )
    with pytest.raises(mm.ModelError, match="CR2"):
        fit.vcov_robust("herd", "CR2")
    with pytest.raises(mm.MixedModelsError, match="not nested"):
        fit_case("crossed").vcov_robust("g")


def test_checks() -> None:
    ticks = mm.load_dataset("grouseticks")
    poisson = mm.glmer("TICKS ~ YEAR + cHEIGHT + (1 | BROOD)", ticks, "poisson")
    found = poisson.check(nsim=99, progress=False)
    verdicts = found.to_frame()["verdict"]
    assert verdicts["Dispersion"] == "look"
    assert "vary more" in str(found)
    found.plot()
    negative = poisson.update(family="negative_binomial")
    assert negative.check(nsim=99, progress=False).to_frame()["verdict"]["Dispersion"] == "fine"


@pytest.mark.filterwarnings("ignore")
def test_checks_find_zeros_and_binary_responses() -> None:
    data = fit_case("crossed").data.copy()
    zero = np.random.default_rng(2).random(len(data)) < 0.5
    fit = mm.glmer("y ~ x + (1 | g)", data.assign(y=data["y"].mask(zero, 0) * 3), "poisson")
    table = fit.check(nsim=99, progress=False).to_frame()
    assert table["verdict"]["Zeros"] == "look"
    assert table["value"]["Zeros"] > 1.5
    assert 'Try zero_inflation="~ 1" for rows that can only be zero, or' in str(
        fit.check(nsim=99, progress=False)
    )
    binary = fit_case("binary, cloglog").check(nsim=99, progress=False).to_frame()
    assert binary["verdict"]["Dispersion"] == "not checked"
    assert binary["verdict"]["Zeros"] == "not checked"


def test_checks_of_a_right_model_are_fine() -> None:
    for name in ("negative binomial", "gamma, weights", "beta", "trials"):
        table = fit_case(name).check(nsim=99, progress=False).to_frame()
        assert (table["verdict"].iloc[:3] != "problem").all()
        assert table["verdict"]["Simulated residuals"] == "fine", name


@pytest.mark.parametrize("options", [{"n_agq": 0}, {"reml": True}], ids=str)
def test_checks_of_fits_whose_coefficients_are_not_searched(options: dict[str, Any]) -> None:
    fit = fit_case("trials").update(**options)
    table = fit.check(nsim=19, seed=1, progress=False).to_frame()
    usual = fit_case("trials").check(nsim=19, seed=1, progress=False).to_frame()
    assert table["verdict"]["Influence"] in ("fine", "look")
    assert table["value"]["Influence"] == pytest.approx(usual["value"]["Influence"], rel=0.5)


def test_reports(tmp_path: Path) -> None:
    for name in ("trials", "slopes, exposure", "gamma, weights"):
        fit_case(name).report(tmp_path / "page.html", checks=False)
        page = (tmp_path / "page.html").read_text(encoding="utf-8")
        assert "Generalized linear mixed model" in page
        assert "~ N(0, σ²)" not in page
        assert ">z<" in page
    fit_case("trials").report(tmp_path / "page.html", pictures=False)
    assert "Pearson chi-square" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_every_optimizer_finds_the_optimum() -> None:
    table = fit_case("negative binomial").all_fit(["quasi-newton", "L-BFGS-B", "Nelder-Mead"])
    assert table["difference"][table["converged"]].max() < 1e-6
    assert table["converged"][["quasi-newton", "L-BFGS-B"]].all()
    # Without derivatives a search may stop early; then it has not converged.
    assert table["difference"].max() < 1e-2


def test_singularity_advice() -> None:
    assert "not singular" in str(fit_case("trials").singularity())
    assert "zero" in str(fit_case("singular").singularity())


def test_limits_in_tidy_tables() -> None:
    fit = fit_case("negative binomial")
    table = fit.tidy(conf_int=True, conf_method="profile")
    limits = fit.confint()
    row = table[table["effect"] == "ran_pars"].iloc[0]
    assert row["conf_high"] == pytest.approx(limits["upper"].iloc[0])


@pytest.mark.parametrize("name", ["vcov_adjusted", "plot_shrinkage"])
def test_what_makes_no_sense_says_why(name: str) -> None:
    with pytest.raises(mm.ModelError, match="residual variance"):
        getattr(fit_case("trials"), name)()
