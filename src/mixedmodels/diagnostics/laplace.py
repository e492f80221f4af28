"""Whether Laplace's approximation is good enough: the next term of its expansion.

Reference: Shun and McCullagh (1995), JRSS B 57.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.report.results import Result
from mixedmodels.report.sections import Paragraph, Section

# Size of the next term above which a fit says that the approximation may not do: in all, and for
# each level of the grouping factor.
_LARGE, _LARGE_PER_LEVEL = 1.0, 0.02


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LaplaceError(Result):
    """What the next term of the expansion says of the error of Laplace's approximation.

    Attributes:
        total: What the term adds to -2 log-likelihood at the estimates; None where it is not
            computed. The term itself may be far off where it is large.
        by_level: With one grouping factor its parts (levels,), by level; None otherwise.
        per_level: Its size for each level of the grouping factor with the most levels, or None.
        reason: Why it is not computed, or None.
        advice: What to do, where the term is large; None otherwise.
    """

    total: float | None
    by_level: pd.Series | None
    per_level: float | None
    reason: str | None = None
    advice: str | None = None

    @property
    def is_large(self) -> bool:
        """Whether the term is above 1 in all, or above 0.02 for each level."""
        return self.advice is not None

    def to_frame(self) -> pd.DataFrame:
        """The parts by level, or the total in one row: `term`."""
        if self.by_level is not None:
            return self.by_level.to_frame("term")
        return pd.DataFrame({"term": [np.nan if self.total is None else self.total]}, ["total"])

    def _sections(self) -> Sequence[Section]:
        if self.total is None:
            return [Paragraph((f"Error of the approximation: unknown; {self.reason}.",))]
        sentence = (
            f"The next term of the expansion adds {self.total:.4g} to -2 log-likelihood, "
            f"{self.per_level:.2g} for each level."
        )
        return [Paragraph((sentence if self.advice is None else self.advice,))]


def laplace_error(fitted: GeneralizedFitted) -> LaplaceError:
    """The next term at the estimates of a fit."""
    model = fitted.model
    if model.nodes > 1:
        reason = "the likelihood is by quadrature; more nodes (n_agq) show what it is worth"
        return LaplaceError(None, None, None, reason)
    if model.expected or model.reml:
        option = "reml=True" if model.reml else 'information="expected"'
        reason = f"the expansion is that of the likelihood with the defaults, without {option}"
        return LaplaceError(None, None, None, reason)
    with model.criterion().at(fitted.solution.par) as point:
        parts = point.next_term()
    if len(parts) == 0:
        reason = "its sums over pairs of rows are too many for factors that are crossed so"
        return LaplaceError(None, None, None, reason)
    total = float(parts.sum())
    if not np.isfinite(total):
        reason = "its terms cannot be computed in floating point; change the unit of the response"
        return LaplaceError(None, None, None, reason)
    groups = model.design.groups
    levels = max(group.n_levels for group in groups)
    per_level = abs(total) / levels
    single = groups[0] if len(groups) == 1 else None
    by_level = None
    if single is not None and len(parts) == single.n_levels:
        by_level = pd.Series(parts, single.levels, name="term")
    large = not (abs(total) <= _LARGE and per_level <= _LARGE_PER_LEVEL)
    advice = _advice(fitted, total, per_level) if large else None
    return LaplaceError(total, by_level, per_level, None, advice)


def _advice(fitted: GeneralizedFitted, total: float, per_level: float) -> str:
    """What a large next term means, and what to do."""
    model = fitted.model
    found = (
        "Laplace's approximation may not be good enough: the next term of its expansion would "
        f"change -2 log-likelihood by {total:.3g}, {per_level:.2g} for each level."
    )
    if len(model.design.groups) == 1 and model.quadrature_possible:
        return (
            f"{found} Use quadrature: fit.update(n_agq=9), and more nodes until the "
            "log-likelihood no longer changes."
        )
    return (
        f"{found} Quadrature (n_agq) is for one grouping factor with few effects; the column bias "
        "of fit.bootstrap(200, seed=1) says how far estimates from such data are from the truth."
    )
