"""Labels of levels on an axis: short, and of which no two are equal where the names are not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from mixedmodels.plots.style import short_labels

# Levels that are named on an axis: with a line each, and with a box each.
MOST_NAMED = 60
MOST_LEVELS = 75

Renaming: TypeAlias = Mapping[str, str] | Callable[[str], str]


def level_names(
    levels: Iterable[object], labels: Renaming | None = None, length: int = 24
) -> list[str]:
    """What levels are called, no two alike by shortening.

    Args:
        levels: The levels.
        labels: Other names of theirs: a mapping or a function; None for their own.
        length: Characters, more where names would be alike.
    """
    names = [str(level) for level in levels]
    if isinstance(labels, Mapping):
        names = [str(labels.get(name, name)) for name in names]
    elif labels is not None:
        names = [str(labels(name)) for name in names]
    return short_labels(names, length)
