"""Where estimates come from: coefficients, their covariance, degrees of freedom of a row.

Any method of tests on the coefficients will do: those of `inference.degrees`, or another covariance
with degrees of freedom of its own. Also which functions of the coefficients the data determine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mixedmodels.arrays import AnyArray, BoolArray, FloatArray
from mixedmodels.estimates.dependence import dependence_of
from mixedmodels.estimates.linear import Fitted
from mixedmodels.estimates.unknown import PartlyKnown, covariance_of_rows
from mixedmodels.inference.estimable import over_kept

# What cancels but for rounding is zero, lest it counts as a part of an aliased column.
_CANCELLED = 1e-12


class Tests(Protocol):
    """A method of tests on the coefficients that are kept; see `inference.degrees.Degrees`."""

    method: Any
    note: str
    source: str
    beta: FloatArray
    sigma: float

    @property
    def covariance(self) -> FloatArray | PartlyKnown:
        """The covariance of the coefficients kept, for combinations of them."""

    def of_rows(self, L: FloatArray) -> FloatArray:
        """(k,) degrees of freedom of the rows of L beta."""
        ...

    def variances(self, L: FloatArray) -> FloatArray:
        """(k,) variances of the rows of L beta."""
        ...

    def joint(self, L: FloatArray, difference: FloatArray) -> Any:
        """The F test that L beta equals what it differs from by `difference`."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Coefficients and what is known of functions of them.

    Attributes:
        tests: Estimates, variances and degrees of freedom of the coefficients kept.
        kept: (p,) columns of X that are kept.
        dependence: (p, p_all) what the columns of X are made of; None where all are kept.
        names: Names of all columns of X.
        origin: (p_all,) what `dependence` takes from the columns of X, where thresholds stand for
            the intercept; else None.
    """

    tests: Tests
    kept: AnyArray
    dependence: FloatArray | None
    names: tuple[str, ...]
    origin: FloatArray | None = None

    def estimable(self, L: FloatArray, constant: FloatArray | float) -> BoolArray:
        """(k,) whether the data determine the rows of L (k, p_all).

        Args:
            L: The rows.
            constant: What they have of what stands for the intercept.
        """
        if self.dependence is None:
            return np.ones(len(L), dtype=np.bool_)
        if self.origin is not None:
            about = np.broadcast_to(constant, len(L))[:, None] * self.origin
            size = np.abs(L) + np.abs(about)
            L = L - about
            L[np.abs(L) < _CANCELLED * size] = 0.0
        return over_kept(L, self.dependence, self.kept)[1]

    def estimates(
        self, L: FloatArray, constant: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """(k,) each: values of L beta, standard errors, df; NaN where not estimable."""
        good = np.flatnonzero(self.estimable(L, constant))
        rows = L[np.ix_(good, self.kept)]
        found = np.full((3, len(L)), np.nan)
        found[0, good] = rows @ self.tests.beta
        found[1, good] = np.sqrt(np.maximum(self.tests.variances(rows), 0.0))
        found[2, good] = self.tests.of_rows(rows)
        return found[0], found[1], found[2]

    def correlation(self, L: FloatArray) -> FloatArray:
        """(k, k) correlations of estimable rows."""
        rows = L[:, self.kept]
        covariance = covariance_of_rows(rows, self.tests.covariance)
        size = np.sqrt(np.diag(covariance))
        with np.errstate(divide="ignore", invalid="ignore"):
            found: FloatArray = np.where(
                np.eye(len(L)) == 1.0, 1.0, covariance / np.outer(size, size)
            )
        return np.nan_to_num(found)

    def certain(self) -> tuple[FloatArray, FloatArray, str]:
        """(c, p) weights of the coefficients kept, (c,) what these add up to for sure, and why."""
        return np.empty((0, len(self.kept))), np.empty(0), ""

    def why_not(
        self,
        cells: FloatArray,
        constant: float,
        counts: FloatArray,
        label: Callable[[int], str],
    ) -> str:
        """Why a mean of some cells is not estimable.

        Args:
            cells: (cells, p_all) rows of X of the cells with a weight.
            constant: As for `estimable`.
            counts: (cells,) rows of the data with their levels.
            label: What a cell is called.
        """
        bad = np.flatnonzero(~self.estimable(cells, constant))
        empty = [int(cell) for cell in bad if counts[cell] == 0.0]
        if empty:
            shown = "; ".join(label(cell) for cell in empty[:3]) + ("; ..." if empty[3:] else "")
            return f"not estimable: the data have no rows with {shown}."
        kept = set(np.asarray(self.kept).tolist())
        dropped = [name for j, name in enumerate(self.names) if j not in kept]
        shown = ", ".join(dropped[:4]) + (", ..." if dropped[4:] else "")
        return f"not estimable: columns of X depend on others (dropped: {shown})."


def source_of(fitted: Fitted, tests: Any) -> Source:
    """The source of a fit by one method of tests.

    Args:
        fitted: The fit.
        tests: The method.
    """
    design, kept = fitted.model.design, fitted.solution.kept
    whole = len(kept) == len(design.x_names)
    made = None if whole else fitted.once(dependence_of)
    return Source(tests, kept, made, design.x_names, fitted.model.origin)
