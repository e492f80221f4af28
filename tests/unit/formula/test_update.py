"""Formulas changed by dots: R's `update.formula`, random-effects terms included."""

from __future__ import annotations

import itertools

import pytest

from mixedmodels.errors import FormulaError
from mixedmodels.formula import parse_formula
from mixedmodels.formula.update import updated_formula

# Old formula, change, what R's update gives (with the intercept alone written out).
CASES = [
    ("y ~ a + b + (1 | g)", "~ . - a", "y ~ b + (1 | g)"),
    ("y ~ a + b + (1 | g)", ". ~ . + z", "y ~ a + b + z + (1 | g)"),
    ("y ~ a + b + (1 | g)", "~ . + log(z) - b", "y ~ a + log(z) + (1 | g)"),
    ("y ~ a + (1 | g)", "log(.) ~ .", "log(y) ~ a + (1 | g)"),
    ("log(y) ~ a + (1 | g)", "exp(.) ~ .", "exp(log(y)) ~ a + (1 | g)"),
    ("u + v ~ a + (1 | g)", "2 * . ~ .", "2 * (u + v) ~ a + (1 | g)"),
    ("u + v ~ a + (1 | g)", "log(.) ~ .", "log(u + v) ~ a + (1 | g)"),
    ("y ~ a + (1 | g)", "y2 ~ .", "y2 ~ a + (1 | g)"),
    ("y ~ a + (1 | g)", "~ . - 1", "y ~ 0 + a + (1 | g)"),
    ("y ~ 0 + a + (1 | g)", "~ . + 1", "y ~ a + (1 | g)"),
    ("y ~ a + (1 | g)", "~ . - a", "y ~ 1 + (1 | g)"),
    ("y ~ a * b + (1 | g)", "~ . - a:b", "y ~ a + b + (1 | g)"),
    ("y ~ a * b * c + (1 | g)", "~ . - a:b:c", "y ~ a + b + c + a:b + a:c + b:c + (1 | g)"),
    ("y ~ a + b + (1 | g)", "~ .^2", "y ~ a + b + a:b + (1 | g)"),
    ("y ~ a + b + (1 | g)", "~ . * z", "y ~ a + b + z + a:z + b:z + (1 | g)"),
    ("y ~ 0 + a + (1 | g)", "~ . * z", "y ~ 0 + a + z + a:z + (1 | g)"),
    ("y ~ a + b + (1 | g)", "~ (. - a) + z", "y ~ b + z + (1 | g)"),
    ("y ~ a + b + (1 | g)", "~ . - (a + b)", "y ~ 1 + (1 | g)"),
    ("y ~ a + offset(w) + (1 | g)", "~ . - offset(w)", "y ~ a + (1 | g)"),
    ("y ~ a + offset(w) + (1 | g)", "~ . + z", "y ~ a + z + offset(w) + (1 | g)"),
    ("y ~ `odd name` + I(x^2) + (1 | g)", "~ . - I( x ^ 2 )", "y ~ `odd name` + (1 | g)"),
    ("y ~ poly(x, 2) + (1 | g)", "~ . + `odd name`", "y ~ poly(x, 2) + `odd name` + (1 | g)"),
    ("y ~ a + (1 | g)", "~ . + (1 | h)", "y ~ a + (1 | g) + (1 | h)"),
    ("y ~ a + (1 | g)", "~ . + (1|g)", "y ~ a + (1 | g)"),
    ("y ~ a + (a | g)", "~ . - (a | g) + (1 | g)", "y ~ a + (1 | g)"),
    ("y ~ a + (a | g)", "~ . - (1+a|g) + (a || g)", "y ~ a + (a || g)"),
    ("y ~ a + (1 | g/h)", "~ . - (1 | g)", "y ~ a + (1 | h:g)"),
    ("y ~ a + (1 | g/h)", "~ . - (1 | g:h)", "y ~ a + (1 | g)"),
    ("y ~ a + (1 | g) + (1 | h)", "~ . - (1 | g)", "y ~ a + (1 | h)"),
    ("y ~ a + (1 | g) + (1 | h)", "~ . - (a + (1 | g))", "y ~ 1 + (1 | h)"),
    ("y ~ a + (1 | g)", "~ z + (1 | h)", "y ~ z + (1 | h)"),
    ("y ~ a + (1 | g)", "~ z * w + (z | h/k)", "y ~ z * w + (z | h/k)"),
    ("y ~ a + (1 | g)", ". ~ .", "y ~ a + (1 | g)"),
]  # fmt: skip


def meaning(text: str) -> object:
    spec = parse_formula(text)
    fixed = [frozenset(factor.key for factor in term.factors) for term in spec.terms]
    return spec.response, fixed, [t.name for t in spec.random], [o.name for o in spec.offsets]


@pytest.mark.parametrize(("old", "change", "expected"), CASES)
def test_as_in_r(old: str, change: str, expected: str) -> None:
    found = updated_formula(parse_formula(old), change)
    assert meaning(found) == meaning(expected)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("~ . - z", r"'z' cannot be taken away: the fixed part has \(Intercept\), a, b"),
        ("~ . - a:b", "'a:b' cannot be taken away"),
        ("~ . - (1 | h)", r"\(1 \| h\) cannot be taken away: the formula has \(1 \+ a \| g\)"),
        ("~ . - (1 | g)", r"\(1 \| g\) cannot be taken away"),
        ("~ . - offset(a)", "cannot be taken away"),
        (". - a", "has a '~'"),
        ("~ log(.)", "inside of a call"),
        ("~ . +", "Nothing stands right"),
        ("~", "Nothing stands right"),
        ("~ . * (1 | h)", "can only be added"),
        ("~ . + (z | )", "grouping factor is missing"),
        ("~ .:2", "cannot stand here"),
        ("y ~ a ~ .", "one '~' only"),
        (7, "is a string"),
    ],
)
def test_refused(change: str, said: str) -> None:
    with pytest.raises(FormulaError, match=said):
        updated_formula(parse_formula("y ~ a + b + (a | g)"), change)


def test_without_a_random_term_nothing_is_left() -> None:
    text = updated_formula(parse_formula("y ~ a + (1 | g)"), "~ . - (1 | g)")
    with pytest.raises(FormulaError, match="no random-effects term"):
        parse_formula(text)


def test_terms_added_and_taken_away_again_change_nothing() -> None:
    terms = ["a", "b", "a:b", "log(c)", "`x y`", "poly(a, 2)", "(1 | g)", "(a | h)", "(b || k)"]
    for intercept, size in itertools.product(("1", "0"), range(1, 4)):
        for chosen in itertools.combinations(terms, size):
            for extra in set(terms) - set(chosen):
                text = f"y ~ {intercept} + {' + '.join(chosen)} + (1 | own)"
                old = parse_formula(text)
                more = parse_formula(updated_formula(old, f"~ . + {extra}"))
                assert meaning(more.text) != meaning(text)
                assert meaning(updated_formula(more, f"~ . - {extra}")) == meaning(text)
