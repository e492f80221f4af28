"""The trace begins with the start, whatever the method."""

from __future__ import annotations

import importlib.util
import warnings

import numpy as np
import pandas as pd
import pytest

from mixedmodels import LinearMixedModel, load_dataset
from mixedmodels.optimize.methods import METHODS
from mixedmodels.progress import trace_line
from mixedmodels.settings import OptimizerName

CLASSROOM = "mathgain ~ mathkind + minority + ses + (1 | classid) + (1 | schoolid)"
SLIDES = (0.836158, 0.489669)

needs_nlopt = pytest.mark.skipif(importlib.util.find_spec("nlopt") is None, reason="needs NLopt")
METHOD_NAMES = [
    pytest.param(name, marks=needs_nlopt) if name == "BOBYQA" else name
    for name in (*METHODS, "quasi-newton", "auto")
]


@pytest.fixture(scope="module")
def models() -> dict[str, LinearMixedModel]:
    return {CLASSROOM: LinearMixedModel(CLASSROOM, load_dataset("classroom"))}


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("name", METHOD_NAMES)
def test_the_start_is_iteration_0(
    models: dict[str, LinearMixedModel],
    name: OptimizerName,
    given: bool,
    reml: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = models[CLASSROOM]
    wanted = np.array(SLIDES[: model._model.templates.m]) if given else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where a method ends is not what is tested
        fit = model._by(reml=reml).fit(start=wanted, optimizer=name, verbose=True)
    summary, lines = fit.optsum, capsys.readouterr().out.splitlines()
    if given:
        np.testing.assert_array_equal(summary.theta_start, wanted)
    value, theta = summary.trace[0]
    np.testing.assert_array_equal(theta, summary.theta_start)
    assert value == model._by(reml=reml).objective(summary.theta_start)
    assert lines[0] == trace_line(0, value, theta)
    assert [int(line.split(":")[0]) for line in lines[: len(summary.trace)]] == list(
        range(len(summary.trace))
    )
    assert len(summary.trace) > 1
    assert min(value for value, _ in summary.trace) <= value


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_the_line_of_the_slides(
    models: dict[str, LinearMixedModel], name: OptimizerName, capsys: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models[CLASSROOM]._by(reml=False).fit(start=SLIDES, optimizer=name, verbose=True)
    assert capsys.readouterr().out.startswith("0: 11466.913: 0.836158 0.489669\n")


def test_every_start_of_several_is_iteration_0_of_its_search(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rng = np.random.default_rng(3)
    n = 300
    data = pd.DataFrame({"g": rng.integers(20, size=n), "x": 1000 + rng.normal(size=n)})
    data["y"] = rng.normal(size=20)[data["g"]] + 0.5 * data["x"] + rng.normal(size=n)
    model = LinearMixedModel("y ~ x + (x || g)", data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(optimizer="L-BFGS-B", verbose=True)
    starts = [line for line in capsys.readouterr().out.splitlines() if line.startswith("0: ")]
    assert len(starts) == len(model._criterion.starts())
