"""Numbers as text: columns with common decimals, p-values, short names.

Strings only, independent of what the numbers are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

# Characters by which the scientific form must be shorter.
SLACK = 5


def format_column(values: Iterable[float], digits: int, slack: int = 0) -> list[str]:
    """One format for a column: every number shows at least `digits` significant digits.

    Trailing zeros common to all are dropped, and the scientific form is taken when it is
    shorter by more than `slack` characters (R's rule, with `slack` for `scipen`).
    """
    numbers = [float(v) for v in values]
    finite = [v for v in numbers if np.isfinite(v)]
    parts = [_significant(v, digits) for v in finite]
    decimals = max((max(0, used - 1 - exponent) for used, exponent in parts), default=0)
    left = max((max(exponent, 0) for _, exponent in parts), default=0) + 1
    mantissa = max((used for used, _ in parts), default=1) - 1
    fixed_width = left + decimals + (decimals > 0)
    scientific = fixed_width > mantissa + (mantissa > 0) + 5 + slack
    kind = f".{mantissa}e" if scientific else f".{decimals}f"
    return [format(v + 0.0, kind) if np.isfinite(v) else str(v) for v in numbers]


def _significant(value: float, digits: int) -> tuple[int, int]:
    """Digits that matter (at most `digits`) and the decimal exponent."""
    if value == 0.0:
        return 1, 0
    mantissa, exponent = f"{abs(value):.{digits - 1}e}".split("e")
    return max(1, len(mantissa.rstrip("0").replace(".", ""))), int(exponent)


def format_p(value: float) -> str:
    """A p-value with three significant digits, `<2e-16` below what doubles resolve."""
    if not np.isfinite(value):
        return str(value)
    return "<2e-16" if value < 2e-16 else f"{value:.3g}"


def abbreviate(name: str, length: int) -> str:
    """A shorter name: lower-case vowels go first, then lower-case letters, from the end."""
    for droppable in ("aeiou", "abcdefghijklmnopqrstuvwxyz"):
        position = len(name) - 1
        while len(name) > length and position > 0:
            starts_word = not name[position - 1].isalnum()
            if name[position] in droppable and not starts_word:
                name = name[:position] + name[position + 1 :]
            position -= 1
    return name


def abbreviated(names: Sequence[str], length: int) -> list[str]:
    """Shorter names of which no two are equal where the names are not; longer where need be."""
    out = [abbreviate(name, length) for name in names]
    while (counts := Counter(out)) and max(counts.values()) > 1:
        longer = [
            abbreviate(name, len(short) + 1) if counts[short] > 1 else short
            for name, short in zip(names, out, strict=True)
        ]
        if longer == out:
            break
        out = longer
    return out


def align(rows: Sequence[Sequence[str]], sides: str) -> list[str]:
    """Lines of equal columns; `sides` has one of "<>" per column."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        " ".join(
            f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
