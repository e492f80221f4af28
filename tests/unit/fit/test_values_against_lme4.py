"""Every value of the facade against lme4, at lme4's theta and at the library's own optimum."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pytest

from mixedmodels.linear import LinearMixedFit

Pair: TypeAlias = tuple[LinearMixedFit, dict[str, Any]]


def rtol(reference: dict[str, Any]) -> float:
    """At the same theta only rounding differs (more of it for oxide); optima agree to 1e-6."""
    return 1e-7 if reference["same_theta"] and reference["data"] != "oxide" else 1e-5


def test_scalars(pair: Pair) -> None:
    fit, reference = pair
    assert fit.objective == pytest.approx(reference["criterion"], rel=1e-8)
    assert fit.loglik == pytest.approx(reference["logLik"], rel=1e-8)
    assert fit.aic == pytest.approx(reference["AIC"], rel=1e-8)
    assert fit.bic == pytest.approx(reference["BIC"], rel=1e-8)
    assert fit.sigma == pytest.approx(reference["sigma"], rel=rtol(reference))
    assert fit.npar == reference["npar"]
    assert fit.nobs == reference["n"]
    assert fit.df_residual == reference["df_residual"]
    assert fit.theta == pytest.approx(reference["theta"], rel=1e-4, abs=1e-5)
    assert fit.reml is reference["reml"]
    assert fit.is_singular is reference["singular"]
    assert fit.converged
    assert fit.theta_names == reference["theta_names"]


def test_deviance_is_ml(pair: Pair) -> None:
    fit, reference = pair
    if reference["reml"]:
        assert fit.deviance != fit.objective
    else:
        assert fit.deviance == pytest.approx(fit.objective, rel=1e-13)


def test_fixed_effects(pair: Pair) -> None:
    fit, reference = pair
    beta, se = (list(reference[key].values()) for key in ("beta", "se_beta"))
    names = list(reference["beta"])
    dropped = set(reference["dropped_columns"])
    assert set(fit.fixef.index[fit.fixef.isna()]) == dropped
    assert list(fit.fixef.dropna().index) == names
    assert list(fit.stderror.index) == names
    assert list(fit.vcov.index) == list(fit.vcov.columns) == names
    np.testing.assert_allclose(fit.fixef.dropna(), beta, rtol=1e-5)
    np.testing.assert_allclose(fit.stderror, se, rtol=rtol(reference))
    vcov = np.array(reference["vcov_beta"], dtype=np.float64)
    if not np.isnan(vcov).any():  # left out of the reference for many columns
        scale = np.outer(se, se)
        np.testing.assert_allclose(fit.vcov / scale, vcov / scale, atol=1e-5)
    table = fit.coef_table()
    np.testing.assert_allclose(table["statistic"], np.divide(beta, se), rtol=1e-5)


def test_variance_components(pair: Pair) -> None:
    fit, reference = pair
    terms = fit.varcorr.terms
    for term, expected in zip(terms, reference["VarCorr"], strict=True):
        np.testing.assert_allclose(term.sd, expected["sd"], rtol=rtol(reference), atol=1e-6)
        corr = np.array(expected["corr"], dtype=np.float64)
        np.testing.assert_allclose(term.corr, corr, rtol=1e-6, atol=1e-6)


def test_random_effects(pair: Pair) -> None:
    fit, reference = pair
    tables, condvar = fit.ranef(), fit.ranef_cov()
    assert list(tables) == [expected["group"] for expected in reference["ranef"]]
    for expected in reference["ranef"]:
        table = tables[expected["group"]]
        assert len(table) == expected["n_levels"]
        values = np.array(expected["values"])
        scale = np.abs(values).max() + 1e-12
        assert list(table.columns) == expected["columns"]
        assert list(map(str, table.index[: len(values)])) == expected["levels"]
        # Relative to the largest mode of the group, with theta known to about 1e-6.
        np.testing.assert_allclose(table[: len(values)] / scale, values / scale, atol=1e-5)
        np.testing.assert_allclose(
            (table**2).sum(), expected["sumsq"], rtol=1e-4, atol=1e-9 * scale**2
        )
        sd = np.sqrt(np.diagonal(condvar[expected["group"]], axis1=1, axis2=2))
        cond_sd = np.array(expected["cond_sd"])
        np.testing.assert_allclose(sd[: len(cond_sd)], cond_sd, rtol=1e-5, atol=1e-7)


def test_conditional_covariance_of_first_level(pair: Pair) -> None:
    fit, reference = pair
    condvar = fit.ranef_cov()
    for expected in reference["ranef"]:
        blocks = expected["cond_var_first"]
        start = 0
        for block in blocks.values() if isinstance(blocks, dict) else blocks:
            size = len(block)
            inside = slice(start, start + size)
            found = condvar[expected["group"]][0, inside, inside]
            np.testing.assert_allclose(found, block, rtol=1e-5, atol=1e-7)
            start += size


def test_rows(pair: Pair) -> None:
    fit, reference = pair
    assert fit.fitted.shape == fit.residuals.shape == (reference["n"],)
    np.testing.assert_allclose(
        fit.fitted[:10], reference["fitted_first10"], rtol=1e-6, atol=1e-6 * fit.sigma
    )
    np.testing.assert_allclose(
        fit.residuals[:10], reference["residual_first10"], atol=1e-5 * fit.sigma
    )
    np.testing.assert_allclose(fit.fitted + fit.residuals, fit.model.design.y)
