"""The core's results: what its type stub says is what Python reads, and nothing is of any type."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mixedmodels import GeneralizedLinearMixedModel, LinearMixedModel, _core

# It comes with the tools of development, and not with those of the tests.
StubGen = pytest.importorskip("nanobind.stubgen").StubGen

# Types that would tell a reader nothing about what comes back.
_VAGUE = {"Any", "object", "dict", "tuple", "list", "Callable", "numpy.typing.NDArray"}
# What is kept is arrays by name, and a pair of numbers is one.
_BY_NAME = {"state", "__getstate__", "condition"}
_PLAIN = {"int": int, "float": float, "bool": bool, "str": str}


def stub() -> ast.Module:
    generator = StubGen(_core)
    generator.put(_core)
    return ast.parse(generator.get())


STUB = stub()
CLASSES = {node.name: node for node in STUB.body if isinstance(node, ast.ClassDef)}


def attributes(of: ast.ClassDef) -> dict[str, str]:
    """Read-only attributes and their types."""
    return {
        item.name: ast.unparse(item.returns)
        for item in of.body
        if isinstance(item, ast.FunctionDef)
        and item.returns
        and "property" in map(ast.unparse, item.decorator_list)
    }


def functions() -> list[ast.FunctionDef]:
    bodies = [STUB.body, *(node.body for node in CLASSES.values())]
    return [item for body in bodies for item in body if isinstance(item, ast.FunctionDef)]


@pytest.mark.parametrize(
    "function", [f for f in functions() if f.name not in _BY_NAME], ids=lambda f: f.name
)
def test_what_comes_back_has_a_type(function: ast.FunctionDef) -> None:
    assert function.returns is not None
    returned = ast.unparse(function.returns)
    assert returned not in _VAGUE
    assert not returned.startswith(("tuple", "dict"))


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    """One of every class of results."""
    plate, sample = np.repeat(np.arange(24), 6), np.tile(np.arange(6), 24)
    diameter = plate % 5 + 2.0 * sample + np.sin(np.arange(144.0))
    data = pd.DataFrame({"diameter": diameter, "plate": plate, "sample": sample})
    model = LinearMixedModel("diameter ~ 1 + (1 | plate) + (1 | sample)", data)._model
    evaluator, products, analysis = model.workspace.evaluator, model.products, model.analysis
    settings = _core.SearchSettings(100)
    options = _core.SearchOptions(True, settings, 1e-6, True, None, 0.0, None, None)
    found = _core.fit(evaluator, options, None, True)
    theta = found.par
    codes = [group.codes for group in model.design.groups]
    one_each = [np.ones((model.design.n, 1))] * 2
    terms = [[0, 0, 1], [1, 0, 1]]
    curve = _core.ProfileCurve(analysis, terms, "sigma", [0, 0, 0], theta)
    y = model.design.y[None]
    design = model.design
    frame = _core.Frame.pilot([[term.z] for term in design.terms], design.X, design.y, None, None)
    sums = _core.Sums([24, 6], frame)
    sums.add(codes, [[term.z] for term in design.terms], design.X, design.y, None, None)
    iterative = LinearMixedModel(
        "diameter ~ 1 + (1 | plate) + (1 | sample)", data, method="iterative"
    )._model
    estimator = iterative.workspace.evaluator
    assert isinstance(estimator, _core.Estimator)
    estimator.prepare(theta)
    estimator.value(theta, True)
    estimator.gradient(True)
    counts = GeneralizedLinearMixedModel(
        "count ~ 1 + (1 | plate)", data.assign(count=plate % 4), "poisson"
    )._model
    generalized = counts.workspace.evaluator
    generalized.value(generalized.start())
    generalized.gradient()
    calls: dict[str, Callable[[], Any]] = {
        "Frame": lambda: frame,
        "Sums": lambda: sums,
        "Outlook": lambda: _core.predict_costs(products, 1e12, 1e12),
        "Estimator": lambda: estimator,
        "GeneralizedEvaluator": lambda: generalized,
        "SearchSettings": lambda: settings,
        "Found": lambda: found,
        "Products": lambda: products,
        "Analysis": lambda: analysis,
        "ErrorSums": lambda: _core.ErrorSums(analysis, model.templates.core_entries, 1),
        "Evaluator": lambda: evaluator,
        "EncodedIntegers": lambda: _core.encode_integers(np.arange(3)),
        "Interaction": lambda: _core.interact(codes[0], 24, codes[1], 6),
        "Compaction": lambda: _core.compact(codes[0], 24),
        "PairProducts": lambda: products.pairs()[0],
        "Fill": lambda: products.fill([0, 1]),
        "HessianCost": evaluator.hessian_cost,
        "Identifiability": lambda: evaluator.identifiability(True),
        "Refits": lambda: evaluator.refit(y, theta, True, settings, 1),
        "GeneralizedRefits": lambda: generalized.refit(
            np.tile(counts.design.y, (2, 1)), generalized.start(), settings, 1
        ),
        "FactorColumns": evaluator.factor_columns,
        "Derivatives": lambda: _core.derivatives(evaluator),
        "KenwardRogerSums": lambda: _core.kenward_roger_sums(evaluator),
        "RowValues": lambda: _core.row_values(evaluator, True),
        "Deletions": lambda: _core.fit_without(
            evaluator,
            np.array([0, 1]),
            np.array([3]),
            theta,
            True,
            settings,
            None,
            [1, 1],
            np.ones(2),
            1,
        ),
        "RowPredictions": lambda: _core.predict_rows(
            evaluator, codes, one_each, np.ones((model.design.n, 1))
        ),
        "ProfileCurve": lambda: curve,
        "ProfilePoint": lambda: curve.optimum,
    }
    return {name: call() for name, call in calls.items()}


def test_every_class_with_attributes_is_tried(results: dict[str, Any]) -> None:
    assert set(results) == {name for name, node in CLASSES.items() if attributes(node)}


@pytest.mark.parametrize("name", [name for name, node in CLASSES.items() if attributes(node)])
def test_attributes_are_of_the_types_in_the_stub(name: str, results: dict[str, Any]) -> None:
    for attribute, annotation in attributes(CLASSES[name]).items():
        value = getattr(results[name], attribute)
        if annotation in _PLAIN:
            assert type(value) is _PLAIN[annotation], attribute
        elif annotation.startswith("list["):
            assert type(value) is list, attribute
        elif annotation in CLASSES:
            assert type(value) is getattr(_core, annotation), attribute
        else:
            scalar = annotation[:-1].rsplit(".", 1)[1]  # NDArray[numpy.float64]
            assert isinstance(value, np.ndarray), attribute
            assert value.dtype == np.dtype(scalar), attribute
        with pytest.raises(AttributeError):
            setattr(results[name], attribute, value)


@pytest.mark.parametrize("name", [name for name, node in CLASSES.items() if attributes(node)])
def test_arrays_outlive_the_result(name: str, results: dict[str, Any]) -> None:
    arrays = {
        attribute: getattr(results[name], attribute)
        for attribute, annotation in attributes(CLASSES[name]).items()
        if annotation.startswith("NDArray")
    }
    before = {attribute: array.copy() for attribute, array in arrays.items()}
    results.pop(name)
    for attribute, array in arrays.items():
        np.testing.assert_array_equal(array, before[attribute])
