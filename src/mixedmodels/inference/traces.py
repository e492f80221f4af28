"""A profile between its points: monotone cubic interpolation of the signed root, and its inverse.

The cubics run in the coordinate of the search (`curves`), where the signed root is nearly straight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from mixedmodels.arrays import FloatArray
from mixedmodels.covariance import Templates
from mixedmodels.estimates.parameters import to_sd_cor
from mixedmodels.inference.coordinates import Coordinate
from mixedmodels.inference.curves import Point
from mixedmodels.inference.parameters import Parameter, from_value, to_value

_HALVINGS = 60
_ROUNDING = 1e-13


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """The points of one curve.

    Attributes:
        parameter: The parameter of the curve.
        unit: A standard deviation s is unit sinh(w), a coefficient unit w.
        w: (k,) coordinate of the search, ascending.
        zeta: (k,) signed root of the deviance above its minimum, ascending; flat where a
            correlation has lost one of its effects.
        slope: (k,) d zeta / d w, bounded so that the cubic through the points is monotone.
        values: (k, m + 1 + p + others) all parameters at each point.
        level: Sides on which the deviance is level beyond the points: limits there are infinite.
    """

    parameter: Parameter
    unit: float
    w: FloatArray
    zeta: FloatArray
    slope: FloatArray
    values: FloatArray
    level: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        parameter: Parameter,
        unit: float,
        points: Sequence[Point],
        templates: Templates,
        scales: int = 1,
        level: tuple[int, ...] = (),
    ) -> Trace:
        """The points at which zeta does not fall."""
        rising = [points[0]]
        for point in points[1:]:
            if point.zeta >= rising[-1].zeta and point.w > rising[-1].w:
                rising.append(point)
        w = np.array([point.w for point in rising])
        zeta = np.array([point.zeta for point in rising])
        slope = np.array([point.slope for point in rising])
        sigma = np.array([point.sigma for point in rising])
        random = to_sd_cor(templates, np.array([point.theta for point in rising]), sigma)
        beta = np.array([point.beta for point in rising])
        scale = np.array([point.scale for point in rising])
        others = np.array([point.others for point in rising])
        values = np.hstack([random, *[scale[:, None]] * scales, beta, others])
        held = np.array([point.held for point in rising])
        values[:, parameter.position] = to_value(parameter.kind, held)
        return cls(parameter, unit, w, zeta, _monotone(w, zeta, slope), values, level)

    def zeta_at(self, values: FloatArray) -> FloatArray:
        """Signed roots at values of the parameter; NaN beyond the points."""
        zeta: FloatArray = self._spline(self._to_w(values))
        return zeta

    def value_at(self, zeta: FloatArray) -> FloatArray:
        """Values of the parameter at signed roots; NaN beyond the points."""
        w = self.w_at(zeta)
        return to_value(self.parameter.kind, self._coordinate.held(w))

    def end(self, zeta: float) -> float:
        """The limit at a signed root; the last value of the curve where a bound is nearer."""
        side = 1 if zeta > 0.0 else -1
        if side in self.level and not self.zeta[0] <= zeta <= self.zeta[-1]:
            return float(to_value(self.parameter.kind, side * np.inf))
        return float(self.value_at(np.clip(zeta, self.zeta[0], self.zeta[-1])))

    def density_at(self, values: FloatArray) -> FloatArray:
        """The standard normal density of zeta, over the parameter.

        The derivative of zeta is known at the points. Between them it is interpolated itself, since
        that of the cubic has a kink at every point.
        """
        w = self._to_w(values)
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.parameter.kind == "sd":
                by_value = 1.0 / np.hypot(values, self.unit)
            elif self.parameter.kind == "sigma":
                by_value = 1.0 / values
            else:
                by_value = 1.0 / np.cos(w) if self.parameter.kind == "cor" else np.ones_like(w)
                by_value = by_value / self.unit
            normal = np.exp(-0.5 * self._spline(w) ** 2) / np.sqrt(2.0 * np.pi)
            density: FloatArray = normal * self._rate(w) * by_value
        return density

    def w_at(self, zeta: FloatArray | float) -> FloatArray:
        """The coordinate at signed roots, by bisection; NaN beyond the points."""
        wanted = np.asarray(zeta, dtype=np.float64)
        if len(self.w) < 2:
            return np.where(wanted == self.zeta[0], self.w[0], np.nan)
        spline = self._spline
        right = np.clip(np.searchsorted(self.zeta, wanted), 1, len(self.zeta) - 1)
        low, high = self.w[right - 1], self.w[right]
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            below = spline(middle) < wanted
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        inside = (wanted >= self.zeta[0]) & (wanted <= self.zeta[-1])
        return np.where(inside, 0.5 * (low + high), np.nan)

    def _to_w(self, values: FloatArray) -> FloatArray:
        w = self._coordinate.of(from_value(self.parameter.kind, values))
        # The way there and back may end a rounding error outside.
        inside: FloatArray = np.clip(w, self.w[0], self.w[-1])
        return np.where(np.abs(w - inside) <= _ROUNDING * (1.0 + np.abs(w)), inside, w)

    @property
    def _coordinate(self) -> Coordinate:
        return Coordinate(self.parameter.kind, self.unit)

    def _rate(self, w: FloatArray) -> FloatArray:
        """The derivative of zeta at coordinates; NaN beyond the points."""
        if len(self.w) < 2:
            return np.asarray(self._spline(w, nu=1), dtype=np.float64)
        rate = scipy.interpolate.PchipInterpolator(self.w, self.slope, extrapolate=False)
        return np.asarray(rate(w), dtype=np.float64)

    @property
    def _spline(self) -> scipy.interpolate.CubicHermiteSpline:
        """Zeta as a function of w; NaN beyond the points."""
        if len(self.w) < 2:
            return scipy.interpolate.CubicHermiteSpline([self.w[0], np.inf], [0.0, 0.0], [0.0, 0.0])
        return scipy.interpolate.CubicHermiteSpline(
            self.w, self.zeta, self.slope, extrapolate=False
        )


def _monotone(x: FloatArray, y: FloatArray, slope: FloatArray) -> FloatArray:
    """Slopes at most three times the chords beside: the cubic rises (Fritsch, Carlson 1980)."""
    if len(x) < 2:
        return np.maximum(slope, 0.0)
    chords = 3.0 * np.diff(y) / np.diff(x)
    most = np.minimum(np.append(chords, np.inf), np.insert(chords, 0, np.inf))
    return np.clip(slope, 0.0, most)
