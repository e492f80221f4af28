"""Tables that have no number somewhere say why: in a warning, in attrs and in print."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels import Control, ConvergenceWarning

SLEEP = mm.load_dataset("sleepstudy")
SLOPES = "Reaction ~ Days + (Days | Subject)"


@pytest.fixture(params=[[0.1, -3.0, 0.01], [20.0, -10.0, 0.01], [0.01, 0.0, 30.0]], ids=str)
def stopped(request: pytest.FixtureRequest) -> mm.LinearMixedFit:
    """A fit that stopped where the criterion still falls."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mm.lmer(SLOPES, SLEEP, start=request.param, control=Control(max_evaluations=1))


@pytest.mark.parametrize("table", ["coef_table", "anova", "drop1"])
def test_missing_degrees_of_freedom_have_a_reason(stopped: mm.LinearMixedFit, table: str) -> None:
    with pytest.warns(ConvergenceWarning, match="No degrees of freedom by Satterthwaite: .*df="):
        found = stopped.drop1("F") if table == "drop1" else getattr(stopped, table)()
    column = "df" if table == "coef_table" else "den_df"
    assert found[column].isna().all()
    assert set(found.attrs["notes"]) == set(found.index)
    assert all("not a minimum" in note for note in found.attrs["notes"].values())


def test_the_summary_says_it_without_a_warning(stopped: mm.LinearMixedFit) -> None:
    for text in (str(stopped), str(stopped.summary()), stopped.summary().to_markdown()):
        assert text.count("No degrees of freedom by Satterthwaite") == 1


@pytest.mark.parametrize("df", ["residual", "none"])
def test_other_methods_have_nothing_to_say(stopped: mm.LinearMixedFit, df: str) -> None:
    found = stopped.coef_table(df)  # type: ignore[arg-type]
    assert found["p_value"].notna().all()
    assert found.attrs["notes"] == {}


def test_ordinary_tables_have_no_notes() -> None:
    fit = mm.lmer(SLOPES, SLEEP)
    for found in (fit.coef_table(), fit.anova(), fit.drop1("F"), fit.coef_table("kenward-roger")):
        assert found.attrs["notes"] == {}
    assert "No degrees of freedom" not in str(fit)


def test_a_term_of_which_nothing_is_estimable_says_so() -> None:
    data = pd.DataFrame(SLEEP).assign(twice=lambda d: 2.0 * d["Days"])
    fit = mm.lmer("Reaction ~ Days + twice + (1 | Subject)", data)
    for kind in (1, 2, 3):
        found = fit.anova(type=kind)  # type: ignore[arg-type]
        empty = [str(name) for name in found.index[found["num_df"] == 0]]
        assert empty
        assert set(found.attrs["notes"]) == set(empty)
        assert np.isnan(found.loc[empty, "statistic"].to_numpy(dtype=float)).all()
        assert all("estimable" in note for note in found.attrs["notes"].values())
