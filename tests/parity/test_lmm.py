"""Every linear case of the reference, at the given theta and at the optimum.

The reference's own accuracy bounds the limits: its criterion is good to 1e-9 relative, theta and
what follows from it to about 1e-6, for `insteval`, `star` and `chem97` to about 1e-5.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from parity.measures import CASES, Case, at_fixed_theta, at_optimum, fit_of

from mixedmodels import LinearMixedModel
from mixedmodels.linear import LinearMixedFit

LARGE = ("insteval", "star", "chem97")

# The scales are those of `measures.Optimum`. Squares may be off by twice as much as their roots.
LIMITS = {
    "theta": 1e-4,
    "beta": 1e-5,
    "se": 1e-5,
    "vcov": 2e-5,
    "sigma": 1e-5,
    "criteria": 1e-9,
    "sd": 1e-5,
    "corr": 1e-5,
    "ranef": 1e-5,
    "sumsq": 2e-5,
    "cond_sd": 1e-5,
    "cond_var": 2e-5,
    "rows": 1e-5,
}


@pytest.fixture(scope="module", params=CASES.values(), ids=lambda case: case["id"])
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture(scope="module")
def fit(case: Case) -> LinearMixedFit:
    return fit_of(case["id"])


def test_criterion_and_its_parts_at_given_theta(case: Case, fit: LinearMixedFit) -> None:
    found = asdict(at_fixed_theta(case, fit.model))
    assert {name: value for name, value in found.items() if not value < 1e-8} == {}


def test_optimum(case: Case, fit: LinearMixedFit) -> None:
    found = asdict(at_optimum(case, fit))
    assert found.pop("excess") < 1e-6
    factor = 10.0 if case["data"] in LARGE else 1.0
    too_far = {n: value for n, value in found.items() if not value < factor * LIMITS[n]}
    assert too_far == {}


def test_deviance_is_ml_at_the_same_theta(fit: LinearMixedFit) -> None:
    assert fit.deviance == pytest.approx(fit.model._by(reml=False).objective(fit.theta), rel=1e-13)
    assert fit.objective == pytest.approx(fit.model.objective(fit.theta), rel=1e-13)


def test_converged_without_complaint(case: Case, fit: LinearMixedFit) -> None:
    assert fit.converged
    assert fit.optsum.hessian_ok
    assert fit.optsum.decrement < 1e-9
    assert fit.is_singular is case["singular"]
    assert fit.optsum.status in ("converged", "boundary")
    assert (fit.optsum.status == "boundary") == bool(np.any(fit.theta[_diagonal(fit)] == 0.0))


def test_gradient_vanishes_at_lme4s_theta(case: Case, fit: LinearMixedFit) -> None:
    """In units that make the second derivative 1; at a bound it may point outwards."""
    theta = np.array(case["theta"])
    gradient = fit.model.gradient(theta)
    hessian = fit.model.hessian(theta)
    free = ~(_diagonal(fit) & (np.abs(theta) < 1e-6))
    curvature = np.diag(hessian)[free]
    scaled = np.abs(gradient[free]) / np.sqrt(np.maximum(curvature, 1e-8))
    assert np.max(scaled, initial=0.0) < 1e-3
    assert np.all(gradient[~free] > -1e-4)


def test_counts(case: Case, fit: LinearMixedFit) -> None:
    model = fit.model
    assert fit.nobs == case["n"]
    assert fit.npar == case["npar"]
    assert fit.df_residual == case["df_residual"]
    assert fit.reml is case["reml"]
    assert model.X.shape == (case["n"], case["p"] + len(case["dropped_columns"]))
    assert model.Zt.shape == (case["q"], case["n"])
    assert model.Lambda(fit.theta).shape == (case["q"], case["q"])


def test_theta_names_and_bounds(case: Case, fit: LinearMixedFit) -> None:
    assert fit.theta_names == fit.model.theta_names == case["theta_names"]
    bounds = [-np.inf if bound is None else bound for bound in case["theta_lower"]]
    np.testing.assert_array_equal(fit.model.lower_bounds, bounds)
    assert np.all(fit.theta >= bounds)


def test_coefficient_names_and_dropped_columns(case: Case, fit: LinearMixedFit) -> None:
    names = list(case["beta"])
    assert list(fit.fixef.dropna().index) == names
    assert list(fit.fixef.index[fit.fixef.isna()]) == case["dropped_columns"]
    assert list(fit.stderror.index) == names
    assert list(fit.vcov.index) == list(fit.vcov.columns) == names
    said = [message for message in fit.messages if "Rank-deficient" in message]
    assert len(said) == bool(case["dropped_columns"])
    assert all(name in said[0] for name in case["dropped_columns"])


def test_terms_groups_and_levels(case: Case, fit: LinearMixedFit) -> None:
    design = fit.model.design
    found = [
        {
            "group": design.groups[term.group].name,
            "terms": list(term.columns),
            "n_levels": design.groups[term.group].n_levels,
        }
        for term in design.terms
    ]
    assert found == case["grouping"]
    tables = fit.ranef()
    assert list(tables) == [expected["group"] for expected in case["ranef"]]
    for expected in case["ranef"]:
        table = tables[expected["group"]]
        assert len(table) == expected["n_levels"]
        assert list(table.columns) == expected["columns"]
        levels = expected["levels"]
        assert [str(level) for level in table.index[: len(levels)]] == levels


def test_rows_add_up(fit: LinearMixedFit) -> None:
    """The public matrices, put together by hand, give the fit's own fitted values and pwrss."""
    model, pls = fit.model, fit.model.pls(fit.theta)
    offset = 0.0 if model.design.offset is None else model.design.offset
    by_hand = offset + model.X[:, pls.kept] @ pls.beta + model.Zt.T @ pls.b
    np.testing.assert_allclose(fit.fitted, by_hand, rtol=1e-9, atol=1e-9 * fit.sigma)
    np.testing.assert_allclose(fit.fitted + fit.residuals, model.y)
    np.testing.assert_allclose(pls.b, model.Lambda(fit.theta) @ pls.u, atol=1e-10 * fit.sigma)
    weights = 1.0 if model.design.w is None else model.design.w
    pwrss = np.sum(weights * fit.residuals**2) + np.sum(pls.u**2)
    assert pls.pwrss == pytest.approx(pwrss, rel=1e-10)


def test_page_has_every_case() -> None:
    page = (Path(__file__).parents[2] / "docs" / "parity.md").read_text(encoding="utf-8")
    assert [name for name in CASES if f"| {name} |" not in page] == []


def _diagonal(fit: LinearMixedFit) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    model: LinearMixedModel = fit.model
    return model.lower_bounds == 0.0
