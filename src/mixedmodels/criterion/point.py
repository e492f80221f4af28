"""The linear criterion at one theta, and everything that is read off the workspace there.

A point evaluates the criterion when its `with` begins and holds the lock until it ends. If other
work inside the `with` moves the workspace, the point moves it back before it is read again, so that
what is read always belongs to the theta of the point.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from mixedmodels._core import (
    Evaluator,
    KenwardRogerSums,
    RowPredictions,
    RowValues,
    derivatives,
    kenward_roger_sums,
    predict_rows,
    row_values,
)
from mixedmodels.arrays import AnyArray, FloatArray, IntArray
from mixedmodels.criterion.workspace import Workspace
from mixedmodels.crossprod import triangle_inverse

P = TypeVar("P", bound="LinearPoint")
W = TypeVar("W", bound=Workspace)


@contextmanager
def point_at(
    kind: Callable[[W, FloatArray, bool], P], workspace: W, par: FloatArray, *, reml: bool
) -> Iterator[P]:
    """Evaluate a criterion at theta along the axes, and keep the workspace there.

    A generator rather than a class with `__enter__` and `__exit__`: it gives the lock back even if
    a signal raises an exception in the middle of either.
    """
    with workspace.lock:
        point = kind(workspace, par, reml)
        point.value = point.evaluate()
        try:
            yield point
        finally:
            point.closed = True
            workspace.stands_at = None


class LinearPoint:
    """The ML deviance or REML criterion at one theta along the axes; made by `point_at`.

    Args:
        workspace: Where it is evaluated.
        par: (m,) theta along the axes.
        reml: Which criterion.

    Attributes:
        par: (m,) theta along the axes.
        value: The criterion; NaN where it cannot be computed in floating point.
        closed: Whether the `with` has ended.
    """

    __slots__ = ("_core", "_reml", "_workspace", "closed", "par", "value")

    def __init__(self, workspace: Workspace, par: FloatArray, reml: bool) -> None:
        self._workspace = workspace
        self._core = workspace.evaluator
        self._reml = reml
        self.par = par
        self.value = math.nan
        self.closed = False

    def evaluate(self) -> float:
        """The criterion, with the workspace moved to the point."""
        workspace = self._workspace
        workspace.stands_at = None
        value = self._core.value(self.par, self._reml)
        workspace.stands_at = self
        return value

    @property
    def _evaluator(self) -> Evaluator:
        """The evaluator, standing at this point."""
        if self._workspace.stands_at is not self:
            if self.closed:
                raise RuntimeError("a point can be read inside its `with` only")
            self.evaluate()
        return self._core

    # -- the criterion and its derivatives ---------------------------------------------------

    @property
    def deviance(self) -> float:
        """The ML criterion, whatever the criterion of the point."""
        return self._evaluator.value(self.par, False) if self._reml else self.value

    @property
    def cancellation(self) -> float:
        """By how much the sums that pwrss is the difference of are larger than it."""
        return self._evaluator.cancellation

    def gradient(self) -> FloatArray:
        """(m,) exact gradient."""
        return self._evaluator.gradient(self._reml)

    def hessian(self, budget: float = math.inf) -> FloatArray:
        """(m, m) second derivatives.

        Exact, unless differences of the gradient are cheaper or better: where templates are so
        large that the exact ones would lose their digits.

        Args:
            budget: Flops above which differences on one side with a smaller step are used, which
                take m gradients instead of 2m and are good to about 1e-5 instead of 1e-6.
        """
        workspace = self._workspace
        if workspace.hessian_cost.exact_pays():
            exact = self._evaluator.hessian(self._reml)
            if exact is not None:
                return exact
        evaluator = self._evaluator
        workspace.stands_at = None
        forward = workspace.gradients_work > budget
        return evaluator.difference_hessian(self.par, self._reml, forward)

    def fixed_derivatives(self) -> tuple[FloatArray, FloatArray]:
        """Derivatives of X'V^-1X of the basis (m, p, p), and of log pwrss (m,)."""
        found = derivatives(self._evaluator)
        return found.fixed, found.log_pwrss

    # -- the solution ------------------------------------------------------------------------

    def estimates(self) -> dict[str, Any]:
        """What a solution keeps of a point, by name; in one call, for small fits."""
        core, reml = self._evaluator, self._reml
        return {
            "objective": self.value,
            "deviance": core.value(self.par, False) if reml else self.value,
            "logdet_L2": core.logdet_L2,
            "logdet_RX2": core.logdet_RX2,
            "pwrss": core.pwrss,
            "sigma": core.sigma(reml),
            "vcov": core.vcov(reml),
            "beta": core.beta,
            "u": core.u,
            "b": core.b,
        }

    @property
    def u(self) -> FloatArray:
        """(q,) conditional modes on the spherical scale, core order."""
        return self._evaluator.u

    @property
    def b(self) -> FloatArray:
        """(q,) conditional modes on the original scale, core order."""
        return self._evaluator.b

    @property
    def beta(self) -> FloatArray:
        """(p,) coefficients of the columns kept."""
        return self._evaluator.beta

    @property
    def pwrss(self) -> float:
        """Penalized weighted residual sum of squares."""
        return self._evaluator.pwrss

    @property
    def sigma(self) -> float:
        """Residual standard deviation."""
        return self._evaluator.sigma(self._reml)

    @property
    def vcov(self) -> FloatArray:
        """(p, p) covariance of the coefficients kept."""
        return self._evaluator.vcov(self._reml)

    @property
    def logdet_L2(self) -> float:
        """log|L|^2."""
        return self._evaluator.logdet_L2

    @property
    def logdet_RX2(self) -> float:
        """log|RX|^2, of the columns kept."""
        return self._evaluator.logdet_RX2

    @property
    def RX(self) -> FloatArray:
        """(p, p) upper triangle, of the basis: that of X is this times `Products.R`."""
        return self._evaluator.RX

    @property
    def RZX(self) -> FloatArray:
        """(q, p) of the basis, permuted order: that of X is this times `Products.R`."""
        return self._evaluator.RZX[:, :-1]

    def factor(self) -> tuple[AnyArray, AnyArray, AnyArray]:
        """L as data, row indices and column starts of compressed columns, permuted order."""
        columns = self._evaluator.factor_columns()
        return columns.values, columns.rows, columns.starts

    # -- covariances, and what rows have -----------------------------------------------------

    def fixed_covariance(self) -> FloatArray:
        """(p, p) (X'V^-1X)^-1 of the basis X R^-1; V is the covariance of y over sigma^2."""
        root = triangle_inverse(self.RX)
        covariance: FloatArray = root @ root.T
        return covariance

    def conditional_covariance(self) -> tuple[FloatArray, ...]:
        """Per group (levels, S, S): lam [M^-1]_ll lam', the conditional covariance over sigma^2.

        Of the random effects of the columns of Z as the user has them.
        """
        evaluator = self._evaluator
        groups = range(len(self._workspace.templates.group_names))
        return tuple(evaluator.conditional_covariance(g) for g in groups)

    def kenward_roger_sums(self) -> KenwardRogerSums:
        """tr(E_e T) (m,), tr(E_e T E_f T) (m, m), H'E_e H (m, p, p), (H'E_e T E_f H)' (m, m, p, p).

        T = Z'V^-1Z, H = Z'V^-1X of the basis, E the derivatives of the covariance of b.
        """
        return kenward_roger_sums(self._evaluator)

    def row_values(self, *, directions: bool) -> RowValues:
        """Of every row: random, fixed, prior, residual, direction (see `diagnostics.rows`)."""
        return row_values(self._evaluator, directions)

    def predict_rows(
        self, codes: Sequence[IntArray], z: Sequence[FloatArray], x: FloatArray
    ) -> RowPredictions:
        """`random`, (n,) z'b, and `variance`, (n,) of the error of x'beta + z'b over sigma^2.

        Args:
            codes: Per grouping factor (n,), -1 for an unknown level.
            z: Per grouping factor (n, S), along the axes.
            x: (n, p) in coordinates of the basis.
        """
        return predict_rows(self._evaluator, codes, z, x)
