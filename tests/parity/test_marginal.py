"""Marginal means, contrasts, trends and joint tests against R's emmeans.

Estimates and errors are compared to 1e-4 of the largest error, degrees of freedom relatively,
p-values absolutely; lmerTest differentiates numerically and lme4's optimum is good to about 1e-6.
"""

from __future__ import annotations

import json
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mixedmodels import lmer
from mixedmodels.linear import LinearMixedFit
from mixedmodels.marginal.results import Estimates

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "emmeans.json").read_text(encoding="utf-8")
)
REQUESTS = REFERENCE["requests"]
METHODS = {"poly": "polynomial", "eff": "effect", "consec": "consecutive",
           "trt.vs.ctrl": "treatment", "revpairwise": "reversed"}  # fmt: skip
CLOSE = 1e-4
# The multivariate t is integrated by a random rule there: good to 1e-3.
BY_CHANCE = 2e-3


@cache
def fit_of(name: str) -> LinearMixedFit:
    model = REFERENCE["models"][name]
    data = pd.DataFrame(REFERENCE["data"]).iloc[model["rows"]]
    options: dict[str, Any] = {"weights": model["weights"], "reml": model["reml"] is not False}
    if model["contrasts"]:
        options["contrasts"] = {"f": "sum", "g": "sum"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return lmer(model["formula"], data, **options)


def asked(request: dict[str, Any]) -> Estimates:
    options = dict(request["arguments"] or {})
    fit = fit_of(request["model"])
    call = fit.emtrends if "var" in options else fit.emmeans
    if "var" in options and request["model"] in ("polynomial", "spline"):
        # R takes a difference to x plus a thousandth of the range: the slope is that half way.
        x = pd.DataFrame(REFERENCE["data"])["x"].iloc[REFERENCE["models"]["polynomial"]["rows"]]
        at = np.atleast_1d(options.get("at", {"x": x.mean()})["x"])
        options["at"] = {"x": (at + 5e-4 * np.ptp(x)).tolist()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return call(request["specs"], by=request["by"] or None, **options)


def agree(found: Estimates, expected: dict[str, Any], p_values: float = CLOSE) -> None:
    for name, values in expected.items():
        wanted = np.array(np.atleast_1d(values), dtype=np.float64)
        ours = found[name].to_numpy(dtype=np.float64)
        ours = np.where(np.isfinite(ours), ours, np.nan)
        assert ours.shape == wanted.shape, name
        np.testing.assert_array_equal(np.isnan(ours), np.isnan(wanted), err_msg=name)
        if name == "p_value":
            size: Any = 1.0
        elif name == "df":
            size = np.abs(wanted)
        else:
            size = np.nanmax(np.array(expected["std_error"], dtype=np.float64))
        tolerance = p_values if name in ("p_value", "lower", "upper") else CLOSE
        assert np.nanmax(np.abs(ours - wanted) / size, initial=0.0) < tolerance, name


def named(request: dict[str, Any]) -> str:
    options = ", ".join(f"{k}={v}" for k, v in dict(request["arguments"] or {}).items())
    return f"{request['model']}: {' '.join(request['specs'])} | {' '.join(request['by'])} {options}"


@pytest.mark.parametrize("number", range(len(REQUESTS)), ids=list(map(named, REQUESTS)))
def test_means_and_contrasts(number: int) -> None:
    request = REQUESTS[number]
    means = asked(request)
    agree(means, request["means"])
    for one in request["contrasts"]:
        method = METHODS.get(one["method"], one["method"])
        contrasts = means.contrast(method, adjust=one["adjust"])
        agree(contrasts, one["numbers"], BY_CHANCE if one["adjust"] == "mvt" else CLOSE)


@pytest.mark.parametrize("expected", REFERENCE["joint_tests"], ids=lambda case: case["model"])
def test_joint_tests(expected: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = fit_of(expected["model"]).joint_tests()
    for number, term in enumerate(np.atleast_1d(expected["terms"])):
        if term == "(confounded)":  # what no term of the grid takes up; not a test of a term
            continue
        row = found.loc[term]
        assert row["num_df"] == np.atleast_1d(expected["num_df"])[number]
        for name in ("statistic", "den_df"):
            wanted = np.atleast_1d(expected[name])[number]
            # R rounds F to three places, and takes the smallest denominator of single contrasts
            # where we take Fai and Cornelius's.
            tolerance = {"rel": 2e-2} if name == "den_df" else {"abs": 6e-4}
            assert row[name] == pytest.approx(wanted, **tolerance)
