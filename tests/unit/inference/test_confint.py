"""Intervals: methods, selection, and the order of rows; the numbers are in parity."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels import MixedModelsError
from mixedmodels.linear import LinearMixedFit


def test_limits_without_curves_are_those_of_the_curves(slopes: LinearMixedFit) -> None:
    table = slopes.confint()
    assert list(table.columns) == ["lower", "upper"]
    pd.testing.assert_frame_equal(table, slopes.profile().confint(), rtol=1e-7)
    # Beyond the end of the curves it is a search all the same.
    wide = slopes.profile("sigma").confint(0.9999)
    pd.testing.assert_frame_equal(wide, slopes.confint(level=0.9999, parameters="sigma"), rtol=1e-7)


def test_wald(slopes: LinearMixedFit) -> None:
    table = slopes.confint(method="wald", level=0.9, ddf="none")
    assert table.iloc[:4].isna().to_numpy().all()
    half = 1.6448536269514722 * slopes.stderror
    np.testing.assert_allclose(table["upper"].iloc[4:], slopes.fixef + half)
    np.testing.assert_allclose(table["lower"].iloc[4:], slopes.fixef - half)
    assert list(slopes.confint(method="wald", parameters="beta_").index) == ["(Intercept)", "Days"]


def test_unknown_method(slopes: LinearMixedFit) -> None:
    with pytest.raises(MixedModelsError, match=r"method is 'Walt'.*Did you mean 'wald'"):
        slopes.confint(method="Walt")  # type: ignore[arg-type]
    with pytest.raises(MixedModelsError, match="kind is 'bca'"):
        slopes.confint(method="bootstrap", kind="bca")  # type: ignore[arg-type]


def test_aliased_coefficients_keep_their_places() -> None:
    data = mm.load_dataset("sleepstudy").assign(twice=lambda d: 2 * d["Days"])
    fit = mm.lmer("Reaction ~ Days + twice + I(Days**2) + (1 | Subject)", data)
    names = ["sd(Subject.(Intercept))", "sigma", "(Intercept)", "Days", "twice", "I(Days**2)"]
    for method in ("profile", "wald"):
        table = fit.confint(method=method)  # type: ignore[arg-type]
        assert list(table.index) == names
        assert table.loc["twice"].isna().all()
        assert table.loc[["Days", "I(Days**2)"]].notna().to_numpy().all()
    assert fit.confint(parameters="twice").isna().to_numpy().all()
    assert list(fit.confint(parameters=["sigma"]).index) == ["sigma"]
    with pytest.raises(MixedModelsError, match="no parameter 'twice'"):
        fit.profile("twice")


def test_intervals_of_the_bootstrap_are_those_of_its_replicates(slopes: LinearMixedFit) -> None:
    table = slopes.confint(
        ["Days", "sigma"], 0.9, method="bootstrap", kind="basic", nsim=50, seed=1, threads=2
    )
    every = slopes.bootstrap(50, seed=1, threads=2).confint("basic", 0.9)
    assert list(table.index) == ["sigma", "Days"]
    assert list(table.columns) == ["lower", "upper"]
    np.testing.assert_array_equal(table, every.loc[["sigma", "Days"]])
