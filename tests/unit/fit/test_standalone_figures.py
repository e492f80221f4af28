"""Every picture of a fit and of its results: beside pyplot, once in a notebook, in any style."""

from __future__ import annotations

import copy
import io
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.style
import numpy as np
import pandas as pd
import pytest
from IPython.core.formatters import DisplayFormatter
from IPython.core.pylabtools import print_figure
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

import mixedmodels as mm
from mixedmodels.report.page import DARK_PAPER

STYLES = ("default", "dark_background", "ggplot", "Solarize_Light2", "grayscale")


@pytest.fixture(autouse=True)
def _few_pixels() -> Iterator[None]:
    with mpl.rc_context({"figure.dpi": 40}):
        yield


@cache
def holders() -> dict[str, Any]:
    """What has pictures."""
    fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
    return {
        "fit": fit,
        "model": fit.model,
        "profile": fit.profile(["sd(Subject.(Intercept))", "sigma"]),
        "bootstrap": fit.bootstrap(20, seed=1),
    }


# By class, so that a picture added later is tested too.
CLASSES = {
    "fit": mm.LinearMixedFit,
    "model": mm.LinearMixedModel,
    "profile": type(holders()["profile"]),
    "bootstrap": type(holders()["bootstrap"]),
}
PICTURES = [
    f"{holder}.{name}"
    for holder, cls in CLASSES.items()
    for name in dir(cls)
    if name.startswith("plot")
]

# What a picture cannot be drawn without.
NEEDED = {"fit.plot_effect": {"variable": "Days", "random": "Subject"}}


def draw(picture: str, **options: Any) -> Figure:
    holder, name = picture.split(".")
    method: Callable[..., Figure] = getattr(holders()[holder], name)
    return method(**NEEDED.get(picture, {}), **options)


def brightness(color: Any) -> float:
    """Relative luminance as WCAG defines it."""
    parts = np.array(to_rgb(color))
    linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(first: Any, second: Any) -> float:
    low, high = sorted((brightness(first), brightness(second)))
    return (high + 0.05) / (low + 0.05)


def test_all_are_found() -> None:
    assert {"profile.plot_pairs", "bootstrap.plot", "model.plot_structure"} < set(PICTURES)
    assert len(PICTURES) >= 12


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("picture", PICTURES)
def test_colours_of_any_style(picture: str, style: str) -> None:
    with mpl.style.context(style), mpl.rc_context({"figure.dpi": 40}):
        figure = draw(picture)
        assert to_rgb(figure.get_facecolor()) == to_rgb(mpl.rcParams["figure.facecolor"])
        figure.draw_without_rendering()
    behind = figure.get_facecolor()
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text().strip():
            assert contrast(text.get_color(), behind) > 2.5, text.get_text()
    for axes in figure.axes:
        for line in axes.lines:
            assert contrast(line.get_color(), axes.get_facecolor()) > 1.6


def test_axes_that_are_the_opposite_of_the_figure_follow_it() -> None:
    with mpl.rc_context({"figure.facecolor": "black", "axes.facecolor": "white"}):
        figure = draw("fit.plot_qq")
    assert to_rgb(figure.axes[0].get_facecolor()) == (0.0, 0.0, 0.0)
    with mpl.rc_context({"figure.facecolor": "none", "axes.facecolor": "none"}):
        figure = draw("fit.plot_qq")
    assert contrast(figure.axes[0].title.get_color(), "white") > 2.5


def test_axes_of_the_user_keep_their_background() -> None:
    figure = Figure(facecolor="black")
    axes = figure.subplots()
    axes.set_facecolor("black")
    assert draw("fit.plot_residuals", ax=axes) is figure
    assert to_rgb(axes.get_facecolor()) == (0.0, 0.0, 0.0)
    assert contrast(axes._left_title.get_color(), "black") > 4.0


def test_saved_on_the_background_that_it_was_drawn_for() -> None:
    with mpl.style.context("dark_background"):
        dark = draw("fit.plot_qq")
    light = draw("fit.plot_qq")
    for figure, style, corner in ((dark, "default", 0), (light, "dark_background", 255)):
        with mpl.style.context(style):
            buffer = io.BytesIO()
            figure.savefig(buffer, format="raw", dpi=20)
            assert buffer.getvalue()[:3] == bytes([corner] * 3)
    buffer = io.BytesIO()
    light.savefig(buffer, format="raw", dpi=20, transparent=True)
    assert buffer.getvalue()[3] == 0


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize("picture", PICTURES)
def test_once_in_a_notebook(picture: str, inline: bool) -> None:
    """Without pyplot by the figure's own method, with the inline backend by that one's."""
    formatter = DisplayFormatter()
    formatter.active_types = ["text/plain", "text/html", "image/png", "image/svg+xml"]
    if inline:
        formatter.formatters["image/png"].for_type(Figure, print_figure)
    data, metadata = formatter.format(draw(picture))
    assert set(data) == {"text/plain", "image/png"}
    assert set(metadata) <= {"image/png"}


def test_size_in_a_notebook() -> None:
    figure = draw("fit.plot_qq", figsize=(5.0, 4.0))
    formatter = DisplayFormatter()
    formatter.active_types = ["image/png"]
    _, metadata = formatter.format(figure)
    assert metadata == {"image/png": {"width": 200, "height": 160}}


BESIDE = """
import sys, warnings, tempfile, pathlib
import mixedmodels as mm
fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
needed = {"plot_effect": ["Days"]}
names = [name for name in dir(fit) if name.startswith("plot")]
figures = [getattr(fit, name)(*needed.get(name, [])) for name in names]
profile = fit.profile("theta_")
figures += [profile.plot(), profile.plot_density(), profile.plot_pairs()]
figures += [fit.bootstrap(5, seed=1).plot(), fit.model.plot_structure()]
figures[0].savefig(pathlib.Path(tempfile.mkdtemp()) / "a.pdf")
fit.report(pathlib.Path(tempfile.mkdtemp()) / "a.html", checks=False)
assert figures[0]._repr_png_()[0].startswith(b"\\x89PNG")
assert "matplotlib.pyplot" not in sys.modules
import matplotlib.pyplot as plt
fit.plot_qq()
assert plt.get_fignums() == []
"""


def test_pyplot_is_not_imported_and_has_no_figures() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BESIDE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_copies_and_pickles() -> None:
    figure = draw("fit.plot_qq")
    for again in (copy.deepcopy(figure), pickle.loads(pickle.dumps(figure))):
        assert len(again.axes) == 1
        again.savefig(io.BytesIO(), format="png", dpi=20)


def test_styles_of_the_user_are_left_alone() -> None:
    before = dict(mpl.rcParams)
    for picture in PICTURES:
        draw(picture)
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("picture", [p for p in PICTURES if p.startswith("profile")])
def test_unknown_parameters(picture: str) -> None:
    with pytest.raises(mm.MixedModelsError, match=r"must be some of the profile's: sd.*, sigma"):
        draw(picture, parameters=["x"])


@pytest.mark.parametrize("picture", ["profile.plot", "profile.plot_density", "bootstrap.plot"])
def test_one_parameter_by_its_name(picture: str) -> None:
    assert len(draw(picture, parameters="sigma").axes) == 1


def test_parameters_of_a_bootstrap() -> None:
    figure = draw("bootstrap.plot", parameters=["Days"], level=0.8)
    (axes,) = figure.axes
    assert axes.get_ylabel() == "Days"
    replicates = holders()["bootstrap"].replicates["Days"]
    expected = pd.Series(replicates).quantile([0.1, 0.9]).to_numpy()
    np.testing.assert_allclose(axes.lines[1].get_xdata(), expected)


def test_the_page_gives_pictures_its_colours(tmp_path: Path) -> None:
    path = tmp_path / "fit.html"
    holders()["fit"].report(path, checks=False)
    html = path.read_text(encoding="utf-8")
    pictures = "".join(re.findall("<svg.*?</svg>", html, re.DOTALL))
    drawn = re.findall(r"(?:var\((--[\w-]+), )?(#[0-9a-f]{6})", pictures)
    assert len(drawn) > 100
    assert {color for name, color in drawn if not name} == set()
    rule = r"@media screen and \(prefers-color-scheme: dark\) { figure svg {(.*?)}"
    (dark,) = re.findall(rule, html)
    given = dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6});", dark))
    assert {name for name, _ in drawn} <= set(given)
    assert given["--plot-background"] == DARK_PAPER
    assert contrast(given["--plot-ink"], DARK_PAPER) > 7.0
    assert contrast(given["--plot-blue"], DARK_PAPER) > 4.5
