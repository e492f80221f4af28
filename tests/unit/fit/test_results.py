"""What methods give: frozen values with a frame, a text and HTML; or plain arrays and tables."""

from __future__ import annotations

import dataclasses
import inspect
import re
import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels.checking.result import Checks
from mixedmodels.inference.robust import RobustCovariance
from mixedmodels.report.results import Result, TableResult

LONG = "a covariate with a name that is far too long for one line of a table of eighty columns"
MIDDLE = "reaction time of the participants"

PLAIN = (
    r"None|bool|int|float|str|list\[str\]|tuple\[.*|(npt\.)?\w*Array"
    r"|pd\.(DataFrame|Series).*|dict\[str, .*|(scipy\.)?sparse\.csc_array|Figure|Design|Templates"
    r"|Analysis|PLS|Solution|LinearMixedModel|LinearMixedFit|Values"
)


def every_result(x: str) -> dict[str, Any]:
    """Every kind of result, of models whose covariate has this name."""
    rng = np.random.default_rng(5)
    data = pd.DataFrame(
        {
            x: rng.normal(size=120),
            "f": np.tile(["one level of a factor", "another one", "the third"], 40),
            "g": np.repeat([f"g{i}" for i in range(12)], 10),
        }
    )
    data["y"] = data[x] + rng.normal(size=12)[data["g"].str[1:].astype(int)] + rng.normal(size=120)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mm.lmer(f"y ~ `{x}` * f + (`{x}` | g)", data)
        small = mm.lmer(f"y ~ `{x}` + (1 | g)", data)
        return {
            "coef_table": fit.coef_table(),
            "coef_table, Kenward-Roger": fit.coef_table("kenward-roger"),
            "anova": fit.anova(),
            "drop1": fit.drop1(),
            "drop1, F": fit.drop1("F"),
            "ranova": fit.ranova(),
            "comparison": mm.anova(small, fit),
            "comparison, REML": mm.anova(fit, fit, refit=False),
            "test": fit.test(list(fit.coef_table().index)[1:4]),
            "summary": fit.summary(),
            "varcorr": fit.varcorr,
            "profile": fit.profile("theta_"),
            "bootstrap": fit.bootstrap(5, seed=1),
            "influence": fit.influence("g"),
            "repca": fit.repca(),
            "repca of a group": fit.repca()["g"],
            "singularity": fit.singularity(),
            "ranef": fit.ranef(),
            "ranef_cov": fit.ranef_cov(),
            "coef": fit.coef(),
            "block plan": fit.model.block_plan(),
            "optsum": fit.optsum,
            "emmeans": fit.emmeans("pairwise ~ f"),
            "contrasts": fit.emmeans("f").contrast("effect"),
            "letters": fit.emmeans("f").letters(),
            "tested": fit.emmeans("f").test(1.0, side="greater"),
            "effect sizes": fit.emmeans("f").effect_size(1.0, 20),
            "emtrends": fit.emtrends("f", f"`{x}`"),
            "joint_tests": fit.joint_tests(),
        }


@cache
def cached_results(x: str) -> dict[str, Any]:
    return every_result(x)


NAMES = list(cached_results("x"))


def subclasses(cls: type) -> set[str]:
    return {cls.__name__}.union(*map(subclasses, cls.__subclasses__()))


@pytest.mark.parametrize("cls", [mm.LinearMixedFit, mm.LinearMixedModel])
def test_every_method_gives_a_result_or_something_plain(cls: type) -> None:
    cached_results("x")  # classes that are imported when they are asked for
    results = subclasses(Result) | {Checks.__name__, RobustCovariance.__name__}
    for name, member in inspect.getmembers(cls):
        function = getattr(member, "fget", None) or getattr(member, "func", None) or member
        given = getattr(function, "__annotations__", {}).get("return")
        if name.startswith("_") or given is None or name == "data":
            continue
        for part in str(given).strip("'").split(" | "):
            named = part.removeprefix("filling.").partition("[")[0] in results
            assert named or re.fullmatch(PLAIN, part), (name, given)


@pytest.mark.parametrize("name", NAMES)
def test_frozen_values_of_their_own(name: str) -> None:
    result = cached_results("x")[name]
    assert isinstance(result, Result)
    assert not isinstance(result, (pd.DataFrame, dict, str, tuple, list))
    assert dataclasses.is_dataclass(result)
    field = dataclasses.fields(result)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(result, field, None)


@pytest.mark.parametrize("x", ["x", MIDDLE, LONG])
@pytest.mark.parametrize("name", NAMES)
def test_text_of_eighty_columns_hides_nothing(name: str, x: str) -> None:
    result = cached_results(x)[name]
    text = str(result)
    assert text == repr(result)
    if name != "singularity" and not (name == "summary" and x == LONG):
        sentences = ("Formula", "fit", "one:", "two:", "NaN", "Simpler")
        lines = [line for line in text.split("\n") if not line.startswith(sentences)]
        assert max(map(len, lines)) <= 80
    assert "..." not in text
    if isinstance(result, TableResult):
        shown = text.split()
        for column in result.columns:
            assert column in shown
        for value in result["p_value"].dropna() if "p_value" in result else ():
            assert ("<2e-16" if value < 2e-16 else f"{value:.3g}") in shown


@pytest.mark.parametrize("x", ["x", LONG])
@pytest.mark.parametrize("name", NAMES)
def test_other_forms(name: str, x: str) -> None:
    result = cached_results(x)[name]
    html = result._repr_html_()
    assert html.startswith("<div>")
    assert html.count("<table>") == html.count("</table>")
    assert result.to_markdown().endswith("\n")
    assert result.to_latex().count("\\begin") == result.to_latex().count("\\end")


@pytest.mark.parametrize("name", NAMES)
def test_frames_are_copies(name: str) -> None:
    result = cached_results("x")[name]
    text = str(result)
    frame = result.to_frame()
    assert type(frame) is pd.DataFrame
    frame.index = pd.RangeIndex(len(frame))
    frame.attrs["notes"] = {"x": "changed"}
    frame.insert(0, "more", 1)
    assert str(result) == text
    assert "more" not in result.to_frame()


@pytest.mark.parametrize(
    "name", [n for n in NAMES if isinstance(cached_results("x")[n], TableResult)]
)
def test_tables_are_read_like_frames(name: str) -> None:
    table = cached_results("x")[name]
    frame = table.to_frame()
    last = "p_value" if "p_value" in frame else "upper"
    pd.testing.assert_series_equal(table[last], frame[last])
    pd.testing.assert_frame_equal(table[[last]], frame[[last]])
    row = frame.index[-1]
    pd.testing.assert_series_equal(table.loc[row], frame.loc[row])
    assert table.shape == frame.shape
    assert len(table) == len(frame)
    assert list(table) == list(table.columns) == list(frame.columns)
    assert last in table
    assert "no column" not in table
    np.testing.assert_array_equal(np.asarray(table), frame.to_numpy())
    assert table.round(2).equals(frame.round(2))
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        table.nothing_of_this_name  # noqa: B018
    with pytest.raises(TypeError):
        table["p_value"] = 1.0


def test_a_summary_is_compared_by_what_it_says() -> None:
    fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
    other = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"), reml=False)
    assert fit.summary() == fit.summary()
    assert fit.summary() != other.summary()
    assert fit.summary().to_frame().equals(fit.coef_table().to_frame())


def test_components_are_found_by_any_spelling_of_the_group() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mm.lmer("strength ~ 1 + (1 | batch/cask)", mm.load_dataset("pastes"))
    components = fit.repca()
    assert list(components) == ["cask:batch", "batch"]
    assert components["batch:cask"] is components["cask:batch"]
    assert len(components) == 2
    with pytest.raises(KeyError, match="'none' is not a grouping factor"):
        components["none"]
