"""Pictures and pages of fits of every kind: drawn right, or refused clearly."""

from __future__ import annotations

import html
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.style
import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels.fit import mixed

SLEEP = mm.load_dataset("sleepstudy")
GAPS = SLEEP.assign(Reaction=SLEEP["Reaction"].mask(SLEEP.index == 3), w=1.0 + SLEEP["Days"])
CASES: dict[str, tuple[str, pd.DataFrame, dict[str, Any]]] = {
    "slopes": ("Reaction ~ Days + (Days | Subject)", SLEEP, {}),
    "singular, no fixed effects": (
        "d ~ 0 + (1 | Batch)",
        mm.load_dataset("dyestuff2").assign(d=lambda frame: frame["Yield"] - 5.67),
        {"reml": False},
    ),
    "missing, weights, offset": (
        "Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)",
        GAPS,
        {"weights": "w", "offset": "Days"},
    ),
    "dependent": (
        "Reaction ~ Days + copy + (1 | Subject)",
        SLEEP.assign(copy=2 * SLEEP["Days"]),
        {},
    ),
}
METHODS = (
    "plot_ranef",
    "plot_qq_ranef",
    "plot_shrinkage",
    "plot_residuals",
    "plot_scale_location",
    "plot_qq",
    "plot_coefficients",
)


@pytest.fixture(autouse=True)
def _few_pixels() -> Iterator[None]:
    with mpl.rc_context({"figure.dpi": 40}):
        yield


def fit_of(name: str) -> mm.LinearMixedFit:
    formula, data, arguments = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.SingularFitWarning)
        return mm.lmer(formula, data, **arguments)


@pytest.mark.parametrize("name", CASES)
def test_every_picture_of_every_kind(name: str) -> None:
    fit = fit_of(name)
    for method in METHODS:
        if method == "plot_coefficients" and "no fixed" in name:
            with pytest.raises(mm.MixedModelsError, match="no fixed effects"):
                fit.plot_coefficients()
        else:
            assert getattr(fit, method)().axes, method


def test_coefficients_by_wald() -> None:
    fit = fit_of("slopes")
    axes = fit.plot_coefficients(level=0.9, intercept=True).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["(Intercept)", "Days"]
    table = fit.coef_table()
    segment = axes.collections[-1].get_segments()[1]
    width = (segment[1, 0] - segment[0, 0]) / table["std_error"]["Days"]
    # Normal or, with degrees of freedom, a little wider.
    assert 2 * 1.644 < width < 2 * 1.76
    assert len(fit.plot_coefficients().axes[0].get_yticks()) == 1


def test_shrinkage_ends_at_coef() -> None:
    fit = fit_of("slopes")
    axes = fit.plot_shrinkage().axes[0]
    np.testing.assert_allclose(axes.collections[-1].get_offsets(), fit.coef()["Subject"])


def test_standardised_by_weights() -> None:
    fit = fit_of("missing, weights, offset")
    axes = fit.plot_residuals().axes[0]
    expected = fit.residuals * np.sqrt(fit.model.design.w) / fit.sigma
    np.testing.assert_allclose(axes.collections[0].get_offsets()[:, 1], expected)
    assert axes.get_ylabel() == "Standardised residuals"


def test_groups_are_chosen_and_checked() -> None:
    fit = mm.lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", mm.load_dataset("penicillin"))
    assert len(fit.plot_ranef("sample").axes) == 1
    for method in ("plot_ranef", "plot_qq_ranef", "plot_shrinkage"):
        with pytest.raises(mm.DataError, match=r"'samples' is not .* has plate, sample\. Did you"):
            getattr(fit, method)("samples")


# -- pages -----------------------------------------------------------------------------------


def test_report(tmp_path: Path) -> None:
    path = tmp_path / "fit.html"
    fit = fit_of("singular, no fixed effects")
    fit.report(path)
    text = path.read_text(encoding="utf-8")
    # All pictures but that of the fixed effects.
    pictures = text.split("<svg")[1:]
    assert len(pictures) == len(METHODS) - 1
    identifiers = re.findall(r'\bid="([^"]+)"', text)
    assert len(identifiers) == len(set(identifiers))
    assert set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', text)) <= {
        pair for name in identifiers for pair in ((name, ""), ("", name))
    }
    assert "Normal quantiles</text>" in text
    assert "Singular fit" in text
    assert "http" not in text
    fit.report(tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == text


def test_report_is_white_in_any_style(tmp_path: Path) -> None:
    fit = fit_of("dependent")
    fit.report(tmp_path / "light.html")
    with mpl.style.context("dark_background"), mpl.rc_context({"figure.dpi": 40}):
        fit.report(tmp_path / "dark.html")
    pages = [(tmp_path / f"{name}.html").read_text("utf-8") for name in ("light", "dark")]
    for page in pages:
        pictures = page.split("<svg")[1:]
        assert pictures
        for picture in pictures:
            assert "#000000" not in picture
            assert "#ffffff" in picture


def test_report_without_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = fit_of("slopes")
    fit.report(tmp_path / "a.html", pictures=False)
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<svg" not in text
    assert "matplotlib" not in text
    assert "24.7405" in text
    monkeypatch.setattr(mixed, "can_draw", lambda: False)
    fit.report(tmp_path / "b.html")
    assert "matplotlib is not installed" in (tmp_path / "b.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", CASES)
def test_report_of_every_kind_of_fit(tmp_path: Path, kind: str) -> None:
    fit = fit_of(kind)
    path = tmp_path / "fit.html"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit.report(path, pictures=False)
    text = path.read_text(encoding="utf-8")
    order = ["The model", "Fixed effects", "Random effects", "Checks", "How it was fitted"]
    assert re.findall("<h2>([^<]+)</h2>", text) == order
    assert f"{fit.nobs:,} observations" in text
    assert "nan" not in re.sub("<style>.*?</style>", "", text, flags=re.DOTALL).replace(
        "finance", ""
    )
    for name in fit.coef_table().index if fit.beta.size else ():
        assert html.escape(str(name)) in text


def test_report_with_means_of_factors_and_without_checks(tmp_path: Path) -> None:
    path = tmp_path / "fit.html"
    fit = mm.lmer("score ~ Machine + (1 | Worker)", mm.load_dataset("machines"))
    fit.report(path, pictures=False, checks=False)
    text = path.read_text(encoding="utf-8")
    assert "<h2>Marginal means</h2>" in text
    assert "<h2>Checks</h2>" not in text
    assert f"{fit.emmeans('Machine')['estimate'].iloc[0]:.3f}" in text


def test_report_to_nowhere(tmp_path: Path) -> None:
    with pytest.raises(mm.FileError, match="cannot be written"):
        fit_of("slopes").report(tmp_path / "none" / "fit.html", pictures=False)


def test_other_forms_of_the_summary() -> None:
    summary = fit_of("slopes").summary()
    assert "| Subject " in summary.to_markdown()
    assert "24.7405" in summary.to_latex()


def test_message_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "mixedmodels.plots.figure", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(mm.MixedModelsError, match=r"pip install 'mixedmodels\[plots\]'"):
        fit_of("slopes").plot_qq()
