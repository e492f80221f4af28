"""The profiled criterion of a linear mixed model over theta: the ML deviance or the REML criterion.

Which of the two is chosen when a criterion is made. Both work in the same workspace, so that making
one costs nothing. Parameters are theta along the axes of the terms (see `axes`).
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import mixedmodels._core as _core
from mixedmodels.arrays import FloatArray, IntArray, LongArray
from mixedmodels.criterion.axes import ThetaAxes
from mixedmodels.criterion.base import SearchSettings
from mixedmodels.criterion.core_search import CoreSearch
from mixedmodels.criterion.point import LinearPoint, point_at
from mixedmodels.criterion.workspace import Workspace
from mixedmodels.settings import Control

# Flops of a factorization above which the core's search stops at a larger predicted decrease of the
# criterion than usual, which is still far below statistical error.
_COSTLY, _COARSE = 2e9, 1e-7


class RowsElsewhere(NamedTuple):
    """Rows of a model that was made from sums, and how many rows its levels have.

    Attributes:
        codes: For each grouping factor: (n,) int32 level of each row.
        z: For each grouping factor: the (n, s) columns of its terms.
        X: (n, p_all) fixed-effects columns, in Fortran order.
        y: (n,) response.
        w: (n,) positive weights, or None.
        offset: (n,) offset, or None.
        of_levels: Rows of each level in the whole model, factor after factor.
    """

    codes: list[IntArray]
    z: list[list[FloatArray]]
    X: FloatArray
    y: FloatArray
    w: FloatArray | None
    offset: FloatArray | None
    of_levels: LongArray


class LinearCriterion(CoreSearch):
    """The ML deviance or the REML criterion of one model.

    Args:
        workspace: The workspace of the model.
        reml: Restricted maximum likelihood, else maximum likelihood.

    Attributes:
        workspace: The workspace of the model.
        reml: Whether it is the REML criterion.
    """

    __slots__ = ("reml", "workspace")

    workspace: Workspace

    def __init__(self, workspace: Workspace, *, reml: bool) -> None:
        self.workspace = workspace
        self.reml = reml

    # -- parameters ------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """(m,) names of theta."""
        return self.workspace.templates.names

    @property
    def lower_bounds(self) -> FloatArray:
        """(m,) 0 for diagonal entries, -inf for the others."""
        return self.workspace.templates.lower_bounds

    @property
    def axes(self) -> ThetaAxes:
        """The maps between theta and theta along the axes."""
        return self.workspace.axes

    @property
    def unit(self) -> FloatArray:
        """(m,) natural unit of theta: one over the root mean square of the column of Z."""
        return self.workspace.evaluator.unit

    def typical_size(self, start: FloatArray) -> FloatArray:
        """(m,) for every theta the start of the diagonal entry in its row, at least a little."""
        templates = self.workspace.templates
        diagonal = {
            (term, row): value
            for (term, row, column), value in zip(templates.entries.tolist(), start, strict=True)
            if row == column
        }
        size = np.array([diagonal[term, row] for term, row, _ in templates.entries.tolist()])
        unit = self.unit
        floor = 1e-3 * max(1e-3, float(np.abs(start / unit).max()))
        sizes: FloatArray = np.maximum(np.abs(size), floor * unit)
        return sizes

    def to_user(self, par: FloatArray) -> FloatArray:
        """(..., m) theta of the columns of Z as the user has them."""
        return self.axes.from_axes(par)

    def from_user(self, values: FloatArray) -> FloatArray:
        """(..., m) theta along the axes."""
        return self.axes.to_axes(values)

    def start_from(self, given: npt.ArrayLike) -> FloatArray:
        """(m,) theta along the axes with nonnegative diagonal entries.

        Raises:
            MixedModelsError: Not numbers, the wrong length, or a value that is not finite.
        """
        theta = self.axes.checked(given, "start")
        return self.workspace.templates.rectify(self.axes.to_axes(theta))

    # -- the criterion ---------------------------------------------------------------------

    def at(self, par: FloatArray) -> AbstractContextManager[LinearPoint]:
        """The criterion evaluated at a theta, where nothing else moves the workspace."""
        return point_at(LinearPoint, self.workspace, par, reml=self.reml)

    def value(self, par: FloatArray) -> float:
        """The criterion; NaN where it cannot be computed in floating point."""
        with self.at(par) as point:
            return point.value

    def gradient(self, par: FloatArray) -> FloatArray:
        """(m,) exact gradient."""
        with self.at(par) as point:
            return point.gradient()

    def hessian(self, par: FloatArray, budget: float = math.inf) -> FloatArray:
        """(m, m) second derivatives, as `LinearPoint.hessian`."""
        with self.at(par) as point:
            return point.hessian(budget)

    def without_random_effects(self) -> float:
        """The criterion of the linear regression."""
        return self.value(np.zeros(len(self.names)))

    def identifiability(self) -> tuple[float, float]:
        """How well the data distinguish the parameters, independent of the point.

        Returns:
            The least pivot of the scaled Gram matrix of the derivatives of V, and the least part of
            a column of Z that X leaves over.
        """
        found = self.workspace.evaluator.identifiability(self.reml)
        return found.pivot, found.share

    # -- searches in the core --------------------------------------------------------------

    def starts(self) -> list[FloatArray]:
        """Starts by moments: one, or two where there may be two basins."""
        starts: list[FloatArray] = self.workspace.evaluator.starts()
        return starts

    def _options(self, settings: SearchSettings) -> _core.SearchOptions:
        control, watch, idle = settings.control, settings.watch, settings.idle
        return _core.SearchOptions(
            reml=self.reml,
            search=_core.SearchSettings(control.max_evaluations, decrement=_COARSE)
            if self.workspace.analysis.flops > _COSTLY
            else _core.SearchSettings(control.max_evaluations),
            gtol=control.gtol,
            restart=settings.restart,
            progress=watch,
            every=0.0 if watch is None else watch.every,
            dead=None if idle is None else idle.dead,
            settled=None if idle is None else idle.settled,
        )

    def refit(
        self, responses: FloatArray, start: FloatArray, control: Control, threads: int
    ) -> _core.Refits:
        """Fits to responses (replicates, n), in workspaces of their own.

        Args:
            responses: The responses.
            start: (m,) theta along the axes where every search begins.
            control: Limits.
            threads: Threads, each with a workspace.

        Returns:
            theta (along the axes), beta, sigma, objective and status (0 when converged).
        """
        settings = _core.SearchSettings(control.max_evaluations)
        return self.workspace.evaluator.refit(responses, start, self.reml, settings, threads)

    def fit_without(
        self,
        sets: tuple[LongArray, LongArray],
        start: FloatArray,
        control: Control,
        newton: FloatArray | None,
        forward: tuple[list[int], FloatArray],
        threads: int,
        elsewhere: RowsElsewhere | None = None,
    ) -> _core.Deletions:
        """Fits without each of several sets of rows, in workspaces of their own.

        Args:
            sets: Starts of the sets and the rows, rows[start[i]:start[i + 1]].
            start: (m,) theta along the axes where every search begins.
            control: Limits.
            newton: (m, m) for one step by -newton @ gradient instead of a search, else None.
            forward: Sizes and turns of the forward axes (`estimates.forward`).
            threads: Threads, each with a workspace.
            elsewhere: The rows that sets are of, for a model that has none.

        Returns:
            theta (along the axes), beta, std_error, sigma, objective, decrement, n, levels and
            rebuilt.
        """
        starts, rows = map(np.ascontiguousarray, sets)
        settings = _core.SearchSettings(control.max_evaluations)
        how = (start, self.reml, settings, newton, *forward, threads)
        evaluator = self.workspace.evaluator
        if elsewhere is None:
            return _core.fit_without(evaluator, starts, rows, *how)
        return _core.fit_without_rows(evaluator, *elsewhere, starts, rows, *how)
