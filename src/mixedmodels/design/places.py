"""How messages name rows: by label, by position, or as they stand in a file.

The one convention: a row is called by its label if the table has labels (a pandas index), and else
by its position counted from 0; the message says which. Rows of a file (command line) are lines of
the text, or rows counted from 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from mixedmodels.arrays import LongArray

_SHOWN = 5


class Named(NamedTuple):
    """Names of a few rows.

    Attributes:
        names: ``"row 3"`` or ``"line 8"``, one for each.
        remark: What the numbers are, ``"counted from 0"``, or "".
    """

    names: list[str]
    remark: str


Naming: TypeAlias = Callable[[LongArray], Named]
"""Names rows, given their positions in the table."""


def by_label(positions: LongArray, labels: pd.Index | None) -> Named:
    """Rows by their labels.

    Args:
        positions: (k,) in the table, counted from 0.
        labels: (k,) labels of these rows, or None.
    """
    numbers = positions.tolist()
    found: list[object] = numbers if labels is None else labels.tolist()
    whole = all(isinstance(label, (int, np.integer)) for label in found)
    remark = ("counted from 0" if found == numbers else "by label") if whole else ""
    return Named([f"row {label}" for label in found], remark)


def first_rows(positions: LongArray, naming: Naming, values: Sequence[object] | None = None) -> str:
    """``row 3 (-1.5), row 7 (-2) and 4 more, counted from 0``.

    Args:
        positions: (k,) of the rows in the table.
        naming: Names them.
        values: (k,) what is wrong there, or None.
    """
    named = naming(positions[:_SHOWN])
    shown = named.names
    if values is not None:
        shown = [f"{name} ({value})" for name, value in zip(shown, values, strict=False)]
    more = len(positions) - len(shown)
    text = ", ".join(shown) + (f" and {more} more" if more else "")
    return f"{text}, {named.remark}" if named.remark else text


def used_rows(which: LongArray, rows: LongArray | None, index: pd.Index | None) -> str:
    """Some of the rows that a model uses, in words.

    Args:
        which: (k,) positions among the rows used.
        rows: (n,) positions of these in the data, or None when all are.
        index: (n,) their labels, or None.
    """
    shown = which[:_SHOWN]
    positions = which if rows is None else rows[which]
    return first_rows(
        positions, lambda first: by_label(first, None if index is None else index.take(shown))
    )
