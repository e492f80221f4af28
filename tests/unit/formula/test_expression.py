"""Expressions inside formulas: precedence, literals, the names mentioned, and what is refused."""

from __future__ import annotations

import math

import pytest

from mixedmodels.errors import FormulaError
from mixedmodels.formula.expression import Reference, parse_expression
from mixedmodels.formula.tree import Bracket, Call, Chain, Constant, Items, Name, Node, Prefix


def written(node: Node) -> str:
    """The tree with brackets round everything, so that precedence can be read."""
    if isinstance(node, Chain):
        shown = written(node.operands[0])
        for operator, operand in zip(node.operators, node.operands[1:], strict=True):
            shown = f"({shown} {operator} {written(operand)})"
        return shown
    if isinstance(node, Prefix):
        return f"({node.operator}{written(node.operand)})"
    if isinstance(node, Bracket):
        return written(node.inner)
    if isinstance(node, Items):
        return f"[{', '.join(map(written, node.items))}]"
    if isinstance(node, Call):
        named = [f"{name}={written(value)}" for name, value in node.keywords]
        return f"{node.name}({', '.join([*map(written, node.arguments), *named])})"
    return node.name if isinstance(node, Name) else repr(node.value)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("a + b - c", "((a + b) - c)"),
        ("a - b + c * d", "((a - b) + (c * d))"),
        ("a / b * c", "((a / b) * c)"),
        ("-x^2", "(-(x ^ 2))"),
        ("-x**2", "(-(x ** 2))"),
        ("2^-x", "(2 ^ (-x))"),
        ("2^-x^2", "(2 ^ (-(x ^ 2)))"),
        ("2^-x * y", "((2 ^ (-x)) * y)"),
        ("a^b^c", "(a ^ (b ^ c))"),
        ("(a^b)^c", "((a ^ b) ^ c)"),
        ("-1:3", "((-1) : 3)"),
        ("-a %% 3", "((-a) %% 3)"),
        ("a * b %% c", "(a * (b %% c))"),
        ("a %% b * c", "((a %% b) * c)"),
        ("a %/% b + c", "((a %/% b) + c)"),
        ("a %% b %/% c", "((a %% b) %/% c)"),
        ("a %in% 1:3", "(a %in% (1 : 3))"),
        ("a + b %in% c", "(a + (b %in% c))"),
        ("a * b // c", "((a * b) // c)"),
        ("a * b % c", "((a * b) % c)"),
        ("a > 0 & b", "((a > 0) & b)"),
        ("b & a > 0", "(b & (a > 0))"),
        ("a | b & c", "(a | (b & c))"),
        ("a & b | c", "((a & b) | c)"),
        ("!a & b", "((!a) & b)"),
        ("!a == b", "(!(a == b))"),
        ("!a | !b", "((!a) | (!b))"),
        ("!!a", "(!(!a))"),
        ("a & !b", "(a & (!b))"),
        ("a == !b", "(a == (!b))"),
        ("a + !b & c", "((a + (!b)) & c)"),
        ("a + !b + c", "(a + (!(b + c)))"),
        ("!x %in% 1", "(!(x %in% 1))"),
        ("a + b > c * d", "((a + b) > (c * d))"),
        ("a != b | c <= d", "((a != b) | (c <= d))"),
        ("(a == b) == c", "((a == b) == c)"),
        ("- -a", "(-(-a))"),
        ("+a - -b", "((+a) - (-b))"),
        ("{a + b} * c", "((a + b) * c)"),
        ("f == 'a^b'", "(f == 'a^b')"),
        ("poly(x, 2, raw=TRUE)", "poly(x, 2, raw=True)"),
        ("C(x, NULL)", "C(x, None)"),
        ("bs(x, knots=[1], a.b = (0, 3))", "bs(x, knots=[1], a.b=[0, 3])"),
        ("f(x, 'from' = 1, `to` = 2,)", "f(x, from=1, to=2)"),
        ("`a b` * 2", "(a b * 2)"),
        ("`a\\`b` + `a\\\\b` + `a\\b`", "((a`b + a\\b) + a\\b)"),
        ("  x ", "x"),
    ],
)  # fmt: skip
def test_precedence_is_that_of_r(text: str, meaning: str) -> None:
    assert written(parse_expression(text).tree) == meaning


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", 2),
        ("2L", 2),
        ("1e3L", 1000),
        ("1e3", 1000),
        ("1.5", 1.5),
        (".5", 0.5),
        ("5.", 5),
        ("1e-3", 0.001),
        ("1E+2", 100),
        ("0x10", 16),
        ("0XfFL", 255),
        ("0x1p3", 8),
        ("0x1.8p1", 3),
        ("9007199254740993", 9007199254740992.0),
        ("1e400", math.inf),
        ("9" * 5000, math.inf),
        ("0x" + "f" * 5000, math.inf),
        ("TRUE", True),
        ("FALSE", False),
        ("NULL", None),
        ("Inf", math.inf),
        ("'a\\'b'", "a'b"),
        ('"a\\n\\t\\\\"', "a\n\t\\"),
        ("'\\x41\\u00b5'", "A\u00b5"),
    ],
)
def test_literals_of_r(text: str, value: object) -> None:
    (node,) = [parse_expression(text).tree]
    assert isinstance(node, Constant)
    assert node.value == value
    assert type(node.value) is type(value)


@pytest.mark.parametrize("text", ["NA", "NaN", "NA_real_", "NA_integer_", "NA_character_"])
def test_missing_constants(text: str) -> None:
    node = parse_expression(text).tree
    assert isinstance(node, Constant)
    assert isinstance(node.value, float)
    assert math.isnan(node.value)


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
    "name",
    [
        *("class", "yield", "from", "lambda", "None", "if", "else", "in", "is", "def", "return"),
        *("function", "repeat", "next", "break", "while", "T", "F", "pi", "c", "I", "log", "np"),
        *("x.1", "site.class", ".x", "x..y", "x_1", "_x", "x.", "\u00b5", "\u03bc", "e\u0301"),
        *("\u212b", "\uff58", "\u540d\u524d", "n\u00e4ive", "x\u00b2", "a\u200db"),
    ],
)
def test_names_are_compared_as_they_are_typed(name: str) -> None:
    """Neither a keyword of Python nor normalised: alone, in arithmetic and in a call."""
    for text in (name, f"{name}^2", f"log({name})", f"1 - {name} * {name}", f"f(a={name})"):
        names = {found.name for found in parse_expression(text).references if not found.called}
        assert names == {name}


@pytest.mark.parametrize(
    ("text", "piece", "message"),
    [
        ("x +", "+", "Nothing stands right of '+'"),
        ("", "", "missing here"),
        ("x * * y", "*", "Nothing stands left of '*'"),
        ("x = 3", "=", "write == to compare"),
        ("x := 3", ":=", "make a column"),
        ("x <- 3", "<-", "as in x < -1"),
        ("x<-1", "<-", "as in x < -1"),
        ("import os", "os", "missing before 'os'"),
        ("[i for i in x]", "for", "missing before 'for'"),
        ("x[0]", "[", "more than a formula can"),
        ("log(x)[1]", "[", "more than a formula can"),
        ("x if y else z", "if", "ifelse(test, yes, no)"),
        ("x ? y", "?", "ifelse"),
        ("a @ b", "@", "name a column"),
        ("d$x", "$", "name a column"),
        ("stats::poly(x)", "::", "name the function"),
        ("f'{x}'", "'{x}'", "missing before"),
        ("*x", "*", "Nothing stands left"),
        ("a && b", "&&", "write &"),
        ("a || b", "||", "write |"),
        ("a and b", "and", "write &"),
        ("a or b", "or", "write |"),
        ("not a", "a", "write !x"),
        ("x in c(1)", "in", "%in%"),
        ("~a", "~", "write !x"),
        ("a ~ b", "~", "write !x"),
        ("a == b == c", "==", "cannot be chained"),
        ("0 < x <= 1", "<=", "(a < b) & (b < c)"),
        ("a %o% b", "%o%", "no operator '%o%'"),
        ("a %foo% b", "%foo%", "no operator"),
        ("f(x, a=1, a=2)", "a", "given twice"),
        ("f(, x)", ",", "Nothing stands left"),
        ("f(x, , y)", ",", "Nothing stands left"),
        ("a, b", ",", "arguments of a call only"),
        ("()", "()", "between these brackets"),
        ("f(x))", ")", "closes nothing"),
        ("f((x)", "(", "never closed"),
        ("f(x]", "(", "closed by ']'"),
        ("(f)(x)", "(", "missing before '('"),
        ("x.y().z", ".z", "missing before '.z'"),
        ("2nd + 1", "2nd", "between backticks"),
        ("2 x", "x", "missing before 'x'"),
        ("1_000", "1_000", "between backticks"),
        ("center(^z)", "^", "Nothing stands left"),
        ("I(^2)", "^", "Nothing stands left"),
        ("`x", "`x", "backtick is never closed"),
        ("``", "``", "no name between"),
        ("'x", "'x", "quote is never closed"),
        ("'\\d'", "\\d", "for a backslash"),
        ("x # y", "#", "U+0023"),
        ("x \u2212 1", "\u2212", "write - instead"),
        ("x \u00d7 2", "\u00d7", "write * instead"),
        ("x \u2264 2", "\u2264", "write <= instead"),
        ("f == \u201ca\u201d", "\u201c", "a plain quote"),
        ("x\u200b", "\u200b", "U+200B"),
        ("x\x00", "\x00", "U+0000"),
    ],
)
def test_refusals_say_what_to_write(text: str, piece: str, message: str) -> None:
    with pytest.raises(FormulaError) as caught:
        parse_expression(text)
    error = caught.value
    assert message in error.message
    assert error.text == text
    assert text[error.start : error.end] == piece
