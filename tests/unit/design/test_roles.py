"""Columns in roles that exclude each other, and levels that may be one by mistake."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels.design.alike import alike_message, alike_messages

RNG = np.random.default_rng(5)
DATA = pd.DataFrame(
    {
        "y": RNG.normal(size=60),
        "n": RNG.integers(0, 5, 60),
        "b": np.tile([0, 1], 30),
        "x": RNG.normal(size=60),
        "k": np.repeat(np.arange(6.0), 10),
        "g": np.repeat(list("abcdef"), 10),
    }
)


@pytest.mark.parametrize(
    "formula",
    [
        "n ~ x + (1 | n)",
        "n ~ 1 + (x | n)",
        "log(n + 1) ~ 1 + (1 | n)",
        "n ~ x + (1 | factor(n))",
        "n ~ 1 + (1 | g/n)",
        "n ~ 1 + (1 | g:n)",
        "n ~ 1 + (1 | g) + (1 | n)",
        "I(n * k) ~ 1 + (1 | n:k)",
        "y ~ x + (1 | y)",
        "`n` ~ x + (1 || n)",
    ],
)
def test_a_response_does_not_group_its_rows(formula: str) -> None:
    with pytest.raises(mm.ModelError, match="groups the rows by the response"):
        mm.lmer(formula, DATA)


def test_a_response_of_a_generalized_model() -> None:
    with pytest.raises(mm.ModelError, match="groups the rows by the response 'b'"):
        mm.glmer("b ~ x + (1 | b)", DATA, family="binomial")


@pytest.mark.parametrize("formula", ["y ~ x + (y | g)", "log(n + 1) ~ x + (0 + log(n+1) | g)"])
def test_a_response_is_not_a_covariate_of_a_term(formula: str) -> None:
    with pytest.raises(mm.ModelError, match=r"has the response '.*' as a covariate"):
        mm.lmer(formula, DATA)


@pytest.mark.parametrize("formula", ["y ~ k + (k | k)", "y ~ x + (1 + k | k)"])
def test_a_slope_on_its_own_group(formula: str) -> None:
    model = mm.LinearMixedModel  # the warning comes before any search
    with pytest.warns(mm.FormulaWarning, match=r"does not vary. \(1 \| k\) is the usual term"):
        model(formula, DATA)


@pytest.mark.parametrize(
    "formula", ["n ~ k + (1 | k)", "I(n * k) ~ 1 + (1 | k)", "y ~ n + (1 | n)", "n ~ x + (x | g)"]
)
def test_other_roles_go_together(formula: str) -> None:
    assert mm.LinearMixedModel(formula, DATA).X.shape[0] == 60


ALIKE = {
    "space": (["a", "a "], "'a', 'a '"),
    "before": ([" a", "a"], "' a', 'a'"),
    "inside": (["north  side", "north side"], "'north  side', 'north side'"),
    "case": (["Drug", "drug"], "'Drug', 'drug'"),
    "both": (["drug", "Drug "], "'drug', 'Drug '"),
    "three": (["A", "a", "b", "A "], "'A', 'a', 'A '"),
}


@pytest.mark.parametrize("case", ALIKE)
@pytest.mark.parametrize("kind", ["object", "category", "polars", "dict"])
def test_levels_that_differ_in_spaces_or_case(case: str, kind: str) -> None:
    levels, named = ALIKE[case]
    column = np.tile([*levels, "z", "q"], 12)
    rest = {"y": RNG.normal(size=len(column)), "h": np.repeat(np.arange(6), len(column) // 6)}
    data: Any = {"f": column.tolist(), **rest}
    if kind in ("object", "category"):
        data = pd.DataFrame(data).astype({"f": kind})
    elif kind == "polars":
        data = pytest.importorskip("polars").DataFrame(data)
    for formula in ("y ~ 1 + (1 | f)", "y ~ f + (1 | h)", "y ~ f + (1 | h:f)"):
        messages = " ".join(alike_messages(mm.LinearMixedModel(formula, data)._model.design))
        assert messages.count("differ only in spaces or case") == 1
        for name in named.split(", "):
            assert name in messages


def test_a_fit_says_so() -> None:
    data = DATA.assign(g=DATA["g"].str.upper().where(DATA["b"] == 1, DATA["g"]))
    assert "'A', 'a'" in " ".join(mm.lmer("y ~ x + (1 | g)", data).messages)


def test_bundled_data_have_no_such_levels() -> None:
    for name in mm.list_datasets():
        for column, values in mm.load_dataset(name).items():
            assert alike_message(str(column), pd.Index(values.dropna().unique())) == ""
