"""The search for one limit of a profile: Newton steps outwards, then interpolation.

Steps by the slope of the signed root find a place beyond the limit; then cubic interpolation, with
bisection wherever that does not halve the interval in two steps. In small models a search from
other starts looks for a lower minimum, since the others of the first one may hide the limit.
"""

from __future__ import annotations

from math import inf, isfinite
from typing import NamedTuple

from mixedmodels.inference.coordinates import Side
from mixedmodels.inference.curves import FAR, Curve, NoLimitError, Point
from mixedmodels.inference.parameters import to_value

# Absolute difference from the wanted deviance at which a limit is met, and a relative one, its
# rounding, where that is more.
_TOLERANCE = 1e-8
_ROUNDING = 1e-12
# Relative width of an interval of w that holds no further number.
_CLOSE = 1e-15
_MOST_STEPS = 400
# Decrease of the deviance by which a search from other starts has found another minimum, and the
# number of times that it may.
_OTHER_MINIMUM = 1e-6
_MOST_MINIMA = 8
# Length of w over which a rise of the deviance by _JUMP is a jump to another minimum.
_SHORT, _JUMP = 1e-6, 1e-3


class Limit(NamedTuple):
    """A limit of a profile.

    Attributes:
        held: What the core holds there: log sigma, sd, arcsine of a correlation, coefficient.
        note: What a user should know of it; usually empty.
    """

    held: float
    note: str = ""


def limit(curve: Curve, zeta: float, guess: float | None = None) -> Limit:
    """Where the signed root is `zeta`, or the parameter's bound when it does not get there.

    Args:
        curve: The profile of one parameter.
        zeta: Not zero.
        guess: A w to begin with.

    Returns:
        The limit; infinite where the deviance becomes level before, which the note says.

    Raises:
        LowerDevianceError: The deviance falls below that of the fit.
        NoLimitError: The deviance never rises so far, or cannot be followed.
    """
    wanted = curve.minimum + zeta * zeta
    tolerance = max(_TOLERANCE, _ROUNDING * abs(wanted))
    if curve.ceiling <= wanted + tolerance:
        return Limit(curve.coordinate.bound(1 if zeta > 0.0 else -1))
    if zeta < 0.0 and curve.starts_level():
        return Limit(-inf)
    return _search(curve, zeta, tolerance, guess)


def _search(curve: Curve, zeta: float, tolerance: float, guess: float | None) -> Limit:
    """The limit, its deviance met to the tolerance."""
    wanted = curve.minimum + zeta * zeta
    side: Side = 1 if zeta > 0.0 else -1
    bound = curve.coordinate.bound(side)
    inner, outer = curve.optimum, None
    w = _extend(curve, inner, zeta) if guess is None else guess
    widths = [inf, inf]  # of the interval, after the last two steps
    minima = _MOST_MINIMA if curve.small else 0
    for _ in range(_MOST_STEPS):
        if side * (w - bound) >= 0.0 or not isfinite(w):
            w = bound
        found = _probe(curve, w, inner, zeta, first=outer is None)
        beyond = abs(found.zeta) > abs(zeta)
        ended = _ended(curve, found, zeta)
        if ended is not None:
            return ended
        met = abs(found.deviance - wanted) <= tolerance
        if met or _close(inner, outer) or (found.w == bound and not beyond):
            _refuse_jump(curve, found, inner, None if met else outer)
            lower = _lower(curve, found) if minima else None
            if lower is None or lower.deviance >= wanted - tolerance:
                return Limit(found.held)
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
            if curve.is_far(found):
                break
            w = _extend(curve, inner, zeta)
            continue
        width = abs(outer.w - inner.w)
        slow = width > 0.5 * widths[0]
        widths = [widths[1], width]
        w = 0.5 * (inner.w + outer.w) if slow else _between(inner, outer, zeta)
    raise NoLimitError(
        f"{curve.parameter.name} has no {'upper' if side > 0 else 'lower'} limit: the "
        f"deviance stays within {zeta * zeta:.3g} of its minimum as far as "
        f"{to_value(curve.parameter.kind, inner.held):g}."
    )


def _ended(curve: Curve, found: Point, zeta: float) -> Limit | None:
    """The limit at the end of the range, where the deviance is level from a point on."""
    if curve.vanishes(found, zeta):
        return Limit(-inf)
    far = curve.levels(found, zeta)
    if far is None:
        return None
    return Limit(inf if zeta > 0.0 else -inf, curve.unbounded_note(far, zeta))


def _probe(curve: Curve, w: float, inner: Point, zeta: float, *, first: bool) -> Point:
    """The point at w; beyond the limit for the first time, the lowest of several searches."""
    found = curve.near(w, inner)
    if first and curve.small and abs(found.zeta) > abs(zeta):
        return _lower(curve, found) or found
    return found


def _lower(curve: Curve, found: Point) -> Point | None:
    """The same point where a search from other starts finds a lower minimum, or None."""
    again = curve.computed(found.w, thorough=True)
    if again is None or not again.deviance < found.deviance - _OTHER_MINIMUM:
        return None
    return again


def _extend(curve: Curve, inner: Point, zeta: float) -> float:
    """A Newton step outwards, no longer than four times the way so far."""
    side: Side = 1 if zeta > 0.0 else -1
    bound = curve.coordinate.bound(side)
    way = abs(inner.w - curve.optimum.w)
    longest = 4.0 * way if way > 0.0 else curve.longest(0.0)
    if inner.slope > 0.0:
        step = min(abs(zeta - inner.zeta) / inner.slope, longest)
    else:
        step = way if way > 0.0 else 0.5
    if curve.saturated:
        step = min(step, FAR)  # not over the level part, to where nothing can be computed
    w = inner.w + side * max(step, 1e-8 * (1.0 + abs(inner.w)))
    return bound if side * (w - bound) > 0.0 else w


def _close(inner: Point, outer: Point | None) -> bool:
    """Whether no number lies between."""
    return outer is not None and abs(outer.w - inner.w) <= _CLOSE * (1.0 + abs(inner.w))


def _refuse_jump(curve: Curve, found: Point, inner: Point, outer: Point | None) -> None:
    """Raise where the lowest deviance of many searches jumps: one of them has missed a minimum."""
    if curve.thorough and outer is not None and outer.deviance - inner.deviance > _JUMP:
        raise NoLimitError(curve.jump_note(found))


def _jumps(inner: Point, outer: Point) -> bool:
    """Whether the deviance rises by much over a very short interval, which one minimum cannot."""
    near = abs(outer.w - inner.w) <= _SHORT * (1.0 + abs(inner.w))
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
