"""Likelihood ratios of a model and a smaller one: one rule for all tables of such tests.

A ratio has a p-value where the smaller model is a special case of the larger one and has fewer
parameters. Elsewhere it has no chi-square distribution, and nothing is made up for one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy

from mixedmodels.errors import ConvergenceWarning, warn

# Likelihood ratio below which it is rounding of the two searches.
ROUNDING = 1e-6
# By how much a special case may fit better than a model before a local optimum is the reason.
_LOCAL = 1e-3


class RatioTest(NamedTuple):
    """The test of a likelihood ratio: what the criteria differ by, parameters, and p-value."""

    statistic: float
    df: int
    p_value: float


def ratio_test(ratio: float, df: int, *, nested: bool = True) -> RatioTest:
    """The test of a smaller model.

    Args:
        ratio: Its criterion less that of the larger model; NaN where one is not known.
        df: By how many parameters it is smaller.
        nested: Whether it is a special case of the larger model, so that it cannot fit better.
    """
    if not nested or df <= 0:
        return RatioTest(0.0 if abs(ratio) < ROUNDING else ratio, df, np.nan)
    ratio = float(np.maximum(ratio, 0.0))
    return RatioTest(ratio, df, chi_square_tail(ratio, df))


def warn_of_local_optimum(
    small: float, large: float, error: float, smaller: str, larger: str
) -> None:
    """Warn where a special case of a model fits better than it.

    Args:
        small: Criterion of the special case.
        large: Criterion of the model.
        error: Standard error of their difference.
        smaller: The special case in words.
        larger: The model in words.
    """
    if small - large >= -_LOCAL - 3.0 * error:
        return
    warn(
        f"{smaller} fits better than {larger} (criterion {small:.6f} and {large:.6f}), so "
        f"{larger} is at a local optimum. Fit it again with another start= or optimizer=.",
        ConvergenceWarning,
    )


def chi_square_tail(ratio: float, df: int) -> float:
    """Probability of a chi-square above `ratio`; NaN without degrees of freedom."""
    return float(scipy.special.chdtrc(df, ratio)) if df > 0 else np.nan


def mixture_tail(ratio: float, df: int) -> float:
    """Probability above `ratio` of the 50:50 mixture of chi-squares with df - 1 and df.

    The asymptotic distribution for one more variance, with its df - 1 covariances, at the boundary
    of zero. A chi-square with 0 degrees of freedom is zero. Source: Stram and Lee (1994),
    Biometrics 50, 1171-1177, case 3; Self and Liang (1987), JASA 82, 605-610, case 5.
    """
    if df == 1:
        return 1.0 if ratio <= ROUNDING else 0.5 * float(scipy.special.chdtrc(1, ratio))
    return 0.5 * float(scipy.special.chdtrc(df - 1, ratio) + scipy.special.chdtrc(df, ratio))
