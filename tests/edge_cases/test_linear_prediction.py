"""Prediction, simulation and bootstrap where others went wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from edge_cases.shared import INTERCEPTS, SLOPES, fit_once, quiet, sleepstudy

from mixedmodels import DataError, FormulaError, lmer, load_dataset


def rng_columns(n: int, seed: int = 1) -> dict[str, Any]:
    """A covariate and two partially crossed factors."""
    rng = np.random.default_rng(seed)
    return {
        "x": rng.normal(size=n),
        "a": rng.integers(0, 150, n),
        "b": rng.integers(0, 12, n),
        "y": rng.normal(size=n) + rng.normal(size=150)[rng.integers(0, 150, n)],
    }


@pytest.mark.parametrize("size", [1.0, 1e6])
@pytest.mark.parametrize("how", ["argument", "formula"])
def test_offset_is_consistent_everywhere(how: str, size: float) -> None:
    plain = fit_once()
    o = size * np.sin(np.arange(180.0))
    data = sleepstudy(o=o, Reaction=lambda d: d["Reaction"] + o)
    if how == "argument":
        fit = lmer(SLOPES, data, offset="o")
    else:
        fit = lmer("Reaction ~ Days + offset(o) + (Days | Subject)", data)
    # Adding and taking away 1e6 leaves ten digits of responses of 1e2.
    close = {"rtol": 1e-8, "atol": 1e-9 * size}
    np.testing.assert_allclose(fit.predict() - o, plain.predict(), **close)
    new = data.iloc[[5, 100]].drop(columns="Reaction")
    np.testing.assert_allclose(fit.predict(new) - o[[5, 100]], plain.predict(new), **close)
    limits = fit.predict_interval(new, kind="prediction")
    expected = plain.predict_interval(new, kind="prediction")
    limits[["prediction", "lower", "upper"]] -= o[[5, 100], None]
    np.testing.assert_allclose(limits, expected, **close)
    drawn = fit.simulate(2, seed=1)
    np.testing.assert_allclose(drawn.sub(o, axis=0), plain.simulate(2, seed=1), **close)
    sample, expected = fit.bootstrap(3, seed=1), plain.bootstrap(3, seed=1)
    np.testing.assert_allclose(sample.replicates, expected.replicates, rtol=2e-5)
    again = fit.refit(plain.model.y + o)
    np.testing.assert_allclose(again.fixef, plain.fixef, rtol=1e-6)


def test_offset_as_an_array_says_nothing_of_new_rows() -> None:
    fit = lmer(SLOPES, sleepstudy(), offset=np.arange(180.0))
    assert np.allclose(fit.predict(), fit.fitted)
    assert fit.simulate(seed=1).shape == (180, 1)
    with pytest.raises(DataError, match="as a column or an expression"):
        fit.predict(sleepstudy().iloc[:3])


@pytest.mark.parametrize(
    "term", ["poly(Days, 3)", "bs(Days, df=4)", "scale(Days)", "center(Days)", "log(1 + Days)"]
)
@pytest.mark.parametrize("rows", [[7], [9, 0, 30], list(range(180))])
def test_transforms_are_replayed(term: str, rows: list[int]) -> None:
    fit = quiet(f"Reaction ~ {term} + (1 | Subject)", sleepstudy())
    new = sleepstudy().iloc[rows].drop(columns="Reaction")
    np.testing.assert_allclose(fit.predict(new), fit.fitted[rows], rtol=1e-10)


def test_transform_in_the_random_part() -> None:
    fit = quiet("Reaction ~ Days + (scale(Days) | Subject)", sleepstudy())
    new = sleepstudy().iloc[[17]].drop(columns="Reaction")
    np.testing.assert_allclose(fit.predict(new), fit.fitted[[17]], rtol=1e-10)


def test_fewer_and_more_levels_in_another_order() -> None:
    fit = fit_once()
    some = sleepstudy().iloc[[150, 3, 77]]
    np.testing.assert_allclose(fit.predict(some), fit.fitted[[150, 3, 77]])
    # The same labels with other codes, and with levels that no row has.
    names = some["Subject"].astype(str)
    odd = pd.Categorical(names, categories=["zzz", *sorted(set(names), reverse=True)])
    np.testing.assert_allclose(fit.predict(some.assign(Subject=odd)), fit.fitted[[150, 3, 77]])


def test_more_than_a_hundred_levels() -> None:
    data = pd.DataFrame(rng_columns(900))
    fit = quiet("y ~ x + (1 | a) + (1 | b)", data)
    shuffled = data.sample(frac=1.0, random_state=3)
    expected = pd.Series(fit.fitted, data.index)[shuffled.index]
    pd.testing.assert_series_equal(fit.predict(shuffled), expected, check_names=False)


def test_new_levels_are_named_and_may_be_allowed() -> None:
    fit = fit_once()
    new = pd.DataFrame({"Days": 3, "Subject": [f"new{i:02d}" for i in range(30)] + ["308"]})
    with pytest.raises(DataError) as caught:
        fit.predict(new)
    message = str(caught.value)
    for piece in ("'Subject'", "new00, new01", "25 more", "18 levels", "random='none'"):
        assert piece in message
    allowed = fit.predict(new, allow_new_levels=True)
    np.testing.assert_allclose(allowed[:30], fit.predict(new, random="none")[:30])
    assert allowed[30] == pytest.approx(fit.predict(new.iloc[[30]]).iloc[0])


def test_grouping_column_may_be_absent() -> None:
    fit = fit_once()
    new = {"Days": [0, 1]}
    np.testing.assert_allclose(fit.predict(new, random="none").diff()[1], fit.fixef["Days"])
    with pytest.raises(FormulaError, match="Subject"):
        fit.predict(new, allow_new_levels=True)
    crossed = lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", load_dataset("penicillin"))
    assert crossed.predict({"plate": ["a"]}, random=["plate"]).shape == (1,)


def test_level_of_a_fixed_factor_that_is_new() -> None:
    fit = lmer("score ~ Machine + (1 | Worker)", load_dataset("machines"))
    with pytest.raises(DataError, match=r"'Machine' has levels that were not there .* Z"):
        fit.predict({"Machine": ["A", "Z"], "Worker": [1, 1]}, random="none")


@pytest.mark.parametrize("make", [pl.from_pandas, lambda d: d.to_dict("list")])
def test_tables_of_other_kinds(make: Any) -> None:
    new = sleepstudy().iloc[40:60].assign(Subject=lambda d: d["Subject"].astype(str))
    found = fit_once().predict_interval(make(new), kind="confidence")
    np.testing.assert_allclose(found["prediction"], fit_once().fitted[40:60])
    assert found.index.tolist() == list(range(20))


@pytest.mark.parametrize("name", ["reaction time", "new", "i", "Intercept", "a.b"])
def test_names_of_columns(name: str) -> None:
    data = sleepstudy().rename(columns={"Days": name})
    fit = lmer(f"Reaction ~ `{name}` + (`{name}` | Subject)", data)
    np.testing.assert_allclose(fit.predict(data.iloc[::-1]), fit.fitted[::-1])
    sample = fit.bootstrap(2, seed=1)
    assert f"cor(Subject.(Intercept).{name})" in sample.replicates
    assert name in sample.replicates


def test_response_far_from_zero() -> None:
    far = lmer(SLOPES, sleepstudy(Reaction=lambda d: d["Reaction"] + 1e8))
    np.testing.assert_allclose(far.predict() - 1e8, fit_once().predict(), rtol=1e-6)
    for uncertainty in ("conditional", "full"):
        found, expected = (
            fit.predict_interval(kind="prediction", uncertainty=uncertainty)  # type: ignore[arg-type]
            for fit in (far, fit_once())
        )
        found[["prediction", "lower", "upper"]] -= 1e8
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(
        far.bootstrap(3, seed=1).std_error, fit_once().bootstrap(3, seed=1).std_error, rtol=1e-4
    )


@pytest.mark.parametrize(
    "formula",
    [
        "Reaction ~ Days + (Days || Subject)",
        "Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)",
    ],
)
def test_bootstrap_without_correlation(formula: str) -> None:
    sample = lmer(formula, sleepstudy()).bootstrap(20, seed=1)
    assert sample.n_failed == 0
    assert not sample.replicates.filter(like="cor(").shape[1]
    assert np.isfinite(sample.confint().to_numpy()).all()


def test_bootstrap_of_partially_crossed_factors() -> None:
    fit = quiet("y ~ x + (1 | a) + (x | b)", rng_columns(900))
    sample = fit.bootstrap(10, seed=2)
    assert sample.n_failed == 0
    y = fit.simulate(10, seed=2)
    for i in (0, 9):
        other = quiet("y ~ x + (1 | a) + (x | b)", {**rng_columns(900), "y": y[i].to_numpy()})
        # From another start: two ends of searches to a predicted decrease of 1e-11.
        assert sample.objective[i] == pytest.approx(other.objective, abs=1e-7)


def test_weights_scaled() -> None:
    weighted = lmer(INTERCEPTS, sleepstudy(w=100.0), weights="w")
    plain = fit_once(INTERCEPTS)
    for kind in ("confidence", "prediction"):
        found, expected = (fit.predict_interval(kind=kind) for fit in (weighted, plain))  # type: ignore[arg-type]
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(
        weighted.simulate(2, seed=1, modes="kept"),
        plain.simulate(2, seed=1, modes="kept"),
        rtol=1e-6,
    )


def test_rows_with_missing_values_are_not_there() -> None:
    data = sleepstudy()
    data.loc[[4, 50], "Reaction"] = np.nan
    fit = lmer(SLOPES, data)
    assert fit.predict().index.equals(data.index.drop([4, 50]))
    assert fit.simulate(seed=1).index.equals(data.index.drop([4, 50]))
    assert np.isfinite(fit.predict(data)).all()
    assert fit.bootstrap(2, seed=1).n_failed == 0


def test_methods_do_not_change_the_fit() -> None:
    fit = lmer(SLOPES, sleepstudy())
    before = (fit.theta.copy(), fit.summary(), fit.model.objective(fit.theta))
    fit.predict_interval(uncertainty="full", kind="prediction", random="none")
    fit.bootstrap(5, seed=1)
    fit.simulate(2)
    np.testing.assert_array_equal(fit.theta, before[0])
    assert fit.summary() == before[1]
    assert fit.model.objective(fit.theta) == before[2]
