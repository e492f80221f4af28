"""Links under which some predictors have no mean: draws and limits say so, or are infinite."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels.estimates.tails import transformed_limits
from mixedmodels.families import (
    Gamma,
    InverseGaussian,
    Poisson,
    TruncatedNegativeBinomial,
    TruncatedPoisson,
)
from mixedmodels.families.links import LINKS


@pytest.mark.parametrize(
    ("family", "mean"),
    [
        (Poisson("identity"), -1.0),
        (Poisson(), np.inf),
        (Poisson("sqrt"), np.nan),
        (TruncatedPoisson(), np.inf),
        (TruncatedNegativeBinomial(), np.nan),
        (Gamma("inverse"), -0.5),
        (InverseGaussian("identity"), -0.5),
        (InverseGaussian(), np.nan),
    ],
    ids=repr,
)
def test_means_that_a_family_does_not_have_are_refused(family: Any, mean: float) -> None:
    mu = np.array([0.5, 0.5, mean])
    with pytest.raises(mm.ModelError, match=f"{family.title} family.*cannot be drawn.*means such"):
        family.draw(np.random.default_rng(1), mu, np.ones(3), 1.0)


@pytest.mark.parametrize("family", [TruncatedNegativeBinomial(), TruncatedPoisson(), Poisson()])
def test_means_in_a_table_are_drawn_as_in_a_row(family: Any) -> None:
    mu = np.random.default_rng(2).uniform(0.1, 3.0, (40, 7))
    drawn = family.draw(np.random.default_rng(3), mu, np.ones(7), 0.8)
    assert drawn.shape == mu.shape
    row = family.draw(np.random.default_rng(3), mu.ravel(), np.ones(280), 0.8)
    np.testing.assert_array_equal(drawn.ravel(), row)


@pytest.mark.parametrize("link", LINKS)
def test_links_are_quiet_where_there_is_no_mean(link: str) -> None:
    eta = np.array([-1.0, 0.0, 1.0])
    for of in (LINKS[link].mean, LINKS[link].slope):
        assert np.isfinite(of(eta)[2])


@pytest.mark.filterwarnings("ignore:Singular fit")
def test_predictions_without_a_mean_are_said() -> None:
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"x": rng.uniform(size=60), "g": np.arange(60) % 6})
    data["y"] = rng.wald((1.0 + data["x"]) ** -0.5, 5.0)
    fit = mm.glmer("y ~ x + (1 | g)", data, "inverse_gaussian")
    new = pd.DataFrame({"x": [0.5, -50.0], "g": 1}, index=["p", "q"])
    with pytest.warns(UserWarning, match=r"1 of 2 rows have no mean.*inverse_squared.*row q:"):
        found = fit.predict(new)
    assert np.isnan(found["q"])
    assert np.isfinite(found["p"])


def test_truncated_counts_of_a_tiny_k_are_refused_soon() -> None:
    """Hardly any count is above zero before truncation, so that nothing could be kept."""
    family = TruncatedNegativeBinomial()
    with pytest.raises(mm.ModelError, match="k = 2e-37"):
        family.draw(np.random.default_rng(1), np.r_[0.0, np.full(49, 9.0)], np.ones(50), 2e-37)
    drawn = family.draw(np.random.default_rng(1), np.full(50, 9.0), np.ones(50), 1e-3)
    assert (drawn >= 1.0).all()


def test_truncated_counts_of_which_few_are_kept_have_their_distribution() -> None:
    """P(y) is in proportion to 0.999^y / y as k goes to zero."""
    k = 1e-4
    drawn = TruncatedNegativeBinomial().draw(
        np.random.default_rng(1), np.full(3000, 999.0 * k), np.ones(3000), k
    )
    expected = 0.999 ** np.arange(1, 6) / np.arange(1, 6) / np.log(1000.0)
    shares = [(drawn == y).mean() for y in range(1, 6)]
    np.testing.assert_allclose(shares, expected, atol=0.03)


@pytest.mark.parametrize(
    ("link", "at", "limits", "expected"),
    [
        ("log", 0.0, (-1.0, 1.0), (np.exp(-1.0), np.exp(1.0))),
        ("inverse", 1.0, (0.5, 2.0), (0.5, 2.0)),
        ("inverse", 1.0, (-1.0, 2.0), (0.5, np.inf)),
        ("inverse", -1.0, (-2.0, 1.0), (-np.inf, -0.5)),
        ("inverse_squared", 1.0, (-1.0, 4.0), (0.5, np.inf)),
        ("sqrt", 1.0, (0.5, 2.0), (0.25, 4.0)),
        ("sqrt", 1.0, (-0.5, 2.0), (0.0, 4.0)),
        ("sqrt", 1.0, (-2.0, 3.0), (0.0, 9.0)),
        ("sqrt", -1.0, (-3.0, 1.0), (0.0, 9.0)),
    ],
)
def test_limits_beyond_a_pole_or_a_turn(
    link: str, at: float, limits: tuple[float, float], expected: tuple[float, float]
) -> None:
    found = transformed_limits(
        LINKS[link].mean_and_slope, np.array([at]), np.array(limits)[:, None]
    )
    np.testing.assert_allclose(found.ravel(), expected)


def small_counts() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"g": np.repeat(np.arange(8), 5), "f": np.tile(list("abcde"), 8)})
    return data.assign(y=rng.poisson(np.where(data["f"] == "a", 0.3, 1.5)))


def test_limits_of_predictions_contain_them() -> None:
    """Under the sqrt link those of a mean near zero turn there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mm.glmer("y ~ f + (1 | g)", small_counts(), "poisson", link="sqrt")
        new = pd.DataFrame({"f": list("abcde"), "g": 0})
        found = fit.predict_interval(new, random="none", type="response", level=0.999)
        means = fit.emmeans("f", type="response", level=0.999).to_frame()
    assert (found["lower"] <= found["prediction"]).all()
    assert (found["upper"] >= found["prediction"]).all()
    np.testing.assert_allclose(found["lower"], means["lower"], atol=1e-8)
    np.testing.assert_allclose(found["upper"], means["upper"], rtol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_without_a_covariance_influence_is_refused_and_the_page_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def not_positive(*_: object) -> None:
        raise np.linalg.LinAlgError("Matrix is not positive definite")

    fit = mm.glmer("y ~ f + (1 | g)", small_counts(), "poisson")
    monkeypatch.setattr(np.linalg, "cholesky", not_positive)
    with pytest.raises(mm.ModelError, match="not positive definite"):
        fit.vif()
    with pytest.raises(mm.ModelError, match="not positive definite"):
        fit.influence("g", method="one-step")
