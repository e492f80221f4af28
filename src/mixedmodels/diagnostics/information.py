"""The information on the fixed effects as a root, which keeps digits that the covariance has lost.

In the covariance of coefficients a covariate far from its origin leaves correlations of nearly -1,
from which nothing can be inverted. A root of the inverse covariance has no such loss.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.estimates.linear import Fitted


@singledispatch
def information_root(fitted: Any) -> FloatArray:
    """(p, p) triangle of which the cross-product is the inverse covariance of beta."""
    raise NotImplementedError(type(fitted))


@information_root.register
def _(fitted: Fitted) -> FloatArray:
    """RX R / sigma."""
    solution, model = fitted.solution, fitted.model
    with fitted.criterion.at(solution.axes_theta) as point:
        root: FloatArray = point.RX @ model.products.R
    return root / solution.sigma


def log_det(columns: FloatArray) -> float:
    """Log determinant of the cross-product of columns (n, k) of full rank."""
    triangle = np.asarray(np.linalg.qr(columns, mode="r"))
    return 2.0 * float(np.log(np.abs(np.diag(triangle))).sum())
