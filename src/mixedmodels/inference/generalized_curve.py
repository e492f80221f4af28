"""The profile of one parameter of a generalized model: the criterion minimised with it held.

The core searches, as for linear models (`ProfileCurve`). A standard deviation or correlation
is held in the template of its term; a coefficient, a parameter of the family or a threshold is a
number made of those parameters of the criterion that are not theta.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mixedmodels._core import ProfilePoint
from mixedmodels.arrays import FloatArray
from mixedmodels.criterion.generalized import HeldNumber
from mixedmodels.errors import ModelError
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.own import own_coefficients
from mixedmodels.families.base import THRESHOLDS
from mixedmodels.inference.held import Core, core_of
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
        others: (k,) coefficients of other parameters than the mean there.
        converged: Whether the minimum was found.
        fell: Whether a search for it was given up far below the optimum.
        start: (m + p + k,) all parameters there.
    """

    at: float
    deviance: float
    slope: float
    theta: FloatArray
    sigma: float
    beta: FloatArray
    others: FloatArray
    converged: bool
    fell: bool
    start: FloatArray


class GeneralizedCurve:
    """The profile of one parameter of a fit, in a workspace of its own.

    Args:
        fitted: The fit; not changed.
        kind: Kind of the parameter.
        place: Its place.
    """

    def __init__(self, fitted: GeneralizedFitted, kind: Kind, place: tuple[int, ...]) -> None:
        model, solution = fitted.model, fitted.solution
        self._fitted = fitted
        criterion = model.criterion()
        self._to_user = criterion.to_user
        self._m, self._p = model.templates.m, solution.p
        self._others = own_coefficients(fitted).of
        held = self._held(kind, place, len(solution.par))
        self._core = criterion.profile_curve(
            {"sigma": "own"}.get(kind, kind),
            place,
            held,
            solution.par,
            solution.covariance_of.hessian,
        )
        best = self._core.optimum
        slope = 0.0 if abs(best.slope) < _FLAT else best.slope
        self.optimum = self._point(best, solution.objective, slope)
        self.curvature = self._core.curvature

    @property
    def n_value(self) -> int:
        """Evaluations of the criterion so far."""
        return self._core.n_value

    def solve(self, held: float, thorough: bool = False) -> HeldPoint:
        """The constrained minimum; from several starts where it is to be thorough."""
        found = self._core.solve(held, thorough)
        return self._point(found, found.deviance, found.slope)

    def _held(self, kind: Kind, place: tuple[int, ...], size: int) -> HeldNumber:
        m, p = self._m, self._p
        if kind in ("sd", "cor"):
            return HeldNumber(np.zeros(size - m), 0.0, [])
        at, gaps = m + place[1], list[int]()
        if kind == "sigma":
            at = m + p + self._fitted.scale_places[0]
        elif kind == "own":
            first, gaps = self._own_places()[place[1]]
            at, gaps = m + p + first, [p + gap for gap in gaps]
        zero = self._to_user(np.zeros(size))
        J = self._to_user(np.eye(size)) - zero  # row by row of the criterion's parameters
        return HeldNumber(np.ascontiguousarray(J[m:, at]), float(zero[at]), gaps)

    def _own_places(self) -> list[tuple[int, list[int]]]:
        """Of every further coefficient its place in psi; of a threshold the first, and the gaps."""
        found: list[tuple[int, list[int]]] = []
        for part in self._fitted.model.components:
            if part.role == THRESHOLDS:
                found += [(0, list(range(1, j + 1))) for j in range(len(part.names))]
            elif part.shown:
                found += [(part.first + j, []) for j in range(len(part.names))]
        return found

    def _point(self, found: ProfilePoint, deviance: float, slope: float) -> HeldPoint:
        m, p = self._m, self._p
        user = self._to_user(np.concatenate([np.zeros(m), found.others]))
        places = self._fitted.scale_places
        with np.errstate(over="ignore"):  # a parameter that may go to infinity, as k does
            own = float(np.exp(user[m + p + places[0]])) if places else 1.0
        return HeldPoint(
            at=found.at,
            deviance=deviance,
            slope=slope,
            theta=found.theta,
            sigma=own,
            beta=user[m : m + p],
            others=self._others(user[m + p :]),
            converged=found.converged,
            fell=found.fell,
            start=np.concatenate([found.theta, user[m:]]),
        )


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
