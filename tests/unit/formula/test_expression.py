"""Expressions inside formulas: translation, the names they mention, and what is refused."""

from __future__ import annotations

import ast

import pytest

from mixedmodels.errors import FormulaError
from mixedmodels.formula.expression import Reference, dotted_name, parse_expression


@pytest.mark.parametrize(
    ("text", "python"),
    [
        ("x^2", "x ** 2"),
        ("x^2 + 1", "x ** 2 + 1"),
        ("-x^2", "-x ** 2"),
        ("I(x ^ 2)", "I(x ** 2)"),
        ("f == 'a^b'", "f == 'a^b'"),
        ("poly(x, 2, raw=TRUE)", "poly(x, 2, raw=True)"),
        ("C(x, NULL)", "C(x, None)"),
        ("{a + b}", "a + b"),
        ("`a b` * 2", "_backtick_0 * 2"),
        ("`a^b` + `a^b`", "_backtick_0 + _backtick_0"),
        ("  x ", "x"),
    ],
)
def test_translation(text: str, python: str) -> None:
    assert ast.unparse(parse_expression(text).tree) == python


def test_references() -> None:
    found = parse_expression("np.log(total.fruits) + `a b` * exp(x, base=b)").references
    assert set(found) == {
        Reference("np.log", quoted=False, called=True),
        Reference("total.fruits", quoted=False, called=False),
        Reference("a b", quoted=True, called=False),
        Reference("exp", quoted=False, called=True),
        Reference("x", quoted=False, called=False),
        Reference("b", quoted=False, called=False),
    }


@pytest.mark.parametrize(
    "text",
    [
        "x +",
        "",
        "x = 3",
        "import os",
        "lambda: 1",
        "[i for i in x]",
        "x[0]",
        "x if y else z",
        "a @ b",
        "f'{x}'",
        "(yield)",
        "x := 3",
        "*x",
    ],
)
def test_more_than_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(FormulaError):
        parse_expression(text)


def test_span_finds_whole_names_only() -> None:
    expression = parse_expression("xx + x.x + x")
    assert expression.span("x") == (11, 12)
    assert expression.span("nowhere") == (0, 12)


def test_dotted_name_of_other_nodes_is_none() -> None:
    assert dotted_name(ast.parse("f(x).y", mode="eval").body) is None
