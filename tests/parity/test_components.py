"""Values of R and of an oracle: dispersion, zeros of their own, truncated counts, categories."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from parity.measures import FOLDER

import mixedmodels as mm
from mixedmodels import GeneralizedLinearMixedFit, GeneralizedLinearMixedModel

REFERENCE: dict[str, Any] = json.loads((FOLDER / "components.json").read_text(encoding="utf-8"))
DATA = pd.DataFrame(REFERENCE["data"])
CROSSED = "x + f + (1 | g) + (1 | h)"

GLMMTMB: dict[str, tuple[str, str, dict[str, Any]]] = {
    "nb_dispersion": (f"nb ~ {CROSSED}", "negative_binomial", {"dispersion": "~ z"}),
    "nb1_dispersion": (f"nb1 ~ {CROSSED}", "nb1", {"dispersion": "~ z"}),
    "gamma_dispersion": (f"gam ~ {CROSSED}", "gamma", {"dispersion": "~ z", "link": "log"}),
    "gaussian_dispersion": (f"gau ~ {CROSSED}", "gaussian", {"dispersion": "~ z"}),
    "beta_dispersion": (f"be ~ {CROSSED}", "beta", {"dispersion": "~ z"}),
    "zero_inflated_poisson": (f"zip ~ {CROSSED}", "poisson", {"zero_inflation": "~ x"}),
    "constant_zero_inflation": ("zip ~ x + (1 | g)", "poisson", {"zero_inflation": "~ 1"}),
    "zero_inflated_nb_dispersion": (
        "zinb ~ x + (1 | g) + (1 | h)",
        "negative_binomial",
        {"zero_inflation": "~ x", "dispersion": "~ z"},
    ),
    "truncated_nb": ("tnb ~ x + (1 | g)", "truncated_negative_binomial", {}),
}
# Its Laplace approximation ends its search early, so that its objective is above the optimum by so
# much; its quadrature likewise.
CLMM: dict[str, tuple[str, dict[str, Any], float]] = {
    "logit": (f"ord ~ {CROSSED}", {}, 1e-6),
    "probit": ("ordp ~ x + f + (1 | g)", {"link": "probit"}, 5e-5),
    "logit_10_nodes": ("ord ~ x + f + (1 | g)", {"n_agq": 10}, 1e-6),
    "probit_15_nodes": ("ordp ~ x + f + (1 | g)", {"n_agq": 15, "link": "probit"}, 1e-6),
    "cloglog_25_nodes": ("ord ~ x + (1 | g)", {"n_agq": 25, "link": "cloglog"}, 1e-6),
}


@lru_cache
def by_name(name: str) -> GeneralizedLinearMixedFit:
    formula, family, parts = GLMMTMB[name]
    return mm.glmer(formula, DATA, family, **parts)


@pytest.mark.parametrize("name", GLMMTMB)
def test_optima_are_those_of_glmmtmb(name: str) -> None:
    fit, there = by_name(name), REFERENCE["glmmTMB_fits"][name]
    assert fit.objective == pytest.approx(there["objective"], abs=1e-8)
    assert fit.optsum.n_objective <= 15
    fixed = there["fixed"]
    errors = np.array(fixed["std_error"])
    np.testing.assert_allclose(fit.fixef, fixed["estimate"], atol=1e-3 * errors.min())
    np.testing.assert_allclose(fit.stderror, errors, rtol=2e-5)


@pytest.mark.parametrize("name", GLMMTMB)
@pytest.mark.parametrize("part", ["dispersion", "zero_inflation"])
def test_coefficients_of_the_parts_are_those_of_glmmtmb(name: str, part: str) -> None:
    there = REFERENCE["glmmTMB_fits"][name].get(part)
    parts = GLMMTMB[name][2]
    if not there or part not in parts:
        return
    own = by_name(name).component_table().loc[part]
    # Its gamma family has the logarithm of the shape, which is 1 / phi.
    sign = -1.0 if name == "gamma_dispersion" else 1.0
    np.testing.assert_allclose(sign * own["estimate"], there["estimate"], atol=1e-4)
    np.testing.assert_allclose(own["std_error"], there["std_error"], rtol=2e-5)


@pytest.mark.parametrize("name", CLMM)
def test_ordered_categories_are_those_of_clmm(name: str) -> None:
    formula, parts, room = CLMM[name]
    there = REFERENCE["clmm_fits"][name]
    fit = mm.glmer(formula, DATA, "ordinal", **parts)
    assert there["objective"] - room < fit.objective < there["objective"] + 1e-8
    thresholds = fit.component_table().loc["thresholds"]
    estimate = np.concatenate([thresholds["estimate"], fit.fixef])
    error = np.concatenate([thresholds["std_error"], fit.stderror])
    assert [*thresholds.index, *fit.fixef.index] == there["names"]
    np.testing.assert_allclose(estimate, there["estimate"], atol=1e-3 * error.min())
    np.testing.assert_allclose(error, there["std_error"], rtol=2e-4)
    np.testing.assert_allclose(fit.varcorr.sd, there["sd"], rtol=5e-4)


@pytest.mark.parametrize("point", REFERENCE["points"], ids=lambda p: p["formula"] + p["family"])
def test_criterion_and_gradient_at_fixed_points_of_the_oracle(point: dict[str, Any]) -> None:
    parts = {k: point[k] for k in ("dispersion", "zero_inflation") if k in point}
    model = GeneralizedLinearMixedModel(
        point["formula"], DATA, point["family"], link=point["link"], **parts
    )
    at = (point["theta"], point["beta"])
    assert model.objective(*at, **point["own"]) == pytest.approx(point["objective"], rel=1e-10)
    gradient = np.array(point["gradient"])
    np.testing.assert_allclose(
        model.gradient(*at, **point["own"]), gradient, atol=1e-9 * abs(gradient).max()
    )


@pytest.mark.parametrize(
    ("family", "options", "rows", "fit_error", "errors", "means"),
    [
        (
            "poisson",
            {"zero_inflation": "~ YEAR"},
            [0, 100, 300],
            [0.374206, 1.083886, 0.301856],
            [0.3411771, 0.3411771, 0.1434937],
            [1.4524164, 1.4524164, 0.5849185],
        ),
        (
            "truncated_negative_binomial",
            {"dispersion": "~ YEAR"},
            [5, 150, 260],
            [1.054555, 1.419819, 2.739184],
            [0.5942469, 1.0735723, 1.0735723],
            [3.1844498, 6.3746610, 6.3746610],
        ),
    ],
)
def test_errors_of_means_are_those_of_glmmtmb(
    family: str,
    options: dict[str, str],
    rows: list[int],
    fit_error: list[float],
    errors: list[float],
    means: list[float],
) -> None:
    """predict(type = "response", se.fit = TRUE), with random effects and by re.form = NA."""
    data = mm.load_dataset("grouseticks")
    new = data.loc[rows]
    used = data if "zero_inflation" in options else data[data["TICKS"] > 0]
    fit = mm.glmer("TICKS ~ YEAR + (1 | BROOD)", used, family, **options)
    alone = fit.predict_interval(new, random="none")
    np.testing.assert_allclose(alone["prediction"], means, rtol=1e-5)
    np.testing.assert_allclose(alone["std_error"], errors, rtol=1e-5)
    # Given theta coefficients and modes go by their joint curvature, glmmTMB's by the criterion.
    full = fit.predict_interval(new, uncertainty="full")
    np.testing.assert_allclose(full["std_error"], fit_error, rtol=3e-4)
    narrow = fit.predict_interval(new)["std_error"]
    assert (narrow < full["std_error"]).all()
    assert (narrow > 0.9 * full["std_error"]).all()
