"""Predictions: which rows, which terms, and errors against Henderson's equations made dense."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from kinds_of_fits import CASES, fit_case

from mixedmodels import (
    DataError,
    FormulaError,
    MixedModelsError,
    SingularFitWarning,
    lmer,
    load_dataset,
)
from mixedmodels.arrays import FloatArray
from mixedmodels.linear import LinearMixedFit

SUBJECTS = {"Days": [0, 4, 9], "Subject": ["308", "372", "335"]}


def dense_variance(fit: LinearMixedFit, X: FloatArray, Z: FloatArray) -> FloatArray:
    """Of x'beta + z'b about its true value, by inverting the mixed model equations."""
    design, L = fit.model.design, fit.model.Lambda(fit.theta).toarray()
    kept = fit.solution.kept
    root = np.ones((design.n, 1)) if design.w is None else np.sqrt(design.w)[:, None]
    T = root * np.hstack([design.X[:, kept], fit.model.Zt.toarray().T @ L])
    penalty = np.diag(np.r_[np.zeros(len(kept)), np.ones(len(L))])
    rows = np.hstack([X[:, kept], Z @ L])
    C = np.linalg.inv(T.T @ T + penalty)
    variance: FloatArray = fit.sigma**2 * np.einsum("ij,jk,ik->i", rows, C, rows)
    return variance


@pytest.mark.parametrize("name", CASES)
def test_training_rows_are_the_fitted_values(name: str) -> None:
    fit = fit_case(name)
    found = fit.predict()
    assert isinstance(found, pd.Series)
    assert found.index.equals(fit.model.design.index)
    np.testing.assert_allclose(found, fit.fitted, rtol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_new_rows_that_are_the_old_ones(name: str) -> None:
    fit = fit_case(name)
    data = load_dataset(CASES[name][0]).loc[fit.model.design.index]
    np.testing.assert_allclose(fit.predict(data), fit.fitted, rtol=1e-12)
    weights = CASES[name][2].get("weights")
    for interval in ("confidence", "prediction"):
        old = fit.predict_interval(kind=interval)
        new = fit.predict_interval(data, kind=interval, weights=weights)
        # Rounding of a squared difference of coordinates in the basis.
        np.testing.assert_allclose(new, old, rtol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_standard_errors_against_dense_equations(name: str) -> None:
    fit = fit_case(name)
    design, Z = fit.model.design, fit.model.Zt.toarray().T
    table = fit.predict_interval()
    # Both sides invert well-conditioned systems in double precision; a p of 0 has X of no columns.
    np.testing.assert_allclose(
        table["std_error"] ** 2, dense_variance(fit, design.X, Z), rtol=1e-9, atol=1e-20
    )
    none = fit.predict_interval(random="none")
    np.testing.assert_allclose(
        none["std_error"] ** 2, dense_variance(fit, design.X, 0 * Z), rtol=1e-9, atol=1e-20
    )


def test_levels_that_do_not_meet_in_the_data() -> None:
    data = load_dataset("penicillin").iloc[::5]
    fit = lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", data)
    plates, samples = (group.levels for group in fit.model.design.groups)
    new = pd.DataFrame(
        [(plate, sample) for plate in plates for sample in samples], columns=["plate", "sample"]
    )
    Z = np.hstack(
        [
            new[[name]].to_numpy() == levels.to_numpy()
            for name, levels in (("plate", plates), ("sample", samples))
        ]
    )
    found = fit.predict_interval(new)["std_error"]
    expected = dense_variance(fit, np.ones((len(new), 1)), Z.astype(np.float64))
    np.testing.assert_allclose(found**2, expected, rtol=1e-9)


def test_nested_new_combinations() -> None:
    fit = fit_case("nested")
    new = {"batch": ["A", "A", "K"], "cask": ["a", "z", "a"]}
    with pytest.raises(DataError, match=r"'cask:batch' has levels .* z:A, a:K"):
        fit.predict(new)
    found = fit.predict(new, allow_new_levels=True)
    ranef, mean = fit.ranef(), fit.fixef.iloc[0]
    batch = ranef["batch"].loc["A"].iloc[0]
    expected = [mean + batch + ranef["cask:batch"].loc["a:A"].iloc[0], mean + batch, mean]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_new_levels_add_their_marginal_variance() -> None:
    fit = fit_case("slopes")
    new = {"Days": [0, 7], "Subject": ["308", "999"]}
    table = fit.predict_interval(new, allow_new_levels=True)
    z = np.array([1.0, 7.0])
    vcov, cov = fit.vcov.to_numpy(), fit.varcorr.cov["Subject"].to_numpy()
    assert table["prediction"].iloc[1] == pytest.approx(z @ fit.beta)
    assert table["std_error"].iloc[1] ** 2 == pytest.approx(z @ (vcov + cov) @ z)
    alone = fit.predict_interval(new, random="none")
    assert alone["std_error"].iloc[1] ** 2 == pytest.approx(z @ vcov @ z)


def test_intervals_are_multiples_of_the_errors() -> None:
    fit = fit_case("weights, offset")
    new = pd.DataFrame(SUBJECTS, index=["a", "b", "c"])
    mean = fit.predict_interval(new, kind="confidence", level=0.9, ddf="residual")
    seen = fit.predict_interval(new, kind="prediction", level=0.9, weights="1 / (1 + Days)")
    assert list(mean.columns) == ["prediction", "std_error", "lower", "upper"]
    assert mean.index.tolist() == ["a", "b", "c"]
    extra = seen["std_error"] ** 2 - mean["std_error"] ** 2
    np.testing.assert_allclose(extra, fit.sigma**2 * np.array([1.0, 5.0, 10.0]))
    # The 95 % point of t with 178 degrees of freedom, the residual's.
    np.testing.assert_allclose(
        mean["upper"] - mean["prediction"], 1.653459 * mean["std_error"], rtol=1e-6
    )
    np.testing.assert_allclose(mean["lower"] + mean["upper"], 2 * mean["prediction"])
    plain = fit.predict_interval(new, kind="prediction")
    np.testing.assert_allclose(plain["std_error"] ** 2 - mean["std_error"] ** 2, fit.sigma**2)


def test_offset_counts() -> None:
    fit = fit_case("weights, offset")
    days = np.array(SUBJECTS["Days"])
    found = fit.predict(SUBJECTS, random="none")
    np.testing.assert_allclose(found, fit.beta[0] + fit.beta[1] * days + 2 * days**2)


@pytest.mark.parametrize(
    ("random", "terms"),
    [
        (["sample"], "sample"),
        (["(1 | sample)"], "sample"),
        (["~(1|plate)"], "plate"),
        (["1 | plate"], "plate"),
        ([], ""),
        (("plate", "sample"), "plate sample"),
        (["sample", "(1 | plate)"], "plate sample"),
        ("all", "plate sample"),
    ],
)
def test_some_of_the_terms(random: Any, terms: str) -> None:
    fit = fit_case("crossed")
    new = {"plate": ["a", "c"], "sample": ["B", "F"]}
    expected = np.full(2, fit.beta[0])
    for name in terms.split():
        expected += fit.ranef()[name].loc[new[name]].iloc[:, 0].to_numpy()
    np.testing.assert_allclose(fit.predict(new, random=random), expected)


def test_terms_on_one_factor() -> None:
    fit = lmer("Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)", load_dataset("sleepstudy"))
    ranef = fit.ranef()["Subject"].loc[SUBJECTS["Subject"]]
    days = np.array(SUBJECTS["Days"])
    fixed = fit.predict(SUBJECTS, random="none")
    intercepts = fit.predict(SUBJECTS, random=["(1 | Subject)"]) - fixed
    slopes = fit.predict(SUBJECTS, random=["(0 + Days | Subject)"]) - fixed
    np.testing.assert_allclose(intercepts, ranef["(Intercept)"], atol=1e-10)
    np.testing.assert_allclose(slopes, days * ranef["Days"], atol=1e-10)
    both = fit.predict(SUBJECTS, random=["Subject"]) - fixed
    np.testing.assert_allclose(both, intercepts + slopes, atol=1e-10)


def test_missing_values_make_their_rows_missing() -> None:
    fit = fit_case("slopes")
    new = pd.DataFrame(
        {"Days": [1.0, np.nan, 2.0, 3.0], "Subject": ["308", "308", None, "309"]},
        index=[7, 5, 3, 1],
    )
    for uncertainty in ("conditional", "full"):
        table = fit.predict_interval(new, kind="prediction", uncertainty=uncertainty)
        assert table.index.tolist() == [7, 5, 3, 1]
        assert table.isna().all(axis=1).tolist() == [False, True, True, False]
        assert table.isna().any(axis=1).tolist() == [False, True, True, False]
    assert fit.predict(new, allow_new_levels=True).isna().tolist() == [False, True, True, False]
    assert fit.predict(new, random="none").isna().tolist() == [False, True, False, False]


def test_rows_outside_the_dependency_of_a_deficient_fit() -> None:
    data = load_dataset("sleepstudy").assign(twice=lambda d: 2 * d["Days"])
    fit = lmer("Reaction ~ Days + twice + (1 | Subject)", data)
    inside = {"Days": [3.0], "twice": [6.0]}
    assert fit.predict(inside, random="none").iloc[0] == pytest.approx(282.807, abs=1e-3)
    with pytest.warns(UserWarning, match="1 of 1 rows cannot be predicted: twice"):
        fit.predict({"Days": [3.0], "twice": [7.0]}, random="none")


def test_no_rows() -> None:
    fit = fit_case("slopes")
    empty = load_dataset("sleepstudy").iloc[:0]
    for uncertainty in ("conditional", "full"):
        table = fit.predict_interval(empty, uncertainty=uncertainty, columns=True)
        assert table.shape == (0, 4 + empty.shape[1])
    assert fit.predict_interval(empty, random="none").shape == (0, 4)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"data": {"Days": [1], "Subject": ["1"]}}, DataError, "new_levels=True"),
        ({"data": {"Days": [1]}}, FormulaError, "Subject"),
        ({"random": "Subject"}, MixedModelsError, r"'all', 'none' or a list .*'\(1 \+ Days \|"),
        ({"random": ["Days"]}, MixedModelsError, "random names 'Days'"),
        ({"random": ["(1 | Days)"]}, MixedModelsError, "a random-effects term of this model"),
        ({"random": ["(1 | Sub"]}, MixedModelsError, "random: "),
        ({"random": 3}, MixedModelsError, "random is 3"),
        ({"data": [1, 2]}, DataError, "not a table in memory"),
    ],
)
def test_refused(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fit_case("slopes").predict_interval(**options)
    with pytest.raises(error, match=message):
        fit_case("slopes").predict(**options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"kind": "credible"}, MixedModelsError, "kind is 'credible'"),
        ({"uncertainty": "some"}, MixedModelsError, "uncertainty is 'some'"),
        ({"level": 2}, MixedModelsError, "level is 2"),
        ({"ddf": "satt"}, MixedModelsError, "ddf is 'satt'"),
        ({"ddf": "satt", "uncertainty": "full"}, MixedModelsError, "ddf is 'satt'"),
        ({"weights": [1.0]}, MixedModelsError, "weights are for new rows"),
        ({"data": SUBJECTS, "weights": [1, 0, 2]}, DataError, r"row 1 \(0.0\)"),
    ],
)
def test_refused_intervals(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fit_case("slopes").predict_interval(**options)


TABLES = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
    "dict": dict,
}


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
def test_columns_of_the_data_stand_before(make: Callable[[Any], Any]) -> None:
    fit = fit_case("slopes")
    given = {**SUBJECTS, "note": ["x", "y", "z"], "lower": [1.0, 2.0, 3.0]}
    table = fit.predict_interval(make(given), columns=True)
    bare = fit.predict_interval(make(given))
    assert list(table.columns) == [*SUBJECTS, "note", "data(lower)", *bare.columns]
    assert table["note"].tolist() == given["note"]
    assert table["data(lower)"].tolist() == given["lower"]
    pd.testing.assert_frame_equal(table[bare.columns], bare)


def test_columns_without_data_are_the_response_and_the_groups() -> None:
    fit = fit_case("slopes")
    table = fit.predict_interval(columns=True, kind="prediction")
    assert list(table.columns)[:3] == ["Reaction", "Subject", "prediction"]
    np.testing.assert_array_equal(table["Reaction"], fit.model.y)
    assert table["prediction"].equals(fit.predict())


@pytest.mark.parametrize("name", CASES)
def test_one_call_one_type(name: str) -> None:
    fit = fit_case(name)
    for random in ("all", "none"):
        assert isinstance(fit.predict(random=random), pd.Series)
        for kind in ("confidence", "prediction"):
            for uncertainty in ("conditional", "full"):
                table = fit.predict_interval(
                    None,
                    kind,
                    random=random,
                    uncertainty=uncertainty,  # type: ignore[arg-type]
                )
                assert list(table.columns) == ["prediction", "std_error", "lower", "upper"]
                np.testing.assert_allclose(table["prediction"], fit.predict(random=random))


@pytest.mark.parametrize(
    ("term", "effects"),
    [
        ("(1 | Subject)", ["(Intercept)"]),
        ("~(1|Subject)", ["(Intercept)"]),
        ("(0 + Days | Subject)", ["Days"]),
        ("(Days - 1|Subject)", ["Days"]),
        ("(Days || Subject)", ["(Intercept)", "Days"]),
    ],
)
def test_parts_of_a_term(term: str, effects: list[str]) -> None:
    data = load_dataset("sleepstudy")
    fit = lmer("Reaction ~ Days + (Days | Subject)", data)
    modes = fit.ranef()["Subject"].loc[data["Subject"].astype(str)].to_numpy()
    columns = {"(Intercept)": modes[:, 0], "Days": modes[:, 1] * data["Days"].to_numpy()}
    expected = fit.predict(random="none") + sum(columns[name] for name in effects)
    pd.testing.assert_series_equal(fit.predict(random=[term]), expected, check_names=False)
    pd.testing.assert_series_equal(fit.predict(data, random=[term]), expected, check_names=False)
    table = fit.predict_interval(data, random=[term])
    np.testing.assert_allclose(table["prediction"], expected)
    # Where the other effects of the term have no part, leaving them out changes nothing.
    alike = data["Days"] == 0 if effects == ["(Intercept)"] else slice(0, 0)
    pd.testing.assert_frame_equal(table[alike], fit.predict_interval(data)[alike])


def test_a_part_has_the_error_of_that_part() -> None:
    data = load_dataset("sleepstudy")
    fit = lmer("Reaction ~ Days + (Days | Subject)", data)
    Z = fit.model.Zt.toarray().T.reshape(180, 18, 2)
    for column, term in enumerate(["(1 | Subject)", "(0 + Days | Subject)"]):
        part = np.zeros_like(Z)
        part[:, :, column] = Z[:, :, column]
        variance = dense_variance(fit, fit.model.X, part.reshape(180, 36))
        found = fit.predict_interval(data, random=[term])["std_error"]
        np.testing.assert_allclose(found, np.sqrt(variance), rtol=1e-8)


def test_parts_of_terms_with_a_factor() -> None:
    data = load_dataset("sleepstudy").assign(f=np.tile(["a", "b"], 90))
    for bar in ("|", "||"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SingularFitWarning)
            fit = lmer(f"Reaction ~ Days + f + (f + Days {bar} Subject)", data)
        none, modes = fit.predict(random="none"), fit.ranef()["Subject"]
        own = modes.loc[data["Subject"].astype(str), "fb"].to_numpy() * (data["f"] == "b")
        part = fit.predict(random=["(0 + f | Subject)"])
        pd.testing.assert_series_equal(part, none + own, check_names=False)
        both = fit.predict(random=["(0 + f | Subject)", "(Days || Subject)"])
        pd.testing.assert_series_equal(both, fit.predict(), check_names=False)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("subjct", "Did you mean 'Subject'"),
        ("(Dayz | Subject)", "Did you mean '(1 + Days | Subject)'"),
        ("(1 | Subjekt)", "it has '(1 + Days | Subject)'"),
        ("(1 + Days + I(Days^2) | Subject)", "it has '(1 + Days | Subject)'"),
    ],
)
def test_a_name_that_is_near(name: str, hint: str) -> None:
    fit = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
    with pytest.raises(MixedModelsError, match=re.escape(hint)):
        fit.predict(random=[name])
