"""Inference after the fit: the methods; the mathematics is in `inference`."""

from __future__ import annotations

from functools import cached_property

import pandas as pd

from mixedmodels.fit.values import Values
from mixedmodels.inference.coefficients import coef_table
from mixedmodels.inference.degrees import Degrees, Normal, Residual, Satterthwaite, estimates
from mixedmodels.inference.information import Information, variance_information
from mixedmodels.settings import DF_METHODS, DfMethod, check_option


class Inference(Values):
    """Tests and intervals; see `LinearMixedFit`."""

    def coef_table(self, df: DfMethod = "satterthwaite") -> pd.DataFrame:
        """Fixed effects with standard errors and tests.

        Args:
            df: Degrees of freedom of the tests: "satterthwaite"; "kenward-roger", with its
                adjusted standard errors; "residual", n less the rank of X; or "none", which
                refers the ratio to a normal distribution.

        Returns:
            One row per kept column of X; columns `estimate`, `std_error`, `df`,
            `statistic`, `p_value`.

        Raises:
            MixedModelsError: Unknown `df`.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
            >>> fit.coef_table()["df"].round(2).tolist()
            [17.0, 17.0]
        """
        return coef_table(self._kept_names, self._degrees(df))

    @cached_property
    def _information(self) -> Information:
        return variance_information(self._fitted)

    def _degrees(self, df: DfMethod) -> Degrees:
        check_option("df", df, DF_METHODS)
        solution = self._solution
        if df == "none" or solution.p == 0:
            return Normal(*estimates(self._fitted))
        if df == "residual":
            return Residual(*estimates(self._fitted), solution.n - solution.p)
        return Satterthwaite(self._fitted, self._information)
