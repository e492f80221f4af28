"""Draws of theta with weights: the restricted likelihood times the reference prior.

With beta under a flat prior and sigma under 1/sigma both integrate out exactly and leave
exp(-REML(theta) / 2). The draws come from a t distribution about the mode by a sequence that fills
space evenly, so they are the same on every call, and carry importance weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from mixedmodels.arrays import FloatArray
from mixedmodels.criterion.linear import LinearCriterion
from mixedmodels.estimates.forward import ForwardAxes
from mixedmodels.estimates.linear import Fitted
from mixedmodels.prediction.prior import Coordinates, Prior

# Degrees of freedom of the distribution that draws come from: tails heavier than the posterior's.
_TAILS = 5.0
_MOST, _LEAST = 400, 32
# Floating-point operations that all draws together may cost.
_BUDGET = 3e9


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Draws of theta.

    Attributes:
        theta: (k, m), along the axes of the terms (see `criterion.axes`).
        weight: (k,) adding up to one.
    """

    theta: FloatArray
    weight: FloatArray

    @property
    def effective(self) -> float:
        """How many equally weighted draws these are worth."""
        return float(1.0 / np.sum(self.weight**2))


def posterior_draws(fitted: Fitted, criterion: LinearCriterion, rows: int) -> Draws:
    """Draws for predictions at so many rows.

    Args:
        fitted: The fit.
        criterion: The REML criterion in a workspace that is not shared.
        rows: Rows to predict; many of them make a draw expensive.
    """
    target = _LogPosterior(fitted, criterion)
    mode, root = target.mode()
    m = len(mode)
    analysis = criterion.workspace.analysis
    cost = 4.0 * (analysis.flops + 10.0 * analysis.stored) + 200.0 * rows + 1e4
    count = int(np.clip(_BUDGET / cost, _LEAST, _MOST))
    half = _even_t(count // 2, m)
    # Pairs on either side of the mode leave no error that is odd about it.
    scaled = np.concatenate([half, -half])
    eta = mode + scaled @ root.T
    log_weight = np.array([target.value(row) for row in eta])
    log_weight += 0.5 * (_TAILS + m) * np.log1p(np.sum(scaled**2, axis=1) / _TAILS)
    log_weight[~np.isfinite(log_weight)] = -np.inf
    weight = np.exp(log_weight - log_weight.max())
    theta = np.array([target.at(row) for row in eta])
    return Draws(theta, weight / weight.sum())


class _LogPosterior:
    """-REML/2 + log prior over the coordinates, with its gradient and mode."""

    def __init__(self, fitted: Fitted, criterion: LinearCriterion) -> None:
        self._criterion = criterion
        self._templates = templates = fitted.model.templates
        self._forward = ForwardAxes.of(fitted.model.products, templates)
        self._start = self._forward.from_axes(fitted.solution.axes_theta)
        self.coordinates = Coordinates(templates, criterion.unit)
        self._prior = Prior(templates, fitted.model.products, self.coordinates)

    def at(self, eta: FloatArray) -> FloatArray:
        """Theta along the axes at the coordinates, which are those of the forward axes."""
        return self._forward.to_axes(self.coordinates.theta(eta))

    def value(self, eta: FloatArray) -> float:
        return -0.5 * self._criterion.value(self.at(eta)) + self._prior.value(eta)

    def gradient(self, eta: FloatArray) -> FloatArray:
        at = self.at(eta)
        slope = self._criterion.gradient(at)
        by_theta = self._forward.slope(at, slope, self.coordinates.theta(eta))
        return -0.5 * by_theta * self.coordinates.slope(eta) + self._prior.gradient(eta)

    def mode(self) -> tuple[FloatArray, FloatArray]:
        """The mode (m,) and a root (m, m) of the covariance that the curvature there gives."""
        eta = self._inside()
        root = self._root(eta)
        found = scipy.optimize.minimize(
            lambda x: self._flipped(eta + root @ x),
            np.zeros(len(eta)),
            jac=lambda x: -root.T @ self.gradient(eta + root @ x),
            method="BFGS",
            options={"gtol": 1e-2, "maxiter": 50},
        )
        mode: FloatArray = eta + root @ found.x
        return mode, self._root(mode)

    def _flipped(self, eta: FloatArray) -> float:
        value = self.value(eta)
        return -value if np.isfinite(value) else 1e300

    def _inside(self) -> FloatArray:
        """Coordinates of the fit, diagonal entries near zero moved to where the data have a say."""
        templates = self._templates
        floor = [0.3 * np.sqrt(np.diag(V)) for V in self._prior.V]
        least = np.concatenate(floor)
        diagonal = templates.diagonal
        theta = np.array(self._start)
        theta[diagonal] = np.maximum(theta[diagonal], least)
        return self.coordinates.eta(theta)

    def _root(self, eta: FloatArray) -> FloatArray:
        """A root of the inverse curvature at a point, its eigenvalues kept within reason."""
        m, step = len(eta), 1e-3
        curvature = np.empty((m, m))
        for j in range(m):
            shift = step * np.eye(m)[j]
            curvature[j] = (self.gradient(eta - shift) - self.gradient(eta + shift)) / (2.0 * step)
        values, vectors = np.linalg.eigh(0.5 * (curvature + curvature.T))
        root: FloatArray = vectors / np.sqrt(np.maximum(values, 0.25))
        return root


def _even_t(count: int, m: int) -> FloatArray:
    """(count, m) draws of a standard t distribution, evenly spread.

    By the additive recurrence on the generalised golden ratio (Roberts 2018, after Weyl).
    """
    ratio = 2.0
    for _ in range(60):
        ratio = (1.0 + ratio) ** (1.0 / (m + 2.0))
    steps = ratio ** -np.arange(1.0, m + 2.0)
    uniform = (0.5 + np.multiply.outer(np.arange(1.0, count + 1.0), steps)) % 1.0
    uniform = np.clip(uniform, 1e-12, 1.0 - 1e-12)
    chi2 = 2.0 * scipy.special.gammaincinv(0.5 * _TAILS, uniform[:, m])
    draws: FloatArray = scipy.special.ndtri(uniform[:, :m]) * np.sqrt(_TAILS / chi2)[:, None]
    return draws
