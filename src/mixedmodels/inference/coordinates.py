"""The coordinate w of a profile, in which the signed root of the deviance is nearly straight."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, pi
from typing import Any, Literal, TypeAlias

import numpy as np

from mixedmodels.inference.parameters import Kind

Side: TypeAlias = Literal[-1, 1]

# Largest w of a standard deviation: beyond it sinh overflows.
FARTHEST = 700.0


@dataclass(frozen=True, slots=True)
class Coordinate:
    """W from what the core holds and back, for numbers and arrays.

    Attributes:
        kind: Kind of the parameter.
        unit: A standard deviation s is unit sinh(w), which is a logarithm far out; all else is
            unit w.
    """

    kind: Kind
    unit: float

    def of(self, held: Any) -> Any:
        """The coordinate of what is held."""
        return np.arcsinh(held / self.unit) if self.kind == "sd" else held / self.unit

    def held(self, w: Any) -> Any:
        """What is held at a coordinate."""
        with np.errstate(over="ignore"):  # infinite: no limit on this side
            return self.unit * (np.sinh(np.minimum(w, FARTHEST)) if self.kind == "sd" else w)

    def stretch(self, w: float) -> float:
        """D held / d w."""
        return self.unit * (float(np.cosh(min(w, FARTHEST))) if self.kind == "sd" else 1.0)

    def bound(self, side: Side) -> float:
        """How far w goes: to a standard deviation of 0, a correlation of 1 or -1."""
        if self.kind == "cor":
            return side * 0.5 * pi
        return 0.0 if self.kind == "sd" and side < 0 else side * inf
