"""Which of several means a user names: by its label, the values of its levels, or its position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.errors import MixedModelsError, did_you_mean
from mixedmodels.naming import first_few


def find_mean(given: Any, labels: Sequence[str], levels: pd.DataFrame | None) -> int | None:
    """The mean with this label or these levels; None where there is none, or there are several.

    Args:
        given: A label, the value of a level of any type, a tuple of values in the order of the
            variables, or a dict from variable to value.
        labels: What the means are called.
        levels: (means, variables) values of their levels, where these are known.
    """
    if isinstance(given, str) and given in labels:
        return list(labels).index(given)
    found = _of_levels(given, levels)
    if len(found) == 1:
        return found[0]
    return list(labels).index(str(given)) if str(given) in labels else None


def reference(given: Any, labels: Sequence[str], levels: pd.DataFrame | None) -> int:
    """The mean that others are compared with; the first if None.

    A number is the value of a level where there is such a level, and a position else.

    Raises:
        MixedModelsError: None of the means, or several.
    """
    if given is None:
        return 0
    found = find_mean(given, labels, levels)
    if found is not None:
        return found
    whole = isinstance(given, (int, np.integer)) and not isinstance(given, bool)
    several = len(_of_levels(given, levels)) > 1
    if whole and not several and -len(labels) <= given < len(labels):
        return int(given) % len(labels)
    start = f"ref is {given!r:.80}"
    if several:
        start += ", which is a level of several means"
    raise MixedModelsError(
        f"{start}; it must be one of {first_few(labels, 12)}{_by_values(levels)}, or a position "
        f"from 0 to {len(labels) - 1}.{did_you_mean(str(given), labels)}"
    )


def _by_values(levels: pd.DataFrame | None) -> str:
    """How values of several variables are given, for messages."""
    if levels is None or levels.shape[1] < 2:
        return ""
    first = {name: _plain(levels[name].iloc[0]) for name in levels}
    return f", values by variable, such as {first!r}"


def _of_levels(given: Any, levels: pd.DataFrame | None) -> list[int]:
    """Rows that have what is given: one value of any variable, or values of several."""
    if levels is None or not levels.shape[1]:
        return []
    if isinstance(given, Mapping):
        wanted = {str(name): value for name, value in given.items()}
        if not wanted or not set(wanted) <= set(map(str, levels.columns)):
            return []
    elif isinstance(given, (tuple, list)):
        if len(given) != levels.shape[1]:
            return []
        wanted = dict(zip(map(str, levels.columns), given, strict=True))
    else:
        one = [_same_rows(levels[name], given) for name in levels]
        return [*map(int, np.flatnonzero(np.any(one, axis=0)))]
    every = [_same_rows(levels[name], wanted[str(name)]) for name in levels if str(name) in wanted]
    return [*map(int, np.flatnonzero(np.all(every, axis=0)))]


def _same_rows(column: pd.Series[Any], given: Any) -> list[bool]:
    return [_same(_plain(value), _plain(given)) for value in column]


def _plain(value: Any) -> Any:
    """A scalar of NumPy as one of Python."""
    return value.item() if isinstance(value, np.generic) else value


def _same(level: Any, given: Any) -> bool:
    """Whether a level has this value: numbers by value, text as it is, truth values in any case."""
    if isinstance(level, (int, float)) and isinstance(given, (int, float)):
        # False is the number 0, but True given for a level 1 of many is a mistake.
        return isinstance(level, bool) == isinstance(given, bool) and level == given
    if isinstance(level, bool) or isinstance(given, bool):
        return str(level).casefold() == str(given).casefold()
    if isinstance(level, (int, float)) and isinstance(given, str):
        return _number(given) == level
    if isinstance(level, str) and isinstance(given, (int, float)):
        return _number(level) == given
    if isinstance(level, pd.Timestamp) and not isinstance(given, str):
        return bool(level == given)
    return str(level) == str(given)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
