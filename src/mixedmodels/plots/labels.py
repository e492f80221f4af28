"""Labels of levels on an axis: short, and of which no two are equal where the names are not."""

from __future__ import annotations

from collections.abc import Iterable

from mixedmodels.plots.style import shorten

_LENGTH = 30


def distinct_labels(names: Iterable[object], length: int = _LENGTH) -> list[str]:
    """The names, their middle left out where they are long, unless that makes two of them equal."""
    given = [str(name) for name in names]
    for most in (length, 2 * length):
        short = [shorten(name, most) for name in given]
        if len(set(short)) == len(set(given)):
            return short
    return given
