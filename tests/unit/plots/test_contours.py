"""Boundaries of regions: exact for quadratic criteria, through the points that traces give."""

from __future__ import annotations

import numpy as np
import pytest

from mixedmodels.plots.contours import Trace, contour

ALONG = np.linspace(-4, 4, 33)


@pytest.mark.parametrize("correlation", [0.0, 0.5, -0.9])
def test_ellipse_of_a_quadratic_criterion(correlation: float) -> None:
    line = Trace(ALONG, correlation * ALONG)
    x, y = contour(line, line, radius=2.0)
    form = (x**2 - 2.0 * correlation * x * y + y**2) / (1.0 - correlation**2)
    np.testing.assert_allclose(form, 4.0, rtol=1e-9)
    assert (x[0], y[0]) == pytest.approx((x[-1], y[-1]))


def test_touches_the_radius_on_the_traces() -> None:
    across = Trace(ALONG, 0.1 * ALONG**2)
    up = Trace(ALONG, 0.3 * ALONG)
    x, y = contour(across, up, radius=1.5)
    assert x.max() == pytest.approx(1.5, abs=1e-3)
    assert y[np.argmax(x)] == pytest.approx(0.225, abs=0.05)
    assert x[np.argmax(y)] == pytest.approx(0.45, abs=0.05)


def test_traces_go_on_in_straight_lines() -> None:
    trace = Trace(np.array([-1.0, 0.0, 1.0]), np.array([-3.0, 0.0, 1.0]))
    np.testing.assert_allclose(trace.at(np.array([-2.0, -0.5, 3.0])), [-6.0, -1.5, 3.0])
