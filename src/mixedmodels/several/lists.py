"""A least-squares fit for each group, as lme4's lmList: what a mixed model starts from, or checks.

The columns of X are those of the whole data, so that a coefficient means the same in all groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray, LongArray
from mixedmodels.calls import guided
from mixedmodels.design import Design, build_design
from mixedmodels.design.unquoted import read_formula
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.tails import wald_limits
from mixedmodels.naming import first_few
from mixedmodels.plots.groups import MOST_NAMED, plot_groups
from mixedmodels.report.frames import frame_table
from mixedmodels.report.results import Result
from mixedmodels.report.sections import Paragraph, Section
from mixedmodels.settings import NaAction, check_flag, check_level

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Diagonal entries of a triangle of X below this, relative to the norm of their column, are zero.
_DEPENDENT = 1e-9
# Groups that the text shows.
_SHOWN = 20


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LmList(Result):
    """Least-squares fits by group.

    Attributes:
        formula: As typed.
        group: The grouping factor.
        coef: (groups, p) coefficients; NaN where a group cannot be fitted.
        unscaled: (groups, p) roots of the diagonal of (X'WX)^-1, by which a standard deviation is
            to be multiplied.
        nobs: (groups,) rows.
        df: (groups,) residual degrees of freedom.
        sigmas: (groups,) residual standard deviations; NaN without degrees of freedom.
        sigma: The pooled residual standard deviation.
        df_residual: Its degrees of freedom.
        notes: By group why it has no coefficients.
    """

    formula: str
    group: str
    coef: pd.DataFrame
    unscaled: pd.DataFrame
    nobs: pd.Series[int]
    df: pd.Series[int]
    sigmas: pd.Series[float]
    sigma: float
    df_residual: int
    notes: dict[Any, str]

    @property
    def std_error(self) -> pd.DataFrame:
        """(groups, p) standard errors by the pooled standard deviation."""
        return self.unscaled * self.sigma

    def confint(self, level: float = 0.95, *, pooled: bool = True) -> pd.DataFrame:
        """Estimates with intervals.

        Args:
            level: Coverage.
            pooled: Take the standard deviation of all groups and its degrees of freedom; False
                takes those of each group, as lme4's `confint` of an lmList does.

        Returns:
            `estimate`, `lower`, `upper`; rows by group and coefficient.

        Raises:
            MixedModelsError: `level` is not between 0 and 1.
        """
        check_level(level)
        check_flag("pooled", pooled)
        estimate, unscaled = self.coef.to_numpy(), self.unscaled.to_numpy()
        if pooled:
            sigma, df = np.full(len(estimate), self.sigma), np.full(len(estimate), self.df_residual)
        else:
            sigma, df = self.sigmas.to_numpy(), self.df.to_numpy()
        df = np.where(df > 0, df, np.nan).astype(np.float64)
        error = unscaled * sigma[:, None]
        df = np.broadcast_to(df[:, None], estimate.shape)
        lower, upper = wald_limits(estimate, error, df, level)
        index = pd.MultiIndex.from_product(
            [self.coef.index, self.coef.columns], names=[self.group, "coefficient"]
        )
        columns = {"estimate": estimate, "lower": lower, "upper": upper}
        return pd.DataFrame({name: values.ravel() for name, values in columns.items()}, index)

    def plot(
        self,
        *,
        level: float = 0.95,
        pooled: bool = True,
        sort: str | None = None,
        max_labels: int = MOST_NAMED,
        figsize: tuple[float, float] | None = None,
    ) -> Figure:
        """Draw the intervals of every group, a panel for each coefficient.

        Args:
            level: Coverage.
            pooled: As for `confint`.
            sort: The coefficient by which groups are ordered; the order of the levels if None.
            max_labels: Groups up to this many are named.
            figsize: Size in inches.

        Raises:
            MixedModelsError: `sort` is not a coefficient, no group has any, or matplotlib is not
                installed.
        """
        if sort is not None and sort not in self.coef.columns:
            raise MixedModelsError(
                f"sort is {sort!r:.80}; it must be one of {', '.join(self.coef.columns)}."
            )
        intervals = self.confint(level, pooled=pooled)
        fitted = intervals[intervals["estimate"].notna()]
        if fitted.empty:
            raise MixedModelsError("There is nothing to draw: no group has coefficients.")
        return plot_groups(fitted, level=level, sort=sort, max_labels=max_labels, figsize=figsize)

    def to_frame(self) -> pd.DataFrame:
        """A table of each group's coefficients, `nobs`, `df`, `sigma` and `note`."""
        parts = [self.coef, self.nobs, self.df, self.sigmas.rename("sigma")]
        notes = pd.Series([self.notes.get(g, "") for g in self.coef.index], self.coef.index)
        return pd.concat([*parts, notes.rename("note")], axis=1)

    def __len__(self) -> int:
        """Number of groups."""
        return len(self.coef)

    def _sections(self) -> Sequence[Section]:
        table = self.to_frame().drop(columns="note")
        pooled = f"pooled residual standard deviation {self.sigma:.5g} ({self.df_residual} df)"
        lines = [
            f"Least-squares fits by group: {self.formula}",
            f"{len(self)} groups; {pooled}",
        ]
        below = []
        if len(table) > _SHOWN:
            below.append(f"{len(table) - _SHOWN} more groups; see to_frame().")
        if self.notes:
            names = first_few([str(group) for group in self.notes], 6)
            below.append(f"Without coefficients: {names}; see notes.")
        parts: list[Section] = [Paragraph(tuple(lines)), frame_table(table.head(_SHOWN))]
        return [*parts, Paragraph(tuple(below))] if below else parts


@guided
def lm_list(
    formula: str,
    data: Any,
    *,
    weights: Any = None,
    offset: Any = None,
    contrasts: Mapping[str, Any] | None = None,
    na_action: NaAction = "omit",
) -> LmList:
    """Fit a linear regression to each group by least squares.

    Args:
        formula: `response ~ fixed | group`.
        data: Any table that `lmer` takes.
        weights: Prior weights, as for `lmer`.
        offset: A known addition to the linear predictor.
        contrasts: As for `lmer`.
        na_action: "omit" drops rows with a missing value, "raise" refuses them.

    Returns:
        Coefficients by group, with the pooled standard deviation, intervals and their picture. A
        group whose rows do not determine all coefficients has NaN, and `notes` says why.

    Raises:
        FormulaError: The formula cannot be understood.
        DataError: A column cannot be used.
        MixedModelsError: The formula has no group, or has random-effects terms.

    Examples:
        >>> import mixedmodels as mm
        >>> lines = mm.lm_list("Reaction ~ Days | Subject", mm.load_dataset("sleepstudy"))
        >>> lines.coef.head(2).round(2).values.tolist()
        [[244.19, 21.76], [205.05, 2.26]]
        >>> round(lines.sigma, 4), lines.df_residual
        (25.5918, 144)
    """
    spec = read_formula(_as_random_term(formula), data)
    design = build_design(
        spec, data, weights=weights, offset=offset, contrasts=contrasts, na_action=na_action
    )
    group, names = design.groups[0], list(design.x_names)
    order = np.argsort(group.codes, kind="stable").astype(np.int64)
    ends = np.cumsum(np.bincount(group.codes, minlength=group.n_levels))
    fits = [_least_squares(design, rows) for rows in np.split(order, ends[:-1])]
    index = group.levels.rename(group.name)
    df, rss = np.array([fit.df for fit in fits]), np.array([fit.rss for fit in fits])
    used = df > 0
    total = int(df[used].sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        sigmas = np.sqrt(np.where(used, rss / df, np.nan))
    return LmList(
        formula=formula,
        group=group.name,
        coef=pd.DataFrame(np.stack([fit.beta for fit in fits]), index, names),
        unscaled=pd.DataFrame(np.stack([fit.unscaled for fit in fits]), index, names),
        nobs=pd.Series([fit.nobs for fit in fits], index, name="nobs"),
        df=pd.Series(df, index, name="df"),
        sigmas=pd.Series(sigmas, index, name="sigmas"),
        sigma=float(np.sqrt(rss[used].sum() / total)) if total else float("nan"),
        df_residual=total,
        notes={level: fit.note for level, fit in zip(index, fits, strict=True) if fit.note},
    )


class _Fit(NamedTuple):
    """The regression of one group; df is 0 and the residual sum of squares NaN without one."""

    beta: FloatArray
    unscaled: FloatArray
    rss: float
    nobs: int
    df: int
    note: str


def _least_squares(design: Design, rows: LongArray) -> _Fit:
    X, y = design.X[rows], design.y[rows]
    if design.offset is not None:
        y = y - design.offset[rows]
    if design.w is not None:
        root = np.sqrt(design.w[rows])
        X, y = X * root[:, None], y * root
    n, p = X.shape
    missing = np.full(p, np.nan)
    if n < p:
        return _Fit(missing, missing, np.nan, n, 0, f"{n} rows for {p} coefficients")
    Q, R = np.linalg.qr(X)
    size = np.linalg.norm(X, axis=0)
    dependent = np.flatnonzero(np.abs(np.diag(R)) <= _DEPENDENT * size)
    if dependent.size:
        names = ", ".join(design.x_names[j] for j in dependent)
        note = f"not determined by its {n} rows: {names}"
        return _Fit(missing, missing, np.nan, n, 0, note)
    inverse = np.linalg.inv(R)
    beta = inverse @ (Q.T @ y)
    rss = float(np.sum((y - X @ beta) ** 2))
    return _Fit(beta, np.linalg.norm(inverse, axis=1), rss, n, n - p, "")


def _as_random_term(formula: str) -> str:
    """`y ~ x | g` as `y ~ x + (1 | g)`, which has the same variables.

    Raises:
        MixedModelsError: There is no group, or it stands in brackets.
    """
    if not isinstance(formula, str):
        raise MixedModelsError(f"formula is {formula!r:.80}; it must be text.")
    bars = list(_outer_bars(formula))
    if len(bars) != 1 or formula[: bars[0]].rstrip().endswith("~"):
        hint = (
            " Random-effects terms are for lmer; here the group stands without brackets."
            if "|" in formula and not bars
            else ""
        )
        raise MixedModelsError(
            f"lm_list takes 'response ~ fixed | group'; the formula is {formula!r:.200}.{hint}"
        )
    left, right = formula[: bars[0]], formula[bars[0] + 1 :]
    return f"{left.rstrip()} + (1 | {right.strip()})"


def _outer_bars(formula: str) -> list[int]:
    """Positions of bars that stand outside brackets, quotes and backticks."""
    depth, quote, found = 0, "", []
    for position, sign in enumerate(formula):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "`'\"":
            quote = sign
        elif sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
        elif sign == "|" and depth == 0:
            found.append(position)
    return found
