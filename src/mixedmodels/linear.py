"""The linear mixed model and its fit, as users hold them.

`LinearMixedModel` shows the stages, which `estimates` keeps, and makes fits. `LinearMixedFit` adds
the model to the roles of a fit, which are in `fit`. Each class makes objects of the other, so both
are in one module. `api.lmer` takes all stages at once.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import scipy

from mixedmodels import blocks
from mixedmodels.arrays import FloatArray
from mixedmodels.calls import Guided
from mixedmodels.criterion.linear import LinearCriterion
from mixedmodels.criterion.pls import PLS, penalized_least_squares
from mixedmodels.design import Design, build_design
from mixedmodels.design.alignment import row_numbers
from mixedmodels.design.by_row import at_rows_used
from mixedmodels.design.checks import check_response
from mixedmodels.design.given import Given, given_anew
from mixedmodels.design.places import used_rows
from mixedmodels.errors import DataError, MixedModelsError, ModelError
from mixedmodels.estimates.matrices import covariance_factor, transposed_z
from mixedmodels.estimates.messages import announce, exact_messages
from mixedmodels.estimates.model import Fitted, Model
from mixedmodels.estimates.routing import Ways, ways_of
from mixedmodels.estimates.solution import Solution
from mixedmodels.fit.mixed import MixedFit
from mixedmodels.formula import parse_formula
from mixedmodels.formula.update import updated_formula
from mixedmodels.memory import guarded, memory_size
from mixedmodels.optimize import Request
from mixedmodels.optimize.summary import OptSummary
from mixedmodels.progress import Watcher
from mixedmodels.settings import (
    AS_BEFORE,
    Control,
    Method,
    NaAction,
    OptimizerName,
    check_reml,
    thread_count,
)
from mixedmodels.storage.fits import Saved, fit_from_bytes, fit_to_bytes
from mixedmodels.storage.pickles import kept_threads, usable_threads

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from typing_extensions import Self

    from mixedmodels.streaming.plan import Plan

_DEFAULT = Control()
_USUAL = Ways()


class OfSums(Protocol):
    """Sums over rows that a fit was made from; see `scaleout.CrossProducts`."""

    @property
    def plan(self) -> Plan:
        """What is known of the rows."""

    def restored(self, solution: Solution, optsum: OptSummary, threads: int) -> LinearMixedFit:
        """The fit of a solution."""

    def save_fit(self, solution: Solution, optsum: OptSummary, path: Any) -> None:
        """Write the fit of a solution to a file."""


class LinearMixedModel(Guided):
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

    _made_by_users = True

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
        with guarded("The design"):
            design = build_design(
                parse_formula(formula),
                data,
                weights=weights,
                offset=offset,
                contrasts=contrasts,
                na_action=na_action,
            )
        self._model = Model(design, count, ways)
        self._given: Given | None = Given(data, weights, offset, contrasts, na_action)

    @classmethod
    def _of(cls, model: Model, reml: bool, given: Given | None = None) -> LinearMixedModel:
        """A model whose stages exist already."""
        made = cls.__new__(cls)
        made._model, made._reml, made._given = model, reml, given  # noqa: SLF001 (of this class)
        return made

    # What the model was made from where it has no rows.
    _sums: OfSums | None = None

    def _by(self, *, reml: bool) -> LinearMixedModel:
        """The same model by one criterion; all stages are shared."""
        if reml == self._reml:
            return self
        made = self._of(self._model, reml, self._given)
        made._sums = self._sums  # noqa: SLF001 (of this class)
        return made

    @property
    def _criterion(self) -> LinearCriterion:
        return self._model.criterion(reml=self._reml)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles and deep copies hold what is below, which holds the design."""
        return self._of, (self._model, self._reml)

    def __copy__(self) -> LinearMixedModel:
        """A model that shares everything with this one: neither ever changes."""
        return self._of(self._model, self._reml, self._given)

    def __deepcopy__(self, memo: dict[int, Any]) -> LinearMixedModel:
        """A model with stages of its own; the table is the user's and shared."""
        return self._of(copy.deepcopy(self._model, memo), self._reml, self._given)

    # -- the stages ---------------------------------------------------------------------

    @property
    def design(self) -> Design:
        """Model matrices, response, weights and offset; frozen."""
        return self._model.design

    @property
    def formula(self) -> str:
        """The formula as typed."""
        return self.design.formula.text

    @property
    def X(self) -> FloatArray:
        """(n, p) fixed-effects columns, aliased ones included."""
        return self.design.X

    @property
    def y(self) -> FloatArray:
        """(n,) response."""
        return self.design.y

    @property
    def nobs(self) -> int:
        """Rows used."""
        return self.design.n

    @property
    def theta_names(self) -> list[str]:
        """Names of theta, as lme4's."""
        return list(self._model.templates.names)

    @property
    def lower_bounds(self) -> FloatArray:
        """(m,) 0 for the diagonal entries of the templates, -inf for the others."""
        return np.array(self._model.templates.lower_bounds)

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
        request = Request(optimizer, start, control or _DEFAULT)
        with Watcher(verbose=verbose) as watcher:
            fitted = self._model.solve(self._criterion, request, watcher)
        solution, optsum = fitted.solution, fitted.optsum
        exact = exact_messages(self.design, solution)
        announce(solution, optsum, self._model.templates, fitted.identification, exact)
        return LinearMixedFit(self, fitted)

    def __repr__(self) -> str:
        """One line."""
        design, kind = self.design, "REML" if self.reml else "maximum likelihood"
        groups = ", ".join(f"{group.name} {group.n_levels}" for group in design.groups)
        return (
            f"<{type(self).__name__} {design.formula.text!r} by {kind}: {design.n} observations, "
            f"levels: {groups}>"
        )

    # -- structure made visible ---------------------------------------------------------

    def block_plan(self) -> blocks.BlockPlan:
        """Which blocks the factor has, how they are stored, its fill and its flops; printable."""
        return blocks.plan_of(self._model)

    def fill_in(self) -> pd.DataFrame:
        """Nonzeros of L, flops and supernodes for four orders of elimination.

        The factors in the order of the formula and in reverse, a minimum degree order of their
        levels, and the order chosen.
        """
        return blocks.fill_in(self._model)

    def plot_structure(self, theta: npt.ArrayLike | None = None) -> Figure:
        """Pictures of Z', U'U + I and L at theta (identity templates if None), as in the slides.

        Raises:
            MixedModelsError: matplotlib is not installed.
        """
        at = None if theta is None else self._theta(theta)
        return blocks.picture(self._model, at)


class LinearMixedFit(MixedFit):
    """A fitted linear mixed model.

    Made by `lmer` or `LinearMixedModel.fit`. Arrays are read-only; tables are made anew on
    every call and may be changed freely.
    """

    def __init__(self, model: LinearMixedModel, fitted: Fitted) -> None:
        super().__init__(fitted)
        self._model = model
        self._given = model._given  # noqa: SLF001 (of this module)
        self._sums: OfSums | None = model._sums  # noqa: SLF001 (of this module)

    @property
    def model(self) -> LinearMixedModel:
        """The `LinearMixedModel` that was fitted."""
        return self._model

    def refit(self, y: npt.ArrayLike) -> LinearMixedFit:
        """Fit the same model to another response, starting at this fit's theta.

        Args:
            y: (nobs,) response on the rows used, or a Series with the rows of the data.

        Returns:
            A new fit; this one is unchanged.

        Raises:
            DataError: The response is not numeric, has the wrong length, is a Series with labels of
                other rows or in another order, is not finite, or is constant.
        """
        design = self._design
        which = "rows of the model"
        if design.rows is not None:
            which += (
                ", which leaves rows of the data out (a pandas Series with the data's index is "
                "taken at the rows used)"
            )
        given = at_rows_used(y, design)
        response = row_numbers("The new response", given, self.nobs, design.index, which)
        bad = np.flatnonzero(~np.isfinite(response))
        if bad.size:
            raise DataError(
                f"The new response is not finite in {used_rows(bad, design.rows, design.index)}: "
                f"{bad.size} of {response.size} rows, the first of them {response[bad[0]]}. To "
                "leave rows out, fit a new model to the data without them."
            )
        check_response(design.response_name, response)
        before = self._fitted.model
        model = from_design(
            replace(design, y=response), before.threads, reml=self.reml, ways=before.ways
        )
        return model.fit(
            start=np.array(self.theta),
            optimizer=self.optsum.optimizer,
            control=self.optsum.control,
        )

    def _refit_drawn(self, y: FloatArray) -> LinearMixedFit:
        """The fit to a response that was drawn, or to its sums where there are no rows."""
        if self._design.has_rows:
            return self.refit(y)
        model = self._fitted.model.with_response(y)
        made = LinearMixedModel._of(model, self.reml)  # noqa: SLF001 (of this module)
        return made.fit(
            start=np.array(self.theta),
            optimizer=self.optsum.optimizer,
            control=self.optsum.control,
        )

    def _by_formula(self, formula: str) -> LinearMixedFit | None:
        """The fit by another formula, without a word; None where it cannot be made."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self.update(formula)
        except (MixedModelsError, AttributeError):
            return None

    def update(
        self,
        formula: str | None = None,
        data: Any = None,
        *,
        reml: bool | None = None,
        weights: Any = AS_BEFORE,
        offset: Any = AS_BEFORE,
        contrasts: Any = AS_BEFORE,
        na_action: NaAction = AS_BEFORE,
        start: npt.ArrayLike | None = None,
        optimizer: OptimizerName | None = None,
        control: Control | None = None,
        threads: int | None = None,
        method: Method = AS_BEFORE,
        memory: str | float | None = AS_BEFORE,
        verbose: bool = False,
    ) -> LinearMixedFit:
        """Fit the model again with some of its arguments changed; the others stay.

        Args:
            formula: A change in the manner of R's `update`: a dot stands for what the formula has
                on that side, as in `"~ . - x"`, `". ~ . + z"`, `"log(.) ~ ."`,
                `"~ . - (x | g) + (1 | g)"`. What is taken away has to be there. A side without a
                dot takes the place of the old one.
            data: Another table; that of the fit if None.
            reml: The criterion; as it was if None.
            weights: Prior weights; None for none.
            offset: The `offset` argument; None for none.
            contrasts: Contrasts; None for the default ones.
            na_action: What becomes of rows with missing values.
            start: (m,) theta to start from; by moments if None.
            optimizer: Method of minimisation; as it was if None.
            control: Limits and tolerances; as they were if None.
            threads: Threads; as they were if None.
            method: "auto", "exact" or "iterative", as in `lmer`.
            memory: The most memory a calculation may take; None for a share of what is free.
            verbose: Print a line per iteration.

        Returns:
            A new fit; this one is unchanged.

        Raises:
            FormulaError: The change cannot be understood, or takes away what is not there.
            ArgumentError: A fit that was read from a file needs `data` (and weights, offset and
                contrasts that it had) for anything but another criterion.
            MixedModelsError: As `lmer`.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
            >>> fit.update("log(.) ~ . - (Days | Subject) + (1 | Subject)", reml=False).formula
            'log(Reaction) ~ Days + (1 | Subject)'
        """
        named = {"weights": weights, "offset": offset, "contrasts": contrasts}
        named["na_action"] = na_action
        changes = {name: value for name, value in named.items() if value is not AS_BEFORE}
        criterion = self.reml if reml is None else check_reml(reml)
        count = self._fitted.model.threads if threads is None else threads
        ways = self._fitted.model.ways
        ways = Ways(
            ways.method if method is AS_BEFORE else method,
            ways.memory if memory is AS_BEFORE else memory_size(memory),
        )
        same = threads is None and ways == self._fitted.model.ways
        if formula is None and data is None and not changes and same:
            model = self._model._by(reml=criterion)  # noqa: SLF001 (of this module)
        else:
            text = self.formula
            if formula is not None:
                text = updated_formula(self._design.formula, formula)
            given = given_anew(self._design, self._given, data, changes)
            model = LinearMixedModel(
                text,
                given.data,
                criterion,
                weights=given.weights,
                offset=given.offset,
                contrasts=given.contrasts,
                na_action=given.na_action,
                threads=count,
                method=ways.method,
                memory=ways.memory,
            )
        before = self.optsum
        return model.fit(
            start=start,
            optimizer=optimizer or before.optimizer,
            control=control or before.control,
            verbose=verbose,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles, and with them other processes, hold what a file holds."""
        if self._sums is not None:
            count = kept_threads(self._fitted.model.threads)
            return _restored_from_sums, (self._sums, self._solution, self._optsum, count)
        content = fit_to_bytes(self._fitted)
        return _unpickled, (content, kept_threads(self._fitted.model.threads))

    def __deepcopy__(self, memo: dict[int, Any]) -> LinearMixedFit:
        """A fit with everything its own but the table, which is the user's."""
        if self._sums is not None:
            return self._sums.restored(self._solution, self._optsum, self._fitted.model.threads)
        again = _unpickled(fit_to_bytes(self._fitted), self._fitted.model.threads)
        again._model = copy.copy(again._model)  # noqa: SLF001 (of this class)
        again._model._given = again._given = self._given  # noqa: SLF001 (of this module)
        return again

    def __copy__(self) -> Self:
        """A fit that shares everything with this one: neither ever changes."""
        return type(self)(self._model, self._fitted)


def from_design(
    design: Design, threads: int | None = None, *, reml: bool = True, ways: Ways = _USUAL
) -> LinearMixedModel:
    """The model of a design that exists already."""
    model = Model(design, thread_count(threads), ways)
    return LinearMixedModel._of(model, check_reml(reml))  # noqa: SLF001 (of this module)


def model_of_sums(sums: OfSums, model: Model, *, reml: bool) -> LinearMixedModel:
    """The model that was made from sums over rows."""
    made = LinearMixedModel._of(model, reml)  # noqa: SLF001 (of this module)
    made._sums = sums  # noqa: SLF001 (of this module)
    return made


def restored(saved: Saved, threads: int | None = None) -> LinearMixedFit:
    """The fit of a design whose solution is known already, as from a file.

    Raises:
        ModelError: The design does not determine such a solution.
    """
    design, solution, optsum = saved
    ways = _USUAL if solution.accuracy is None else Ways("iterative")
    made = from_design(design, threads, reml=solution.reml, ways=ways)
    model = made._model  # noqa: SLF001 (of this module)
    if not np.array_equal(model.products.kept, solution.kept):
        raise ModelError("The solution is for other columns of X than the design determines.")
    theta = model.axes.from_axes(solution.axes_theta)
    if np.abs(theta - solution.theta).max() > 1e-6 * np.abs(theta).max(initial=1e-6):
        raise ModelError("The solution has two thetas that are not the same.")
    return LinearMixedFit(made, Fitted(model, solution, optsum))


def _restored_from_sums(
    sums: OfSums, solution: Solution, optsum: OptSummary, threads: int | None
) -> LinearMixedFit:
    return sums.restored(solution, optsum, usable_threads(threads) or 1)


def _unpickled(content: bytes, threads: int | None) -> LinearMixedFit:
    return restored(fit_from_bytes(content), usable_threads(threads))
