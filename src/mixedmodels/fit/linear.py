"""The fitted linear mixed model that users hold: its roles put together.

Every role is a class in a file of its own (values, inference, reports); the mathematics is in the
packages of the same names below. A fit is never changed by its methods.
"""

from __future__ import annotations

import numpy.typing as npt

from mixedmodels.fit.page import Page
from mixedmodels.fit.saving import Saving
from mixedmodels.fit.tidying import Tidying


class LinearMixedFit(Page, Tidying, Saving):
    """A fitted linear mixed model.

    Made by `lmer` or `LinearMixedModel.fit`. Arrays are read-only; tables are made anew on
    every call and may be changed freely.
    """

    def refit(self, y: npt.ArrayLike) -> LinearMixedFit:
        """Fit the same model to another response, starting at this fit's theta.

        Args:
            y: (nobs,) response on the rows used.

        Returns:
            A new fit; this one is unchanged.
        """
        return self._model.refit(y, fitted=self)
