"""Reference distributions of tests on beta: how many degrees of freedom, and which covariance.

One class per method. Each gives the distribution of t ratios and of joint tests; what is tested is
for `hypotheses` and `terms`, tables are made in `coefficients` and `wald`. Kenward and Roger's
method has a file of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.estimates.linear import Fitted
from mixedmodels.estimates.tails import f_tail
from mixedmodels.estimates.unknown import PartlyKnown, covariance_of_rows, variances_of_rows
from mixedmodels.inference.information import Information, variance_slopes
from mixedmodels.settings import DfMethod

# Eigenvalues of the covariance of a hypothesis below this, relative to the largest, are zero.
_RANK = 1e-10
# Degrees of freedom that agree so far are one number.
_SAME = 1e-8


class FTest(NamedTuple):
    """A joint test: F, its degrees of freedom, p-value, and the factor that F was scaled by."""

    statistic: float
    num_df: int
    den_df: float
    p_value: float
    scale: float = 1.0


class Degrees(ABC):
    """Inference on beta by one method.

    Attributes:
        method: Its name.
        beta: (p,) coefficients kept.
        vcov: (p, p) their covariance, adjusted if the method does so.
        sigma: Residual standard deviation.
        note: What the user should know, or "".
        source: The covariance in words; "" for the model's.
        partly: What is known of a covariance that has NaN, if more than the rest of it.
    """

    method: DfMethod
    partly: PartlyKnown | None = None
    note: str = ""
    source: str = ""

    def __init__(self, beta: FloatArray, vcov: FloatArray, sigma: float) -> None:
        self.beta = beta
        self.vcov = vcov
        self.sigma = sigma

    @property
    def covariance(self) -> FloatArray | PartlyKnown:
        """The covariance of the coefficients kept, for combinations of them."""
        return self.vcov if self.partly is None else self.partly

    @abstractmethod
    def of_rows(self, L: FloatArray, share: FloatArray | None = None) -> FloatArray:
        """(k,) degrees of freedom of the t tests of the rows of L (k, p).

        With `share` (k,) those of predictions of observations: the variance of a row is this part
        of the whole, the rest being a multiple of sigma^2.
        """

    def variances(self, L: FloatArray) -> FloatArray:
        """(k,) variances of the rows of L beta."""
        return variances_of_rows(L, self.covariance)

    def joint(self, L: FloatArray, difference: FloatArray) -> FTest:
        """The test that L beta equals what it differs from by `difference` (k,).

        L vcov L' is turned to its principal axes; the squared t ratios there are independent, and
        F is their mean (Fai and Cornelius, 1996). NaN where the data do not determine a row.
        """
        covariance = covariance_of_rows(L, self.covariance)
        if np.isnan(covariance).any():
            return FTest(float("nan"), int(np.linalg.matrix_rank(L)), float("nan"), float("nan"))
        axes, variances = principal_axes(covariance)
        num_df = len(axes)
        if num_df == 0:
            return FTest(float("nan"), 0, float("nan"), float("nan"))
        statistic = float(np.mean((axes @ difference) ** 2 / variances))
        den_df = _pooled(self.of_rows(axes @ L))
        return FTest(statistic, num_df, den_df, f_tail(num_df, den_df, statistic))


class Normal(Degrees):
    """The ratio to the standard error referred to a normal distribution."""

    method: DfMethod = "none"

    def of_rows(self, L: FloatArray, share: FloatArray | None = None) -> FloatArray:
        """Infinite degrees of freedom of each row."""
        del share
        return np.full(len(L), np.inf)


class Residual(Degrees):
    """As many degrees of freedom as rows less columns of X, for every test."""

    method: DfMethod = "residual"

    def __init__(self, beta: FloatArray, vcov: FloatArray, sigma: float, df: int) -> None:
        super().__init__(beta, vcov, sigma)
        self._df = float(df)

    def of_rows(self, L: FloatArray, share: FloatArray | None = None) -> FloatArray:
        """n - p for all."""
        del share
        return np.full(len(L), self._df)


class Satterthwaite(Degrees):
    """Degrees of freedom that match the variance of an estimated variance.

    df = 2 / (g'A g), g being the gradient of log(l'vcov l) with respect to theta and log sigma, A
    their covariance (Giesbrecht and Burns, 1985; Kuznetsova et al., 2017).
    """

    method: DfMethod = "satterthwaite"

    def __init__(self, fitted: Fitted, information: Information) -> None:
        super().__init__(*estimates(fitted))
        # Arrays and not the information: results that keep this must not keep its workspace.
        self._parameters = information.vcov
        self._derivatives = (information.fixed, information.phi, information.R)
        if information.problem:
            self.note = (
                f"No degrees of freedom by Satterthwaite: {information.problem}. Fit again with "
                "another start= or optimizer=, or test by ddf='residual' or ddf='none'."
            )

    def of_rows(self, L: FloatArray, share: FloatArray | None = None) -> FloatArray:
        """Degrees of freedom of each row by the formula above."""
        slopes = variance_slopes(L, *self._derivatives)
        if share is not None:
            slopes[:, :-1] *= share[:, None]
        spread = np.einsum("ki,ki->k", slopes @ self._parameters, slopes)
        with np.errstate(divide="ignore", invalid="ignore"):
            df: FloatArray = 2.0 / spread
        return df


def estimates(fitted: Fitted) -> tuple[FloatArray, FloatArray, float]:
    """beta (p,) of the kept columns, its covariance (p, p), and sigma."""
    solution = fitted.solution
    return solution.beta[solution.kept], solution.vcov, solution.sigma


def principal_axes(covariance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rows (r, k) of the principal axes with a variance, and these (r,)."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > _RANK * max(float(values.max(initial=0.0)), 0.0)
    return vectors[:, kept].T, values[kept]


def _pooled(df: FloatArray) -> float:
    """Denominator of the mean of squared t ratios with these degrees of freedom."""
    if len(df) == 1 or np.isinf(df).any() or np.ptp(df) < _SAME * df.max():
        return float(np.mean(df))
    if df.min() <= 2.0:
        return 2.0
    expected = float(np.sum(df / (df - 2.0)))
    return 2.0 * expected / (expected - len(df))
