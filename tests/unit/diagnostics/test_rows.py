"""Hat values and residuals against their definitions by the dense marginal covariance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mixedmodels import LinearMixedModel, MixedModelsError, lmer, load_dataset
from mixedmodels.linear import LinearMixedFit

SLOPES = "Reaction ~ Days + (Days | Subject)"
OPTIONS: list[dict[str, Any]] = [
    {},
    {"reml": False},
    {"weights": "1 / (1 + Days)", "offset": "10 * Days"},
]


def marginal(fit: LinearMixedFit) -> Any:
    """V / sigma^2 (n, n), X (n, p) of the kept columns, and y less the offset."""
    design, model = fit.model.design, fit.model
    U = (model.Zt.T @ model.Lambda(fit.theta)).toarray()
    w = np.ones(design.n) if design.w is None else design.w
    offset = np.zeros(design.n) if design.offset is None else design.offset
    return U @ U.T + np.diag(1.0 / w), design.X, design.y - offset, w


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_by_definition(options: dict[str, Any]) -> None:
    fit = lmer(SLOPES, load_dataset("sleepstudy"), **options)
    V, X, y, w = marginal(fit)
    inverse = np.linalg.inv(V)
    covariance = np.linalg.inv(X.T @ inverse @ X)
    P = inverse - inverse @ X @ covariance @ X.T @ inverse
    error = P @ y / w  # the conditional residual
    marginal_error = y - X @ fit.beta
    h = 1.0 - np.diag(P) / w
    expected = {
        ("raw", "conditional"): error,
        ("pearson", "conditional"): error * np.sqrt(w),
        ("scaled", "conditional"): error * np.sqrt(w) / fit.sigma,
        ("standardized", "conditional"): error / (fit.sigma * np.sqrt(np.diag(P)) / w),
        ("raw", "marginal"): marginal_error,
        ("pearson", "marginal"): marginal_error * np.sqrt(w),
        ("scaled", "marginal"): marginal_error / (fit.sigma * np.sqrt(np.diag(V))),
        ("standardized", "marginal"): marginal_error
        / (fit.sigma * np.sqrt(np.diag(V - X @ covariance @ X.T))),
    }
    np.testing.assert_allclose(fit.leverage(), h, atol=1e-12)
    for (kind, level), values in expected.items():
        found = fit.std_residuals(kind, marginal=level == "marginal")
        np.testing.assert_allclose(found, values, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_studentized_takes_sigma_from_the_other_rows(options: dict[str, Any]) -> None:
    data = load_dataset("sleepstudy")
    fit = lmer(SLOPES, data, **options)
    ratio = fit.std_residuals("standardized") / fit.std_residuals("studentized")
    ratio_marginal = fit.std_residuals("standardized", marginal=True) / fit.std_residuals(
        "studentized", marginal=True
    )
    np.testing.assert_allclose(ratio, ratio_marginal, rtol=1e-9)
    for row in (0, 56, 179):
        left = data.drop(index=row)
        model = LinearMixedModel(SLOPES, left, **{k: v for k, v in options.items() if k != "reml"})
        pls = model.pls(fit.theta)
        sigma = np.sqrt(pls.pwrss / (len(left) - (2 if fit.reml else 0)))
        np.testing.assert_allclose(ratio[row], sigma / fit.sigma, rtol=1e-9)


def test_labels_are_those_of_the_rows_used() -> None:
    data = load_dataset("sleepstudy").set_axis([f"r{i}" for i in range(180)])
    data.loc["r3", "Reaction"] = np.nan
    hat = lmer(SLOPES, data).leverage()
    assert list(hat.index[:4]) == ["r0", "r1", "r2", "r4"]
    columns = {name: data[name].to_numpy() for name in data}
    assert list(lmer(SLOPES, columns).leverage().index[:4]) == [0, 1, 2, 4]


def test_a_row_that_determines_a_coefficient() -> None:
    data = load_dataset("sleepstudy").assign(only=np.arange(180) == 7)
    fit = lmer("Reaction ~ Days + only + (1 | Subject)", data)
    assert fit.leverage()[7] == pytest.approx(1.0, abs=1e-9)
    for values in (fit.std_residuals(), fit.std_residuals("studentized"), fit.cooks_distance()):
        assert np.isnan(values[7])
        assert values.drop(7).notna().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"kind": "deviance"}, "kind is 'deviance'"), ({"marginal": "both"}, "marginal is 'both'")],
)
def test_refused(options: dict[str, Any], message: str) -> None:
    fit = lmer("Yield ~ 1 + (1 | Batch)", load_dataset("dyestuff"))
    with pytest.raises(MixedModelsError, match=message):
        fit.std_residuals(**options)


def test_results_may_be_changed_freely() -> None:
    fit = lmer("Yield ~ 1 + (1 | Batch)", load_dataset("dyestuff"))
    hat = fit.leverage()
    hat[:] = 0.0
    assert fit.leverage().sum() > 1.0
