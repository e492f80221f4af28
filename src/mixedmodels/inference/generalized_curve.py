"""The profile of one parameter of a generalized model: the criterion minimised with it held.

The search is the core's, as for linear models (`ProfileCurve`). A standard deviation or correlation
is held in the template of its term; a coefficient, a parameter of the family or a threshold is a
number made of those parameters of the criterion that are not theta.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mixedmodels._core import ProfileCurve, ProfilePoint
from mixedmodels.arrays import FloatArray
from mixedmodels.errors import ModelError
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.inference.curves import Core, core_of
from mixedmodels.inference.parameters import Kind

# Slope of the criterion at the optimum of the fit below which it is rounding of the search.
_FLAT = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class HeldPoint:
    """The constrained minimum at one value; as the core's `ProfilePoint`.

    Attributes:
        at: What is held.
        deviance: The criterion.
        slope: Its derivative by what is held.
        theta: (m,) there.
        sigma: The family's own parameter, or 1.
        beta: (p,) coefficients there.
        converged: Whether the minimum was found.
    """

    at: float
    deviance: float
    slope: float
    theta: FloatArray
    sigma: float
    beta: FloatArray
    converged: bool


@dataclass(frozen=True, slots=True, eq=False)
class HeldNumber:
    """What is held of the parameters that are not theta, by those of the criterion.

    Attributes:
        h: (p + k,) its derivatives where it is linear.
        offset: What it is where all are zero.
        gaps: Places in `h` of parameters whose exponentials are added.
    """

    h: FloatArray
    offset: float
    gaps: list[int]


class GeneralizedCurve:
    """The profile of one parameter of a fit, in a workspace of its own.

    Args:
        fitted: The fit; not changed.
        kind: Kind of the parameter.
        place: Its place.
    """

    def __init__(self, fitted: GeneralizedFitted, kind: Kind, place: tuple[int, ...]) -> None:
        model, solution = fitted.model, fitted.solution
        templates = model.templates
        self._fitted = fitted
        criterion = model.criterion()
        self._to_user = criterion.to_user
        self._m, self._p = templates.m, solution.p
        held = self._held(kind, place, len(solution.par))
        places = zip(templates.groups, templates.term_offsets, templates.sizes, strict=True)
        core_kind = {"sigma": "own"}.get(kind, kind)
        self._core = ProfileCurve(
            criterion.workspace.evaluator,
            list(map(list, places)),
            core_kind,
            list(place),
            held.h,
            held.offset,
            held.gaps,
            solution.par,
            solution.covariance_of.hessian,
        )
        best = self._core.optimum
        slope = 0.0 if abs(best.slope) < _FLAT else best.slope
        self.optimum = self._point(best, solution.objective, slope)
        self.curvature = self._core.curvature

    def solve(self, held: float, thorough: bool = False) -> HeldPoint:
        """The constrained minimum; from several starts where it is to be thorough."""
        found = self._core.solve(held, thorough)
        return self._point(found, found.deviance, found.slope)

    def _held(self, kind: Kind, place: tuple[int, ...], size: int) -> HeldNumber:
        m, p = self._m, self._p
        if kind in ("sd", "cor"):
            return HeldNumber(np.zeros(size - m), 0.0, [])
        at = m + place[1] if kind == "beta" else m + p + self._fitted.scale_places[0]
        zero = self._to_user(np.zeros(size))
        J = self._to_user(np.eye(size)) - zero  # row by row of the criterion's parameters
        return HeldNumber(np.ascontiguousarray(J[m:, at]), float(zero[at]), [])

    def _point(self, found: ProfilePoint, deviance: float, slope: float) -> HeldPoint:
        m, p = self._m, self._p
        user = self._to_user(np.concatenate([np.zeros(m), found.others]))
        places = self._fitted.scale_places
        with np.errstate(over="ignore"):  # a parameter that may go to infinity, as k does
            own = float(np.exp(user[m + p + places[0]])) if places else 1.0
        beta = user[m : m + p]
        return HeldPoint(found.at, deviance, slope, found.theta, own, beta, found.converged)


@core_of.register
def _(fitted: GeneralizedFitted, threads: int) -> Callable[[Kind, tuple[int, ...]], Core]:
    if fitted.model.nodes == 0:
        raise ModelError(
            "A profile needs the likelihood of the coefficients, which n_agq=0 leaves to the "
            "modes. Fit with n_agq of 1 or more."
        )
    del threads  # small models: parameters are done at a time

    def made(kind: Kind, place: tuple[int, ...]) -> Core:
        return GeneralizedCurve(fitted, kind, place)

    return made
