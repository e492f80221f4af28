"""Text where numbers are expected: which values keep a column from being numbers, in words.

A column of numbers with a few other values ("n/a", "12kg") is read as text. Where numbers are
needed the message names these values and their rows. As a covariate such a column would be a factor
with a level for every number, so it is refused, unless the formula or the data say that it is one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

from mixedmodels.arrays import BoolArray, LongArray
from mixedmodels.design.columns import CategoricalColumn
from mixedmodels.design.places import Naming, first_rows
from mixedmodels.design.rows import Rows
from mixedmodels.errors import DataError, warn
from mixedmodels.formula import Factor
from mixedmodels.formula.tokens import quote_name

# Levels above which a factor may be a mistake.
_MANY = 10
# Part of the values that are not numbers below which they are strays in any column.
_FEW = 0.05
# Texts that stand for a missing value.
_ABSENT = frozenset(
    {"", "na", "n/a", "#n/a", "nan", "null", "none", "missing", ".", "-", "--", "?"}
)
# Days as people and files write them, with a time of the day or without.
_DATE = re.compile(
    r"\s*(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2}))([T ]\d{1,2}:.*)?\s*"
)
_DAYS = (
    "make a number of it, such as the days since the first ((dates - dates.min()).dt.days of "
    "pandas.to_datetime)"
)
_REMEDY = "make the column numeric (pandas.to_numeric, or .cast(Float64) of Polars)"


def strays(name: str, column: object, naming: Naming, counts: LongArray | None = None) -> str:
    """A sentence on why a column is text and what to do, or "" where it is not mostly numbers.

    Args:
        name: What the column is called.
        column: The column on the rows in use, or any other value of a factor.
        naming: Names rows, given their positions among these.
        counts: (l,) rows that have each level, where the rows in use stand for more.
    """
    if not isinstance(column, CategoricalColumn) or not _is_text(column.levels):
        return ""
    level_is_number = _numbers(column.levels)
    other = (column.codes >= 0) & ~np.append(level_is_number, True)[column.codes]
    if counts is None:
        counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.levels))
    total, count = int(counts.sum()), int(counts[~level_is_number].sum())
    if not total or 2 * count > total:
        return ""
    first = str(column.levels[int(np.flatnonzero(level_is_number)[0])])
    if not _is_number(first):
        return _with_commas(name, first)
    if not count:
        return _with_points(name, first)
    which = np.flatnonzero(other)
    texts = column.levels.take(column.codes[which[:_MANY]]).tolist()
    listed = first_rows(which, naming, [f"{text!r:.40}" for text in texts])
    values = "value" if total == 1 else "values"
    return (
        f"'{name}' is text, not numbers, because of {count} of its {total} {values}: {listed}. "
        f"Correct them or make them missing, and {_REMEDY}."
    )


def stored_as_text(factor: Factor, levels: pd.Index) -> str:
    """A sentence on a column whose levels are numbers or dates as text and what to do, or ""."""
    if not factor.is_column or not _is_text(levels):
        return ""
    name, first = factor.name, str(levels[0])
    if _numbers(levels).all():
        return _with_points(name, first) if _is_number(first) else _with_commas(name, first)
    return f"{_with_dates(name, first)}; {_DAYS}." if _are_dates(levels) else ""


def levels_of_single_rows(factors: Iterable[tuple[Factor, pd.Index]], n_rows: int) -> str:
    """Sentences on factors with a level for nearly every row and what to do, or ""."""
    said = []
    for factor, levels in factors:
        if len(levels) > _MANY and 2 * len(levels) > n_rows:
            said.append(f"'{factor.name}' is a factor with {len(levels)} levels in {n_rows} rows.")
            said.append(
                stored_as_text(factor, levels)
                or f"If it tells units apart, write (1 | {factor.code}); if it is a number, "
                "make it numeric."
            )
    return " ".join(said)


def _with_points(name: str, first: str) -> str:
    """What to do with numbers as text."""
    return f"'{name}' has numbers that are stored as text ('{first:.20}'); {_REMEDY}."


def _with_dates(name: str, first: str) -> str:
    return f"'{name}' has dates that are stored as text ('{first:.20}')"


def _with_commas(name: str, first: str) -> str:
    """What to do with numbers that have decimal commas."""
    return (
        f"'{name}' has numbers with decimal commas, which are text ('{first:.20}'). Read the file "
        "with decimal=',' (pandas.read_csv), or make the column numeric by "
        ".str.replace(',', '.').astype(float)."
    )


def strays_in_rows(name: str, rows: Rows) -> str:
    """The same for a column of a table at the rows in use."""
    column = rows.column(name)
    if not isinstance(column, CategoricalColumn):
        return ""
    return strays(name, column, rows.names_at, rows.level_counts(name, column))


def check_meant_as_factor(
    name: str, column: CategoricalColumn, rows: Rows, *, declared: bool
) -> None:
    """Refuse or warn of a column of the data that has become a factor, perhaps by mistake.

    Args:
        name: What the column is called.
        column: The column on the rows in use, without unused levels.
        rows: The rows in use.
        declared: Whether its type says that it has categories.

    Raises:
        DataError: It has numbers and a few other texts.
    """
    n_levels, n_rows = len(column.levels), rows.n_used
    nearly_all = n_levels > _MANY and 2 * n_levels > n_rows
    if not declared and _is_text(column.levels):
        level_is_number = _numbers(column.levels)
        if level_is_number.any() and not level_is_number.all():
            _refuse_strays(name, column, level_is_number, rows)
        elif n_levels > _MANY and level_is_number.all():
            warn(
                f"{strays_in_rows(name, rows)} As it is, it is a factor with {n_levels} levels; "
                f"factor({quote_name(name)}) says that this is meant."
            )
            return
        elif n_levels > _MANY and _are_dates(column.levels):
            written = quote_name(name)
            warn(
                f"{_with_dates(name, str(column.levels[0]))}. As it is, it is a factor with "
                f"{n_levels} levels; {_DAYS}, or write (1 | {written}); factor({written}) says "
                "that a factor is meant."
            )
            return
    if nearly_all:
        written = quote_name(name)
        warn(
            f"'{name}' is a factor with {n_levels} levels in {n_rows} rows, which leaves little to "
            f"estimate the rest from. If it tells units apart, write (1 | {written}); if it is a "
            f"number, {_REMEDY}; factor({written}) says that a factor is meant."
        )


def _are_dates(levels: pd.Index) -> bool:
    return all(_DATE.fullmatch(str(level)) is not None for level in levels)


def _refuse_strays(
    name: str, column: CategoricalColumn, level_is_number: BoolArray, rows: Rows
) -> None:
    text = strays_in_rows(name, rows)
    n_levels, n_rows = len(column.levels), rows.n_used
    counts = rows.level_counts(name, column)
    others = column.levels[~level_is_number].tolist()
    share = counts[~level_is_number].sum() / counts.sum()
    absent = all(value.strip().lower() in _ABSENT for value in others)
    if text and (absent or share <= _FEW or n_levels > _MANY or 2 * n_levels > n_rows):
        raise DataError(f"{text} If it is a factor, write factor({quote_name(name)}).")


def _is_text(levels: pd.Index) -> bool:
    return len(levels) > 0 and isinstance(levels[0], str)


def _numbers(levels: pd.Index) -> BoolArray:
    """(l,) which texts are numbers, with decimal points or, where these are few, with commas."""
    texts = [str(level) for level in levels.tolist()]
    points = np.array(list(map(_is_number, texts)), dtype=np.bool_)
    if 2 * points.sum() >= len(texts) or not any("," in text for text in texts):
        return points
    commas = [_is_number(text.replace(",", ".")) for text in texts]
    return np.array(commas, dtype=np.bool_)


def _is_number(text: str) -> bool:
    try:
        return "_" not in text and math.isfinite(float(text))
    except ValueError:
        return False
