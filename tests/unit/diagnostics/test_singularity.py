"""Singular fits in words, and the simpler formulas."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from mixedmodels import LinearMixedModel, lmer, load_dataset
from mixedmodels.diagnostics.singularity import Singularity, singularity
from mixedmodels.estimates.linear import Fitted


def at(formula: str, name: str, theta: list[float]) -> Singularity:
    """The advice for a model at a theta of one's choice."""
    data = load_dataset(name)
    model = LinearMixedModel(formula, data)
    fit = model.fit(start=None) if name == "sleepstudy" else None
    optsum: Any = fit.optsum if fit is not None else _optsum()
    inner = model._model
    par = inner.axes.to_axes(np.array(theta))
    return singularity(Fitted(inner, inner.solution(model._criterion, par), optsum))


def _optsum() -> Any:
    return lmer("Yield ~ 1 + (1 | Batch)", load_dataset("dyestuff")).optsum


# formula, data, theta, words, simpler formula
CASES: list[tuple[str, str, list[float], str, str | None]] = [
    (
        "Reaction ~ Days + (Days | Subject)",
        "sleepstudy",
        [1.0, 0.2, 0.0],
        "the correlation of (Intercept) and Days is +1",
        "Reaction ~ Days + (1 + Days || Subject)",
    ),
    (
        "Reaction ~ Days + (Days | Subject)",
        "sleepstudy",
        [1.0, -0.2, 0.0],
        "the correlation of (Intercept) and Days is -1",
        "Reaction ~ Days + (1 + Days || Subject)",
    ),
    (
        "Reaction ~ Days + (Days | Subject)",
        "sleepstudy",
        [1.0, 0.0, 0.0],
        "the variance of Days is zero",
        "Reaction ~ Days + (1 | Subject)",
    ),
    (
        "Reaction ~ Days + (Days | Subject)",
        "sleepstudy",
        [0.0, 0.0, 0.2],
        "the variance of (Intercept) is zero",
        "Reaction ~ Days + (0 + Days | Subject)",
    ),
    (
        "Reaction ~ Days + (Days || Subject)",
        "sleepstudy",
        [1.0, 0.0],
        "the variance of Days is zero",
        "Reaction ~ Days + (1 | Subject)",
    ),
    (
        "Reaction ~ Days + (Days | Subject)",
        "sleepstudy",
        [0.0, 0.0, 0.0],
        "an ordinary linear model (Reaction ~ 1 + Days) says the same",
        None,
    ),
    (
        "strength ~ 1 + (1 | batch/cask)",
        "pastes",
        [1.0, 0.0],
        "(1 | batch): the variance of (Intercept) is zero",
        "strength ~ 1 + (1 | cask:batch)",
    ),
    (
        "strength ~ (1 | batch) + 1 + (1 | sample)",
        "pastes",
        [1.0, 0.0],
        "(1 | batch): the variance of (Intercept) is zero",
        "strength ~ 1 + (1 | sample)",
    ),
    (
        "score ~ Machine + (Machine | Worker)",
        "machines",
        [1.0, 0.5, 0.2, 0.5, 0.1, 0.0],
        "the 3 effects have 2 directions among them",
        "score ~ Machine + (1 + Machine || Worker)",
    ),
    (
        "score ~ Machine + (Machine || Worker)",
        "machines",
        [1.0, 0.0, 0.5],
        "No formula leaves out just this",
        None,
    ),
    (
        "score ~ Machine + (Machine || Worker)",
        "machines",
        [0.0, 0.5, 0.5],
        "No formula leaves out just this",
        None,
    ),
    (
        "score ~ Machine + (1 | Worker) + (0 + Machine | Worker)",
        "machines",
        [0.0, 1.0, 0.5, 0.2, 0.5, 0.1, 0.4],
        "the variance of (Intercept) is zero",
        "score ~ Machine + (0 + Machine | Worker)",
    ),
]


@pytest.mark.parametrize(("formula", "name", "theta", "words", "simpler"), CASES)
def test_advice(
    formula: str, name: str, theta: list[float], words: str, simpler: str | None
) -> None:
    found = at(formula, name, theta)
    assert found.is_singular
    assert words in " ".join(str(found).split())
    assert len(found.directions)
    expected = None if simpler is None else simpler.replace("cask:batch", "batch:cask")
    given = None if found.formula is None else found.formula.replace("cask:batch", "batch:cask")
    assert given == expected
    if found.formula is not None:
        assert LinearMixedModel(found.formula, load_dataset(name)).nobs


def test_a_regular_fit() -> None:
    found = lmer("Yield ~ 1 + (1 | Batch)", load_dataset("dyestuff")).singularity()
    assert not found.is_singular
    assert found.formula is None
    assert found.directions.empty
    assert repr(found) == "The fit is not singular: every direction of the random effects varies."
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.formula = ""  # type: ignore[misc]
