"""Summaries of rows that are read once and not kept, beside their cross-products.

Levels, means of covariates and frequencies of cells are those of `variables`; second moments
without weights are kept where the cross-products have prior weights or no intercept.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mixedmodels.arrays import AnyArray, FloatArray, LongArray
from mixedmodels.design.levels import level_positions
from mixedmodels.formula import Factor, FormulaSpec
from mixedmodels.formula.expression import parse_expression
from mixedmodels.formula.tree import Call, Name

# Functions that make a factor of the values of a column.
_TO_FACTOR = frozenset({"factor", "as.factor", "ordered", "C", "relevel"})
# Largest number of combinations of levels that are counted.
_MOST_CELLS = 1_000_000
# Distinct values up to which a column of numbers counts as a factor.
_KEPT = 2


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Second moments of rows without their weights.

    Attributes:
        n: Rows.
        mean: (p_all,) of the columns of X, in coordinates of the frame.
        square: (p_all, p_all) products of their deviations from the mean.
        grams: (all s^2,) z'z of every random-effects term, one after the other.
        inverse_weight: Sum of 1 / w.
        frame: (p_all, p_all) upper triangle R with X = (X in these coordinates) R.
    """

    n: int
    mean: FloatArray
    square: FloatArray
    grams: FloatArray
    inverse_weight: float
    frame: FloatArray

    def merge(self, other: Moments) -> Moments:
        """Of the rows of both in one frame, by the formula of Chan, Golub and LeVeque (1983)."""
        n = self.n + other.n
        apart = other.mean - self.mean
        between = np.outer(apart, apart) * (self.n * other.n / n)
        return Moments(
            n,
            self.mean + apart * (other.n / n),
            self.square + other.square + between,
            self.grams + other.grams,
            self.inverse_weight + other.inverse_weight,
            self.frame,
        )


@dataclass(frozen=True, slots=True, eq=False)
class RowSummary:
    """Values of the columns behind the fixed part; a value that is merged.

    Attributes:
        n: Rows.
        kinds: By variable: "c" for levels, "b" for truth values, "f" for numbers.
        factors: Whether a variable is a factor of the formula, whatever its values are.
        totals: By variable: sum of its numbers.
        low: Its smallest number.
        high: Its largest.
        cells: (m, variables) the combinations of levels that occur; NaN for a variable with many
            numbers. None where there are too many.
        counts: (m,) rows of each.
        offset: Sum of the offset.
        moments: Second moments, where they are kept.
    """

    n: int
    kinds: str
    factors: tuple[bool, ...]
    totals: FloatArray
    low: FloatArray
    high: FloatArray
    cells: FloatArray | None
    counts: LongArray
    offset: float
    moments: Moments | None

    def merge(self, other: RowSummary) -> RowSummary:
        """The summary of the rows of both."""
        if not self.n or not other.n:
            return other if not self.n else self
        cells, counts = None, self.counts[:0]
        if self.cells is not None and other.cells is not None:
            both = np.concatenate([self.cells, other.cells])
            cells, counts = _counted(
                self._with_few(both), np.concatenate([self.counts, other.counts])
            )
        moments = None
        if self.moments is not None and other.moments is not None:
            moments = self.moments.merge(other.moments)
        return RowSummary(
            self.n + other.n,
            self.kinds,
            self.factors,
            self.totals + other.totals,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            cells,
            counts,
            self.offset + other.offset,
            moments,
        )

    def _with_few(self, cells: FloatArray) -> FloatArray:
        """Combinations in which a variable with many numbers has none."""
        found: FloatArray = cells.copy()
        for place, kind in enumerate(self.kinds):
            column = cells[:, place]
            if kind == "f" and not self.factors[place]:
                many = len(np.unique(column)) > _KEPT  # NaN is one value, and stays
                found[:, place] = np.nan if many or np.isnan(column).any() else column
        return found

    def state(self) -> dict[str, AnyArray]:
        """The summary as arrays, for files."""
        kinds = np.frombuffer(self.kinds.encode(), dtype=np.uint8)
        found: dict[str, AnyArray] = {
            "n": np.array([self.n], dtype=np.int64),
            "kinds": kinds,
            "factors": np.array(self.factors, dtype=np.bool_),
            "numbers": np.stack([self.totals, self.low, self.high]),
            "counts": self.counts,
            "offset": np.array([self.offset]),
        }
        if self.cells is not None:
            found["cells"] = self.cells
        if self.moments is not None:
            found["mean"], found["square"] = self.moments.mean, self.moments.square
            found["grams"] = self.moments.grams
            found["frame"] = self.moments.frame
            found["inverse_weight"] = np.array([self.moments.inverse_weight])
        return found

    @staticmethod
    def from_state(state: Mapping[str, AnyArray]) -> RowSummary:
        """What `state` gave.

        Raises:
            ValueError: The arrays do not belong together.
            KeyError: One of them is missing.
        """
        n = int(state["n"][0])
        kinds = state["kinds"].astype(np.uint8).tobytes().decode("ascii")
        totals, low, high = state["numbers"].astype(np.float64)
        cells, counts = state.get("cells"), state["counts"].astype(np.int64)
        v = len(kinds)
        if not (len(state["factors"]) == len(totals) == v and set(kinds) <= set("cbf")):
            raise ValueError("the summary of its rows does not fit its variables")
        if cells is not None and cells.shape != (len(counts), v):
            raise ValueError("the cells in the summary of its rows do not fit their counts")
        moments = None
        if "mean" in state:
            mean, square = state["mean"], state["square"]
            shape = (len(mean), len(mean))
            if mean.ndim != 1 or square.shape != shape or state["frame"].shape != shape:
                raise ValueError("the moments of its rows have other columns than their means")
            weight = float(state["inverse_weight"][0])
            moments = Moments(n, mean, square, state["grams"], weight, state["frame"])
        return RowSummary(
            n,
            kinds,
            tuple(map(bool, state["factors"])),
            totals,
            low,
            high,
            cells,
            counts,
            float(state["offset"][0]),
            moments,
        )


@functools.lru_cache(maxsize=16)
def made_factors(spec: FormulaSpec) -> frozenset[str]:
    """Columns that a factor of the formula turns into levels, as in `factor(x)`."""
    names = (_made_of(factor) for term in spec.terms for factor in term.factors)
    return frozenset(name for name in names if name is not None)


def _made_of(factor: Factor) -> str | None:
    return None if factor.is_column else made_of(factor.source)


def made_of(text: str) -> str | None:
    """The column that an expression turns into levels, as in `factor(x)`; None of others."""
    tree = parse_expression(text).tree
    if isinstance(tree, Call) and tree.name in _TO_FACTOR and tree.arguments:
        inner = tree.arguments[0]
        return inner.name if isinstance(inner, Name) else None
    return None


def no_rows(levels: Mapping[str, pd.Index | None]) -> RowSummary:
    """The summary of no rows."""
    v = len(levels)
    none = np.zeros(v)
    cells = np.zeros((0, v))
    return RowSummary(
        0, "f" * v, (False,) * v, none, none, none, cells, np.zeros(0, np.int64), 0.0, None
    )


def summary_of(
    columns: Mapping[str, tuple[AnyArray, pd.Index | None]],
    levels: Mapping[str, pd.Index | None],
    factors: frozenset[str],
    offset: FloatArray | None,
    moments: Moments | None,
) -> RowSummary:
    """The summary of the rows of a batch, of which there is one at least.

    Args:
        columns: By variable: codes and levels of a category, or numbers and None.
        levels: By variable: levels of all rows, to which codes are taken.
        factors: Variables that are factors whatever their values are.
        offset: (n,) or None.
        moments: Second moments, where they are to be kept.
    """
    kinds: list[str] = []
    numbers: list[tuple[float, float, float]] = []  # total, lowest, highest
    codes: list[tuple[AnyArray, AnyArray]] = []
    for name, (column, own) in columns.items():
        whole = levels[name]
        if own is not None and whole is not None:
            kinds.append("c")
            bounds = (0.0, 0.0, 0.0)
            codes.append((column, level_positions(own, whole).astype(np.float64)))
        else:
            kinds.append("b" if column.dtype.kind == "b" else "f")
            with np.errstate(over="ignore", invalid="ignore"):  # values need not be finite
                bounds = (float(column.sum()), float(column.min()), float(column.max()))
            codes.append(_values(column, bounds[1:], name in factors or kinds[-1] == "b"))
        numbers.append(bounds)
    n = len(next(iter(columns.values()))[0]) if columns else 0 if moments is None else moments.n
    cells, counts = _cells(codes, n)
    totals, low, high = np.array(numbers).reshape((-1, 3)).T
    return RowSummary(
        n,
        "".join(kinds),
        tuple(name in factors for name in columns),
        totals,
        low,
        high,
        cells,
        counts,
        0.0 if offset is None else float(offset.sum()),
        moments,
    )


def _values(
    column: AnyArray, bounds: Sequence[float], as_factor: bool
) -> tuple[AnyArray, FloatArray]:
    """Codes of the numbers of a column and what they stand for; NaN where there are many."""
    low, high = bounds
    if as_factor:
        codes, values = pd.factorize(column)
        return codes, np.asarray(values, dtype=np.float64)
    upper = column == high
    if (upper | (column == low)).all():
        return upper.astype(np.int64), np.array([low, high])
    return np.zeros(len(column), dtype=np.int8), np.array([np.nan])


def _cells(
    codes: Sequence[tuple[AnyArray, AnyArray]], n: int
) -> tuple[FloatArray | None, LongArray]:
    """The combinations of codes that occur, by value, and their numbers of rows."""
    size = math.prod(len(values) for _, values in codes)
    if size > np.iinfo(np.int64).max // 2:
        return None, np.zeros(0, dtype=np.int64)
    place, step = np.zeros(n, dtype=np.int64), 1
    for column, values in codes:
        if len(values) > 1:
            place += step * column.astype(np.int64, copy=False)
        step *= len(values)
    if size <= max(4 * n, 1000):
        rows = np.bincount(place, minlength=size)
        found = np.flatnonzero(rows)
        counts = rows[found]
    else:
        found, counts = np.unique(place, return_counts=True)
    cells = np.zeros((len(found), len(codes)))
    for j, (_, values) in enumerate(codes):
        cells[:, j] = values[found % len(values)]
        found = found // len(values)
    return _counted(cells, counts.astype(np.int64))


def _counted(cells: FloatArray, counts: LongArray) -> tuple[FloatArray | None, LongArray]:
    """Combinations once each, in order; None where there are too many."""
    if not cells.shape[1]:
        return cells[:1], counts.sum(keepdims=True)[: len(cells)]
    # Missing numbers are equal here, and a column for each variable is sorted by.
    order = np.lexsort(cells.T[::-1])
    ordered = cells[order]
    same = (ordered[1:] == ordered[:-1]) | (np.isnan(ordered[1:]) & np.isnan(ordered[:-1]))
    first = np.flatnonzero(np.concatenate([[True], ~same.all(axis=1)])) if len(cells) else order
    if len(first) > _MOST_CELLS:
        return None, counts[:0]
    return ordered[first], np.add.reduceat(counts[order], first) if len(first) else counts[:0]


def moments_of(
    X: FloatArray, z: Sequence[FloatArray], w: FloatArray | None, frame: FloatArray
) -> Moments:
    """Second moments of some rows.

    Args:
        X: (n, p_all) columns in coordinates of the frame.
        z: (n, s) of every random-effects term.
        w: (n,) prior weights, or None.
        frame: (p_all, p_all) upper triangle.
    """
    n = len(X)
    mean = X.mean(axis=0)
    centred = X - mean
    grams = [(np.asarray(term).T @ np.asarray(term)).ravel() for term in z]
    with np.errstate(over="ignore"):  # weights may be as small as numbers get
        spread = float(n) if w is None else float((1.0 / w).sum())
    return Moments(
        n,
        mean,
        centred.T @ centred,
        np.concatenate(grams) if grams else np.zeros(0),
        spread,
        frame,
    )
