"""What is said to be confounded is, and nothing else, over random models."""

from __future__ import annotations

import warnings

import pytest
from properties.identified import Case, confounded, ordinary, truth

import mixedmodels as mm
from mixedmodels import ModelError, NotIdentifiedWarning, SingularFitWarning

PROBLEMS = ("cannot be told", "not all variances", "has no influence", "already explains")


def check(case: Case) -> str:
    """The verdict of dense algebra, after what the fit says was compared with it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fit = mm.lmer(case.formula, case.data, reml=case.reml, weights=case.weights)
        except ModelError:
            return "refused"  # more random effects than rows
    warned = any(issubclass(w.category, NotIdentifiedWarning) for w in caught)
    others = {w.category for w in caught} - {NotIdentifiedWarning, SingularFitWarning}
    assert not others
    said = [text for text in fit.messages if any(words in text for words in PROBLEMS)]
    verdict = truth(fit.model.design, reml=case.reml)
    if verdict == "identified":
        assert not warned, said
        assert not said
    elif verdict == "idle":
        assert any("already explains" in text for text in said)
        assert warned == case.reml
    elif verdict == "confounded":
        assert warned
        assert said
    return verdict


@pytest.mark.parametrize("seed", range(30))
def test_ordinary_models(seed: int) -> None:
    check(ordinary(seed))


@pytest.mark.parametrize("seed", range(30))
def test_models_with_a_part_that_repeats_another(seed: int) -> None:
    check(confounded(seed))
