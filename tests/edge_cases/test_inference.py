"""Tests and standard errors where fits are singular, aliased, weighted, large, or have no X."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mixedmodels import (
    LinearMixedModel,
    MixedModelsError,
    RefitWarning,
    ResourceError,
    SingularFitWarning,
    load_dataset,
    memory,
)
from mixedmodels.api import lmer
from mixedmodels.inference.information import variance_information
from mixedmodels.linear import LinearMixedFit
from mixedmodels.settings import DF_METHODS, DfMethod

SLEEP = "Reaction ~ Days + (Days | Subject)"


def singular(formula: str, data: pd.DataFrame, **options: Any) -> LinearMixedFit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        return lmer(formula, data, **options)


def everything(fit: LinearMixedFit) -> None:
    """Every method runs and gives finite numbers where its docstring says so."""
    p = fit.solution.p
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RefitWarning)
        warnings.simplefilter("ignore", SingularFitWarning)
        for df in DF_METHODS:
            table = fit.coef_table(df)
            assert table.drop(columns="df").notna().all(axis=None)
            assert (table["df"] > 0.0).all()
            assert fit.anova(1, ddf=df)["num_df"].sum() <= p
            if p:
                joint = fit.test(np.eye(p), ddf=df).joint
                assert joint.num_df == p
                assert 0.0 <= joint.p_value <= 1.0
        assert fit.vcov_adjusted().shape == (p, p)
        assert fit.vcov_full().shape == (p + len(fit.theta) + 1,) * 2
        assert len(fit.varcorr_table()) == len(fit.varcorr.to_frame())
    assert "Residual" in str(fit)


def test_variance_of_zero() -> None:
    """lmerTest's and pbkrtest's degrees of freedom are 29 and 5."""
    fit = singular("Yield ~ 1 + (1 | Batch)", load_dataset("dyestuff2"))
    everything(fit)
    assert fit.coef_table()["df"].tolist() == pytest.approx([29.0], rel=1e-9)
    assert fit.coef_table("kenward-roger")["df"].tolist() == pytest.approx([5.0], rel=1e-9)
    assert fit.stderror_full()["sigma"] == pytest.approx(fit.sigma / np.sqrt(2.0 * 29.0))


def test_one_message_for_what_has_no_standard_error() -> None:
    fit = singular("Yield ~ 1 + (1 | Batch)", load_dataset("dyestuff2"))
    with pytest.warns(SingularFitWarning, match=r"Batch.\(Intercept\) on the bound"):
        assert fit.stderror_full().isna().tolist() == [False, True, False]
    assert fit.vcov_full().isna().to_numpy().sum() == 3  # its row and column; not said again
    assert fit.varcorr_table()["vcov_std_error"].isna().tolist() == [True, False]


def test_correlation_of_one() -> None:
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"g": np.repeat(np.arange(12), 6), "x": np.tile(np.arange(6.0), 12)})
    b = rng.normal(size=12)[data["g"]]
    data["y"] = data["x"] + b * (1.0 + 0.5 * data["x"]) + rng.normal(size=72)
    fit = singular("y ~ x + (x | g)", data)
    assert fit.theta[2] == 0.0
    with pytest.warns(SingularFitWarning, match="g.x on the bound"):
        assert fit.stderror_full().isna().tolist() == [False] * 4 + [True, False]
    table = fit.varcorr_table()
    assert table["sdcor_std_error"].isna().tolist() == [False, False, True, False]
    assert table["vcov_std_error"].notna().all()
    everything(fit)


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        (SLEEP, {}),
        (SLEEP, {"reml": False}),
        ("Reaction ~ 0 + (Days | Subject)", {}),
        ("Reaction ~ 1 + (1 | Subject)", {}),
        (SLEEP, {"weights": "1/(1 + Days)", "offset": "2 * Days"}),
        ("Reaction ~ Days + I(2 * Days) + (1 | Subject)", {}),
    ],
)
def test_every_kind_of_fit(formula: str, options: dict[str, Any]) -> None:
    everything(lmer(formula, load_dataset("sleepstudy"), **options))


def test_missing_rows() -> None:
    fit = lmer(SLEEP, load_dataset("sleepstudy_na"))
    assert fit.model.design.n_dropped > 0
    everything(fit)


def test_equal_weights_change_the_scale_only() -> None:
    data = load_dataset("sleepstudy")
    scaled = lmer(SLEEP, data.assign(w=2.0), weights="w")
    plain = lmer(SLEEP, data)
    for df in DF_METHODS:
        found, expected = (fit.coef_table(df).to_frame() for fit in (scaled, plain))
        pd.testing.assert_frame_equal(found, expected, rtol=1e-5)


def test_aliased_columns_are_left_out() -> None:
    fit = lmer("Reaction ~ Days + I(2 * Days) + (1 | Subject)", load_dataset("sleepstudy"))
    assert (
        list(fit.coef_table().index) == list(fit.vcov_adjusted().index) == ["(Intercept)", "Days"]
    )
    assert fit.anova(1)["num_df"].tolist() == [1, 0]
    assert fit.test("Days").p_value == pytest.approx(fit.coef_table().loc["Days", "p_value"])
    with pytest.raises(MixedModelsError, match="not estimable"):
        fit.test("I(2 * Days)")
    whole = fit.test("Days + 2*I(2 * Days) = 10").table
    assert whole["estimate"].item() == pytest.approx(fit.fixef["Days"])


def test_single_rows_agree_with_the_table() -> None:
    fit = lmer(SLEEP, load_dataset("sleepstudy"))
    for df in DF_METHODS:
        row, found = fit.coef_table(df).loc["Days"], fit.test("Days", ddf=df, level=0.9)
        columns = ["estimate", "std_error", "df", "statistic", "p_value"]
        np.testing.assert_allclose(found.table[columns].iloc[0], row[columns], rtol=1e-10)
        assert found.table["lower"].item() < row["estimate"] < found.table["upper"].item()
        assert found.joint.statistic == pytest.approx(row["statistic"] ** 2)
        assert found.method == df
    # qt(0.975, 17)
    table = fit.test("Days").table
    half = (table["upper"] - table["lower"]).item() / (2.0 * table["std_error"].item())
    assert half == pytest.approx(2.109816, rel=1e-6)


def test_printed_tests() -> None:
    fit = lmer(SLEEP, load_dataset("sleepstudy"))
    text = repr(fit.test(["Days = 10", "(Intercept) = 250"]))
    assert "df: satterthwaite" in text
    assert "Days = 10" in text
    assert "All together: F = " in text
    assert "All together" not in repr(fit.test("Days"))


def test_residual_degrees_of_freedom_are_rows_less_rank() -> None:
    fit = lmer("Reaction ~ Days + I(2 * Days) + (1 | Subject)", load_dataset("sleepstudy"))
    assert fit.coef_table("residual")["df"].tolist() == [178.0, 178.0]


@pytest.mark.parametrize("df", ["kenward-roger", "satterthwaite"])
def test_methods_refuse_what_they_do_not_know(df: DfMethod) -> None:
    fit = lmer(SLEEP, load_dataset("sleepstudy"))
    wrong: Any = 4
    with pytest.raises(MixedModelsError, match="type is 4; it must be one of 1, 2, 3"):
        fit.anova(wrong, ddf=df)
    wrong = df[:-1]
    with pytest.raises(MixedModelsError, match=f"Did you mean '{df}'"):
        fit.test("Days", ddf=wrong)


def test_maximum_likelihood_is_refitted_once_with_a_note() -> None:
    fit = lmer(SLEEP, load_dataset("sleepstudy"), reml=False)
    before = fit.theta.copy(), fit.coef_table()
    with pytest.warns(RefitWarning, match="refitted by it"):
        table = fit.coef_table("kenward-roger")
    expected = lmer(SLEEP, load_dataset("sleepstudy")).coef_table("kenward-roger")
    pd.testing.assert_frame_equal(table.to_frame(), expected.to_frame(), rtol=1e-6)
    assert "refitted" in repr(fit.test("Days", ddf="kenward-roger"))
    np.testing.assert_array_equal(fit.theta, before[0])
    pd.testing.assert_frame_equal(fit.coef_table().to_frame(), before[1].to_frame())


def test_too_much_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", load_dataset("penicillin"))
    monkeypatch.setattr(memory, "SMALL", 0.0)
    monkeypatch.setattr(memory, "available", lambda: 1e3)
    with pytest.raises(ResourceError, match=r"would need .* Use ddf='satterthwaite'"):
        fit.coef_table("kenward-roger")


def test_many_groups() -> None:
    """One factor needs no dense matrix: 20,000 intercepts and slopes."""
    rng = np.random.default_rng(1)
    n = 60_000
    data = pd.DataFrame({"g": rng.integers(20_000, size=n), "x": rng.normal(size=n)})
    data["y"] = data["x"] + rng.normal(size=20_000)[data["g"]] + rng.normal(size=n)
    fit = singular("y ~ x + (1 | g)", data)
    found, expected = (fit.coef_table(df).to_frame() for df in ("kenward-roger", "satterthwaite"))
    pd.testing.assert_frame_equal(found, expected, rtol=1e-3)


@pytest.fixture(scope="module")
def insteval() -> LinearMixedFit:
    return lmer("y ~ service + (1 | s) + (1 | d)", load_dataset("insteval"))


def test_the_information_of_a_large_fit_costs_few_evaluations(insteval: LinearMixedFit) -> None:
    """No more than a gradient for each parameter, and as good as central differences."""
    fitted = insteval._fitted
    exact = fitted.criterion.hessian(fitted.solution.axes_theta)
    evaluator = fitted.model.workspace.evaluator
    evaluator.value(fitted.solution.axes_theta, True)
    evaluator.reset_counts()
    found = variance_information(fitted)
    assert evaluator.n_value <= 1 + len(fitted.solution.theta)
    np.testing.assert_allclose(found.vcov[:2, :2], 2.0 * np.linalg.inv(exact), rtol=1e-4)


def test_large_fit(insteval: LinearMixedFit) -> None:
    table, adjusted = insteval.coef_table(), insteval.coef_table("kenward-roger")
    assert (table["df"] > 1000.0).all()
    np.testing.assert_allclose(adjusted["std_error"], table["std_error"], rtol=1e-3)
    np.testing.assert_allclose(adjusted["df"], table["df"], rtol=0.01)


def test_model_is_not_disturbed() -> None:
    model = LinearMixedModel(SLEEP, load_dataset("sleepstudy"))
    fit = model.fit()
    before = fit.optsum.n_objective, fit.objective, fit.theta.copy()
    everything(fit)
    assert (fit.optsum.n_objective, fit.objective) == before[:2]
    np.testing.assert_array_equal(fit.theta, before[2])
    assert model.objective(fit.theta) == fit.objective
