"""Curves for the eye: what they reproduce exactly, and what they do with odd samples."""

from __future__ import annotations

import numpy as np
import pytest

from mixedmodels.arrays import FloatArray
from mixedmodels.plots.smooth import density, local_line

RNG = np.random.default_rng(20)


def area(places: FloatArray, heights: FloatArray) -> float:
    return float(np.sum(np.diff(places) * (heights[1:] + heights[:-1]) / 2.0))


@pytest.mark.parametrize("n", [4, 50, 1000, 30_000])
def test_a_straight_line_is_its_own_smooth(n: int) -> None:
    x = RNG.normal(size=n)
    found = local_line(x, 3.0 - 2.0 * x)
    assert found is not None
    places, smooth = found
    assert len(places) <= 101
    assert (np.diff(places) > 0).all()
    np.testing.assert_allclose(smooth, 3.0 - 2.0 * places, atol=1e-8)


def test_a_bend_is_followed() -> None:
    x = RNG.uniform(-3, 3, 4000)
    found = local_line(x, np.sin(x) + RNG.normal(scale=0.1, size=4000), span=0.2)
    assert found is not None
    places, smooth = found
    # Local lines over a fifth of the range flatten the crests of a sine a little.
    np.testing.assert_allclose(smooth, np.sin(places), atol=0.1)


def test_few_distinct_values() -> None:
    x = np.repeat([1.0, 2.0, 3.0], 10)
    assert local_line(x, x) is None
    x = np.repeat([1.0, 2.0, 3.0, 10.0], [1, 1, 100, 1])
    found = local_line(x, 2.0 * x)
    assert found is not None
    np.testing.assert_allclose(found[1], 2.0 * found[0])


@pytest.mark.parametrize("n", [100, 50_000])
def test_density_of_a_normal_sample(n: int) -> None:
    places, heights = density(RNG.normal(size=n))
    assert area(places, heights) == pytest.approx(1.0, abs=0.01)
    exact = np.exp(-0.5 * places**2) / np.sqrt(2.0 * np.pi)
    np.testing.assert_allclose(heights, exact, atol=0.6 * n**-0.35)


def test_density_stays_within_bounds() -> None:
    values = np.abs(RNG.normal(size=2000))
    places, heights = density(values, low=0.0)
    assert places[0] == 0.0
    assert area(places, heights) == pytest.approx(1.0, abs=0.01)
    assert heights[0] == pytest.approx(0.798, abs=0.06)


def test_density_of_equal_values() -> None:
    places, heights = density(np.full(10, 5.0))
    assert np.isfinite(heights).all()
    assert places[np.argmax(heights)] == pytest.approx(5.0, abs=1e-3)
