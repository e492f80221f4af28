"""Numbers as text: columns with common decimals, p-values, short names.

Strings only, independent of what the numbers are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

# Characters by which the scientific form must be shorter.
SLACK = 5
# Characters of a column whose numbers have decimals of their own.
_WIDEST = 16
# Decimals by which numbers of a column may differ before each gets its own.
_SPREAD = 3


def format_column(
    values: Iterable[float],
    digits: int,
    slack: int = 0,
    errors: Iterable[float] | None = None,
) -> list[str]:
    """Numbers of a column: every one shows at least `digits` significant digits.

    Trailing zeros common to all are dropped, and the scientific form is taken when it is
    shorter by more than `slack` characters (R's rule, with `slack` for `scipen`). With a slack,
    numbers that need very different decimals get a format of their own instead of the decimals of
    the smallest; their points stand below each other.

    Args:
        values: The numbers.
        digits: Significant digits.
        slack: Characters by which the scientific form must be shorter.
        errors: Standard errors of the numbers, after which their own decimals go; or None.
    """
    numbers = [float(v) for v in values]
    sizes = (
        numbers if errors is None else [_size(*pair) for pair in zip(numbers, errors, strict=True)]
    )
    needed = [_own_decimals(v, digits) for v in sizes if np.isfinite(v) and v != 0.0]
    if slack and needed and max(needed) - min(needed) > _SPREAD:
        own = _own_formats(numbers, sizes, digits, slack)
        if max(map(len, own)) <= _WIDEST:
            return own
    finite = [v for v in numbers if np.isfinite(v)]
    parts = [_significant(v, digits) for v in finite]
    decimals = max((_decimals(v, digits) for v in finite), default=0)
    left = max((max(exponent, 0) for _, exponent in parts), default=0) + 1
    mantissa = max((used for used, _ in parts), default=1) - 1
    fixed_width = left + decimals + (decimals > 0)
    scientific = fixed_width > mantissa + (mantissa > 0) + 5 + slack
    kind = f".{mantissa}e" if scientific else f".{decimals}f"
    return [format(v + 0.0, kind) if np.isfinite(v) else str(v) for v in numbers]


def _size(value: float, error: float) -> float:
    """The number whose digits matter: the standard error, where there is one."""
    return float(error) if np.isfinite(error) and error > 0.0 else value


def _decimals(value: float, digits: int) -> int:
    used, exponent = _significant(value, digits)
    return max(0, used - 1 - exponent)


def _own_significant(value: float, digits: int) -> tuple[int, int]:
    """The same where no other number tells that zeros at the end are digits that were seen.

    Only a number that is as short as it seems, such as 12 or 0.05, loses them; 0.180003 does not.
    """
    used, exponent = _significant(value, digits)
    short = float(f"{value:.{used - 1}e}")
    return (used if short == value else digits), exponent


def _own_decimals(value: float, digits: int) -> int:
    used, exponent = _own_significant(value, digits)
    return max(0, used - 1 - exponent)


def _own_formats(
    numbers: Sequence[float], sizes: Sequence[float], digits: int, slack: int
) -> list[str]:
    """Each number with the decimals that it needs itself, points below each other."""
    out = []
    for value, size in zip(numbers, sizes, strict=True):
        if not np.isfinite(value):
            out.append(str(value))
            continue
        fixed = f"{value + 0.0:.{_own_decimals(size, digits)}f}"
        scientific = f"{value:.{_own_significant(value, digits)[0] - 1}e}"
        out.append(fixed if len(fixed) <= len(scientific) + slack else scientific)
    after = [len(text) - text.find(".") if "." in text and "e" not in text else 0 for text in out]
    return [text + " " * (max(after) - own) for text, own in zip(out, after, strict=True)]


def _significant(value: float, digits: int) -> tuple[int, int]:
    """Digits that matter (at most `digits`) and the decimal exponent."""
    if value == 0.0:
        return 1, 0
    mantissa, exponent = f"{abs(value):.{digits - 1}e}".split("e")
    return max(1, len(mantissa.rstrip("0").replace(".", ""))), int(exponent)


def format_number(value: float, digits: int, slack: int = 0) -> str:
    """A number by itself, with `digits` significant digits."""
    if not np.isfinite(value):
        return str(value)
    return _own_formats([float(value)], [float(value)], digits, slack)[0]


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
