"""P-values and multiples of standard errors adjusted for a family of several tests.

A family has t ratios with degrees of freedom each. Every method gives p-values and, for limits that
cover all estimates of the family together, the multiple of each standard error.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import scipy

from mixedmodels.arrays import FloatArray, LongArray
from mixedmodels.estimates.tails import t_quantile, t_tail
from mixedmodels.marginal.joint_t import Joint
from mixedmodels.marginal.ranges import range_quantile, range_tail
from mixedmodels.spelling import chosen_option

Adjust: TypeAlias = Literal[
    "tukey",
    "holm",
    "hochberg",
    "hommel",
    "sidak",
    "bonferroni",
    "scheffe",
    "mvt",
    "fdr",
    "fdr-by",
    "none",
]
ADJUSTS: tuple[Adjust, ...] = get_args(Adjust)
_SPELLINGS: dict[str, Adjust] = {
    "bh": "fdr",
    "benjaminihochberg": "fdr",
    "by": "fdr-by",
    "benjaminiyekutieli": "fdr-by",
    "bonf": "bonferroni",
    "hsd": "tukey",
    "tukeyhsd": "tukey",
    "šidák": "sidak",
    "dunnett": "mvt",
    "dunnettx": "mvt",
    "multivariatet": "mvt",
}


_NAMES: dict[Adjust, str] = {
    "holm": "Holm's method",
    "hochberg": "Hochberg's method",
    "hommel": "Hommel's method",
    "sidak": "Šidák's method",
    "bonferroni": "Bonferroni's method",
    "mvt": "the multivariate t distribution",
    "fdr": "Benjamini and Hochberg's method",
    "fdr-by": "Benjamini and Yekutieli's method",
}


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """Tests that are adjusted together.

    Attributes:
        t: (c,) t ratios; NaN where there is no estimate.
        df: (c,) degrees of freedom.
        means: How many means are compared.
        rank: How many contrasts are independent.
        joint: Gives the distribution of the largest ratio of the contrasts with an estimate.
    """

    t: FloatArray
    df: FloatArray
    means: int
    rank: int
    joint: Callable[[], Joint]

    @property
    def size(self) -> int:
        """Number of tests, those without an estimate included."""
        return len(self.t)


@dataclass(frozen=True, slots=True, eq=False)
class Together:
    """Rows of a table whose tests are adjusted together, and how.

    Attributes:
        rows: Their positions.
        means: How many means they compare.
        method: The adjustment.
        pairs: Whether they are all pairs of the means.
    """

    rows: LongArray
    means: int
    method: Adjust
    pairs: bool = False

    def by(self, method: Adjust) -> Together:
        """The same by the method asked for, or by what suits the rows in its place.

        Tukey's is for all pairs of means; others have Šidák's then. A single test is adjusted
        by Scheffé's method only.
        """
        chosen: Adjust = "sidak" if method == "tukey" and not self.pairs else method
        alone = len(self.rows) == 1 and chosen != "scheffe"
        return dataclasses.replace(self, method="none" if alone else chosen)


def adjust_name(adjust: object) -> Adjust:
    """The method that is called so, in any case and R's names included.

    Raises:
        MixedModelsError: Not the name of a method.
    """
    return chosen_option("adjust", adjust, ADJUSTS, _SPELLINGS)


def adjusted(family: Family, method: Adjust, plain: FloatArray | None = None) -> FloatArray:
    """(c,) p-values.

    Args:
        family: The tests.
        method: How they are adjusted.
        plain: (c,) p-values to adjust, of tests with one tail; those with two if None. Tukey's,
            Scheffé's and the multivariate t method are for two tails and do not read them.
    """
    if plain is None:
        plain = t_tail(family.df, family.t)
    size = family.size
    if method == "none" or size == 0:
        return plain
    if method == "tukey":
        return range_tail(np.sqrt(2.0) * np.abs(family.t), family.means, family.df)
    if method == "sidak":
        # 1 - (1 - p)^c without cancellation.
        with np.errstate(divide="ignore"):
            found: FloatArray = -np.expm1(size * np.log1p(-plain))
        return found
    if method == "bonferroni":
        return np.minimum(size * plain, 1.0)
    if method == "scheffe":
        return _f_tails(family.rank, family.df, family.t**2 / max(family.rank, 1))
    if method == "mvt":
        return _mvt(family)
    return _stepwise(plain, method)


def multiples(
    family: Family, method: Adjust, level: float, *, one_sided: bool = False
) -> FloatArray:
    """(c,) multiples of the standard errors; of methods without limits, Bonferroni's.

    Args:
        family: The estimates.
        method: How limits are adjusted.
        level: Coverage of all limits together.
        one_sided: Whether each estimate has a limit on one side, which Tukey's, Scheffé's and the
            multivariate t method have not.
    """
    size = max(family.size, 1)
    if one_sided:
        each = {"none": level, "sidak": level ** (1.0 / size)}
        return t_quantile(family.df, 2.0 * each.get(method, 1.0 - (1.0 - level) / size) - 1.0)
    if method == "none":
        return t_quantile(family.df, level)
    if method == "tukey":
        return math.sqrt(0.5) * range_quantile(1.0 - level, family.means, family.df)
    if method == "sidak":
        return t_quantile(family.df, level ** (1.0 / size))
    if method == "scheffe":
        rank = max(family.rank, 1)
        return np.sqrt(rank * _f_quantiles(rank, family.df, level))
    if method == "mvt":
        return _mvt_multiples(family, level)
    return t_quantile(family.df, 1.0 - (1.0 - level) / size)


def describe(method: Adjust, family: Family) -> list[str]:
    """Sentences about the adjustment of p-values and limits."""
    both = "P-values and limits are adjusted by"
    if method == "none":
        return []
    if method == "tukey":
        return [f"{both} Tukey's method for comparing {family.means} means."]
    if method == "scheffe":
        return [f"{both} Scheffé's method with rank {family.rank}."]
    found = f"{_NAMES[method]} for {family.size} tests"
    if method not in ("holm", "hochberg", "hommel", "fdr", "fdr-by"):
        return [f"{both} {found}."]
    return [f"P-values are adjusted by {found}.", f"Limits are by {_NAMES['bonferroni']}."]


def _stepwise(plain: FloatArray, method: Adjust) -> FloatArray:
    """P-values by methods that go through them in order; those missing count as tests."""
    found = np.full(len(plain), np.nan)
    known = np.flatnonzero(~np.isnan(plain))
    order = known[np.argsort(plain[known], kind="stable")]
    p, m = plain[order], len(plain)
    rank = np.arange(1, len(order) + 1)
    if method == "holm":
        found[order] = np.minimum(np.maximum.accumulate((m + 1 - rank) * p), 1.0)
        return found
    if method == "hommel":
        found[order] = _hommel(np.concatenate([p, np.ones(m - len(p))]))[: len(p)]
        return found
    steps = (m + 1 - rank) * p if method == "hochberg" else m / rank * p
    if method == "fdr-by":
        steps *= np.sum(1.0 / np.arange(1, m + 1))
    found[order] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
    return found


def _hommel(p: FloatArray) -> FloatArray:
    """Hommel's (1988, Biometrika 75, 383-386) p-values of sorted ones: Simes' tests, closed."""
    m = len(p)
    found = np.full(m, np.min(m * p / np.arange(1, m + 1)))
    for size in range(m - 1, 1, -1):
        first = m - size + 1  # tests before the last `size` - 1
        simes = np.min(size * p[first:] / np.arange(2, size + 1))
        bound = np.minimum(size * p[:first], simes)
        found[:first] = np.maximum(found[:first], bound)
        found[first:] = np.maximum(found[first:], bound[-1])
    bounded: FloatArray = np.maximum(found, p)
    return bounded


def _f_tails(num_df: int, den_df: FloatArray, statistic: FloatArray) -> FloatArray:
    num_df = max(num_df, 1)
    with np.errstate(invalid="ignore"):
        found: FloatArray = np.where(
            np.isinf(den_df),
            scipy.special.chdtrc(num_df, num_df * statistic),
            scipy.special.fdtrc(num_df, den_df, statistic),
        )
    return found


def _f_quantiles(num_df: int, den_df: FloatArray, level: float) -> FloatArray:
    with np.errstate(invalid="ignore"):
        found: FloatArray = np.where(
            np.isinf(den_df),
            scipy.special.chdtri(num_df, 1.0 - level) / num_df,
            scipy.special.fdtri(num_df, den_df, level),
        )
    return found


def _mvt(family: Family) -> FloatArray:
    """P(some ratio of the family is as large), for each with its own degrees of freedom."""
    joint = family.joint()
    plain = t_tail(family.df, family.t)
    found = np.full(family.size, np.nan)
    for row in np.flatnonzero(~np.isnan(family.t)):
        found[row] = joint.tail(abs(float(family.t[row])), float(family.df[row]))
    bounded: FloatArray = np.clip(found, plain, 1.0)
    return bounded


def _mvt_multiples(family: Family, level: float) -> FloatArray:
    joint = family.joint()
    found = np.full(family.size, np.nan)
    known: dict[float, float] = {}
    for row in np.flatnonzero(~np.isnan(family.t)):
        df = float(family.df[row])
        if df not in known:
            known[df] = joint.quantile(1.0 - level, df, family.size)
        found[row] = known[df]
    return found
