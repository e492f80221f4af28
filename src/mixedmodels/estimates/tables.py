"""Functions from arrays at the optimum to labelled tables and row-wise sums.

They are functions of arrays, independent of the facade. Random effects come in public order: term
by term, level by level, the term's columns adjacent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from mixedmodels.arrays import AnyArray, FloatArray
from mixedmodels.covariance import Templates
from mixedmodels.design import GroupingFactor, TermDesign
from mixedmodels.design.names import Effect
from mixedmodels.naming import distinct


def term_modes(templates: Templates, b: FloatArray, term: int) -> FloatArray:
    """(levels, s_t) view of the random effects of one term."""
    start, end = templates.term_starts[term : term + 2]
    return b[start:end].reshape(-1, templates.sizes[term])


class FixedPart(Protocol):
    """Rows with columns of the fixed part: of a model, or new ones."""

    @property
    def n(self) -> int:
        """Number of rows."""

    @property
    def X(self) -> FloatArray:
        """(n, p_all) columns."""

    @property
    def offset(self) -> FloatArray | None:
        """(n,) offset, or None."""


def fixed_mean(rows: FixedPart, beta: FloatArray) -> FloatArray:
    """(n,) offset + X beta; aliased coefficients (NaN) count as zero."""
    mean = np.zeros(rows.n)
    if len(beta):
        mean += rows.X @ np.nan_to_num(beta)
    if rows.offset is not None:
        mean += rows.offset
    return mean


def random_part(
    templates: Templates,
    groups: Sequence[GroupingFactor],
    terms: Sequence[TermDesign],
    b: FloatArray,
    n: int,
) -> FloatArray:
    """Z b, (n,): one gather per column of each term."""
    out = np.zeros(n)
    for t, term in enumerate(terms):
        modes = term_modes(templates, b, t)
        codes = groups[term.group].codes
        for j in range(modes.shape[1]):
            column = term.z[:, j]
            by_row = modes[:, j].take(codes)
            # A broadcast column has stride 0: one value for all rows.
            constant = n > 0 and column.strides[0] == 0
            out += by_row * (column[0] if constant else column)
    return out


def ranef_tables(
    templates: Templates, groups: Sequence[GroupingFactor], b: FloatArray
) -> dict[str, pd.DataFrame]:
    """One table (levels by effects) per grouping factor, its terms side by side."""
    tables = {}
    for index, group in enumerate(groups):
        terms = [t for t, g in enumerate(templates.groups) if g == index]
        values = np.hstack([term_modes(templates, b, t) for t in terms])
        tables[group.name] = pd.DataFrame(
            values,
            index=group.levels.rename(group.name),
            columns=list(templates.effects[index]),
        )
    return tables


def ranef_table(
    tables: Mapping[str, pd.DataFrame], covariances: Mapping[str, FloatArray]
) -> pd.DataFrame:
    """One row per grouping factor, effect and level: the conditional mode and its error.

    Args:
        tables: Conditional modes (levels by effects) by grouping factor.
        covariances: Their covariances (levels, effects, effects).
    """
    columns: dict[str, list[AnyArray]] = {"grp": [], "term": [], "level": []}
    numbers: dict[str, list[FloatArray]] = {"estimate": [], "std_error": []}
    for group, table in tables.items():
        levels, effects = table.shape
        names, labels = (axis.to_numpy(dtype=object) for axis in (table.columns, table.index))
        # A variance of zero may be negative by rounding.
        variances = np.einsum("lss->sl", covariances[group]).clip(min=0.0)
        columns["grp"].append(np.full(table.size, group, dtype=object))
        columns["term"].append(np.repeat(names, levels))
        columns["level"].append(np.tile(labels, effects))
        numbers["estimate"].append(table.to_numpy().T.ravel())
        numbers["std_error"].append(np.sqrt(variances).ravel())
    return pd.DataFrame({n: np.concatenate(v) for n, v in (*columns.items(), *numbers.items())})


def coef_tables(
    fixef: Sequence[tuple[Effect, float]],
    ranef: Mapping[str, pd.DataFrame],
    effects: Mapping[str, Sequence[Effect]],
) -> dict[str, pd.DataFrame]:
    """Fixed plus random effects by level.

    As in lme4 every table has the same columns: first the random effects that have no fixed
    counterpart (their fixed part is 0), then the fixed effects in model order.

    Args:
        fixef: The coefficients.
        ranef: Tables of random effects by grouping factor.
        effects: What their columns are, by grouping factor.
    """
    fixed = {effect.identity for effect, _ in fixef}
    extra = {
        effect.identity: (effect, 0.0)
        for own in effects.values()
        for effect in own
        if effect.identity not in fixed
    }
    base = [*extra.values(), *fixef]
    position = {effect.identity: j for j, (effect, _) in enumerate(base)}
    names = distinct([effect.name for effect, _ in base], lambda j: base[j][0].written)
    start = np.array([value for _, value in base], dtype=np.float64)
    tables = {}
    for group, table in ranef.items():
        values = np.tile(start, (len(table), 1))
        for j, effect in enumerate(effects[group]):
            values[:, position[effect.identity]] += table.iloc[:, j].to_numpy()
        tables[group] = pd.DataFrame(values, index=table.index, columns=list(names))
    return tables
