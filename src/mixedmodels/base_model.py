"""A mixed model of either kind as users hold it: what both kinds show, copies, the search."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.calls import Guided
from mixedmodels.design import Design, build_design
from mixedmodels.design.given import Given, with_weights_named
from mixedmodels.design.unquoted import read_formula
from mixedmodels.estimates.base import BaseModel
from mixedmodels.estimates.messages import announce, exact_messages
from mixedmodels.memory import guarded
from mixedmodels.optimize import Request
from mixedmodels.progress import Watcher

if TYPE_CHECKING:
    from typing_extensions import Self


class MixedModel(Guided, ABC):
    """A mixed model that is not fitted yet, of either kind; see `LinearMixedModel`."""

    _made_by_users = True

    _model: BaseModel[Any]
    _given: Given | None = None
    # What the model was made from where it has no rows.
    _sums: Any = None

    @classmethod
    def _of(cls, model: BaseModel[Any]) -> Self:
        """A model whose stages exist already."""
        made = cls.__new__(cls)
        made._model = model  # noqa: SLF001 (of this class)
        return made

    def _like(self, model: BaseModel[Any]) -> Self:
        """The model of other stages by the same criterion."""
        made = copy.copy(self)
        made._model, made._given, made._sums = model, None, None  # noqa: SLF001 (of this class)
        return made

    def _designed(self, formula: str, given: Given, **rules: Any) -> Design:
        """The design of a formula and what is given with it, which is kept."""
        self._given = given
        with guarded("The design"):
            design = build_design(
                read_formula(formula, given.data), given.data, **given.arguments, **rules
            )
        return with_weights_named(design, given)

    @property
    @abstractmethod
    def _criterion(self) -> Any:
        """The criterion that a fit minimises."""

    @property
    @abstractmethod
    def _kind(self) -> str:
        """What kind of model it is, after its formula."""

    def __getstate__(self) -> dict[str, Any]:
        """Pickles hold the stages, which hold the design; the table is the user's."""
        return {**self.__dict__, "_given": None}

    def __copy__(self) -> Self:
        """A model that shares everything with this one: neither ever changes."""
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__)
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A model with stages of its own; the table is the user's and shared."""
        made = copy.copy(self)
        made._model = copy.deepcopy(self._model, memo)  # noqa: SLF001 (of this class)
        return made

    @property
    def design(self) -> Design:
        """Model matrices, response, weights and offset, frozen; of trials, successes and trials."""
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
    def nobs(self) -> int:
        """Number of rows used."""
        return self.design.n

    @property
    def theta_names(self) -> list[str]:
        """Names of theta, as lme4's."""
        return list(self._model.templates.names)

    @property
    def lower_bounds(self) -> FloatArray:
        """(m,) 0 for the diagonal entries of the templates, -inf for the others."""
        return np.array(self._model.templates.lower_bounds)

    @abstractmethod
    def _fit(self, request: Request, verbose: bool = False) -> Any:
        """The fit that a search finds."""

    def _solved(self, request: Request, verbose: bool) -> Any:
        """The optimum of the criterion, with warnings of what is wrong with it."""
        with Watcher(verbose=verbose) as watcher:
            fitted = self._model.solve(self._criterion, request, watcher)
        solution, optsum = fitted.solution, fitted.optsum
        exact = exact_messages(self.design, solution)
        announce(solution, optsum, self._model.templates, fitted.identification, exact)
        return fitted

    def __repr__(self) -> str:
        """One line that names the model."""
        design = self.design
        groups = ", ".join(f"{group.name} {group.n_levels}" for group in design.groups)
        return (
            f"<{type(self).__name__} {design.formula.text!r}{self._kind}: {design.n} "
            f"observations, levels: {groups}>"
        )
