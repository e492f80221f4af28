"""The reference prior of the relative covariances, under which theta is averaged over.

For a balanced term whose levels' own least-squares estimates have covariance V over sigma^2, what
the data know of Sigma = lam lam' is what draws from N(0, Sigma + V) know. The prior |Sigma + V|^-s,
with V the inverse of a level's average Z'WZ, gives there every combination z'b of a new level the t
distribution, with the degrees of freedom between levels, that it has over repeated samples. At zero
it is finite in Sigma, so that a variance estimated as zero is not a certainty. For s = 1 it is
Jeffreys' prior and the uniform one of the shrinkage.

References:
    Geisser and Cornfield (1963), J. Royal Statist. Soc. B 25, 368-376, for the power; Daniels
    (1999), Canadian Journal of Statistics 27, 567-578, for the shrinkage.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixedmodels._core import Products
from mixedmodels.arrays import FloatArray
from mixedmodels.covariance import Templates
from mixedmodels.estimates.forward import ForwardAxes


@dataclass(frozen=True, slots=True, eq=False)
class Coordinates:
    """Theta along the forward axes as free numbers, in units: logarithms of diagonal entries.

    The other entries are as they are.

    Attributes:
        templates: What theta means.
        unit: (m,) natural units of theta.
    """

    templates: Templates
    unit: FloatArray

    def theta(self, eta: FloatArray) -> FloatArray:
        """Theta (m,) at the coordinates (m,)."""
        diagonal = self.templates.diagonal
        return np.where(diagonal, np.exp(np.where(diagonal, eta, 0.0)), eta) * self.unit

    def eta(self, theta: FloatArray) -> FloatArray:
        """Coordinates of a theta whose diagonal entries are positive."""
        diagonal = self.templates.diagonal
        relative = theta / self.unit
        return np.where(diagonal, np.log(np.where(diagonal, relative, 1.0)), relative)

    def slope(self, eta: FloatArray) -> FloatArray:
        """(m,) derivative of every theta by its coordinate."""
        return np.where(self.templates.diagonal, self.theta(eta), self.unit)


class Prior:
    """Logarithm of the prior's density in the coordinates, up to a constant.

    Args:
        templates: What theta means.
        products: Cross-products, for the covariance of a level's own estimates.
        coordinates: In which the density is.
    """

    def __init__(self, templates: Templates, products: Products, coordinates: Coordinates) -> None:
        self._templates = templates
        self._coordinates = coordinates
        blocks = [products.diagonal(g).mean(axis=0) for g in range(len(templates.group_names))]
        self.V: list[FloatArray] = []
        self._roots: list[FloatArray] = []
        turns = ForwardAxes.of(products, templates).turns
        self._power = np.zeros(templates.m)
        for t, (size, part) in enumerate(zip(templates.sizes, templates.theta_slices, strict=True)):
            first = templates.term_offsets[t]
            inside = slice(first, first + size)
            own = np.linalg.pinv(blocks[templates.groups[t]][inside, inside])
            self.V.append(turns[t] @ own @ turns[t].T)
            self._roots.append(_root_of(self.V[-1]))
            rows, columns = templates.entries[part, 1], templates.entries[part, 2]
            # dSigma = 2^s prod l_ii^(s - i) dlam (i from 0), and one more for the logarithm.
            self._power[part] = np.where(rows == columns, size - rows + 1.0, 0.0)

    def value(self, eta: FloatArray) -> float:
        """Log density at the coordinates."""
        templates = self._templates
        total = float(self._power @ np.where(templates.diagonal, eta, 0.0))
        for lam, root in zip(templates.lam(self._coordinates.theta(eta)), self._roots, strict=True):
            diagonal = np.abs(np.diag(_triangle(lam, root)))
            with np.errstate(divide="ignore"):
                total -= 2.0 * len(root) * float(np.log(diagonal).sum())
        return total

    def gradient(self, eta: FloatArray) -> FloatArray:
        """(m,) gradient of `value`."""
        templates = self._templates
        slopes = []
        for lam, root in zip(templates.lam(self._coordinates.theta(eta)), self._roots, strict=True):
            triangle = _triangle(lam, root)
            if not np.isfinite(triangle).all():
                slopes.append(np.full_like(lam, np.nan))
                continue
            inverse = np.linalg.pinv(triangle)
            slopes.append(-2.0 * len(root) * (inverse @ (inverse.T @ lam)))
        by_theta = templates.theta_of(slopes)
        gradient: FloatArray = by_theta * self._coordinates.slope(eta) + self._power
        return gradient


def _root_of(V: FloatArray) -> FloatArray:
    """(s, s) a root of a covariance: V = root root'."""
    values, vectors = np.linalg.eigh(V)
    root: FloatArray = vectors * np.sqrt(np.maximum(values, 0.0))
    return root


def _triangle(lam: FloatArray, root: FloatArray) -> FloatArray:
    """(s, s) R with R'R = lam lam' + root root', whose sum would lose the smaller one."""
    found: FloatArray = np.asarray(np.linalg.qr(np.vstack([lam.T, root.T]), mode="r"), np.float64)
    return found
