"""Labels of levels on an axis: short, and of which no two are equal where the names are not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from mixedmodels.plots.style import short_labels, shorten

Renaming: TypeAlias = Mapping[str, str] | Callable[[str], str]

_LENGTH = 30


def distinct_labels(names: Iterable[object], length: int = _LENGTH) -> list[str]:
    """The names, their middle left out where they are long, unless that makes two of them equal."""
    given = [str(name) for name in names]
    for most in (length, 2 * length):
        short = [shorten(name, most) for name in given]
        if len(set(short)) == len(set(given)):
            return short
    return given


def level_names(levels: Iterable[object], labels: Renaming | None, length: int = 24) -> list[str]:
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
