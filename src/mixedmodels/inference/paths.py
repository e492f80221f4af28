"""The points of a whole curve, about evenly spaced in the signed root of the deviance."""

from __future__ import annotations

from typing import NamedTuple

from mixedmodels.inference.coordinates import Side
from mixedmodels.inference.curves import FAR, Curve, NoLimitError, Point

# Largest and usual number of points on one side of a curve.
_MOST_POINTS = 60
_STEPS_A_SIDE = 7
# Usual number of points towards a standard deviation of zero, where zeta bends.
_STEPS_TO_ZERO = 14
# Steps of zeta that two neighbours may be apart, and halvings to come to that.
_LONGEST = 2.5
_MOST_HALVINGS = 12


class Path(NamedTuple):
    """The points of a curve, from one end to the other.

    Attributes:
        points: Ascending in w.
        trouble: Why the curve ends early; empty if it does not.
        level: Sides on which the deviance is level beyond the curve: the limits are infinite.
    """

    points: list[Point]
    trouble: str
    level: tuple[Side, ...] = ()


def path(curve: Curve, reach: float) -> Path:
    """Points about evenly spaced in zeta up to +- `reach`."""
    below, above = _half(curve, -1, reach), _half(curve, 1, reach)
    points = [*reversed(below.points), curve.optimum, *above.points]
    trouble = " ".join(text for text in (below.trouble, above.trouble) if text)
    return Path(points, trouble, (*below.level, *above.level))


def _half(curve: Curve, side: Side, reach: float) -> Path:
    """The points on one side of the optimum, from there outwards."""
    curve.new_side()
    points = [curve.optimum]
    try:
        trouble, level = _outwards(curve, side, reach, points)
    except NoLimitError as error:
        trouble, level = str(error), False
    return Path(points[1:], trouble, (side,) if level else ())


def _outwards(curve: Curve, side: Side, reach: float, points: list[Point]) -> tuple[str, bool]:
    """Append the points of a side; why they end early, and whether the deviance is level there.

    Raises:
        NoLimitError: The curve cannot be followed beyond the points.
    """
    if side < 0 and curve.starts_level():
        return curve.level_note(curve.optimum), False
    bound = curve.coordinate.bound(side)
    bent = side < 0 and curve.parameter.kind == "sd"
    step = reach / (_STEPS_TO_ZERO if bent else _STEPS_A_SIDE)
    while len(points) < _MOST_POINTS:
        last = points[-1]
        left = reach - abs(last.zeta)
        if left <= 1e-3 * step or last.w == bound or curve.is_far(last):
            break
        if last.deviance == curve.ceiling:
            points.append(curve.point(bound))
            break
        # The last step is a little longer, so that the end lies beyond `reach`.
        w = _onward(curve, points, side * (step if left > 1.2 * step else 1.02 * left))
        found = _next(curve, bound if side * (w - bound) >= 0.0 else w, last, step)
        points.append(found)
        if curve.vanishes(found, reach):
            return curve.level_note(found), False
        far = curve.levels(found, side * reach)
        if far is not None:
            return curve.unbounded_note(far, side * reach), True
    return "", False


def _next(curve: Curve, w: float, last: Point, step: float) -> Point:
    """The point at w, or a nearer one where zeta would rise by much more than a step."""
    found = curve.near(w, last)
    for _ in range(_MOST_HALVINGS):
        if abs(found.zeta - last.zeta) <= _LONGEST * step:
            break
        found = curve.near(0.5 * (last.w + found.w), last)
    return found


def _onward(curve: Curve, points: list[Point], step: float) -> float:
    """Where zeta is about `step` further, by the slope at the last point and its change."""
    last = points[-1]
    side = 1.0 if step > 0.0 else -1.0
    way = abs(last.w - curve.optimum.w)
    if not last.slope > 0.0:
        return last.w + side * (way if way > 0.0 else 0.5)
    inverse = 1.0 / last.slope
    move = step * inverse
    if len(points) > 1 and points[-2].slope > 0.0 and last.zeta != points[-2].zeta:
        bend = (inverse - 1.0 / points[-2].slope) / (last.zeta - points[-2].zeta)
        move += 0.5 * bend * step * step
    straight = abs(step) * inverse
    move = min(max(side * move, 0.3 * straight), 3.0 * straight)
    move = min(move, FAR if curve.saturated else curve.longest(way))
    return last.w + side * move
