"""`vcov=` of predictions and pictures, and robust covariances that are computed once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mixedmodels as mm
from mixedmodels.inference import robust

SLEEP = mm.load_dataset("sleepstudy")
NEW = {"Days": [0.0, 3.0, 20.0]}


@pytest.fixture
def fit() -> mm.LinearMixedFit:
    return mm.lmer("Reaction ~ Days + I(Days^2) + (1 | Subject)", SLEEP)


@pytest.mark.parametrize("kind", ["CR0", "CR1", "CR2", "matrix"])
@pytest.mark.parametrize("ddf", ["satterthwaite", "residual", "none"])
def test_intervals_of_means_are_those_of_test(fit: mm.LinearMixedFit, kind: str, ddf: Any) -> None:
    vcov: Any = fit.vcov * 2.0 if kind == "matrix" else kind
    if kind == "matrix" and ddf == "satterthwaite":
        with pytest.raises(mm.MixedModelsError, match="not for a matrix"):
            fit.predict_interval(NEW, random="none", vcov=vcov, ddf=ddf)
        return
    found = fit.predict_interval(NEW, random="none", vcov=vcov, ddf=ddf)
    L = np.array([[1.0, x, x * x] for x in NEW["Days"]])
    tested = fit.test(L, vcov=vcov, ddf=ddf).to_frame()
    np.testing.assert_allclose(found["std_error"], tested["std_error"], rtol=1e-7)
    np.testing.assert_allclose(found[["lower", "upper"]], tested[["lower", "upper"]], rtol=1e-7)


def test_intervals_of_observations_lie_between(fit: mm.LinearMixedFit) -> None:
    mean = fit.predict_interval(NEW, random="none", vcov="CR2")
    wide = fit.predict_interval(NEW, "prediction", random="none", vcov="CR2")
    expected = np.sqrt(mean["std_error"] ** 2 + fit.sigma**2)
    np.testing.assert_allclose(wide["std_error"], expected, rtol=1e-9)
    normal = fit.predict_interval(NEW, "prediction", random="none", vcov="CR2", ddf="none")
    assert (wide["upper"] >= normal["upper"]).all()


def test_where_it_does_not_go(fit: mm.LinearMixedFit) -> None:
    with pytest.raises(mm.MixedModelsError, match="random='none'"):
        fit.predict_interval(SLEEP, vcov="CR2")
    with pytest.raises(mm.MixedModelsError, match="uncertainty='conditional'"):
        fit.predict_interval(NEW, random="none", uncertainty="full", vcov="CR2")
    with pytest.raises(mm.MixedModelsError, match="kenward-roger"):
        fit.predict_interval(NEW, random="none", vcov="CR2", ddf="kenward-roger")


def test_coefficients_are_drawn_by_it(fit: mm.LinearMixedFit) -> None:
    axes = fit.plot_coefficients(vcov="CR0", intercept=True).axes[0]
    limits = fit.confint("beta_", method="wald", vcov="CR0")
    texts = [text.get_text().replace("−", "-") for text in axes.texts]
    for text, low, high in zip(texts, limits["lower"], limits["upper"], strict=True):
        shown = [float(number) for number in text.split("[")[1].rstrip("]").split(", ")]
        np.testing.assert_allclose(shown, [low, high], rtol=2e-3, atol=0.06)


@pytest.mark.parametrize("kind", ["CR0", "CR1", "CR2"])
def test_a_kind_is_computed_once(
    fit: mm.LinearMixedFit, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    whole = robust.sandwich
    monkeypatch.setattr(robust, "sandwich", lambda *a: calls.append(a) or whole(*a))
    fit.coef_table(vcov=kind)
    fit.tidy(vcov=kind)
    fit.test("Days", vcov=kind)
    fit.emmeans("Days", vcov=kind)
    assert fit.vcov_robust(kind=kind) is fit.vcov_robust(kind=kind)
    assert len(calls) == 1
    fit.vcov_robust("Subject", kind)
    assert len(calls) == 2
