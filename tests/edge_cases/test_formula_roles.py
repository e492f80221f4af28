"""Truth values, short number types and odd names in every role that a formula or argument gives."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mixedmodels import FormulaError, LinearMixedModel, lmer

ROLES: dict[str, tuple[str, dict[str, str]]] = {
    "covariate": ("y ~ I({}) + (1 | g)", {}),
    "in a product": ("y ~ I({}):x + (1 | g)", {}),
    "response": ("{} ~ x + (1 | g)", {}),
    "slope": ("y ~ x + (0 + I({}) | g)", {}),
    "group": ("y ~ x + (1 | I({}))", {}),
    "group in an interaction": ("y ~ x + (1 | g:I({}))", {}),
    "offset": ("y ~ x + offset({}) + (1 | g)", {}),
    "in a function": ("y ~ sqrt(4 + {}) + (1 | g)", {}),
    "in a transform": ("y ~ scale({}) + (1 | g)", {}),
    "factor": ("y ~ factor({}) + (1 | g)", {}),
    "weights=": ("y ~ x + (1 | g)", {"weights": "4 + {}"}),
    "offset=": ("y ~ x + (1 | g)", {"offset": "{}"}),
}
SUMS = (
    "q1 + q2 + q3",
    "q1 - q2",
    "q1 + q2 * q3",
    "-q1 + q2 + q3",
    "(x > 0) + (x > 1)",
    "(q1 & x > 0) + q2",
    "exp(q1) + q2",
    "2^q1 + q2^2",
    "q1 %% 2 + q2 + q3",
)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(23)
    frame = pd.DataFrame(rng.random((160, 3)) < 0.5, columns=["q1", "q2", "q3"])
    g = np.repeat(np.arange(16), 10)
    frame["x"] = rng.normal(size=160)
    frame["g"] = g
    frame["y"] = rng.normal(size=16)[g] + frame[["q1", "q2", "q3"]].sum(axis=1) + frame["x"]
    frame["y"] += rng.normal(size=160)
    return frame


def parts(model: LinearMixedModel) -> list[Any]:
    """Everything that a design holds, to be compared bit for bit."""
    design = model.design
    found: list[Any] = [design.y, design.X, design.w, design.offset]
    found += [term.z for term in design.terms]
    for group in design.groups:
        found += [group.codes, list(group.levels)]
    return [*found, design.x_names]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "float32", "float64", "boolean"])
def test_truth_values_are_zero_and_one_in_every_role(
    role: str, dtype: str, table: pd.DataFrame
) -> None:
    formula, arguments = ROLES[role]
    flags = ["q1", "q2", "q3"]
    other = table.assign(**{name: table[name].astype(dtype) for name in flags})
    for text in SUMS:
        if other is not table and "&" in text and dtype == "boolean":
            continue
        given = {name: value.format(text) for name, value in arguments.items()}
        made = [
            parts(LinearMixedModel(formula.format(text), data, **given)) for data in (table, other)
        ]
        for one, two in zip(*made, strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("text", ["q1", "q1 & x > 0", "!q2"])
def test_a_truth_value_alone_is_a_number_where_only_numbers_can_be(
    text: str, table: pd.DataFrame
) -> None:
    number = table.eval(text.replace("!", "~").replace("& x > 0", "& (x > 0)")).astype(float)
    for formula, given in (
        (f"y ~ x + offset({text}) + (1 | g)", {}),
        ("y ~ x + (1 | g)", {"offset": text}),
    ):
        design = LinearMixedModel(formula, table, **given).design
        np.testing.assert_array_equal(design.offset, number)
    np.testing.assert_array_equal(LinearMixedModel(f"{text} ~ x + (1 | g)", table).y, number)


@pytest.mark.parametrize("text", ["q1", "x > 0", "q1 & q2", "!q1", "x > 0 | q2", "q1 == q2"])
def test_a_truth_value_stays_a_factor_where_it_is_not_computed_with(
    text: str, table: pd.DataFrame
) -> None:
    model = LinearMixedModel(f"y ~ I({text}) + (I({text}) | g)", table)
    assert model.design.x_names == ("(Intercept)", f"I({text})TRUE")
    assert set(np.unique(model.X[:, 1])) == {0.0, 1.0}


ODD = (
    *("class", "yield", "lambda", "from", "None", "if", "for", "function", "TRUE", "NA", "Inf"),
    *("x.1", "site.class", ".x", "x..y", "x_1", "_x", "2nd", "p(%)", "a b", "a'b", 'a"b', "a\\b"),
    *("line\nbreak", "tab\tstop", "x[1]", "{x}", "(x", "x)", "a|b", "a~b", "a+b", "a:b", "a`b"),
    *("log", "np", "C", "scale", "factor", "I", "offset", "pi", "T", "c", "np.log", "log(x)", "#"),
    *("\u00b5", "\u03bc", "e\u0301", "\u00e9", "\u212b", "\u00c5", "\uff58", "\u540d"),
    *("1", "\U0001f600"),
    *(".", "..", "%in%", "a%b", " x", "x ", "`x`", "\\", "`", "x,y", "=", "é è", "$", "-x"),
)  # fmt: skip


def quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


@pytest.fixture(scope="module")
def plain() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(8), 6)
    frame = pd.DataFrame({"v": rng.uniform(1.0, 2.0, 48), "k": np.tile([1, 2, 3], 16), "g": g})
    return frame.assign(y=rng.normal(size=8)[g] + frame["v"] + rng.normal(size=48))


USES: dict[str, tuple[str, str, dict[str, str]]] = {
    "response": ("y", "{} ~ v + (1 | g)", {}),
    "response in a call": ("y", "exp({} / 10) ~ v + (1 | g)", {}),
    "covariate": ("v", "y ~ {} + (1 | g)", {}),
    "covariate in a call": ("v", "y ~ log({}) + I({}^2) + (1 | g)", {}),
    "product": ("v", "y ~ {} * factor(k) + (1 | g)", {}),
    "slope": ("v", "y ~ v2 + ({} | g)", {}),
    "slope in a call": ("v", "y ~ v2 + (0 + log({}) || g)", {}),
    "factor": ("k", "y ~ factor({}) + C({}) + (1 | g)", {}),
    "group": ("g", "y ~ v + (1 | {})", {}),
    "group in a call": ("g", "y ~ v + (1 | factor({}):k)", {}),
    "nested group": ("k", "y ~ v + (1 | g / {})", {}),
    "offset": ("v", "y ~ v2 + offset(log({})) + (1 | g)", {}),
    "weights=": ("v", "y ~ v2 + (1 | g)", {"weights": "1 / {}"}),
    "weights= as a column": ("v", "y ~ v2 + (1 | g)", {"weights": "{}"}),
    "offset=": ("v", "y ~ v2 + (1 | g)", {"offset": "log({}) * 2"}),
}


@pytest.mark.parametrize("use", USES)
def test_any_name_works_in_backticks_in_every_place(use: str, plain: pd.DataFrame) -> None:
    column, formula, arguments = USES[use]
    plain = plain.assign(v2=plain["v"] ** 2)
    others = ("y", "v", "g", "k", "v2")
    wanted = parts(
        LinearMixedModel(
            formula.replace("{}", column),
            plain,
            **{name: text.replace("{}", column) for name, text in arguments.items()},
        )
    )
    for name in ODD:
        if name in others:
            continue
        renamed = plain.rename(columns={column: name})
        given = {key: text.replace("{}", quoted(name)) for key, text in arguments.items()}
        found = parts(LinearMixedModel(formula.replace("{}", quoted(name)), renamed, **given))
        for one, two in zip(found[:-1], wanted[:-1], strict=True):
            np.testing.assert_array_equal(one, two)


BARE = [
    name
    for name in ODD
    if name.replace(".", "").replace("_", "").isidentifier()
    or name in ("e\u0301", "x.1", "x_1", ".x", "x..y")
    if name not in ("TRUE", "NA", "Inf")
]


@pytest.mark.parametrize("use", USES)
def test_names_of_r_work_bare_in_every_place(use: str, plain: pd.DataFrame) -> None:
    column, formula, arguments = USES[use]
    plain = plain.assign(v2=plain["v"] ** 2)
    for name in BARE:
        if name in plain:
            continue
        renamed = plain.rename(columns={column: name})
        made = [
            parts(
                LinearMixedModel(
                    formula.replace("{}", text),
                    renamed,
                    **{key: value.replace("{}", text) for key, value in arguments.items()},
                )
            )
            for text in (name, quoted(name))
        ]
        for one, two in zip(made[0][:-1], made[1][:-1], strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("one", "other"),
    [("\u00b5", "\u03bc"), ("\u00e9", "e\u0301"), ("\u00c5", "\u212b"), ("x", "\uff58")],
)
def test_names_that_look_alike_stay_apart(one: str, other: str, plain: pd.DataFrame) -> None:
    """Both in one table: each spelling is its own column wherever it stands."""
    data = plain.assign(**{one: plain["v"], other: plain["v"][::-1].to_numpy()})
    for name in (one, other):
        for written in (name, quoted(name)):
            model = LinearMixedModel(
                f"y ~ {written} + log({written}) + ({written} | g)", data, weights=f"1 + {written}"
            )
            np.testing.assert_array_equal(model.X[:, 1], data[name])
            np.testing.assert_array_equal(model.X[:, 2], np.log(data[name]))
            np.testing.assert_array_equal(model.design.terms[0].z[:, 1], data[name])
            np.testing.assert_array_equal(model.design.w, 1 + data[name])


def test_a_spelling_that_is_not_in_the_table_is_not_another(plain: pd.DataFrame) -> None:
    data = plain.rename(columns={"v": "\u03bc"})
    for formula in ("y ~ \u00b5 + (1 | g)", "y ~ log(\u00b5) + (1 | g)"):
        with pytest.raises(FormulaError, match="'\u00b5' is not a column"):
            LinearMixedModel(formula, data)


def test_arguments_take_any_name_as_it_is(plain: pd.DataFrame) -> None:
    for name in ODD:
        renamed = plain.rename(columns={"v": name})
        model = LinearMixedModel("y ~ factor(k) + (1 | g)", renamed, weights=name, offset=name)
        np.testing.assert_array_equal(model.design.w, plain["v"])
        np.testing.assert_array_equal(model.design.offset, plain["v"])


def test_fits_with_odd_names_predict_and_print(plain: pd.DataFrame) -> None:
    data = plain.rename(columns={"v": "p(%)", "g": "site.class", "y": "yield"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = lmer("log(yield + 9) ~ log(`p(%)`) + (1 | factor(site.class))", data)
        assert "log(`p(%)`)" in str(fit.summary())
        np.testing.assert_allclose(fit.predict(data), fit.fitted, rtol=1e-12)


@pytest.mark.parametrize("data_has_it", [False, True])
@pytest.mark.parametrize("name", ["sum", "helmert", "poly", "treatment", "Sum", "contr.sum"])
@pytest.mark.parametrize("role", ["{}", "I({} + 1)", "log({})", "factor({})", "C({})"])
def test_a_contrast_is_named_in_c_only(role: str, name: str, data_has_it: bool) -> None:
    """As R's ``C(f, sum)``; elsewhere the name is that of a column, there or not."""
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": np.repeat(np.arange(12), 8), "f": list("abcd") * 24})
    data["y"] = rng.normal(size=12)[data["g"]] + rng.normal(size=96)
    spelled = name.removeprefix("contr.").lower()
    by_argument = lmer("y ~ f + (1 | g)", data, contrasts={"f": spelled})
    by_name = lmer(f"y ~ C(f, {name}) + (1 | g)", data)
    np.testing.assert_allclose(by_name.fixef, by_argument.fixef, atol=1e-12)
    formula = f"y ~ {role.format(name)} + (1 | g)"
    if data_has_it:
        data[name] = rng.integers(1, 4, 96)
        assert len(lmer(formula, data).fixef) > 1
    else:
        with pytest.raises(FormulaError, match=f"'{name}' is not a column"):
            lmer(formula, data)
