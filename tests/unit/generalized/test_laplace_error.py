"""The next term of the expansion: what it is worth, and what a fit says of it."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm

HERDS = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
WOMEN = "use ~ age + urban + livch + (1 | district)"


def added_by_quadrature(fit: mm.GeneralizedLinearMixedFit) -> float:
    """What quadrature with many nodes adds at the same parameters."""
    many = fit.model.__class__(
        fit.formula, fit.data, fit.family, n_agq=15 if fit.theta.size > 1 else 41
    )
    return many.objective(fit.theta, fit.beta, fit.dispersion) - fit.objective


@pytest.mark.parametrize(
    ("formula", "data", "family", "within"),
    [
        (HERDS, "cbpp", "binomial", 0.05),
        (WOMEN, "contraception", "binomial", 0.05),
        ("use ~ age + urban + livch + (urban | district)", "contraception", "binomial", 0.1),
        ("TICKS ~ YEAR + cHEIGHT + (1 | BROOD)", "grouseticks", "poisson", 0.1),
        ("TICKS ~ YEAR + cHEIGHT + (1 | BROOD)", "grouseticks", "negative_binomial", 0.2),
    ],
)
def test_the_term_is_what_quadrature_adds(
    formula: str, data: str, family: str, within: float
) -> None:
    fit = mm.glmer(formula, mm.load_dataset(data), family)
    error = fit.laplace_error
    assert error.total is not None
    assert error.total == pytest.approx(added_by_quadrature(fit), rel=within)
    assert error.by_level is not None
    assert error.by_level.sum() == pytest.approx(error.total)
    (group,) = fit.ngroups
    assert list(error.by_level.index) == list(fit.ranef()[group].index)
    assert (
        error.is_large
        == (abs(error.total) > 1)
        == any("approximation" in message for message in fit.messages)
    )


def test_parts_are_those_of_their_levels() -> None:
    """A level with one row less informative than the others has the largest part."""
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(12), [1, *[40] * 11])
    data = pd.DataFrame({"g": g, "y": rng.poisson(np.exp(0.3 + 0.4 * rng.normal(size=12)[g]))})
    parts = mm.glmer("y ~ 1 + (1 | g)", data, "poisson").laplace_error.by_level
    assert parts is not None
    assert parts.abs().idxmax() == 0


def sparse(sd: float) -> pd.DataFrame:
    """Few binary rows per level."""
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(150), 4)
    eta = -1 + sd * rng.normal(size=150)[g]
    y = (rng.random(600) < 1 / (1 + np.exp(-eta))).astype(int)
    return pd.DataFrame({"g": g, "y": y, "x": rng.normal(size=600), "h": np.arange(600) % 50})


def test_a_poor_approximation_points_to_quadrature() -> None:
    fit = mm.glmer("y ~ x + (1 | g)", sparse(3.0))
    error = fit.laplace_error
    assert error.is_large
    assert "n_agq=9" in str(error)
    assert error.advice in fit.messages
    assert "n_agq=9" in str(fit.summary())
    again = fit.update(n_agq=9)
    assert again.laplace_error.total is None
    assert "quadrature" in str(again.laplace_error)
    assert not any("n_agq" in message for message in again.messages)


def test_of_nested_factors_there_is_a_total_and_no_call_for_quadrature() -> None:
    data = sparse(3.0).assign(big=lambda d: d["g"] // 5)
    data.loc[data["big"] % 2 == 0, "y"] *= np.arange(len(data))[data["big"] % 2 == 0] % 4 == 0
    error = mm.glmer("y ~ x + (1 | big / g)", data).laplace_error
    assert error.by_level is None
    assert error.is_large
    assert "one grouping factor" in str(error.advice)


def test_too_many_pairs_of_rows_are_said() -> None:
    rng = np.random.default_rng(3)
    n = 8000
    data = pd.DataFrame({"a": rng.integers(0, 40, n), "b": rng.integers(0, 30, n)})
    level = 0.3 * rng.normal(size=40)[data["a"]] + 0.3 * rng.normal(size=30)[data["b"]]
    data["y"] = rng.poisson(np.exp(level))
    fit = mm.glmer("y ~ 1 + (1 | a) + (1 | b)", data, "poisson")
    error = copy.deepcopy(fit.laplace_error)
    assert error.total is None
    assert "crossed" in str(error.reason)
    assert not error.is_large
    assert error.to_frame().isna().all(axis=None)
