"""Random-effects terms and grouping factors, and the models that data cannot identify."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from mixedmodels import load_dataset
from mixedmodels.design import Design, build_design
from mixedmodels.errors import DataError, ModelError
from mixedmodels.formula import parse_formula

ONE = ("(Intercept)",)


def terms_of(design: Design) -> list[tuple[str, tuple[str, ...]]]:
    return [(design.groups[term.group].name, term.columns) for term in design.terms]


@pytest.mark.parametrize(
    ("random", "terms"),
    [
        ("(1|g)", [("g", ONE)]),
        ("(x|g)", [("g", (*ONE, "x"))]),
        ("(0+x|g)", [("g", ("x",))]),
        ("(-1+x|g)", [("g", ("x",))]),
        ("(x||g)", [("g", ONE), ("g", ("x",))]),
        ("(0+x+z||g)", [("g", ("x",)), ("g", ("z",))]),
        ("(f|g)", [("g", (*ONE, "fp", "fr"))]),
        ("(0+f|g)", [("g", ("fq", "fp", "fr"))]),
        ("(f||g)", [("g", ONE), ("g", ("fp",)), ("g", ("fr",))]),
        ("(0+f||g)", [("g", ("fq",)), ("g", ("fp",)), ("g", ("fr",))]),
        ("(b|g)", [("g", (*ONE, "bTRUE"))]),
        ("(1|g) + (0+x|g)", [("g", ONE), ("g", ("x",))]),
        ("(0+x|g) + (1|g)", [("g", ("x",)), ("g", ONE)]),
        ("(1|h) + (1|g)", [("g", ONE), ("h", ONE)]),
        ("(1|s) + (x|g) + (1|h)", [("g", (*ONE, "x")), ("h", ONE), ("s", ONE)]),
        ("(1|h) + (1|u)", [("h", ONE), ("u", ONE)]),
        ("(1|u) + (1|h)", [("u", ONE), ("h", ONE)]),
        ("(1|s/h)", [("h:s", ONE), ("s", ONE)]),
        ("(1|s*h)", [("s:h", ONE), ("h", ONE), ("s", ONE)]),
        ("(1|C(k)) + (1|factor(h))", [("C(k)", ONE), ("factor(h)", ONE)]),
        ("(1|`my g`)", [("my g", ONE)]),
        ("(1|b)", [("b", ONE)]),
        ("(1|I(x > 1))", [("I(x > 1)", ONE)]),
        ("(1|np.floor(x))", [("np.floor(x)", ONE)]),
    ],
)
def test_terms(
    random: str,
    terms: list[tuple[str, tuple[str, ...]]],
    table: pd.DataFrame,
    design: Callable[..., Design],
) -> None:
    table["my g"] = table["g"]
    assert terms_of(design(f"y ~ x + {random}", table)) == terms


def test_one_group_for_all_its_terms(design: Callable[..., Design]) -> None:
    made = design("y ~ x + (1|h) + (1|g) + (0+x|h) + (0+x|g)")
    assert [group.name for group in made.groups] == ["g", "h"]
    assert [term.group for term in made.terms] == [0, 0, 1, 1]


def test_intercept_takes_no_memory(design: Callable[..., Design]) -> None:
    z = design("y ~ x + (1|g)").terms[0].z
    assert z.shape == (48, 1)
    assert z.strides == (0, 0) or z.strides[0] == 0
    assert (z == 1.0).all()


def test_columns_shared_with_x_are_views(design: Callable[..., Design]) -> None:
    made = design("y ~ x + z + (x|g) + (0+z|h) + (z|k)")
    by_group = {made.groups[term.group].name: term.z for term in made.terms}
    assert np.shares_memory(by_group["g"], made.X)
    assert np.shares_memory(by_group["h"], made.X)
    np.testing.assert_array_equal(by_group["g"], made.X[:, :2])
    np.testing.assert_array_equal(by_group["h"], made.X[:, 2:])
    np.testing.assert_array_equal(by_group["k"], made.X[:, [0, 2]])


def test_no_fixed_effects(design: Callable[..., Design]) -> None:
    made = design("y ~ 0 + (1|g)")
    assert made.X.shape == (48, 0)
    assert made.x_names == ()


def test_levels_keep_the_users_order(design: Callable[..., Design], table: pd.DataFrame) -> None:
    table["g"] = table["g"].cat.reorder_categories(list("HGFEDCBA"))
    made = design("y ~ x + (1|g)", table)
    assert list(made.groups[0].levels) == list("HGFEDCBA")
    np.testing.assert_array_equal(
        made.groups[0].levels[made.groups[0].codes].astype(object), table["g"].astype(object)
    )


def test_interaction_has_observed_combinations_only() -> None:
    data = {
        "y": np.arange(8.0) ** 2,
        "a": pd.Categorical(list("babababb"), categories=["b", "a"]),
        "c": [1.0, 2.5, 1, 1, 3, 3, 1, 2.5],
        "i": [10, 20, 10, 20, 10, 20, 10, 10],
    }
    made = build_design(parse_formula("y ~ 1 + (1|a:c)"), data)
    (group,) = made.groups
    assert list(group.levels) == ["b:1", "b:2.5", "b:3", "a:1", "a:2.5", "a:3"]
    assert list(group.codes) == [0, 4, 0, 3, 2, 5, 0, 1]
    three = build_design(parse_formula("y ~ 1 + (1|i:a:c)"), data, residual=False).groups[0]
    assert list(three.levels) == [
        "10:b:1",
        "10:b:2.5",
        "10:b:3",
        "20:a:1",
        "20:a:2.5",
        "20:a:3",
    ]


def test_huge_interaction_costs_only_what_is_observed() -> None:
    n = 20_000
    data = {"y": np.arange(n) % 7, "a": np.arange(n) // 2, "b": np.arange(n) // 2 * 3}
    (group,) = build_design(parse_formula("y ~ 1 + (1|a:b)"), data).groups
    assert group.n_levels == n // 2
    assert group.levels[1] == "1:3"


@pytest.mark.parametrize(
    ("random", "message"),
    [
        ("(1|one)", r"\(1 \| one\).*only one level in use \(same\)"),
        ("(1|row)", r"\(1 \| row\).*48 levels and the data 48 rows"),
        ("(1|row:g)", r"\(1 \| row:g\).*48 levels"),
        ("(f + x + z + k|g)", r"48 random effects \(8 levels of 'g' x 6 columns"),
        ("(1|g) + (1|g)", r"both have the effect '\(Intercept\)' of 'g'.*leave it out"),
        ("(1|g) + (x|g)", r"write \(0 \+ x \| g\) instead of \(1 \+ x \| g\)"),
        ("(x|g) + (1|g)", r"write \(0 \+ x \| g\) instead of \(1 \+ x \| g\)"),
        ("(1|g) + (x||g)", r"write \(0 \+ x \|\| g\) instead"),
        ("(x|g) + (0+x|g)", r"both have the effect 'x' of 'g'.*leave it out"),
        ("(1|g) + (1|g/s)", r"both have the effect"),
    ],
)
def test_not_identifiable(random: str, message: str, design: Callable[..., Design]) -> None:
    with pytest.raises(ModelError, match=message):
        design(f"y ~ x + {random}")


@pytest.mark.parametrize("random", ["(1|row)", "(f + x + z + k|g)", "(1|row:g)"])
def test_one_level_per_row_without_a_residual(random: str, design: Callable[..., Design]) -> None:
    assert design(f"y ~ x + {random}", residual=False).n == 48


def test_more_coefficients_than_rows_never(design: Callable[..., Design]) -> None:
    with pytest.raises(ModelError, match="96 random effects"):
        design("y ~ x + (x|row)", residual=False)


def test_dates_may_group(design: Callable[..., Design], table: pd.DataFrame) -> None:
    table["d"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(table["k"], unit="D")
    assert design("y ~ x + (1|d)", table).groups[0].n_levels == 5


def test_two_levels_work(design: Callable[..., Design], table: pd.DataFrame) -> None:
    made = design("y ~ x + (x|g)", table[table["g"].isin(["A", "B"])])
    assert (made.n, made.groups[0].n_levels) == (12, 2)


def test_order_of_rows_does_not_matter(design: Callable[..., Design], table: pd.DataFrame) -> None:
    order = np.random.default_rng(1).permutation(48)
    made, shuffled = design("y ~ x + (1|h)"), design("y ~ x + (1|h)", table.iloc[order])
    assert list(made.groups[0].levels) == list(shuffled.groups[0].levels)
    np.testing.assert_array_equal(made.groups[0].codes[order], shuffled.groups[0].codes)
    np.testing.assert_array_equal(made.X[order], shuffled.X)


def test_constant_after_dropping(design: Callable[..., Design], table: pd.DataFrame) -> None:
    table["y"] = np.where(table["row"] < 20, 3.0, np.nan)
    with pytest.raises(DataError, match=r"'y' is constant \(3 in all 20 rows\)"):
        design("y ~ x + (1|g)", table)


def test_first_rows_of_sleepstudy() -> None:
    data = load_dataset("sleepstudy").head(20)
    made = build_design(parse_formula("Reaction ~ Days + (Days|Subject)"), data)
    assert (made.n, made.groups[0].n_levels) == (20, 2)
