"""Tables as Polars' on request: every public member that gives one, found by its annotation."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import inspect
import pickle
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from unit.storage.test_pickles import every_result

import mixedmodels as mm
from mixedmodels.calls import Guided
from mixedmodels.output import converted, has_table

SLEEP = mm.load_dataset("sleepstudy")
ROOT = Path(mm.__file__).parent

# Arguments of members that need some, and of those that draw at random.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "LinearMixedFit.simulate": {"seed": 1},
    "GeneralizedLinearMixedFit.simulate": {"seed": 1},
    "GeneralizedLinearMixedFit.std_residuals": {"kind": "quantile", "seed": 1},
    "GeneralizedLinearMixedFit.predict": {"data": SLEEP},
    "LinearMixedFit.std_residuals": {"kind": "quantile", "nsim": 20, "seed": 1},
}
FUNCTIONS: dict[str, dict[str, Any]] = {
    "load_dataset": {"name": "sleepstudy"},
    "simulate": {
        "formula": "~ Days + (1 | Subject)",
        "data": SLEEP,
        "beta": [250, 10],
        "sd": 20,
        "sigma": 20,
        "seed": 1,
    },
}


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    fit = mm.lmer("Reaction ~ poly(Days, 2) + (Days | Subject)", SLEEP)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        counts = mm.glmer("round(Reaction) ~ Days + (1 | Subject)", SLEEP, family="poisson")
        return {"fit": fit, "model": fit.model, "generalized": counts, **every_result(fit)}


@pytest.fixture
def polars() -> Iterator[None]:
    with mm.set_output("polars"):
        yield


def annotated(cls: type) -> list[str]:
    """Public members of a class that are said to give tables."""
    found = {}
    for base in reversed(cls.__mro__):
        kinds = inspect.get_annotations(base)
        for name, member in vars(base).items():
            function = member.fget if isinstance(member, property) else member
            returned = getattr(function, "__annotations__", {}).get("return")
            found[name] = has_table(kinds.get(name)) or has_table(returned)
    return [name for name, table in found.items() if table and not name.startswith("_")]


def classes_below(cls: type) -> set[type]:
    return {cls}.union(*map(classes_below, cls.__subclasses__()))


def read(value: Any, name: str) -> Any:
    member = getattr(value, name)
    if not callable(member):
        return member
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return member(**ARGUMENTS.get(f"{type(value).__name__}.{name}", {}))
        except mm.ModelError as error:  # what a generalized fit does not have
            assert "residual variance" in str(error)  # noqa: PT017 (others are faults)
            return {}


def parts(found: Any) -> list[Any]:
    if isinstance(found, Mapping):
        return [part for value in found.values() for part in parts(value)]
    return [found]


def same(one: Any, other: Any) -> bool:
    if isinstance(one, pl.DataFrame):
        one, other = one.drop("seconds", strict=False), other.drop("seconds", strict=False)
    if isinstance(one, pl.Series):
        return bool(one.equals(other, null_equal=True))
    return bool(one.equals(other)) if isinstance(one, pl.DataFrame) else str(one) == str(other)


def test_every_member_that_gives_tables_gives_those_of_polars(values: dict[str, Any]) -> None:
    tried = set()
    for value in {type(value): value for value in values.values()}.values():
        if not isinstance(value, Guided):
            continue
        for name in annotated(type(value)):
            plain = parts(read(value, name))
            text = str(value)
            with mm.set_output("polars"):
                asked = parts(read(value, name))
                assert str(value) == text
            told = f"{type(value).__name__}.{name}"
            tried.add(told)
            for before, after in zip(plain, asked, strict=True):
                assert not isinstance(after, (pd.Series, pd.DataFrame)), told
                assert same(converted(before), after), told
    assert len(tried) > 100


def test_no_class_with_tables_is_left_out(values: dict[str, Any]) -> None:
    for path in ROOT.rglob("*.py"):
        if path.stem != "__init__" and path.parent.name not in ("adapters", "commands"):
            name = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
            importlib.import_module(name)
    # A dataclass with slots is made twice, so that classes are compared by name.
    kinds = {base.__qualname__ for value in values.values() for base in type(value).__mro__}
    for cls in classes_below(Guided):
        if cls.__module__.startswith("mixedmodels") and annotated(cls):
            assert cls.__qualname__ in kinds, cls


def test_what_public_members_give_is_said() -> None:
    """Tables are told by annotations, so that a member that gives one must not hide it."""
    hidden = set()
    for cls in classes_below(Guided):
        for name, member in vars(cls).items():
            function = member.fget if isinstance(member, property) else member
            returned = getattr(function, "__annotations__", {}).get("return")
            if cls.__module__.startswith("mixedmodels") and name[0] != "_" and returned == "Any":
                hidden.add(name)
    # The user's own table, and what a generalized fit refuses.
    assert hidden <= {"data", "plot_shrinkage", "vcov_adjusted"}


def test_functions(polars: None) -> None:
    del polars
    with contextlib.suppress(mm.MixedModelsError):  # without scikit-learn there is no such class
        assert not inspect.isfunction(mm.MixedModelRegressor)
    others = [name for name in mm.__all__ if name != "MixedModelRegressor"]
    known = [name for name in others if inspect.isfunction(getattr(mm, name))]
    giving = [n for n in known if has_table(getattr(mm, n).__annotations__.get("return"))]
    assert giving == list(FUNCTIONS)
    for name in giving:
        assert isinstance(getattr(mm, name)(**FUNCTIONS[name]), pl.DataFrame)


def test_results_that_are_read_like_tables(values: dict[str, Any], polars: None) -> None:
    del polars
    fit = values["fit"]
    table = fit.coef_table()
    assert isinstance(table["p_value"], pl.Series)
    assert table.columns == ["name", "estimate", "std_error", "df", "statistic", "p_value"]
    assert table.filter(pl.col("name") == "(Intercept)").height == 1
    modes = fit.ranef()
    for found in (modes["Subject"], dict(modes.items())["Subject"], *modes.values()):
        assert isinstance(found, pl.DataFrame)
        assert found.columns[0] == "Subject"
    assert modes.to_frame().columns[:2] == ["grp", "level"]


def test_labels(values: dict[str, Any], polars: None) -> None:
    del polars
    fit = values["fit"]
    assert fit.fixef["name"].to_list() == ["(Intercept)", "poly(Days, 2)1", "poly(Days, 2)2"]
    assert isinstance(fit.fitted, pl.Series)
    assert fit.fitted.name == "fitted"
    by_label = SLEEP.set_axis([f"r{i}" for i in range(180)]).rename_axis("row")
    assert mm.lmer("Reaction ~ 1 + (1 | Subject)", by_label).fitted.columns == ["row", "fitted"]
    assert fit.cooks_distance("Subject").columns == ["Subject", "cooks_distance"]
    without = mm.lmer("Reaction ~ 1 + (1 | Subject)", SLEEP.assign(w=1.0).iloc[3:])
    assert isinstance(without.residuals, pl.Series)


def test_what_is_missing_is_null(polars: None) -> None:
    del polars
    gaps = mm.lmer(
        "Reaction ~ Days + (Days | Subject)",
        mm.load_dataset("sleepstudy_na"),
        na_action="exclude",
    )
    assert (len(gaps.residuals), gaps.residuals.null_count()) == (180, 4)
    assert gaps.tidy()["p_value"].null_count() == 4
    assert gaps.tidy()["group"].null_count() == 2
    assert mm.load_dataset("sleepstudy_na")["Subject"].null_count() == 1


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pd.Series([1, 2]), pl.Int64),
        (pd.Series([True, False]), pl.Boolean),
        (pd.Series([1.5, np.nan]), pl.Float64),
        (pd.Series(["a", None]), pl.String),
        (pd.Series(["a", None], dtype="category"), pl.Enum(["a"])),
        (pd.Series([1, 2], dtype="category"), pl.Int64),
        (pd.Series([1, None], dtype="Int64"), pl.Int64),
        (pd.to_datetime(pd.Series(["2020-01-01", None])), pl.Datetime),
        (pd.Series([None, None], dtype=object), pl.Null),
    ],
)
def test_kinds_of_columns(column: pd.Series[Any], kind: Any) -> None:
    found = converted(column.rename("x").to_frame())
    assert found.schema["x"] == kind
    assert found["x"].null_count() == column.isna().sum()


def test_columns_stay_distinct() -> None:
    pair = pd.MultiIndex.from_tuples([("a", "b"), ("c", "d")])
    frame = pd.DataFrame([[1, 2, 3], [4, 5, 6]], pair, ["name", "name", "x"])
    assert converted(frame).columns == ["name", "name_2", "name_3", "name_4", "x"]
    assert converted(frame.T).columns == ["name", "a b", "c d"]


def test_given_back(values: dict[str, Any], polars: None) -> None:
    """What comes out as Polars' is taken where its pandas form is."""
    del polars
    fit = values["fit"]
    draws = fit.simulate(2, seed=1)
    assert fit.refit(draws["1"]).converged
    assert len(fit.predict(fit.model_frame())) == 180
    assert fit.predict_interval(fit.data).columns == ["prediction", "std_error", "lower", "upper"]
    again = mm.simulate(
        fit.formula, SLEEP, beta=fit.fixef, theta=list(fit.theta), sigma=fit.sigma, seed=1
    )
    assert again.columns == ["0"]
    weights = fit.fixef.with_columns(fixef=pl.Series([0.0, 1.0, 0.0]))
    assert fit.test(weights).to_frame()["name"].to_list() == ["poly(Days, 2)1"]
    drawn = fit.bootstrap(3, seed=1, statistic=lambda one: one.fixef)
    assert drawn.estimates["name"].to_list() == fit.fixef["name"].to_list()


def test_a_block_and_the_process() -> None:
    fit = mm.lmer("Reaction ~ Days + (1 | Subject)", SLEEP)
    with mm.set_output("polars"):
        assert isinstance(fit.fixef, pl.DataFrame)
        with mm.set_output("pandas"):
            assert isinstance(fit.fixef, pd.Series)
        assert isinstance(fit.fixef, pl.DataFrame)
        with pytest.raises(RuntimeError), mm.set_output("default"):
            raise RuntimeError
        assert isinstance(fit.fixef, pl.DataFrame)
    assert isinstance(fit.fixef, pd.Series)
    mm.set_output("polars")
    try:
        assert isinstance(fit.vcov, pl.DataFrame)
    finally:
        mm.set_output("default")
    assert isinstance(fit.vcov, pd.DataFrame)


def test_copies_are_the_same(values: dict[str, Any]) -> None:
    """A pickle made meanwhile has what is stored, and an altered copy too."""
    pooled = values["pooled"]
    with mm.set_output("polars"):
        again = pickle.loads(pickle.dumps(pooled))
        altered = dataclasses.replace(pooled)
    for copied in (again, altered):
        pd.testing.assert_frame_equal(copied.vcov, pooled.vcov)
        assert str(copied) == str(pooled)


@pytest.mark.parametrize("library", ["arrow", "polar", None, 3])
def test_other_libraries(library: Any) -> None:
    with pytest.raises(mm.MixedModelsError, match=r"library is .*'pandas', 'polars'"):
        mm.set_output(library)
    assert isinstance(mm.load_dataset("dyestuff"), pd.DataFrame)


def test_without_polars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mixedmodels.settings.find_spec", lambda _: None)
    with pytest.raises(mm.MixedModelsError, match="pip install polars"):
        mm.set_output("polars")
