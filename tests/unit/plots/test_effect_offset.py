"""Effects for an offset that is asked for: rates of counts, and the data beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm


@pytest.fixture(scope="module")
def counts() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"x": rng.uniform(0, 2, 120), "g": np.arange(120) % 12})
    data["hours"] = rng.uniform(1, 9, 120)
    rate = np.exp(0.3 * data["x"] + 0.4 * rng.normal(size=12)[data["g"]])
    return data.assign(y=rng.poisson(data["hours"] * rate))


def line_and_points(figure: Any) -> tuple[Any, Any]:
    points, line = (one.get_xydata() for one in figure.axes[0].lines)
    return line, points


@pytest.mark.parametrize("offset", [0.0, np.log(24.0)])
def test_counts_are_those_for_the_exposure_asked(counts: pd.DataFrame, offset: float) -> None:
    fit = mm.glmer("y ~ x + (1 | g)", counts, "poisson", offset="log(hours)")
    line, points = line_and_points(fit.plot_effect("x", type="response", offset=offset))
    means = fit.emmeans("x", at={"x": [line[0, 0], line[-1, 0]]}, type="response", offset=offset)
    np.testing.assert_allclose(line[[0, -1], 1], means.to_frame()["estimate"], rtol=1e-8)
    order = np.argsort(points[:, 0])
    moved = (counts["y"] / counts["hours"] * np.exp(offset))[np.argsort(counts["x"])]
    np.testing.assert_allclose(points[order, 1], moved, rtol=1e-10, atol=1e-12)
    below = fit.plot_effect("x", type="response").axes[0].get_xlabel()
    assert "Points: data, each at its own offset." in " ".join(below.split())
    text = " ".join(
        one.get_text() for one in fit.plot_effect("x", type="response", offset=0).findobj()
        if hasattr(one, "get_text")
    )  # fmt: skip
    assert "The offset is at 0" in text
    assert "own offset" not in text


def test_responses_of_linear_models_move_by_the_difference(counts: pd.DataFrame) -> None:
    fit = mm.lmer("y ~ x + (1 | g)", counts, offset="2 * hours")
    _, points = line_and_points(fit.plot_effect("x", offset=1.0))
    moved = (counts["y"] - 2 * counts["hours"] + 1.0)[np.argsort(counts["x"])]
    np.testing.assert_allclose(points[np.argsort(points[:, 0]), 1], moved, rtol=1e-10)


def test_refusals(counts: pd.DataFrame) -> None:
    fit = mm.lmer("y ~ x + (1 | g)", counts)
    with pytest.raises(mm.MixedModelsError, match="offset is 0, but the model has no offset"):
        fit.plot_effect("x", offset=0)
    with pytest.raises(mm.MixedModelsError, match=r"Others, for lines and panels .* go to by="):
        fit.plot_effect(["x", "g"])  # type: ignore[arg-type]
    with pytest.raises(mm.ArgumentError, match=r"plot_effect\('x', by='f'\)"):
        fit.plot_effect(terms=["x"])  # type: ignore[call-arg]
