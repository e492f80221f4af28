"""The oracle against lme4's criterion at fixed theta, and its gradient against differences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import conditional_covariance, criterion, from_design, gradient, solve
from small_designs import CASES, Case, design_of

REFERENCE = {
    case["id"]: case
    for case in json.loads(
        (Path(__file__).parents[1] / "reference" / "lmm.json").read_text(encoding="utf-8")
    )
}


# Dense algebra of a large case takes seconds and shows nothing new: no differences, and one theta.
SMALL = [case for case in CASES if REFERENCE[case.id]["n"] <= 250]
LARGE = 1000


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.id)
def pair(request: pytest.FixtureRequest) -> tuple[Any, dict[str, Any]]:
    case: Case = request.param
    return from_design(design_of(case)), REFERENCE[case.id]


@pytest.mark.parametrize("reml", [False, True], ids=["ml", "reml"])
def test_criterion_and_parts_at_fixed_theta(pair: tuple[Any, dict[str, Any]], reml: bool) -> None:
    problem, reference = pair
    points = reference["devfun"]["reml" if reml else "ml"]
    for point in points[: 1 if reference["n"] > LARGE else None]:
        theta = np.array(point["theta"], dtype=np.float64)
        pls = solve(problem, theta)
        # lme4's oxide values carry a rounding error of 3e-8 (reference README).
        rtol = 1e-7 if reference["data"] == "oxide" else 1e-9
        assert criterion(problem, theta, reml) == pytest.approx(point["deviance"], rel=rtol)
        assert pls.pwrss == pytest.approx(point["pwrss"], rel=1e-8)
        assert pls.logdet_L2 == pytest.approx(point["ldL2"], rel=1e-9, abs=1e-9)
        np.testing.assert_allclose(pls.beta, point["beta"], rtol=1e-5)


def test_gradient_vanishes_at_the_optimum(pair: tuple[Any, dict[str, Any]]) -> None:
    problem, reference = pair
    theta = np.array(reference["theta"], dtype=np.float64)
    slope = gradient(problem, theta, reference["reml"])
    free = theta > problem.templates.lower_bounds + 1e-5
    # theta carries 1e-6 relative accuracy, and curvature is of the order of n.
    assert np.abs(slope[free]).max(initial=0.0) < 1e-4 * problem.n
    assert (slope[~free] > -1e-4 * problem.n).all()


@pytest.mark.parametrize("reml", [False, True], ids=["ml", "reml"])
@pytest.mark.parametrize("pair", SMALL, ids=lambda case: case.id, indirect=True)
def test_gradient_against_central_differences(pair: tuple[Any, dict[str, Any]], reml: bool) -> None:
    problem, reference = pair
    for point in reference["devfun"]["ml"]:
        theta = np.array(point["theta"], dtype=np.float64)
        numeric = [_slope(problem, theta, k, reml) for k in range(len(theta))]
        exact = gradient(problem, theta, reml)
        # The differences keep about eps f / h of the criterion: 1e-9 absolute here.
        atol = 1e-7 + 1e-7 * np.abs(exact).max()
        np.testing.assert_allclose(exact, numeric, rtol=1e-6, atol=atol)


def _slope(problem: Any, theta: np.ndarray, k: int, reml: bool) -> float:
    """Five-point central difference in one direction."""
    step = np.zeros(len(theta))
    step[k] = 1e-4
    near, far = (
        criterion(problem, theta + j * step, reml) - criterion(problem, theta - j * step, reml)
        for j in (1, 2)
    )
    return float((8 * near - far) / (12 * step[k]))


def test_conditional_covariance_at_the_optimum(pair: tuple[Any, dict[str, Any]]) -> None:
    problem, reference = pair
    blocks = conditional_covariance(problem, np.array(reference["theta"], dtype=np.float64))
    for block, table in zip(blocks, reference["ranef"], strict=True):
        sd = reference["sigma"] * np.sqrt(np.diagonal(block, axis1=1, axis2=2))
        expected = np.array(table["cond_sd"])
        np.testing.assert_allclose(sd[: len(expected)], expected, rtol=1e-5, atol=1e-7)
