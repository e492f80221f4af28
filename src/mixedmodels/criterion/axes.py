"""Theta as users know it and theta along the axes of the terms, which the core works with.

Along the axes, the columns of Z of a term are made orthogonal by a fixed lower triangle T, so that
origin and scale of a covariate cost no digits. Templates along the axes are T^-1 times those of
theta, and lower triangular too. Searches, derivatives and inverses are in theta along the axes; the
maps to and from theta, which are linear, are here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mixedmodels._core import Evaluator, GeneralizedEvaluator
from mixedmodels.arrays import FloatArray
from mixedmodels.covariance import Templates
from mixedmodels.errors import MixedModelsError
from mixedmodels.settings import real_numbers


class ThetaAxes:
    """The maps of one model; they do not depend on where its criterion was evaluated last.

    Args:
        evaluator: The core's evaluator, which holds the axes.
        templates: Names of theta.
    """

    __slots__ = ("_evaluator", "_templates")

    def __init__(self, evaluator: Evaluator | GeneralizedEvaluator, templates: Templates) -> None:
        self._evaluator = evaluator
        self._templates = templates

    def checked(self, values: npt.ArrayLike, argument: str = "theta") -> FloatArray:
        """`values` as a theta of this model.

        Args:
            values: What was given.
            argument: What it was given as.

        Raises:
            MixedModelsError: Not numbers, the wrong length, or a value that is not finite.
        """
        names = ", ".join(self._templates.names)
        if argument != "theta":
            names = f"theta ({names})"
        try:
            theta = real_numbers(values)
        except (TypeError, ValueError):
            raise MixedModelsError(
                f"{argument} is {values!r:.80}; it must be one number for each of: {names}."
            ) from None
        if theta.shape != (self._templates.m,):
            raise MixedModelsError(
                f"{argument} has shape {theta.shape}; this model has {self._templates.m} "
                f"parameter{'s' if self._templates.m > 1 else ''}: {names}."
            )
        if not np.isfinite(theta).all():
            raise MixedModelsError(f"{argument} is {theta}; every value must be finite ({names}).")
        return theta

    @property
    def unit(self) -> FloatArray:
        """(m,) natural unit of every entry of theta along the axes."""
        return self._evaluator.unit

    def to_axes(self, theta: FloatArray) -> FloatArray:
        """(..., m) along the axes from theta of the columns of Z as the user has them."""
        return self._evaluator.to_axes(theta)

    def from_axes(self, theta: FloatArray) -> FloatArray:
        """(..., m) of the columns of Z as the user has them."""
        return self._evaluator.from_axes(theta)

    def slope_to_axes(self, slope: FloatArray) -> FloatArray:
        """(..., m) derivatives by theta along the axes from derivatives by theta."""
        return self._evaluator.slope_to_axes(slope)

    def slope_from_axes(self, slope: FloatArray) -> FloatArray:
        """(..., m) derivatives by theta from derivatives by theta along the axes."""
        return self._evaluator.slope_from_axes(slope)

    def hessian_from_axes(self, hessian: FloatArray) -> FloatArray:
        """(m, m) second derivatives by theta."""
        return self._evaluator.hessian_from_axes(hessian)

    def covariance_from_axes(self, covariance: FloatArray) -> FloatArray:
        """(m, m) covariance of theta."""
        return self._evaluator.covariance_from_axes(covariance)
