"""The comparison of printed text finds what differs and lets pass what does not matter."""

from __future__ import annotations

import pytest
from printed import agrees


@pytest.mark.parametrize(
    ("expected", "actual", "result"),
    [
        ("sigma 25.592", "sigma   25.5918", True),
        ("sigma 25.592", "sigma 25.7", False),
        ("sigma 25.592", "sigma 25.594", False),
        ("1743.6283", "1743.6284", True),
        ("180", "181", False),
        ("1e-7", "3e-7", False),
        ("0.0", "0.2", False),
        ("a b", "a b c", False),
        ("a ... c", "a x y c", True),
        ("a ...", "a", True),
        ("a ... c", "a x y", False),
        ("nan", "0.0", False),
        ("[1.5, -2.25e-3]", "[ 1.50001 -2.25e-03]", False),
        ("[1.5 -2.25e-3]", "[ 1.50001 -2.25e-03]", True),
    ],
)
def test_comparison(expected: str, actual: str, result: bool) -> None:
    assert agrees(expected, actual) is result
