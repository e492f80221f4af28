"""Pictures of effects: predictions are those of emmeans; what lies behind is where it belongs."""

from __future__ import annotations

import warnings
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import mixedmodels as mm
from mixedmodels.linear import LinearMixedFit
from mixedmodels.plots.effects import MOST_POINTS, MOST_STRANDS


def table(groups: int = 18, rows: int = 8, *, long: bool = False) -> pd.DataFrame:
    """Groups with slopes, two factors and two covariates."""
    rng = np.random.default_rng(groups)
    g = np.repeat(np.arange(groups), rows)
    n = len(g)
    x, z = rng.normal(size=n), rng.normal(3.0, 2.0, n)
    f = rng.choice(["p", "q", "r"], n)
    b = rng.normal(size=(groups, 2))
    stem = "a long name of one of the groups, number {} of the list" if long else "g{}"
    return pd.DataFrame(
        {
            "y": np.exp(0.2 * (x + 0.3 * x * z + b[g, 0] + b[g, 1] * x + rng.normal(size=n))),
            "x": x,
            "z": z,
            "f": f,
            "between": np.where(g % 2 == 0, "even", "odd"),
            "two": (g % 2).astype(float),
            "g": [stem.format(i) for i in g],
        }
    )


DATA = table()


def fitted(formula: str, data: pd.DataFrame = DATA) -> LinearMixedFit:
    return mm.lmer(formula, data)


def lines(figure: Figure, least: float = 1.9) -> list[Line2D]:
    """The curves, which are the thickest lines."""
    return [
        line
        for line in figure.axes[0].lines
        if line.get_linewidth() >= least and line.get_linestyle() == "-" and len(line.get_xdata())
    ]


def dots(figure: Figure, edge: bool) -> list[Line2D]:
    """Predictions, which have an edge, or the points behind them."""
    return [
        line
        for line in figure.axes[0].lines
        if line.get_marker() == "o" and (line.get_markeredgewidth() > 0.0) == edge
    ]


FORMULAS = [
    "y ~ x * z + f + (x | g)",
    "y ~ poly(x, 2) * f + z + (1 | g)",
    "y ~ bs(x, df=4) + f * z + (x || g)",
    "y ~ exp(x) + between + (1 | g)",
]


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("ddf", ["satterthwaite", "none"])
@pytest.mark.parametrize("weights", ["equal", "proportional"])
def test_a_line_is_that_of_emmeans(formula: str, ddf: Any, weights: Any) -> None:
    fit = fitted(formula)
    figure = fit.plot_effect("x", ddf=ddf, weights=weights, level=0.8, show="none")
    (line,) = lines(figure)
    x, y = (np.asarray(values, dtype=float) for values in line.get_data())
    assert (x[0], x[-1]) == (DATA["x"].min(), DATA["x"].max())
    expected = fit.emmeans("x", at={"x": x}, ddf=ddf, weights=weights, level=0.8)
    np.testing.assert_allclose(y, expected["estimate"])
    (band,) = [c for c in figure.axes[0].collections if isinstance(c, PolyCollection)]
    corners = band.get_paths()[0].vertices
    assert corners[:, 1].min() == pytest.approx(expected["lower"].min())
    assert corners[:, 1].max() == pytest.approx(expected["upper"].max())


@pytest.mark.parametrize("by", ["f", "between", "two"])
def test_a_line_for_each_level(by: str) -> None:
    fit = fitted(f"y ~ x * {by} + (1 | g)")
    figure = fit.plot_effect("x", by=by)
    found = lines(figure)
    levels = list(pd.unique(np.sort(DATA[by])))
    assert len(found) == len(levels)
    for line, level in zip(found, levels, strict=True):
        at = {"x": line.get_xdata(), by: level}
        np.testing.assert_allclose(line.get_ydata(), fit.emmeans("x", at=at)["estimate"])
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert legend.get_title().get_text() == by
    # Points stand at the rows of their level.
    counts = sorted(len(d.get_xdata()) for d in dots(figure, edge=False))
    assert counts == sorted(DATA[by].value_counts())


@pytest.mark.parametrize("at", [None, {"z": [0.0, 1.5]}])
def test_a_covariate_as_by_is_at_its_mean_and_a_deviation_away(at: Any) -> None:
    fit = fitted("y ~ x * z + (1 | g)")
    found = lines(fit.plot_effect("x", by="z", at=at, show="none"))
    mean, sd = DATA["z"].mean(), DATA["z"].std()
    values = [mean - sd, mean, mean + sd] if at is None else at["z"]
    assert len(found) == len(values)
    for line, z in zip(found, values, strict=True):
        expected = fit.emmeans("x", at={"x": line.get_xdata(), "z": z})["estimate"]
        np.testing.assert_allclose(line.get_ydata(), expected)


@pytest.mark.parametrize(("variable", "by"), [("f", None), ("f", "between"), ("two", None)])
def test_levels_have_points_with_limits(variable: str, by: str | None) -> None:
    fit = fitted(
        "y ~ f * between + two + x + (1 | g)" if by is None else "y ~ f * between + (1 | g)"
    )
    if by is None:
        fit = fitted("y ~ f + two + x + (1 | g)")
    figure = fit.plot_effect(variable, by=by)
    expected = fit.emmeans(variable, by=by)
    shown = np.concatenate([line.get_ydata() for line in dots(figure, edge=True)])
    np.testing.assert_allclose(shown, expected["estimate"])
    bars = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    ends = np.concatenate([np.array(bar.get_segments())[:, :, 1] for bar in bars])
    np.testing.assert_allclose(ends, expected[["lower", "upper"]])


def test_responses_are_transformed_back() -> None:
    fit = fitted("log(y) ~ x + (x | g)")
    figure = fit.plot_effect("x", type="response")
    (line,) = lines(figure)
    expected = fit.emmeans("x", at={"x": line.get_xdata()}, type="response")["estimate"]
    np.testing.assert_allclose(line.get_ydata(), expected)
    (data,) = dots(figure, edge=False)
    np.testing.assert_allclose(np.sort(data.get_ydata()), np.sort(DATA["y"]))
    assert figure.axes[0].get_ylabel() == "y"
    assert fit.plot_effect("x").axes[0].get_ylabel() == "log(y)"


@pytest.mark.parametrize("formula", ["y ~ x * f + z + (x | g)", "y ~ poly(x, 2) + f + (1 | g)"])
def test_partial_residuals_are_predictions_plus_residuals(formula: str) -> None:
    fit = fitted(formula)
    (data,) = dots(fit.plot_effect("x", show="partial"), edge=False)
    expected = fit.emmeans("x", at={"x": np.unique(DATA["x"])})
    mean = pd.Series(expected["estimate"].to_numpy(), np.unique(DATA["x"]))
    np.testing.assert_array_equal(data.get_xdata(), DATA["x"])
    size = DATA["y"].std()
    np.testing.assert_allclose(
        data.get_ydata(), mean[DATA["x"]].to_numpy() + fit.residuals, atol=1e-3 * size
    )


@pytest.mark.parametrize("formula", ["y ~ x + (x | g)", "y ~ f + x + (x || g)", "y ~ x + (1 | g)"])
def test_lines_of_levels_are_those_of_predict(formula: str) -> None:
    fit = fitted(formula)
    figure = fit.plot_effect("x", random="g", show="none")
    thin = [line for line in figure.axes[0].lines if 0.7 < line.get_linewidth() < 0.9]
    thin = [line for line in thin if len(line.get_xdata())]
    assert len(thin) == 18
    x = np.asarray(thin[0].get_xdata())
    new = pd.DataFrame({"x": np.tile(x, 18), "g": np.repeat(np.unique(DATA["g"]), len(x))})
    if "f" not in formula:
        level = fit.predict(new)
    else:
        level = np.mean([fit.predict(new.assign(f=f)).to_numpy() for f in "pqr"], axis=0)
    expected = np.asarray(level).reshape(18, -1)
    found = np.array([line.get_ydata() for line in thin])
    order = np.argsort(expected.mean(axis=1))
    np.testing.assert_allclose(found, expected[order], rtol=1e-9, atol=1e-12)


def test_lines_of_levels_stand_where_these_have_rows() -> None:
    fit = fitted("y ~ x * between + (x | g)")
    figure = fit.plot_effect("x", by="between", random="g", show="none")
    thin = [line for line in figure.axes[0].lines if 0.7 < line.get_linewidth() < 0.9]
    assert sum(len(line.get_xdata()) > 0 for line in thin) == 18  # each on one of the two


@pytest.mark.filterwarnings("ignore::mixedmodels.errors.SingularFitWarning")
def test_slopes_that_the_grid_does_not_have_are_at_their_mean() -> None:
    fit = fitted("y ~ x + (z | g)")
    figure = fit.plot_effect("x", random="g", show="none")
    thin = [line for line in figure.axes[0].lines if 0.7 < line.get_linewidth() < 0.9]
    x = np.asarray(thin[0].get_xdata())
    modes = fit.ranef()["g"]
    level = modes["(Intercept)"] + modes["z"] * DATA["z"].mean()
    expected = np.sort(level) + fit.fixef["(Intercept)"] + fit.fixef["x"] * x[0]
    found = [line.get_ydata()[0] for line in thin if len(line.get_xdata())]
    np.testing.assert_allclose(np.sort(found), expected)


@pytest.mark.filterwarnings("ignore::mixedmodels.errors.SingularFitWarning")
@pytest.mark.parametrize(
    ("groups", "long", "dark"),
    [
        (18, False, False),
        (18, True, True),
        (65, True, False),
        (65, False, True),
        (300, True, False),
    ],
)
def test_many_levels(groups: int, long: bool, dark: bool) -> None:
    data = table(groups, 12, long=long)
    fit = mm.lmer("y ~ x + g + (1 | f)", data)
    color = "#101010" if dark else "white"
    with mpl.rc_context({"figure.facecolor": color, "axes.facecolor": color}):
        figure = fit.plot_effect("g", ddf="none")
        many = fit.plot_effect("x", by="g", ddf="none")
    axes = figure.axes[0]
    assert mpl.colors.to_hex(axes.get_facecolor()) == mpl.colors.to_hex(color)
    named = [tick.get_text() for tick in axes.get_yticklabels()]
    assert len(set(named)) == len(named) == (18 if groups == 18 else 0)
    assert (f"{groups} levels" in axes.get_ylabel()) == (groups > 60)
    figure.draw_without_rendering()
    for tick in axes.get_yticklabels():
        assert tick.get_window_extent().x0 >= 0.0
    legend = many.axes[0].get_legend()
    assert legend is not None
    texts = [text.get_text() for text in legend.get_texts()]
    assert len(set(texts)) == len(texts) == 12
    many.draw_without_rendering()
    assert legend.get_window_extent().x0 >= many.axes[0].get_window_extent().x1


def test_many_rows_and_levels_are_thinned_with_a_note() -> None:
    data = table(300, 12)
    figure = mm.lmer("y ~ x + (x | g)", data).plot_effect("x", random="g")
    (points,) = dots(figure, edge=False)
    assert len(points.get_xdata()) == MOST_POINTS < len(data)
    thin = [line for line in figure.axes[0].lines if 0.7 < line.get_linewidth() < 0.9]
    assert sum(len(line.get_xdata()) > 0 for line in thin) == MOST_STRANDS
    assert f"{MOST_POINTS:,} of {len(data):,}" in figure.axes[0].get_xlabel()
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert "100 of 300" in legend.get_texts()[-1].get_text()


def test_names_of_levels() -> None:
    fit = fitted("y ~ f + x + (1 | g)")
    axes = fit.plot_effect("f", labels={"p": "placebo"}).axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["placebo", "q", "r"]
    legend = fit.plot_effect("x", by="f", labels=str.upper).axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["P", "Q", "R"]
    assert fit.plot_effect("f", max_labels=2).axes[0].get_xticks().size == 0


def test_nested_factors_and_empty_cells() -> None:
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"a": np.repeat(["u", "v"], 30), "b": np.repeat(list("klmnop"), 10)})
    data["s"] = np.tile(np.arange(10), 6)
    data["y"] = rng.normal(size=60) + data["s"] * 0.3
    fit = mm.lmer("y ~ a / b + (1 | s)", data)
    figure = fit.plot_effect("b")
    names = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert [set(name.split()) for name in names] == [
        {"u", "k"}, {"u", "l"}, {"u", "m"}, {"v", "n"}, {"v", "o"}, {"v", "p"}
    ]  # fmt: skip
    cells = DATA[~((DATA["f"] == "p") & (DATA["between"] == "odd"))]
    shown = dots(
        mm.lmer("y ~ f * between + (1 | g)", cells).plot_effect("f", by="between"), edge=True
    )
    assert np.isnan(np.concatenate([line.get_ydata() for line in shown])).sum() == 1


def test_axes_of_the_user() -> None:
    figure = Figure()
    axes = figure.subplots()
    fit = fitted("y ~ x * f + (1 | g)")
    assert fit.plot_effect("x", by="f", ax=axes) is figure
    assert len(lines(figure)) == 3


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"variable": "nothing"}, "variable names 'nothing'"),
    ({"variable": "g"}, "variable names 'g'"),
    ({"variable": 3}, "must be the name"),
    ({"variable": "x", "by": "x"}, "the variable itself"),
    ({"variable": "x", "by": "w"}, "by names 'w'"),
    ({"variable": "x", "show": "all"}, "show is 'all'"),
    ({"variable": "x", "type": "log"}, "type is 'log'"),
    ({"variable": "x", "random": "h"}, "'h' is not a grouping factor"),
    ({"variable": "x", "random": ["g"]}, "is not a grouping factor"),
    ({"variable": "x", "random": "g", "weights": "counterfactual"}, "counterfactual"),
    ({"variable": "x", "at": {"x": "a"}}, "finite numbers"),
    ({"variable": "x", "at": [1]}, "must be a dict"),
    ({"variable": "x", "at": {"f": "s"}}, "names the level 's'"),
    ({"variable": "x", "level": 2}, "level"),
    ({"variable": "x", "ddf": "none", "vcov": "CR9"}, "vcov"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_refused(options: dict[str, Any], message: str) -> None:
    fit = fitted("y ~ x * f + (1 | g)")
    with pytest.raises(mm.MixedModelsError, match=message):
        fit.plot_effect(**options)


def points(figure: Figure) -> np.ndarray:
    """What stands behind the predictions, on the axis of the response."""
    behind = [line for line in figure.axes[0].lines if line.get_alpha() is not None]
    return np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in behind] or [[]])


@pytest.mark.parametrize(
    ("formula", "data", "family"),
    [
        ("cbind(incidence, size - incidence) ~ period + (1 | herd)", "cbpp", "binomial"),
        ("TICKS ~ YEAR + (1 | BROOD)", "grouseticks", "poisson"),
        ("r2 ~ Gender + (1 | item)", "verbagg", "binomial"),
    ],
)
def test_responses_of_generalized_models_stand_where_they_were_observed(
    formula: str, data: str, family: Any
) -> None:
    table = mm.load_dataset(data).iloc[:900]
    fit = mm.glmer(formula, table, family)
    over = formula.split()[2] if "cbind" not in formula else "period"
    shown = points(fit.plot_effect(over, type="response"))
    observed = table["incidence"] / table["size"] if data == "cbpp" else fit.model.design.y
    np.testing.assert_allclose(np.sort(shown), np.sort(observed))
    linked = fit.plot_effect(over)
    assert not len(points(linked)), "a response of zero has no logarithm"
    assert " of " in linked.axes[0].get_ylabel()
    partial = points(fit.plot_effect(over, show="partial"))
    assert len(partial) == len(fit.model.design.y)
    assert np.isfinite(partial).all()


def with_covariate() -> pd.DataFrame:
    return mm.load_dataset("cbpp").assign(z=lambda data: np.arange(len(data)) % 11)


@pytest.mark.parametrize("link", ["logit", "identity"])
@pytest.mark.parametrize("options", [{}, {"by": "period"}, {"by": ["period", "late"]}])
@pytest.mark.parametrize("shares", [False, True])
def test_points_of_trials_are_shares(shares: bool, options: dict[str, Any], link: str) -> None:
    data = with_covariate().assign(late=lambda data: data["z"] > 5)
    data = data.assign(late=data["late"].map({True: "yes", False: "no"}))
    response = "incidence / size" if shares else "cbind(incidence, size - incidence)"
    weights = "size" if shares else None
    formula = f"{response} ~ z + period + late + (1 | herd)"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mm.glmer(formula, data, "binomial", link=link, weights=weights)
    figure = fit.plot_effect("z", type="response", **options)
    shown = [line for axes in figure.axes for line in axes.lines if line.get_alpha() is not None]
    values = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in shown])
    np.testing.assert_allclose(np.sort(values), np.sort(data["incidence"] / data["size"]))
    label = figure.axes[0].get_ylabel() if len(figure.axes) == 1 else figure.get_supylabel()
    assert label == ("probability (incidence / size)" if shares else "probability of incidence")
