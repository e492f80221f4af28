"""Must be exact: the rows about groups, order and names, linear models."""

from __future__ import annotations

import time

import numpy as np
import pytest
from edge_cases.shared import SLOPES, assert_same_fit, fit_once, quiet, sleepstudy

from mixedmodels import LinearMixedModel, ModelError, lmer, load_dataset

# -- groups ---------------------------------------------------------------------------------


def test_interaction_groups_are_the_observed_combinations() -> None:
    cake = load_dataset("cake")
    gone = (cake["recipe"] == "A") & (cake["replicate"] == "1")
    fit = lmer("angle ~ 1 + (1 | recipe:replicate)", cake[~gone])
    table = fit.ranef()["recipe:replicate"]
    assert len(table) == 44
    assert "A:1" not in table.index
    assert list(table.index[:2]) == ["A:2", "A:3"]
    pasted = cake.assign(both=cake["recipe"].astype(str) + ":" + cake["replicate"].astype(str))
    assert_same_fit(fit, lmer("angle ~ 1 + (1 | both)", pasted[~gone]), rtol=1e-9)


@pytest.mark.parametrize("group", ["a:b", "a/b", "a*b"])
def test_interaction_of_ten_thousand_by_ten_thousand(group: str) -> None:
    """A hundred million possible combinations, of which five thousand occur."""
    rng = np.random.default_rng(1)
    pair = rng.integers(0, 5000, 30_000)
    a, b = (rng.permutation(10_000)[rng.integers(0, 10_000, 5000)] for _ in range(2))
    y = rng.standard_normal(5000)[pair] + rng.standard_normal(30_000)
    data = {"y": y, "a": a[pair].astype(np.int64), "b": b[pair].astype(np.int64)}
    began = time.perf_counter()
    model = LinearMixedModel(f"y ~ 1 + (1 | {group})", data)
    assert time.perf_counter() - began < 2.0
    largest = model.design.groups[0]
    observed = len({(i, j) for i, j in zip(data["a"], data["b"], strict=True)})
    assert largest.n_levels == observed
    value = model.objective(np.ones(len(model.theta_names)))
    assert np.isfinite(value)


def test_nesting_is_recognised_from_the_data() -> None:
    pastes = load_dataset("pastes")
    implicit = lmer("strength ~ 1 + (1 | sample) + (1 | batch)", pastes)
    assert_same_fit(lmer("strength ~ 1 + (1 | batch/cask)", pastes), implicit, rtol=1e-9)
    assert implicit.model.pls(implicit.theta).L.nnz == 70


@pytest.mark.parametrize(
    ("formula", "names"),
    [
        (
            "score ~ Machine + (Machine || Worker)",
            ["Worker.(Intercept)", "Worker.MachineB", "Worker.MachineC"],
        ),
        (
            "score ~ Machine + (0 + Machine || Worker)",
            ["Worker.MachineA", "Worker.MachineB", "Worker.MachineC"],
        ),
    ],
)
def test_double_bar_with_a_factor_is_truly_independent(formula: str, names: list[str]) -> None:
    fit = quiet(formula, load_dataset("machines"))
    assert fit.theta_names == names
    assert list(fit.model.lower_bounds) == [0.0] * 3
    assert list(fit.ranef()) == ["Worker"]
    assert fit.ranef()["Worker"].shape == (6, 3)
    assert all(corr.shape == (1, 1) for corr in fit.varcorr.corr.values())
    lam = fit.model.Lambda(fit.theta)
    assert lam.nnz == len(lam.diagonal()) == 18


def test_factor_slopes_are_the_same_model_however_coded() -> None:
    machines = load_dataset("machines")
    fits = [
        lmer("score ~ Machine + (Machine | Worker)", machines),
        lmer("score ~ Machine + (0 + Machine | Worker)", machines),
        lmer("score ~ Machine + (Machine | Worker)", machines, contrasts={"Machine": "sum"}),
    ]
    assert fits[1].theta_names[:2] == ["Worker.MachineA", "Worker.MachineB.MachineA"]
    for fit in fits[1:]:
        np.testing.assert_allclose(fit.fitted, fits[0].fitted, rtol=1e-5)
        assert fit.sigma == pytest.approx(fits[0].sigma, rel=1e-5)
    ml = [lmer(fit.model.formula, machines, reml=False).deviance for fit in fits[:2]]
    assert ml[0] == pytest.approx(ml[1], abs=1e-8)


@pytest.mark.parametrize(
    ("terms", "remedy"),
    [
        ("(1 | Subject) + (Days | Subject)", r"write \(0 \+ Days \| Subject\) instead"),
        ("(1 | Subject) + (1 | Subject)", "leave it out of one of them"),
        ("(Days | Subject) + (0 + Days | Subject)", "leave it out of one of them"),
    ],
)
def test_one_effect_in_two_terms(terms: str, remedy: str) -> None:
    with pytest.raises(ModelError, match=rf"both have the effect .* of 'Subject'.*{remedy}"):
        lmer(f"Reaction ~ Days + {terms}", sleepstudy())


# -- order ----------------------------------------------------------------------------------


def test_order_of_rows() -> None:
    data, once = sleepstudy(), fit_once()
    order = np.random.default_rng(5).permutation(180)
    fit = lmer(SLOPES, data.iloc[order])
    assert_same_fit(fit, once, rtol=1e-10)
    np.testing.assert_allclose(fit.fitted, once.fitted[order])
    table = fit.ranef()["Subject"]
    assert list(table.index) == list(once.ranef()["Subject"].index)
    np.testing.assert_allclose(table, once.ranef()["Subject"], atol=1e-8)


def test_order_of_levels_is_the_users() -> None:
    data, once = sleepstudy(), fit_once()
    order = np.random.default_rng(6).permutation(data["Subject"].cat.categories).tolist()
    data["Subject"] = data["Subject"].cat.reorder_categories(order)
    fit = lmer(SLOPES, data)
    assert_same_fit(fit, once, rtol=1e-10)
    table = fit.ranef()["Subject"]
    assert list(table.index) == order
    np.testing.assert_allclose(table, once.ranef()["Subject"].loc[order], atol=1e-8)


@pytest.mark.parametrize("reml", [True, False])
def test_order_of_terms(reml: bool) -> None:
    data = load_dataset("penicillin")
    one = lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", data, reml=reml)
    other = lmer("diameter ~ 1 + (1 | sample) + (1 | plate)", data, reml=reml)
    assert one.theta_names == other.theta_names == ["plate.(Intercept)", "sample.(Intercept)"]
    assert_same_fit(one, other, rtol=1e-12)


def test_order_of_terms_with_as_many_levels() -> None:
    """Ties keep the formula's order; the numbers follow the names."""
    rng = np.random.default_rng(2)
    a, b = np.divmod(np.arange(400) % 100, 10)
    y = rng.standard_normal(10)[a] + 2.0 * rng.standard_normal(10)[b] + rng.standard_normal(400)
    data = {"y": y, "a": a, "b": b}
    one = lmer("y ~ 1 + (1 | a) + (1 | b)", data)
    other = lmer("y ~ 1 + (1 | b) + (1 | a)", data)
    assert one.theta_names == ["a.(Intercept)", "b.(Intercept)"]
    assert other.theta_names == ["b.(Intercept)", "a.(Intercept)"]
    np.testing.assert_allclose(one.theta, other.theta[::-1], rtol=1e-5)
    assert one.objective == pytest.approx(other.objective, abs=1e-9)


def test_order_of_columns() -> None:
    data = load_dataset("classroom")
    right_side = ["mathkind", "minority", "ses"]
    once = lmer(f"mathgain ~ {' + '.join(right_side)} + (1 | schoolid)", data, reml=False)
    for order in (right_side[::-1], ["ses", "mathkind", "minority"]):
        formula = f"mathgain ~ {' + '.join(order)} + (1 | schoolid)"
        fit = lmer(formula, data[data.columns[::-1]], reml=False)
        assert fit.objective == pytest.approx(once.objective, abs=1e-8)
        np.testing.assert_allclose(fit.theta, once.theta, rtol=1e-6)
        np.testing.assert_allclose(fit.fixef[once.fixef.index], once.fixef, rtol=1e-6)
        named = [next(n for n in once.fixef.index if n.startswith(v)) for v in order]
        assert list(fit.fixef.index[1:]) == named


# -- names ----------------------------------------------------------------------------------

NAMES = [
    *(
        "Intercept",
        "(Intercept)",
        "new",
        "i",
        "data",
        "np",
        "exp",
        "log",
        "I",
        "C",
        "poly",
        "offset",
    ),
    *(
        "scale",
        "lambda",
        "if",
        "None",
        "True",
        "with.dots",
        ".hidden",
        "_",
        "x:y",
        "y~x",
        "a|b",
        "a+b",
    ),
    *("50%", "naïve", "2x", "0", "a name with spaces"),
]


@pytest.mark.parametrize("name", NAMES)
def test_name_in_backticks(name: str) -> None:
    """As response, covariate and group in turn: the same numbers, the name as it is."""
    data, once, quoted = sleepstudy(), fit_once(), f"`{name}`"
    fit = lmer(f"Reaction ~ {quoted} + ({quoted} | Subject)", data.rename(columns={"Days": name}))
    assert_same_fit(fit, once, rtol=1e-13)
    # A column that is called like the intercept is printed in backticks.
    shown = quoted if name == "(Intercept)" else name
    assert list(fit.fixef.index) == ["(Intercept)", shown]
    assert fit.theta_names[1:] == [f"Subject.{shown}.(Intercept)", f"Subject.{shown}"]
    fit = lmer(f"Reaction ~ Days + (Days | {quoted})", data.rename(columns={"Subject": name}))
    assert_same_fit(fit, once, rtol=1e-13)
    assert list(fit.ranef()) == [name]
    fit = lmer(f"{quoted} ~ Days + (Days | Subject)", data.rename(columns={"Reaction": name}))
    assert_same_fit(fit, once, rtol=1e-13)


@pytest.mark.parametrize(
    "name", ["Intercept", "new", "i", "data", "np", "exp", "I", "C", "offset", "a.b", "näive", "y"]
)
def test_name_without_backticks(name: str) -> None:
    """A column is never captured by a function or variable of that name, here or in the library."""
    i, new, data = 1.0, 2.0, sleepstudy()
    assert i < new
    once = fit_once()
    fit = lmer(f"Reaction ~ {name} + ({name} | Subject)", data.rename(columns={"Days": name}))
    assert_same_fit(fit, once, rtol=1e-13)
    fit = lmer(f"Reaction ~ Days + (Days | {name})", data.rename(columns={"Subject": name}))
    assert_same_fit(fit, once, rtol=1e-13)
    fit = lmer(f"{name} ~ Days + (Days | Subject)", data.rename(columns={"Reaction": name}))
    assert_same_fit(fit, once, rtol=1e-13)


def test_a_column_called_1_is_not_the_intercept() -> None:
    once = fit_once()
    fit = lmer("Reaction ~ `1` + (`1` | Subject)", sleepstudy().rename(columns={"Days": "1"}))
    assert_same_fit(fit, once, rtol=1e-13)
    assert list(fit.fixef.index) == ["(Intercept)", "1"]
    assert_same_fit(
        lmer("Reaction ~ Days + (Days | `1`)", sleepstudy().rename(columns={"Subject": "1"})),
        once,
        rtol=1e-13,
    )


def test_name_of_a_function_that_is_also_a_column() -> None:
    data = sleepstudy(exp=np.linspace(0.0, 1.0, 180))
    fit = lmer("Reaction ~ exp(Days / 10) + exp + (1 | Subject)", data)
    assert list(fit.fixef.index) == ["(Intercept)", "exp(Days / 10)", "exp"]
    by_hand = lmer("Reaction ~ e + exp + (1 | Subject)", data.assign(e=np.exp(data["Days"] / 10)))
    np.testing.assert_allclose(fit.beta, by_hand.beta, rtol=1e-12)


def test_name_of_the_callers_variable_is_not_seen() -> None:
    hidden = np.arange(180.0)
    assert hidden.size == 180
    with pytest.raises(ValueError, match="'hidden' is not a column of the data"):
        lmer("Reaction ~ hidden + (1 | Subject)", sleepstudy())
