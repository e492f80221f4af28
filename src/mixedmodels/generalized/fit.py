"""The fit of a generalized linear mixed model as users hold it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mixedmodels.design.places import used_rows
from mixedmodels.diagnostics.identifiable import remarks, trouble
from mixedmodels.diagnostics.laplace import LaplaceError, laplace_error
from mixedmodels.errors import DataError
from mixedmodels.estimates.components import dropped_messages
from mixedmodels.families.base import DISPERSION, ZERO_INFLATION, Family
from mixedmodels.fit.generalized import GeneralizedFit
from mixedmodels.lazy import late_module
from mixedmodels.settings import (
    AS_BEFORE,
    Control,
    Information,
    NaAction,
    OptimizerName,
)

if TYPE_CHECKING:
    from mixedmodels.generalized.model import GeneralizedLinearMixedModel

_restoring = late_module("mixedmodels.generalized.restoring")
_files = late_module("mixedmodels.storage.generalized")


class GeneralizedLinearMixedFit(GeneralizedFit):
    """A fitted generalized linear mixed model.

    Made by `glmer` or `GeneralizedLinearMixedModel.fit`. Arrays are read-only; tables are made
    anew on every call and may be changed freely. Random effects are on the scale of the linear
    predictor. Tests of coefficients refer z ratios to a normal distribution; standard errors are
    from the exact Hessian in all parameters.
    """

    _model: GeneralizedLinearMixedModel

    @property
    def model(self) -> GeneralizedLinearMixedModel:
        """The `GeneralizedLinearMixedModel` that was fitted."""
        return self._model

    @property
    def messages(self) -> tuple[str, ...]:
        """What the user should know: rows and columns dropped, singularity, separation."""
        unbounded = self.optsum.status == "unbounded"
        advice = None if unbounded else self.laplace_error.advice
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
        response = self._new_response(y)
        design, model = self._design, self._generalized.model
        family, m = model.family, model.weights
        shares = family.of_trials and not design.response_name.startswith("cbind(")
        counts = response * m if shares else response
        fault = family.fault(counts, m)
        if fault is not None:
            places = used_rows(np.flatnonzero(fault.rows), design.rows, design.index)
            raise DataError(f"The new response has values that {fault.wrong}, in {places}.")
        counts = np.round(counts) if family.of_trials else counts
        solution, other = self._generalized.solution, model.with_response(counts)
        at_zero = (solution.theta == 0.0) & model.templates.diagonal
        before, criterion = self._generalized.parameters, other.criterion()
        # Where densities are not log-concave, a response may have no mode at these parameters.
        own = at_zero.any() or not np.isfinite(criterion.value(criterion.from_user(before)))
        start = None if own else before
        return self._refitted(other, start)

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
        text, given = self._changed(formula, data, named)
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
            **given.arguments,
            **parts,
            threads=self._generalized.model.threads if threads is None else threads,
        )
        return self._searched_by(model, start, optimizer, control, verbose)

    @classmethod
    def _from_bytes(cls, content: bytes, threads: int | None) -> GeneralizedLinearMixedFit:
        found: GeneralizedLinearMixedFit = _restoring.restored(
            _files.generalized_from_bytes(content), threads
        )
        return found
