"""What is read at a point belongs to that point, whatever else moves the workspace."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mixedmodels as mm
from mixedmodels.criterion.base import SearchSettings
from mixedmodels.criterion.linear import LinearCriterion
from mixedmodels.criterion.point import LinearPoint
from mixedmodels.estimates.linear import Model
from mixedmodels.optimize import Request
from mixedmodels.settings import Control

HERE, THERE = np.array([0.9, 0.1, 0.3]), np.array([0.2, -0.3, 0.8])


def attributes(result: Any) -> tuple[Any, ...]:
    """Everything that a result of the core has."""
    return tuple(getattr(result, name) for name in dir(result) if not name.startswith("_"))


READ: dict[str, Callable[[LinearPoint], Any]] = {
    "deviance": lambda at: at.deviance,
    "gradient": lambda at: at.gradient(),
    "hessian": lambda at: at.hessian(),
    "fixed_derivatives": lambda at: at.fixed_derivatives(),
    "estimates": lambda at: tuple(at.estimates().values()),
    "u": lambda at: at.u,
    "b": lambda at: at.b,
    "beta": lambda at: at.beta,
    "pwrss": lambda at: at.pwrss,
    "cancellation": lambda at: at.cancellation,
    "sigma": lambda at: at.sigma,
    "vcov": lambda at: at.vcov,
    "logdet_L2": lambda at: at.logdet_L2,
    "logdet_RX2": lambda at: at.logdet_RX2,
    "RX": lambda at: at.RX,
    "RZX": lambda at: at.RZX,
    "factor": lambda at: at.factor(),
    "fixed_covariance": lambda at: at.fixed_covariance(),
    "conditional_covariance": lambda at: at.conditional_covariance(),
    "kenward_roger_sums": lambda at: attributes(at.kenward_roger_sums()),
    "row_values": lambda at: attributes(at.row_values(directions=True)),
    "predict_rows": lambda at: attributes(
        at.predict_rows([np.zeros(2, dtype=np.int32)], [np.ones((2, 2))], np.ones((2, 2)))
    ),
}


def test_estimates_are_what_is_read_one_by_one() -> None:
    with model().criterion(reml=True).at(HERE) as point:
        for name, value in point.estimates().items():
            assert_same(value, getattr(point, "value" if name == "objective" else name))


def settings() -> SearchSettings:
    return SearchSettings(Control())


# What may happen to the workspace while a point is open, by the same thread.
DISTURBANCES: dict[str, Callable[[LinearCriterion, LinearCriterion], Any]] = {
    "value": lambda own, _: own.value(THERE),
    "gradient": lambda own, _: own.gradient(THERE),
    "hessian": lambda own, _: own.hessian(THERE),
    "the other criterion": lambda _, other: other.gradient(HERE),
    "the other criterion elsewhere": lambda _, other: other.hessian(THERE),
    "search": lambda own, _: own.search(None, settings()),
    "settle": lambda own, _: own.settle(THERE, settings(), spent=False),
    "starts": lambda own, _: own.starts(),
    "another point": lambda own, _: read(own, THERE, "vcov"),
    "the same point": lambda own, _: read(own, HERE, "vcov"),
}


def model() -> Model:
    data = mm.load_dataset("sleepstudy")
    return mm.LinearMixedModel("Reaction ~ Days + (Days | Subject)", data)._model


def read(criterion: LinearCriterion, par: np.ndarray, name: str) -> Any:
    with criterion.at(par) as point:
        return READ[name](point)


def parts(found: Any) -> list[np.ndarray]:
    return [np.asarray(part) for part in (found if isinstance(found, tuple) else (found,))]


def assert_same(found: Any, expected: Any) -> None:
    for one, other in zip(parts(found), parts(expected), strict=True):
        np.testing.assert_array_equal(one, other)


def test_all_that_can_be_read_is_tested() -> None:
    public = {name for name in dir(LinearPoint) if not name.startswith("_")}
    assert public - set(READ) == {"par", "value", "closed", "evaluate"}


@pytest.mark.parametrize("reml", [True, False], ids=["reml", "ml"])
@pytest.mark.parametrize("how", DISTURBANCES)
def test_other_work_does_not_show_at_an_open_point(how: str, reml: bool) -> None:
    inner = model()
    own, other = inner.criterion(reml=reml), inner.criterion(reml=not reml)
    expected = {name: read(model().criterion(reml=reml), HERE, name) for name in READ}
    with own.at(HERE) as point:
        for name, get in READ.items():
            DISTURBANCES[how](own, other)
            assert_same(get(point), expected[name])


@pytest.mark.parametrize("name", READ)
def test_a_point_is_closed_after_its_with(name: str) -> None:
    with model().criterion(reml=True).at(HERE) as point:
        pass
    with pytest.raises(RuntimeError, match="inside its `with` only"):
        READ[name](point)


def test_threads_read_their_own_points() -> None:
    inner = model()
    thetas = [HERE * (1.0 + 0.1 * i) for i in range(4)]
    kinds = [(theta, reml) for theta in thetas for reml in (True, False)]
    expected = [
        (
            read(inner.criterion(reml=reml), theta, "gradient"),
            inner.criterion(reml=reml).value(theta),
        )
        for theta, reml in kinds
    ]
    wrong = []

    def work(k: int) -> None:
        theta, reml = kinds[k]
        for _ in range(50):
            with inner.criterion(reml=reml).at(theta) as point:
                same = np.array_equal(point.gradient(), expected[k][0])
                if not (same and point.value == expected[k][1]):
                    wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(len(kinds))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_lock_is_free_after_an_error() -> None:
    criterion = model().criterion(reml=True)
    with pytest.raises(KeyError), criterion.at(HERE):
        raise KeyError("anything")
    with pytest.raises(ValueError, match="wrong length"), criterion.at(HERE[:2]):
        pass
    values: list[float] = []
    thread = threading.Thread(target=lambda: values.append(criterion.value(HERE)))
    thread.start()
    thread.join(20.0)
    assert values == [criterion.value(HERE)]


def test_criteria_of_a_model_share_analysis_and_workspace() -> None:
    inner = model()
    by_reml, by_ml = inner.criterion(reml=True), inner.criterion(reml=False)
    assert by_reml.workspace is by_ml.workspace is inner.workspace
    own = inner.own_criterion(reml=True)
    assert own.workspace is not inner.workspace
    assert own.workspace.analysis is inner.analysis
    assert by_reml.value(HERE) != by_ml.value(HERE)
    with by_reml.at(HERE) as point:
        assert point.deviance == by_ml.value(HERE)


def test_no_evaluation_is_made_twice() -> None:
    inner = model()
    criterion, evaluator = inner.criterion(reml=True), inner.workspace.evaluator
    fitted = inner.solve(criterion, Request())
    assert (evaluator.n_value, evaluator.n_gradient) == (
        fitted.optsum.n_objective,
        fitted.optsum.n_gradient,
    )
    evaluator.reset_counts()
    criterion.value(HERE)
    for name in ("gradient", "vcov", "hessian", "deviance"):
        read(criterion, HERE, name)
    inner.criterion(reml=False).value(HERE)
    assert (evaluator.n_value, evaluator.n_gradient) == (1, 1)
