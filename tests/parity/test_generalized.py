"""Every generalized case of the reference: the criterion at given parameters, and the optimum."""

from __future__ import annotations

import numpy as np
import pytest
from parity.generalized import (
    CANONICAL,
    CASES,
    EXACT,
    EXPECTED,
    LAPLACE,
    beta_of,
    distance,
    fit_of,
    model_of,
)


@pytest.mark.parametrize("case_id", CANONICAL)
def test_criterion_at_given_parameters(case_id: str) -> None:
    case = CASES[case_id]
    model = model_of(case)
    for at in case["devfun"]:
        found = model.objective(at["theta"], at["beta"])
        assert found == pytest.approx(at["neg2loglik"], rel=1e-10)


@pytest.mark.parametrize("case_id", CANONICAL)
def test_criterion_at_the_optimum_of_the_reference(case_id: str) -> None:
    case = CASES[case_id]
    model = model_of(case)
    found = model.objective(case["theta"], beta_of(case, case["beta"], model))
    assert found == pytest.approx(case["neg2loglik"], rel=1e-9)


@pytest.mark.parametrize("case_id", LAPLACE)
def test_optimum(case_id: str) -> None:
    found = distance(CASES[case_id], fit_of(case_id))
    assert found.excess < 1e-8
    assert found.theta < 1e-4
    assert found.beta < 1e-4
    assert found.se < 1e-6
    assert found.evaluations <= 15


@pytest.mark.parametrize("case_id", CANONICAL)
def test_random_effects_and_their_variances(case_id: str) -> None:
    case, fit = CASES[case_id], fit_of(case_id)
    spread = fit.ranef_cov()
    for group in case["ranef"]:
        name = group["group"]
        modes = fit.ranef()[name].to_numpy()[: len(group["values"])]
        expected = np.array(group["values"])
        assert np.abs(modes - expected).max() < 1e-4 * max(1.0, np.abs(expected).max())
        sd = np.sqrt(np.einsum("lii->li", spread[name]))[:5]
        assert np.abs(sd / np.array(group["cond_sd"]) - 1.0).max() < 1e-3


@pytest.mark.parametrize("case_id", ["gamma_log", "invgauss_log", "nb_sim"])
def test_dispersion(case_id: str) -> None:
    exact, fit = CASES[case_id]["exact"]["laplace"], fit_of(case_id)
    assert fit.loglik == pytest.approx(exact["logLik"], rel=1e-10)
    assert fit.theta[0] == pytest.approx(exact["sd"], rel=1e-5)
    assert fit.dispersion == pytest.approx(exact["dispersion_par"], rel=1e-5)
    assert fit.stderror.tolist() == pytest.approx(exact["se_beta"], rel=1e-5)


def test_every_case_has_an_oracle() -> None:
    assert set(LAPLACE) - set(EXACT) <= {"guimmun_logit"}


@pytest.mark.parametrize("case_id", CANONICAL)
def test_coefficients_in_the_mode(case_id: str) -> None:
    case = CASES[case_id]
    fast, model = case["nAGQ0"], model_of(case, n_agq=0)
    for at in fast.get("devfun", []):
        found = model.objective(at["theta"], np.zeros(len(case["beta"])))
        assert found == pytest.approx(at["neg2loglik"], rel=1e-9)
    fit = model.fit()
    assert fit.objective <= fast["neg2loglik"] + 1e-6
    assert fit.optsum.n_objective <= 20
    errors = np.abs(fit.beta - np.array(beta_of(case, fast["beta"], model)))
    assert (errors / fit.stderror.to_numpy()).max() < 1e-3


@pytest.mark.parametrize("case_id", EXPECTED)
def test_expected_information_is_that_of_lme4(case_id: str) -> None:
    case = CASES[case_id]
    model = model_of(case, information="expected")
    for at in case["devfun"]:
        assert model.objective(at["theta"], at["beta"]) == pytest.approx(
            at["neg2loglik"], rel=1e-10
        )
    fit = model.fit()
    assert fit.objective <= case["neg2loglik"] + 1e-7
    np.testing.assert_allclose(fit.theta, case["theta"], rtol=1e-4)
