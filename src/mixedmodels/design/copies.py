"""Copies of the response under another name: columns that leave nothing to the residuals.

They are looked for only where a fit is exact to rounding: each takes passes over the rows.
"""

from __future__ import annotations

import numpy as np

from mixedmodels.arrays import FloatArray, IntArray
from mixedmodels.design.design import Design, TermDesign
from mixedmodels.naming import first_few

# Part of the response's sum of squares that rounding may leave.
_ROUNDING = 1e-12
# Part of the largest response below which the contribution of a column is rounding.
_NOTHING = 1e-6
_MOST_NAMED = 5
# Part of the variance of the response that is left where a rounded copy is looked for; values that
# such a copy has at least, and decimals at most.
_LEFT, _VALUES, _PLACES = 0.01, 10, 13
# Rows that show which columns explain a response that all rows show to be explained.
_ROWS = 10_000


def copy_messages(design: Design) -> list[str]:
    """A sentence for each random-effects term that explains the response without a rest."""
    y = np.asarray(design.y, dtype=np.float64)
    y = y - y.mean()
    if not len(y) or not float(y @ y) > 0.0:
        return []
    name = _group_alike(design, y)
    if name:
        message = (
            f"All rows of a level of '{name}' have the same response '{design.response_name}', so "
            "nothing is left to the residuals and the other numbers mean nothing. "
            f"'{name}' may be the response under another name, or the response may have been "
            "measured once per level: then keep one row of each level."
        )
        return [message]
    return [
        f"{term.source.name} has '{name}' as a covariate, of which the response "
        f"'{design.response_name}' is a multiple but for a constant: nothing is left to the "
        "residuals and the other numbers mean nothing. Take it out of the term."
        for term in design.terms
        for name in _multiples(y, term)
    ]


def rounded_copies(design: Design, residual_sd: float) -> list[str]:
    """A sentence for each column of X that is the response rounded to some decimals.

    Only columns with ten values or more count, and only where the fit leaves a hundredth of the
    variance: no other covariate is within half a unit of the response in every row.
    """
    sample = np.asarray(design.y[:: max(1, design.n // _ROWS)], dtype=np.float64)
    size = float(np.abs(sample).max(initial=0.0)) or 1.0  # squares of a response may overflow
    if (residual_sd / size) ** 2 > _LEFT * float((sample / size).var()):
        return []
    y = np.asarray(design.y, dtype=np.float64)
    found = []
    for name, column in zip(design.x_names, np.asarray(design.X, dtype=np.float64).T, strict=True):
        places = _decimals(column)
        if places is not None and (np.abs(y - column) <= 0.5000001 * 10.0**-places).all():
            found.append(
                f"'{name}' is the response '{design.response_name}' rounded to "
                f"{_places(places)} in every row, so it explains all but the rounding. Take it "
                "out of the formula unless that is meant."
            )
    return found


def _decimals(column: FloatArray) -> int | None:
    """Fewest decimals (negative: tens, hundreds) that write a column of enough values, or None."""
    sizes = np.abs(column[column != 0.0])
    if not sizes.size or len(np.unique(column[: 50 * _VALUES])) < _VALUES:
        return None
    for places in range(-int(np.log10(sizes.max())), _PLACES):
        shifted = column * 10.0**places
        if (np.abs(shifted - np.rint(shifted)) <= 1e-9 * np.maximum(np.abs(shifted), 1.0)).all():
            return places
    return None


def _places(places: int) -> str:
    if places > 0:
        return "1 decimal" if places == 1 else f"{places} decimals"
    return "whole numbers" if places == 0 else f"multiples of {10**-places}"


def explaining_columns(design: Design) -> str:
    """The columns of X that a response fitted exactly is a combination of, for a message."""
    step = max(1, design.n // _ROWS)
    X, y = (np.asarray(part[::step], dtype=np.float64) for part in (design.X, design.y))
    if design.offset is not None:
        y = y - design.offset[::step]
    beta = np.linalg.lstsq(X, y, rcond=None)[0]
    share = np.abs(beta) * np.ptp(X, axis=0)
    used = share > _NOTHING * np.ptp(y)
    names = [f"'{name}'" for name, is_used in zip(design.x_names, used, strict=True) if is_used]
    return first_few(names, _MOST_NAMED)


def _group_alike(design: Design, y: FloatArray) -> str:
    """The coarsest factor within whose levels the response does not vary; "" for none."""
    parts = [
        (len(levels), factor.name, part[group.codes])
        for group in design.groups
        for factor, levels, part in zip(
            group.spec.factors, group.spec.levels, group.spec.parts, strict=True
        )
    ]
    parts += [(group.n_levels, group.name, group.codes) for group in design.groups]
    for count, name, codes in sorted(parts, key=lambda part: part[0]):
        if _constant_within(y, codes, count):
            return name
    return ""


def _constant_within(y: FloatArray, codes: IntArray, n_levels: int) -> bool:
    counts = np.maximum(np.bincount(codes, minlength=n_levels), 1)
    means = np.bincount(codes, weights=y, minlength=n_levels) / counts
    left = y - means[codes]
    return bool(left @ left <= _ROUNDING * (y @ y))


def _multiples(y: FloatArray, term: TermDesign) -> list[str]:
    """Columns of a term that are the response, but for a constant and a factor."""
    found = []
    for name, column in zip(term.columns, np.asarray(term.z, dtype=np.float64).T, strict=True):
        x = column - column.mean()
        size = float(x @ x)
        if size > 0.0:
            left = y - x * (float(x @ y) / size)
            if float(left @ left) <= _ROUNDING * float(y @ y):
                found.append(name)
    return found
