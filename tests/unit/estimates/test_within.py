"""Coefficients of levels by themselves, beside a least-squares fit of each level."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels.estimates.linear import Fitted
from mixedmodels.estimates.within import within_levels

SLEEP = mm.load_dataset("sleepstudy")


def fitted_of(fit: mm.LinearMixedFit) -> Fitted:
    return fit._fitted


@pytest.mark.parametrize("formula", ["(Days | Subject)", "(1 | Subject) + (0 + Days | Subject)"])
@pytest.mark.parametrize("weighted", [False, True])
def test_each_level_by_least_squares(formula: str, weighted: bool) -> None:
    data = SLEEP.assign(w=1.0 + np.arange(180) % 7)
    fit = mm.lmer(
        f"Reaction ~ Days + {formula}",
        data,
        weights="w" if weighted else None,
        offset="0.1 * Days",
    )
    found = within_levels(fitted_of(fit), 0)
    assert list(found.columns) == ["(Intercept)", "Days"]
    for subject, rows in data.groupby("Subject", observed=True):
        root = np.sqrt(rows["w"]) if weighted else np.ones(len(rows))
        X = np.column_stack([np.ones(len(rows)), rows["Days"]]) * np.asarray(root)[:, None]
        y = (rows["Reaction"] - 0.1 * rows["Days"]) * root
        expected = np.linalg.lstsq(X, y, rcond=None)[0] - fit.beta
        np.testing.assert_allclose(found.loc[subject], expected, rtol=1e-8, atol=1e-8)


def test_limit_of_the_modes() -> None:
    fit = mm.lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", mm.load_dataset("penicillin"))
    found = within_levels(fitted_of(fit), 0)["(Intercept)"]
    design = fit.model.design
    others = fit.ranef()["sample"]["(Intercept)"].to_numpy()[design.groups[1].codes]
    rest = pd.Series(fit.model.y - fit.beta[0] - others)
    np.testing.assert_allclose(found, rest.groupby(design.groups[0].codes).mean())


def test_levels_with_too_few_rows_have_no_estimates() -> None:
    data = SLEEP.drop(index=range(1, 10))
    fit = mm.lmer("Reaction ~ Days + (Days | Subject)", data)
    found = within_levels(fitted_of(fit), 0)
    assert found.iloc[0].isna().all()
    assert found.iloc[1:].notna().all().all()
