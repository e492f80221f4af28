"""Joint tests of the terms by marginal means: that those of a term do not differ, all together.

For each term, and each part of its variables, the contrasts that make up the main effect or
interaction, averaged over all other variables with equal weights, are tested by F: `y ~ f:x` has
the tests f, x and f:x. A nested variable, such as x in `y ~ 0 + f + f:x`, is compared within each
level of those that it is nested in, so that f:x tests all slopes. Covariates are compared at their
mean plus and minus one, or as far as the data go on both sides where that is less: what is linear
in them has the same test, and splines and logarithms are not computed where they are not defined.
In models without empty cells these are tests of type III.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import AnyArray, FloatArray
from mixedmodels.design import Design
from mixedmodels.marginal.axes import Axis, axes_of, find_axis, range_of, with_values
from mixedmodels.marginal.functions import F_TEST, Functions, apart, renamed
from mixedmodels.marginal.grid import Grid, grid_over
from mixedmodels.marginal.means import degrees_note, mean_functions
from mixedmodels.marginal.nesting import nesting_of, variables_of_term
from mixedmodels.marginal.source import Source
from mixedmodels.marginal.specs import read_specs
from mixedmodels.report.results import TableResult

# Singular values below this, relative to the largest, are zero.
_RANK = 1e-8
_REDUCED = "fewer degrees of freedom than the term has, because of cells without data."
_NONE = "not estimable: too many cells are without data."


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class JointTests(TableResult):
    """F tests of terms by marginal means: `num_df`, `den_df`, `statistic`, `p_value`.

    Attributes:
        sentences: What is said below the table.
    """

    sentences: tuple[str, ...]

    @property
    def heading(self) -> tuple[str, ...]:
        """What the rows are."""
        return ("Joint tests of marginal means by term",)

    def _sentences(self) -> Any:
        yield from TableResult._sentences(self)  # noqa: SLF001 (slots leave super() without a cell)
        yield from self.sentences


def joint_tests(design: Design, source: Source, by: Any = None, at: Any = None) -> JointTests:
    """Joint tests of all terms, within the levels of `by`.

    Args:
        design: The design of the model.
        source: Coefficients and their covariance.
        by: Variables within whose levels terms are tested.
        at: Values of variables, by name.

    Raises:
        MixedModelsError: An unknown variable or level.
    """
    base = axes_of(design)
    asked = read_specs([], by).by
    groups = tuple(dict.fromkeys(find_axis(name, base, "by", design=design) for name in asked))
    varied = {name: _two_values(design, axis) for name, axis in base.items()}
    grid = grid_over(design, with_values(varied, at), nesting_of(design, varied))
    columns = apart(groups, F_TEST)
    rows, labels, notes = [], [], {}
    for names, label in _terms(design, grid, groups):
        functions = mean_functions(grid, source, [*names, *groups], groups, "equal")
        for family in functions.families(groups):
            contrasts = _contrasts(grid, functions, names, family.tolist())
            levels = {n: functions.labels[n].iloc[int(family[0])] for n in groups}
            found, reduced = _tested(source, contrasts)
            rows.append({**{columns[n]: value for n, value in levels.items()}, **found})
            labels.append(label)
            if reduced:
                within = [label, *(f"{name} = {value}" for name, value in levels.items())]
                notes[", ".join(within)] = reduced
    table = pd.DataFrame(rows, index=labels, columns=[*columns.values(), *F_TEST])
    table.attrs["notes"] = notes
    return JointTests(table, (degrees_note(source), *renamed(columns)))


def _two_values(design: Design, axis: Axis) -> Axis:
    """A covariate at its mean minus and plus one, or what the data allow on both sides."""
    if axis.codes is not None or len(axis) != 1:
        return axis
    mean = float(axis.values[0])
    low, high = range_of(design, axis.name)
    half = min(1.0, mean - low, high - mean)
    values = pd.Index([mean - half, mean + half])
    return dataclasses.replace(axis, values=values, labels=tuple(f"{v:.6g}" for v in values))


def _terms(design: Design, grid: Grid, groups: Sequence[str]) -> list[tuple[tuple[str, ...], str]]:
    """The variables of each test, without those of `by`; and its name.

    All combinations of variables that stand in a term together, nested ones with their nests.
    """
    found: dict[tuple[str, ...], str] = {}
    for term in design.formula.terms:
        variables = variables_of_term(design, term) - set(groups)
        names = [name for name in grid.axes if name in variables and len(grid.axes[name]) > 1]
        for size in range(1, len(names) + 1):
            for chosen in itertools.combinations(names, size):
                nests = {outer for name in chosen for outer in grid.nests.get(name, ())}
                if nests <= {*chosen, *groups}:
                    found.setdefault(chosen, ":".join(chosen))
    order = {name: position for position, name in enumerate(grid.axes)}
    return sorted(found.items(), key=lambda one: (len(one[0]), [order[name] for name in one[0]]))


def _contrasts(
    grid: Grid, functions: Functions, names: Sequence[str], rows: Sequence[int]
) -> FloatArray:
    """(c, p_all) differences that make up the effect of some variables, of one family.

    Variables are compared within the levels of those that some of them are nested in.
    """
    nests = {outer for name in names for outer in grid.nests.get(name, ())}
    within: dict[Any, list[int]] = {}
    for row in rows:
        level = tuple(functions.labels[name].iloc[row] for name in names if name in nests)
        within.setdefault(level, []).append(row)
    compared = [name for name in names if name not in nests]
    parts = []
    for members in within.values():
        weights: AnyArray = np.ones((1, 1))
        for name in compared:
            size = functions.labels[name].iloc[members].nunique()
            weights = np.kron(np.diff(np.eye(size), axis=0), weights)
        parts.append(np.asarray(weights @ functions.L[members], dtype=np.float64))
    return np.concatenate(parts)


def _tested(source: Source, L: FloatArray) -> tuple[Mapping[str, float], str]:
    """The F test of rows of L, or of what is estimable of them, and a note."""
    rank = _rank(L)
    L = _estimable_part(source, L)
    if not len(L):
        nan = float("nan")
        return {"num_df": 0, "den_df": nan, "statistic": nan, "p_value": nan}, _NONE
    rows = L[:, source.kept]
    test = source.tests.joint(rows, rows @ source.tests.beta)
    values = {
        "num_df": test.num_df,
        "den_df": test.den_df,
        "statistic": test.statistic,
        "p_value": test.p_value,
    }
    return values, _REDUCED if test.num_df < rank else ""


def _rank(L: FloatArray) -> int:
    size = np.linalg.svd(L, compute_uv=False)
    return int(np.sum(size > _RANK * max(float(size.max(initial=0.0)), 1e-300)))


def _estimable_part(source: Source, L: FloatArray) -> FloatArray:
    """Combinations of the rows that the data determine."""
    if source.dependence is None or not len(L):
        return L
    off = L[:, source.kept] @ source.dependence - L
    left, size, _ = np.linalg.svd(off)
    rank = int(np.sum(size > _RANK * max(float(np.abs(L).max(initial=0.0)), 1e-300)))
    part: FloatArray = left[:, rank:].T @ L
    return part
