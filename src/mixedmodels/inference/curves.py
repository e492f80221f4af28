"""The profile of one parameter, point by point: the minimised deviance and its signed root.

The core finds the constrained minimum (`held`) at a log sigma, a standard deviation, the arcsine of
a correlation or a coefficient. Here are the signed root zeta in the coordinate w (`coordinates`),
its derivative at every point, and the refusals. Searches for limits (`search`) and curves (`paths`)
are made of these points.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, sqrt

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.linear import Fitted
from mixedmodels.inference.coordinates import FARTHEST, Coordinate
from mixedmodels.inference.held import CorePoint, core_of
from mixedmodels.inference.parameters import Parameter, to_value
from mixedmodels.inference.unbounded import Tendency, tendency_of

# Difference by which a deviance below that of the fit shows that the fit is not at its minimum.
_LOWER = 1e-4
# Difference by which a deviance below that of the fit, where a search for the minimum was given up,
# shows that there is none; and how often that is met before the curve ends there.
_FALLEN, _MOST_FALLS = 50.0, 2
# Evaluations of a generalized criterion from which on a search has lost its way, and how many such
# searches a curve may have on the way to a limit: each takes seconds.
_LONG_SEARCH, _MOST_LONG = 120, 2
# Attempts to compute a point, each half as far out, before a limit is given up.
_MOST_FAILURES = 12
# Distance in w at which the search for a limit of a parameter that may tend to an end of its range
# stops.
_LIMIT = 40.0
# First step outwards of a logarithmic coordinate where the curvature at the optimum sets no limit.
FIRST_STEP = 3.0
# Flops of a factorization below which a search from other starts is affordable: with few data the
# deviance of the other parameters may have several minima.
_SMALL = 1e6
# Random effects for a row from which on the fit may be at one of several minima. With as many
# effects as rows every point is searched from many starts.
_FEW_ROWS = 2.0 / 3.0
# Largest unit of a standard deviation, in residual standard deviations and natural units of theta.
_LARGEST_UNIT = 30.0
# Distance of log sigma from its estimate from which on its profile may count as level, and slope of
# the deviance below which it does.
FAR, _SLOPE = 1.0, 0.1
# Rise of the deviance from the estimate of sigma to one FAR larger, below which both are level.
_LEVEL = 1e-3


class LowerDevianceError(MixedModelsError):
    """A profile has found a deviance below that of the fit.

    Attributes:
        start: Where the deviance is lower: theta, or all parameters of a generalized model.
    """

    def __init__(self, message: str, start: FloatArray) -> None:
        super().__init__(message)
        self.start = start


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
        sigma: Residual standard deviation there; 1 where rows have none.
        scale: The parameter of the scale of rows, where there is one.
        beta: (p,) coefficients there, of the columns kept.
        others: (k,) coefficients of other parameters than the mean there.
    """

    w: float
    held: float
    deviance: float
    zeta: float
    slope: float
    theta: FloatArray
    sigma: float
    scale: float
    beta: FloatArray
    others: FloatArray


class Curve:
    """The profile of one parameter of a fit by ML; makes its own workspace.

    Args:
        fitted: A fit by maximum likelihood; not changed.
        parameter: One of `parameters_of(fitted)` with an estimate.
        threads: Threads of an evaluation.
        unbounded: Whether a deviance below that of the fit ends the curve there, as where the
            likelihood is unbounded, instead of refusing the fit.

    Attributes:
        parameter: The parameter.
        minimum: The ML deviance at the optimum.
        coordinate: From what is held to w.
        optimum: The point there.
        small: Whether a search from other starts is affordable.
        ceiling: Deviance from which on the profile of a correlation is flat, else infinity.
        thorough: Whether every point is searched from many starts.
        saturated: Whether sigma is the parameter and its profile may be level down to zero.
        tendency: What the fit tends to as the parameter goes to an end of its range, or None.
    """

    def __init__(
        self, fitted: Fitted, parameter: Parameter, threads: int, *, unbounded: bool = False
    ) -> None:
        core = core_of(fitted, threads)
        self.parameter = parameter
        self._unbounded = unbounded
        self._core = core(parameter.kind, parameter.place)
        self.new_side()
        self._scaled = fitted.solution.residual_sd is not None
        best = self._core.optimum
        self.minimum = best.deviance
        # none where the deviance cannot be computed beside the optimum
        curvature = max(self._core.curvature, 0.0) if isfinite(self._core.curvature) else 0.0
        self.tendency: Tendency | None = tendency_of(fitted, parameter)
        self._curvature = curvature
        unit = self._unit(fitted, best.at, curvature)
        self.coordinate = Coordinate(parameter.kind, unit)
        w = float(self.coordinate.of(best.at))
        slope = sqrt(0.5 * curvature) * self.coordinate.stretch(w)
        self.optimum = self._of(best, w, best.at, 0.0, slope)
        self.small = fitted.model.analysis.flops < _SMALL
        self._as_many_effects_as_rows = _is_saturated(fitted)
        self.saturated = parameter.kind == "sigma" and self._as_many_effects_as_rows
        self._without: CorePoint | None = None  # the lower of two models without one effect
        if parameter.kind == "cor":
            term, *effects = parameter.place
            without = (core("sd", (term, effect, 0)).solve(0.0) for effect in effects)
            self._without = min(without, key=lambda point: point.deviance)
        self.ceiling = inf if self._without is None else self._without.deviance
        rows, random = fitted.solution.n, fitted.model.templates.q
        self.thorough = self.small and self._scaled and random >= rows
        self._few_rows = self.small and random > _FEW_ROWS * rows
        self._converged = fitted.optsum.converged

    def check(self) -> None:
        """Refuse a fit that is not at its lowest minimum.

        Raises:
            NoLimitError: The minimum cannot be found, so that there are no limits.
            LowerDevianceError: It is below that of the fit.
        """
        if self._few_rows:
            self.computed(self.optimum.w, thorough=True)
        if not self._converged:
            self.point(self.optimum.w)

    def _unit(self, fitted: Fitted, at: float, curvature: float) -> float:
        """Scale of a coefficient, or of the asinh of a standard deviation.

        For a standard deviation that cannot be told from zero, the step that zeta of 1 takes,
        unless the curvature there is rounding.
        """
        step = sqrt(2.0 / curvature) if curvature > 0.0 else None
        if self.parameter.kind in ("beta", "own"):
            widest = inf if self.tendency is None else self.tendency.widest()
            return min(1.0 if step is None else step, widest)
        if self.parameter.kind != "sd":
            return 1.0
        natural = self._natural(fitted)
        return max(at, natural if step is None else min(step, _LARGEST_UNIT * natural))

    def _natural(self, fitted: Fitted) -> float:
        """Standard deviation of an effect whose size along the axes is the unit of theta there."""
        model, (term, effect, _) = fitted.model, self.parameter.place
        unit = float(model.axes.unit[self.parameter.position])
        axes: FloatArray | None = model.products.axes(model.templates.groups[term])
        length = 1.0
        if axes is not None:
            length = float(np.linalg.norm(axes[model.templates.term_offsets[term] + effect]))
        return fitted.solution.sigma * unit * length

    # -- how far -------------------------------------------------------------------------

    def is_far(self, point: Point) -> bool:
        """Whether no limit is looked for beyond."""
        if self.parameter.kind == "sd":
            return point.w >= FARTHEST
        return self.tendency is not None and abs(point.w - self.optimum.w) > _LIMIT

    def longest(self, way: float) -> float:
        """Longest step outwards in w, `way` from the optimum; infinite where none is too long."""
        if self.tendency is not None:
            return max(4.0 * way, self.tendency.longest() / self.coordinate.unit)
        if self.parameter.kind in ("sd", "sigma"):
            return max(4.0 * way, FIRST_STEP)
        return inf

    # -- points -------------------------------------------------------------------------

    def new_side(self) -> None:
        """Count searches in vain anew: what is met on one side says nothing of the other."""
        # Points at which the deviance has no minimum, and long searches; whether a search fell.
        self._falls = self._long = 0
        self._fell = self._below = False

    def point(self, w: float) -> Point:
        """The deviance minimised with the parameter held.

        Without one of its effects a model has any correlation: its deviance is a ceiling, from
        which on the profile of a correlation is flat.

        Raises:
            NoLimitError: The minimum cannot be found.
            LowerDevianceError: It is below that of the fit.
        """
        found = self.computed(w)
        if found is None:
            raise NoLimitError(f"{self._name_at(w)}: {self._reason()}")
        return found

    def _name_at(self, w: float) -> str:
        value = to_value(self.parameter.kind, self.coordinate.held(w))
        return f"The profile of {self.parameter.name} cannot be computed at {value:g}"

    def computed(self, w: float, *, thorough: bool = False) -> Point | None:
        """The point, or None where the search over the other parameters does not converge."""
        held = float(self.coordinate.held(w))
        if self._long >= _MOST_LONG:
            raise NoLimitError(f"{self._name_at(w)}: {self._reason()}")
        before = self._core.n_value
        solved = self._core.solve(held, thorough or self.thorough)
        self._long += not self._scaled and self._core.n_value - before > _LONG_SEARCH
        self._fell |= solved.fell and not self._scaled
        if self._without is not None and not solved.deviance < self.ceiling:
            solved = self._without
        if not solved.converged:
            self._falls += solved.deviance < self.minimum - _FALLEN
            if self._falls >= _MOST_FALLS:
                raise NoLimitError(f"{self._name_at(w)}: {self._reason()}")
            return None
        deviance, slope, start = solved.deviance, solved.slope, solved.start
        above = deviance - self.minimum
        if above < -_LOWER and self._unbounded:
            self._below = True
            raise NoLimitError(f"{self._name_at(w)}: {self._reason()}")
        if above < -_LOWER:
            listed = ", ".join(f"{value:.6g}" for value in start)
            raise LowerDevianceError(
                f"The profile of {self.parameter.name} found a deviance {-above:.3g} below that of "
                f"the fit ({self.minimum:.6f}), so the fit has not reached the optimum. Fit again "
                f"from there: start=[{listed}].",
                start,
            )
        side = 1.0 if w >= self.optimum.w else -1.0
        root = sqrt(max(above, 0.0))
        rise = (
            0.5 * side * slope / root * self.coordinate.stretch(w)
            if root > 0.0
            else self.optimum.slope
        )
        return self._of(solved, w, held, side * root, rise)

    def _of(self, found: CorePoint, w: float, held: float, zeta: float, slope: float) -> Point:
        sigma = found.sigma if self._scaled else 1.0
        parts = (found.theta, sigma, found.sigma, found.beta, found.others)
        return Point(w, held, found.deviance, zeta, slope, *parts)

    def near(self, w: float, inner: Point) -> Point:
        """The point at w, or the first one on the way back to `inner` that can be computed."""
        for _ in range(_MOST_FAILURES):
            found = self.computed(w)
            if found is not None:
                return found
            w = 0.5 * (w + inner.w)
        raise NoLimitError(
            f"The profile of {self.parameter.name} cannot be computed beyond "
            f"{to_value(self.parameter.kind, inner.held):g}: {self._reason()}"
        )

    def _reason(self) -> str:
        """Why the minimum over the other parameters cannot be found, and what to do."""
        if self._falls or self._fell or self._below:
            far = "" if self._below else f"by more than {_FALLEN:g} "
            seems = "seems to be" if self._below else "is"
            return (
                f"the deviance falls there {far}below that of the fit and has no minimum, so the "
                f"likelihood of the model {seems} unbounded. Leave out a term, or a predictor of "
                "the dispersion or of zero inflation, that fits single rows exactly; "
                "confint(method='wald') gives limits at the optimum that was found."
            )
        if self._as_many_effects_as_rows and self._scaled:
            return (
                "the model is saturated (there are as many fixed and random effects as rows), and "
                "the best of the other parameters leave too small a residual for the deviance to "
                "be computed. Simplify the random effects."
            )
        return (
            "the search over the other parameters did not converge. Rescale the covariates or "
            "simplify the random effects."
        )

    # -- parameters that tend to an end of their range --------------------------------------

    def levels(self, found: Point, zeta: float) -> Point | None:
        """A point far out where the deviance is level below a limit's; None where it rises.

        Args:
            found: A point on the way.
            zeta: Signed root at the limit; its sign is the side.
        """
        tendency, way = self.tendency, found.w - self.optimum.w
        if tendency is None or abs(way) * self.coordinate.unit < tendency.distance(
            self._curvature, zeta
        ):
            return None
        if not tendency.is_level(*self._rise(found), zeta):
            return None
        # Where nothing can be computed further out (exp overflows), the point itself decides.
        there = (self.computed(self.optimum.w + times * way) for times in (4.0, 2.0, 1.0))
        far = next((point for point in there if point is not None), found)
        return far if tendency.is_level(*self._rise(far), zeta) else None

    def _rise(self, found: Point) -> tuple[float, float]:
        """The deviance above its minimum, and the size of its slope by what is held."""
        return found.zeta**2, abs(2.0 * found.zeta * found.slope) / self.coordinate.unit

    def unbounded_note(self, far: Point, zeta: float) -> str:
        """Why the limit on a side is infinite, of a point that `levels` has found."""
        assert self.tendency is not None
        side = 1 if zeta > 0.0 else -1
        return self.tendency.note(self.parameter, side, far.deviance - self.minimum, zeta)

    # -- models without residuals ----------------------------------------------------------

    def vanishes(self, found: Point, zeta: float) -> bool:
        """Whether a residual of zero stays within `zeta`: sigma has no lower limit but zero.

        With as many effects as rows the covariance of the response is regular without a residual.
        For a small sigma the deviance is a constant plus a multiple of sigma squared, half the
        slope above the constant.
        """
        if not self.saturated or found.w > self.optimum.w - FAR:
            return False
        slope = abs(2.0 * found.zeta * found.slope)
        return slope < _SLOPE and found.zeta**2 + 0.5 * slope < zeta**2

    def level_note(self, last: Point) -> str:
        """What a user should know where the profile of sigma is level from a point on."""
        return (
            f"The deviance is level from {to_value(self.parameter.kind, last.held):.3g} down to "
            "zero: there are as many fixed and random effects as rows, so that the model fits as "
            "well without residuals. The lower limit is 0."
        )

    def jump_note(self, last: Point) -> str:
        """What a user should know where a saturated model's deviance jumps."""
        return (
            f"The profile of {self.parameter.name} cannot be followed beyond "
            f"{to_value(self.parameter.kind, last.held):.6g}, where the lowest deviance found "
            "jumps: there are as many random effects as rows, and the deviance of the other "
            "parameters has many minima. Simplify the random effects."
        )

    def starts_level(self) -> bool:
        """The same of the estimate, where the slope is zero anyway: whether a larger sigma fits."""
        if not self.saturated:
            return False
        larger = self.computed(self.optimum.w + FAR)
        return larger is not None and larger.deviance - self.minimum < _LEVEL


def _is_saturated(fitted: Fitted) -> bool:
    """Whether there are as many fixed and random effects as rows."""
    return fitted.model.templates.q + fitted.solution.p >= fitted.solution.n
