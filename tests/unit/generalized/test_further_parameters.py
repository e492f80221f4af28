"""The roles of fits whose distribution has further parameters: dispersion, zeros, thresholds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from generalized_fits import HERDS, MORE, fit_case

import mixedmodels as mm
from mixedmodels.estimates.rows_left import part_of_rows


@pytest.fixture(params=MORE)
def fit(request: pytest.FixtureRequest) -> Any:
    return fit_case(request.param)


def test_parts_add_up_to_the_whole(fit: Any) -> None:
    group = fit.model.design.groups[0]
    rows = [np.flatnonzero(group.codes == level) for level in range(group.n_levels)]
    parts = [part_of_rows(fit._fitted, own) for own in rows]
    assert sum(part.value for part in parts) == pytest.approx(fit.objective, abs=1e-7)
    assert np.abs(sum(part.gradient for part in parts)).max() < 1e-3


def test_leverage_is_that_of_the_weighted_problem(fit: Any) -> None:
    design, of = fit.model.design, fit._fitted.distribution
    eta = fit.solution.eta
    w = of.slope(eta) ** 2 / of.variance(eta, np.ones(design.n))
    Z = np.eye(design.groups[0].n_levels)[design.groups[0].codes] * fit.theta[0]
    both = np.hstack([Z, design.X[:, fit.solution.kept]])
    if fit.family.ordered:
        both = np.hstack([both, -of.shares(eta)])
    penalty = np.diag(np.append(np.ones(Z.shape[1]), np.zeros(both.shape[1] - Z.shape[1])))
    hat = np.linalg.solve(both.T @ (w[:, None] * both) + penalty, both.T)
    np.testing.assert_allclose(
        fit.leverage(), w * np.einsum("ij,ji->i", both, hat), rtol=1e-5, atol=1e-9
    )
    assert fit.augment().shape[0] == fit.nobs


@pytest.mark.filterwarnings("ignore")
def test_replicates_are_fits(fit: Any) -> None:
    sample, drawn = fit.bootstrap(4, seed=2), fit.simulate(4, seed=2)
    for i in range(4):
        again = fit.refit(drawn[i])
        assert sample.objective[i] == pytest.approx(again.objective, abs=1e-5)
    names = list(sample.replicates.columns)
    np.testing.assert_array_equal(sample.estimates.index, names)


def test_limits_and_covariances(fit: Any, tmp_path: Path) -> None:
    table = fit.confint()
    assert table.notna().all().all()
    full = fit.vcov_full()
    own = [name for part in fit._fitted.model.components for name in part.parameters]
    assert len(full) == fit.npar
    assert len(own) == len(full) - len(fit.theta) - fit.solution.p
    p = fit.solution.p
    np.testing.assert_allclose(full.iloc[:p, :p], fit.vcov)
    wald = fit.confint("beta_", method="wald")
    assert np.abs(wald - table.loc[wald.index]).max().max() < 0.2
    fit.save(tmp_path / "fit.mm")
    pd.testing.assert_frame_equal(mm.load(tmp_path / "fit.mm").vcov_full(), full)


@pytest.mark.filterwarnings("ignore")
def test_deletions_and_robust_covariances(fit: Any) -> None:
    exact = fit.influence("g")
    step = fit.influence("g", "one-step")
    a, b = exact.dfbeta.to_numpy().ravel(), step.dfbeta.to_numpy().ravel()
    assert np.corrcoef(a, b)[0, 1] > 0.9
    ratio = fit.vcov_robust("g").stderror / fit.stderror
    assert ratio.between(0.3, 3).all()


def test_checks_reports_and_shares(fit: Any, tmp_path: Path) -> None:
    verdicts = fit.check(nsim=19, progress=False).to_frame()["verdict"]
    assert verdicts["Simulated residuals"] == "fine"
    fit.report(tmp_path / "page.html", checks=False)
    assert 0 < fit.r2()["marginal"] < fit.r2()["conditional"] < 1
    fit.plot_residuals()
    fit.plot_qq()
    table = fit.predict_interval(type="link", uncertainty="full")
    assert (table["std_error"] > 0).all()


def test_means_that_depend_on_more_are_refused() -> None:
    for name in ("zeros of their own", "ordered"):
        with pytest.raises(mm.MixedModelsError, match="type='link'"):
            fit_case(name).predict_interval()
    with pytest.raises(mm.MixedModelsError, match="predictors"):
        fit_case("dispersion with a predictor").predict_interval(kind="prediction")


@pytest.mark.parametrize("options", [{"reml": True}, {"n_agq": 0}])
def test_coefficients_that_are_not_searched(options: Any) -> None:
    fit = mm.glmer(HERDS, mm.load_dataset("cbpp"), **options)
    for call in (fit.vcov_robust, lambda: fit.influence("herd", "one-step")):
        with pytest.raises(mm.ModelError, match="maximum likelihood"):
            call()
    sample, drawn = fit.bootstrap(3, seed=1), fit.simulate(3, seed=1)
    assert sample.objective[0] == pytest.approx(fit.refit(drawn[0]).objective, abs=1e-5)
