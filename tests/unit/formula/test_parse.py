"""Whole formulas: what each says, and what is refused, with the caret where it belongs."""

from __future__ import annotations

import re

import pytest

from mixedmodels.errors import FormulaError
from mixedmodels.formula import parse_formula


@pytest.mark.parametrize(
    ("text", "response", "fixed", "random"),
    [
        ("y ~ x + (1|g)", "y", "1 + x", ["(1 | g)"]),
        ("y~(1|g)", "y", "1", ["(1 | g)"]),
        ("y ~ 0 + (1|g)", "y", "0", ["(1 | g)"]),
        ("y ~ -1 + x + (1|g)", "y", "0 + x", ["(1 | g)"]),
        ("y ~ x - 1 + (1|g)", "y", "0 + x", ["(1 | g)"]),
        ("y ~ x + (1|g) - 1", "y", "0 + x", ["(1 | g)"]),
        ("y ~ (1|g) + x", "y", "1 + x", ["(1 | g)"]),
        ("y ~ ((1|g)) + x", "y", "1 + x", ["(1 | g)"]),
        ("y ~ a + (1|g) + b + (1|h) + c", "y", "1 + a + b + c", ["(1 | g)", "(1 | h)"]),
        ("log(y) ~ x + (1|g)", "log(y)", "1 + x", ["(1 | g)"]),
        ("np.log(y) ~ x + (1|g)", "np.log(y)", "1 + x", ["(1 | g)"]),
        ("y/100 + 1 ~ x + (1|g)", "y/100 + 1", "1 + x", ["(1 | g)"]),
        ("`my y` ~ `my x` + (`my x`|`my g`)", "my y", "1 + `my x`", ["(1 + `my x` | `my g`)"]),
        ("y ~ total.fruits + (1|g)", "y", "1 + total.fruits", ["(1 | g)"]),
        ("y ~ a*b + (1|g)", "y", "1 + a + b + a:b", ["(1 | g)"]),
        ("y ~ (a+b)**2 + (1|g)", "y", "1 + a + b + a:b", ["(1 | g)"]),
        ("y ~ (a+b+c)^2 - a:b + (1|g)", "y", "1 + a + b + c + a:c + b:c", ["(1 | g)"]),
        ("y ~ a/b + (1|g)", "y", "1 + a + a:b", ["(1 | g)"]),
        ("y ~ b + a + a:b + (1|g)", "y", "1 + b + a + b:a", ["(1 | g)"]),
        ("y ~ m*c + s*c + (1|g)", "y", "1 + m + c + s + m:c + c:s", ["(1 | g)"]),
        ("y ~ a:b + b:a + (1|g)", "y", "1 + a:b", ["(1 | g)"]),
        ("y ~ I(x^2) + poly(x, 2) + (1|g)", "y", "1 + I(x^2) + poly(x, 2)", ["(1 | g)"]),
        ("y ~ log( x ) + log(x) + (1|g)", "y", "1 + log( x )", ["(1 | g)"]),
        ("y ~ x + (x|g)", "y", "1 + x", ["(1 + x | g)"]),
        ("y ~ x + (0+x|g)", "y", "1 + x", ["(0 + x | g)"]),
        ("y ~ x + (-1+x|g)", "y", "1 + x", ["(0 + x | g)"]),
        ("y ~ x + (x||g)", "y", "1 + x", ["(1 + x || g)"]),
        ("y ~ x + (1|g) + (0+x|g)", "y", "1 + x", ["(1 | g)", "(0 + x | g)"]),
        ("y ~ x + (x + I(x^2)|g)", "y", "1 + x", ["(1 + x + I(x^2) | g)"]),
        ("y ~ 1 + (1|a/b)", "y", "1", ["(1 | a)", "(1 | b:a)"]),
        ("y ~ 1 + (x|a/b/c)", "y", "1", ["(1 + x | a)", "(1 + x | b:a)", "(1 + x | c:b:a)"]),
        ("y ~ 1 + (1|a:b)", "y", "1", ["(1 | a:b)"]),
        ("y ~ 1 + (1|a*b)", "y", "1", ["(1 | a)", "(1 | b)", "(1 | a:b)"]),
        ("y ~ 1 + (1|a:b/c)", "y", "1", ["(1 | a:b)", "(1 | c:a:b)"]),
        ("y ~ 1 + (1|(a/b))", "y", "1", ["(1 | a)", "(1 | b:a)"]),
        ("y ~ 1 + (1|a / b:c)", "y", "1", ["(1 | a)", "(1 | b:c:a)"]),
        ("y ~ 1 + (1|a:(b*c))", "y", "1", ["(1 | a:b)", "(1 | a:c)", "(1 | a:b:c)"]),
        ("y ~ 1 + (1|a:a)", "y", "1", ["(1 | a)"]),
        ("y ~ b %in% a + (1|g)", "y", "1 + b:a", ["(1 | g)"]),
        ("y ~ a + b %in% a + (1|g)", "y", "1 + a + a:b", ["(1 | g)"]),
        ("y ~ (a + b) / c + (1|g)", "y", "1 + a + b + a:b:c", ["(1 | g)"]),
        ("y ~ a/(b + c) + (1|g)", "y", "1 + a + a:b + a:c", ["(1 | g)"]),
        ("y ~ a:(b + c) + (1|g)", "y", "1 + a:b + a:c", ["(1 | g)"]),
        ("y ~ a*b*c - a:b:c + (1|g)", "y", "1 + a + b + c + a:b + a:c + b:c", ["(1 | g)"]),
        ("y ~ (a + b + c) - (b + c) + (1|g)", "y", "1 + a", ["(1 | g)"]),
        ("y ~ a + b - (a - b) + (1|g)", "y", "1 + b", ["(1 | g)"]),
        ("y ~ (a + b)^99999999 + (1|g)", "y", "1 + a + b + a:b", ["(1 | g)"]),
        ("y ~ a^2L + (a^(1)|g)", "y", "1 + a", ["(1 + a | g)"]),
        ("y ~ (0 + a) * b + (1|g)", "y", "0 + a + b + a:b", ["(1 | g)"]),
        ("y ~ (1 + a) * b + (1|g)", "y", "1 + a + b + a:b", ["(1 | g)"]),
        ("y ~ 0 + a + 1 + (1|g)", "y", "1 + a", ["(1 | g)"]),
        ("y ~ a - 0 + (1|g)", "y", "1 + a", ["(1 | g)"]),
        ("y ~ a - (1 + a) + (1|g)", "y", "0", ["(1 | g)"]),
        ("y ~ +a + (1|g)", "y", "1 + a", ["(1 | g)"]),
        ("y ~ + (1|g) + + (+(1|h))", "y", "1", ["(1 | g)", "(1 | h)"]),
        ("y ~ {a + b} + (1|{a > 1})", "y", "1 + {a + b}", ["(1 | {a > 1})"]),
        ("y ~ log(a)*a + (log(`a`)|g)", "y", "1 + log(a) + a + log(a):a", ["(1 + log(`a`) | g)"]),
        ("y ~ log(a) + log(`a`) + (1|g)", "y", "1 + log(a)", ["(1 | g)"]),
        ("y ~ a + `a` + (1|`g`)", "y", "1 + a", ["(1 | g)"]),
        ("y ~ `1` + `0`:`a:b` + (1|`TRUE`)", "y", "1 + `1` + `0`:`a:b`", ["(1 | `TRUE`)"]),
        ("y ~ `a\\`b` + `a\\b` + (1|g)", "y", "1 + `a\\`b` + `a\\\\b`", ["(1 | g)"]),
        (
            "y ~ if + in + function + T + (1|else)",
            "y",
            "1 + if + in + function + T",
            ["(1 | else)"],
        ),
        ("y ~ log + I:C + (1|factor)", "y", "1 + log + I:C", ["(1 | factor)"]),
        ("y > 3 & z ~ x + (1|g)", "y > 3 & z", "1 + x", ["(1 | g)"]),
        (
            "y ~ I(f == 'a  b') + I(f == 'a b') + (1|g)",
            "y",
            "1 + I(f == 'a  b') + I(f == 'a b')",
            ["(1 | g)"],
        ),
        ("y ~ 1 + (1|C(x)) + (1|factor(x))", "y", "1", ["(1 | C(x))", "(1 | factor(x))"]),
        ("y ~ x +\n  (1 | g)", "y", "1 + x", ["(1 | g)"]),
    ],
)
def test_parts(text: str, response: str, fixed: str, random: list[str]) -> None:
    spec = parse_formula(text)
    assert spec.text == text
    assert spec.response == response
    assert spec.fixed == fixed
    assert [term.name for term in spec.random] == random


def test_offsets_leave_the_terms() -> None:
    spec = parse_formula("y ~ x + offset(log(e)) + offset(z) + (1|g)")
    assert spec.fixed == "1 + x"
    assert [factor.name for factor in spec.offsets] == ["offset(log(e))", "offset(z)"]


def test_an_offset_can_be_taken_away() -> None:
    assert parse_formula("y ~ x + offset(z) - offset(z) + (1|g)").offsets == ()


def test_a_column_that_begins_like_offset_is_a_column() -> None:
    assert parse_formula("y ~ offsets + log(offset_2) + (1|g)").offsets == ()


def test_random_term_has_its_position() -> None:
    text = "y ~ x + (1 + x || a:b)"
    (term,) = parse_formula(text).random
    assert text[term.start : term.end] == "(1 + x || a:b)"
    assert (term.lhs, term.factors, term.group) == ("1 + x", ("a", "b"), "a:b")
    assert term.correlated is False


def test_same_text_is_parsed_once() -> None:
    assert parse_formula("y ~ x + (1|g)") is parse_formula("y ~ x + (1|g)")


@pytest.mark.parametrize(
    ("text", "piece", "message"),
    [
        ("y", "y", "no '~'"),
        ("y ~ x", "x", "no random-effects term"),
        ("y ~ x | g", "|", "stands in parentheses"),
        ("~ x + (1|g)", "~", "response is missing"),
        ("y ~ ", "~", "Nothing stands right"),
        ("y ~ x ~ (1|g)", "~", "one '~' only"),
        ("y ~ x (1|g)", "(1|g)", "'+' is missing before"),
        ("y ~ x + (1|g) z", "z", "'+' is missing before"),
        ("y ~ x + (1|g) (1|h)", "(", "'+' is missing before"),
        ("y ~ log (1|g)", "(1|g)", "'+' is missing before"),
        ("y ~ x*(1|g)", "(1|g)", "only be added"),
        ("y ~ x - (1|g)", "(1|g)", "only be added"),
        ("y ~ (x + (1|g))*2", "(1|g)", "only be added"),
        ("y ~ x + (1|a+b)", "+", "(1 | a) + (1 | b)"),
        ("y ~ x + (1|a|b)", "|", "one bar"),
        ("y ~ x + (x ||| g)", "|", "one bar"),
        ("y ~ x + (|g)", "|", "left of the bar"),
        ("y ~ x + (1|)", "|", "right of the bar"),
        ("y ~ x + (0|g)", "0", "no random effects"),
        ("y ~ x + (1|5)", "5", "a column or a call"),
        ("y ~ x + (1|a b)", "b", "operator such as"),
        ("y ~ x + (1 | -g)", "-", "among grouping factors"),
        ("y ~ x + (offset(x)|g)", "offset(x)", "cannot be random"),
        ("y ~ x*offset(z) + (1|g)", "offset(z)", "not multiplied"),
        ("y ~ . + (1|g)", ".", "write the columns"),
        ("y ~ 2:x + (1|g)", "2", "I(2 * x)"),
        ("y ~ 3 + (1|g)", "3", "no other constants"),
        ("y ~ 1*x + (1|g)", "1", "cannot stand here"),
        ("y ~ 'a' + (1|g)", "'a'", "cannot stand here"),
        ("y ~ x + - (1|g)", "(1|g)", "only be added"),
        ("y ~ x + * z + (1|g)", "*", "Nothing stands left of '*'"),
        ("y ~ TRUE + (1|g)", "TRUE", "between backticks"),
        ("y ~ (x > 0) + (1|g)", "x > 0", "write I(x > 0)"),
        ("y ~ x %% 2 + (1|g)", "x %% 2", "write I(x %% 2)"),
        ("y ~ x + !z + (1|g)", "(1|g)", "only be added"),
        ("y ~ (!z) + (1|g)", "!z", "write I(!z)"),
        ("y ~ -x:z + (1|g)", "-x", "without signs"),
        ("y ~ x + (1 | g > 2)", ">", "I(...)"),
        ("y ~ x + (1 | .)", ".", "write the columns"),
        ("y ~ x + ([1, 2] | g)", "[1, 2]", "not a column"),
        ("y ~ x && z + (1|g)", "&&", "write &"),
        ("y ~ log(x ~ z) + (1|g)", "~", "one '~' only"),
        ("y ~ x + (1|g) | h", "|", "in parentheses"),
        ("y ~ (x, z) + (1|g)", ",", "arguments of a call"),
        ("y ~ x^z + (1|g)", "z", "positive integer"),
        ("y ~ log(x+) + (1|g)", "+", "Nothing stands right of '+'"),
        ("y ~ x[1] + (1|g)", "[", "more than a formula can"),
        ("y ~ I(lambda x: 3) + (1|g)", "x", "missing before 'x'"),
        ("y z ~ (1|g)", "z", "missing before 'z'"),
        ("y ~ x + (1|log(g+))", "+", "Nothing stands right of '+'"),
        ("y ~ x + (1|g))", ")", "closes nothing"),
        ("y ~ (x + (1|g)", "(", "never closed"),
        ("y ~ x + (1|a:)", ":", "Nothing stands right of ':'"),
        ("y ~ log(x) + `log(x)` + (1|g)", "log(x)", "rename the column"),
        ("y ~ a @ b + (1|g)", "@", "name a column"),
    ],
)
def test_refusals_point_at_the_piece(text: str, piece: str, message: str) -> None:
    with pytest.raises(FormulaError) as caught:
        parse_formula(text)
    error = caught.value
    assert message in str(error)
    assert error.text == text
    shown = text[error.start : error.end].strip() or " "
    assert shown == piece.strip() or piece.strip() in shown
    line, carets = str(error).splitlines()[-2:]
    assert line[4:] == text
    assert carets.index("^") - 4 == error.start


@pytest.mark.parametrize("operator", ["^", "**", "*", "/", ":", "%in%", "&", "==", "<", "-"])
@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x {} + (1|g)",
        "y ~ x {} - (1|g)",
        "y ~ x{}+((1|g))",
        "y ~ z + x {} + (x||g) + (1|h)",
        "y ~ (1|g) + x {} + (1|h)",
        "y ~ (x {} + (1|g))",
        "y ~ x {}",
        "y ~ (1|g) + x {}",
        "y ~ (x {} | g)",
        "y ~ x + (x {} || g)",
    ],
)
def test_a_lonely_operator_is_named_and_not_the_random_term_beside_it(
    operator: str, formula: str
) -> None:
    text = formula.format(operator)
    with pytest.raises(FormulaError, match=re.escape(f"Nothing stands right of '{operator}'")) as e:
        parse_formula(text)
    assert e.value.start == formula.index("{}")
    assert e.value.end == e.value.start + len(operator)


@pytest.mark.parametrize("text", ["y ~ `x + (1|g)", "y ~ log(x + (1|g)", "", "   ", "y ~ ~", "~"])
def test_broken_text_is_refused(text: str) -> None:
    with pytest.raises(FormulaError):
        parse_formula(text)


def test_not_a_string() -> None:
    with pytest.raises(FormulaError, match="A formula is a string; this is int: 3"):
        parse_formula(3)  # type: ignore[arg-type]
