"""A mixed model as an estimator, with scikit-learn itself."""

from __future__ import annotations

import pickle
import re
import warnings
from typing import Any

import numpy as np
import polars as pl
import pytest

import mixedmodels as mm

pytest.importorskip("sklearn")
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.utils.estimator_checks import check_estimator

DATA = mm.load_dataset("sleepstudy")
X, Y = DATA[["Days", "Subject"]], DATA["Reaction"]
FORMULA = "Reaction ~ Days + (Days | Subject)"


def test_it_fits_and_predicts_what_lmer_does() -> None:
    found = mm.MixedModelRegressor(FORMULA).fit(X, Y)
    fit = mm.lmer(FORMULA, DATA)
    assert found.fit_.objective == fit.objective
    np.testing.assert_array_equal(found.predict(X), fit.predict(DATA))
    assert list(found.feature_names_in_) == ["Days", "Subject"]
    assert found.score(X, Y) > 0.8


@pytest.mark.parametrize(
    "table",
    [
        X,
        X.sample(frac=1.0, replace=True, random_state=1),
        X.astype({"Subject": "category"}),
        pl.from_pandas(X.astype({"Subject": str})),
        dict(X),
    ],
    ids=["pandas", "repeated labels", "categories", "polars", "dict"],
)
def test_any_table(table: Any) -> None:
    groups = np.unique(np.asarray(table["Subject"]).astype(str), return_inverse=True)[1]
    rng = np.random.default_rng(2)
    y = rng.normal(size=180) + 3.0 * rng.normal(size=18)[groups]
    found = mm.MixedModelRegressor("y ~ Days + (1 | Subject)", reml=False).fit(table, y)
    assert found.predict(table).shape == (180,)
    assert not found.fit_.reml


def test_columns_of_an_array_are_numbered() -> None:
    array = np.column_stack([DATA["Days"], DATA["Subject"].astype(float)])
    found = mm.MixedModelRegressor("y ~ x0 + (x0 | x1)").fit(array, Y.to_numpy()[:, None])
    assert found.fit_.objective == pytest.approx(mm.lmer(FORMULA, DATA).objective, rel=1e-10)


def test_cross_validation_leaves_out_groups() -> None:
    model = mm.MixedModelRegressor(FORMULA)
    folds = GroupKFold(3)
    scores = cross_val_score(model, X, Y, groups=DATA["Subject"], cv=folds)
    train, test = next(folds.split(X, Y, DATA["Subject"]))
    fit = mm.lmer(FORMULA, DATA.iloc[train])
    error = Y.iloc[test] - fit.predict(DATA.iloc[test], random="none")
    expected = 1.0 - (error**2).sum() / ((Y.iloc[test] - Y.iloc[test].mean()) ** 2).sum()
    assert scores[0] == pytest.approx(expected)


def test_a_search_over_formulas() -> None:
    formulas = ["Reaction ~ 1 + (1 | Subject)", FORMULA]
    search = GridSearchCV(mm.MixedModelRegressor(FORMULA), {"formula": formulas}, cv=3)
    assert search.fit(X, Y).best_params_ == {"formula": FORMULA}


def test_weights_clones_and_pickles() -> None:
    weights = np.random.default_rng(1).uniform(0.5, 2.0, 180)
    model = mm.MixedModelRegressor(FORMULA).fit(X, Y, sample_weight=weights)
    assert model.fit_.objective == mm.lmer(FORMULA, DATA, weights=weights).objective
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
    with pytest.raises(NotFittedError):
        clone(model).predict(X)


@pytest.mark.parametrize(
    ("formula", "X", "y", "said"),
    [
        ("log(Reaction) ~ Days + (1 | Subject)", X, Y, "must be one name"),
        (FORMULA, np.zeros(3), np.zeros(3), "1 dimensions"),
        (FORMULA, X, np.zeros((180, 2)), "one column"),
        (FORMULA, X, np.zeros(179), "179"),
        ("Reaction ~ Dayz + (1 | Subject)", X, Y, "Dayz"),
    ],
)
def test_what_cannot_be_fitted(formula: str, X: Any, y: Any, said: str) -> None:
    with pytest.raises(mm.MixedModelsError, match=re.escape(said)):
        mm.MixedModelRegressor(formula).fit(X, y)


NOT_MEANT = {
    "check_estimators_empty_data_messages": "the message names the column that is missing",
    "check_regressors_train": "expects a regression on all columns to fit well",
    "check_supervised_y_2d": "a response of one column is taken without a warning",
    "check_fit2d_1sample": "the message speaks of a constant response",
    "check_requires_y_none": "the response may be a column of X",
}


def test_the_checks_of_scikit_learn_that_apply() -> None:
    """Their arrays have columns without names, and rows that a rounded column groups."""
    pytest.importorskip("sklearn", minversion="1.8")  # older ones have other checks
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(
            mm.MixedModelRegressor("y ~ 1 + (1 | round(x0))"),
            on_fail=None,
            on_skip=None,
            expected_failed_checks=NOT_MEANT,
        )
    assert [r["check_name"] for r in results if r["status"] == "failed"] == []
    assert len([r for r in results if r["status"] == "passed"]) > 40
