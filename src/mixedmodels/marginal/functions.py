"""Linear functions of coefficients with labels: the rows of a table of means or of contrasts.

Tables of estimates are made here, on the scale of the predictor or of the response; what they look
like is in `results`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import scipy

from mixedmodels.arrays import FloatArray, LongArray
from mixedmodels.estimates.tails import t_quantile, transformed_ends, transformed_limits
from mixedmodels.inference.hypotheses import refuse_contradiction
from mixedmodels.marginal.adjust import Adjust, Family, adjusted, multiples
from mixedmodels.marginal.joint_t import Joint
from mixedmodels.marginal.scale import Scale, Triple
from mixedmodels.marginal.source import Source

# Singular values below this, relative to the largest, are zero.
_RANK = 1e-9
# Step of a difference of second derivatives.
_STEP = 1e-4
# Hypotheses of a message.
_MOST_NAMED = 8
# Columns of an F test.
F_TEST = ("num_df", "den_df", "statistic", "p_value")


@dataclass(frozen=True, slots=True, eq=False)
class Functions:
    """Rows of weights of the coefficients.

    Attributes:
        labels: (k rows) what each row is: levels of variables, and names of contrasts.
        texts: (k,) what each is called within its family.
        L: (k, p_all) weights of the coefficients.
        constant: (k,) what each has of what stands for the intercept in ordered models.
        offset: (k,) what is added.
        reasons: (k,) why a row is not estimable, or "".
        by: Columns of `labels` whose levels make families.
        held: The variable of a column of `labels` that is not called as this.
        means: Where rows are near to functions that are not linear, (k, means) what they are made
            of: weights of means, those of the means themselves being 1 on the diagonal.
    """

    labels: pd.DataFrame
    texts: tuple[str, ...]
    L: FloatArray
    constant: FloatArray
    offset: FloatArray
    reasons: tuple[str, ...]
    by: tuple[str, ...] = ()
    held: Mapping[str, str] = field(default_factory=dict)
    means: scipy.sparse.csr_array | None = None

    def families(self, by: Sequence[str]) -> Iterator[LongArray]:
        """Positions of the rows with the same levels of some columns, in order of appearance."""
        if not by:
            yield np.arange(len(self.L), dtype=np.int64)
            return
        keys = list(zip(*(self.labels[name].tolist() for name in by), strict=True))
        for key in dict.fromkeys(keys):
            yield np.flatnonzero([other == key for other in keys])

    def table(self, columns: Mapping[str, Any]) -> pd.DataFrame:
        """Labels and columns of numbers; `attrs["notes"]` says why a number is missing.

        The labels come first. One that is called as a column of numbers has another name there.
        """
        names = apart(self.labels.columns, columns)
        table = self.labels.reset_index(drop=True).rename(columns=names)
        for name, values in columns.items():
            table[name] = values
        table.attrs["notes"] = {
            _row(self, j, text): self.reasons[j]
            for j, text in enumerate(self.texts)
            if self.reasons[j]
        }
        return table

    def shown(self, table: pd.DataFrame) -> dict[str, str]:
        """The column of each label in a table of these functions."""
        return dict(zip(self.labels.columns, table.columns[: self.labels.shape[1]], strict=True))

    def variable(self, label: str) -> str:
        """The variable whose levels a column of `labels` has."""
        return self.held.get(label, label)

    def renamed(self, table: pd.DataFrame) -> list[str]:
        """Sentences about variables that are not called so in a table of these functions."""
        return renamed({self.variable(label): new for label, new in self.shown(table).items()})


def apart(names: Iterable[str], taken: Iterable[str]) -> dict[str, str]:
    """A column for each variable: its name, with underscores behind it where that is taken.

    Args:
        names: The variables.
        taken: Names of other columns.
    """
    own, others = list(names), set(taken)
    used = {*own, *others}
    found = {}
    for name in own:
        new = name
        if name in others:
            while new in used:
                new += "_"
            used.add(new)
        found[name] = new
    return found


def renamed(columns: Mapping[str, str]) -> list[str]:
    """Sentences about variables that are not called as their columns."""
    return [
        f"The column {column} has the variable {name}: the name is that of another column."
        for name, column in columns.items()
        if name != column
    ]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """How estimates are shown.

    Attributes:
        level: Coverage of limits.
        scale: Way back to the response; None on the scale of the predictor.
        spread: Residual variance for an adjustment of bias, or 0.
        ratios: Whether differences are shown as ratios.
    """

    level: float
    scale: Scale | None = None
    spread: float = 0.0
    ratios: bool = False

    def back(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(k,) each: values on the scale that is shown, and their derivatives."""
        if self.scale is None:
            return values, np.ones_like(values)
        found, first, second = self._curve(values)
        if not self.spread:
            return found, first
        third = (self._curve(values + _STEP)[2] - self._curve(values - _STEP)[2]) / (2.0 * _STEP)
        half = 0.5 * self.spread
        return found + half * second, first + half * third

    def _curve(self, values: FloatArray) -> Triple:
        scale = self.scale
        if scale is None:
            raise AssertionError("there is no other scale")
        return scale.ratio(values) if self.ratios else scale.back(values)


def means_table(functions: Functions, source: Source, view: View) -> pd.DataFrame:
    """Labels, `estimate`, `std_error`, `df`, `lower`, `upper`; one row for each function."""
    estimate, error, df = _estimates(functions, source)
    size = t_quantile(df, view.level)
    return functions.table(shown_columns(estimate, error, df, size, view))


def contrast_table(
    functions: Functions,
    source: Source,
    view: View,
    families: Sequence[tuple[LongArray, Family]],
    adjust: Sequence[Adjust],
) -> pd.DataFrame:
    """The same with `statistic` and `p_value`, adjusted within families.

    Args:
        functions: The contrasts.
        source: Where estimates come from.
        view: How they are shown.
        families: Positions of the rows of each family, and its tests.
        adjust: Method of each family.
    """
    estimate, error, df = _estimates(functions, source)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = estimate / error
    p_value, size = np.full(len(estimate), np.nan), np.full(len(estimate), np.nan)
    for (rows, family), method in zip(families, adjust, strict=True):
        p_value[rows] = adjusted(family, method)
        size[rows] = multiples(family, method, view.level)
    columns = shown_columns(estimate, error, df, size, view)
    return functions.table({**columns, "statistic": statistic, "p_value": p_value})


def shown_columns(
    estimate: FloatArray,
    error: FloatArray,
    df: FloatArray,
    size: FloatArray,
    view: View,
    *,
    open_below: bool = False,
    open_above: bool = False,
) -> dict[str, FloatArray]:
    """Estimates as they are shown, their limits `size` standard errors away.

    Args:
        estimate: (k,) on the scale of the linear predictor.
        error: (k,) their standard errors.
        df: (k,) degrees of freedom.
        size: (k,) multiples of the errors.
        view: How they are shown.
        open_below: Whether there is no lower limit on that scale.
        open_above: Whether there is no upper one.
    """
    lower, upper = _limits(estimate, error, size, view, open_below=open_below,
                           open_above=open_above)  # fmt: skip
    shown, slope = view.back(estimate)
    return {
        "estimate": shown,
        "std_error": np.abs(slope) * error,
        "df": df,
        "lower": lower,
        "upper": upper,
    }


def family_of(
    functions: Functions,
    source: Source,
    rows: LongArray,
    means: int,
    t: FloatArray | None = None,
) -> Family:
    """The tests of some rows as a family.

    Args:
        functions: All rows.
        source: Where estimates come from.
        rows: Positions of the family.
        means: How many means its contrasts compare.
        t: Their ratios; those of tests against zero if None.
    """
    L = functions.L[rows]
    estimate, error, df = source.estimates(L, functions.constant[rows])
    if t is None:
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (estimate + functions.offset[rows]) / error
    size = np.linalg.svd(L, compute_uv=False) if L.size else np.zeros(1)
    rank = int(np.sum(size > _RANK * max(float(size.max(initial=0.0)), 1e-300)))
    known = ~np.isnan(t)
    joint = functools.cache(lambda: Joint(source.correlation(L[known])))
    return Family(t, df, means, rank, joint)


def joint_table(functions: Functions, source: Source, null: FloatArray) -> pd.DataFrame:
    """F tests that the rows of each family have some values, one row for each.

    Args:
        functions: The rows.
        source: Where estimates come from.
        null: (k,) the values.

    Returns:
        The columns of `by`, `num_df`, `den_df`, `statistic`, `p_value`; of rows that are not
        estimable nothing is tested. Variables that are called as another column are `apart`.

    Raises:
        MixedModelsError: No coefficients give the rows of a family these values.
    """
    good = source.estimable(functions.L, functions.constant)
    names = apart(functions.by, F_TEST)
    found = []
    for rows in functions.families(functions.by):
        used = rows[good[rows]]
        L = functions.L[np.ix_(used, source.kept)]
        _refuse_contradiction(functions, source, used, L, null)
        test = source.tests.joint(L, L @ source.tests.beta + functions.offset[used] - null[used])
        levels = {new: functions.labels[name].iloc[int(rows[0])] for name, new in names.items()}
        numbers = {"num_df": test.num_df, "den_df": test.den_df}
        found.append({**levels, **numbers, "statistic": test.statistic, "p_value": test.p_value})
    return pd.DataFrame(found, columns=[*names.values(), *F_TEST])


def _refuse_contradiction(
    functions: Functions, source: Source, rows: LongArray, L: FloatArray, null: FloatArray
) -> None:
    """Refuse values of some rows (with weights L of the coefficients kept) that exclude another."""
    said = [
        f"{functions.texts[j] or 'the mean'} = {null[j]:.6g}" for j in rows[:_MOST_NAMED].tolist()
    ]
    said += [f"and {len(rows) - len(said)} others"] if len(rows) > len(said) else []
    if functions.means is not None:
        made_of = functions.means[rows]
        used = np.unique(made_of.indices)
        refuse_contradiction(made_of[:, used].toarray(), null[rows], said)
        return
    sums, values, why = source.certain()
    refuse_contradiction(L, null[rows] - functions.offset[rows], said)
    whole = np.concatenate([L, sums])
    right = np.concatenate([null[rows] - functions.offset[rows], values])
    refuse_contradiction(whole, right, said, why)


def _estimates(functions: Functions, source: Source) -> tuple[FloatArray, FloatArray, FloatArray]:
    estimate, error, df = source.estimates(functions.L, functions.constant)
    return estimate + functions.offset, error, df


def _limits(
    estimate: FloatArray,
    error: FloatArray,
    size: FloatArray,
    view: View,
    *,
    open_below: bool,
    open_above: bool,
) -> FloatArray:
    """(2, k) lower and upper limits, on the scale shown."""
    half = size * error
    below = np.where(np.isnan(half), np.nan, -np.inf) if open_below else estimate - half
    above = np.where(np.isnan(half), np.nan, np.inf) if open_above else estimate + half
    ends = np.stack([below, above])
    if not view.spread:
        return transformed_limits(view.back, estimate, ends)
    # An adjustment of bias may bend the scale; where there is no limit there is nothing to adjust.
    plain = dataclasses.replace(view, spread=0.0)
    open_ends = transformed_ends(plain.back, estimate, ends)
    bent = [view.back(end)[0] for end in ends]
    return np.sort(np.where(np.isinf(ends), open_ends, bent), axis=0)


def _row(functions: Functions, j: int, text: str) -> str:
    """What a row is called in a note."""
    within = [
        f"{functions.variable(name)} = {functions.labels[name].iloc[j]}" for name in functions.by
    ]
    return ", ".join([text or "the mean", *within])
