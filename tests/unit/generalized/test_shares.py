"""R squared and intraclass correlations by the formulas of Nakagawa, Johnson and Schielzeth (2017).

Numbers of R are of performance 0.10.2 with insight 0.19.0 on fits of lme4 1.1-31 (R 4.2.2), whose
searches end 1e-4 away from the optimum.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy import special

import mixedmodels as mm


@cache
def fit_of(name: str) -> Any:
    ticks, cbpp = mm.load_dataset("grouseticks"), mm.load_dataset("cbpp")
    herds = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    counts = "TICKS ~ YEAR + cHEIGHT + (1 | BROOD)"
    if name == "positive":
        rng = np.random.default_rng(4)
        g, x = np.repeat(np.arange(30), 8), rng.normal(size=240)
        y = rng.gamma(3.0, np.exp(0.5 + 0.4 * x + 0.5 * rng.normal(size=30)[g]) / 3.0)
        return mm.glmer("y ~ x + (1 | g)", {"y": y, "x": x, "g": g}, "gamma", link="log")
    return {
        "logit": lambda: mm.glmer(herds, cbpp),
        "probit": lambda: mm.glmer(herds, cbpp, link="probit"),
        "poisson": lambda: mm.glmer(counts, ticks, "poisson"),
        "by row": lambda: mm.glmer(f"{counts} + (1 | INDEX)", ticks, "poisson"),
        "negative binomial": lambda: mm.glmer(counts, ticks, "negative_binomial"),
    }[name]()


@pytest.mark.parametrize(
    ("name", "marginal", "conditional", "adjusted"),
    [
        ("logit", 0.0853631687143, 0.187213542539, 0.111356081825),
        ("probit", 0.0764710278137, 0.17115556265, 0.1025247043548),
    ],
)
def test_latent_variances_give_the_numbers_of_r(
    name: str, marginal: float, conditional: float, adjusted: float
) -> None:
    fit = fit_of(name)
    found = fit.r2()
    assert found["marginal"] == pytest.approx(marginal, abs=5e-4)
    assert found["conditional"] == pytest.approx(conditional, abs=5e-4)
    assert fit.icc()["adjusted"].loc["herd"] == pytest.approx(adjusted, abs=5e-4)


def parts(fit: Any) -> tuple[float, float, float]:
    """Variances of the fixed part and of the random effects, and of effects with a level each."""
    fixed = float(np.var(fit.model.X @ fit.beta, ddof=1))
    sizes = {name: float(value) for name, value in fit.varcorr.to_frame()["vcov"].items()}
    groups = [group.n_levels == fit.nobs for group in fit.model.design.groups]
    by_row = sum(v for v, own in zip(sizes.values(), groups, strict=True) if own)
    return fixed, sum(sizes.values()) - by_row, by_row


def null_of(fit: Any) -> Any:
    """The model without covariates."""
    groups = " + ".join(f"(1 | {group.name})" for group in fit.model.design.groups)
    return mm.glmer(
        f"{fit.formula.partition('~')[0]}~ 1 + {groups}",
        fit.data,
        type(fit.family),
        link=fit.family.link.name,
    )


@pytest.mark.parametrize("name", ["poisson", "by row", "negative binomial", "positive"])
def test_log_links_by_hand(name: str) -> None:
    """The mean is exp(b0 + half of the variance) of the null model; k and nu are of the fit."""
    fit = fit_of(name)
    null = null_of(fit)
    mean = math.exp(float(null.fixef.iloc[0]) + 0.5 * null.varcorr.to_frame()["vcov"].sum())
    relative = {"positive": 0.0}.get(name, 1.0 / mean)
    if name == "negative binomial":
        relative += 1.0 / fit.dispersion
    if name == "positive":
        relative = fit.dispersion
    rows = {
        "delta": relative,
        "lognormal": math.log1p(relative),
        "trigamma": float(special.polygamma(1, 1.0 / relative)),
    }
    fixed, random, by_row = parts(fit)
    for variance, value in rows.items():
        total = fixed + random + by_row + value
        found = fit.r2(variance=variance)
        assert found["marginal"] == pytest.approx(fixed / total, rel=1e-8)
        assert found["conditional"] == pytest.approx((fixed + random) / total, rel=1e-8)
        icc = fit.icc(variance=variance).loc["all"]
        assert icc["adjusted"] == pytest.approx(random / (total - fixed), rel=1e-8)
        assert icc["conditional"] == pytest.approx(random / total, rel=1e-8)
    assert fit.r2().equals(fit.r2(variance="lognormal"))


def test_the_null_model_is_that_of_r() -> None:
    """R's insight takes exp(b0) for the mean; the papers' formula adds half of the variance."""
    b0 = float(null_of(fit_of("poisson")).fixef.iloc[0])
    assert math.log1p(math.exp(-b0)) == pytest.approx(0.466986466226, abs=3e-3)
    own = float(null_of(fit_of("by row")).fixef.iloc[0])
    assert math.log1p(math.exp(-own)) == pytest.approx(0.501885367338, abs=3e-3)


@pytest.mark.parametrize("name", ["logit", "probit"])
def test_the_observation_level_of_shares_by_hand(name: str) -> None:
    """p (1 - p) over the squared slope, at the mean probability of the null model."""
    fit = fit_of(name)
    null, link = null_of(fit), fit.family.link
    nodes, weights = np.polynomial.hermite.hermgauss(60)
    sd = math.sqrt(null.varcorr.to_frame()["vcov"].sum())
    p = float(link.mean(null.fixef.iloc[0] + math.sqrt(2.0) * sd * nodes) @ weights)
    p /= math.sqrt(math.pi)
    slope = float(link.slope(link.predictor(np.array([p])))[0])
    fixed, random, _ = parts(fit)
    total = fixed + random + p * (1.0 - p) / slope**2
    found = fit.r2(variance="delta")
    assert found.to_list() == pytest.approx([fixed / total, (fixed + random) / total], rel=1e-6)
