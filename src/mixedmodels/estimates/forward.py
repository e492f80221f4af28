"""Templates along the forward axes of each term, which the origin of a covariate does not move.

A forward axis is a column of the term less what the columns before it have of it: with an intercept
first, the others are centred. The axes of the core (see `criterion.axes`) run from the last column
to the first, which keeps theta linear in theta along the axes; a rotation leads from one to the
other.
What depends on the coordinates of a template themselves, such as draws by a root of a covariance or
numerical integration over theta, is done along the forward axes, so that it is the same for x and
for x + 1000.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixedmodels._core import Products
from mixedmodels.arrays import FloatArray
from mixedmodels.covariance import Templates

# Pivot of R, relative to its longest column, below which a column depends on those before it.
_DEPENDENT = 1e-13


@dataclass(frozen=True, slots=True, eq=False)
class ForwardAxes:
    """The forward axes of all terms.

    Attributes:
        templates: What theta means.
        turns: Per term (s, s), orthogonal: the forward axes along the core's, a row each.
    """

    templates: Templates
    turns: tuple[FloatArray, ...]

    @classmethod
    def of(cls, products: Products, templates: Templates) -> ForwardAxes:
        """T = R Q with R upper triangular and Q orthogonal, term by term."""
        turns = []
        for size, group, first in zip(
            templates.sizes, templates.groups, templates.term_offsets, strict=True
        ):
            own = slice(first, first + size)
            axes: FloatArray | None = products.axes(group)
            T = np.eye(size) if axes is None else axes[own, own]
            q, r = np.linalg.qr(T[::-1].T)
            sign = np.where(np.diag(r) < 0.0, -1.0, 1.0)
            turns.append((q * sign).T[::-1])
        return cls(templates, tuple(turns))

    def packed(self) -> tuple[list[int], FloatArray]:
        """Sizes of the terms, and their turns column by column, as the core takes them."""
        squares = [Q.ravel(order="F") for Q in self.turns]
        return list(self.templates.sizes), np.concatenate([np.empty(0), *squares])

    def from_axes(self, theta: FloatArray) -> FloatArray:
        """(m,) templates along the forward axes from those along the core's."""
        lams = zip(self.turns, self.templates.lam(theta), strict=True)
        return self.templates.theta_of([_lower(Q @ lam) for Q, lam in lams])

    def to_axes(self, theta: FloatArray) -> FloatArray:
        """The other way."""
        lams = zip(self.turns, self.templates.lam(theta), strict=True)
        return self.templates.theta_of([_lower(Q.T @ lam) for Q, lam in lams])

    def slope(self, at: FloatArray, slope: FloatArray, theta: FloatArray) -> FloatArray:
        """Derivatives (m,) by theta along the forward axes of a function of the covariances.

        Args:
            at: (m,) theta along the core's axes, no diagonal entry zero.
            slope: (m,) derivatives by it.
            theta: (m,) the same templates along the forward axes.
        """
        out = []
        lams = self.templates.lam
        for Q, lam, g, own in zip(self.turns, lams(at), lams(slope), lams(theta), strict=True):
            by_covariance = _by_covariance(lam, g)
            out.append(2.0 * (Q @ by_covariance @ Q.T) @ own)
        return self.templates.theta_of(out)


def forward_root(z: FloatArray, w: FloatArray | None, lam: FloatArray) -> FloatArray:
    """(s, s) a root of lam lam' by which draws are the same for any origin of a covariate.

    Args:
        z: (n, s) the term's columns.
        w: (n,) prior weights, or None.
        lam: (s, s) the term's template.
    """
    if len(lam) == 1:
        return lam
    weighted = np.asarray(z) if w is None else np.sqrt(w)[:, None] * z
    R = np.linalg.qr(weighted)[1]
    R = R * np.where(np.diag(R) < 0.0, -1.0, 1.0)[:, None]
    if np.abs(np.diag(R)).min() <= _DEPENDENT * np.linalg.norm(R, axis=0).max():
        return lam
    root: FloatArray = np.linalg.solve(R, _lower(R @ lam))
    return root


def _lower(square: FloatArray) -> FloatArray:
    """The lower triangle L, no diagonal entry negative, with L L' that of the square."""
    if len(square) == 1:
        return np.abs(square)
    upper: FloatArray = np.linalg.qr(square.T)[1]
    lower: FloatArray = upper.T
    lower *= np.where(np.diag(lower) < 0.0, -1.0, 1.0)
    return lower


def _by_covariance(lam: FloatArray, slope: FloatArray) -> FloatArray:
    """The symmetric D of which the lower triangle of 2 D lam is given."""
    D = np.zeros_like(lam)
    for c in range(len(lam) - 1, -1, -1):
        below = slice(c + 1, None)
        rest = 0.5 * slope[c:, c] - D[c:, below] @ lam[below, c]
        D[below, c] = D[c, below] = rest[1:] / lam[c, c]
        D[c, c] = (0.5 * slope[c, c] - D[c, below] @ lam[below, c]) / lam[c, c]
    return D
