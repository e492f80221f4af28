"""The profile of one parameter of a generalized model: the criterion minimised with it held.

The same members as the core's `ProfileCurve` for linear models. The held parameter is one of the
coordinates of the search: a template's rows are put in another order, so that a standard deviation
is its first diagonal entry, and the arcsine of a correlation the angle of its second row. The
criterion does not depend on which square root a covariance has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy

from mixedmodels.arrays import FloatArray, LongArray
from mixedmodels.criterion.generalized import LaplaceCriterion
from mixedmodels.errors import ModelError
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.inference.curves import Core, core_of
from mixedmodels.inference.parameters import Kind

# Largest predicted decrease at which a constrained minimum counts as found, and steps of a search.
_FOUND, _MOST_STEPS = 1e-7, 60
# Step of differences of the map of a template, relative to its size.
_STEP = 1e-6
# Standard deviation at which the curvature at a variance of zero is taken, in natural units.
_NEAR_ZERO = 0.1


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


class Coordinates:
    """Parameters as users know them by coordinates of which one is the held parameter.

    Args:
        fitted: The fit.
        kind: Kind of the parameter.
        place: Its place (see `Parameter`).
    """

    def __init__(self, fitted: GeneralizedFitted, kind: Kind, place: tuple[int, ...]) -> None:
        templates = fitted.model.templates
        self._m, p = templates.m, fitted.solution.p
        self._kind = kind
        self._part: slice | None = None
        if kind in ("sd", "cor"):
            term, first, second = place
            self._part = templates.theta_slices[term]
            size = templates.sizes[term]
            front = [first] if kind == "sd" else [first, second]
            self._order = np.array(front + [i for i in range(size) if i not in front])
            self._columns, self._rows = np.triu_indices(size)
            inside = (
                0
                if kind == "sd"
                else int(np.flatnonzero((self._rows == 1) & (self._columns == 0))[0])
            )
            self.held = self._part.start + inside
        elif kind == "beta":
            self.held = self._m + place[1]
        else:
            self.held = self._m + p + fitted.scale_places[0]

    def to_user(self, at: FloatArray) -> FloatArray:
        """Parameters from coordinates."""
        out = np.array(at)
        if self._part is not None:
            out[self._part] = self._theta(at[self._part])
        return out

    def of_user(self, user: FloatArray) -> FloatArray:
        """Coordinates from parameters."""
        out = np.array(user)
        if self._part is not None:
            lam = self._lower(user[self._part])[self._order]
            own = _lower_root(lam)
            if self._kind == "cor":
                length = float(np.hypot(own[1, 0], own[1, 1]))
                own[1, 0], own[1, 1] = np.arctan2(own[1, 0], own[1, 1]), length
            out[self._part] = own[self._rows, self._columns]
        return out

    def slope(self, at: FloatArray, by_user: FloatArray) -> FloatArray:
        """Derivatives by the coordinates from those by parameters."""
        out = np.array(by_user)
        if self._part is None:
            return out
        own = at[self._part]
        size = max(float(np.abs(own).max()), 1e-8)
        J = np.empty((len(own), len(own)))
        for j in range(len(own)):
            move = np.zeros(len(own))
            move[j] = _STEP * size
            J[:, j] = (self._theta(own + move) - self._theta(own - move)) / (2.0 * move[j])
        out[self._part] = J.T @ by_user[self._part]
        return out

    def _lower(self, values: FloatArray) -> FloatArray:
        lam = np.zeros((len(self._order), len(self._order)))
        lam[self._rows, self._columns] = values
        return lam

    def _theta(self, values: FloatArray) -> FloatArray:
        lam = self._lower(values)
        if self._kind == "cor":
            angle, length = lam[1, 0], lam[1, 1]
            lam[1, 0], lam[1, 1] = length * np.sin(angle), length * np.cos(angle)
        back = np.empty_like(lam)
        back[self._order] = lam
        return _lower_root(back)[self._rows, self._columns]


def _lower_root(square: FloatArray) -> FloatArray:
    """The lower triangle with the same cross-product of rows, its diagonal not negative."""
    triangle = np.asarray(np.linalg.qr(square.T, mode="r")).T
    signs = np.where(np.diag(triangle) < 0.0, -1.0, 1.0)
    lower: FloatArray = triangle * signs
    return lower


class GeneralizedCurve:
    """The profile of one parameter of a fit, in a workspace of its own.

    Args:
        fitted: The fit; not changed.
        kind: Kind of the parameter.
        place: Its place.
    """

    def __init__(self, fitted: GeneralizedFitted, kind: Kind, place: tuple[int, ...]) -> None:
        self._fitted = fitted
        self._criterion: LaplaceCriterion = fitted.model.own_criterion()
        self._of = Coordinates(fitted, kind, place)
        self._J = self._criterion.to_user(np.eye(len(fitted.solution.par)))
        user = self._criterion.to_user(np.array(fitted.solution.par))
        self._best = self._of.of_user(user)
        self._last = self._best
        self._scale = self._scales()
        held = self._of.held
        slope, value = self._gradient(self._best)[held], fitted.solution.objective
        self.optimum = self._point(self._best, value, 0.0 if abs(slope) < 1e-3 else slope, True)
        self.curvature = self._curvature()

    def solve(self, held: float, thorough: bool = False) -> HeldPoint:
        """The constrained minimum; from the optimum of the fit too where it is to be thorough."""
        starts = [self._last, self._best] if thorough else [self._last]
        found = min((self._from(start, held) for start in starts), key=lambda f: f[1].deviance)
        if not found[1].converged and not thorough:
            found = self._from(self._best, held)
        if found[1].converged:
            self._last = found[0]
        return found[1]

    # -- the search ------------------------------------------------------------------------

    def _scales(self) -> FloatArray:
        """(k, k) columns along which the criterion of the free coordinates is near to quadratic."""
        free = self._free()
        hessian = np.empty((len(free), len(free)))
        base, units = self._best, self._units()
        for k, j in enumerate(free):
            move = np.zeros_like(base)
            move[j] = 1e-3 * units[j]
            up, down = self._gradient(base + move), self._gradient(base - move)
            hessian[k] = (up - down)[free] / (2.0 * move[j])
        own = 1.0 / units[free]
        hessian = 0.5 * (hessian + hessian.T) / np.outer(own, own)
        values, vectors = np.linalg.eigh(hessian)
        floor = 1e-3 * max(float(np.abs(values).max(initial=0.0)), 1e-8)
        scaled: FloatArray = vectors / np.sqrt(np.maximum(np.abs(values), floor)) / own[:, None]
        return scaled

    def _free(self) -> LongArray:
        return np.flatnonzero(np.arange(len(self._best)) != self._of.held)

    def _units(self) -> FloatArray:
        """(m + p + k,) steps of the size of standard errors."""
        errors = np.sqrt(np.abs(np.diag(self._fitted.solution.covariance_of.user)))
        usual = 0.1 * np.maximum(np.abs(self._best), 0.1)
        return np.where(np.isfinite(errors) & (errors > 0.0), errors, usual)

    def _from(self, start: FloatArray, held: float) -> tuple[FloatArray, HeldPoint]:
        free, base = self._free(), np.array(start)
        base[self._of.held] = held

        def at(x: FloatArray) -> FloatArray:
            out = np.array(base)
            out[free] += self._scale @ x
            return out

        def both(x: FloatArray) -> tuple[float, FloatArray]:
            value, slope = self._evaluated(at(x))
            if not np.isfinite(value):
                return 1e300, np.zeros(len(x))
            return value, self._scale.T @ slope[free]

        x = np.zeros(len(free))
        if len(free):
            search = scipy.optimize.minimize(
                both, x, jac=True, method="BFGS", options={"gtol": 3e-6, "maxiter": _MOST_STEPS}
            )
            x = search.x
        end = at(x)
        value, slope = self._evaluated(end)
        left = self._scale.T @ slope[free]
        converged = bool(np.isfinite(value)) and 0.5 * float(left @ left) < _FOUND * (
            1.0 + 1e-6 * abs(value)
        )
        return end, self._point(end, value, float(slope[self._of.held]), converged)

    def _evaluated(self, at: FloatArray) -> tuple[float, FloatArray]:
        """The criterion and its derivatives by the coordinates."""
        par = self._criterion.from_user(self._of.to_user(at))
        with self._criterion.at(par) as point:
            value = point.value
            slope = point.gradient() if np.isfinite(value) else np.full(len(par), np.nan)
        return value, self._of.slope(at, np.linalg.solve(self._J, slope))

    def _gradient(self, at: FloatArray) -> FloatArray:
        return self._evaluated(at)[1]

    def _point(self, at: FloatArray, value: float, slope: float, converged: bool) -> HeldPoint:
        solution = self._fitted.solution
        m, p = len(solution.theta), solution.p
        user = self._of.to_user(at)
        places = self._fitted.scale_places
        own = float(np.exp(user[m + p + places[0]])) if places else 1.0
        held = float(at[self._of.held])
        return HeldPoint(held, value, slope, user[:m], own, user[m : m + p], converged)

    def _curvature(self) -> float:
        """Second derivative of the minimised criterion, by its slopes beside the optimum."""
        held = self._of.held
        if self.optimum.at == 0.0 and held < len(self._fitted.solution.theta):
            step = _NEAR_ZERO * float(self._fitted.model.axes.unit[held])
            return self._from(self._best, step)[1].slope / step
        step = 0.01 * float(self._units()[held])
        up = self._from(self._best, self.optimum.at + step)[1].slope
        down = self._from(self._best, self.optimum.at - step)[1].slope
        return (up - down) / (2.0 * step)


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
