"""The fit of a generalized linear mixed model as users hold it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mixedmodels.design.alignment import row_numbers
from mixedmodels.design.by_row import at_rows_used
from mixedmodels.design.given import given_anew
from mixedmodels.design.places import used_rows
from mixedmodels.design.response import category_numbers
from mixedmodels.diagnostics.identifiable import remarks, trouble
from mixedmodels.diagnostics.laplace import LaplaceError, laplace_error
from mixedmodels.errors import DataError, MixedModelsError
from mixedmodels.estimates.components import dropped_messages
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.families.base import DISPERSION, ZERO_INFLATION, Family
from mixedmodels.fit.generalized import GeneralizedFit
from mixedmodels.formula.update import updated_formula
from mixedmodels.lazy import late_module
from mixedmodels.settings import (
    AS_BEFORE,
    Control,
    Information,
    NaAction,
    OptimizerName,
)
from mixedmodels.storage.fits import fit_to_bytes
from mixedmodels.storage.pickles import kept_threads

if TYPE_CHECKING:
    from mixedmodels.generalized import restoring as _restoring
    from mixedmodels.generalized.model import GeneralizedLinearMixedModel
else:
    _restoring = late_module("mixedmodels.generalized.restoring")


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
        self._given = model._given  # noqa: SLF001 (of this pair)

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
        made = self._model._of(model.with_response(counts))  # noqa: SLF001 (of this pair)
        solution = self._generalized.solution
        start = self._generalized.criterion.to_user(solution.par)
        at_zero = (solution.theta == 0.0) & model.templates.diagonal
        # Where densities are not log-concave, a response may have no mode at these parameters.
        own = at_zero.any() or not np.isfinite(
            made._criterion.value(solution.par)  # noqa: SLF001 (of this pair)
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
        model = type(self._model)(
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
        return _restoring.unpickled, (fit_to_bytes(fitted), kept_threads(fitted.model.threads))

    def __deepcopy__(self, memo: dict[int, Any]) -> GeneralizedLinearMixedFit:
        """A fit with everything its own but the table, which is the user's."""
        fitted = self._generalized
        again = _restoring.unpickled(fit_to_bytes(fitted), fitted.model.threads)
        again._model._given = again._given = self._given  # noqa: SLF001 (of this pair)
        return again

    def __copy__(self) -> GeneralizedLinearMixedFit:
        """A fit that shares everything with this one: neither ever changes."""
        return type(self)(self._model, self._generalized)
