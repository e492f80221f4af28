"""The numbers a report shows, gathered by the fit facade before any formatting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mixedmodels.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class VarianceRow:
    """One variance component; `corr` with the rows above of the same term."""

    group: str
    name: str
    variance: float
    sd: float
    corr: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class CoefficientValues:
    """Fixed effects, one entry per kept column of X.

    `statistic_name` is "z" or "t"; `df` is None when the statistic is referred to a normal.
    """

    names: tuple[str, ...]
    estimate: FloatArray
    std_error: FloatArray
    statistic: FloatArray
    p_value: FloatArray
    statistic_name: str = "z"
    df: FloatArray | None = None
    correlation: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class FitValues:
    """What the print of a mixed model shows.

    `title` are its first lines; `quantiles` are the minimum, quartiles and maximum of the scaled
    residuals, or None to leave that part out; `groups` pairs each grouping factor with its number
    of levels; `others` are coefficients of other parameters than the mean, with their captions;
    `beside` is what was given beside the formula.
    """

    title: tuple[str, ...]
    formula: str
    reml: bool
    n: int
    groups: tuple[tuple[str, int], ...]
    objective: float
    aic: float
    bic: float
    loglik: float
    deviance: float
    df_residual: int
    variances: tuple[VarianceRow, ...]
    coefficients: CoefficientValues
    quantiles: FloatArray | None
    messages: tuple[str, ...]
    others: tuple[tuple[str, CoefficientValues], ...] = ()
    beside: Mapping[str, str] = field(default_factory=dict)
