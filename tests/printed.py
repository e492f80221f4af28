"""Comparison of what a page or a docstring says with what was printed.

Spaces do not count and `...` stands for anything. Numbers agree to a relative 1e-5, or to one unit
of the last digit that the page shows: that digit depends on the machine.
"""

from __future__ import annotations

import math
import re

WORD = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|[^\s\d]+")
RELATIVE = 1e-5


def agrees(expected: str, actual: str) -> bool:
    """Whether the printed text is what was expected."""
    return _words_agree(WORD.findall(expected), WORD.findall(actual))


def _words_agree(expected: list[str], actual: list[str]) -> bool:
    if "..." not in expected:
        return len(expected) == len(actual) and all(map(_same_word, expected, actual))
    gap = expected.index("...")
    head, tail = expected[:gap], expected[gap + 1 :]
    if len(actual) < gap or not all(map(_same_word, head, actual)):
        return False
    return any(_words_agree(tail, actual[start:]) for start in range(gap, len(actual) + 1))


def _same_word(expected: str, actual: str) -> bool:
    if expected == actual:
        return True
    try:
        wanted, found = float(expected), float(actual)
    except ValueError:
        return False
    return math.isclose(wanted, found, rel_tol=RELATIVE, abs_tol=1.001 * _last_digit(expected))


def _last_digit(number: str) -> float:
    """One unit of the last digit of a number with a decimal point or an exponent; else zero."""
    digits, _, exponent = number.lower().partition("e")
    decimals = len(digits.partition(".")[2])
    if not decimals and not exponent:
        return 0.0
    return float(10.0 ** (int(exponent or 0) - decimals))
