"""Results with one value for each row: labels, and the rows left out, of every method."""

from __future__ import annotations

import inspect
import pickle
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mixedmodels import DataError, LinearMixedFit, MixedModelsError, lmer, load
from mixedmodels.fit.aliases import Aliases

N = 60
MISSING = {"x": [4, 5], "y": [0], "g": [33], "w": [], "o": [59]}
GONE = [0, 4, 5, 33, 59]
WEIGHTLESS = 20

LABELS: dict[str, Callable[[], Any]] = {
    "default": lambda: None,
    "text": lambda: [f"row {i}" for i in range(N)],
    "integers, unsorted": lambda: list(np.random.default_rng(1).permutation(N) + 7),
    "duplicates": lambda: [i % 7 for i in range(N)],
    "dates": lambda: pd.date_range("2024-01-01", periods=N, tz="Europe/Berlin"),
    "several levels": lambda: pd.MultiIndex.from_product(
        [list("abcdef"), range(10)], names=["site", None]
    ),
    "named": lambda: pd.Index(np.arange(N) / 2.0, name="time"),
    "categories": lambda: pd.CategoricalIndex([f"c{i % 30}" for i in range(N)]),
    "with missing labels": lambda: pd.Index([None, *[f"r{i}" for i in range(N - 1)]]),
}
TABLES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "polars": pl.from_pandas,
    "arrow": pa.Table.from_pandas,
    "dict": lambda data: {name: data[name].tolist() for name in data},
}

BY_ROW: dict[str, Callable[[LinearMixedFit], Any]] = {
    "fitted": lambda fit: fit.fitted,
    "residuals": lambda fit: fit.residuals,
    "leverage": lambda fit: fit.leverage(),
    **{
        f"std_residuals {kind} {marginal}": lambda fit, k=kind, m=marginal: fit.std_residuals(k, m)
        for kind in ("raw", "pearson", "scaled", "standardized", "studentized")
        for marginal in (False, True)
    },
    "cooks_distance": lambda fit: fit.cooks_distance(),
    "dfbetas": lambda fit: fit.dfbetas(method="one-step"),
    "influence": lambda fit: fit.influence(method="one-step").to_frame(),
    "influence's distances": lambda fit: fit.influence(method="one-step").cooks_distance,
    "predict": lambda fit: fit.predict(),
    "predict, population": lambda fit: fit.predict(random="none"),
    "predict_interval": lambda fit: fit.predict_interval(),
    "predict_interval, columns": lambda fit: fit.predict_interval(columns=True),
    "predict_interval, fixed": lambda fit: fit.predict_interval(kind="prediction", random="none"),
    "simulate": lambda fit: fit.simulate(2, seed=1),
    "augment": lambda fit: fit.augment(),
    "model_matrix": lambda fit: fit.model_matrix(),
    "model_frame": lambda fit: fit.model_frame(table_of(fit)),
}


def table(labels: str = "default", *, weightless: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    group = np.arange(N) % 6
    data = pd.DataFrame(
        {
            "y": rng.normal(size=N) + 2.0 * rng.normal(size=6)[group],
            "x": rng.normal(size=N),
            "g": np.array(list("abcdef"), dtype=object)[group],
            "w": rng.uniform(1.0, 2.0, N),
            "o": rng.normal(size=N),
        }
    )
    for name, rows in MISSING.items():
        data.loc[rows, name] = None
    if weightless:
        data.loc[WEIGHTLESS, "w"] = 0.0
    found = LABELS[labels]()
    return data if found is None else data.set_axis(found, axis=0)


def table_of(fit: LinearMixedFit) -> Any:
    """The table of a fit; read again it has none, and its first labels tell which it is."""
    return (
        None
        if hasattr(fit, "data")
        else next(data for data in map(table, LABELS) if data.index.equals(fit.fitted.index))
    )


def fit_of(data: Any, na_action: Any) -> LinearMixedFit:
    return lmer("y ~ x + (1 | g)", data, weights="w", offset="o", na_action=na_action)


@cache
def fits(labels: str) -> tuple[LinearMixedFit, LinearMixedFit]:
    data = table(labels)
    return fit_of(data, "omit"), fit_of(data, "exclude")


def check(found: Any, used: Any, labels: pd.Index, gone: list[int]) -> None:
    """Rows left out are missing values, the others those of the rows used."""
    assert type(found) is type(used)
    assert found.index.equals(labels)
    assert found.index.names == labels.names
    there = np.setdiff1d(np.arange(len(labels)), gone)
    tables = (pd.DataFrame(found), pd.DataFrame(used))
    pd.testing.assert_frame_equal(
        tables[0].iloc[there], tables[1], check_dtype=False, check_categorical=False
    )
    notes = [name for name in tables[0] if name == "notes"]
    assert tables[0].iloc[gone].drop(columns=notes).isna().all(axis=None)


@pytest.mark.parametrize("method", BY_ROW)
@pytest.mark.parametrize("labels", LABELS)
def test_every_method_with_every_kind_of_label(labels: str, method: str) -> None:
    omitted, excluded = fits(labels)
    used = BY_ROW[method](omitted)
    assert used.index.equals(table(labels).index.delete(GONE))
    check(BY_ROW[method](excluded), used, table(labels).index, GONE)


@pytest.mark.parametrize("method", BY_ROW)
@pytest.mark.parametrize("library", TABLES)
def test_tables_without_labels_are_labelled_by_position(library: str, method: str) -> None:
    data = TABLES[library](table().convert_dtypes() if library == "arrow" else table())
    if library == "dict":
        data = {name: [None if v != v else v for v in column] for name, column in data.items()}
    used = BY_ROW[method](fit_of(data, "omit"))
    assert used.index.tolist() == np.delete(np.arange(N), GONE).tolist()
    check(BY_ROW[method](fit_of(data, "exclude")), used, pd.RangeIndex(N), GONE)


@pytest.mark.parametrize("method", BY_ROW)
def test_rows_of_weight_zero_keep_their_places_too(method: str) -> None:
    data = table("text", weightless=True)
    used, found = (BY_ROW[method](fit_of(data, action)) for action in ("omit", "exclude"))
    check(found, used, data.index, sorted([*GONE, WEIGHTLESS]))


@pytest.mark.parametrize("labels", ["default", "text", "several levels", "dates"])
def test_files_and_pickles_keep_the_places(labels: str, tmp_path: Path) -> None:
    fit = fits(labels)[1]
    fit.save(tmp_path / "fit.mm")
    for again in (load(tmp_path / "fit.mm"), pickle.loads(pickle.dumps(fit))):
        for name, method in BY_ROW.items():
            found, expected = map(pd.DataFrame, (method(again), method(fit)))
            if name == "augment":  # covariates are the table's, which a file does not hold
                expected = expected[found.columns]
            pd.testing.assert_frame_equal(found, expected, check_freq=False)


def test_nothing_is_added_where_no_row_is_left_out() -> None:
    data = table().dropna()
    omitted, excluded = fit_of(data, "omit"), fit_of(data, "exclude")
    for method in BY_ROW.values():
        pd.testing.assert_frame_equal(pd.DataFrame(method(omitted)), pd.DataFrame(method(excluded)))


@pytest.mark.parametrize("labels", [name for name in LABELS if name != "with missing labels"])
def test_results_choose_rows_of_the_table(labels: str) -> None:
    data = table(labels)
    fit = fits(labels)[1]
    kept = data[fit.std_residuals().abs() < 1.5]
    assert 0 < len(kept) < N - len(GONE)
    assert data.assign(e=fit.residuals)["e"].isna().sum() == len(GONE)


def test_the_table_beside_what_the_fit_says() -> None:
    data = table("text")
    found = fits("text")[1].augment(data)
    pd.testing.assert_frame_equal(found[["y", "x", "g"]], data[["y", "x", "g"]])
    assert found[".fitted"].isna().tolist() == [i in GONE for i in range(N)]
    with pytest.raises(DataError, match=r"has 59 rows.*has 60"):
        fits("text")[1].augment(data[:-1])


def test_responses_with_all_rows_are_fitted_at_the_rows_used() -> None:
    for data in (table("text"), pl.from_pandas(table())):
        omitted, excluded = fit_of(data, "omit"), fit_of(data, "exclude")
        drawn = excluded.simulate(1, seed=2)[0]
        expected = omitted.refit(omitted.simulate(1, seed=2)[0].to_numpy()).objective
        for y in (drawn, drawn.to_numpy(), drawn.tolist(), drawn.dropna().to_numpy()):
            assert excluded.refit(y).objective == expected
        whole = pl.Series(drawn.to_numpy())
        assert excluded.refit(whole).objective == expected


def test_groups_are_given_for_all_rows_or_for_those_used() -> None:
    data = table("text")
    fit = fits("text")[1]
    by = np.arange(N) // 20
    expected = fit.influence(np.delete(by, GONE)).beta
    for given in (by, by.tolist(), pd.Series(by, data.index)):
        pd.testing.assert_frame_equal(fit.influence(given).beta, expected)


def test_deletions_of_rows_that_are_left_out() -> None:
    fit = fits("text")[1]
    found = fit.influence(only=["row 7", "row 4"])
    assert found.beta.notna().all(axis=1).tolist() == [True, False]
    assert "leaves the row out" in found.notes["row 4"]
    assert "of 1 rows" in str(found)


def test_a_wrong_length_is_refused() -> None:
    fit = fits("default")[1]
    with pytest.raises(DataError, match="55"):
        fit.refit(np.zeros(N - 1))
    with pytest.raises(MixedModelsError, match="55"):
        fit.influence(np.zeros(N + 1))


def test_every_public_name_with_a_value_for_each_row_is_here() -> None:
    """Whatever is of the length of the rows, called without arguments, must be tested above."""
    fit = fits("default")[1]
    tested = " ".join(BY_ROW)
    skipped = ("plot_", "save", "report", "bootstrap", "profile", "confint", "all_fit", "data")
    for name in dir(fit):
        if name.startswith(("_", *skipped)):
            continue
        value = getattr(fit, name)
        if callable(value):
            needed = [
                p for p in inspect.signature(value).parameters.values() if p.default is p.empty
            ]
            if needed:
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                value = value()
        if hasattr(value, "to_frame") and not isinstance(value, pd.Series):
            value = value.to_frame()
        if isinstance(value, (pd.Series, pd.DataFrame)) and len(value) > N // 2:
            assert name in tested or name in vars(Aliases), name
            assert len(value) == N, name
