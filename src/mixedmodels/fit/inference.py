"""Inference after the fit: the methods; the mathematics is in `inference`."""

from __future__ import annotations

import pandas as pd

from mixedmodels.fit.values import Values
from mixedmodels.inference.coefficients import coef_table
from mixedmodels.settings import DfMethod


class Inference(Values):
    """Tests and intervals; see `LinearMixedFit`."""

    def coef_table(self, df: DfMethod = "none") -> pd.DataFrame:
        """Fixed effects with standard errors and tests.

        Args:
            df: Degrees of freedom of the tests. "none" refers the ratio to a normal
                distribution; it is the only choice of this version.

        Returns:
            One row per kept column of X; columns `estimate`, `std_error`, `df`,
            `statistic`, `p_value`.

        Raises:
            MixedModelsError: Unknown `df`, or one that this version does not have.
        """
        return coef_table(self._fitted, df)
