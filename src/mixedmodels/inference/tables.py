"""The tables of tests that a fit gives, as results that print with a heading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mixedmodels.report.frames import frame_table
from mixedmodels.report.results import TableResult
from mixedmodels.report.sections import Section
from mixedmodels.settings import DfMethod

# The row of a model from which nothing is left out.
NONE = "<none>"


def tested_by(ddf: DfMethod, vcov: str) -> str:
    """Degrees of freedom and covariance of tests, for headings."""
    method = "ddf: none, by the normal distribution" if ddf == "none" else f"ddf: {ddf}"
    return f"{method}; vcov: {vcov}" if vcov else method


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CoefTable(TableResult):
    """Fixed effects: `estimate`, `std_error`, `df`, `statistic`, `p_value`.

    Attributes:
        ddf: Method for the degrees of freedom.
        vcov: The covariance in words; "" for the model's.
    """

    ddf: DfMethod
    vcov: str = ""

    @property
    def heading(self) -> tuple[str, ...]:
        """What the rows are."""
        return (f"Fixed effects ({tested_by(self.ddf, self.vcov)})",)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Anova(TableResult):
    """F tests of terms: `sum_sq`, `mean_sq`, `num_df`, `den_df`, `statistic`, `p_value`.

    Attributes:
        ddf: Method for the denominator degrees of freedom.
        tests: What each term is tested against, in words.
        vcov: The covariance in words; "" for the model's.
        residual: Whether rows have a residual variance, in which sums of squares are measured.
    """

    ddf: DfMethod
    tests: str
    vcov: str = ""
    residual: bool = True

    @property
    def heading(self) -> tuple[str, ...]:
        """What the rows are."""
        return (f"F tests of fixed terms, {self.tests} ({tested_by(self.ddf, self.vcov)})",)

    def _sentences(self) -> Iterator[str]:
        yield from super(Anova, self)._sentences()  # slots make the class anew
        if not self.residual and np.isinf(self.table["den_df"]).any():
            yield (
                "sum_sq is Wald's chi-square with num_df degrees of freedom; statistic is it "
                "divided by num_df, and p_value is of both."
            )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DropTable(TableResult):
    """Likelihood-ratio tests of terms left out one at a time; the first row is the whole model.

    Attributes:
        tests: What is left out, in words.
    """

    tests: str

    @property
    def heading(self) -> tuple[str, ...]:
        """What the rows are."""
        return (self.tests,)

    def _tables(self) -> Sequence[Section]:
        return [frame_table(self.table, blank=(NONE,))]
