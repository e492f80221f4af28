"""The profile of one parameter, point by point: signed roots of the deviance, limits and paths.

The constrained minimum is the core's (`ProfileCurve`), which takes log sigma, a standard deviation,
the arcsine of a correlation or a coefficient. A search for a limit goes by Newton steps in a
coordinate `w` in which the signed root zeta is nearly straight; the derivative of zeta comes with
every point. What is made of the points is `profile`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import asinh, cosh, inf, isfinite, pi, sinh, sqrt
from typing import Literal, TypeAlias

import numpy as np

from mixedmodels._core import ProfileCurve
from mixedmodels.arrays import FloatArray
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.model import Fitted
from mixedmodels.inference.parameters import Kind, Parameter, to_value

Side: TypeAlias = Literal[-1, 1]
Solved: TypeAlias = tuple[float, float, float, FloatArray, float, FloatArray, bool]
"""At, deviance, its derivative, theta, sigma, beta, converged: as the core gives a point."""

# The deviance at a limit is met to this, or to its own rounding where that is more.
_TOLERANCE = 1e-8
_ROUNDING = 1e-12
# A deviance this much below that of the fit means that the fit is no optimum.
_LOWER = 1e-4
_CLOSE = 1e-15
_MOST_STEPS = 400
# Points in a row that may fail before a limit is given up.
_MOST_FAILURES = 12
# No standard deviation is so many units large; beyond it sinh has no value.
_FARTHEST = 700.0
# First step outwards of a logarithmic coordinate where the curvature at the optimum sets no limit.
_FIRST_STEP = 3.0
# Flops of a factorization below which a limit is searched once more from other places: with little
# data the deviance of the other parameters may have several minima.
_SMALL = 1e6
# By how much such a search must come out lower, and how often.
_OTHER_MINIMUM = 1e-6
_MOST_MINIMA = 8
# Length of w over which a rise of the deviance by this much is a jump to another minimum.
_NO_WAY, _JUMP = 1e-6, 1e-3
# Largest unit of a standard deviation, in residual standard deviations and natural units of theta.
_LARGEST_UNIT = 30.0
# How far from its estimate, as a logarithm, sigma is when its profile is asked whether it stays
# level all the way to zero, and the slope of the deviance below which it nearly is.
_FAR, _SLOPE = 1.0, 0.1
# By how much the deviance of such a larger sigma differs if the estimate lies where it is level.
_LEVEL = 1e-3
# A path stops there; the step of zeta that it aims at.
_MOST_POINTS = 60
_STEPS_A_SIDE = 7
# Towards a standard deviation of zero zeta bends, and the steps are half as long.
_STEPS_TO_ZERO = 14
# Steps of zeta that two neighbours of a path may be apart, and halvings to come to that.
_LONGEST = 2.5
_MOST_HALVINGS = 12


class LowerDevianceError(MixedModelsError):
    """A profile has found a deviance below that of the fit.

    Attributes:
        theta: (m,) where.
    """

    def __init__(self, message: str, theta: FloatArray) -> None:
        super().__init__(message)
        self.theta = theta


class NoLimitError(MixedModelsError):
    """The deviance does not rise to where the limit would be, or cannot be followed there."""


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """A point of a profile.

    Attributes:
        w: The coordinate of the search.
        held: What the core holds: log sigma, sd, arcsine of a correlation, coefficient.
        deviance: Minimised over all other parameters.
        zeta: Signed root of the deviance above its minimum.
        slope: d zeta / d w.
        theta: (m,) at the constrained minimum.
        sigma: Likewise.
        beta: (p,) likewise, of the columns kept.
    """

    w: float
    held: float
    deviance: float
    zeta: float
    slope: float
    theta: FloatArray
    sigma: float
    beta: FloatArray


class Curve:
    """The profile of one parameter of a fit by ML; makes its own workspace.

    Args:
        fitted: A fit by maximum likelihood; not changed.
        parameter: One of `parameters_of(fitted)` with an estimate.
        threads: Threads of an evaluation.

    Attributes:
        parameter: As given.
        minimum: The ML deviance at the optimum.
        unit: A standard deviation s is unit sinh(w), a coefficient unit w.
        optimum: The point there.
        trouble: Why a path ends early; empty if none does.
    """

    def __init__(self, fitted: Fitted, parameter: Parameter, threads: int) -> None:
        templates = fitted.model.templates
        terms = list(
            map(list, zip(templates.groups, templates.term_offsets, templates.sizes, strict=True))
        )
        theta = fitted.solution.axes_theta

        def core(kind: Kind, place: list[int]) -> ProfileCurve:
            return ProfileCurve(fitted.model.analysis, terms, kind, place, theta, threads)

        self.parameter = parameter
        self._core = core(parameter.kind, list(parameter.place))
        at, self.minimum, _, theta, sigma, beta, _ = self._core.optimum
        curvature = max(self._core.curvature, 0.0)
        self.unit = self._unit(fitted, at, curvature)
        w = self.to_w(at)
        slope = sqrt(0.5 * curvature) * self._stretch(w)
        self.optimum = Point(w, at, self.minimum, 0.0, slope, theta, sigma, beta)
        self.trouble = ""
        self._small = fitted.model.analysis.flops < _SMALL
        self._saturated = parameter.kind == "sigma" and _is_saturated(fitted)
        self._ceiling: Solved | None = None
        if parameter.kind == "cor":
            term, *effects = parameter.place
            without = (core("sd", [term, effect, 0]).solve(0.0) for effect in effects)
            self._ceiling = min(without, key=lambda solved: solved[1])
        if not fitted.optsum.converged:
            self.point(self.optimum.w)  # refuses a fit that is not at its minimum

    def _unit(self, fitted: Fitted, at: float, curvature: float) -> float:
        """Scale of a coefficient, or of the asinh of a standard deviation.

        For a standard deviation that cannot be told from zero, the step that zeta of 1 takes,
        unless the curvature there is rounding.
        """
        step = sqrt(2.0 / curvature) if curvature > 0.0 else None
        if self.parameter.kind == "beta":
            return 1.0 if step is None else step
        if self.parameter.kind != "sd":
            return 1.0
        natural = self._natural(fitted)
        return max(at, natural if step is None else min(step, _LARGEST_UNIT * natural))

    def _natural(self, fitted: Fitted) -> float:
        """Standard deviation of an effect whose size along the axes is the unit of theta there."""
        model, (term, effect, _) = fitted.model, self.parameter.place
        unit = float(model.objective.evaluator.unit[self.parameter.position])
        axes: FloatArray | None = model.products.axes(model.templates.groups[term])
        length = 1.0
        if axes is not None:
            length = float(np.linalg.norm(axes[model.templates.term_offsets[term] + effect]))
        return fitted.solution.sigma * unit * length

    # -- coordinates --------------------------------------------------------------------

    def to_w(self, held: float) -> float:
        """In units; a standard deviation as asinh(s / unit), a logarithm far out."""
        return asinh(held / self.unit) if self.parameter.kind == "sd" else held / self.unit

    def _to_held(self, w: float) -> float:
        return self.unit * (sinh(min(w, _FARTHEST)) if self.parameter.kind == "sd" else w)

    def _stretch(self, w: float) -> float:
        """D held / d w."""
        return self.unit * (cosh(w) if self.parameter.kind == "sd" else 1.0)

    def bound(self, side: Side) -> float:
        """How far w goes: to a standard deviation of 0, a correlation of 1 or -1."""
        if self.parameter.kind == "cor":
            return side * 0.5 * pi
        return 0.0 if self.parameter.kind == "sd" and side < 0 else side * inf

    # -- points -------------------------------------------------------------------------

    def point(self, w: float) -> Point:
        """The deviance minimised with the parameter held.

        Without one of its effects a model has any correlation: its deviance is a ceiling, from
        which on the profile of a correlation is flat.

        Raises:
            NoLimitError: The minimum cannot be found.
            LowerDevianceError: It is below that of the fit.
        """
        found = self._computed(w)
        if found is None:
            value = to_value(self.parameter.kind, self._to_held(w))
            raise NoLimitError(
                f"The profile of {self.parameter.name} cannot be computed at {value:g}: the search "
                "over the other parameters did not converge. Rescale the covariates or simplify "
                "the random effects."
            )
        return found

    def _computed(self, w: float, *, thorough: bool = False) -> Point | None:
        """The point, or None where the search over the other parameters does not converge."""
        held = self._to_held(w)
        solved: Solved = self._core.solve(held, thorough)
        if self._ceiling is not None and not solved[1] < self._ceiling[1]:
            solved = self._ceiling
        _, deviance, slope, theta, sigma, beta, converged = solved
        if not converged:
            return None
        above = deviance - self.minimum
        if above < -_LOWER:
            listed = ", ".join(f"{value:.6g}" for value in theta)
            raise LowerDevianceError(
                f"The profile of {self.parameter.name} found a deviance {-above:.3g} below that of "
                f"the fit ({self.minimum:.6f}), so the fit has not reached the optimum. Fit again "
                f"from there: start=[{listed}].",
                theta,
            )
        side = 1.0 if w >= self.optimum.w else -1.0
        root = sqrt(max(above, 0.0))
        rise = 0.5 * side * slope / root * self._stretch(w) if root > 0.0 else self.optimum.slope
        return Point(w, held, deviance, side * root, rise, theta, sigma, beta)

    # -- limits and paths ---------------------------------------------------------------

    def limit(self, zeta: float, guess: float | None = None) -> float:
        """Where the signed root is `zeta`, or the parameter's bound when it does not get there.

        Steps by the slope find a place beyond; then interpolation, with bisection wherever that
        does not halve the interval in two steps.

        Args:
            zeta: Not zero.
            guess: A w to begin with.

        Raises:
            LowerDevianceError: The deviance falls below that of the fit.
            NoLimitError: The deviance never rises so far, or cannot be followed.
        """
        wanted = self.minimum + zeta * zeta
        tolerance = max(_TOLERANCE, _ROUNDING * abs(wanted))
        if self._ceiling is not None and self._ceiling[1] <= wanted + tolerance:
            return self.bound(1 if zeta > 0.0 else -1)
        if zeta < 0.0 and self._starts_level():
            return -inf
        return self._search(zeta, wanted, tolerance, guess)

    def _search(self, zeta: float, wanted: float, tolerance: float, guess: float | None) -> float:
        """The limit at a deviance of `wanted`, met to the tolerance."""
        side: Side = 1 if zeta > 0.0 else -1
        bound = self.bound(side)
        inner, outer = self.optimum, None
        w = self._extend(inner, zeta, bound) if guess is None else guess
        widths = [inf, inf]  # of the interval, after the last two steps
        minima = _MOST_MINIMA if self._small else 0
        for _ in range(_MOST_STEPS):
            if side * (w - bound) >= 0.0 or not isfinite(w):
                w = bound
            found = self._probe(w, inner, zeta, first=outer is None)
            beyond = abs(found.zeta) > abs(zeta)
            if self._vanishes(found, zeta):
                return -inf
            met = abs(found.deviance - wanted) <= tolerance
            if met or _close(inner, outer) or (found.w == bound and not beyond):
                lower = self._lower(found) if minima else None
                if lower is None or lower.deviance >= wanted - tolerance:
                    return found.held
                minima -= 1
                found, beyond = lower, False
                outer, widths = None, [inf, inf]
            if beyond:
                outer = found
            else:
                inner = found
            if minima and outer is not None and _jumps(inner, outer):
                # The outer end was in a worse minimum; from here the better one goes on.
                minima, outer, widths = minima - 1, None, [inf, inf]
            if outer is None:
                if self.parameter.kind == "sd" and found.w >= _FARTHEST:
                    break
                w = self._extend(inner, zeta, bound)
                continue
            width = abs(outer.w - inner.w)
            slow = width > 0.5 * widths[0]
            widths = [widths[1], width]
            w = 0.5 * (inner.w + outer.w) if slow else _between(inner, outer, zeta)
        raise NoLimitError(
            f"{self.parameter.name} has no {'upper' if side > 0 else 'lower'} limit: the "
            f"deviance stays within {zeta * zeta:.3g} of its minimum as far as "
            f"{to_value(self.parameter.kind, inner.held):g}."
        )

    def _vanishes(self, found: Point, zeta: float) -> bool:
        """Whether a residual of zero stays within `zeta`: sigma has no lower limit but zero.

        With as many effects as rows the covariance of the response is regular without a residual.
        For a small sigma the deviance is a constant plus a multiple of sigma squared, half the
        slope above the constant.
        """
        if not self._saturated or found.w > self.optimum.w - _FAR:
            return False
        slope = abs(2.0 * found.zeta * found.slope)
        return slope < _SLOPE and found.zeta**2 + 0.5 * slope < zeta**2

    def _level_note(self, last: Point) -> str:
        return (
            f"The deviance is level from {to_value(self.parameter.kind, last.held):.3g} down to "
            "zero: there are as many fixed and random effects as rows, so that the model fits as "
            "well without residuals. The lower limit is 0."
        )

    def _starts_level(self) -> bool:
        """The same of the estimate, where the slope is zero anyway: whether a larger sigma fits."""
        if not self._saturated:
            return False
        larger = self._computed(self.optimum.w + _FAR)
        return larger is not None and larger.deviance - self.minimum < _LEVEL

    def _probe(self, w: float, inner: Point, zeta: float, *, first: bool) -> Point:
        """The point at w; beyond the limit for the first time, the lowest of several searches."""
        found = self._near(w, inner)
        if first and self._small and abs(found.zeta) > abs(zeta):
            return self._lower(found) or found
        return found

    def _near(self, w: float, inner: Point) -> Point:
        """The point at w, or the first one on the way back to `inner` that can be computed."""
        for _ in range(_MOST_FAILURES):
            found = self._computed(w)
            if found is not None:
                return found
            w = 0.5 * (w + inner.w)
        raise NoLimitError(
            f"The profile of {self.parameter.name} cannot be computed beyond "
            f"{to_value(self.parameter.kind, inner.held):g}: the search over the other parameters "
            "did not converge. Rescale the covariates or simplify the random effects."
        )

    def _lower(self, found: Point) -> Point | None:
        """The same point where a search from other places finds a lower minimum, or None."""
        again = self._computed(found.w, thorough=True)
        if again is None or not again.deviance < found.deviance - _OTHER_MINIMUM:
            return None
        return again

    def _extend(self, inner: Point, zeta: float, bound: float) -> float:
        """A Newton step outwards, no longer than four times the way so far."""
        side = 1.0 if zeta > 0.0 else -1.0
        way = abs(inner.w - self.optimum.w)
        first = _FIRST_STEP if self.parameter.kind in ("sd", "sigma") else inf
        longest = 4.0 * way if way > 0.0 else first
        if inner.slope > 0.0:
            step = min(abs(zeta - inner.zeta) / inner.slope, longest)
        else:
            step = way if way > 0.0 else 0.5
        if self._saturated:
            step = min(step, _FAR)  # not over the level part, to where nothing can be computed
        w = inner.w + side * max(step, 1e-8 * (1.0 + abs(inner.w)))
        return bound if side * (w - bound) > 0.0 else w

    def path(self, reach: float) -> list[Point]:
        """Points from one end to the other, about evenly spaced in zeta up to +- `reach`."""
        below = self._half(-1, reach)
        return [*reversed(below), self.optimum, *self._half(1, reach)]

    def _half(self, side: Side, reach: float) -> list[Point]:
        bound = self.bound(side)
        bent = side < 0 and self.parameter.kind == "sd"
        step = reach / (_STEPS_TO_ZERO if bent else _STEPS_A_SIDE)
        points = [self.optimum]
        if side < 0 and self._starts_level():
            self.trouble = self._level_note(self.optimum)
            return []
        while len(points) < _MOST_POINTS:
            last = points[-1]
            left = reach - abs(last.zeta)
            far = self.parameter.kind == "sd" and last.w >= _FARTHEST
            if left <= 1e-3 * step or last.w == bound or far:
                break
            if self._ceiling is not None and last.deviance == self._ceiling[1]:
                points.append(self.point(bound))
                break
            # The last step is a little longer, so that the end lies beyond `reach`.
            w = self._onward(points, side * (step if left > 1.2 * step else 1.02 * left))
            try:
                found = self._next(bound if side * (w - bound) >= 0.0 else w, last, step)
            except NoLimitError as error:
                self.trouble = str(error)
                break
            points.append(found)
            if self._vanishes(found, reach):
                self.trouble = self._level_note(found)
                break
        return points[1:]

    def _next(self, w: float, last: Point, step: float) -> Point:
        """The point at w, or a nearer one where zeta would rise by much more than a step."""
        found = self._near(w, last)
        for _ in range(_MOST_HALVINGS):
            if abs(found.zeta - last.zeta) <= _LONGEST * step:
                break
            found = self._near(0.5 * (last.w + found.w), last)
        return found

    def _onward(self, points: list[Point], step: float) -> float:
        """Where zeta is about `step` further, by the slope at the last point and its change."""
        last = points[-1]
        side = 1.0 if step > 0.0 else -1.0
        way = abs(last.w - self.optimum.w)
        if not last.slope > 0.0:
            return last.w + side * (way if way > 0.0 else 0.5)
        inverse = 1.0 / last.slope
        move = step * inverse
        if len(points) > 1 and points[-2].slope > 0.0 and last.zeta != points[-2].zeta:
            bend = (inverse - 1.0 / points[-2].slope) / (last.zeta - points[-2].zeta)
            move += 0.5 * bend * step * step
        straight = abs(step) * inverse
        move = min(max(side * move, 0.3 * straight), 3.0 * straight)
        if self.parameter.kind in ("sd", "sigma"):
            move = min(move, _FAR if self._saturated else max(_FIRST_STEP, 4.0 * way))
        return last.w + side * move


def _is_saturated(fitted: Fitted) -> bool:
    """Whether there are as many fixed and random effects as rows."""
    templates = fitted.model.templates
    random = sum(
        size * templates.n_levels[group]
        for size, group in zip(templates.sizes, templates.groups, strict=True)
    )
    return random + fitted.solution.p >= fitted.solution.n


def _close(inner: Point, outer: Point | None) -> bool:
    """Whether no number lies between."""
    return outer is not None and abs(outer.w - inner.w) <= _CLOSE * (1.0 + abs(inner.w))


def _jumps(inner: Point, outer: Point) -> bool:
    """Whether the deviance rises by much over next to no way, which a minimum cannot."""
    near = abs(outer.w - inner.w) <= _NO_WAY * (1.0 + abs(inner.w))
    return near and outer.deviance - inner.deviance > _JUMP


def _between(inner: Point, outer: Point, zeta: float) -> float:
    """Inverse cubic interpolation by values and slopes; the middle where that leads outside."""
    width = outer.zeta - inner.zeta
    middle = 0.5 * (inner.w + outer.w)
    if not (inner.slope > 0.0 and outer.slope > 0.0 and width != 0.0):
        return middle
    t = (zeta - inner.zeta) / width
    rise = outer.w - inner.w
    start, end = width / inner.slope - rise, rise - width / outer.slope
    w = inner.w + t * rise + t * (1.0 - t) * (start * (1.0 - t) + end * t)
    low, high = sorted((inner.w, outer.w))
    return w if low < w < high else middle
