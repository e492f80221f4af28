"""The generalized linear mixed model and its fit, as users hold them."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mixedmodels.arrays import FloatArray
from mixedmodels.calls import Guided
from mixedmodels.criterion.generalized import LaplaceCriterion
from mixedmodels.design import Design, build_design
from mixedmodels.design.alignment import row_numbers
from mixedmodels.design.by_row import at_rows_used
from mixedmodels.design.given import Given, given_anew
from mixedmodels.design.places import used_rows
from mixedmodels.design.response import ResponseRule, category_numbers
from mixedmodels.diagnostics.identifiable import remarks, trouble
from mixedmodels.diagnostics.laplace import LaplaceError, laplace_error
from mixedmodels.errors import (
    ConvergenceWarning,
    DataError,
    MixedModelsError,
    ModelError,
    warn,
)
from mixedmodels.estimates.component_checks import check_zeros, given_coefficients, parts_of
from mixedmodels.estimates.components import dropped_messages, of_role
from mixedmodels.estimates.generalized import (
    GeneralizedFitted,
    GeneralizedModel,
)
from mixedmodels.estimates.messages import announce
from mixedmodels.families.base import DISPERSION, THRESHOLDS, ZERO_INFLATION, Family
from mixedmodels.families.catalogue import family_of
from mixedmodels.fit.generalized import GeneralizedFit
from mixedmodels.formula import parse_formula
from mixedmodels.formula.update import updated_formula
from mixedmodels.memory import guarded
from mixedmodels.optimize import Request
from mixedmodels.progress import Watcher
from mixedmodels.settings import (
    AS_BEFORE,
    INFORMATION,
    Control,
    Information,
    NaAction,
    OptimizerName,
    check_option,
    thread_count,
)
from mixedmodels.storage.fits import fit_to_bytes
from mixedmodels.storage.generalized import SavedGeneralized, generalized_from_bytes, model_of
from mixedmodels.storage.pickles import kept_threads, usable_threads

_DEFAULT = Control()
_MOST_NODES = 100
# Largest offset on the scale of a logarithm that is not taken for an exposure.
_FARTHEST_OFFSET = 100.0


class GeneralizedLinearMixedModel(Guided):
    """A generalized linear mixed model that is not fitted yet.

    Args:
        formula: `response ~ fixed + (lhs | group) + ...`; of a binomial model the response is 0 or
            1, a column of two categories (the first is failure), a share with the number of trials
            as weights, or `cbind(successes, failures)`; of an ordinal one ordered categories or
            whole numbers.
        data: A pandas, Polars, PyArrow or other eager table, or a dict of columns; not modified.
        family: "binomial", "poisson", "negative_binomial", "nb1", "truncated_poisson",
            "truncated_negative_binomial", "gamma", "inverse_gaussian", "beta", "gaussian",
            "ordinal", or an object of `mixedmodels.families`.
        link: Name of the link; the usual one of the family if None.
        n_agq: 1 for Laplace's approximation; more are nodes of adaptive Gauss-Hermite quadrature
            for each random effect, with one grouping factor of up to three effects; 0 leaves the
            coefficients to the modes, which is faster and not quite the maximum.
        information: Weights in the determinant: "observed", or "expected" as lme4's.
        reml: Integrate over the coefficients, too, as REML does for linear models.
        weights: Prior weights: a column, an expression of columns, or one value per row.
        offset: A known addition to the linear predictor, given in the same ways.
        contrasts: Column to "treatment", "sum", "helmert", "poly" or a matrix.
        na_action: As for `lmer`.
        dispersion: A formula `"~ x"` of fixed effects for the logarithm of the family's own
            parameter; None for one value.
        zero_inflation: A formula such as `"~ 1"` for the logit of the probability that a count is
            zero by a process of its own; None for no such zeros.
        threads: Threads that a fit may use; None leaves the choice to the library.

    Raises:
        FormulaError: The formula cannot be understood.
        DataError: A column cannot be used, or the response is not one of the family.
        ModelError: The data cannot identify the model.

    Examples:
        >>> import mixedmodels as mm
        >>> model = mm.GeneralizedLinearMixedModel(
        ...     "cbind(incidence, size - incidence) ~ period + (1 | herd)", mm.load_dataset("cbpp"))
        >>> round(model.objective([0.0], [-1.4, -1.0, -1.1, -1.6]), 4)
        198.9639
    """

    _made_by_users = True

    def __init__(
        self,
        formula: str,
        data: Any,
        family: str | Family | type[Family] = "binomial",
        *,
        link: str | None = None,
        n_agq: int = 1,
        information: Information = "observed",
        reml: bool = False,
        weights: Any = None,
        offset: Any = None,
        contrasts: Mapping[str, Any] | None = None,
        na_action: NaAction = "omit",
        dispersion: str | None = None,
        zero_inflation: str | None = None,
        threads: int | None = None,
    ) -> None:
        chosen, nodes = family_of(family, link), check_nodes(n_agq)
        check_option("information", information, INFORMATION)
        if not isinstance(reml, (bool, np.bool_)):
            raise MixedModelsError(f"reml is {reml!r:.40}; it must be True or False.")
        parts = parts_of(chosen, {DISPERSION: dispersion, ZERO_INFLATION: zero_inflation})
        count = thread_count(threads)
        with guarded("The design"):
            design = build_design(
                parse_formula(formula),
                data,
                weights=weights,
                offset=offset,
                contrasts=contrasts,
                na_action=na_action,
                residual=False,
                response=ResponseRule(chosen, chosen.of_trials, chosen.ordered),
                parts=parts,
            )
        check_zeros(design)
        _check_offset(design, chosen)
        self._model = GeneralizedModel(
            design, chosen, count, nodes, information == "expected", bool(reml)
        )
        self._given: Given | None = Given(data, weights, offset, contrasts, na_action)

    @classmethod
    def _of(
        cls, model: GeneralizedModel, given: Given | None = None
    ) -> GeneralizedLinearMixedModel:
        made = cls.__new__(cls)
        made._model, made._given = model, given  # noqa: SLF001 (of this class)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles and deep copies hold what is below, which holds the design."""
        return self._of, (self._model,)

    def __copy__(self) -> GeneralizedLinearMixedModel:
        """A model that shares everything with this one: neither ever changes."""
        return self._of(self._model, self._given)

    def __deepcopy__(self, memo: dict[int, Any]) -> GeneralizedLinearMixedModel:
        """A model with everything its own but the table, which is the user's."""
        return self._of(copy.deepcopy(self._model, memo), self._given)

    # -- the stages ---------------------------------------------------------------------

    @property
    def design(self) -> Design:
        """Model matrices, response, weights and offset; of trials, successes and trials."""
        return self._model.design

    @property
    def family(self) -> Family:
        """The family and its link."""
        return self._model.family

    @property
    def formula(self) -> str:
        """The formula as typed."""
        return self.design.formula.text

    @property
    def X(self) -> FloatArray:
        """(n, p) fixed-effects columns, aliased ones included."""
        return self.design.X

    @property
    def nobs(self) -> int:
        """Rows used."""
        return self.design.n

    @property
    def theta_names(self) -> list[str]:
        """Names of theta, as lme4's."""
        return list(self._model.templates.names)

    @property
    def parameter_names(self) -> list[str]:
        """Names of what the criterion depends on: theta, coefficients, the family's own."""
        return list(self._criterion.names)

    @property
    def lower_bounds(self) -> FloatArray:
        """(m,) 0 for the diagonal entries of the templates, -inf for the others."""
        return np.array(self._model.templates.lower_bounds)

    # -- the criterion ------------------------------------------------------------------

    @property
    def _criterion(self) -> LaplaceCriterion:
        return self._model.criterion()

    def objective(
        self,
        theta: npt.ArrayLike,
        beta: npt.ArrayLike,
        dispersion: npt.ArrayLike | None = None,
        zero_inflation: npt.ArrayLike | None = None,
        thresholds: npt.ArrayLike | None = None,
    ) -> float:
        """-2 log-likelihood by Laplace's approximation.

        Args:
            theta: (m,) entries of the templates.
            beta: (p,) coefficients of the columns kept.
            dispersion: The family's own parameter, where it has one; coefficients of its logarithm
                where it has predictors.
            zero_inflation: Coefficients of the logit, where there are zeros of their own.
            thresholds: Between ordered categories, increasing.

        Raises:
            MixedModelsError: A parameter has the wrong length or is not finite.
        """
        own = {
            DISPERSION: dispersion,
            ZERO_INFLATION: zero_inflation,
            THRESHOLDS: thresholds,
        }
        return self._criterion.value(self._parameters(theta, beta, own))

    def gradient(
        self,
        theta: npt.ArrayLike,
        beta: npt.ArrayLike,
        dispersion: npt.ArrayLike | None = None,
        zero_inflation: npt.ArrayLike | None = None,
        thresholds: npt.ArrayLike | None = None,
    ) -> FloatArray:
        """Exact gradient of `objective` by its parameters.

        The dispersion counts by its logarithm, thresholds by the first of them and the logarithms
        of the gaps to the next ones.

        Raises:
            MixedModelsError: A parameter has the wrong length or is not finite.
        """
        own = {
            DISPERSION: dispersion,
            ZERO_INFLATION: zero_inflation,
            THRESHOLDS: thresholds,
        }
        at = self._parameters(theta, beta, own)
        slope = self._criterion.gradient(at)
        # The map from the search's parameters is linear: J has its columns.
        J = self._criterion.to_user(np.eye(len(at)))
        found: FloatArray = np.asarray(np.linalg.solve(J, slope), dtype=np.float64)
        return found

    def _parameters(
        self,
        theta: npt.ArrayLike,
        beta: npt.ArrayLike,
        own: Mapping[str, npt.ArrayLike | None],
    ) -> FloatArray:
        given = [np.atleast_1d(np.asarray(part, dtype=np.float64)) for part in (theta, beta)]
        for role, values in own.items():
            component = of_role(self._model.components, role)
            if component is not None:
                given.append(given_coefficients(component, values, self.family))
            elif values is not None:
                raise MixedModelsError(
                    f"{role} is {values!r:.40}; this model of the {self.family.title} family has "
                    "none."
                )
        return self._criterion.from_user(self._criterion.checked(np.concatenate(given)))

    # -- the fit ------------------------------------------------------------------------

    def fit(
        self,
        *,
        start: npt.ArrayLike | None = None,
        optimizer: OptimizerName = "auto",
        control: Control | None = None,
        verbose: bool = False,
    ) -> GeneralizedLinearMixedFit:
        """Find the optimum of the criterion.

        Args:
            start: (m,) theta to start from, or all parameters; by moments if None.
            optimizer: Method of minimisation.
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
        fit = GeneralizedLinearMixedFit(self, fitted)
        solution: Any = fitted.solution
        announce(solution, fitted.optsum, self._model.templates, fitted.identification)
        for message in trouble(fitted):
            warn(message, ConvergenceWarning)
        return fit

    def __repr__(self) -> str:
        """One line."""
        design, family = self.design, self.family
        groups = ", ".join(f"{group.name} {group.n_levels}" for group in design.groups)
        return (
            f"<{type(self).__name__} {design.formula.text!r}, {family.title} "
            f"({family.link.name}): {design.n} observations, levels: {groups}>"
        )


class GeneralizedLinearMixedFit(GeneralizedFit):
    """A fitted generalized linear mixed model.

    Made by `glmer` or `GeneralizedLinearMixedModel.fit`. Arrays are read-only; tables are made
    anew on every call and may be changed freely. Random effects are on the scale of the linear
    predictor. Tests of coefficients refer z ratios to a normal distribution; standard errors are
    from the exact Hessian in all parameters.
    """

    def __init__(self, model: GeneralizedLinearMixedModel, fitted: GeneralizedFitted) -> None:
        super().__init__(fitted)
        self._model = model
        self._given = model._given  # noqa: SLF001 (of this module)

    @property
    def model(self) -> GeneralizedLinearMixedModel:
        """The `GeneralizedLinearMixedModel` that was fitted."""
        return self._model

    @property
    def messages(self) -> tuple[str, ...]:
        """What the user should know: rows and columns dropped, singularity, separation."""
        advice = self.laplace_error.advice
        own = (*dropped_messages(self._generalized.model.components),)
        own += (*trouble(self._generalized), *remarks(self._generalized))
        return (*super().messages, *own, *([] if advice is None else [advice]))

    @property
    def laplace_error(self) -> LaplaceError:
        """How good Laplace's approximation is at the estimates, by the next term of its expansion.

        `total` is what the term adds to -2 log-likelihood, `by_level` its parts with one grouping
        factor. It is close to the error while it is small; where it is large the likelihood needs
        quadrature.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.glmer("use ~ age + urban + livch + (1 | district)",
            ...                mm.load_dataset("contraception"))
            >>> round(fit.laplace_error.total, 3)
            -0.269
        """
        return self._generalized.once(laplace_error)

    def refit(self, y: npt.ArrayLike) -> GeneralizedLinearMixedFit:
        """Fit the same model to another response, starting at this fit's parameters.

        Args:
            y: (nobs,) response on the rows used, as `simulate` gives it, or a Series with the rows
                of the data: shares where the response is a share, numbers of successes where it is
                `cbind(successes, failures)`, categories of ordered responses.

        Returns:
            A new fit; this one is unchanged.

        Raises:
            DataError: The response has the wrong length or labels, or is not one of the family.
        """
        design, model = self._design, self._generalized.model
        given = at_rows_used(y, design)
        which = "rows of the model"
        if design.categories is not None:
            given = category_numbers(design.categories, given)
        response = row_numbers("The new response", given, self.nobs, design.index, which)
        family, m = model.family, model.weights
        shares = family.of_trials and not design.response_name.startswith("cbind(")
        counts = response * m if shares else response
        bad = ~np.isfinite(response)
        fault = None if bad.any() else family.fault(counts, m)
        if bad.any() or fault is not None:
            rows, wrong = (bad, "are not finite") if fault is None else (fault.rows, fault.wrong)
            places = used_rows(np.flatnonzero(rows), design.rows, design.index)
            raise DataError(f"The new response has values that {wrong}, in {places}.")
        counts = np.round(counts) if family.of_trials else counts
        made = GeneralizedLinearMixedModel._of(  # noqa: SLF001 (of this module)
            model.with_response(counts)
        )
        solution = self._generalized.solution
        start = self._generalized.criterion.to_user(solution.par)
        at_zero = (solution.theta == 0.0) & model.templates.diagonal
        # Where densities are not log-concave, a response may have no mode at these parameters.
        own = at_zero.any() or not np.isfinite(
            made._criterion.value(solution.par)  # noqa: SLF001 (of this module)
        )
        return made.fit(
            start=None if own else start,
            optimizer=self.optsum.optimizer,
            control=self.optsum.control,
        )

    def _by_formula(self, formula: str) -> GeneralizedLinearMixedFit | None:
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
        family: str | Family | type[Family] | None = None,
        link: str | None = None,
        n_agq: int | None = None,
        information: Information | None = None,
        reml: bool | None = None,
        weights: Any = AS_BEFORE,
        offset: Any = AS_BEFORE,
        contrasts: Any = AS_BEFORE,
        na_action: NaAction = AS_BEFORE,
        dispersion: str | None = AS_BEFORE,
        zero_inflation: str | None = AS_BEFORE,
        start: npt.ArrayLike | None = None,
        optimizer: OptimizerName | None = None,
        control: Control | None = None,
        threads: int | None = None,
        verbose: bool = False,
    ) -> GeneralizedLinearMixedFit:
        """Fit the model again with some of its arguments changed; the others stay.

        Args:
            formula: A change in the manner of R's `update`, as `LinearMixedFit.update` takes it.
            data: Another table; that of the fit if None.
            family: Another family; as it was if None.
            link: Another link.
            n_agq: Nodes of quadrature; as it was if None.
            information: Weights in the determinant; as they were if None.
            reml: Whether to integrate over the coefficients; as it was if None.
            weights: Prior weights; None for none.
            offset: The `offset` argument; None for none.
            contrasts: Contrasts; None for the default ones.
            na_action: What becomes of rows with missing values.
            dispersion: Predictors of the family's own parameter; None for one value.
            zero_inflation: Predictors of zeros of their own; None for no such zeros.
            start: (m,) theta to start from, or all parameters; by moments if None.
            optimizer: Method of minimisation; as it was if None.
            control: Limits and tolerances; as they were if None.
            threads: Threads; as they were if None.
            verbose: Print a line per iteration.

        Returns:
            A new fit; this one is unchanged.

        Raises:
            FormulaError: The change cannot be understood, or takes away what is not there.
            ArgumentError: A fit that was unpickled needs `data`.
            MixedModelsError: As `glmer`.
        """
        named = {"weights": weights, "offset": offset, "contrasts": contrasts}
        named["na_action"] = na_action
        changes = {name: value for name, value in named.items() if value is not AS_BEFORE}
        text = self.formula
        if formula is not None:
            text = updated_formula(self._design.formula, formula)
        given = given_anew(self._design, self._given, data, changes)
        if family is None:
            family, link = (type(self.family), link or self.family.link.name)
        parts: dict[str, Any] = {part.spec.role: part.spec.text for part in self._design.parts}
        changed = {DISPERSION: dispersion, ZERO_INFLATION: zero_inflation}
        parts |= {role: text for role, text in changed.items() if text is not AS_BEFORE}
        was = self._generalized.model
        model = GeneralizedLinearMixedModel(
            text,
            given.data,
            family,
            link=link,
            n_agq=was.nodes if n_agq is None else n_agq,
            information=("expected" if was.expected else "observed")
            if information is None
            else information,
            reml=was.reml if reml is None else reml,
            weights=given.weights,
            offset=given.offset,
            contrasts=given.contrasts,
            na_action=given.na_action,
            **parts,
            threads=self._generalized.model.threads if threads is None else threads,
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
        fitted = self._generalized
        return _unpickled, (fit_to_bytes(fitted), kept_threads(fitted.model.threads))

    def __deepcopy__(self, memo: dict[int, Any]) -> GeneralizedLinearMixedFit:
        """A fit with everything its own but the table, which is the user's."""
        fitted = self._generalized
        again = _unpickled(fit_to_bytes(fitted), fitted.model.threads)
        again._model._given = again._given = self._given  # noqa: SLF001 (of this module)
        return again

    def __copy__(self) -> GeneralizedLinearMixedFit:
        """A fit that shares everything with this one: neither ever changes."""
        return type(self)(self._model, self._generalized)


def _check_offset(design: Design, family: Family) -> None:
    """Refuse an offset of exposures where their logarithms belong.

    Raises:
        DataError: An offset by which means would be out of all bounds.
    """
    offset = design.offset
    if family.link.name != "log" or offset is None:
        return
    far = np.flatnonzero(np.abs(offset) > _FARTHEST_OFFSET)
    if far.size:
        places = used_rows(far, design.rows, design.index)
        raise DataError(
            f"The offset is {offset[far[0]]:g} in {places}, a factor of exp({offset[far[0]]:g}) on "
            "the mean: an offset is added to the logarithm of the mean. Exposures go in as "
            "offset(log(exposure))."
        )


def check_nodes(n_agq: object) -> int:
    """`n_agq` as a number of nodes.

    Raises:
        MixedModelsError: Not a whole number from 0 to 100.
    """
    whole = isinstance(n_agq, (int, np.integer)) and not isinstance(n_agq, bool)
    if not whole or not 0 <= n_agq <= _MOST_NODES:  # type: ignore[operator]
        raise MixedModelsError(
            f"n_agq is {n_agq!r:.40}; it must be a whole number from 0 (coefficients in the mode) "
            f"or 1 (Laplace's approximation) to {_MOST_NODES}."
        )
    return int(n_agq)  # type: ignore[call-overload,no-any-return]


def restored(saved: SavedGeneralized, threads: int | None = None) -> GeneralizedLinearMixedFit:
    """The fit of a design whose solution is known already, as from a file.

    Raises:
        MixedModelsError: The design does not determine such a solution.
    """
    solution = saved.solution
    check_nodes(saved.responses.nodes)
    model = model_of(saved.design, saved.responses, thread_count(threads))
    if not np.array_equal(model.products.kept, solution.kept):
        raise ModelError("The solution is for other columns of X than the design determines.")
    user = model.criterion().to_user(solution.par)
    parts = (solution.theta, solution.beta[solution.kept], solution.psi)
    known = np.concatenate(parts)
    if np.abs(user - known).max(initial=0.0) > 1e-6 * np.abs(known).max(initial=1e-6):
        raise ModelError("The solution has two sets of parameters that are not the same.")
    made = GeneralizedLinearMixedModel._of(model)  # noqa: SLF001 (of this module)
    return GeneralizedLinearMixedFit(made, GeneralizedFitted(model, solution, saved.optsum))


def _unpickled(content: bytes, threads: int | None) -> GeneralizedLinearMixedFit:
    return restored(generalized_from_bytes(content), usable_threads(threads))
