"""The table and the matrix of a fit: the methods; the work is in `design`."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mixedmodels.design.absent import rows_needed
from mixedmodels.design.by_row import on_all_rows, used_labels
from mixedmodels.design.given import Given, columns_used
from mixedmodels.design.model_frame import model_frame
from mixedmodels.design.rebuild import new_rows, rebuild_fixed
from mixedmodels.errors import UnknownNameError
from mixedmodels.fit.values import Values

_GONE = (
    "The fit has no table: it was read from a file or a pickle, which do not hold it, or made by "
    "refit()."
)


class Frames(Values):
    """What a fit was made of; see `LinearMixedFit`."""

    @property
    def data(self) -> Any:
        """The columns of the table that the fit uses, as they were given.

        They are the table's own, never a copy, with all its rows and of its kind: a pandas
        DataFrame, a Polars one, a dict. What is changed in the table afterwards is changed here.

        Raises:
            UnknownNameError: The fit has no table: it was read from a file or a pickle, which do
                not hold it, or made by `refit`.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
            >>> list(fit.data)
            ['Batch', 'Yield']
        """
        if self._sums is not None:
            raise rows_needed()
        if self._given is None:
            raise UnknownNameError(f"{_GONE} Its matrices are fit.model.X and fit.model.y.")
        return columns_used(self._design, self._given)

    def model_frame(self, data: Any = None) -> pd.DataFrame:
        """The variables of the formula, on the rows of `fitted`.

        Args:
            data: The table that the model was fitted to, where the fit does not have it any more
                (see `data`).

        Returns:
            The response, every column and expression of the formula (`log(x)`; of a basis such as
            `poly(x, 2)` each column), text and grouping factors as categories, then `(weights)`
            and `(offset)` where these were given as arguments.

        Raises:
            UnknownNameError: The fit has no table, and none is given.
            DataError: The table is not the one that the model was fitted to.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("log(Reaction) ~ Days + (1 | Subject)", mm.load_dataset("sleepstudy"))
            >>> fit.model_frame().head(2).round(3)
               log(Reaction)  Days Subject
            0          5.521   0.0     308
            1          5.556   1.0     308
        """
        given = self._given
        if data is not None:
            given = Given(data) if given is None else given.changed(data=data)
        if not self._design.has_rows:
            raise rows_needed()
        if given is None:
            raise UnknownNameError(f"{_GONE} Write fit.model_frame(data).")
        return on_all_rows(self._design, model_frame(self._design, given))

    def model_matrix(self, newdata: Any = None) -> pd.DataFrame:
        """The fixed-effects model matrix, whose columns are named as `fixef`.

        Args:
            newdata: New rows, any table that `lmer` takes with the columns of the fixed part; the
                rows of `fitted` if None. Stateful transforms are replayed, contrasts and levels are
                those of the fit.

        Returns:
            (n, p) by row label, aliased columns included; a row with a missing value is NaN.

        Raises:
            FormulaError: A column is missing.
            DataError: A column is of another kind, or has a level that was not there.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
            >>> (fit.model_matrix({"Days": [10]}) @ fit.fixef).round(2).tolist()
            [356.08]
        """
        names = list(self._design.x_names)
        if newdata is not None:
            rows = new_rows(newdata)
            return pd.DataFrame(rebuild_fixed(self._design, rows), rows.index(), names)
        own = pd.DataFrame(self._design.X.copy(), used_labels(self._design), names)
        return on_all_rows(self._design, own)
