"""REML or ML is chosen when a model is made, and stays with all that comes from the model."""

from __future__ import annotations

import copy
import inspect
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mixedmodels as mm

FORMULA = "Reaction ~ Days + (Days | Subject)"
BY = pytest.mark.parametrize("reml", [True, False], ids=["reml", "ml"])


def fit_by(reml: bool) -> mm.LinearMixedFit:
    return mm.lmer(FORMULA, mm.load_dataset("sleepstudy"), reml=reml)


@pytest.mark.parametrize("owner", [mm.LinearMixedModel, mm.LinearMixedFit])
def test_no_method_asks_for_it(owner: type) -> None:
    asking = {
        name
        for name, method in inspect.getmembers(owner, callable)
        if not name.startswith("_") and "reml" in inspect.signature(method).parameters
    }
    assert asking <= {"update"}


@BY
@pytest.mark.parametrize("name", ["sleepstudy", "penicillin", "pastes"])
def test_the_model_of_a_fit_has_its_criterion(name: str, reml: bool) -> None:
    info = mm.describe_dataset(name)
    fit = mm.lmer(info.formula, mm.load_dataset(name), reml=reml)
    assert fit.model.reml is fit.reml is reml
    assert fit.model.objective(fit.theta) == pytest.approx(fit.objective, rel=1e-14)
    assert (fit.deviance == fit.objective) is not reml
    again = fit.model.fit()
    assert again.reml is reml
    assert again.objective == pytest.approx(fit.objective, abs=1e-9)


@BY
def test_derivatives_are_those_of_the_objective(reml: bool) -> None:
    model = mm.LinearMixedModel(FORMULA, mm.load_dataset("sleepstudy"), reml)
    theta, step = np.array([0.8, 0.1, 0.3]), 1e-5 * np.eye(3)
    slopes = [(model.objective(theta + h) - model.objective(theta - h)) / 2e-5 for h in step]
    np.testing.assert_allclose(model.gradient(theta), slopes, rtol=1e-5)
    curves = [(model.gradient(theta + h) - model.gradient(theta - h)) / 2e-5 for h in step]
    np.testing.assert_allclose(model.hessian(theta), curves, rtol=1e-4)


@BY
def test_it_goes_with_copies_pickles_files_and_refits(reml: bool, tmp_path: Path) -> None:
    fit = fit_by(reml)
    fit.save(tmp_path / "fit.mm")
    others = {
        "pickle": pickle.loads(pickle.dumps(fit)),
        "copy": copy.copy(fit),
        "deepcopy": copy.deepcopy(fit),
        "file": mm.load(tmp_path / "fit.mm"),
    }
    for name, other in others.items():
        assert other.reml is other.model.reml is reml, name
        assert other.model.objective(fit.theta) == fit.objective, name
    for model in (pickle.loads(pickle.dumps(fit.model)), copy.deepcopy(fit.model)):
        assert model.reml is reml
        assert model.objective(fit.theta) == fit.objective
    assert fit.refit(fit.model.y + 1.0).model.reml is reml


@pytest.mark.parametrize("wrong", ["ML", "REML", 1, 0, None, np.array([True]), 1.0])
def test_what_is_not_a_truth_value_is_refused(wrong: Any) -> None:
    data = mm.load_dataset("sleepstudy")
    for make in (
        lambda: mm.LinearMixedModel(FORMULA, data, reml=wrong),
        lambda: mm.LinearMixedModel(FORMULA, data, wrong),
        lambda: mm.lmer(FORMULA, data, reml=wrong),
    ):
        with pytest.raises(mm.MixedModelsError, match=r"reml is .*; it must be True .*or False"):
            make()


@pytest.mark.parametrize("given", [np.True_, np.False_])
def test_truth_values_of_numpy_are_taken(given: Any) -> None:
    model = mm.LinearMixedModel(FORMULA, mm.load_dataset("sleepstudy"), reml=given)
    assert model.reml is bool(given)
    assert model.fit().reml is bool(given)


def test_a_fit_by_the_other_criterion_shares_the_analysis() -> None:
    fitted = fit_by(True)._fitted
    other = fitted.by(reml=False)
    assert other.model.products is fitted.model.products
    assert other.model.analysis is fitted.model.analysis
    assert other.solution.objective == pytest.approx(fit_by(False).objective, abs=1e-7)
