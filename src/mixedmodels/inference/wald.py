"""Tests of linear hypotheses: the table of F tests of the terms, and what users ask for.

Which hypotheses a term stands for is decided in `terms`, what a user means in `hypotheses`, which
distribution a statistic has in `degrees`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.design.names import term_names
from mixedmodels.estimates.linear import Model
from mixedmodels.estimates.tails import t_tail, wald_limits
from mixedmodels.inference.coefficients import notes_of
from mixedmodels.inference.degrees import Degrees, FTest
from mixedmodels.inference.hypotheses import Hypothesis
from mixedmodels.inference.tables import tested_by
from mixedmodels.inference.terms import term_hypotheses
from mixedmodels.report.frames import frame_table
from mixedmodels.report.numbers import format_p
from mixedmodels.report.results import WithTable
from mixedmodels.report.sections import Paragraph, Section
from mixedmodels.settings import AnovaTypeName, DfMethod, anova_type, check_level

_NOT_ESTIMABLE = (
    "nothing of this term is estimable: its columns depend on those of other terms, or cells of "
    "its factors are empty. Leave it out, or test what is estimable by fit.test()."
)
_NOT_DETERMINED = (
    "the data do not determine coefficients of this term, which have no standard errors; see "
    "fit.messages. drop1() compares likelihoods instead."
)
COLUMNS = ("sum_sq", "mean_sq", "num_df", "den_df", "statistic", "p_value")


def anova_table(
    model: Model, degrees: Degrees, type_: AnovaTypeName, vcov: FloatArray | None = None
) -> pd.DataFrame:
    """F tests of the terms, in the order of the formula.

    Args:
        model: The model.
        degrees: The method of degrees of freedom.
        type_: Type of the tests.
        vcov: (p, p) covariance of the coefficients of a generalized model, by which types 1 and 2
            say what a term is after others; None of a linear model.

    The mean square is the F (before Kenward and Roger's scale) times the residual variance, so that
    the table reads like one of an analysis of variance. A term of which nothing is estimable has
    no degrees of freedom and NaN elsewhere; `attrs["notes"]` has by term why a number is missing.
    """
    return f_tests(model, degrees, term_hypotheses(model, anova_type(type_), vcov))


def f_tests(model: Model, degrees: Degrees, hypotheses: Mapping[int, FloatArray]) -> pd.DataFrame:
    """F tests of hypotheses by number of term, one row each."""
    names = term_names(model.design.formula.terms)
    rows = []
    for L in hypotheses.values():
        test = degrees.joint(L, L @ degrees.beta)
        mean_sq = test.statistic / test.scale * degrees.sigma**2
        rows.append((
            mean_sq * test.num_df, mean_sq, test.num_df,
            test.den_df, test.statistic, test.p_value,
        ))  # fmt: skip
    table = pd.DataFrame(rows, [names[t] for t in hypotheses], list(COLUMNS))
    table = table.astype({name: np.int64 if name == "num_df" else np.float64 for name in COLUMNS})
    notes = notes_of(table, "den_df", degrees)
    notes.update(dict.fromkeys(map(str, table.index[table["num_df"] == 0]), _NOT_ESTIMABLE))
    lost = table["statistic"].isna() & (table["num_df"] > 0)
    notes.update(dict.fromkeys(map(str, table.index[lost]), _NOT_DETERMINED))
    table.attrs["notes"] = notes
    return table


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LinearTest(WithTable):
    """The test of a linear hypothesis L beta = rhs.

    Attributes:
        table: One row per row of L: `estimate`, `std_error`, `rhs`, `df`, `statistic` (t),
            `p_value`, `lower` and `upper` (bounds of the estimate).
        joint: All rows at once: F (`statistic`), `num_df`, `den_df`, `p_value`; for a single row
            the square of its t.
        method: Degrees of freedom.
        level: Of the bounds.
        note: What the user should know, or "".
        vcov: The covariance in words; "" for the model's.
    """

    joint: FTest
    method: DfMethod
    level: float
    note: str = ""
    vcov: str = ""

    @property
    def p_value(self) -> float:
        """The p value of the joint test."""
        return self.joint.p_value

    def _sections(self) -> Sequence[Section]:
        """The table, and the joint test when there are several rows."""
        below = [self.note] if self.note else []
        if len(self.table) > 1:
            f = self.joint
            text = f"F = {f.statistic:.4g}, df {f.num_df} and {f.den_df:.4g}, p"
            sign = "" if f.p_value < 2e-16 else "= "
            below.insert(0, f"All together: {text} {sign}{format_p(f.p_value)}")
        heading = Paragraph((f"Linear hypotheses ({tested_by(self.method, self.vcov)})",))
        return [heading, frame_table(self.table), *([Paragraph(tuple(below))] if below else [])]


def linear_test(what: Hypothesis, degrees: Degrees, level: float) -> LinearTest:
    """Estimates, t tests and bounds of each row, and the F test of all.

    Raises:
        MixedModelsError: `level` is not between 0 and 1.
    """
    check_level(level)
    L = what.L
    estimate = L @ degrees.beta
    difference = estimate - what.rhs
    std_error = np.sqrt(degrees.variances(L))
    df = degrees.of_rows(L)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = difference / std_error
    lower, upper = wald_limits(estimate, std_error, df, level)
    p_value = t_tail(df, statistic)
    table = pd.DataFrame(
        {
            "estimate": estimate,
            "std_error": std_error,
            "rhs": what.rhs,
            "df": df,
            "statistic": statistic,
            "p_value": p_value,
            "lower": lower,
            "upper": upper,
        },
        index=list(what.labels),
    )
    joint = (
        FTest(float(statistic[0]) ** 2, 1, float(df[0]), float(p_value[0]))
        if len(L) == 1
        else degrees.joint(L, difference)
    )
    return LinearTest(table, joint, degrees.method, level, degrees.note, degrees.source)
