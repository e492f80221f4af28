"""Rows whose mean is at a bound, limits beyond the largest number, links without a mean."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

import mixedmodels as mm
from mixedmodels.arrays import FloatArray
from mixedmodels.diagnostics.tidy import scale_rows
from mixedmodels.families.links import LINKS, mean_over

# What a fit says of such data is tested elsewhere.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def far_apart(family: str, rows: int) -> tuple[dict[str, Any], FloatArray]:
    """Levels whose predictors are tens apart, a row each, and these predictors."""
    rng = np.random.default_rng(7)
    g = np.repeat(np.arange(25), rows)
    x = rng.integers(0, 2, len(g)).astype(np.float64)
    eta = x + 10.0 * rng.normal(size=25)[g]
    data: dict[str, Any] = {"x": x, "g": g, "f": rng.choice(["u", "v", "w"], len(g))}
    if family == "ordinal":
        return {**data, "y": np.digitize(eta, [-8.0, 0.0, 8.0])}, eta
    return {**data, "y": (eta > 0.0).astype(int)}, eta


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "cauchit"])
@pytest.mark.parametrize("kind", ["pearson", "working", "deviance", "response", "quantile"])
def test_residuals_of_means_at_a_bound_are_numbers(link: str, kind: Any) -> None:
    data, _ = far_apart("binomial", 2)
    fit = mm.glmer("y ~ x + (1 | g)", data, family="binomial", link=link)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        found = fit.std_residuals(kind, seed=1).to_numpy()
        rows = fit.augment()
    assert not np.isnan(found).any()
    assert not rows[[".std_resid", ".hat", ".cooksd"]].isna().to_numpy().any()


@pytest.mark.parametrize("formula", ["y ~ x + (1 | g)", "y ~ x * f + (1 | g)"])
@pytest.mark.parametrize("family", ["binomial", "ordinal"])
@pytest.mark.parametrize("n_agq", [0, 1, 7])
def test_influence_on_coefficients_that_are_not_identified(
    formula: str, family: str, n_agq: int
) -> None:
    data, _ = far_apart(family, 1)
    fit = mm.glmer(formula, data, family=family, n_agq=n_agq)
    try:
        found = fit.influence("g")
    except mm.ModelError as error:
        assert "not positive definite" in str(error)  # noqa: PT017 (a result is as good)
    else:
        assert found is not None


def test_limits_beyond_the_largest_number_are_infinite() -> None:
    table = scale_rows(["k"], np.array([2.0]), 1e6, 0.95)
    assert table["conf_high"].item() == np.inf
    assert table["conf_low"].item() == 0.0


@pytest.mark.parametrize("name", [name for name in LINKS if name not in ("inverse", "sqrt")])
@pytest.mark.parametrize("sd", [0.0, 0.3, 1.5])
def test_means_over_normal_predictors(name: str, sd: float) -> None:
    link, eta = LINKS[name], np.array([9.0, 12.0] if name == "inverse_squared" else [-1.0, 0.4])
    found = mean_over(link, eta, sd)
    for at, value in zip(eta, found, strict=True):
        if sd == 0.0:
            wanted = link.mean(np.array([at]))[0]
        else:
            wanted, _ = integrate.quad(
                lambda z, at=at: link.mean(np.array([at + sd * z]))[0] * stats.norm.pdf(z),
                *((-5.5, 5.5) if name == "inverse_squared" else (-12.0, 12.0)),
            )
        assert value == pytest.approx(wanted, rel=2e-3 if name == "cauchit" else 1e-5)


def test_where_a_link_has_no_mean_there_is_no_number() -> None:
    found = mean_over(LINKS["inverse_squared"], np.array([1.0, 2.0]), np.array([0.0, 2.0]))
    assert found[0] == 1.0
    assert np.isnan(found[1])


def test_measures_of_such_a_link_say_so() -> None:
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(20), 6)
    data = {"g": g, "x": rng.normal(size=120), "y": np.exp(1.5 * rng.normal(size=20))[g]}
    data["y"] = data["y"] * rng.gamma(4.0, 0.25, 120)
    fit = mm.glmer("y ~ x + (1 | g)", data, family="inverse_gaussian")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        for call in (fit.r2, fit.icc):
            with pytest.raises(mm.ModelError, match="no mean over the random effects"):
                call()
