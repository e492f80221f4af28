"""Results of a finished optimisation: plain frozen values, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mixedmodels.arrays import FloatArray
from mixedmodels.criterion.accuracy import Accuracy
from mixedmodels.values import quick


@quick
@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """The penalized least squares problem solved at one theta; its arrays become read-only.

    Attributes:
        theta: (m,) entries of the templates.
        axes_theta: (m,) theta along the axes of the terms (see `criterion.axes`).
        relative_theta: (m,) that in its natural units: times the root mean square of the axis that
            its row multiplies.
        reml: Whether `objective` is the REML criterion.
        objective: The criterion optimised.
        deviance: The ML criterion (-2 log-likelihood) at `theta`.
        logdet_L2: log|L|^2.
        logdet_RX2: log|RX|^2.
        pwrss: Penalized weighted residual sum of squares.
        sigma: Residual standard deviation: sqrt(pwrss / n) for ML, sqrt(pwrss / (n - p)) for REML.
        beta: (p_all,) coefficients in column order of X, NaN where a column is aliased.
        kept: (p,) positions of the columns that are not aliased.
        vcov: (p, p) sigma^2 (RX'RX)^-1, the covariance of the kept coefficients.
        u: (q,) conditional modes on the spherical scale, public order.
        b: (q,) conditional modes on the original scale, public order.
        n: Rows used.
        p: Rank of X.
        accuracy: How accurate the criterion and theta are where they are estimated; None where all
            is exact.
    """

    theta: FloatArray
    axes_theta: FloatArray
    relative_theta: FloatArray
    reml: bool
    objective: float
    deviance: float
    logdet_L2: float
    logdet_RX2: float
    pwrss: float
    sigma: float
    beta: FloatArray
    kept: npt.NDArray[np.integer[Any]]
    vcov: FloatArray
    u: FloatArray
    b: FloatArray
    n: int
    p: int
    accuracy: Accuracy | None = None

    @property
    def residual_sd(self) -> float | None:
        """Sigma: rows have a residual of their own."""
        return self.sigma

    @property
    def point(self) -> FloatArray:
        """(m,) parameters of the search."""
        return self.axes_theta

    @property
    def rows_less_rank(self) -> int:
        """n - p, the degrees of freedom of the residual."""
        return self.n - self.p

    @property
    def scale_df(self) -> int:
        """What sigma squared is pwrss over: n - p for REML, n for ML."""
        return self.rows_less_rank if self.reml else self.n

    @property
    def npar(self) -> int:
        """Rank of X, length of theta, and sigma."""
        return self.p + len(self.theta) + 1

    def __post_init__(self) -> None:
        for array in (self.theta, self.beta, self.kept, self.vcov, self.u, self.b):
            array.flags.writeable = False
