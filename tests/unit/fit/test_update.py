"""Fits made again with some arguments changed, and the table and matrices of a fit."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mixedmodels import (
    ArgumentError,
    DataError,
    FormulaError,
    LinearMixedFit,
    UnknownNameError,
    lmer,
    load,
)

pytestmark = pytest.mark.filterwarnings("ignore::mixedmodels.errors.SingularFitWarning")

FORMULA = "y ~ x + f + (x | g)"


def table(n: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(11)
    g = np.arange(n) % 12
    data = pd.DataFrame(
        {
            "unused": [object()] * n,
            "x": rng.normal(size=n),
            "z": rng.normal(size=n),
            "f": np.array(["lo", "mid", "hi"])[rng.integers(3, size=n)],
            "h": rng.integers(5, size=n),
            "g": [f"g{i}" for i in g],
            "w": rng.uniform(0.5, 2.0, n),
        }
    )
    effects = rng.normal(size=(2, 12))
    return data.assign(y=8.0 + data["x"] + effects[0, g] + effects[1, g] * data["x"])[
        ["unused", "y", "x", "z", "f", "h", "g", "w"]
    ].assign(y=lambda d: d["y"] + rng.normal(size=n))


DATA = table()
CHANGES: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({"formula": "~ . - f"}, "y ~ x + (x | g)", {}),
    ({"formula": ". ~ . + z"}, "y ~ x + f + z + (x | g)", {}),
    ({"formula": "log(.) ~ ."}, "log(y) ~ x + f + (x | g)", {}),
    ({"formula": "~ . - (x | g) + (1 | g) + (1 | h)"}, "y ~ x + f + (1 | g) + (1 | h)", {}),
    ({"formula": "h ~ f + (1 | g)"}, "h ~ f + (1 | g)", {}),
    ({"reml": False}, FORMULA, {"reml": False}),
    ({"formula": "~ . - f", "reml": False}, "y ~ x + (x | g)", {"reml": False}),
    ({"weights": "w"}, FORMULA, {"weights": "w"}),
    ({"weights": None}, FORMULA, {"weights": None}),
    ({"offset": "2 * z"}, FORMULA, {"offset": "2 * z"}),
    ({"contrasts": {"f": "sum"}}, FORMULA, {"contrasts": {"f": "sum"}}),
    ({"data": DATA[:90]}, FORMULA, {"data": DATA[:90]}),
    ({"optimizer": "Nelder-Mead"}, FORMULA, {"optimizer": "Nelder-Mead"}),
    ({"threads": 1}, FORMULA, {"threads": 1}),
    ({}, FORMULA, {}),
]
BEFORE: dict[str, dict[str, Any]] = {
    "plain": {},
    "weights, offset": {"weights": "1 / w", "offset": "z"},
    "ML, contrasts": {"reml": False, "contrasts": {"f": "helmert"}},
}


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize(("changes", "formula", "arguments"), CHANGES)
def test_an_update_is_the_fit_made_anew(
    before: str, changes: dict[str, Any], formula: str, arguments: dict[str, Any]
) -> None:
    options = BEFORE[before]
    fit = lmer(FORMULA, DATA, **options)
    found = fit.update(**changes)
    all_of = {"data": DATA, **options, **arguments}
    expected = lmer(formula, **all_of)
    assert found.objective == pytest.approx(expected.objective, abs=1e-6)
    np.testing.assert_allclose(found.fitted, expected.fitted, rtol=1e-4)
    assert found.reml == expected.reml
    assert list(found.fixef.index) == list(expected.fixef.index)
    assert fit.formula == FORMULA
    assert fit.objective == lmer(FORMULA, DATA, **options).objective


def test_updates_follow_each_other() -> None:
    fit = lmer(FORMULA, DATA, na_action="exclude", weights=DATA["w"])
    found = fit.update("~ . - f").update("~ . + z", reml=False).update(weights=None)
    expected = lmer("y ~ x + z + (x | g)", DATA, reml=False)
    assert found.objective == pytest.approx(expected.objective, abs=1e-6)
    gaps = DATA.assign(x=DATA["x"].where(DATA.index > 3))
    assert len(fit.update(data=gaps, weights=None).fitted) == len(DATA)


def test_errors_name_what_is_wrong() -> None:
    fit = lmer(FORMULA, DATA, weights=DATA["w"].to_numpy())
    for changes, error, said in [
        (("~ . + nope",), FormulaError, "'nope' is not a column"),
        (("~ . - nope",), FormulaError, "'nope' cannot be taken away"),
        (("~ . - (1 | g)",), FormulaError, r"\(1 \| g\) cannot be taken away"),
        ((DATA,), FormulaError, "is a string"),
        ((None, DATA[:10]), DataError, "weights has shape"),
    ]:
        with pytest.raises(error, match=said):
            fit.update(*changes)
    for wrong, said in [
        ({"REML": False}, "reml=False"),
        ({"family": "poisson"}, "mixedmodels.glmer"),
    ]:
        with pytest.raises(ArgumentError, match=said):
            fit.update(**wrong)


def read_again(fit: LinearMixedFit, folder: Path) -> list[LinearMixedFit]:
    fit.save(folder / "fit.mm")
    return [load(folder / "fit.mm"), pickle.loads(pickle.dumps(fit))]


def test_without_the_table(tmp_path: Path) -> None:
    fit = lmer(FORMULA, DATA, weights="w", offset="z", contrasts={"f": "sum"})
    for again in [*read_again(fit, tmp_path), fit.refit(fit.model.y)]:
        assert not hasattr(again, "data")
        with pytest.raises(UnknownNameError, match="no table"):
            again.data  # noqa: B018
        with pytest.raises(UnknownNameError, match=r"model_frame\(data\)"):
            again.model_frame()
        with pytest.raises(ArgumentError, match="data="):
            again.update("~ . + z")
        with pytest.raises(ArgumentError, match="weights="):
            again.update("~ . - x", DATA)
        with pytest.raises(ArgumentError, match="contrasts="):
            again.update("~ . - x", DATA, weights="w")
        known = {"data": DATA, "weights": "w", "contrasts": {"f": "sum"}}
        found = again.update("~ . + h", **known)
        assert found.objective == pytest.approx(fit.update("~ . + h").objective, abs=1e-6)
        by_ml = again.update(reml=False)
        assert by_ml.objective == pytest.approx(fit.update(reml=False).objective, abs=1e-6)
        pd.testing.assert_frame_equal(again.model_frame(DATA), fit.model_frame())


# -- the table -----------------------------------------------------------------------------------

USED = ["y", "x", "f", "g", "w"]


def test_data_is_the_columns_used_by_reference() -> None:
    fit = lmer(FORMULA, DATA, weights="1 / w")
    assert list(fit.data) == USED
    for name in ("y", "x", "w"):
        assert np.shares_memory(fit.data[name].to_numpy(), DATA[name].to_numpy())
    pd.testing.assert_frame_equal(fit.data, DATA[USED])
    changed = fit.data
    changed["x"] = 0.0
    assert fit.data["x"].iloc[0] == DATA["x"].iloc[0]
    for again in (copy.copy(fit), copy.deepcopy(fit), fit.update(reml=False)):
        assert np.shares_memory(again.data["x"].to_numpy(), DATA["x"].to_numpy())


def test_data_is_of_the_kind_that_was_given() -> None:
    plain = DATA[["y", "x", "z", "f", "g", "w"]]
    for given in (
        pl.from_pandas(plain),
        pa.Table.from_pandas(plain),
        {name: plain[name].tolist() for name in plain},
    ):
        found = lmer(FORMULA, given).data
        assert type(found) is type(given)
        names = found.column_names if isinstance(found, pa.Table) else list(found)
        if isinstance(found, pl.DataFrame):
            names = found.columns
        assert names == ["y", "x", "f", "g"]
    assert lmer(FORMULA, given).data["x"] is given["x"]


def test_names_that_are_not_text() -> None:
    wide = DATA.rename(columns={"x": 2020, "z": ("a", "b")})
    fit = lmer("y ~ `2020` + a_b + (1 | g)", wide)
    assert list(fit.data) == ["y", 2020, ("a", "b"), "g"]
    assert list(fit.model_frame()) == ["y", "2020", "a_b", "g"]


# -- the model frame and the model matrix --------------------------------------------------------

FORMULAS = [
    "y ~ x + f + (x | g)",
    "log(y) ~ poly(x, 2) * f + (1 | g)",
    "y ~ bs(x, df=4) + C(h) + (1 | g/f)",
    "y ~ 0 + scale(x) + I(z^2) + offset(w) + (0 + z | g)",
    "y ~ x + I(2 * x) + (1 | g:h)",
    "y ~ ns(x, df=3):f + cut(z, 3) + (z || g)",
]


@pytest.mark.parametrize("na_action", ["omit", "exclude"])
@pytest.mark.parametrize("formula", FORMULAS)
def test_matrices_are_those_of_the_fit(formula: str, na_action: Any) -> None:
    gaps = DATA.assign(
        x=DATA["x"].where(DATA.index % 17 > 0), f=DATA["f"].where(DATA.index % 23 > 0)
    ).set_axis([f"r{i % 100}" for i in range(len(DATA))])
    fit = lmer(formula, gaps, contrasts={"f": "sum"} if "f" in formula else None,
               na_action=na_action)  # fmt: skip
    X = fit.model_matrix()
    assert list(X) == list(fit.fixef.index)
    assert X.index.equals(fit.fitted.index)
    np.testing.assert_array_equal(X.dropna(), fit.model.X)
    again = fit.model_matrix(gaps)
    assert again.index.equals(gaps.index)
    used = again.iloc[fit.model.design.rows]
    np.testing.assert_allclose(used, fit.model.X, rtol=1e-12, atol=1e-12)
    some = fit.model_matrix(pl.from_pandas(gaps[["x", "f", "z", "h", "w"]])[50:60])
    np.testing.assert_allclose(some, again[50:60], rtol=1e-12, atol=1e-12)
    frame = fit.model_frame()
    assert frame.index.equals(fit.fitted.index)
    assert frame.columns[0] == fit.formula.split(" ~ ")[0]
    np.testing.assert_array_equal(frame.iloc[:, 0].dropna(), fit.model.y)
    if na_action == "omit":
        assert frame.notna().all(axis=None)
    if "poly" in formula:
        expected = X["poly(x, 2)2"].dropna()
        np.testing.assert_allclose(frame["poly(x, 2)2"].dropna(), expected, atol=1e-12)


def test_a_frame_has_weights_and_offset() -> None:
    by_column = lmer("y ~ x + offset(z) + (1 | g)", DATA, weights="1 / w", offset="2 * h")
    by_values = lmer(
        "y ~ x + offset(z) + (1 | g)", DATA, weights=1 / DATA["w"], offset=2 * DATA["h"]
    )
    for fit in (by_column, by_values):
        frame = fit.model_frame()
        assert list(frame) == ["y", "x", "offset(z)", "g", "(weights)", "(offset)"]
        np.testing.assert_array_equal(frame["(weights)"], 1 / DATA["w"])
        np.testing.assert_array_equal(frame["(offset)"], 2 * DATA["h"])


def test_another_table_is_refused() -> None:
    data = DATA.copy()
    fit = lmer(FORMULA, data)
    data["y"] = data["y"] + 1.0
    with pytest.raises(DataError, match="changed since: its 'y' has other values"):
        fit.model_frame()
    with pytest.raises(DataError, match="it has 50 rows"):
        fit.model_frame(DATA[:50])
    with pytest.raises(DataError, match="levels that were not there"):
        fit.model_matrix(DATA.assign(f="new"))
    with pytest.raises(FormulaError, match="'f' is not a column"):
        fit.model_matrix(DATA[["x"]])


def test_plain_values() -> None:
    fit = lmer("y ~ x + (1 | g/h)", DATA)
    assert fit.formula == fit.model.formula == "y ~ x + (1 | g/h)"
    assert fit.ngroups == {"h:g": DATA.groupby(["g", "h"]).ngroups, "g": 12}
