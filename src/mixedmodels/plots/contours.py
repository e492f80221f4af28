"""Boundaries of joint regions of two parameters, interpolated from traces of their profiles.

Bates and Watts, Nonlinear Regression Analysis and Its Applications (1988), appendix A6: on the
scale of zeta a boundary is (r cos(a + d/2), r cos(a - d/2)) with a phase d that changes slowly
with the angle a; the two traces give it at four angles, a periodic spline in between.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy

from mixedmodels.arrays import FloatArray

_POINTS = 241


class Trace(NamedTuple):
    """Zeta of another parameter (`other`) along zeta of one (`along`, increasing)."""

    along: FloatArray
    other: FloatArray

    def at(self, zeta: FloatArray) -> FloatArray:
        """The other's zeta, continued in straight lines beyond the ends."""
        inside = np.interp(zeta, self.along, self.other)
        for end, step, beyond in ((0, 1, zeta < self.along[0]), (-1, -2, zeta > self.along[-1])):
            run = self.along[step] - self.along[end]
            slope = (self.other[step] - self.other[end]) / run if run else 0.0
            inside = np.where(beyond, self.other[end] + slope * (zeta - self.along[end]), inside)
        return inside


def contour(across: Trace, up: Trace, radius: float) -> tuple[FloatArray, FloatArray]:
    """The boundary of the region of one radius, on the scale of zeta.

    Args:
        across: Zeta of the second parameter along that of the first.
        up: Zeta of the first parameter along that of the second.
        radius: Square root of the change of the criterion.

    Returns:
        Zeta of the first and of the second parameter along the closed boundary.
    """
    ends = np.array([radius, -radius])
    with_first = np.arccos(np.clip(across.at(ends) / radius, -0.999, 0.999))
    with_second = np.arccos(np.clip(up.at(ends) / radius, -0.999, 0.999))
    # Where the first is +r its angle is 0, where it is -r pi; the same for the second.
    phases = np.array(
        [with_first[0], with_second[0], np.pi - with_first[1], np.pi - with_second[1]]
    )
    angles = np.array(
        [
            -with_first[0] / 2.0,
            with_second[0] / 2.0,
            (np.pi + with_first[1]) / 2.0,
            (3.0 * np.pi - with_second[1]) / 2.0,
        ]
    )
    order = np.argsort(angles)
    angles, phases = angles[order], phases[order]
    closed = np.append(angles, angles[0] + 2.0 * np.pi)
    phase = scipy.interpolate.CubicSpline(closed, np.append(phases, phases[0]), bc_type="periodic")
    a = np.linspace(closed[0], closed[-1], _POINTS)
    d = phase(a)
    return radius * np.cos(a + d / 2.0), radius * np.cos(a - d / 2.0)
