"""Every linear case of the reference, its rows read in seven parts and summed.

The fits have no rows. What belongs to theta is held against the reference itself, and what a fit
says about itself against the same fit of a table in memory.
"""

from __future__ import annotations

import warnings
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from parity.measures import CASES, Case, at_fixed_theta, contrasts_of, fit_of, scaled
from streamed import in_parts

import mixedmodels as mm
from mixedmodels.linear import LinearMixedFit


@pytest.fixture(scope="module", params=CASES.values(), ids=lambda case: case["id"])
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture(scope="module")
def streamed(case: Case) -> LinearMixedFit:
    data = mm.load_dataset(case["data"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.SingularFitWarning)
        return mm.lmer(
            case["formula"],
            in_parts(data, 7),
            reml=case["reml"],
            weights=case["weights"],
            offset=case["offset"],
            contrasts=contrasts_of(case, data),
            executor=mm.Threads(1),
        )


def test_criterion_and_its_parts_at_given_theta(case: Case, streamed: LinearMixedFit) -> None:
    found = asdict(at_fixed_theta(case, streamed.model))
    assert {name: value for name, value in found.items() if not value < 1e-8} == {}


def test_optimum(case: Case, streamed: LinearMixedFit) -> None:
    in_memory = fit_of(case["id"])
    assert streamed.objective == pytest.approx(in_memory.objective, rel=1e-10, abs=1e-7)
    assert streamed.objective < case["criterion"] + 1e-6
    assert streamed.converged
    assert scaled(streamed.theta, in_memory.theta, np.abs(in_memory.theta).max()) < 1e-4
    pd.testing.assert_series_equal(streamed.fixef.isna(), in_memory.fixef.isna())
    error = in_memory.stderror
    assert scaled(streamed.fixef.dropna(), in_memory.fixef.dropna(), error) < 1e-5
    assert scaled(streamed.stderror, error, error) < 1e-4
    assert streamed.is_singular is case["singular"]
    assert streamed.optsum.status == in_memory.optsum.status
    assert list(streamed.messages) == list(in_memory.messages)
    assert (streamed.nobs, streamed.npar) == (in_memory.nobs, in_memory.npar)
    assert streamed.ngroups == in_memory.ngroups
