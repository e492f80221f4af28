"""Power by simulation against closed forms, and the designs and tests that a study may name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy

import mixedmodels as mm
from mixedmodels.arrays import FloatArray
from mixedmodels.design import build_design
from mixedmodels.design.extend import extended
from mixedmodels.formula import parse_formula
from mixedmodels.planning.curve import binomial_limits

PAIRED = {"subject": [s for s in range(10) for _ in "ab"], "treated": [0, 1] * 10}
PAIRED_FORMULA = "~ treated + (1 | subject)"
EFFECTS = {"(Intercept)": 10.0, "treated": 1.0}


def paired(**options: Any) -> Any:
    given: dict[str, Any] = {
        "beta": EFFECTS, "sd": 2.0, "sigma": 1.0, "test": "treated", "nsim": 300, "seed": 1,
    }  # fmt: skip
    return mm.power(PAIRED_FORMULA, PAIRED, **(given | options))


def exact_power(df: float, noncentrality: float, alpha: float = 0.05, num_df: int = 1) -> float:
    limit = scipy.stats.f.ppf(1.0 - alpha, num_df, df)
    return float(scipy.stats.ncf.sf(limit, num_df, df, noncentrality))


def agree(found: FloatArray, exact: FloatArray, nsim: int) -> None:
    """Within four binomial standard errors."""
    error = np.sqrt(exact * (1.0 - exact) / nsim)
    assert (np.abs(found - exact) < 4.0 * error + 1e-3).all(), (found, exact)


def test_paired_design_has_the_power_of_the_paired_t_test() -> None:
    sizes, nsim = [10, 20, 30], 2000
    study = paired(extend={"subject": sizes}, nsim=nsim)
    exact = np.array([exact_power(n - 1, n / 2.0) for n in sizes])
    agree(study.table["power"].to_numpy(), exact, nsim)
    assert study.table["nobs"].tolist() == [20, 40, 60]
    assert study.power == study.table["power"].iloc[-1]


def test_groups_of_two_treatments_have_the_power_of_the_t_test() -> None:
    """Eight groups of three rows, the treatment between groups: a t test of the group means."""
    g = np.repeat(np.arange(8), 3)
    design = {"g": g, "arm": np.where(g % 2, "b", "a")}
    nsim = 2000
    study = mm.power(
        "~ arm + (1 | g)", design, beta=[0.0, 2.0], sd=1.0, sigma=1.0, test="arm", nsim=nsim,
        seed=4, alpha=0.1, extend={"g": [8, 16]},
    )  # fmt: skip
    variance = 1.0 + 1.0 / 3.0
    exact = np.array([exact_power(n - 2, n / 4 * 4.0 / variance, 0.1) for n in (8, 16)])
    # Fits at the boundary of zero have more degrees of freedom than the t test.
    assert study.table["singular"].max() < 0.05 * nsim
    agree(study.table["power"].to_numpy(), exact, nsim)


def test_a_term_of_three_levels_has_the_power_of_the_f_test() -> None:
    block = np.repeat(np.arange(12), 3)
    design = pd.DataFrame({"block": block, "dose": np.tile(["low", "mid", "high"], 12)})
    nsim, effects = 2000, {"(Intercept)": 0.0, "doselow": 0.8, "dosemid": 0.3}
    study = mm.power(
        "~ dose + (1 | block)", design, beta=effects, sd=2.0, sigma=1.0, nsim=nsim, seed=2,
    )  # fmt: skip
    means = np.array([0.0, 0.8, 0.3])
    exact = exact_power(22.0, 12.0 * np.sum((means - means.mean()) ** 2), num_df=2)
    agree(study.table["power"].to_numpy(), np.array([exact]), nsim)
    assert "dose (F)" in study.test


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ddf": "KR"}, "kenward-roger"),
        ({"ddf": "none"}, "none"),
        ({"kind": "Chisq"}, "likelihood ratio, df 1"),
        ({"test": "treated = 1"}, "treated = 1 (t)"),
        ({"test": ["treated", "(Intercept) = 10"]}, "(F)"),
        ({"test": {"treated": 2.0}}, "2*treated (t)"),
        ({"test": "(1 | subject)"}, "(1 | subject) (likelihood ratio, df 1, mixture)"),
        ({"test": "subject"}, "(1 | subject)"),
        ({"test": None}, "treated (t)"),
        ({"reml": False, "ddf": "residual"}, "residual"),
        ({"sd": None, "theta": [2.0]}, "treated (t)"),
    ],
)
def test_every_kind_of_test(options: dict[str, Any], words: str) -> None:
    study = paired(nsim=50, **options)
    assert words in study.test
    assert study.p_values.shape == (50, 1)
    assert np.isfinite(study.p_values).all()
    assert study.table["failed"].tolist() == [0]


@pytest.mark.filterwarnings("ignore::mixedmodels.SingularFitWarning")
@pytest.mark.parametrize("test", ["treated", "(1 | subject)"])
@pytest.mark.parametrize("kind", ["F", "Chisq"])
def test_p_values_are_those_of_the_fits_own_methods(test: str, kind: Any) -> None:
    study = paired(test=test, kind=kind, nsim=5, sd=0.7)
    source = np.random.default_rng(np.random.default_rng(1).integers(2**63, size=4))
    normal = source.standard_normal((5, 30))
    y = 0.7 * normal[:, :10].repeat(2, axis=1) + normal[:, 10:] + 10.0
    y += np.array(PAIRED["treated"])
    for i in range(5):
        fit = mm.lmer("y " + PAIRED_FORMULA, {**PAIRED, "y": y[i]})
        if "|" in test:
            expected = fit.ranova()["p_mixture"].iloc[1]
        elif kind == "F":
            expected = fit.coef_table().loc["treated", "p_value"]
        else:
            expected = fit.drop1()["p_value"].iloc[1]
        np.testing.assert_allclose(study.p_values[i, 0], expected, rtol=1e-4)


def test_random_slopes_are_tested_as_ranova_tests_them() -> None:
    data = mm.load_dataset("sleepstudy")
    study = mm.power(
        "~ Days + (Days | Subject)", data, beta=[250.0, 10.0], sd=[25.0, 6.0], sigma=25.0,
        test="Days in (Days|Subject)", nsim=60, seed=1, extend={"Subject": 6},
    )  # fmt: skip
    assert "Days in (Days | Subject) (likelihood ratio, df 2, mixture)" in study.test
    assert study.power > 0.5
    whole = mm.power(
        "~ Days + (Days | Subject)", data, beta=[250.0, 10.0], sd=[25.0, 6.0], sigma=25.0,
        test="(Days | Subject)", nsim=20, seed=1,
    )  # fmt: skip
    assert "(Days | Subject) (likelihood ratio, df 3)" in whole.test


def test_threads_do_not_show() -> None:
    one, two = (paired(threads=n, extend={"subject": [4, 8]}, sd=0.3) for n in (1, 2))
    np.testing.assert_array_equal(one.p_values, two.p_values)
    again = paired(threads=2, extend={"subject": [4, 8]}, sd=0.3, seed=one.seed)
    np.testing.assert_array_equal(one.p_values, again.p_values)


def test_each_size_has_random_numbers_of_its_own() -> None:
    both = paired(extend={"subject": [10, 20]}, nsim=40)
    first = paired(extend={"subject": [10]}, nsim=40)
    np.testing.assert_array_equal(both.p_values[:, :1], first.p_values)


def test_singular_fits_are_counted_and_shown() -> None:
    study = paired(sd=0.1, nsim=200)
    assert study.table["singular"].iloc[0] > 20
    assert "singular: they estimate a variance as" in str(study)
    assert "<table" in study._repr_html_()
    assert all(len(line) <= 80 for line in str(study).splitlines())


@pytest.mark.parametrize("successes", [0, 1, 7, 19, 20])
def test_limits_are_exact(successes: int) -> None:
    found = binomial_limits(successes, 20, 0.95)
    exact = scipy.stats.binomtest(successes, 20).proportion_ci(0.95, "exact")
    np.testing.assert_allclose(found, exact, rtol=1e-9, atol=1e-12)


# -- designs of other sizes -----------------------------------------------------------------


def design_of(formula: str, data: Any) -> Any:
    return build_design(parse_formula(f"y {formula}"), data, response=False)


NESTED = pd.DataFrame({
    "school": np.repeat(["A", "B", "C"], [4, 2, 6]),
    "pupil": np.repeat(np.arange(6), 2),
    "item": [0, 1] * 6,
    "x": np.arange(12.0),
})  # fmt: skip


def test_nested_groups_are_new_and_crossed_ones_are_not() -> None:
    design = design_of("~ poly(x, 2) + (1 | school) + (1 | pupil) + (1 | item)", NESTED)
    grown = extended(design, "school", 5)
    assert grown.n == 4 + 2 + 6 + 4 + 2
    levels = {group.name: list(group.levels) for group in grown.groups}
    assert levels["school"] == ["A", "B", "C", "A (2)", "B (2)"]
    assert levels["pupil"] == [*"012345", "0 (2)", "1 (2)", "2 (2)"]
    assert levels["item"] == ["0", "1"]
    # The polynomial is that of the given design.
    np.testing.assert_array_equal(grown.X[:12], design.X)
    np.testing.assert_array_equal(grown.X[12:], design.X[:6])
    crossed = extended(design, "item", 3)
    assert crossed.n == 18
    assert [group.n_levels for group in crossed.groups] == [6, 3, 3]


@pytest.mark.parametrize("count", [2, 3, 7, 40])
def test_levels_of_interactions_follow_a_factor_of_theirs(count: int) -> None:
    design = design_of("~ x + (1 | school/item)", NESTED)
    grown = extended(design, "school", count)
    by_name = {group.name: group for group in grown.groups}
    assert by_name["school"].n_levels == count
    assert by_name["item:school"].n_levels == 2 * count
    pairs = set(zip(by_name["item:school"].codes, by_name["school"].codes, strict=True))
    assert len(pairs) == 2 * count


def test_both_factors_of_a_crossed_design() -> None:
    rows = pd.MultiIndex.from_product([range(6), range(4)], names=["s", "i"]).to_frame(index=False)
    rows["c"] = rows["i"] % 2
    study = mm.power(
        "~ c + (1 | s) + (1 | i)", rows, beta=[0.0, 1.0], sd={"s.(Intercept)": 1.0,
        "i.(Intercept)": 0.5}, sigma=1.0, test="c", nsim=20, seed=1,
        extend={"s": [6, 12], "i": [4, 8, 16]},
    )  # fmt: skip
    assert study.table[["s", "i"]].to_numpy().tolist() == [
        [6, 4], [6, 8], [6, 16], [12, 4], [12, 8], [12, 16],
    ]  # fmt: skip
    assert (study.table["nobs"] == study.table["s"] * study.table["i"]).all()
    figure = study.plot()
    assert len(figure.axes[0].get_legend().get_texts()) == 3


def test_the_picture_shows_power_limits_and_target() -> None:
    axes = paired(extend={"subject": [5, 10, 20]}, nsim=40).plot(target=0.9).axes[0]
    assert axes.get_xlabel() == "Levels of subject"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["5", "10", "20"]
    assert any(np.allclose(line.get_ydata(), 0.9) for line in axes.lines)
    assert paired(nsim=10).plot().axes[0].get_xlabel() == "Rows"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"test": "dose"}, "'dose' is not a coefficient .* random effects: \\(1 | subject\\)"),
    ({"test": "(1 | item)"}, "can be left out are: \\(1 \\| subject\\)"),
    ({"test": "(Intercept)", "kind": "Chisq"}, "takes a term that can be left out: treated"),
    ({"test": ["treated"], "kind": "Chisq"}, "takes the name of a term"),
    ({"kind": "lrt"}, "kind is 'lrt'"),
    ({"ddf": "exact"}, "ddf is 'exact'"),
    ({"ddf": "KR", "reml": False}, "leave reml=True"),
    ({"nsim": 0}, "nsim is 0"),
    ({"alpha": 1.0}, "alpha is 1.0"),
    ({"alpha": "5%"}, "alpha is '5%'"),
    ({"sigma": 0.0}, "sigma is 0.0"),
    ({"sd": None}, "power takes either theta or sd"),
    ({"beta": {"treated": 1.0}}, "no value for: \\(Intercept\\)"),
    ({"extend": {"item": 4}}, "power: extend='item' is not a grouping factor"),
    ({"extend": {4: 4}}, "factors are named by text"),
    ({"control": 3}, "mixedmodels.Control"),
    ({"test": "x in (x | subject)"}, "can be left out are: \\(1 \\| subject\\)"),
    ({"extend": {"subject": 0}}, "whole numbers of levels"),
    ({"extend": {"subject": []}}, "whole numbers of levels"),
    ({"extend": {"subject": "20"}}, "whole numbers of levels"),
    ({"extend": [10, 20]}, "must be a dict"),
    ({"extend": {"subject": 1}}, "only one level"),
    ({"threads": 0}, "threads is 0"),
    ({"seed": -1}, "seed is -1"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_refused_studies(options: dict[str, Any], message: str) -> None:
    with pytest.raises(mm.MixedModelsError, match=message):
        paired(**options)


def test_several_terms_need_a_test() -> None:
    data = mm.load_dataset("cake")
    with pytest.raises(mm.MixedModelsError, match="test is missing"):
        mm.power("~ recipe + temp + (1 | replicate)", data, beta=[0.0] * 4, sd=1.0, sigma=1.0)


@pytest.mark.parametrize("formula", [3, None, ["y ~ x"]])
def test_formulas_that_are_not_text(formula: Any) -> None:
    for call in (
        lambda: mm.power(formula, PAIRED, beta=EFFECTS, sd=1.0, sigma=1.0),
        lambda: mm.simulate(formula, PAIRED, beta=EFFECTS, sd=1.0, sigma=1.0),
    ):
        with pytest.raises(mm.MixedModelsError, match="formula"):
            call()


@pytest.mark.parametrize(
    ("test", "label"),
    [
        ("poly(x, 2):arm", "poly(x, 2):arm (F)"),
        ("arm:poly(x,2)", "arm:poly(x,2) (F)"),
        ("armb", "armb (t)"),
        ("x in (x | c:s)", "x in (x | s:c)"),
        ("x in (x|s:c)", "x in (x | s:c)"),
        ("( x | c )", "(x | c)"),
        ("c:s", "x in (x | s:c)"),
        ("c", "x in (x | c)"),
    ],
)
def test_names_in_other_spellings(test: str, label: str) -> None:
    design = {
        "s": np.repeat(np.arange(12), 4), "c": np.repeat(np.arange(4), 12),
        "x": np.tile([0.0, 1, 2, 3], 12), "arm": np.tile(np.repeat(["a", "b"], 4), 6),
    }  # fmt: skip
    study = mm.power(
        "~ poly(x,2)*arm + (x|c/s)", design, beta=np.zeros(6), theta=[0.5, 0.1, 0.3, 0.4, 0, 0.2],
        sigma=1.0, test=test, nsim=3, seed=1,
    )  # fmt: skip
    assert study.test.startswith(label)
