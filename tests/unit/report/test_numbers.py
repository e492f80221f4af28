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
    assert format_column(values, 4, slack=5) == ["282.3     ", "  0.002221".strip()]


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


@pytest.mark.parametrize(
    ("values", "errors", "expected"),
    [
        ([1234.5, 0.0000123456], None, ["1234.5         ", "   0.000012346"]),
        ([1.0, 2e-9], None, ["1", "2e-09"]),
        ([0.0, 5e-7, 3.0], None, ["0", "0.0000005", "3"]),
        ([1236.4162, 8.0270e-6], [0.86332, 2.0114e-6], None),
    ],
)
def test_numbers_of_very_different_sizes_have_decimals_of_their_own(
    values: list[float], errors: list[float] | None, expected: list[str] | None
) -> None:
    found = format_column(values, 5, 5, errors)
    if expected is not None:
        assert [text.strip() for text in found] == [text.strip() for text in expected]
    plain = [text.strip() for text in found]
    for text, value in zip(found, values, strict=True):
        assert float(text) == pytest.approx(value, rel=1e-4)
    assert (
        len({len(text) - text.find(".") for text in found if "." in text and "e" not in text}) <= 1
    )
    if errors is not None:
        assert plain == ["1236.41620", "0.0000080270"]


@pytest.mark.parametrize("spread", range(4))
def test_numbers_of_like_sizes_share_their_decimals(spread: int) -> None:
    values = [123.456, 1.23456 * 10.0 ** -(spread - 2)]
    found = format_column(values, 5, 5)
    assert len({len(text.partition(".")[2]) for text in found}) == 1
