"""``cut(x, breaks)``: numbers to intervals, with R's breaks and labels."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.design.columns import CategoricalColumn, level_label
from mixedmodels.design.functions.kinds import (
    CodedColumn,
    count,
    describe,
    flag,
    learnt_range,
    listed,
    one_column,
)
from mixedmodels.design.functions.learning import OfExtremes
from mixedmodels.design.functions.signature import Function, function
from mixedmodels.errors import DataError, FormulaError

MAX_BREAKS = 10_000
"""Largest number of breaks."""

_WIDENED = 1000.0
_DIGITS = 12


def cut(
    x: Any,
    breaks: Any,
    labels: Any = None,
    include_lowest: Any = False,
    right: Any = True,
    dig_lab: Any = 3,
    ordered_result: Any = False,
    *,
    _state: dict[str, Any],
) -> Any:
    """``cut(x, breaks)``: a factor of intervals; a value outside the breaks is missing.

    A number of `breaks` makes intervals of equal width over the range of the training data.

    Raises:
        DataError: the breaks are not distinct.
    """
    values = one_column(x)
    if "breaks" not in _state:
        _state["breaks"] = _breaks(values, breaks)
    edges: FloatArray = _state["breaks"]
    lowest, closed = flag(include_lowest, "include.lowest"), flag(right, "right")
    codes = np.searchsorted(edges, values, side="left" if closed else "right").astype(np.int32) - 1
    n_intervals = len(edges) - 1
    if lowest and closed:
        codes[values == edges[0]] = 0
    elif lowest:
        codes[values == edges[-1]] = n_intervals - 1
    codes[(codes >= n_intervals) | np.isnan(values)] = -1
    if labels is False:
        return np.where(codes < 0, np.nan, codes + 1.0)
    if labels is None:
        names = _names(edges, count(dig_lab, "dig.lab", 1, 22), lowest, closed)
    else:
        names = [level_label(label) for label in listed(labels, "labels", MAX_BREAKS)]
        if len(names) != n_intervals or len(set(names)) < n_intervals:
            raise FormulaError(
                f"needs a label of its own for each of the {n_intervals} intervals as 'labels', "
                f"not {describe(labels)}."
            )
    ordered = flag(ordered_result, "ordered_result")
    return CodedColumn(CategoricalColumn(codes, pd.Index(names, dtype=object), ordered))


def _breaks(values: FloatArray, given: Any) -> FloatArray:
    found = listed(given, "breaks", MAX_BREAKS)
    if len(found) == 1:
        n_intervals = count(found[0], "breaks", 2, MAX_BREAKS)
        low, high = learnt_range(values)
        width = high - low
        if width == 0.0:
            width = abs(low) or 1.0
            return np.linspace(low - width / _WIDENED, high + width / _WIDENED, n_intervals + 1)
        edges = np.linspace(low, high, n_intervals + 1)
        edges[0], edges[-1] = low - width / _WIDENED, high + width / _WIDENED
        return edges
    if not all(isinstance(edge, (int, float)) for edge in found):
        raise FormulaError("needs numbers as 'breaks'.")
    edges = np.sort(np.array(found, dtype=np.float64))
    if np.isnan(edges).any() or not (edges[1:] > edges[:-1]).all():
        raise DataError("needs breaks that differ from one another.")
    return edges


def _names(edges: FloatArray, digits: int, lowest: bool, closed: bool) -> list[str]:
    """R's labels: as few digits as tell neighbours apart, from `digits` on."""
    for precision in range(digits, max(_DIGITS, digits) + 1):
        shown = [_shown(edge, precision) for edge in edges]
        if all(left != right for left, right in itertools.pairwise(shown)):
            break
    else:
        return [f"Range_{interval + 1}" for interval in range(len(edges) - 1)]
    left, right = ("(", "]") if closed else ("[", ")")
    names = [f"{left}{a},{b}{right}" for a, b in itertools.pairwise(shown)]
    if lowest and closed:
        names[0] = "[" + names[0][1:]
    elif lowest:
        names[-1] = names[-1][:-1] + "]"
    return names


def _shown(edge: float, digits: int) -> str:
    if np.isinf(edge):
        # R pads infinity with a blank.
        return " Inf" if edge > 0 else "-Inf"
    return f"{edge + 0.0:.{digits}g}"


def _learner(given: Mapping[str, Any]) -> OfExtremes | None:
    """Learns from batches where the breaks are a number of intervals."""
    few = len(listed(given["breaks"], "breaks", MAX_BREAKS)) == 1
    return OfExtremes("x") if few else None


FUNCTIONS: dict[str, Function] = {
    "cut": function(
        "cut",
        cut,
        stateful=True,
        learner=_learner,
        include_lowest="include.lowest",
        dig_lab="dig.lab",
    )
}
