"""Numbers in which a fit to data may differ from fits to data that its model has made.

Each is computed in the same way for the data and for simulated responses with their own fits, so
that shrinkage, leverage and small samples need no theory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy

from mixedmodels.arrays import FloatArray, LongArray
from mixedmodels.design import Design
from mixedmodels.estimates.linear import Model
from mixedmodels.estimates.solution import Solution
from mixedmodels.estimates.tables import fixed_mean, random_part, term_modes
from mixedmodels.naming import distinct

# Levels, and rows of a level, that are needed to look at their distribution.
FEW = 5
# Columns of X whose squares are tried.
_MOST_COLUMNS = 12
# Size of what X leaves of a squared covariate below which it counts as zero.
_SPANNED = 1e-10
FIXED_PART = "the fixed part"


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What is looked at in one fit.

    Attributes:
        fitted: (n,) fitted values.
        fixed: (n,) offset + X beta.
        scaled: (n,) residuals over sigma / sqrt(w).
        modes: By effect (levels,) conditional modes.
    """

    fitted: FloatArray
    fixed: FloatArray
    scaled: FloatArray
    modes: dict[str, FloatArray]

    @classmethod
    def of(cls, model: Model, solution: Solution, y: FloatArray) -> View:
        """The view of a solution for the response y (n,)."""
        design, templates = model.design, model.templates
        fixed = fixed_mean(design, solution.beta)
        fitted = fixed + random_part(templates, design.groups, design.terms, solution.b, design.n)
        root = 1.0 if design.w is None else np.sqrt(design.w)
        modes: dict[str, FloatArray] = {}
        names = effect_names(design)
        for t in range(len(design.terms)):
            own = term_modes(templates, solution.b, t)
            for j in range(own.shape[1]):
                modes[names[len(modes)]] = own[:, j]
        return cls(fitted, fixed, (y - fitted) * root / solution.sigma, modes)


def effect_names(design: Design) -> tuple[str, ...]:
    """Names of the effects of all terms: `Subject.Days`."""
    names = [
        f"{design.groups[term.group].name}.{column}"
        for term in design.terms
        for column in term.columns
    ]
    return distinct(names)


class Squares:
    """Scores of squares as further covariates: z'V^-1 (y - X beta), of covariates and fixed part.

    V^-1 times the residual is w times the conditional residual over sigma^2, so that a bend between
    groups counts as well as one within.
    """

    def __init__(self, design: Design, kept: LongArray) -> None:
        self.names: list[str] = []
        columns = []
        for j in kept.tolist():
            column = design.X[:, j]
            if len(self.names) < _MOST_COLUMNS and _varies(column):
                self.names.append(design.x_names[j])
                columns.append(_centred_square(column))
        self._fixed = np.column_stack(columns) if columns else np.empty((design.n, 0))
        self._root = None if design.w is None else np.sqrt(design.w)
        self.names.append(FIXED_PART)

    def scores(self, view: View) -> FloatArray:
        """(candidates,) scores, over the root mean square of each square."""
        weighted = view.scaled if self._root is None else view.scaled * self._root
        # Shares of no size stand for a fixed part that does not vary.
        own = _centred_square(view.fixed) if _varies(view.fixed) else np.zeros(len(view.fixed))
        found = np.append(self._fixed.T @ weighted, own @ weighted)
        return np.asarray(found / np.sqrt(len(own)), dtype=np.float64)


def _varies(column: FloatArray) -> bool:
    """Whether a square of it can be told from the column: it has more than two values."""
    first, last = column.min(), column.max()
    return bool(last > first and ((column > first) & (column < last)).any())


def _centred_square(column: FloatArray) -> FloatArray:
    centred = column - column.mean()
    square = (centred / np.sqrt(np.mean(centred**2))) ** 2
    found: FloatArray = square - square.mean()
    return found / max(float(np.sqrt(np.mean(found**2))), _SPANNED)


def spread_ratio(view: View) -> float:
    """Log of the ratio of the residuals' standard deviations, upper to lower third of fitted."""
    low, high = np.quantile(view.fitted, [1.0 / 3.0, 2.0 / 3.0])
    below, above = view.scaled[view.fitted <= low], view.scaled[view.fitted >= high]
    if min(len(below), len(above)) < FEW or not low < high:
        return float("nan")
    return float(np.log(_rms(above)) - np.log(_rms(below)))


def spread_between(view: View, codes: LongArray, levels: int) -> float:
    """Standard deviation of log standard deviations of residuals between levels with some rows."""
    counts = np.bincount(codes, minlength=levels)
    enough = counts >= FEW
    if enough.sum() < FEW:
        return float("nan")
    sums = np.bincount(codes, view.scaled, minlength=levels)
    squares = np.bincount(codes, view.scaled**2, minlength=levels)
    variance = squares[enough] - sums[enough] ** 2 / counts[enough]
    variance /= counts[enough] - 1.0
    positive = variance[variance > 0.0]
    return float(np.std(0.5 * np.log(positive))) if len(positive) >= FEW else float("nan")


def normal_scores(n: int) -> FloatArray:
    """(n,) expected order statistics of a normal sample, nearly, of unit length and mean zero."""
    scores: FloatArray = scipy.special.ndtri((np.arange(1, n + 1) - 0.375) / (n + 0.25))
    return np.asarray(scores / np.linalg.norm(scores), dtype=np.float64)


def not_normal(values: FloatArray, scores: FloatArray) -> float:
    """1 - r^2 of the normal probability plot (Filliben 1975); NaN where nothing varies."""
    ordered = np.sort(values)
    ordered = ordered - ordered.mean()
    size = float(ordered @ ordered)
    if not size > 0.0:
        return float("nan")
    return float(max(0.0, 1.0 - (ordered @ scores) ** 2 / size))


def kurtosis(values: FloatArray) -> float:
    """Excess kurtosis of the values."""
    centred = values - values.mean()
    return float(np.mean(centred**4) / np.mean(centred**2) ** 2 - 3.0)


def skewness(values: FloatArray) -> float:
    """Third standardised moment: above zero where the upper tail is the longer one."""
    centred = values - values.mean()
    return float(np.mean(centred**3) / np.mean(centred**2) ** 1.5)


def ranks_among(draws: FloatArray) -> Iterator[LongArray]:
    """For each of the rows of (count, n) the rank of each entry in its column, 0 ... count - 1."""
    order = np.argsort(np.argsort(draws, axis=0, kind="stable"), axis=0)
    yield from order


def not_uniform(ranks: LongArray, count: int) -> float:
    """Largest distance of the distribution of ranks (n,) below `count` from the uniform one."""
    shares = np.cumsum(np.bincount(ranks, minlength=count)) / len(ranks)
    return float(np.abs(shares - np.arange(1, count + 1) / count).max())


def _rms(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(values**2)))
