"""A value that is zero but for rounding, as the mean of a centred covariate, is shown as 0."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mixedmodels as mm
from mixedmodels.marginal.axes import without_rounding


def data(offset: float = 1e6, scale: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    x = offset + scale * rng.normal(size=200)
    g = np.repeat(np.arange(20), 10)
    f = np.tile(["a", "b", "b", "a", "b"], 40)
    y = 1.0 + 0.3 * (x - offset) / scale + rng.normal(size=20)[g] + rng.normal(size=200)
    return pd.DataFrame({"y": y, "cx": x - x.mean(), "f": f, "g": g})


@pytest.mark.parametrize(("offset", "scale"), [(0.1, 1.0), (1e6, 1.0), (1e3, 1e-3), (1e9, 1e5)])
def test_marginal_means_trends_and_effects(offset: float, scale: float) -> None:
    table = data(offset, scale)
    fit = mm.lmer("y ~ f * cx + (1 | g)", table)
    means = fit.emmeans("f")
    assert "At cx = 0." in str(means)
    assert "At cx = 0." in str(fit.emtrends("f", "cx"))
    exact = fit.emmeans("f", at={"cx": 0.0})
    np.testing.assert_allclose(means.to_frame()["estimate"], exact.to_frame()["estimate"])
    assert fit.emmeans("cx").to_frame()["cx"].tolist() == [0.0]
    assert fit.emmeans("f", at={"cx": [table["cx"].mean()]}).to_frame()["f"].tolist() == ["a", "b"]
    pairs = fit.emmeans(["cx", "f"]).pairs().to_frame()["contrast"].tolist()
    assert pairs == ["cx0 a - cx0 b"]
    texts = [text.get_text() for text in fit.plot_effect("f").axes[0].texts]
    axes = fit.plot_effect("f", by="cx").axes[0]
    legend = axes.get_legend()
    assert legend is not None
    assert "0" in [text.get_text() for text in legend.get_texts()]
    assert not any("e-1" in text for text in texts)
    assert "At cx = 0." in fit.plot_effect("f").axes[0].get_xlabel()


def test_values_that_are_small_for_the_column_alone_are_zero() -> None:
    small = data(0.0, 1e-14)
    small["cx"] = np.linspace(1e-14, 3e-14, 200)
    fit = mm.lmer("y ~ cx + (1 | g)", small.assign(y=small["y"]))
    assert fit.emmeans("cx").to_frame()["cx"].tolist() == pytest.approx([2e-14])


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_only_rounding_is_taken_away(value: float, span: float) -> None:
    found = without_rounding(value, span)
    assert found == value or (found == 0.0 and abs(value) <= 1e-9 * span)
