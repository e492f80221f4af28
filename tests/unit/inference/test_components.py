"""Standard errors of variance parameters: delta method, bounds, directions without curvature."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from mixedmodels.covariance import Templates
from mixedmodels.estimates.varcorr import VarCorr
from mixedmodels.inference.components import component_table
from mixedmodels.inference.information import Information, inverse_of, on_bound, unknown_message

TEMPLATES = Templates.from_terms(
    [3, 1], [0, 1], ["g", "h"], [("i", "x", "z"), ("i",)], n_levels=[9, 5]
)
THETA = np.array([0.9, -0.3, 0.2, 0.6, 0.4, 0.5, 0.7])
SIGMA = 1.7


def information(**changes: Any) -> Information:
    root = np.random.default_rng(1).normal(size=(8, 8))
    values: dict[str, Any] = {
        "held": np.zeros(7, dtype=np.bool_),
        "flat": np.zeros((7, 0)),
        "vcov": 0.01 * root @ root.T,
        "fixed": np.zeros((7, 0, 0)),
        "phi": np.zeros((0, 0)),
        "axes": SimpleNamespace(
            from_axes=lambda values: values,
            slope_to_axes=lambda values: values,
            covariance_from_axes=lambda values: values,
        ),
        "R": np.zeros((0, 0)),
        "sigma": SIGMA,
    }
    return Information(**{**values, **changes})


def table_at(theta: Any, sigma: float, about: Information) -> Any:
    return component_table(VarCorr.from_theta(TEMPLATES, theta, sigma), TEMPLATES, theta, about)


@pytest.mark.parametrize("column", ["vcov", "sdcor"])
def test_delta_method_against_differences(column: str) -> None:
    about = information()

    def values(at: Any) -> Any:
        return VarCorr.from_theta(TEMPLATES, at[:7], float(np.exp(at[7]))).to_frame()[column]

    slopes = approx_fprime(np.append(THETA, np.log(SIGMA)), values, 1e-7)
    errors = np.sqrt(np.diag(slopes @ about.vcov @ slopes.T))
    table = table_at(THETA, SIGMA, about)
    # Forward differences of step 1e-7.
    np.testing.assert_allclose(table[f"{column}_std_error"], errors, rtol=1e-5)
    variances = table["var2"].isna()
    expected = 2.0 * (table["vcov"] / table["vcov_std_error"]) ** 2
    np.testing.assert_allclose(table["df"][variances], expected[variances])
    assert table["df"][~variances].isna().all()


def test_what_lies_on_a_bound_has_no_standard_error() -> None:
    theta = THETA.copy()
    theta[[3, 4, 5, 6]] = 0.0  # correlations of the first term are +-1, the second is gone
    table = table_at(theta, SIGMA, information(held=on_bound(TEMPLATES, theta)))
    bounded = (table["var2"].notna() | (table["grp"] == "h")).to_numpy()
    np.testing.assert_array_equal(table["sdcor_std_error"].isna(), bounded)
    np.testing.assert_array_equal(table["vcov_std_error"].isna(), table["grp"] == "h")


def test_entries_on_the_bound() -> None:
    theta = np.array([0.0, 0.5, 0.0, 0.0, 0.0, 0.8, 0.0])
    held = on_bound(TEMPLATES, theta)
    # The first column has only its diagonal at zero, the second is zero throughout.
    assert np.flatnonzero(held).tolist() == [0, 3, 4, 6]


def test_directions_without_curvature() -> None:
    """Turning two columns into each other changes nothing: neither entry has an error."""
    angle = np.array([0.0, 0.6, 0.0, -0.8, 0.0, 0.0, 0.0])
    hessian = np.diag([4.0, 1.0, 3.0, 1.0, 2.0, 5.0, 6.0]) - np.outer(angle, angle)
    inverse, flat, problem = inverse_of(hessian, np.ones(7, dtype=np.bool_), True)
    assert problem == ""
    assert flat.shape == (7, 1)
    np.testing.assert_allclose(hessian @ flat, 0.0, atol=1e-12)
    np.testing.assert_allclose(hessian @ inverse @ hessian, hessian, atol=1e-12)
    about = information(flat=flat)
    assert np.flatnonzero(about.unknown).tolist() == [1, 3]
    assert np.isnan(about.parameters[1]).all()
    assert np.isfinite(about.parameters[0, 7])
    message = unknown_message(TEMPLATES, about)
    assert message == "No standard error for theta: g.x.i, g.x not determined by the data."


def test_inverse_without_free_entries() -> None:
    inverse, flat, problem = inverse_of(np.eye(2), np.zeros(2, dtype=np.bool_), True)
    assert not inverse.any()
    assert problem == ""
    assert flat.shape == (2, 0)


@pytest.mark.parametrize(
    ("hessian", "words"),
    [
        (np.array([[1.0, np.nan], [np.nan, 1.0]]), "not finite"),
        (np.array([[1.0, np.inf], [np.inf, 1.0]]), "not finite"),
        (np.diag([1.0, -0.5]), "not a minimum"),
    ],
)
def test_a_hessian_without_information_says_why(hessian: Any, words: str) -> None:
    *_, problem = inverse_of(hessian, np.ones(2, dtype=np.bool_), True)
    assert words in problem
    about = information(problem=problem, vcov=np.full((8, 8), np.nan))
    assert unknown_message(TEMPLATES, about) == f"No standard errors of theta and sigma: {problem}."
    assert np.isnan(about.parameters).all()
