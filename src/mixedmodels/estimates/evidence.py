"""Why (co)variances cannot be told apart: what the words of `identified` are chosen by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.design import Design


class Evidence(Protocol):
    """Questions on the columns of a model, answered from rows or from sums over them."""

    @property
    def rank(self) -> int:
        """Independent columns of X."""

    def same_groups(self, a: int, b: int) -> bool:
        """Whether two grouping factors divide the rows into the same groups."""

    def dependent(self, terms: tuple[int, ...]) -> bool:
        """Whether the columns of terms on one grouping factor are linearly dependent."""

    def constant_within(self, t: int, j: int) -> bool:
        """Whether a column of a term does not vary within the levels of its factor."""


@dataclass(frozen=True, slots=True, eq=False)
class RowEvidence:
    """Answers from the rows."""

    design: Design

    @property
    def rank(self) -> int:
        """Independent columns of X."""
        X = self.design.X
        return int(np.linalg.matrix_rank(X)) if X.size else 0

    def same_groups(self, a: int, b: int) -> bool:
        """Whether two grouping factors divide the rows into the same groups."""
        first, second = self.design.groups[a].codes, self.design.groups[b].codes
        pairs = len(np.unique(first.astype(np.int64) * (int(second.max()) + 1) + second))
        return pairs == len(np.unique(first)) == len(np.unique(second))

    def dependent(self, terms: tuple[int, ...]) -> bool:
        """Whether the columns of terms on one grouping factor are linearly dependent."""
        z: FloatArray = np.hstack([self.design.terms[t].z for t in terms])
        size = np.linalg.norm(z, axis=0)
        scaled = z / np.where(size > 0.0, size, 1.0)
        return bool(np.linalg.matrix_rank(scaled, tol=1e-9) < z.shape[1])

    def constant_within(self, t: int, j: int) -> bool:
        """Whether a column of a term does not vary within the levels of its factor."""
        term = self.design.terms[t]
        group = self.design.groups[term.group]
        first = np.zeros(group.n_levels)
        first[group.codes] = term.z[:, j]
        return bool(np.array_equal(first[group.codes], term.z[:, j]))
