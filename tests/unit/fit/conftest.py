"""Fits of the reference cases: small ones at lme4's theta by the dense oracle, all by `lmer`."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from oracle import (
    Problem,
    conditional_covariance,
    fixed_derivatives,
    from_design,
    hessian,
    independent_columns,
    pwrss_gradient,
    solution,
    solve,
    templates_of,
)
from small_designs import CASES, design_of

from mixedmodels.api import lmer
from mixedmodels.covariance import Templates
from mixedmodels.datasets import load_dataset
from mixedmodels.errors import SingularFitWarning
from mixedmodels.estimates.identified import Identification
from mixedmodels.estimates.linear import Fitted
from mixedmodels.linear import LinearMixedFit
from mixedmodels.optimize.summary import OptSummary
from mixedmodels.settings import Control

REFERENCE = {
    case["id"]: case
    for case in json.loads(
        (Path(__file__).parents[2] / "reference" / "lmm.json").read_text(encoding="utf-8")
    )
}


# R codes ordered factors by polynomials, the library only when told so.
CONTRASTS = {
    "cake_ml": {"temperature": "poly"},
    "cake_reml": {"temperature": "poly"},
    "cake_sum_reml": {"recipe": "sum", "temperature": "helmert"},
    "star_ml": {"gr": "poly"},
}


@dataclass(frozen=True)
class FakePoint:
    """What the oracle gives at one theta."""

    problem: Problem
    theta: NDArray[np.float64]
    reml: bool

    def conditional_covariance(self) -> tuple[Any, ...]:
        return conditional_covariance(self.problem, self.theta)

    def fixed_derivatives(self) -> tuple[Any, Any]:
        slope = pwrss_gradient(self.problem, self.theta) / solve(self.problem, self.theta).pwrss
        return fixed_derivatives(self.problem, self.theta), slope

    def fixed_covariance(self) -> Any:
        root = np.linalg.inv(solve(self.problem, self.theta).R22)
        return root @ root.T

    def hessian(self, budget: float) -> Any:
        assert budget > 0.0
        return hessian(self.problem, self.theta, self.reml)


@dataclass(frozen=True)
class FakeCriterion:
    """A criterion whose numbers come from the oracle."""

    problem: Problem
    reml: bool

    @contextmanager
    def at(self, theta: NDArray[np.float64]) -> Iterator[FakePoint]:
        yield FakePoint(self.problem, theta, self.reml)


def unchanged(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values


@dataclass(frozen=True)
class FakeModel:
    """A model whose numbers come from the oracle."""

    _given = None
    _sums = None

    note = ""

    @property
    def _model(self) -> Any:
        return self

    design: Any
    problem: Problem

    # The columns of Z are their own axes here.
    axes = SimpleNamespace(
        from_axes=unchanged, slope_to_axes=unchanged, covariance_from_axes=unchanged
    )

    @property
    def templates(self) -> Templates:
        return self.problem.templates

    def criterion(self, *, reml: bool) -> FakeCriterion:
        return FakeCriterion(self.problem, reml)

    def identification(self, criterion: FakeCriterion) -> Identification:
        terms = SimpleNamespace(terms=())
        return Identification(terms, self.templates, reml=criterion.reml, findings=None)

    def identification_by(self, *, reml: bool) -> Identification:
        terms = SimpleNamespace(terms=())
        return Identification(terms, self.templates, reml=reml, findings=None)

    @property
    def products(self) -> SimpleNamespace:
        return SimpleNamespace(R=np.eye(self.problem.p))

    def at(self, theta: NDArray[np.float64], reml: bool, optsum: OptSummary) -> LinearMixedFit:
        X = self.design.X
        kept = independent_columns(X)
        found = solution(self.problem, theta, reml, p_all=X.shape[1], kept=kept)
        return LinearMixedFit(self, Fitted(self, found, optsum))


def summary_of(theta: NDArray[np.float64], **changes: Any) -> OptSummary:
    values: dict[str, Any] = {
        "optimizer": "none",
        "control": Control(),
        "n_objective": 1,
        "n_gradient": 1,
        "message": "not run",
        "status": "converged",
        "trace": (),
        "theta_start": theta,
        "max_gradient": 0.0,
        "decrement": 0.0,
        "hessian_ok": True,
        "seconds": 0.0,
    }
    return OptSummary(**{**values, **changes})


def fit_of(case_id: str, **changes: Any) -> LinearMixedFit:
    """The fit of a reference case; `changes` go to its OptSummary."""
    case = next(case for case in CASES if case.id == case_id)
    design = design_of(case)
    reference = REFERENCE[case_id]
    theta = np.array(reference["theta"], dtype=np.float64)
    model = FakeModel(design, from_design(design))
    assert templates_of(design).m == len(theta)
    return model.at(theta, reference["reml"], summary_of(theta, **changes))


@pytest.fixture(scope="session")
def make_fit() -> Any:
    """`fit_of` for tests that want one particular case."""
    return fit_of


def lmer_of(case_id: str) -> LinearMixedFit:
    """The library's own fit of a reference case."""
    case = REFERENCE[case_id]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        return lmer(
            case["formula"],
            load_dataset(case["data"]),
            reml=case["reml"],
            weights=case["weights"],
            offset=case["offset"],
            contrasts=CONTRASTS.get(case_id),
        )


@pytest.fixture(
    scope="session",
    params=[("oracle", case.id) for case in CASES] + [("lmer", case_id) for case_id in REFERENCE],
    ids="-".join,
)
def pair(request: pytest.FixtureRequest) -> tuple[LinearMixedFit, dict[str, Any]]:
    """A fit and lme4's values, with "same_theta" telling whether theta is lme4's own."""
    source, case_id = request.param
    fit = fit_of(case_id) if source == "oracle" else lmer_of(case_id)
    return fit, {**REFERENCE[case_id], "same_theta": source == "oracle"}
