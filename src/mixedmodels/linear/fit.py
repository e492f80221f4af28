"""The fit of a linear mixed model as users hold it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mixedmodels.arrays import FloatArray
from mixedmodels.design.checks import check_response
from mixedmodels.estimates.routing import Ways
from mixedmodels.fit.again import changed
from mixedmodels.fit.mixed import MixedFit
from mixedmodels.lazy import late_module
from mixedmodels.memory import memory_size
from mixedmodels.settings import AS_BEFORE, Control, Method, NaAction, OptimizerName, check_reml
from mixedmodels.storage.fits import fit_from_bytes

if TYPE_CHECKING:
    from mixedmodels.linear.model import LinearMixedModel

_restoring = late_module("mixedmodels.linear.restoring")


class LinearMixedFit(MixedFit):
    """A fitted linear mixed model.

    Made by `lmer` or `LinearMixedModel.fit`. Arrays are read-only; tables are made anew on
    every call and may be changed freely.
    """

    _model: LinearMixedModel

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
        response = self._new_response(y)
        check_response(self._design.response_name, response)
        return self._refit_drawn(response)

    def _refit_drawn(self, y: FloatArray) -> LinearMixedFit:
        """The fit to a response that was drawn, or to its sums where there are no rows."""
        return self._refitted(self._fitted.model.with_response(y), np.array(self.theta))

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
        criterion = self.reml if reml is None else check_reml(reml)
        count = self._fitted.model.threads if threads is None else threads
        ways = self._fitted.model.ways
        ways = Ways(
            ways.method if method is AS_BEFORE else method,
            ways.memory if memory is AS_BEFORE else memory_size(memory),
        )
        same = threads is None and ways == self._fitted.model.ways
        if formula is None and data is None and not changed(named) and same:
            model = self._model._by(reml=criterion)  # noqa: SLF001 (of this pair)
        else:
            text, given = self._changed(formula, data, named)
            model = type(self._model)(
                text,
                given.data,
                criterion,
                **given.arguments,
                threads=count,
                method=ways.method,
                memory=ways.memory,
            )
        return self._searched_by(model, start, optimizer, control, verbose)

    @classmethod
    def _from_bytes(cls, content: bytes, threads: int | None) -> LinearMixedFit:
        found: LinearMixedFit = _restoring.restored(fit_from_bytes(content), threads)
        return found
