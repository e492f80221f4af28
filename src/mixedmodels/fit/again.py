"""The role: fits made from this one with another response or other arguments, copies, pickles."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mixedmodels.arrays import AnyArray, FloatArray
from mixedmodels.design.alignment import row_numbers
from mixedmodels.design.by_row import at_rows_used
from mixedmodels.design.given import Given, given_anew
from mixedmodels.design.places import used_rows
from mixedmodels.design.response import category_numbers
from mixedmodels.design.unquoted import naming_columns
from mixedmodels.errors import DataError, MixedModelsError, ModelError
from mixedmodels.estimates.base import BaseModel
from mixedmodels.estimates.solution import Solution
from mixedmodels.fit.values import OfSums, Values
from mixedmodels.formula.update import updated_formula
from mixedmodels.optimize import Request
from mixedmodels.optimize.summary import OptSummary
from mixedmodels.settings import AS_BEFORE, Control, OptimizerName
from mixedmodels.storage.fits import fit_to_bytes
from mixedmodels.storage.pickles import kept_threads, usable_threads

if TYPE_CHECKING:
    from typing_extensions import Self

    from mixedmodels.base_model import MixedModel


class Again(Values):
    """Fits that are made from a fit; see `LinearMixedFit`."""

    _model: MixedModel

    def __init__(self, model: MixedModel, fitted: Any) -> None:
        super().__init__(fitted)
        self._model = model
        self._given = model._given  # noqa: SLF001 (of the model of this fit)
        self._sums = model._sums  # noqa: SLF001 (of the model of this fit)

    @classmethod
    @abstractmethod
    def _from_bytes(cls, content: bytes, threads: int | None) -> Self:
        """The fit that `fit_to_bytes` has written."""

    # -- another response ---------------------------------------------------------------

    def _new_response(self, y: npt.ArrayLike) -> FloatArray:
        """(n,) numbers of a response for the rows used.

        Raises:
            DataError: It has the wrong length or labels, or is not finite.
        """
        design = self._design
        which = "rows of the model"
        if design.rows is not None:
            which += (
                ", which leaves rows of the data out (a pandas Series with the data's index is "
                "taken at the rows used)"
            )
        given = at_rows_used(y, design)
        if design.categories is not None:
            given = category_numbers(design.categories, given)
        n = design.y.size  # refused where there are no rows
        response = row_numbers("The new response", given, n, design.index, which)
        bad = np.flatnonzero(~np.isfinite(response))
        if bad.size:
            raise DataError(
                f"The new response is not finite in {used_rows(bad, design.rows, design.index)}: "
                f"{bad.size} of {response.size} rows, the first of them {response[bad[0]]}. To "
                "leave rows out, fit a new model to the data without them."
            )
        return response

    def _refitted(self, model: BaseModel[Any], start: npt.ArrayLike | None) -> Self:
        """The fit of other stages by the same criterion and the method of this fit.

        Args:
            model: The stages.
            start: What this fit says of its optimum, or None.
        """
        made, before = self._model._like(model), self.optsum  # noqa: SLF001 (of this fit)
        request = Request(
            before.optimizer, start, before.control, own_starts=model.several_basins, warm=True
        )
        found: Self = made._fit(request)  # noqa: SLF001 (of the model of this fit)
        return found

    # -- other arguments ----------------------------------------------------------------

    def _changed(
        self, formula: str | None, data: Any, arguments: Mapping[str, Any]
    ) -> tuple[str, Given]:
        """Formula, table and arguments after a change.

        Args:
            formula: A change of the formula, or None.
            data: Another table, or None.
            arguments: Those of `Given`, or AS_BEFORE.

        Raises:
            FormulaError: The change cannot be understood.
            ArgumentError: What is lost is not given.
        """
        text = self.formula
        if formula is not None:
            table = data if data is not None or self._given is None else self._given.data
            with naming_columns(table):
                text = updated_formula(self._design.formula, formula)
        return text, given_anew(self._design, self._given, data, changed(arguments))

    def _searched_by(
        self,
        model: Any,
        start: npt.ArrayLike | None,
        optimizer: OptimizerName | None,
        control: Control | None,
        verbose: bool,
    ) -> Self:
        """The fit of a model, by the method and the control of this fit if none are given."""
        before = self.optsum
        found: Self = model.fit(
            start=start,
            optimizer=optimizer or before.optimizer,
            control=control or before.control,
            verbose=verbose,
        )
        return found

    def _by_formula(self, formula: str) -> Values | None:
        """The fit by another formula, without a word; None where it cannot be made."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self.update(formula)
        except (MixedModelsError, AttributeError):
            return None

    # -- copies -------------------------------------------------------------------------

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles, and with them other processes, hold what a file holds."""
        count = kept_threads(self._fitted.model.threads)
        if self._sums is not None:
            return _of_sums, (self._sums, self._solution, self._optsum, count)
        return _unpickled, (type(self), fit_to_bytes(self._fitted), count)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A fit with everything its own but the table, which is the user's."""
        threads = self._fitted.model.threads
        if self._sums is not None:
            own: Self = self._sums.restored(self._solution, self._optsum, threads)
            return own
        again = self._from_bytes(fit_to_bytes(self._fitted), threads)
        again._model._given = again._given = self._given  # noqa: SLF001 (of this class)
        return again

    def __copy__(self) -> Self:
        """A fit that shares everything with this one: neither ever changes."""
        return type(self)(self._model, self._fitted)


def changed(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that differ from those of a fit."""
    return {name: value for name, value in arguments.items() if value is not AS_BEFORE}


def check_columns(kept: AnyArray, by_solution: AnyArray) -> None:
    """Refuse a solution, as from a file, that belongs to another design.

    Raises:
        ModelError: It has coefficients of other columns.
    """
    if not np.array_equal(kept, by_solution):
        raise ModelError("The solution is for other columns of X than the design determines.")


def check_twice(what: str, found: FloatArray, known: FloatArray) -> None:
    """Refuse a solution whose parameters, of which it holds two forms, differ between the two.

    Raises:
        ModelError: They differ by more than rounding.
    """
    if np.abs(found - known).max(initial=0.0) > 1e-6 * np.abs(known).max(initial=1e-6):
        raise ModelError(f"The solution has two {what} that are not the same.")


def _unpickled(kind: type[Again], content: bytes, threads: int | None) -> Again:
    return kind._from_bytes(content, usable_threads(threads))  # noqa: SLF001 (of this module)


def _of_sums(sums: OfSums, solution: Solution, optsum: OptSummary, threads: int | None) -> Any:
    return sums.restored(solution, optsum, usable_threads(threads) or 1)
