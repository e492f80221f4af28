"""Sides of a profile on which the deviance becomes level: the limit there is infinite.

The negative binomial family tends to the Poisson family as k grows, and a probability of extra
zeros to none as its logit falls. Here are the rule for "level" and the words; what a parameter
tends to depends on the kind of fit (`tendency_of`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from math import sqrt
from typing import Any

from mixedmodels.inference.parameters import Parameter

# Distance from the estimate, in natural units, from which on a profile may count as level. A
# deviance that tends to a constant does so like exp(-distance).
_DISTANCE = 6.0
# Standard error, in natural units, from which on the deviance counts as level at the estimate
# already; a smaller one is the width of a quadratic deviance. And the largest scale of the
# coordinate of a search.
_WIDEST, _LARGEST_UNIT = 10.0, 30.0
# Multiple of the slope by natural units that the deviance may rise further, and the largest slope.
_RISE, _SLOPE = 10.0, 0.1


@dataclass(frozen=True, slots=True)
class Tendency:
    """What a fit tends to as a parameter goes to an end of its range.

    Attributes:
        unit: Natural unit of what is held: a change of the logarithm or logit by about 1.
        below: What the model becomes at the lower end, for messages; "" if that is not known.
        above: The same of the upper end.
    """

    unit: float
    below: str = ""
    above: str = ""

    def distance(self, curvature: float, zeta: float) -> float:
        """Distance in what is held from which on the profile may count as level."""
        width = sqrt(2.0 / curvature) / self.unit if curvature > 0.0 else _WIDEST
        return self.unit * max(_DISTANCE, width * abs(zeta) if width < _WIDEST else 0.0)

    def longest(self) -> float:
        """First step outwards, in what is held."""
        return 3.0 * self.unit

    def widest(self) -> float:
        """Largest scale of a coordinate, in what is held."""
        return _LARGEST_UNIT * self.unit

    def is_level(self, rise: float, slope: float, zeta: float) -> bool:
        """Whether a deviance `rise` above its minimum stays below that of a limit.

        Args:
            rise: Deviance above the minimum.
            slope: Size of its derivative by what is held.
            zeta: Signed root at the limit.
        """
        left = self.unit * slope
        return left < _SLOPE and rise + _RISE * left < zeta * zeta

    def note(self, parameter: Parameter, side: int, rise: float, zeta: float) -> str:
        """Why a limit is infinite, or 0 for a parameter above zero."""
        name, where = parameter.name, "above" if side > 0 else "below"
        zero = parameter.kind == "sigma" and side < 0
        end = "0" if zero else "infinity" if side > 0 else "minus infinity"
        meaning = (self.above if side > 0 else self.below) or "the fitted model no longer changes"
        needed = (
            f"the deviance rises by only {rise:.2g}, less than the {zeta * zeta:.3g} of a limit"
            if rise >= 0.005
            else "the deviance does not rise"
        )
        return (
            f"The data do not bound {name} from {where}: as it goes to {end}, {meaning}, and "
            f"{needed}. The {'upper' if side > 0 else 'lower'} limit is {end}."
        )


@singledispatch
def tendency_of(fitted: Any, parameter: Parameter) -> Tendency | None:
    """What a fit tends to as a parameter goes to an end of its range; None where it does not."""
    del fitted, parameter
    return None
