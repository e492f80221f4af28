"""Names and values of standard deviations and correlations, for one theta and for many."""

from __future__ import annotations

import numpy as np

from mixedmodels import lmer, load_dataset
from mixedmodels.covariance import Templates
from mixedmodels.estimates.parameters import parameter_names, to_sd_cor

TEMPLATES = Templates.from_terms((2, 1), (0, 1), ("g", "h"), (("a", "b"), ("c",)), (5, 4))


def test_names_follow_theta() -> None:
    assert parameter_names(TEMPLATES) == ("sd(g.a)", "cor(g.a.b)", "sd(g.b)", "sd(h.c)", "sigma")


def test_values_are_those_of_the_covariances() -> None:
    rng = np.random.default_rng(1)
    theta = rng.normal(size=(7, 4))
    sigma = rng.uniform(1.0, 2.0, 7)
    found = to_sd_cor(TEMPLATES, theta, sigma)
    for row, at, scale in zip(found, theta, sigma, strict=True):
        lam = TEMPLATES.lam(at)
        cov = scale**2 * lam[0] @ lam[0].T
        sd = np.sqrt(np.diag(cov))
        expected = [sd[0], cov[0, 1] / sd[0] / sd[1], sd[1], scale * abs(at[3])]
        # Rounding only.
        np.testing.assert_allclose(row, expected, rtol=1e-13)


def test_correlation_with_a_zero_variance_is_nan() -> None:
    found = to_sd_cor(TEMPLATES, np.array([0.0, 0.0, 2.0, 1.0]), 3.0)
    np.testing.assert_array_equal(found, [0.0, np.nan, 6.0, 3.0])


def test_agrees_with_the_variance_table() -> None:
    fit = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
    found = to_sd_cor(fit.model._model.templates, fit.theta, fit.sigma)
    sd, corr = fit.varcorr.sd.to_numpy(), fit.varcorr.corr["Subject"].iloc[1, 0]
    np.testing.assert_allclose(found, [sd[0], corr, sd[1]], rtol=1e-13)
