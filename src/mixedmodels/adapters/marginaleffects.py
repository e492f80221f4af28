"""A fit as a model of marginaleffects, which is an optional extra.

The one module that imports marginaleffects, and Polars, in which that works.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.design.columns import CategoricalColumn, level_labels
from mixedmodels.design.frame import as_table
from mixedmodels.errors import MixedModelsError
from mixedmodels.formula.expression import parse_expression
from mixedmodels.linear import LinearMixedFit
from mixedmodels.spelling import spelled

try:
    import polars as pl
    from marginaleffects.classes import ModelAbstract, ModelVault
except ImportError:
    raise MixedModelsError(
        "as_model() needs marginaleffects and Polars before 2: "
        "pip install 'mixedmodels[marginaleffects]'."
    ) from None

# Columns of the tables of marginaleffects, which those of the data must not be called.
_RESERVED = frozenset(
    [
        "rowid",
        "type",
        "group",
        "estimate",
        "std_error",
        "p_value",
        "s_value",
        "conf_low",
        "conf_high",
        "term",
        "contrast",
        "statistic",
    ]
)


def as_model(fit: LinearMixedFit, *, random: Any = "none", df: float = np.inf) -> MixedModel:
    """The fit as a model that all functions of marginaleffects take.

    Standard errors are those of the fixed effects by the delta method. `vcov=` of these functions
    takes True (the model's), False, "CR0", "CR1", "CR2", "kenward-roger", or a matrix (p, p).

    Args:
        fit: A fit that has its data (see `LinearMixedFit.data`).
        random: Random effects that take part in predictions, as for `LinearMixedFit.predict`. They
            are held at their conditional modes: standard errors leave out theirs.
        df: Degrees of freedom of all tests and limits. marginaleffects has one number for all rows;
            infinity is the normal distribution. Where groups are few, `fit.emmeans` has degrees of
            freedom for each row.

    Raises:
        UnknownNameError: The fit does not have its data.
        MixedModelsError: The model has no fixed effects, or `df` is not a positive number.

    Examples:
        >>> import mixedmodels as mm
        >>> from marginaleffects import avg_slopes
        >>> fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
        >>> avg_slopes(as_model(fit), variables="Days")["estimate"].round(2).to_list()
        [10.47]
    """
    if isinstance(df, bool) or not isinstance(df, (int, float)) or not df > 0:
        raise MixedModelsError(f"df is {df!r:.80}; it must be a positive number.")
    if fit.vcov.empty:
        raise MixedModelsError("The model has no fixed effects, so it has no marginal effects.")
    return MixedModel(fit, random, float(df))


class MixedModel(ModelAbstract):  # type: ignore[misc]
    """A fit with the methods that marginaleffects calls; made by `as_model`.

    Args:
        fit: The fit.
        random: Random effects that take part in predictions.
        df: Degrees of freedom.
    """

    def __init__(self, fit: LinearMixedFit, random: Any, df: float) -> None:
        design = fit.model.design
        self.df_resid = df
        self._random = random
        self._kept = np.flatnonzero(fit.fixef.notna())
        table, self._levels = _modeldata(fit, keep_all=random != "none")
        references = parse_expression(design.formula.response_factor.source).references
        response = [ref.name for ref in references if not ref.called and ref.name in table.columns]
        vault = ModelVault(
            coef=fit.fixef.to_numpy()[self._kept],
            coefnames=np.array(fit.vcov.index, dtype=object),
            vcov=fit.vcov.to_numpy(),
            formula=_not_read,
            modeldata=table,
            package="mixedmodels",
            variable_names=[*response[:1], *(name for name in design.variables)],
        )
        super().__init__(fit, vault)

    def get_vcov(self, vcov: Any = True) -> FloatArray | None:
        """(p, p) the covariance of the coefficients that is asked for, or None."""
        if vcov is None or vcov is False:
            return None
        if vcov is True:
            matrix: pd.DataFrame = self.model.vcov
        elif spelled(vcov, ("kenward-roger",), {"kr": "kenward-roger"}):
            matrix = self.model.vcov_adjusted("kenward-roger")
        elif isinstance(vcov, str):
            matrix = self.model.vcov_robust(kind=vcov).to_frame()
        else:
            matrix = vcov
        return np.asarray(matrix, dtype=np.float64)

    def get_exog(self, newdata: pl.DataFrame) -> FloatArray:
        """(n, p + 1) the columns of X, and what is added to X beta: offset and random effects."""
        rows = self._as_given(newdata)
        X = self.model.model_matrix(rows).to_numpy()[:, self._kept]
        mean = self.model.predict(rows, random=self._random, allow_new_levels=True)
        return np.column_stack([X, mean.to_numpy() - X @ self.vault.coef])

    def get_predict(self, params: npt.ArrayLike, newdata: Any) -> pl.DataFrame:
        """Predictions at rows of `get_exog` with any coefficients."""
        exog = np.asarray(newdata, dtype=np.float64)
        values = exog[:, :-1] @ np.asarray(params, dtype=np.float64) + exog[:, -1]
        return pl.DataFrame({"rowid": np.arange(len(values), dtype=np.int32), "estimate": values})

    def get_df(self) -> float:
        """Degrees of freedom of all rows."""
        return self.df_resid

    def _as_given(self, newdata: pl.DataFrame) -> dict[str, Any]:
        """New rows with levels as the data had them."""
        found: dict[str, Any] = {}
        for name in newdata.columns:
            column = newdata[name]
            levels = self._levels.get(name)
            if levels is None:
                found[name] = column.to_numpy()
                continue
            place = {label: code for code, label in enumerate(level_labels(levels))}
            codes = [place.get(str(label), -1) for label in column.to_list()]
            found[name] = pd.Categorical.from_codes(codes, levels)
        return found


def _not_read(_: Any) -> Any:
    """Stands for the formula, of which marginaleffects would understand the fixed part at best."""
    raise MixedModelsError("The model matrix is made by the fit.")


def _modeldata(fit: LinearMixedFit, *, keep_all: bool) -> tuple[pl.DataFrame, dict[str, pd.Index]]:
    """The rows used as Polars has them, factors as Enum; and by factor its levels."""
    design = fit.model.design
    table = as_table(fit.data)
    columns: dict[str, pl.Series] = {}
    levels: dict[str, pd.Index] = {}
    for name in table.names():
        if name in _RESERVED and name not in design.variables and not keep_all:
            continue
        column = table.column(name)
        used = column if design.rows is None else column.take(design.rows)
        if isinstance(used, CategoricalColumn):
            levels[name] = used.levels
            labels = level_labels(used.levels)
            codes = [None if code < 0 else labels[code] for code in used.codes.tolist()]
            columns[name] = pl.Series(name, codes, dtype=pl.Enum(labels))
        else:
            columns[name] = pl.Series(name, np.array(used.values))
    return pl.DataFrame(columns), levels
