"""The linear mixed model as users hold it: the stages shown, and `fit`.

`api.lmer` takes all stages at once.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
import scipy

from mixedmodels import fill_in as filling
from mixedmodels.arrays import FloatArray
from mixedmodels.base_model import MixedModel
from mixedmodels.criterion.linear import LinearCriterion
from mixedmodels.criterion.pls import PLS, penalized_least_squares
from mixedmodels.design import Design
from mixedmodels.design.given import Given
from mixedmodels.estimates.linear import Model
from mixedmodels.estimates.matrices import covariance_factor, transposed_z
from mixedmodels.estimates.routing import Ways, ways_of
from mixedmodels.fit.values import OfSums
from mixedmodels.linear.fit import LinearMixedFit
from mixedmodels.optimize import Request
from mixedmodels.settings import (
    USUAL_CONTROL,
    Control,
    Method,
    NaAction,
    OptimizerName,
    check_reml,
    thread_count,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_USUAL = Ways()


class LinearMixedModel(MixedModel):
    """A linear mixed model that is not fitted yet.

    Args:
        formula: `response ~ fixed + (lhs | group) + ...`.
        data: A pandas, Polars, PyArrow or other eager table, or a dict of columns; not modified.
        reml: The criterion: restricted maximum likelihood, or False for maximum likelihood.
        weights: Prior weights: a column, an expression of columns, or one value per row.
        offset: A known addition to the linear predictor, given in the same ways.
        contrasts: Column to "treatment", "sum", "helmert", "poly" or a matrix.
        na_action: "omit" drops rows with a missing value, "exclude" drops them and keeps their
            places: results by row are NaN there, "raise" refuses them.
        threads: Threads that a fit may use; None leaves the choice to the library.
        method: "exact" factorizes; "iterative" estimates the log-determinant for crossed factors
            whose factor would be too large, and states the error; "auto" takes the exact way
            wherever it fits and takes up to a minute an evaluation.
        memory: The most memory a calculation may take, such as "8GB" or a number of bytes; 80 % of
            what is free if None.

    Raises:
        FormulaError: The formula cannot be understood.
        DataError: A column cannot be used.
        ModelError: The data cannot identify the model.

    Examples:
        >>> import mixedmodels as mm
        >>> model = mm.LinearMixedModel("Reaction ~ Days + (Days | Subject)",
        ...                             mm.load_dataset("sleepstudy"))
        >>> round(model.objective([1.0, 0.0, 1.0]), 4)
        1773.6803
    """

    _model: Model
    _reml = True

    def __init__(
        self,
        formula: str,
        data: Any,
        reml: bool = True,
        *,
        weights: Any = None,
        offset: Any = None,
        contrasts: Mapping[str, Any] | None = None,
        na_action: NaAction = "omit",
        threads: int | None = None,
        method: Method = "auto",
        memory: str | float | None = None,
    ) -> None:
        self._reml = check_reml(reml)
        count = thread_count(threads)
        ways = ways_of(method, memory)
        given = Given(data, weights, offset, contrasts, na_action)
        self._model = Model(self._designed(formula, given), count, ways)

    def _by(self, *, reml: bool) -> LinearMixedModel:
        """The same model by one criterion; all stages are shared."""
        if reml == self._reml:
            return self
        made = copy.copy(self)
        made._reml = reml  # noqa: SLF001 (of this class)
        return made

    @property
    def _criterion(self) -> LinearCriterion:
        return self._model.criterion(reml=self._reml)

    @property
    def _kind(self) -> str:
        return f" by {'REML' if self.reml else 'maximum likelihood'}"

    # -- the stages ---------------------------------------------------------------------

    @property
    def y(self) -> FloatArray:
        """(n,) response."""
        return self.design.y

    @property
    def Zt(self) -> scipy.sparse.csc_array:
        """Z' (q, n): term by term, within a term level by level, the term's columns adjacent."""
        return transposed_z(self._model)

    def Lambda(self, theta: npt.ArrayLike) -> scipy.sparse.csc_array:
        """Relative covariance factor (q, q) at theta, public order."""
        return covariance_factor(self._model, self._theta(theta))

    # -- the criterion ------------------------------------------------------------------

    @property
    def reml(self) -> bool:
        """Whether the criterion is REML's."""
        return self._reml

    def objective(self, theta: npt.ArrayLike) -> float:
        """The profiled criterion at theta: the REML criterion, or the ML deviance.

        Raises:
            MixedModelsError: theta has the wrong length or a value that is not finite.
        """
        return self._criterion.value(self._along_axes(theta))

    def gradient(self, theta: npt.ArrayLike) -> FloatArray:
        """Exact gradient (m,) of the criterion at theta.

        Raises:
            MixedModelsError: theta has the wrong length or a value that is not finite.
        """
        slope = self._criterion.gradient(self._along_axes(theta))
        return self._model.axes.slope_from_axes(slope)

    def hessian(self, theta: npt.ArrayLike) -> FloatArray:
        """Second derivatives (m, m) of the criterion at theta.

        Exact, for the price of a few gradients; by differences of the gradient, good to 1e-6,
        where these are cheaper or theta is so large that exact ones would lose their digits.

        Raises:
            MixedModelsError: theta has the wrong length or a value that is not finite.
        """
        hessian = self._criterion.hessian(self._along_axes(theta))
        return self._model.axes.hessian_from_axes(hessian)

    def pls(self, theta: npt.ArrayLike) -> PLS:
        """The penalized least squares problem solved at theta: L, perm, RZX, RX, u, b, beta."""
        return penalized_least_squares(self._criterion, self._model.products, self._theta(theta))

    def conditional_covariance(self, theta: npt.ArrayLike) -> tuple[FloatArray, ...]:
        """Per group (levels, S, S): covariance of the random effects given y, over sigma^2."""
        with self._criterion.at(self._along_axes(theta)) as point:
            return point.conditional_covariance()

    def _theta(self, given: npt.ArrayLike) -> FloatArray:
        return self._model.axes.checked(given)

    def _along_axes(self, theta: npt.ArrayLike) -> FloatArray:
        return self._model.axes.to_axes(self._theta(theta))

    # -- the fit ------------------------------------------------------------------------

    def fit(
        self,
        *,
        start: npt.ArrayLike | None = None,
        optimizer: OptimizerName = "auto",
        control: Control | None = None,
        verbose: bool = False,
    ) -> LinearMixedFit:
        """Find the optimum of the criterion.

        Args:
            start: (m,) theta to start from; by moments if None.
            optimizer: Method of minimisation; "auto" takes the cheapest by prediction.
            control: Limits and tolerances.
            verbose: Print a line per iteration.

        Returns:
            The fit; the model itself is unchanged.

        Raises:
            MixedModelsError: An unknown method, or a start that cannot be used.
        """
        return self._fit(Request(optimizer, start, control or USUAL_CONTROL), verbose)

    def _fit(self, request: Request, verbose: bool = False) -> LinearMixedFit:
        return LinearMixedFit(self, self._solved(request, verbose))

    # -- structure made visible ---------------------------------------------------------

    def block_plan(self) -> filling.BlockPlan:
        """Which blocks the factor has, how they are stored, its fill and its flops; printable."""
        return filling.plan_of(self._model)

    def fill_in(self) -> pd.DataFrame:
        """Nonzeros of L, flops and supernodes for four orders of elimination.

        The factors in the order of the formula and in reverse, a minimum degree order of their
        levels, and the order chosen.
        """
        return filling.fill_in(self._model)

    def plot_structure(self, theta: npt.ArrayLike | None = None) -> Figure:
        """Pictures of Z', U'U + I and L at theta (identity templates if None), as in the slides.

        Raises:
            MixedModelsError: matplotlib is not installed.
        """
        at = None if theta is None else self._theta(theta)
        return filling.picture(self._model, at)


def from_design(
    design: Design, threads: int | None = None, *, reml: bool = True, ways: Ways = _USUAL
) -> LinearMixedModel:
    """The model of a design that exists already."""
    made = LinearMixedModel._of(Model(design, thread_count(threads), ways))  # noqa: SLF001
    return made._by(reml=check_reml(reml))  # noqa: SLF001 (of this module)


def model_of_sums(sums: OfSums, model: Model, *, reml: bool) -> LinearMixedModel:
    """The model that was made from sums over rows."""
    made = LinearMixedModel._of(model)._by(reml=reml)  # noqa: SLF001 (of this module)
    made._sums = sums  # noqa: SLF001 (of this module)
    return made
