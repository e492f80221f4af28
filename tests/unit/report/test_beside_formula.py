"""Offset and weights beside the formula, wherever a fit is shown."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

import mixedmodels as mm

TICKS = mm.load_dataset("grouseticks").assign(t=lambda frame: 1.0 + frame["HEIGHT"] % 5)
FORMULA = "TICKS ~ YEAR + (1 | LOCATION)"


def test_offset_and_weights_are_shown_beside_the_formula(tmp_path: Any) -> None:
    """In the summary, tables of several fits and the page; the offset also after a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain, exposure = (
            mm.glmer(FORMULA, TICKS, "poisson", offset=one) for one in (None, "log(t)")
        )
    assert f"Formula: {FORMULA}\nOffset: log(t)\n" in str(exposure)
    assert "Offset: log(t)" in exposure.summary().to_latex()
    assert mm.anova(plain, exposure).models["fit2"].startswith(f"{FORMULA}; offset log(t);")
    assert f"(1): {FORMULA}; offset log(t)\n" in str(mm.table([exposure]))
    exposure.report(tmp_path / "page.html", pictures=False)
    assert "Offset: log(t)." in (tmp_path / "page.html").read_text(encoding="utf-8")
    exposure.save(tmp_path / "fit.mm")
    assert str(mm.load(tmp_path / "fit.mm")) == str(exposure)
    herds = mm.load_dataset("cbpp")
    shares = mm.glmer("incidence / size ~ period + (1 | herd)", herds, weights="size")
    assert "\nWeights: size\n" in str(shares)
    shares.save(tmp_path / "shares.mm")
    assert str(mm.load(tmp_path / "shares.mm")) == str(shares)
    values = mm.lmer(
        "size ~ period + (1 | herd)", herds, weights=np.ones(56), offset=np.arange(56.0)
    )
    assert "\nOffset: given as values\nWeights: given as values\n" in str(values)
    assert "Offset" not in str(plain)
