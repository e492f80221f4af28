"""Pictures of arrays: what is drawn, with 3 and with 3,000 of everything; refusals."""

from __future__ import annotations

import itertools
import re
import warnings
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy.special import ndtr

import mixedmodels as mm
from mixedmodels.errors import MixedModelsError
from mixedmodels.plots.bootstrap import plot_bootstrap
from mixedmodels.plots.estimates import plot_estimates
from mixedmodels.plots.influence import plot_influence
from mixedmodels.plots.pairs import plot_profile_pairs
from mixedmodels.plots.profiles import plot_profile, plot_profile_density
from mixedmodels.plots.ranef import plot_qq_ranef, plot_ranef
from mixedmodels.plots.residuals import plot_qq, plot_residuals, plot_scale_location
from mixedmodels.plots.shrinkage import plot_shrinkage
from mixedmodels.plots.style import short_labels, shorten, wrap

RNG = np.random.default_rng(3)


def drawn(figure: Figure) -> list[Any]:
    """The visible axes, after a drawing that must not warn, with nothing beside the figure."""
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    for axes in figure.axes:
        for label in (axes.title, axes.xaxis.label, axes.yaxis.label):
            box = label.get_window_extent()
            if axes.get_visible() and label.get_text():
                assert box.x0 > -2
                assert box.y0 > -2
                assert box.x1 < width + 2
                assert box.y1 < height + 2
    return [axes for axes in figure.axes if axes.get_visible()]


def do_not_overlap(labels: list[Any]) -> None:
    boxes = [label.get_window_extent() for label in labels if label.get_text()]
    for first, second in itertools.pairwise(boxes):
        assert not first.overlaps(second)


def modes(levels: int, effects: int) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    names = ["(Intercept)", *(f"slope{j}" for j in range(1, effects))]
    index = pd.Index([f"level {i}" for i in range(levels)])
    table = pd.DataFrame(RNG.normal(size=(levels, effects)), index, names)
    condvar = np.broadcast_to(0.04 * np.eye(effects), (levels, effects, effects))
    return {"g": table}, {"g": condvar}


@pytest.mark.parametrize("levels", [3, 60])
def test_caterpillar_of_named_levels(levels: int) -> None:
    tables, condvar = modes(levels, 2)
    first, second = drawn(plot_ranef(tables, condvar))
    assert [axes.get_title(loc="left") for axes in (first, second)] == [
        "g: (Intercept)",
        "g: slope1",
    ]
    labels = [label.get_text() for label in first.get_yticklabels()]
    assert labels == list(tables["g"].sort_values("(Intercept)").index)
    do_not_overlap(first.get_yticklabels())
    assert not any(label.get_text() for label in second.get_yticklabels())
    x = first.collections[-1].get_offsets()[:, 0]
    assert (np.diff(x) > 0).all()


def test_caterpillar_of_many_levels() -> None:
    tables, condvar = modes(3000, 2)
    figure = plot_ranef(tables, condvar)
    for axes in drawn(figure):
        assert list(axes.get_yticks()) == []
        assert axes.get_ylabel() == "3,000 levels"
        assert (np.diff(axes.collections[-1].get_offsets()[:, 0]) >= 0).all()
        assert all(artist.get_rasterized() for artist in axes.collections)
    assert figure.get_figheight() < 6


@pytest.mark.parametrize("levels", [18, 65, 300])
def test_levels_are_named_up_to_the_number_asked_for(levels: int) -> None:
    tables, condvar = modes(levels, 2)
    first, other = drawn(plot_ranef(tables, condvar, max_labels=levels))
    names = [label.get_text() for label in first.get_yticklabels()]
    assert sorted(names) == sorted(tables["g"].index)
    assert {label.get_text() for label in other.get_yticklabels()} == {""}
    assert first.get_xlabel() == "Conditional mode"
    nothing = drawn(plot_ranef(tables, condvar, max_labels=levels - 1))[0]
    assert nothing.get_ylabel() == f"{levels} levels"


@pytest.mark.parametrize(
    "labels", [{"level 0": "Zero"}, lambda name: name.replace("level 0", "Zero")]
)
def test_levels_may_be_called_otherwise(labels: Any) -> None:
    tables, condvar = modes(4, 1)
    axes = drawn(plot_ranef(tables, condvar, labels=labels))[0]
    names = {label.get_text() for label in axes.get_yticklabels()}
    assert names - {"Zero", "level Z"} == {"level 1", "level 2", "level 3"}
    assert len(names) == 4


@pytest.mark.parametrize("where", ["start", "middle", "end"])
@pytest.mark.parametrize("length", [4, 24])
def test_short_labels_stay_distinct(where: str, length: int) -> None:
    long = "the comprehensive school of the northern district of the town by the river"
    cut = {"start": 0, "middle": len(long) // 2, "end": len(long)}[where]
    names = [f"{long[:cut]}{i}{long[cut:]}" for i in range(120)]
    labels = short_labels(names, length)
    assert len(set(labels)) == 120
    assert max(map(len, labels)) <= len(long) + 3
    assert short_labels(["a" * 30, "a" * 30], 10) == [shorten("a" * 30, 10)] * 2


@pytest.mark.parametrize("length", [18, 24, 40])
@pytest.mark.parametrize("between", [" ", "_", ", ", "-", " / "])
def test_names_are_cut_between_words(between: str, length: int) -> None:
    words = ["upper", "riverside", "meadow", "close", "to", "the", "northern", "mill"]
    names = [between.join([*words[k:], *words[:k]]) for k in range(len(words))]
    names += [f"{name}{between}{year}" for name in names[:2] for year in (2024, 2025)]
    labels = short_labels(names, length)
    assert len(set(labels)) == len(names)
    for label in labels:
        assert len(label) <= length
        assert set(re.findall(r"[^\W_]+", label)) <= {*words, "2024", "2025"}


def test_long_words_are_cut() -> None:
    assert short_labels(["universities", "a" * 9], 9) == ["univ…ties", "a" * 9]
    assert shorten("a_" + "b" * 30, 21).count("b") > 10


def test_caterpillar_intervals() -> None:
    tables, condvar = modes(5, 1)
    (axes,) = drawn(plot_ranef(tables, condvar, level=0.5, sort="none"))
    found = [c.get_segments() for c in axes.collections[:2]]
    segments = np.array([segment for segments in found for segment in segments])
    widths = segments[:, 1, 0] - segments[:, 0, 0]
    np.testing.assert_allclose(widths, 2 * 0.6744898 * 0.2)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[::-1] == list(tables["g"].index)


def test_caterpillars_of_several_groups() -> None:
    tables = {name: modes(levels, 1)[0]["g"] for name, levels in (("a", 4), ("b", 300))}
    condvar = {name: np.full((len(table), 1, 1), 0.1) for name, table in tables.items()}
    titles = [axes.get_title(loc="left") for axes in drawn(plot_ranef(tables, condvar))]
    assert titles == ["a: (Intercept)", "b: (Intercept)"]


def test_modes_of_zero_are_drawn() -> None:
    tables = {"g": pd.DataFrame({"(Intercept)": np.zeros(6)})}
    drawn(plot_ranef(tables, {"g": np.zeros((6, 1, 1))}))
    drawn(plot_qq_ranef(tables, {"g": np.zeros((6, 1, 1))}))


@pytest.mark.parametrize("levels", [3, 3000])
def test_quantiles_of_modes(levels: int) -> None:
    first, _ = drawn(plot_qq_ranef(*modes(levels, 2)))
    assert len(first.lines[-1].get_xdata()) == min(levels, len(first.lines[-1].get_xdata()))
    assert len(first.collections) == (2 if levels == 3 else 1)


@pytest.mark.parametrize("n", [5, 400, 20_000])
@pytest.mark.parametrize("draw", [plot_residuals, plot_scale_location])
def test_residuals(n: int, draw: Any) -> None:
    x, y = RNG.normal(size=(2, n))
    axes = drawn(draw(x, y))[0]
    assert axes.get_xlabel() == "Fitted values"
    assert len(axes.collections) == 1
    if n <= 5000:
        assert len(axes.collections[0].get_offsets()) == n


def test_quantiles() -> None:
    values = RNG.normal(size=100) * 2.0 + 1.0
    (axes,) = drawn(plot_qq(values))
    x, y = axes.lines[-1].get_data()
    np.testing.assert_array_equal(y, np.sort(values))
    np.testing.assert_allclose(ndtr(x), (np.arange(1, 101) - 0.5) / 100)


def test_quantiles_of_many_keep_the_tails() -> None:
    values = RNG.normal(size=70_000)
    (axes,) = drawn(plot_qq(values))
    x, y = axes.lines[-1].get_data()
    assert 1000 < len(x) < 4000
    np.testing.assert_array_equal(y[:200], np.sort(values)[:200])
    np.testing.assert_array_equal(y[-200:], np.sort(values)[-200:])


def test_coefficients() -> None:
    table = pd.DataFrame(
        {"estimate": [1.0, -20.0, 0.5], "lower": [0.5, -25.0, -1.0], "upper": [1.5, -15.0, 2.0]},
        index=["x", "a very long name of a coefficient: of something", "z"],
    )
    (axes,) = drawn(plot_estimates(table, title="Fixed effects", level=0.95, zero=0.0))
    assert [text.get_text() for text in axes.texts] == [
        "1.00  [0.50, 1.50]",
        "−20.0  [−25.0, −15.0]",
        "0.50  [−1.00, 2.00]",
    ]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[0] == "x"
    assert "…" in labels[1]
    do_not_overlap(axes.get_yticklabels())


@pytest.mark.parametrize("levels", [3, 3000])
@pytest.mark.parametrize("effects", [1, 2, 3])
def test_shrinkage(levels: int, effects: int) -> None:
    within = modes(levels, effects)[0]["g"]
    within.iloc[0] = np.nan
    centre = dict.fromkeys(within.columns, 0.0)
    figure = plot_shrinkage(within, 0.5 * within.fillna(1.0), centre, group="g")
    panels = drawn(figure)
    assert len(panels) == {1: 1, 2: 1, 3: 3}[effects]
    assert panels[0].get_title(loc="left") == "Shrinkage of g"
    notes = [text.get_text() for text in figure.texts]
    notes += [legend.get_title().get_text() for legend in figure.legends]
    assert any(note.startswith(f"1 of {levels:,} levels have too few rows") for note in notes)


@pytest.mark.parametrize("levels", [18, 65, 300])
@pytest.mark.parametrize("effects", [1, 2])
def test_one_wild_estimate_does_not_set_the_scale(levels: int, effects: int) -> None:
    tables, _ = modes(levels, effects)
    shrunk = tables["g"]
    within = 1.5 * shrunk
    within.iloc[0] = 1000.0
    centre = dict.fromkeys(shrunk.columns, 0.0)
    figure = plot_shrinkage(within, shrunk, centre, group="g")
    axes = drawn(figure)[0]
    assert axes.get_xlim()[1] < 30.0
    assert axes.get_xlim()[0] < shrunk.iloc[:, 0].min() < axes.get_xlim()[1]
    said = [text.get_text() for text in figure.findobj(mpl.text.Text)]
    assert any("outside the axes" in text for text in said)


def test_shrinkage_from_nothing() -> None:
    table = pd.DataFrame({"a": [np.nan, np.nan]})
    with pytest.raises(MixedModelsError, match="No level of 'g' has rows enough"):
        plot_shrinkage(table, table.fillna(0.0), {"a": 0.0}, group="g")


class Quadratic:
    """A profile that is known: zeta is a straight line, a bound cuts the first one off."""

    parameters = ("sd(g.(Intercept))", "sigma", "x")
    estimates = pd.Series({"sd(g.(Intercept))": 2.0, "sigma": 5.0, "x": -1.0})

    def to_frame(self) -> pd.DataFrame:
        parts = []
        for name in self.parameters:
            zeta = np.linspace(-2.0 if name.startswith("sd") else -4.0, 4.0, 21)
            values = {
                p: self.estimates[p] + (zeta if p == name else 0.3 * zeta) for p in self.parameters
            }
            parts.append(pd.DataFrame({"parameter": name, "zeta": zeta, **values}))
        return pd.concat(parts, ignore_index=True)

    def zeta(self, parameter: str, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        zeta: npt.NDArray[np.float64] = np.asarray(values) - self.estimates[parameter]
        return np.where(zeta < -2.0, np.nan, zeta) if parameter.startswith("sd") else zeta

    def density(self, parameter: str, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return np.exp(-0.5 * self.zeta(parameter, values) ** 2) / np.sqrt(2 * np.pi)


def test_zeta() -> None:
    panels = drawn(plot_profile(Quadratic()))
    assert [axes.get_title(loc="left") for axes in panels] == list(Quadratic.parameters)
    curve = panels[0].lines[2]
    assert curve.get_xdata()[0] == pytest.approx(0.0)
    assert curve.get_ydata()[[0, -1]] == pytest.approx([-2.0, 2.75])
    # The lower 99 % limit of the first would be beyond its bound.
    assert len(panels[0].collections) == 9
    assert len(panels[1].collections) == 10


def test_densities_of_profiles() -> None:
    (axes,) = drawn(plot_profile_density(Quadratic(), parameters=["x"]))
    assert axes.get_title(loc="left") == "x"
    x, y = axes.lines[0].get_data()
    assert x[np.argmax(y)] == pytest.approx(-1.0, abs=0.02)
    shaded = axes.collections[0].get_paths()[0].vertices[:, 0]
    assert (shaded.min(), shaded.max()) == pytest.approx((-2.96, 0.96), abs=0.05)


def test_a_density_with_a_pole_shows_the_rest_and_says_so() -> None:
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(6), 8)
    data = pd.DataFrame({"g": g, "x": np.tile(np.arange(8), 6)})
    data["y"] = rng.normal(size=48) + 0.5 * data["x"] + rng.normal(size=6)[g]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        profile = mm.lmer("y ~ x + (x | g)", data).profile("cor(g.(Intercept).x)")
    figure = plot_profile_density(profile)
    axes = drawn(figure)[0]
    (line,) = (line for line in axes.lines if len(line.get_xdata()) > 10)
    shown = np.asarray(line.get_ydata())[:150]
    assert shown.max() > 0.1 * axes.get_ylim()[1]
    assert any("rises beyond the axis at 1" in text.get_text() for text in axes.texts)


def test_pairs_of_profiles() -> None:
    panels = drawn(plot_profile_pairs(Quadratic()))
    assert len(panels) == 9
    # x against sd below the diagonal: five regions and two traces, within the bound.
    below = panels[6]
    assert len(below.lines) == 7
    assert min(np.nanmin(line.get_xdata()) for line in below.lines) >= 0.0
    region = panels[7].lines[4]
    assert np.ptp(region.get_xdata()) == pytest.approx(2 * np.sqrt(-2 * np.log(0.01)), rel=1e-2)


@pytest.mark.parametrize("draw", [plot_profile, plot_profile_density, plot_profile_pairs])
def test_unknown_parameters_of_profiles(draw: Any) -> None:
    with pytest.raises(MixedModelsError, match=r"\['y'\]; it must be some of .* sigma, x"):
        draw(Quadratic(), parameters=["y"])


def test_a_profile_of_too_few_points() -> None:
    class Short(Quadratic):
        def to_frame(self) -> pd.DataFrame:
            return super().to_frame().groupby("parameter").head(2)

    with pytest.raises(MixedModelsError, match=r"profile of 'sd\(.*\)' has 2 points"):
        plot_profile(Short())


def test_pairs_need_two() -> None:
    with pytest.raises(MixedModelsError, match="of 2 to 8 parameters, not of 1"):
        plot_profile_pairs(Quadratic(), parameters=["x"])


def test_ridges() -> None:
    sd = np.maximum(RNG.normal(0.5, 1.0, 400), 0.0)
    replicates = pd.DataFrame({"sd(g.(Intercept))": sd, "x": RNG.normal(size=400)})
    replicates.loc[3] = np.nan
    estimates = pd.Series({"sd(g.(Intercept))": 0.5, "x": 0.0})
    first, second = drawn(plot_bootstrap(replicates, estimates))
    share = np.mean(replicates["sd(g.(Intercept))"].dropna() == 0.0)
    assert [text.get_text() for text in first.texts] == [f"{100 * share:.2g} % at 0"]
    assert len(second.texts) == 0
    assert first.get_ylabel() == "sd(g.(Intercept))"
    low, high = second.lines[1].get_xdata()
    expected = np.quantile(replicates["x"].dropna(), [0.025, 0.975])
    np.testing.assert_allclose([low, high], expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"parameters": ["y"]}, "must be some of the bootstrap's: x"), ({}, "0 replicates of 'x'")],
)
def test_ridges_refused(arguments: dict[str, Any], message: str) -> None:
    replicates = pd.DataFrame({"x": [np.nan, np.nan]})
    with pytest.raises(MixedModelsError, match=message):
        plot_bootstrap(replicates, pd.Series({"x": 0.0}), **arguments)


def test_axes_of_the_user() -> None:
    figure = Figure()
    axes = figure.subplots()
    x, y = RNG.normal(size=(2, 30))
    assert plot_residuals(x, y, ax=axes) is figure
    assert plot_qq(y, ax=axes) is figure
    assert len(figure.axes) == 1


def test_defaults_of_the_user_are_left_alone() -> None:
    before = dict(mpl.rcParams)
    plot_qq(RNG.normal(size=10))
    assert dict(mpl.rcParams) == before


def test_long_names() -> None:
    assert shorten("abcdefghij", 5) == "ab…ij"
    assert shorten("abc", 5) == "abc"
    assert wrap("cor(Subject.Days.(Intercept))", 18) == "cor(Subject.Days.\n(Intercept))"
    assert wrap("x", 3) == "x"


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("levels", [26, 65, 300, 3000])
def test_names_of_influential_levels_do_not_overlap(levels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [f"Gymnasium am Stadtpark von Neustadt, Zweigstelle {i}" for i in range(levels)]
    figure = plot_influence(pd.Series(rng.uniform(0.8, 1.0, levels), names), of="g")
    drawn(figure)
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert boxes
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)
