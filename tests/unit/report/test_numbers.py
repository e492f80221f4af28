"""Numbers as text, against what R prints for the same values."""

from __future__ import annotations

import pytest

from mixedmodels.report.numbers import abbreviate, align, format_column, format_p


@pytest.mark.parametrize(
    ("values", "digits", "expected"),
    [
        ([612.10016, 35.07171, 654.94001], 4, ["612.10", "35.07", "654.94"]),
        ([24.740658, 5.922138, 25.591796], 4, ["24.741", "5.922", "25.592"]),
        ([251.40510, 10.46729, 6.824597, 1.545790], 4, ["251.405", "10.467", "6.825", "1.546"]),
        ([1.0, 2.5], 5, ["1.0", "2.5"]),
        ([0.0, 100.0], 5, ["0", "100"]),
        ([1e-10, 1.0], 3, ["1e-10", "1e+00"]),
        ([123456789.0], 3, ["1.23e+08"]),
        ([0.00012345], 3, ["0.000123"]),
        ([float("nan"), 1.5], 3, ["nan", "1.5"]),
        ([-0.0], 3, ["0"]),
        ([], 3, []),
    ],
)
def test_format_column(values: list[float], digits: int, expected: list[str]) -> None:
    assert format_column(values, digits) == expected


def test_format_column_slack_delays_the_scientific_form() -> None:
    values = [282.34364, 0.0022206]
    assert format_column(values, 4) == ["2.823e+02", "2.221e-03"]
    assert format_column(values, 4, slack=5) == ["282.343640", "0.002221"]


@pytest.mark.parametrize(
    ("p", "expected"),
    [(0.0, "<2e-16"), (1.27e-11, "1.27e-11"), (0.0367, "0.0367"), (float("nan"), "nan")],
)
def test_format_p(p: float, expected: str) -> None:
    assert format_p(p) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("(Intercept)", "(Intr)"),
        ("mathkind", "mthknd"),
        ("minority", "minrty"),
        ("ses", "ses"),
        ("MachineB", "MachnB"),
    ],
)
def test_abbreviate_as_r_does(name: str, expected: str) -> None:
    assert abbreviate(name, 6) == expected


def test_align() -> None:
    assert align([("a", "1"), ("bcd", "23")], "<>") == ["a    1", "bcd 23"]
