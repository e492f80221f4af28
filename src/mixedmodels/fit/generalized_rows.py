"""Rows of a generalized model: means on two scales, residuals of several kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import scipy

from mixedmodels.arrays import FloatArray
from mixedmodels.design import by_row
from mixedmodels.diagnostics.generalized import augmented_rows
from mixedmodels.estimates.working import pearson_residuals
from mixedmodels.fit.generalized_parameters import GeneralizedParameters
from mixedmodels.lazy import cached_property, late_module
from mixedmodels.marginal.scale import Scale, link_scale
from mixedmodels.prediction.generalized import (
    RESIDUALS,
    ResidualType,
    fitted_means,
    residuals_of_type,
)
from mixedmodels.prediction.simulate import Seed
from mixedmodels.spelling import chosen_option

if TYPE_CHECKING:
    from mixedmodels.marginal import categories
    from mixedmodels.marginal import meaning as meanings
    from mixedmodels.marginal.categories import Categories
    from mixedmodels.marginal.meaning import Meaning
else:
    meanings = late_module("mixedmodels.marginal.meaning")
    categories = late_module("mixedmodels.marginal.categories")


class GeneralizedRows(GeneralizedParameters):
    """What a generalized model has for each row; see `GeneralizedLinearMixedFit`."""

    @property
    def fitted(self) -> pd.Series[float]:
        """(n,) means given the random effects, on the scale of the response, by row label.

        Of binomial responses they are probabilities, of ordered ones the probability of the
        category observed. The linear predictor is
        `predict(type="link")`.
        """
        return by_row.series(self._design, self._means, "fitted")

    @property
    def residuals(self) -> pd.Series[float]:
        """(n,) deviance residuals by row label, as lme4's; `std_residuals` has other kinds."""
        values = residuals_of_type(self._generalized, "deviance")
        return by_row.series(self._design, values, "residuals")

    @cached_property
    def _fitted_values(self) -> FloatArray:
        """(n,) linear predictor on the rows used."""
        return self._generalized.solution.eta

    @cached_property
    def _means(self) -> FloatArray:
        return fitted_means(self._generalized)

    @cached_property
    def _raw_residuals(self) -> FloatArray:
        """(n,) working residuals: on the scale of the predictor, as the fitted values."""
        return residuals_of_type(self._generalized, "working")

    @property
    def _scaled_residuals(self) -> FloatArray:
        """(n,) Pearson residuals."""
        return pearson_residuals(self._generalized)

    def std_residuals(  # type: ignore[override]
        self, kind: ResidualType = "deviance", *, seed: Seed = None
    ) -> pd.Series[float]:
        """Residuals given the random effects.

        Args:
            kind: "deviance", the root of what the row adds to the deviance with the sign of
                y - mu; "pearson", (y - mu) over the root of the variance function; "response",
                y - mu; "working", (y - mu) over the slope of the mean; "quantile", the share of
                responses below the one observed among draws from the fitted means, ties broken at
                random: uniform on (0, 1) if the model is right.
            seed: Seed of "quantile".

        Returns:
            (n,) by row label.

        Raises:
            MixedModelsError: Unknown `kind`, or an unusable seed.
        """
        kind = chosen_option("kind", kind, RESIDUALS)
        values = residuals_of_type(self._generalized, kind, seed)
        return by_row.series(self._design, values, f"{kind} residual")

    @property
    def _scale(self) -> Scale | None:
        if self.family.ordered:  # means are on the latent scale
            return None
        return link_scale(self.family.link.name, self._design.response_name)

    @property
    def _meaning(self) -> Meaning:
        return meanings.generalized_meaning(self._design, self.family)

    @property
    def _of_successes(self) -> bool:
        return self.family.of_trials

    @property
    def _categories(self) -> Categories | None:
        return categories.Categories(self._generalized) if self.family.ordered else None

    @property
    def _linked(self) -> bool:
        return self.family.ordered or self.family.link.name != "identity"

    @property
    def _partial_residuals(self) -> FloatArray:
        return residuals_of_type(self._generalized, "working")

    def _augmented(self) -> pd.DataFrame:
        deviance = residuals_of_type(self._generalized, "deviance")
        return augmented_rows(self._generalized, self._means, deviance)

    @property
    def _residuals_drawn(self) -> tuple[str, FloatArray]:
        # Those of right means have mean zero whatever the family, unlike deviance residuals.
        return "Pearson residuals", self._scaled_residuals

    @property
    def _normal_if_right(self) -> tuple[str, FloatArray]:
        uniform = residuals_of_type(self._generalized, "quantile", 1)
        found: FloatArray = scipy.special.ndtri(uniform)
        return "Normal quantile residuals", found
