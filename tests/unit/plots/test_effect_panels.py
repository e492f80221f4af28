"""Three-way interactions: a panel for each level of the third variable."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import mixedmodels as mm

RNG = np.random.default_rng(5)
N = 360
DATA = pd.DataFrame(
    {
        "x": RNG.uniform(0.0, 10.0, N),
        "f": np.tile(["p", "q", "r"], N // 3),
        "s": np.repeat(["u", "v"], N // 2),
        "z": RNG.normal(size=N),
        "g": np.arange(N) % 12,
    }
)
DATA["y"] = DATA["x"] * (1.0 + (DATA["f"] == "q") * (DATA["s"] == "v")) + RNG.normal(size=N)
DATA["y"] += RNG.normal(size=12)[DATA["g"]]


@pytest.fixture(scope="module")
def fit() -> mm.LinearMixedFit:
    return mm.lmer("y ~ x * f * s + z + (1 | g)", DATA)


def panels(figure: Figure) -> list[Any]:
    return [axes for axes in figure.axes if axes.get_visible()]


def title(axes: Any) -> str:
    return str(axes.get_title(loc="left"))


@pytest.mark.parametrize(
    ("variable", "by", "names"),
    [
        ("x", ["f", "s"], ["s = u", "s = v"]),
        ("x", ["s", "f"], ["f = p", "f = q", "f = r"]),
        ("f", ["s", "x"], None),
        ("z", ["f", "s"], ["s = u", "s = v"]),
    ],
)
def test_panels_of_the_third_variable(
    fit: mm.LinearMixedFit, variable: str, by: list[str], names: list[str] | None
) -> None:
    figure = fit.plot_effect(variable, by=by, show="none")
    drawn = panels(figure)
    assert len(drawn) == (3 if names is None else len(names))
    if names is not None:
        assert [title(axes) for axes in drawn] == names
    assert figure.get_suptitle() == f"{variable} by {by[0]} and {by[1]}"
    assert [axes.get_legend() is not None for axes in drawn] == [False] * (len(drawn) - 1) + [True]
    legend = drawn[-1].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == sorted(DATA[by[0]].unique())
    assert len({axes.get_ylim() for axes in drawn}) == 1
    figure.draw_without_rendering()


def test_lines_are_those_of_emmeans(fit: mm.LinearMixedFit) -> None:
    ends = [float(DATA["x"].min()), float(DATA["x"].max())]
    means = fit.emmeans("x", by=["f", "s"], at={"x": ends}).to_frame()
    figure = fit.plot_effect("x", by=["f", "s"], show="none", at={"x": ends})
    for axes, level in zip(panels(figure), ["u", "v"], strict=True):
        lines = [line for line in axes.lines if len(line.get_xdata()) == 2]
        expected = means[means["s"] == level]["estimate"].to_numpy().reshape(3, 2)
        found = np.array([np.asarray(line.get_ydata(), dtype=float) for line in lines])
        np.testing.assert_allclose(np.sort(found, axis=0), np.sort(expected, axis=0))


def test_points_lie_in_their_panel(fit: mm.LinearMixedFit) -> None:
    figure = fit.plot_effect("x", by=["f", "s"])
    for axes, level in zip(panels(figure), ["u", "v"], strict=True):
        points = [line for line in axes.lines if line.get_linestyle() == "None"]
        there = np.sort(np.concatenate([np.asarray(line.get_ydata()) for line in points]))
        np.testing.assert_allclose(there, np.sort(DATA.loc[DATA["s"] == level, "y"]))


def test_axes_that_are_given_take_all(fit: mm.LinearMixedFit) -> None:
    axes = Figure().subplots()
    figure = fit.plot_effect("x", by=["f", "s"], ax=axes, show="none")
    assert figure.axes == [axes]
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["p u", "q u", "r u", "p v", "q v", "r v"] or len(names) == 6


def test_many_levels_are_drawn_in_one() -> None:
    data = DATA.assign(h=[f"h{i % 15}" for i in range(N)])
    fit = mm.lmer("y ~ x * h + s + (1 | g)", data)
    assert len(panels(fit.plot_effect("x", by=["s", "h"], show="none"))) == 1


def test_lines_of_levels_and_empty_cells() -> None:
    data = DATA[~((DATA["f"] == "r") & (DATA["s"] == "v"))]
    fit = mm.lmer("y ~ x * f + s + (x | g)", data)
    figure = fit.plot_effect("x", by=["f", "s"], random="g")
    assert len(panels(figure)) == 2
    figure.draw_without_rendering()


@pytest.mark.parametrize("contrasts", [False, True])
def test_estimates_have_panels_too(fit: mm.LinearMixedFit, contrasts: bool) -> None:
    means = fit.emmeans("f", by=["x", "s"], at={"x": [2.0, 8.0]})
    figure = (means.pairs() if contrasts else means).plot()
    drawn = panels(figure)
    assert [title(axes) for axes in drawn] == ["s = u", "s = v"]
    shown = [text.get_text() for axes in drawn for text in axes.get_yticklabels()]
    assert shown.count("x = 2") == shown.count("x = 8") == 2
    assert figure.get_supxlabel() == (
        "Difference in mean y with 95 % limits" if contrasts else "Mean y with 95 % limits"
    )
    one = means.plot(ax=Figure().subplots())
    assert len(one.axes) == 1
    assert "x = 2, s = u" in [text.get_text() for text in one.axes[0].get_yticklabels()]


def test_what_an_axis_measures() -> None:
    fit = mm.lmer("log(y + 9) ~ f + z + (1 | g)", DATA)
    assert fit.emmeans("f").plot().axes[0].get_xlabel().startswith("Mean log(y + 9) with 95 %")
    back = fit.emmeans("f", type="response", level=0.9)
    assert "with 90 % limits" in back.plot().axes[0].get_xlabel()
    assert back.pairs().plot().axes[0].get_xlabel().startswith("Ratio of mean")
    slopes = fit.emtrends("f", "z").plot().axes[0].get_xlabel()
    assert slopes.startswith("Slope of log(y + 9) over z")


def test_groups_of_estimates_have_colours(fit: mm.LinearMixedFit) -> None:
    axes = fit.emmeans("f", by="s").plot().axes[0]
    assert len({str(line.get_color()) for line in axes.lines}) == 2
    assert len({str(line.get_color()) for line in fit.emmeans("f").plot().axes[0].lines}) == 1
