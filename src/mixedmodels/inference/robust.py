"""Cluster-robust covariances of the fixed effects, and tests by them.

With the bias-reduced linearization CR2 (Bell and McCaffrey 2002), and degrees of freedom by
Satterthwaite under the model as working covariance (Pustejovsky and Tipton 2018, J. Bus. Econ.
Stat. 36, 672-683). Joint tests are their approximate Hotelling T^2 tests.

Everything is in units of sigma and in the orthogonal basis of X until the end. Clusters are indexed
by i; W = V^-1; M = (X'WX)^-1; E_i = A_i W_i X_i with the adjustment A_i of the kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, singledispatch
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.crossprod import triangle_inverse
from mixedmodels.design.partition import LABELS, Partition
from mixedmodels.errors import ModelError
from mixedmodels.estimates.linear import Fitted
from mixedmodels.estimates.tails import f_tail
from mixedmodels.inference.clusters import Rows, batches, cluster_sums, clusters_of
from mixedmodels.inference.degrees import Degrees, FTest, estimates, principal_axes
from mixedmodels.memory import require
from mixedmodels.report.results import TableResult
from mixedmodels.settings import ROBUST_KINDS, DfMethod, RobustKind
from mixedmodels.spelling import chosen_option

# Eigenvalues of the covariance of a cluster's residuals below this, relative to the largest, are 0.
_FLAT = 1e-12
# Part of a variance left by its estimate's own leverage below which it is not estimated.
_NOTHING = 1e-9

_NO_DF = (
    "a single cluster determines it, so that the residuals say nothing of its variance. Use the "
    "covariance of the model, or leave the term out."
)


@dataclass(frozen=True, slots=True, eq=False)
class Sandwich:
    """What a robust covariance and its degrees of freedom are made of; J clusters.

    Attributes:
        M: (p, p) the bread.
        scores: (J, p) E_i'e_i of the residuals e.
        S: (J, p, p) E_i'V_iE_i.
        T: (J, p, p) X_i'E_i.
    """

    M: FloatArray
    scores: FloatArray
    S: FloatArray
    T: FloatArray

    @property
    def vcov(self) -> FloatArray:
        """(p, p) the covariance."""
        half = self.scores @ self.M
        covariance: FloatArray = half.T @ half
        return covariance


def sandwich(fitted: Fitted, clusters: Partition, kind: RobustKind) -> Sandwich:
    """The parts of a robust covariance.

    Raises:
        ResourceError: They would not fit into memory.
    """
    J, p = len(clusters.levels), fitted.solution.p
    require({f"{J} clusters of {p} x {p} numbers": 24.0 * J * p * p}, "vcov_robust")
    rows = Rows.of(fitted)
    with fitted.criterion.at(fitted.solution.axes_theta) as point:
        M = point.fixed_covariance()
    if kind == "CR2":
        return _reduced(rows, clusters, M)
    return _plain(rows, clusters, M, 1.0 if kind == "CR0" else J / (J - 1.0))


def _plain(rows: Rows, clusters: Partition, M: FloatArray, factor: float) -> Sandwich:
    """A_i = sqrt(factor) I: no blocks are needed, for V^-1 e is the weighted residual."""
    J, p = len(clusters.levels), len(M)
    weighted = rows.weighted_X()
    errors = rows.w * rows.conditional
    scores = np.empty((J, p))
    S = np.empty((J, p, p))
    for j in range(p):
        scores[:, j] = cluster_sums(clusters, rows.X[:, j] * errors)
        for k in range(j + 1):
            S[:, j, k] = S[:, k, j] = cluster_sums(clusters, rows.X[:, j] * weighted[:, k])
    root = np.sqrt(factor)
    return Sandwich(M, root * scores, factor * S, root * S)


def _reduced(rows: Rows, clusters: Partition, M: FloatArray) -> Sandwich:
    """A_i = D'(D (V_i - X_i M X_i') D')^(-1/2) D with the Cholesky factor V_i = D'D."""
    J, p = len(clusters.levels), len(M)
    scores, S, T = np.empty((J, p)), np.empty((J, p, p)), np.empty((J, p, p))
    for chosen, at in batches(clusters):
        X, V = rows.X[at], rows.covariance(at)
        L = np.linalg.cholesky(V)
        left = L.transpose(0, 2, 1)
        spread = left @ (V - X @ M @ X.transpose(0, 2, 1)) @ L
        values, vectors = np.linalg.eigh(0.5 * (spread + spread.transpose(0, 2, 1)))
        least = _FLAT * values.max(axis=1, initial=0.0)[:, None]
        powers = np.where(values > least, 1.0 / np.sqrt(np.maximum(values, least)), 0.0)
        scaled = np.linalg.solve(L, X)
        E = L @ (vectors @ (powers[:, :, None] * (vectors.transpose(0, 2, 1) @ scaled)))
        scores[chosen] = np.einsum("kip,ki->kp", E, rows.residual[at])
        half = left @ E
        S[chosen] = half.transpose(0, 2, 1) @ half
        T[chosen] = X.transpose(0, 2, 1) @ E
    return Sandwich(M, scores, S, T)


class Robust(Degrees):
    """Tests by a robust covariance.

    Args:
        fitted: The fit.
        parts: The parts of the covariance.
        source: The covariance in words.
    """

    method: DfMethod = "satterthwaite"

    def __init__(self, fitted: Fitted, parts: Sandwich, source: str) -> None:
        beta, _, sigma = estimates(fitted)
        self._R_inverse = triangle_inverse(fitted.model.products.R)
        self._parts = parts
        self._covariance = parts.vcov
        self._root = np.asarray(np.linalg.cholesky(parts.M), dtype=np.float64)
        self.source = source
        super().__init__(beta, self._R_inverse @ self._covariance @ self._R_inverse.T, sigma)
        if np.isnan(self.of_rows(np.eye(len(beta)))).any():
            self.note = f"No degrees of freedom: {_NO_DF}"

    def variances(self, L: FloatArray) -> FloatArray:
        """(k,) variances, by way of the basis, which keeps digits."""
        rows = L @ self._R_inverse
        found: FloatArray = np.einsum("ki,ij,kj->k", rows, self._covariance, rows)
        return found

    def of_rows(self, L: FloatArray, share: FloatArray | None = None) -> FloatArray:
        """tr(P)^2 / tr(P^2), P_ij = p_i'V p_j being the covariances of the clusters' parts."""
        del share
        return np.array([self._df(m) for m in L @ self._R_inverse @ self._parts.M])

    def _df(self, m: FloatArray) -> float:
        own, U = self._covariances(m[None])
        return _matched(own[:, 0, 0], U[0])

    def _covariances(self, m: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Of functions m (k, p): a (J, k, k) and U (k, J, p), P^st_ij = d_ij a_ist - u_is'u_jt."""
        own = np.einsum("sp,jpq,tq->jst", m, self._parts.S, m, optimize=True)
        U = np.einsum("jqp,sp->sjq", self._parts.T, m, optimize=True) @ self._root
        return own, U

    def joint(self, L: FloatArray, difference: FloatArray) -> FTest:
        """Hotelling's T^2 with the degrees of freedom that match the total variance of L vcov L'.

        Under the working covariance the matrix is referred to a Wishart distribution of the same
        mean and the same sum of variances.
        """
        axes, _ = principal_axes(L @ self.vcov @ L.T)
        q = len(axes)
        if q == 0:
            return FTest(float("nan"), 0, float("nan"), float("nan"))
        rows, left = axes @ L, axes @ difference
        if q == 1:
            df = float(self.of_rows(rows)[0])
            statistic = float(left[0] ** 2 / self.variances(rows)[0])
            return FTest(statistic, 1, df, f_tail(1, df, statistic))
        hotelling = float(left @ np.linalg.solve(rows @ self.vcov @ rows.T, left))
        eta = self._wishart(rows @ self._R_inverse @ self._parts.M)
        den_df = eta - q + 1.0
        if not den_df > 0.0:
            return FTest(float("nan"), q, den_df, float("nan"))
        scale = den_df / eta
        statistic = scale * hotelling / q
        return FTest(statistic, q, den_df, f_tail(q, den_df, statistic), scale)

    def _wishart(self, m: FloatArray) -> float:
        """q (q + 1) over the sum of the variances of the standardised covariance."""
        own, U = self._covariances(m)
        q = len(m)
        expected = own.sum(axis=0) - np.einsum("sjp,tjp->st", U, U)
        root = np.linalg.cholesky(expected)
        own, U = self._covariances(np.asarray(np.linalg.solve(root, m), dtype=np.float64))
        total = 0.0
        for s in range(q):
            for t in range(q):
                total += _variance(own, U, s, t)
        return q * (q + 1) / total


def _matched(own: FloatArray, U: FloatArray) -> float:
    """tr(P)^2 / tr(P^2) of P = diag(own) - U U'; NaN where nothing is estimated."""
    size = np.einsum("jp,jp->j", U, U)
    total = float(own.sum() - size.sum())
    if not total > _NOTHING * float(own.sum()):
        return float("nan")
    inner = U.T @ U
    return total**2 / float(own @ own - 2.0 * (own @ size) + np.sum(inner * inner))


def _variance(own: FloatArray, U: FloatArray, s: int, t: int) -> float:
    """Variance of entry (s, t) of the covariance: sums of P^st P^ts and of P^ss P^tt."""
    cross = np.einsum("jp,jp->j", U[s], U[t])
    size_s, size_t = (np.einsum("jp,jp->j", U[r], U[r]) for r in (s, t))
    inner = U[s].T @ U[t]
    first = own[:, s, t] @ own[:, s, t] - 2.0 * (own[:, s, t] @ cross) + np.sum(inner * inner.T)
    second = own[:, s, s] @ own[:, t, t] - own[:, s, s] @ size_t - own[:, t, t] @ size_s
    return float(first + second + np.sum(inner * inner))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RobustCovariance(TableResult):
    """A cluster-robust covariance (p, p) of the fixed effects, read like a DataFrame.

    Attributes:
        kind: "CR0", "CR1" or "CR2".
        cluster: What the clusters are: a factor, or "labels".
        n_clusters: Number of clusters.
        tests: Tests by it, with its degrees of freedom.
    """

    kind: RobustKind
    cluster: str
    n_clusters: int
    tests: Degrees

    @property
    def stderror(self) -> pd.Series[float]:
        """(p,) standard errors."""
        errors = np.sqrt(np.diag(self.tests.vcov))
        return pd.Series(errors, self.table.index, name="stderror")

    @property
    def heading(self) -> tuple[str, ...]:
        """What it is."""
        return (f"Robust covariance of the fixed effects ({self.tests.source})",)


def robust_by_kind(fitted: Fitted, kind: RobustKind) -> RobustCovariance:
    """The robust covariance for the default clusters, computed once for a fit; as `robust`."""
    kind = chosen_option("kind", kind, ROBUST_KINDS)
    return fitted.once(_BY_KIND[kind])


def _of_kind(fitted: Fitted, kind: RobustKind) -> RobustCovariance:
    return robust(fitted, None, kind)


_BY_KIND: dict[RobustKind, Callable[[Fitted], RobustCovariance]] = {
    kind: partial(_of_kind, kind=kind) for kind in ROBUST_KINDS
}


@singledispatch
def robust(fitted: Any, cluster: Any, kind: RobustKind, data: Any = None) -> RobustCovariance:
    """The robust covariance of a fit; `data` is its table, of which clusters may be a column.

    Raises:
        MixedModelsError: Unknown `kind`, or clusters that cannot be used.
        ModelError: The model has no fixed effects.
        ResourceError: Too much memory would be needed.
    """
    raise NotImplementedError(type(fitted))


@robust.register
def _(fitted: Fitted, cluster: Any, kind: RobustKind, data: Any = None) -> RobustCovariance:
    kind = chosen_option("kind", kind, ROBUST_KINDS)
    model, solution = fitted.model, fitted.solution
    if not solution.p:
        raise ModelError("vcov_robust: the model has no fixed effects.")
    clusters = clusters_of(model.design, cluster, data)
    by = "" if clusters.name == LABELS else f" by {clusters.name}"
    source = f"{kind}{by}, {len(clusters.levels)} clusters"
    tests = Robust(fitted, sandwich(fitted, clusters, kind), source)
    names = [model.design.x_names[j] for j in solution.kept]
    table = pd.DataFrame(tests.vcov.copy(), names, names)
    return RobustCovariance(table, kind, clusters.name, len(clusters.levels), tests)
