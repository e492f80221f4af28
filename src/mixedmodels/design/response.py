"""The response: one column of numbers for linear models; what a family takes for the others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from mixedmodels.arrays import BoolArray, FloatArray
from mixedmodels.design.codes import TRUTH_LEVELS
from mixedmodels.design.columns import CategoricalColumn, level_label, level_labels
from mixedmodels.design.evaluated import Evaluated
from mixedmodels.design.factors import NumericBlock
from mixedmodels.design.functions import CodedColumn
from mixedmodels.design.levels import kind_of_times
from mixedmodels.design.stray import strays
from mixedmodels.errors import DataError, FormulaError
from mixedmodels.formula import Factor, FormulaSpec
from mixedmodels.naming import first_few
from mixedmodels.values import quick

_SHOWN = 5
_MOST_CATEGORIES = 100
# A percentage as a spreadsheet writes it.
_PERCENTAGE = re.compile(r"\s*\d+([.,]\d*)?\s*%\s*")
# A column divided by another, as it is typed.
_COLUMN = r"(`[^`]+`|[^\W\d]\w*)"
_QUOTIENT = re.compile(rf"\s*(?:I\()?\s*{_COLUMN}\s*/\s*{_COLUMN}\s*\)?\s*")


class Fault(Protocol):
    """Responses that there cannot be."""

    @property
    def rows(self) -> BoolArray:
        """(n,) where."""

    @property
    def wrong(self) -> str:
        """What is wrong with them, after "the values"."""

    @property
    def remedy(self) -> str:
        """What to do; `{y}` stands for the response."""

    @property
    def above(self) -> bool:
        """Whether they are shares above 1."""


class Responses(Protocol):
    """What knows which responses there may be."""

    @property
    def title(self) -> str:
        """Its name in words."""

    def fault(self, y: FloatArray, m: FloatArray) -> Fault | None:
        """What is wrong with responses of these weights, or None."""


@quick
@dataclass(frozen=True, slots=True)
class ResponseRule:
    """Which responses a model takes.

    Attributes:
        family: What knows which there may be.
        of_trials: Whether responses are successes of trials: 0 or 1, truth values, two categories,
            shares with trials as weights, or `cbind(successes, failures)`.
        ordered: Whether responses are ordered categories, which have numbers from 0.
    """

    family: Responses
    of_trials: bool
    ordered: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Categories:
    """The categories of an ordered response, in their order.

    Attributes:
        levels: Those that occur.
        unused: Labels of others.
    """

    levels: pd.Index
    unused: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The categories as they are printed."""
        return tuple(level_labels(self.levels))

    @property
    def message(self) -> str | None:
        """What the user should know, or None."""
        if not self.unused:
            return None
        which = first_few(list(self.unused), _SHOWN)
        return f"{len(self.unused)} categories of the response without a row dropped: {which}."


_OF_LINEAR = (
    "a linear model needs numbers. Two categories call for a generalized model, "
    'mixedmodels.glmer(..., family="binomial"), ordered ones for family="ordinal"; two coded as 0 '
    "and 1 can be fitted as shares."
)


def linear_response(spec: FormulaSpec, values: Evaluated, needed: str = _OF_LINEAR) -> FloatArray:
    """(n,) numbers.

    Args:
        spec: The formula.
        values: Its factors.
        needed: What a message says of other responses.

    Raises:
        DataError: The response is not a column of numbers.
    """
    value = values.value(spec.response_factor)
    name = spec.response
    if isinstance(value, CategoricalColumn) and value.levels is TRUTH_LEVELS:
        value = NumericBlock((name,), (value.codes,))
    if not isinstance(value, NumericBlock):
        raise _not_numeric(spec, values, value, needed)
    if len(value.values) != 1:
        if name.startswith("cbind("):
            factor = spec.response_factor
            raise FormulaError(
                "'cbind' makes several columns; this response is one column. cbind(successes, "
                "failures), two columns, is a response of the binomial family of "
                "mixedmodels.glmer.",
                spec.text,
                factor.start,
                factor.start + len("cbind"),
            )
        raise DataError(f"The response '{name}' has {len(value.values)} columns; it must have one.")
    values.check_finite(spec.response_factor)
    return np.array(value.values[0], dtype=np.float64)


def _not_numeric(
    spec: FormulaSpec, values: Evaluated, value: CategoricalColumn | CodedColumn, needed: str
) -> DataError:
    name = spec.response
    times = kind_of_times(value.levels) if isinstance(value, CategoricalColumn) else None
    if times is not None:
        return DataError(
            f"The response '{name}' has {times}; make a number of it (say, days since the first)."
        )
    found = strays(name, value, values.rows.names_at)
    if found:
        return DataError(f"The response is not numeric: {found}")
    return DataError(f"The response '{name}' is not numeric; {needed}")


def ruled_response(
    rule: ResponseRule, spec: FormulaSpec, values: Evaluated, w: FloatArray | None
) -> tuple[FloatArray, FloatArray | None]:
    """Response and prior weights (n,), of trials: successes and trials, which may be zero.

    Raises:
        DataError: A response that there cannot be, with the rows.
    """
    value, rows = _plain(values.value(spec.response_factor)), values.rows
    columns = len(value.values) if isinstance(value, NumericBlock) else 1
    if rule.of_trials and columns > 2:
        raise DataError(
            f"The response '{spec.response}' has {columns} columns; that of a binomial model has "
            "two, successes and failures, which is trials less successes."
        )
    two = columns == 2
    if rule.of_trials and two:
        values.check_finite(spec.response_factor)
        return _successes_and_failures(spec, values, value, w)
    if rule.of_trials and isinstance(value, CategoricalColumn):
        y = _second_category(spec.response_factor, value)
    else:
        y = linear_response(spec, values, _of_family(rule))
    m = np.ones(len(y)) if w is None else w
    counts = y * m if rule.of_trials else y
    found = rule.family.fault(counts, m)
    if found is not None:
        raise DataError(
            f"The response '{spec.response}' has values that {found.wrong}, in "
            f"{rows.describe(found.rows, y)}: {int(found.rows.sum())} of {len(y)} rows. "
            f"{_remedy(found, spec.response_factor, y)}."
        )
    return (np.rint(counts) if rule.of_trials else counts), w


def _remedy(found: Fault, response: Factor, y: FloatArray) -> str:
    """What to do with responses that there cannot be."""
    quotient = _QUOTIENT.fullmatch(response.source)
    if not found.above or quotient is None:
        return found.remedy.replace("{y}", response.code)
    above, below = quotient.groups()
    turned = f", so write {below} / {above}" if (y >= 1.0).all() else ""
    return (
        f"'{above.strip('`')}' is larger than '{below.strip('`')}' there; a share is successes / "
        f"trials{turned}"
    )


def _plain(
    value: NumericBlock | CategoricalColumn | CodedColumn,
) -> NumericBlock | CategoricalColumn:
    """A column of categories without the coding that `relevel()` and the like give it."""
    return value.column if isinstance(value, CodedColumn) else value


def _of_family(rule: ResponseRule) -> str:
    return (
        f"responses of the {rule.family.title} family are numbers. Two categories are for "
        'family="binomial", ordered ones for family="ordinal".'
    )


def ordered_response(spec: FormulaSpec, values: Evaluated) -> tuple[FloatArray, Categories]:
    """(n,) numbers of the categories that occur, from 0, and these.

    Raises:
        DataError: The response does not have ordered categories, or only one.
    """
    value, name = _plain(values.value(spec.response_factor)), spec.response
    if isinstance(value, NumericBlock):
        value = _whole_numbers(name, spec, values, value)
    elif not value.ordered:
        shown = first_few(level_labels(value.levels), _SHOWN)
        raise DataError(
            f"The response '{name}' has categories without an order ({shown}). Give the order, as "
            "in pandas.Categorical(values, categories=[...], ordered=True), or write "
            f"ordered({name}, levels=c(...)) in the formula."
        )
    used, y = np.unique(value.codes, return_inverse=True)
    if used.size < 2:
        only = first_few(level_labels(value.levels.take(used)), 1)
        raise DataError(
            f"The response '{name}' has one category only ({only}); there is nothing to model."
        )
    if used.size > _MOST_CATEGORIES:
        raise DataError(
            f"The response '{name}' has {used.size} categories, each of which would have a "
            f"threshold of its own; at most {_MOST_CATEGORIES} are allowed. Join some of them with "
            "cut(), or take a family of numbers."
        )
    empty = value.levels.delete(used)
    return y.astype(np.float64), Categories(value.levels.take(used), tuple(level_labels(empty)))


def _whole_numbers(
    name: str, spec: FormulaSpec, values: Evaluated, value: NumericBlock
) -> CategoricalColumn:
    """Whole numbers as categories, in their order."""
    if len(value.values) != 1:
        raise DataError(f"The response '{name}' has {len(value.values)} columns; it must have one.")
    values.check_finite(spec.response_factor)
    numbers = np.asarray(value.values[0], dtype=np.float64)
    broken = numbers != np.rint(numbers)
    if broken.any():
        raise DataError(
            f"The response '{name}' has numbers that are not whole, in "
            f"{values.rows.describe(broken, numbers)}; an ordered response has categories, or "
            "whole numbers that stand for them."
        )
    levels, codes = np.unique(numbers.astype(np.int64), return_inverse=True)
    return CategoricalColumn(codes, pd.Index(levels), ordered=True)


def _successes_and_failures(
    spec: FormulaSpec, values: Evaluated, value: object, w: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    assert isinstance(value, NumericBlock)
    if w is not None:
        raise DataError(
            f"The response '{spec.response}' has successes and failures, whose sum is the number "
            "of trials; weights= are the trials of a share and do not go with it."
        )
    counts = np.array(value.values, dtype=np.float64)
    wrong = (counts < 0.0) | (counts != np.rint(counts))
    if wrong.any():
        column = int(wrong.any(axis=1).argmax())
        raise DataError(
            f"The response '{spec.response}' has counts that are negative or not whole, in its "
            f"{('first', 'second')[column]} column: "
            f"{values.rows.describe(wrong[column], counts[column])}. The columns are successes and "
            "failures, which is trials less successes."
        )
    successes, trials = counts[0], counts[0] + counts[1]
    if not trials.any():
        raise DataError(f"The response '{spec.response}' has no trial in any row.")
    return successes, trials


def _second_category(response: Factor, value: CategoricalColumn) -> FloatArray:
    """0 for the first category, 1 for all others, as in R."""
    name = response.name
    used = np.unique(value.codes)
    if len(value.levels) == 1 or used.size == 1:
        only = level_labels(value.levels)[int(used[0]) if used.size else 0]
        raise DataError(
            f"The response '{name}' has one category only ({only}); there is nothing to model."
        )
    if value.levels is not TRUTH_LEVELS and used.size > 2:
        labels = [str(level_labels(value.levels)[code]) for code in used]
        raise DataError(
            f"The response '{name}' has {used.size} categories ({first_few(labels, _SHOWN)}); a "
            f"binomial response has two, of which the first is failure. {_fewer(response, labels)}"
        )
    found: FloatArray = (value.codes != used.min()).astype(np.float64)
    return found


def _fewer(response: Factor, labels: Sequence[str]) -> str:
    """What to do with a response of too many categories."""
    if all(map(_PERCENTAGE.fullmatch, labels)):
        return (
            "They are percentages as text: make numbers of them, divided by 100, and give the "
            'number of trials as weights=, or take family="beta".'
        )
    alike: dict[str, list[str]] = {}
    for label in labels:
        alike.setdefault(" ".join(label.split()).casefold(), []).append(f"'{label}'")
    same = next((found for found in alike.values() if len(found) > 1), None)
    if same is not None:
        return f"{' and '.join(same[:3])} differ in spaces or letters of another case only."
    return f"Compare one with the others, as in I({response.code} == '{labels[-1]}')."


def outcome_message(rule: ResponseRule, spec: FormulaSpec, values: Evaluated) -> str | None:
    """Which of two categories is success, or None where the response does not have categories."""
    value = _plain(values.value(spec.response_factor))
    if not rule.of_trials or not isinstance(value, CategoricalColumn):
        return None
    if value.levels is TRUTH_LEVELS or not value.codes.size:
        return None
    labels = level_labels(value.levels)
    failure, success = labels[int(value.codes.min())], labels[int(value.codes.max())]
    return f"Success is {spec.response} = '{success}', failure is '{failure}'."


def category_numbers(categories: pd.Index, given: Any) -> pd.Series[float]:
    """Numbers of categories from 0, with the labels of the rows; of others than known: NaN.

    Args:
        categories: In their order.
        given: (n,) categories, or what they are printed as.

    Raises:
        DataError: One is not among the known ones.
    """
    index = given.index if isinstance(given, pd.Series) else None
    values = pd.Series(given.array if isinstance(given, pd.Series) else np.asarray(given))
    known = {label: float(j) for j, label in enumerate(level_labels(categories))}
    found = values.map(lambda value: known.get(level_label(value), np.nan)).astype(np.float64)
    if found.isna().any():
        stray = values[found.isna().to_numpy()].iloc[0]
        raise DataError(
            f"The new response has {stray!r:.40}, which is not one of its categories "
            f"({first_few(list(known), _SHOWN)})."
        )
    return found if index is None else found.set_axis(index)
