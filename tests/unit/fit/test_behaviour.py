"""What the facade guarantees beyond numbers: shapes, laziness, errors, messages."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pytest

from mixedmodels import lmer, load_dataset
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.linear import Fitted
from mixedmodels.estimates.varcorr import VarCorr
from mixedmodels.linear import LinearMixedFit

MakeFit: TypeAlias = Callable[..., LinearMixedFit]


def test_arrays_are_read_only_and_tables_are_copies(make_fit: MakeFit) -> None:
    fit = make_fit("sleepstudy_slope_reml")
    for array in (
        fit.theta,
        fit.beta,
        fit.ranef_cov()["Subject"],
    ):
        assert not array.flags.writeable
    fixef = fit.fixef
    before = fixef["Days"]
    fixef["Days"] = 0.0
    fitted = fit.fitted
    first = fitted.iloc[0]
    fitted.iloc[0] = 0.0
    changed = fit.ranef()["Subject"]
    changed.iloc[0, 0] = 1e6
    assert fit.fixef["Days"] == before
    assert fit.fitted.iloc[0] == first
    assert fit.ranef()["Subject"].iloc[0, 0] != 1e6


def test_coef_adds_fixed_and_random() -> None:
    fit = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
    coef, ranef = fit.coef()["Subject"], fit.ranef()["Subject"]
    assert list(coef.columns) == ["(Intercept)", "Days"]
    pd.testing.assert_frame_equal(coef - ranef, ranef * 0.0 + fit.fixef.to_numpy())


def test_coef_without_fixed_counterpart_comes_first() -> None:
    formula = "score ~ Machine + (1 | Worker) + (1 | Machine:Worker)"
    fit = lmer(formula, load_dataset("machines"), reml=False)
    coef = fit.coef()
    assert list(coef) == ["Machine:Worker", "Worker"]
    assert list(coef["Worker"].columns) == ["(Intercept)", "MachineB", "MachineC"]
    assert (coef["Worker"]["MachineB"] == fit.fixef["MachineB"]).all()


def test_terms_on_one_factor_share_a_table(make_fit: MakeFit) -> None:
    fit = make_fit("sleepstudy_zerocorr_ml")
    tables, condvar = fit.ranef(), fit.ranef_cov()
    assert list(tables["Subject"].columns) == ["(Intercept)", "Days"]
    assert tables["Subject"].index.name == "Subject"
    assert condvar["Subject"].shape == (18, 2, 2)
    assert list(fit.varcorr.corr) == ["Subject", "Subject.1"]


def test_information_criteria(make_fit: MakeFit) -> None:
    fit = make_fit("dyestuff_ml")
    assert fit.aicc == pytest.approx(fit.aic + 2 * 3 * 4 / (30 - 3 - 1))
    assert fit.loglik == -fit.objective / 2


def test_refit_gives_a_new_fit() -> None:
    fit = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
    y = fit.model.design.y
    other = fit.refit(3.0 * y + 1.0)
    assert other is not fit
    np.testing.assert_allclose(other.theta, fit.theta, rtol=1e-4)
    np.testing.assert_allclose(other.beta, 3.0 * fit.beta + [1.0, 0.0], rtol=1e-6)
    np.testing.assert_allclose(other.sigma, 3.0 * fit.sigma, rtol=1e-6)
    assert fit.model.design.y is y


def test_unknown_degrees_of_freedom(make_fit: MakeFit) -> None:
    wrong: Any = "satterthwait"
    with pytest.raises(MixedModelsError, match="Did you mean 'satterthwaite'"):
        make_fit("dyestuff_ml").coef_table(ddf=wrong)


def test_coef_table_is_normal(make_fit: MakeFit) -> None:
    table = make_fit("sleepstudy_slope_reml").coef_table(ddf="none")
    assert list(table.columns) == ["estimate", "std_error", "df", "statistic", "p_value"]
    assert np.isinf(table["df"]).all()
    # The normal tail probability R gives for 6.771238, both sides.
    assert table.loc["Days", "p_value"] == pytest.approx(1.277e-11, rel=1e-3)


def test_messages_say_what_to_do(make_fit: MakeFit) -> None:
    assert make_fit("sleepstudy_slope_reml").messages == ()
    (singular,) = make_fit("dyestuff2_reml").messages
    assert "variance of zero for Batch [(Intercept)]" in singular
    (aliased,) = make_fit("rankdef_oxide_reml").messages
    assert "Lot8" in aliased
    stalled = make_fit("dyestuff_ml", status="stalled", max_gradient=0.25, message="no progress")
    assert not stalled.converged
    assert "largest gradient 0.25 (no progress)" in stalled.messages[0]


def test_varcorr_frame_is_lme4s(make_fit: MakeFit) -> None:
    frame = make_fit("sleepstudy_slope_reml").varcorr.to_frame()
    assert list(frame.columns) == ["grp", "var1", "var2", "vcov", "sdcor"]
    assert list(frame["grp"]) == ["Subject", "Subject", "Subject", "Residual"]
    assert frame.loc[2, ["var1", "var2"]].tolist() == ["(Intercept)", "Days"]
    assert frame.loc[[0, 1, 3], "var2"].tolist() == [None, None, None]
    np.testing.assert_allclose(frame["vcov"], [612.08996, 35.07166, 9.60433, 654.94102], rtol=1e-5)
    np.testing.assert_allclose(frame["sdcor"], [24.74045, 5.92213, 0.06555, 25.59181], rtol=1e-4)


def test_varcorr_views(make_fit: MakeFit) -> None:
    varcorr: VarCorr = make_fit("machines_full_reml").varcorr
    assert varcorr.sd["Worker", "MachineB"] == varcorr.sd["Worker"]["MachineB"]
    cov, corr = varcorr.cov["Worker"], varcorr.corr["Worker"]
    sd = varcorr.sd["Worker"]
    np.testing.assert_allclose(cov, corr * np.outer(sd, sd))
    np.testing.assert_array_equal(np.diag(corr), 1.0)


def test_correlation_with_a_zero_variance_is_undefined(make_fit: MakeFit) -> None:
    fit = make_fit("sleepstudy_slope_reml")
    varcorr = VarCorr.from_theta(fit.model._model.templates, np.array([0.0, 0.0, 0.5]), 2.0)
    np.testing.assert_array_equal(varcorr.corr["Subject"], [[1.0, np.nan], [np.nan, 1.0]])
    np.testing.assert_array_equal(varcorr.cov["Subject"], [[0.0, 0.0], [0.0, 1.0]])
    assert "nan" in str(varcorr)


TABLES: dict[str, Callable[[LinearMixedFit], Any]] = {
    "coef_table": lambda fit: fit.coef_table(),
    "coef_table, kr": lambda fit: fit.coef_table("kenward-roger"),
    "varcorr_table": lambda fit: fit.varcorr_table(),
    "ranef": lambda fit: fit.ranef_cov(),
    "leverage": lambda fit: fit.leverage(),
    "drop1": lambda fit: fit.drop1(),
    "confint": lambda fit: fit.confint(),
}


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.filterwarnings("ignore::mixedmodels.RefitWarning")
def test_what_a_fit_keeps_does_not_keep_the_fit(table: str, reml: bool) -> None:
    """Its memory is free again with its last user, without the garbage collector."""
    fit = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"), reml=reml)
    model = weakref.ref(fit._fitted.model)
    gc.disable()
    try:
        TABLES[table](fit)
        del fit
        assert model() is None
    finally:
        gc.enable()


def test_a_value_that_is_kept_is_made_once() -> None:
    fit = lmer("Yield ~ 1 + (1 | Batch)", load_dataset("dyestuff"))
    made: list[Fitted] = []
    for _ in range(2):
        assert fit._fitted.once(made.append) is None
    assert made == [fit._fitted]
