"""Formulas that are huge, deep or malformed are answered at once, or refused with the limit."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from mixedmodels import FormulaError, LinearMixedModel, MixedModelsError
from mixedmodels.formula import parse_formula
from mixedmodels.formula.expression import parse_expression
from mixedmodels.formula.limits import MAX_CHARACTERS

GROUP = " + (1 | g)"
FULL = MAX_CHARACTERS - 100
# CPU seconds, generous for machines under load; a formula that expands without a limit takes hours.
SECONDS = 10.0


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    numbers = {name: rng.normal(5.0, 1.0, 60) for name in ("y", "x", "z", "p")}
    return pd.DataFrame({**numbers, "g": np.tile(list("abcdef"), 10)})


def numbered(count: int, joint: str, name: str = "x") -> str:
    return joint.join(f"{name}{number}" for number in range(count))


REDUCED = {
    "power": ("(x + z + p)^22", 8),
    "power of stars": ("(x + z)**99999999", 4),
    "power of one": ("x^999999999999", 2),
    "sum of one": ("+".join(["x"] * (FULL // 2)), 2),
    "product of one": ("*".join(["x"] * (FULL // 2)), 2),
    "interaction of one": (":".join(["x"] * (FULL // 2)), 2),
    "nesting of one": ("/".join(["x"] * (FULL // 2)), 2),
    "spaces": ("x" + " " * FULL, 2),
    "brackets": ("(" * 50 + "x" + ")" * 50, 2),
    "removed again": ("(x*z*p)^3 - (x*z*p)^2 + x", 2),
}


@pytest.mark.filterwarnings("ignore::mixedmodels.errors.FormulaWarning")
@pytest.mark.parametrize("case", REDUCED)
def test_terms_reduce_as_they_are_expanded(case: str, table: pd.DataFrame) -> None:
    fixed, columns = REDUCED[case]
    begin = time.process_time()
    assert LinearMixedModel(f"y ~ {fixed}{GROUP}", table).X.shape == (60, columns)
    assert time.process_time() - begin < SECONDS


LIMITED = {
    "spaces": (f"y ~ x{' ' * 10**6}{GROUP}", "1,000,015 characters; the limit is 50,000"),
    "one name": (f"y ~ {'x' * 10**6}{GROUP}", "characters; the limit"),
    "digits": (f"y ~ I(x * {'9' * 10**6}){GROUP}", "characters; the limit"),
    "quotes": ("y ~ " + "'" * 10**6 + GROUP, "characters; the limit"),
    "bars": ("y ~ " + "|" * 10**6 + GROUP, "characters; the limit"),
    "names": (f"y ~ {numbered(200_000, ' + ')}{GROUP}", "characters; the limit"),
    "sum": (f"y ~ {numbered(7000, '+')}{GROUP}", "5,001 terms or more"),
    "slopes": (f"y ~ ({numbered(7000, '+')} | g)", "5,001 terms or more"),
    "crossing": (f"y ~ {numbered(40, '*')}{GROUP}", "8,191 terms or more here after expansion"),
    "power": (f"y ~ ({numbered(40, '+')})^9{GROUP}", "10,700 terms or more"),
    "products": (f"y ~ {'*'.join([f'({numbered(12, chr(42))})'] * 9)}{GROUP}", "is 1,000,000"),
    "random terms": ("y ~ 1" + GROUP * 2000, "2,000 random-effects terms or more"),
    "other groups": ("y ~ 1" + "".join(f" + (1|g{i})" for i in range(1000)), "limit is 500"),
    "crossed groups": (f"y ~ (1 | {numbered(30, '*')})", "511 groups or more; the limit is 500"),
    "nested groups": (f"y ~ (1 | {numbered(7000, '/')})", "101 factors in one group"),
    "joint groups": (f"y ~ (1 | {numbered(7000, ':')})", "101 factors in one group"),
    "brackets": (f"y ~ {'(' * 5000}x{')' * 5000}{GROUP}", "more than 60 deep"),
    "calls": (f"y ~ {'log(' * 5000}x{')' * 5000}{GROUP}", "more than 60 deep"),
    "signs": (f"y ~ I({'-' * 40000}x){GROUP}", "more than 60 deep"),
    "nots": (f"y ~ I({'!' * 40000}x){GROUP}", "more than 60 deep"),
    "powers": (f"y ~ I({'x^' * 20000}x){GROUP}", "more than 60 deep"),
    "sequence": (f"y ~ bs(x, knots=1:1000000000){GROUP}", "1,000,000,000 numbers; the limit"),
    "categories": (
        "y ~ " + ":".join(f"factor(x > 5 + {i / 50})" for i in range(20)) + GROUP,
        "interaction of 20 categorical factors",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LIMITED)
def test_limits_are_named_with_what_was_found(case: str, table: pd.DataFrame) -> None:
    text, message = LIMITED[case]
    begin = time.process_time()
    with pytest.raises(MixedModelsError) as caught:
        LinearMixedModel(text, table)
    assert time.process_time() - begin < SECONDS
    assert message in str(caught.value)
    assert len(str(caught.value)) < 2000


BROKEN = {
    "opening": "(" * FULL,
    "closing": ")" * FULL,
    "unclosed backticks": "`" * FULL,
    "quotes": "'" * FULL,
    "half a string": '"' + "a" * FULL,
    "escapes": "'" + "\\" * FULL,
    "bars": "x" + "|g" * (FULL // 2),
    "tildes": "~" * FULL,
    "commas": "f(" + "," * FULL + ")",
    "comparisons": "x<" * (FULL // 2) + "x",
    "percents": "%" * FULL,
    "zero bytes": "\x00" * FULL,
    "combining marks": "x" + "\u0301" * FULL + "(",
}


@pytest.mark.parametrize("case", BROKEN)
def test_malformed_text_is_refused_at_once(case: str) -> None:
    begin = time.process_time()
    with pytest.raises(FormulaError):
        parse_formula(f"y ~ {BROKEN[case]}{GROUP}")
    with pytest.raises(FormulaError):
        parse_expression(f"{BROKEN[case]} +")
    assert time.process_time() - begin < SECONDS


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x * 0 + 9**9**9 * 0 + 1", np.nan),
        ("x * 0 + 2^1023 / 2^1022", 2.0),
        ("x * 0 + 9^999 - 9^999", np.nan),
        ("x * 0 + 1/0", np.inf),
        ("x * 0 + (-8)^(1/3)", np.nan),
        ("+".join(["x * 0"] * 5000) + " + 3", 3.0),
    ],
)
def test_arithmetic_of_constants_is_bounded(text: str, value: float, table: pd.DataFrame) -> None:
    if np.isfinite(value):
        offset = LinearMixedModel(f"y ~ x{GROUP}", table, offset=text).design.offset
        np.testing.assert_array_equal(offset, np.full(60, value))
        return
    with pytest.raises(MixedModelsError, match=r"finite|missing|No row"):
        LinearMixedModel(f"y ~ x{GROUP}", table, offset=text)


def test_a_long_formula_is_shown_in_part() -> None:
    text = "y ~ " + numbered(900, " + ") + " + log(x^) + " + numbered(900, " + ") + GROUP
    with pytest.raises(FormulaError) as caught:
        parse_formula(text)
    shown, carets = str(caught.value).splitlines()[-2:]
    assert len(shown) < 420
    assert shown.strip().startswith("...")
    assert shown.endswith("...")
    assert shown[carets.index("^")] == "^"
