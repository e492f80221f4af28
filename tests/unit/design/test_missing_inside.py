"""Missing values that arise in an expression: in every role, in training and on new data."""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from mixedmodels import SingularFitWarning, glmer, lmer
from mixedmodels.errors import DataError
from mixedmodels.linear import LinearMixedFit

# What is told of rows that are lost is in edge_cases/test_advice.py.
pytestmark = pytest.mark.filterwarnings("ignore::mixedmodels.errors.LostRowsWarning")

N = 60


def data() -> pd.DataFrame:
    """`x` is negative in rows 0 and 7, so that its logarithm is missing there; `y` is positive."""
    rng = np.random.default_rng(8)
    x = np.r_[-1.0, np.tile([1.0, 2.0, 3.0, 4.0], 15)[: N - 1]]
    x[7] = -2.0
    g = np.arange(N) % 6
    y = np.exp(0.3 * rng.normal(size=6)[g] + 0.2 * rng.normal(size=N))
    return pd.DataFrame({"y": y, "z": rng.normal(size=N), "x": x, "g": g})


def fitted(formula: str, table: pd.DataFrame, **options: Any) -> LinearMixedFit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        return lmer(formula, table, threads=1, **options)


# Formula and options, and the name under which the rows are counted.
ROLES: dict[str, tuple[str, dict[str, Any], str]] = {
    "response": ("log(x) ~ z + (1 | g)", {}, "log(x)"),
    "covariate": ("y ~ log(x) + (1 | g)", {}, "log(x)"),
    "root": ("y ~ sqrt(x) + (1 | g)", {}, "sqrt(x)"),
    "power": ("y ~ I(x ^ 0.5) + (1 | g)", {}, "I(x ^ 0.5)"),
    "interaction": ("y ~ z * log(x) + (1 | g)", {}, "log(x)"),
    "factor()": ("y ~ factor(log(x)) + (1 | g)", {}, "factor(log(x))"),
    "factor() without intercept": ("y ~ 0 + factor(log(x)) + (1 | g)", {}, "factor(log(x))"),
    "C()": ("y ~ C(sqrt(x), Sum) + (1 | g)", {}, "C(sqrt(x), Sum)"),
    "scale()": ("y ~ scale(log(x)) + (1 | g)", {}, "scale(log(x))"),
    "poly()": ("y ~ poly(log(x), 2) + (1 | g)", {}, "poly(log(x), 2)"),
    "bs()": ("y ~ bs(sqrt(x), df=4) + (1 | g)", {}, "bs(sqrt(x), df=4)"),
    "slope": ("y ~ z + (0 + log(x) | g)", {}, "log(x)"),
    "uncorrelated slopes": ("y ~ z + (sqrt(x) || g)", {}, "sqrt(x)"),
    "group": ("y ~ z + (1 | log(x))", {}, "log(x)"),
    "factor() as group": ("y ~ z + (1 | factor(sqrt(x)))", {}, "factor(sqrt(x))"),
    "C() as group": ("y ~ z + (1 | C(log(x)))", {}, "C(log(x))"),
    "scaled group": ("y ~ z + (1 | scale(log(x)))", {}, "scale(log(x))"),
    "first part of a group": ("y ~ z + (1 | log(x):g)", {}, "log(x)"),
    "last part of a group": ("y ~ z + (1 | g:log(x))", {}, "log(x)"),
    "nested group": ("y ~ z + (1 | g/log(x))", {}, "log(x)"),
    "offset()": ("y ~ z + offset(log(x)) + (1 | g)", {}, "offset(log(x))"),
    "offset": ("y ~ z + (1 | g)", {"offset": "log(x)"}, "log(x)"),
    "weights": ("y ~ z + (1 | g)", {"weights": "1 + sqrt(x)"}, "1 + sqrt(x)"),
}


@pytest.mark.parametrize("role", ROLES)
def test_rows_are_dropped_in_every_role(role: str) -> None:
    formula, options, name = ROLES[role]
    fit = fitted(formula, data(), **options)
    clean = fitted(formula, data().drop([0, 7]), **options)
    assert fit.nobs == N - 2
    assert fit.messages[0] == f"2 rows with missing values dropped ({name} 2)."
    assert not clean.model.design.n_dropped
    np.testing.assert_allclose(fit.objective, clean.objective, rtol=1e-9)
    np.testing.assert_allclose(fit.fixef, clean.fixef, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(fit.model.design.rows, np.delete(np.arange(N), [0, 7]))


@pytest.mark.parametrize("role", ROLES)
def test_rows_are_refused_on_demand(role: str) -> None:
    formula, options, name = ROLES[role]
    message = re.escape(f"missing values ({name} 2): row 0, row 7, counted from 0.")
    with pytest.raises(DataError, match=message):
        lmer(formula, data(), na_action="raise", **options)


@pytest.mark.parametrize("role", [role for role in ROLES if role not in ("response", "weights")])
def test_predictions_are_missing_where_values_are(role: str) -> None:
    formula, options, _ = ROLES[role]
    fit = fitted(formula, data(), **options)
    predicted = fit.predict(data()).to_numpy()
    assert np.flatnonzero(np.isnan(predicted)).tolist() == [0, 7]
    np.testing.assert_allclose(np.delete(predicted, [0, 7]), fit.fitted, rtol=1e-9)
    alone = fit.predict(data().iloc[[7]])
    assert alone.isna().all()
    table = fit.predict_interval(data(), kind="prediction")
    assert table.isna().all(axis=1).to_numpy().nonzero()[0].tolist() == [0, 7]


def test_columns_and_expressions_are_counted_together() -> None:
    table = data()
    table.loc[[3, 7], "z"] = np.nan
    fit = fitted("y ~ z + log(x) + (1 | g)", table, weights="1 + 0 * sqrt(x)")
    assert fit.nobs == N - 3
    assert fit.messages[0] == "3 rows with missing values dropped (z 2, 1 + 0 * sqrt(x) 1)."


def test_no_row_left() -> None:
    table = data().assign(x=-1.0)
    with pytest.raises(DataError, match=r"No row is left.*\(log\(x\) 60\)"):
        lmer("y ~ log(x) + (1 | g)", table)


WEIGHTS: dict[str, Callable[[pd.Series], object]] = {
    "NumPy": lambda w: w,
    "pandas": lambda w: w.astype("Int64"),
    "objects": lambda w: w.astype(object).where(w.notna(), None),
    "Arrow": lambda w: w.astype("double[pyarrow]"),
    "Polars": lambda w: pl.Series(w.name, w.where(w.notna(), None).tolist(), strict=False),
}


@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.parametrize("fit", [lmer, functools.partial(glmer, family="poisson")])
def test_a_missing_weight_is_a_missing_value(fit: Callable[..., Any], kind: str) -> None:
    table = data().assign(w=np.r_[np.nan, 2.0, np.nan, np.ones(N - 3)])
    table["y"] = np.arange(N) % 4
    weights = WEIGHTS[kind](table["w"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        complete = fit("y ~ z + (1 | g)", table.drop(index=[0, 2]), weights="w")
    framed = pl.from_pandas(table[["y", "z", "g"]]) if kind == "Polars" else table.copy()
    framed = framed.with_columns(weights) if kind == "Polars" else framed.assign(w=weights)
    for given, name in (("w", "w"), (weights, "weights"), ("1 * w", "1 * w")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SingularFitWarning)
            made = fit("y ~ z + (1 | g)", framed, weights=given, na_action="exclude")
            with pytest.raises(DataError, match=r"missing values \(.*2\): row 0.*row 2.*omit"):
                fit("y ~ z + (1 | g)", framed, weights=given, na_action="raise")
        assert made.messages[0] == f"2 rows with missing values dropped ({name} 2)."
        assert made.objective == pytest.approx(complete.objective, rel=1e-12)
        assert np.isnan(made.fitted.to_numpy()[[0, 2]]).all()


def test_weights_without_a_value() -> None:
    table = data().assign(w=np.nan)
    with pytest.raises(DataError, match=r"No row is left.*\(w 60\)"):
        lmer("y ~ z + (1 | g)", table, weights="w")
    table = table.assign(w=np.r_[np.nan, np.zeros(N - 1)])
    with pytest.raises(DataError, match="All weights are zero"):
        lmer("y ~ z + (1 | g)", table, weights="w")
    table.loc[1:, "w"] = np.inf
    with pytest.raises(DataError, match=r"weights must be finite.*row 1 \(inf\)"):
        lmer("y ~ z + (1 | g)", table, weights="w")


def test_refits_and_updates_keep_the_rows_with_weights() -> None:
    table = data().assign(w=np.r_[np.nan, np.ones(N - 1)])
    fit = fitted("y ~ z + (1 | g)", table, weights="w")
    assert fit.refit(fit.simulate(1, seed=1).to_numpy().ravel()).nobs == N - 1
    assert fit.update("~ . + x").nobs == N - 1
    assert fit.update(weights=None).nobs == N


@pytest.mark.parametrize(
    ("formula", "options", "name"),
    [
        ("log(v) ~ z + (1 | g)", {}, "log(v)"),
        ("y ~ log(v) + (1 | g)", {}, "log(v)"),
        ("y ~ v + (1 | g)", {}, "v"),
        ("y ~ factor(log(v)) + (1 | g)", {}, "factor(log(v))"),
        ("y ~ z + (0 + log(v) | g)", {}, "log(v)"),
        ("y ~ z + (1 | log(v))", {}, "log(v)"),
        ("y ~ z + (1 | v)", {}, "v"),
        ("y ~ z + (1 | g:log(v))", {}, "log(v)"),
        ("y ~ z + offset(log(v)) + (1 | g)", {}, "offset(log(v))"),
        ("y ~ z + (1 | g)", {"offset": "log(v)"}, "offset"),
    ],
)
def test_infinite_values_are_refused_in_every_role(
    formula: str, options: dict[str, Any], name: str
) -> None:
    computed = "log" in formula or options
    v = np.r_[np.tile([1.0, 2.0], 30)]
    v[4] = 0.0 if computed else np.inf
    sign = "-" if computed else ""
    with pytest.raises(DataError, match=re.escape(f"'{name}' is not finite in row 4 ({sign}inf)")):
        lmer(formula, data().assign(v=v), **options)


def test_stateful_functions_learn_from_the_numbers_that_are_there() -> None:
    made = fitted("y ~ center(log(x)) + (1 | g)", data()).model
    used = np.log(data()["x"].drop([0, 7]))
    np.testing.assert_allclose(made.X[:, 1], used - used.mean(), atol=1e-14)
