"""A Series belongs to the rows whose labels it has, wherever one value for each row is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import mixedmodels as mm
from mixedmodels.errors import DataError
from mixedmodels.linear import LinearMixedFit

N = 80


def data() -> pd.DataFrame:
    rng = np.random.default_rng(6)
    g = np.arange(N) % 8
    table = pd.DataFrame({"g": g, "h": np.arange(N) // 10, "x": rng.normal(size=N)})
    table["y"] = rng.normal(size=8)[g] + table["x"] + rng.normal(size=N)
    table["w"] = rng.uniform(1.0, 2.0, N)
    return table.set_index(pd.Index([f"row {i}" for i in range(N)]))


FORMULA = "y ~ x + (1 | g)"
BETA = {"(Intercept)": 1.0, "x": 1.0}

# Where values by row go: the call, and the column whose values they are.
PLACES: dict[str, tuple[Callable[[LinearMixedFit, Any], Any], str]] = {
    "weights": (lambda _, v: mm.lmer(FORMULA, data(), weights=v).fixef, "w"),
    "offset": (lambda _, v: mm.lmer(FORMULA, data(), offset=v).fixef, "w"),
    "weights of a model": (
        lambda _, v: mm.LinearMixedModel(FORMULA, data(), weights=v).objective([1.0]),
        "w",
    ),
    "simulate, weights": (
        lambda _, v: mm.simulate(
            FORMULA, data(), beta=BETA, sd=[1.0], sigma=1.0, seed=1, weights=v
        ),
        "w",
    ),
    "simulate, offset": (
        lambda _, v: mm.simulate(FORMULA, data(), beta=BETA, sd=[1.0], sigma=1.0, seed=1, offset=v),
        "w",
    ),
    "refit": (lambda fit, v: fit.refit(v).fixef, "y"),
    "predict, weights": (
        lambda fit, v: fit.predict_interval(data(), kind="prediction", weights=v),
        "w",
    ),
    "influence": (lambda fit, v: fit.influence(by=v, method="one-step").dfbetas, "h"),
    "cooks_distance": (lambda fit, v: fit.cooks_distance(by=v, method="one-step"), "h"),
    "dfbetas": (lambda fit, v: fit.dfbetas(by=v, method="one-step"), "h"),
}
FORMS: dict[str, Callable[[pd.Series], Any]] = {
    "array": lambda s: s.to_numpy(),
    "list": lambda s: s.tolist(),
    "objects": lambda s: s.to_numpy(dtype=object),
    "nullable": lambda s: s.convert_dtypes(),
    "polars": lambda s: pl.Series(s.tolist()),
    "arrow": lambda s: pa.array(s.tolist()),
    "extension array": lambda s: s.array,
}


@pytest.fixture(scope="module")
def fit() -> LinearMixedFit:
    return mm.lmer(FORMULA, data(), threads=1)


@pytest.mark.parametrize("place", PLACES)
def test_labels_of_other_rows_are_refused(place: str, fit: LinearMixedFit) -> None:
    call, column = PLACES[place]
    values = data()[column]
    for other in (
        values.sample(frac=1.0, random_state=3),
        values.iloc[::-1],
        values.reset_index(drop=True),
        values.rename(lambda label: label + "!"),
    ):
        with pytest.raises(DataError, match=r"index differs from that of the data.*reindex"):
            call(fit, other)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("form", FORMS)
def test_values_without_labels_are_taken_in_order(
    form: str, place: str, fit: LinearMixedFit
) -> None:
    call, column = PLACES[place]
    values = data()[column]
    wanted, got = np.asarray(call(fit, values)), np.asarray(call(fit, FORMS[form](values)))
    np.testing.assert_allclose(got.astype(float), wanted.astype(float), rtol=1e-12)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "unordered",
    [
        lambda values: dict(zip(range(len(values)), values, strict=True)),
        lambda values: dict(zip(values, range(len(values)), strict=False)),
        lambda values: set(range(1, len(values) + 1)),
        lambda values: frozenset(range(1, len(values) + 1)),
    ],
    ids=["dict by row", "dict by value", "set", "frozenset"],
)
def test_dicts_and_sets_have_no_order_of_rows(
    place: str, unordered: Callable[[list[Any]], Any], fit: LinearMixedFit
) -> None:
    call, column = PLACES[place]
    with pytest.raises(DataError, match=r"is a (dict|set|frozenset), so it is not clear which"):
        call(fit, unordered(data()[column].tolist()))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "bad", [np.ones(N - 1), np.ones((N, 2)), np.ones((N, 1)), 3.0, [], "text"], ids=str
)
def test_one_value_for_each_row(place: str, bad: Any, fit: LinearMixedFit) -> None:
    with pytest.raises(mm.MixedModelsError):
        PLACES[place][0](fit, bad)


@pytest.mark.parametrize("place", [place for place in PLACES if PLACES[place][1] != "h"])
@pytest.mark.parametrize(
    "bad",
    [
        ["a"] * N,
        ["1.0"] * N,
        np.arange(N).astype("M8[D]"),
        np.arange(N).astype("m8[s]"),
        pd.Series(pd.date_range("2024", periods=N)).array,
        np.ones(N) * 1j,
        [b"1"] * N,
        pd.Categorical(np.arange(N) % 3),
    ],
    ids=["text", "digits", "dates", "durations", "times", "complex", "bytes", "categories"],
)
def test_values_that_are_not_numbers(place: str, bad: Any, fit: LinearMixedFit) -> None:
    with pytest.raises(DataError, match=r"not numeric|cannot be used|stored as text"):
        PLACES[place][0](fit, bad)


def test_series_of_a_dict_have_the_same_labels() -> None:
    table = data()
    other = table.sample(frac=1.0, random_state=3)
    with pytest.raises(DataError, match=r"'x' and 'y' have different row labels.*DataFrame"):
        mm.lmer(FORMULA, {"y": table["y"], "x": other["x"], "g": table["g"]})
    fitted = mm.lmer(FORMULA, {"y": table["y"], "x": table["x"].to_numpy(), "g": table["g"]})
    assert fitted.fixef.equals(mm.lmer(FORMULA, table).fixef)
    with pytest.raises(DataError, match="index differs"):
        mm.lmer(FORMULA, {"y": table["y"], "x": table["x"], "g": table["g"]}, weights=other["w"])


def test_rows_of_a_contrast_matrix_are_found_by_level() -> None:
    table = data().assign(f=np.array(["a", "b", "c", "d"])[np.arange(N) % 4])
    matrix = pd.DataFrame({"u": [1.0, 2, 3, 5], "v": [0.0, 1, 0, 1]}, index=list("abcd"))
    formula = "y ~ f + (1 | g)"
    want = mm.lmer(formula, table, contrasts={"f": matrix}).fixef
    got = mm.lmer(formula, table, contrasts={"f": matrix.iloc[::-1]}).fixef
    np.testing.assert_allclose(got, want)
    plain = mm.lmer(formula, table, contrasts={"f": matrix.reset_index(drop=True)}).fixef
    np.testing.assert_allclose(plain, want)
    for index in (list("abcx"), list("abca")):
        with pytest.raises(DataError, match=r"'f' has (no row|several rows) for"):
            mm.lmer(formula, table, contrasts={"f": matrix.set_axis(index)})
