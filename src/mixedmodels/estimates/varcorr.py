"""Variances and correlations of the random effects on the response's scale.

The covariances come from `covariance`, the layout of the printed table from
`report`; nothing is estimated here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.covariance import RESIDUAL, Templates, covariance_of_effects
from mixedmodels.lazy import cached_property
from mixedmodels.report.results import Result
from mixedmodels.report.sections import Section, variance_table
from mixedmodels.report.values import VarianceRow


class TermCovariance(NamedTuple):
    """One term: its label, the names of its effects, and sd (s,) and corr (s, s)."""

    label: str
    columns: tuple[str, ...]
    sd: FloatArray
    corr: FloatArray


@dataclass(frozen=True, eq=False, repr=False)
class VarCorr(Result):
    """Variance components, one entry per random-effects term.

    A second term on the same grouping factor is labelled `group.1`, the next `group.2`, as
    in lme4; no two labels are equal, and a group called Residual is `group(Residual)`. Prints as
    lme4's table.

    Attributes:
        terms: One per random-effects term, in the order of theta.
        sigma: Residual standard deviation, or None where the rows have none.
    """

    terms: tuple[TermCovariance, ...]
    sigma: float | None

    @classmethod
    def from_theta(cls, templates: Templates, theta: FloatArray, sigma: float | None) -> VarCorr:
        """Covariances `sigma^2 lam lam'` of templates at theta; sigma 1 where it is None."""
        scale = 1.0 if sigma is None else sigma
        terms = tuple(
            TermCovariance(label, columns, *covariance_of_effects(lam, scale))
            for label, columns, lam in zip(
                templates.labels, templates.columns, templates.lam(theta), strict=True
            )
        )
        return cls(terms, sigma)

    @property
    def sd(self) -> pd.Series[float]:
        """Standard deviations by (group, name), without the residual's (`sigma`)."""
        index = pd.MultiIndex.from_tuples(
            [(term.label, name) for term in self.terms for name in term.columns],
            names=["group", "name"],
        )
        return pd.Series(np.concatenate([term.sd for term in self.terms]), index, name="sd")

    @property
    def corr(self) -> dict[str, pd.DataFrame]:
        """Correlation matrix of each term; NaN beside an effect of zero variance."""
        return {
            term.label: pd.DataFrame(term.corr.copy(), term.columns, term.columns)
            for term in self.terms
        }

    @property
    def cov(self) -> dict[str, pd.DataFrame]:
        """Covariance matrix of each term."""
        return {
            term.label: pd.DataFrame(_covariance(term), term.columns, term.columns)
            for term in self.terms
        }

    def to_frame(self) -> pd.DataFrame:
        """lme4's `as.data.frame(VarCorr(fit))`.

        Columns: `grp`, `var1` (None for the residual), `var2` (None on variances), `vcov`,
        `sdcor` (a standard deviation, or a correlation where `var2` is given); per term the
        variances first, the residual in the last row.
        """
        rows: list[tuple[str, str | None, str | None, float, float]] = []
        for term in self.terms:
            covariance = _covariance(term)
            rows.extend(
                (term.label, name, None, covariance[i, i], term.sd[i])
                for i, name in enumerate(term.columns)
            )
            rows.extend(
                (term.label, name, term.columns[i], covariance[i, j], term.corr[i, j])
                for j, name in enumerate(term.columns)
                for i in range(j + 1, len(term.columns))
            )
        if self.sigma is not None:
            rows.append((RESIDUAL, None, None, self.sigma**2, self.sigma))
        frame = pd.DataFrame(rows, columns=["grp", "var1", "var2", "vcov", "sdcor"], dtype=object)
        return frame.astype({"grp": str, "vcov": np.float64, "sdcor": np.float64})

    @cached_property
    def rows(self) -> tuple[VarianceRow, ...]:
        """Rows of the printed table."""
        rows = [
            VarianceRow(term.label, name, sd**2, sd, tuple(term.corr[i, :i].tolist()))
            for term in self.terms
            for i, (name, sd) in enumerate(zip(term.columns, term.sd.tolist(), strict=True))
        ]
        if self.sigma is not None:
            rows.append(VarianceRow(RESIDUAL, "", self.sigma**2, self.sigma))
        return tuple(rows)

    def _sections(self) -> Sequence[Section]:
        """lme4's table of standard deviations and correlations."""
        return [variance_table(self.rows)]


def _covariance(term: TermCovariance) -> FloatArray:
    scaled: FloatArray = np.where(np.isnan(term.corr), 0.0, term.corr) * np.outer(term.sd, term.sd)
    return scaled
