"""A mixed model as an estimator of scikit-learn, which is an optional extra.

The one module that imports scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mixedmodels.api import lmer
from mixedmodels.arrays import FloatArray
from mixedmodels.errors import DataError, FormulaError, MixedModelsError
from mixedmodels.formula import parse_formula
from mixedmodels.linear import LinearMixedFit
from mixedmodels.settings import Control

try:
    from sklearn.base import BaseEstimator, RegressorMixin
    from sklearn.utils.validation import check_is_fitted
except ImportError:  # pragma: no cover - tests have it
    raise MixedModelsError(
        "MixedModelRegressor needs scikit-learn: pip install 'mixedmodels[sklearn]'."
    ) from None

if TYPE_CHECKING:
    from typing_extensions import Self


class MixedModelRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A linear mixed model for scikit-learn's cross-validation, pipelines and searches.

    Grouping factors are columns of `X` like all others. In `predict` a level that was not there in
    training has random effects of zero, as the population has.

    Args:
        formula: As for `lmer`. Its left-hand side is the name that `y` gets, or a column of `X`
            where `fit` is called without `y`. Columns of an array are called x0, x1, ...
        reml: As for `lmer`.
        contrasts: As for `lmer`.
        offset: As for `lmer`: a column of `X` or an expression of columns.
        random: Random effects that take part in predictions, as for `LinearMixedFit.predict`.
        control: Limits and tolerances.
        threads: Threads that a fit may use.

    Attributes:
        fit_: The `LinearMixedFit`, with everything that it can do.
        n_features_in_: Number of columns of `X` in training.
        feature_names_in_: Their names, where `X` has names.

    Examples:
        >>> import mixedmodels as mm
        >>> from sklearn.model_selection import GroupKFold, cross_val_score
        >>> data = mm.load_dataset("sleepstudy")
        >>> model = mm.MixedModelRegressor("Reaction ~ Days + (Days | Subject)")
        >>> scores = cross_val_score(model, data[["Days", "Subject"]], data["Reaction"],
        ...                          groups=data["Subject"], cv=GroupKFold(3))
        >>> scores.shape
        (3,)
    """

    def __init__(
        self,
        formula: str,
        *,
        reml: bool = True,
        contrasts: Mapping[str, Any] | None = None,
        offset: Any = None,
        random: Any = "all",
        control: Control | None = None,
        threads: int | None = None,
    ) -> None:
        self.formula = formula
        self.reml = reml
        self.contrasts = contrasts
        self.offset = offset
        self.random = random
        self.control = control
        self.threads = threads

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the model.

        Args:
            X: (n rows) a table with the columns of the formula, or a 2-d array.
            y: (n,) response; None where it is a column of `X`.
            sample_weight: (n,) prior weights.

        Raises:
            MixedModelsError: As `lmer`.
        """
        columns = _columns(X)
        features = list(columns)
        if y is not None:
            columns = {**columns, self._response(): _one_column(y)}
        self.fit_: LinearMixedFit = lmer(
            self.formula,
            columns,
            reml=self.reml,
            weights=None if sample_weight is None else _one_column(sample_weight),
            offset=self.offset,
            contrasts=self.contrasts,
            control=self.control,
            threads=self.threads,
        )
        self.n_features_in_ = len(features)
        if _has_names(X):
            self.feature_names_in_ = np.array(features, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    def predict(self, X: Any) -> FloatArray:
        """(n,) predictions at the rows of a table or an array with the columns of training."""
        check_is_fitted(self)
        columns = _columns(X)
        if not _has_names(X) and len(columns) != self.n_features_in_:
            raise DataError(
                f"X has {len(columns)} features, but MixedModelRegressor is expecting "
                f"{self.n_features_in_} features as input."
            )
        found = self.fit_.predict(columns, random=self.random, allow_new_levels=True)
        predicted: FloatArray = found.to_numpy()
        return predicted

    def __sklearn_tags__(self) -> Any:
        """Missing values are allowed (their rows are dropped), and so is text."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def _response(self) -> str:
        """The name of the response, which must be a name and not an expression.

        Raises:
            FormulaError: The left-hand side is missing or an expression.
        """
        response = parse_formula(self.formula).response_factor
        if not response.is_column:
            raise FormulaError(
                f"The left-hand side of {self.formula!r} must be one name, which y gets. Transform "
                "y before it is given, or by TransformedTargetRegressor."
            )
        return response.name


def _has_names(X: Any) -> bool:
    names = X if isinstance(X, Mapping) else getattr(X, "columns", None)
    return names is not None and all(isinstance(name, str) for name in names)


def _columns(X: Any) -> dict[str, Any]:
    """The columns of a table by name; those of an array are x0, x1, ...

    Raises:
        DataError: Neither a table nor a 2-d array.
    """
    if isinstance(X, pd.DataFrame) and _has_names(X):
        rows = X.reset_index(drop=True)
        return {str(name): rows.iloc[:, j] for j, name in enumerate(rows.columns)}
    if _has_names(X):
        return {name: X[name] for name in (X if isinstance(X, Mapping) else X.columns)}
    if hasattr(X, "tocsr"):
        raise DataError("X is a sparse matrix; give a dense array or a table.")
    array = np.asarray(X)
    if array.dtype.kind == "c":
        raise DataError("Complex data not supported.")
    if array.ndim != 2:
        raise DataError(
            f"X has {array.ndim} dimensions; give a table with the columns of the formula or an "
            "array (rows, columns). Reshape your data."
        )
    return {f"x{j}": array[:, j] for j in range(array.shape[1])}


def _one_column(y: Any) -> Any:
    """(n,) of a Series, a list, an array or an array of one column.

    Raises:
        DataError: Several columns.
    """
    array = np.asarray(y)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(f"y has shape {array.shape}; it must be one column.")
    return array
