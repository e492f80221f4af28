"""Clusters of rows whose errors are independent, and what of a fit is summed over them.

The covariance V of the response has a block for each cluster, so clusters must hold whole levels of
every grouping factor. Blocks are made a few at a time, and only for what needs them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from mixedmodels.arrays import FloatArray, IntArray, LongArray
from mixedmodels.crossprod import triangle_inverse
from mixedmodels.design import Design
from mixedmodels.design.columns import level_labels
from mixedmodels.design.partition import Partition, partition
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.forward import forward_root
from mixedmodels.estimates.linear import Fitted
from mixedmodels.estimates.tables import fixed_mean, random_part
from mixedmodels.memory import require

# Numbers in the blocks made at a time.
_AT_A_TIME = 500_000
# Blocks of one cluster that are held at once.
_BLOCKS = 7


def clusters_of(design: Design, cluster: Any, data: Any = None) -> Partition:
    """The clusters that a user means; those of the coarsest grouping factor if None.

    Raises:
        MixedModelsError: Not such groups of rows, fewer than two, or a level of a grouping factor
            that has rows in several.
    """
    if cluster is None:
        cluster = min(design.groups, key=lambda group: group.n_levels).name
    found = partition("vcov_robust: cluster", cluster, design, data=data)
    if len(found.levels) < 2:
        raise MixedModelsError(
            f"vcov_robust: cluster has {len(found.levels)} cluster; at least 2 are needed."
        )
    _check_nested(design, found)
    return found


def _check_nested(design: Design, clusters: Partition) -> None:
    for group in design.groups:
        own = np.empty(group.n_levels, dtype=np.int32)
        own[group.codes] = clusters.codes
        split = np.flatnonzero(own[group.codes] != clusters.codes)
        if not split.size:
            continue
        level = int(group.codes[split[0]])
        several = np.unique(clusters.codes[group.codes == level])
        shown = ", ".join(f"'{label}'" for label in level_labels(clusters.levels[several[:3]]))
        own_level = level_labels(group.levels[[level]])[0]
        raise MixedModelsError(
            f"vcov_robust: '{group.name}' is not nested in the clusters by {clusters.name}: its "
            f"level '{own_level}' has rows in {len(several)} of them ({shown}"
            f"{', ...' if len(several) > 3 else ''}), whose errors are therefore correlated. "
            "Robust covariances need clusters that hold whole levels of every grouping factor; "
            "with crossed random effects there may be none."
        )


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows of a fit in units of sigma, X in the coordinates of the orthogonal basis.

    Attributes:
        X: (n, p) columns of the basis.
        w: (n,) prior weights.
        residual: (n,) y - offset - X beta.
        conditional: (n,) the same less Z b, so that V^-1 residual = w conditional.
        modes: Per term (n, s) the row's part of Z times a root of the covariance over sigma^2.
        codes: Per term (n,) the level of its grouping factor.
        levels: Per term their number.
    """

    X: FloatArray
    w: FloatArray
    residual: FloatArray
    conditional: FloatArray
    modes: tuple[FloatArray, ...]
    codes: tuple[IntArray, ...]
    levels: tuple[int, ...]

    @classmethod
    def of(cls, fitted: Fitted) -> Rows:
        """The rows of a fit.

        Raises:
            ResourceError: They do not fit into memory.
        """
        model, solution = fitted.model, fitted.solution
        design, templates = model.design, model.templates
        width = solution.p + sum(templates.sizes)
        require({f"{design.n} rows of {width} numbers": 16.0 * design.n * width}, "vcov_robust")
        kept = solution.kept
        residual = design.y - fixed_mean(design, solution.beta)
        modes = random_part(templates, design.groups, design.terms, solution.b, design.n)
        lams = zip(design.terms, templates.lam(solution.theta), strict=True)
        return cls(
            X=design.X[:, kept] @ triangle_inverse(model.products.R),
            w=np.ones(design.n) if design.w is None else design.w,
            residual=residual,
            conditional=residual - modes,
            modes=tuple(term.z @ forward_root(term.z, design.w, lam) for term, lam in lams),
            codes=tuple(design.groups[term.group].codes for term in design.terms),
            levels=tuple(design.groups[term.group].n_levels for term in design.terms),
        )

    def covariance(self, rows: LongArray) -> FloatArray:
        """(k, s, s) blocks of V for k clusters of s rows each (k, s)."""
        k, s = rows.shape
        out = np.zeros((k, s, s))
        out[:, np.arange(s), np.arange(s)] = 1.0 / self.w[rows]
        for modes, codes in zip(self.modes, self.codes, strict=True):
            level, own = codes[rows], modes[rows]
            out += (own @ own.transpose(0, 2, 1)) * (level[:, :, None] == level[:, None, :])
        return out

    def weighted_X(self) -> FloatArray:
        """V^-1 X (n, p), by Woodbury's formula with sparse matrices.

        Raises:
            ResourceError: The random effects do not fit into memory.
        """
        n = len(self.w)
        width = sum(modes.shape[1] for modes in self.modes)
        require({f"{n} rows of {width} random effects": 60.0 * n * width}, "vcov_robust")
        blocks = []
        for modes, codes, levels in zip(self.modes, self.codes, self.levels, strict=True):
            s = modes.shape[1]
            columns = s * codes.astype(np.int64)[:, None] + np.arange(s)
            starts = s * np.arange(n + 1)
            blocks.append(
                scipy.sparse.csr_array(
                    (modes.ravel(), columns.ravel(), starts), shape=(n, s * levels)
                )
            )
        U = scipy.sparse.hstack(blocks, format="csr")
        UW = U.multiply(self.w[:, None]).T.tocsr()
        M = scipy.sparse.csc_array(UW @ U + scipy.sparse.eye_array(U.shape[1]))
        solved = scipy.sparse.linalg.splu(M).solve(UW @ self.X)
        weighted: FloatArray = self.w[:, None] * (self.X - U @ solved)
        return weighted


def batches(clusters: Partition) -> Iterator[tuple[LongArray, LongArray]]:
    """Clusters of equal size, some at a time: their numbers (k,), and their rows (k, s) in order.

    Raises:
        ResourceError: The blocks of the largest cluster do not fit into memory.
    """
    sizes = np.bincount(clusters.codes, minlength=len(clusters.levels))
    largest = float(sizes.max())
    require(
        {f"blocks of {largest:.0f} rows": 8.0 * _BLOCKS * largest**2},
        "vcov_robust(kind='CR2')",
        flops=float(np.sum(20.0 * sizes.astype(np.float64) ** 3)),
        remedy="Use kind='CR1', which needs no blocks, or smaller clusters.",
    )
    order = np.argsort(clusters.codes, kind="stable").astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    for size in np.unique(sizes).tolist():
        alike = np.flatnonzero(sizes == size)
        some = max(1, _AT_A_TIME // size**2)
        for first in range(0, len(alike), some):
            chosen = alike[first : first + some]
            yield chosen, order[starts[chosen][:, None] + np.arange(size)]


def cluster_sums(clusters: Partition, values: FloatArray) -> FloatArray:
    """(clusters,) sums of the values (n,) of the rows."""
    sums = np.bincount(clusters.codes, values, minlength=len(clusters.levels))
    return sums.astype(np.float64, copy=False)
