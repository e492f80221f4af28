"""The variables of a reference grid: levels of factors, covariates at their means, values given.

How the cells of several variables are put together is in `grid`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import AnyArray, LongArray
from mixedmodels.design import Design
from mixedmodels.design.absent import rows_needed
from mixedmodels.design.columns import level_label, level_labels
from mixedmodels.design.lookup import GroupNames
from mixedmodels.design.summary import made_factors, made_of
from mixedmodels.design.variables import variable_column
from mixedmodels.errors import MixedModelsError, ResourceError, did_you_mean
from mixedmodels.naming import first_few
from mixedmodels.settings import real_numbers

# Size of a value of a covariate, relative to the range of its column, that is rounding of zero:
# centring a column far from zero loses digits.
_ROUNDING = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """A variable of the grid and its values there.

    Attributes:
        name: The column of the data.
        values: (l,) values, as the data have them.
        labels: What they are called.
        codes: (n,) which of the values each row has, -1 for none; None where rows are not counted.
        levels: All levels of a categorical column, or None of numbers.
        span: Largest less smallest number; 0 of a categorical column.
        rows: (n,) how many rows each of the codes stands for; None for one.
    """

    name: str
    values: pd.Index
    labels: tuple[str, ...]
    codes: LongArray | None
    levels: pd.Index | None = None
    span: float = 0.0
    rows: LongArray | None = None

    @property
    def is_factor(self) -> bool:
        """Whether its values are levels of which every row has one."""
        return self.codes is not None

    @property
    def is_numeric(self) -> bool:
        """Whether the column has numbers."""
        return self.levels is None and self.values.dtype.kind != "b"

    def __len__(self) -> int:
        """Number of values."""
        return len(self.values)

    def at(self, codes: LongArray) -> Any:
        """A column of a table with these values, of the kind that the data have."""
        if self.levels is None:
            return self.values.to_numpy()[codes]
        return pd.Categorical(self.values.take(codes), categories=self.levels)


def without_rounding(value: float, span: float) -> float:
    """Zero for a value that is zero but for rounding, as the mean of a centred covariate is."""
    return 0.0 if abs(value) <= _ROUNDING * span else value


def axes_of(design: Design) -> dict[str, Axis]:
    """The variables of the fixed part at their values of the reference grid, by name."""
    if not design.has_rows:
        return _axes_of_summary(design)
    as_factors = made_factors(design.formula)
    return {name: _axis(design, name, name in as_factors) for name in design.variables}


def _axes_of_summary(design: Design) -> dict[str, Axis]:
    """The same of rows that are elsewhere: the combinations of values stand for them.

    Raises:
        MixedModelsError: There is no summary of the rows, or they have too many combinations.
    """
    summary = design.summary
    if summary is None:
        raise rows_needed()
    if summary.cells is None:
        raise ResourceError(
            "The factors of the fixed part have so many combinations of levels in the rows that "
            "these were not counted. Fit a sample of the rows by lmer(formula, table)."
        )
    found = {}
    for place, (name, variable) in enumerate(design.variables.items()):
        own = summary.cells[:, place]
        if variable.levels is not None:
            axis = _of_levels(name, own.astype(np.int64), variable.levels)
        elif np.isnan(own).any():
            span = float(summary.high[place] - summary.low[place])
            mean = without_rounding(float(summary.totals[place] / summary.n), span)
            found[name] = _of_numbers(name, pd.Index([mean]), span)
            continue
        else:
            axis = _of_values(name, own.astype(np.bool_) if summary.kinds[place] == "b" else own)
        found[name] = dataclasses.replace(axis, rows=summary.counts)
    return found


def range_of(design: Design, name: str) -> tuple[float, float]:
    """Smallest and largest value of a covariate."""
    if design.summary is not None:
        place = list(design.variables).index(name)
        return float(design.summary.low[place]), float(design.summary.high[place])
    column = variable_column(name, design.variables, design.fixed_spec, design.X)
    return float(column.min()), float(column.max())


def with_values(axes: Mapping[str, Axis], at: Any, hint: str = "") -> dict[str, Axis]:
    """The axes with the values that `at` gives.

    Args:
        axes: The variables by name.
        at: Values by name, or None.
        hint: A sentence for names that are not there.

    Raises:
        MixedModelsError: Not a dict, an unknown name, a level that is not there.
    """
    if at is None:
        return dict(axes)
    if not isinstance(at, Mapping):
        raise MixedModelsError(f"at is {at!r:.80}; it must be a dict from a variable to values.")
    found = dict(axes)
    for asked, given in at.items():
        name = find_at(str(asked), axes, hint)
        found[name] = _at(axes[name], given)
    return found


def find_at(asked: str, axes: Mapping[str, Axis], hint: str = "") -> str:
    """The name of the variable whose values a user gives.

    Args:
        asked: What it is called: plain, or as in `factor(x)`, whose levels are values of x.
        axes: The variables by name.
        hint: A sentence for names that are not there.

    Raises:
        MixedModelsError: There is none, or it is a function whose values are not those of the
            variable.
    """
    name = find_axis(asked, axes, "at", hint)
    plain = asked.strip().strip("`")
    if plain != name and made_of(plain) != name:
        raise MixedModelsError(
            f"at names '{plain}'; it takes values of '{name}' itself: at={{{name!r}: ...}}."
        )
    return name


def find_axis(
    asked: str,
    axes: Mapping[str, Axis],
    argument: str,
    hint: str = "",
    design: Design | None = None,
) -> str:
    """The name of the variable that a user calls so, plain or as in `factor(x)`.

    Args:
        asked: What it is called.
        axes: The variables by name.
        argument: Where it is called so.
        hint: A sentence for what is not there.
        design: That of the axes, if grouping factors are to be told as such.

    Raises:
        MixedModelsError: There is none; the message names those that there are.
    """
    plain = asked.strip().strip("`")
    if plain in axes:
        return plain
    inner = plain.partition("(")[2].rpartition(")")[0].partition(",")[0].strip(" `")
    if inner in axes:
        return inner
    other = _other_hint(design, plain)
    if not axes:
        raise MixedModelsError(
            f"{argument} names '{asked}', but the fixed part of the model has no variables."
            f"{other or hint}"
        )
    raise MixedModelsError(
        f"{argument} names '{asked}', which is not a variable of the fixed part; there are: "
        f"{first_few(list(axes), 12)}.{other or did_you_mean(plain, axes) or hint}"
    )


def _other_hint(design: Design | None, asked: str) -> str:
    """A sentence about a name that is a grouping factor's or the response's, or nothing."""
    if design is None:
        return ""
    if GroupNames(design.groups).find(asked) is not None:
        return (
            f" '{asked}' is a grouping factor: its levels have random effects, which are in "
            "fit.ranef(), fit.coef() and fit.plot_ranef()."
        )
    if asked != design.response_name:
        return ""
    if design.categories is None:
        return f" '{asked}' is the response, whose means these are."
    return f" '{asked}' is the response: with type='prob' its categories are a variable, too."


def _axis(design: Design, name: str, as_factor: bool) -> Axis:
    column = variable_column(name, design.variables, design.fixed_spec, design.X)
    levels = design.variables[name].levels
    if levels is not None:
        return _of_levels(name, column, levels)
    if column.dtype.kind != "b" and not as_factor:
        low, high = column.min(), column.max()
        between = (column != low) & (column != high)
        if between.any():
            span = float(high) - float(low)
            mean = without_rounding(float(column.mean()), span)
            return _of_numbers(name, pd.Index([mean]), span)
    return _of_values(name, column)


def _of_values(name: str, column: AnyArray) -> Axis:
    """The axis of numbers or truth values that count as levels."""
    values, codes = np.unique(column, return_inverse=True)
    axis = _of_numbers(name, pd.Index(values), float(values[-1]) - float(values[0]))
    return dataclasses.replace(axis, codes=codes.astype(np.int64))


def _of_levels(name: str, column: AnyArray, levels: pd.Index) -> Axis:
    used = np.flatnonzero(np.bincount(column, minlength=len(levels)))
    place = np.full(len(levels), -1, dtype=np.int64)
    place[used] = np.arange(len(used))
    kept = levels.take(used)
    return Axis(name, kept, tuple(level_labels(kept)), place[column], levels)


def _of_numbers(name: str, values: pd.Index, span: float) -> Axis:
    return Axis(name, values, tuple(map(_short, values.tolist())), None, None, span)


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else level_label(value)


def _at(axis: Axis, given: Any) -> Axis:
    values = _given_values(axis.name, given)
    if axis.is_factor:
        chosen = [_position(axis, value) for value in values]
        return _subset(axis, list(dict.fromkeys(chosen)))
    try:
        array = isinstance(given, np.ndarray)  # a list would lose the mask of a masked one
        numbers = np.atleast_1d(real_numbers(given if array else values)).tolist()
    except (TypeError, ValueError):
        numbers = [np.nan]
    if not np.isfinite(numbers).all():
        raise MixedModelsError(
            f"at gives {axis.name!r} the value {given!r:.80}; it must be finite numbers."
        )
    numbers = [without_rounding(value, axis.span) for value in numbers]
    return _of_numbers(axis.name, pd.Index(list(dict.fromkeys(numbers))), axis.span)


def _given_values(name: str, given: Any) -> list[Any]:
    single = isinstance(given, (str, bytes)) or getattr(given, "ndim", None) == 0
    values = [given] if single or not isinstance(given, Iterable) else list(given)
    if not values:
        raise MixedModelsError(f"at gives '{name}' no values; give one or more.")
    return values


def _position(axis: Axis, value: Any) -> int:
    label = level_label(value)
    if label in axis.labels:
        return axis.labels.index(label)
    for position, level in enumerate(axis.values.tolist()):
        if value == level:
            return position
    raise MixedModelsError(
        f"at names the level '{label}' of '{axis.name}', which it does not have; it has "
        f"{first_few(axis.labels, 12)}.{did_you_mean(label, axis.labels)}"
    )


def _subset(axis: Axis, chosen: list[int]) -> Axis:
    place = np.full(len(axis) + 1, -1, dtype=np.int64)
    place[chosen] = np.arange(len(chosen))
    codes = None if axis.codes is None else place[axis.codes]
    labels = tuple(axis.labels[j] for j in chosen)
    return dataclasses.replace(axis, values=axis.values.take(chosen), labels=labels, codes=codes)
