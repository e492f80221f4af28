"""Where other packages went wrong, for generalized models: refused, exact, or said in words."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels.errors import DataError, FormulaError, ModelError

FORMULA = "y ~ x + (1 | g)"


def counts(**columns: Any) -> pd.DataFrame:
    """120 rows of 12 levels with responses of several kinds."""
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(12), 10)
    x = rng.normal(size=120)
    mu = np.exp(0.5 + 0.4 * x + rng.normal(0.0, 0.7, 12)[g])
    data = pd.DataFrame({"g": [f"g{i:02d}" for i in g], "h": np.tile(list("abcde"), 24), "x": x})
    data["y"] = rng.poisson(mu).astype(float)
    data["b"] = (rng.random(120) < mu / (1 + mu)).astype(int)
    data["z"] = rng.gamma(3.0, mu / 3.0)
    data["row"] = np.arange(120)
    data["share"] = np.clip(rng.beta(mu, 2.0), 1e-3, 1 - 1e-3)
    return data.assign(**columns)


def at(row: int, value: float, otherwise: float = 1.0) -> np.ndarray:
    return np.where(np.arange(120) == row, value, otherwise)


def fit_of(
    formula: str = FORMULA, data: Any = None, family: str = "poisson", **options: Any
) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.SingularFitWarning)
        return mm.glmer(formula, counts() if data is None else data, family, **options)


# -- refused before any fitting -----------------------------------------------------------

X = counts()["x"].to_numpy()
Y = counts()["y"].to_numpy()
REFUSED: dict[str, tuple[str, dict[str, Any], dict[str, Any], type, str]] = {
    "no response": ("~ x + (1 | g)", {}, {}, FormulaError, "response is missing"),
    "no random term": ("y ~ x", {}, {}, FormulaError, "no random-effects term"),
    "no rows left": (FORMULA, {"x": np.nan}, {}, DataError, r"No row is left.*x 120"),
    "one level": (FORMULA, {"g": "a"}, {}, ModelError, r"'g' has only one level in use \(a\)"),
    "more effects than rows": ("y ~ x + (x | row)", {}, {}, ModelError, "240 random effects"),
    "infinite covariate": (FORMULA, {"x": at(4, np.inf)}, {}, DataError, "'x' is not fin.*row 4"),
    "infinite response": (FORMULA, {"y": at(4, np.inf)}, {}, DataError, "'y' is not fin.*row 4"),
    "infinite weight": (FORMULA, {}, {"weights": at(3, np.inf)}, DataError, r"weights.*3 \(inf\)"),
    "negative weight": (FORMULA, {}, {"weights": at(3, -1)}, DataError, r"weights.*row 3 \(-1"),
    "infinite offset": (FORMULA, {}, {"offset": at(3, np.inf)}, DataError, "'offset' is not fi"),
    "counts below zero": (FORMULA, {"y": Y - 1}, {}, DataError, "are below 0"),
    "constant count": (FORMULA, {"y": 3}, {}, DataError, r"'y' is constant \(3 in all 120 rows\)"),
    "all counts zero": (FORMULA, {"y": 0}, {}, DataError, r"constant \(0 in all 120 rows\)"),
    "constant share": (FORMULA, {"y": 0.3}, {"family": "beta"}, DataError, "is constant"),
    "constant measurement": (FORMULA, {"y": 2.5}, {"family": "gamma"}, DataError, "is constant"),
    "all successes": (FORMULA, {"y": 1}, {"family": "binomial"}, DataError, "a success in all 120"),
    "all failures": (FORMULA, {"y": 0}, {"family": "binomial"}, DataError, "a failure in all 120"),
    "all trials succeed": ("cbind(row + 1, 0) ~ x + (1 | g)", {}, {"family": "binomial"}, DataError,
                           "a success in all 120 rows"),
    "one category": (FORMULA, {"y": "a"}, {"family": "binomial"}, DataError, "one category only"),
    "one ordered category": (FORMULA, {"y": 2}, {"family": "ordinal"}, DataError, "one category"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    formula, columns, options, error, says = REFUSED[case]
    with pytest.raises(error, match=says):
        fit_of(formula, counts(**columns), **{"family": "poisson", **options})


def test_one_level_for_each_row_is_allowed() -> None:
    fit = fit_of("y ~ x + (1 | row)")
    assert fit.ngroups == {"row": 120}
    assert fit.converged


def test_shares_that_are_constant_by_chance_are_fitted() -> None:
    data = counts(n=np.tile([2.0, 4.0, 8.0], 40))
    assert (
        fit_of("cbind(n / 2, n / 2) ~ 1 + (1 | g)", data, "binomial").fitted.round(6).eq(0.5).all()
    )


# -- exact ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        {"x": X * 1e6 + 1e9},
        {"x": X * 1e-6 - 1e-3},
        {"twice": 2 * X},
    ],
    ids=["far", "small", "aliased"],
)
@pytest.mark.parametrize("random", ["(1 | g)", "(x | g)"])
def test_origin_and_scale_of_covariates(changed: dict[str, Any], random: str) -> None:
    more = "".join(f" + {name}" for name in changed if name != "x")
    fit = fit_of(f"y ~ x{more} + {random}", counts(**changed))
    plain = fit_of(f"y ~ x + {random}")
    assert fit.loglik == pytest.approx(plain.loglik, abs=1e-7)
    np.testing.assert_allclose(fit.fitted, plain.fitted, rtol=1e-5)
    if more:
        assert np.isnan(fit.fixef["twice"])
        assert "dropped, dependent on earlier ones: twice" in " ".join(fit.messages)
        np.testing.assert_allclose(
            fit.predict(counts(**changed)), plain.predict(counts()), rtol=1e-5
        )


@pytest.mark.parametrize(
    "arranged",
    [
        lambda data: data.sample(frac=1.0, random_state=3),
        lambda data: data[list(reversed(data.columns))],
        lambda data: data.assign(g=pd.Categorical(data["g"], sorted(set(data["g"]), reverse=True))),
        lambda data: data.assign(g=data["g"].str.upper() + " of all"),
    ],
    ids=["rows", "columns", "levels", "labels"],
)
@pytest.mark.parametrize("terms", ["(1 | g) + (1 | h)", "(1 | h) + (1 | g)"])
def test_order_does_not_matter(arranged: Any, terms: str) -> None:
    data = counts()
    plain = fit_of("y ~ x + (1 | g) + (1 | h)", data)
    other = fit_of(f"y ~ x + {terms}", arranged(data))
    assert other.loglik == pytest.approx(plain.loglik, abs=1e-9)
    np.testing.assert_allclose(other.fitted.sort_index(), plain.fitted, rtol=1e-5)
    assert [len(table) for table in other.ranef().values()] == [12, 5]


@pytest.mark.parametrize("factor", [1e8, 1e-8])
@pytest.mark.parametrize(("family", "link"), [("gamma", "log"), ("inverse_gaussian", "log")])
def test_units_of_measurements(factor: float, family: str, link: str) -> None:
    plain = fit_of("z ~ x + (1 | g)", family=family, link=link)
    data = counts()
    scaled = fit_of("z ~ x + (1 | g)", data.assign(z=factor * data["z"]), family, link=link)
    np.testing.assert_allclose(scaled.theta, plain.theta, rtol=1e-4)
    shift = 2 * 120 * np.log(factor)
    assert scaled.deviance == pytest.approx(plain.deviance + shift, abs=1e-6)
    assert scaled.fixef["x"] == pytest.approx(plain.fixef["x"], rel=1e-4)


@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
def test_gaussian_models_are_linear_ones(size: float) -> None:
    rng = np.random.default_rng(4)
    data = counts()
    data["v"] = data["x"] + size * np.repeat(rng.normal(size=12), 10) + rng.normal(size=120)
    linear = mm.LinearMixedModel("v ~ x + (1 | g)", data, reml=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.SingularFitWarning)
        expected, found = linear.fit(), fit_of("v ~ x + (1 | g)", data, "gaussian")
    assert found.deviance == pytest.approx(expected.deviance, abs=1e-6)
    np.testing.assert_allclose(found.fixef, expected.fixef, rtol=1e-5, atol=1e-7)


def test_a_weight_of_zero_is_a_row_that_is_not_there() -> None:
    data = counts()
    fit = fit_of(data=data, weights=at(3, 0.0))
    assert fit.nobs == 119
    assert "1 row with weight zero dropped." in fit.messages
    assert fit.loglik == pytest.approx(fit_of(data=data.drop(index=3)).loglik, rel=1e-13)


def test_trials_are_rows() -> None:
    """Successes of trials are as many rows of 0 and 1, up to the binomial coefficients."""
    herds = mm.load_dataset("cbpp").astype({"size": int, "incidence": int})
    sizes = herds["size"]
    rows = herds.loc[herds.index.repeat(sizes)]
    before = np.concatenate([np.arange(n) for n in sizes])
    rows = rows.assign(ill=(before < rows["incidence"].to_numpy()).astype(int))
    fit = mm.glmer("ill ~ period + (1 | herd)", rows)
    grouped = mm.glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", herds)
    np.testing.assert_allclose(fit.fixef, grouped.fixef, rtol=1e-5)
    np.testing.assert_allclose(fit.stderror, grouped.stderror, rtol=1e-5)


@pytest.mark.parametrize("column", ["y", "x", "g"])
def test_rows_with_missing_values_are_dropped(column: str) -> None:
    data = counts()
    some = data.index.isin([0, 11, 57])
    holed = data.assign(**{column: data[column].mask(some)})
    fit = fit_of(data=holed)
    assert fit.nobs == 117
    assert fit.loglik == pytest.approx(fit_of(data=data[~some]).loglik, rel=1e-12)
    level = data.assign(x=data["x"].mask(data["g"] == "g03"))
    assert fit_of(data=level).ngroups == {"g": 11}


def test_unused_levels_are_dropped_and_counted() -> None:
    data = counts(f=pd.Categorical(np.tile(list("ab"), 60), list("abcd")))
    assert "2 unused levels of 'f' dropped." in fit_of("y ~ f + (1 | g)", data).messages


def test_interactions_of_groups_are_the_observed_ones() -> None:
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"a": rng.integers(0, 10_000, 400), "b": rng.integers(0, 10_000, 400)})
    data = pd.concat([data] * 3, ignore_index=True)
    data["y"] = rng.poisson(2.0, len(data))
    model = mm.GeneralizedLinearMixedModel("y ~ 1 + (1 | a:b)", data, "poisson")
    assert model.design.groups[0].n_levels == 400


@pytest.mark.parametrize("family", ["poisson", "gamma", "negative_binomial"])
def test_an_offset_that_is_constant_moves_the_intercept(family: str) -> None:
    response = "z" if family == "gamma" else "y"
    data = counts()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.ConvergenceWarning)
        plain, moved = (
            fit_of(f"{response} ~ x + (1 | g)", data, family, offset=given)
            for given in (None, np.full(120, 40.0))
        )
    assert moved.loglik == pytest.approx(plain.loglik, abs=1e-7)
    assert moved.fixef["(Intercept)"] == pytest.approx(plain.fixef["(Intercept)"] - 40.0)
    refitted = moved.refit(data[response])
    assert refitted.loglik == pytest.approx(moved.loglik, abs=1e-8)
    assert moved.simulate(1, seed=1)[0].mean() < 100 * data[response].mean()


@pytest.mark.parametrize("random", ["(1 | g)", "(1 | g) + (1 | h)"])
@pytest.mark.parametrize("reml", [False, True])
def test_models_without_fixed_effects(random: str, reml: bool) -> None:
    fit = fit_of(f"y ~ 0 + {random}", reml=reml)
    assert np.isfinite(fit.loglik)
    assert fit.fixef.empty
    assert fit.npar == random.count("|")


@pytest.mark.parametrize("rows", [20, 30])
def test_two_or_three_levels(rows: int) -> None:
    fit = fit_of("y ~ 1 + (1 | g)", counts().head(rows))
    assert np.isfinite(fit.stderror).all()
    assert any("Few groups" in message for message in fit.messages) or rows >= 50


# -- prediction -----------------------------------------------------------------------------


@pytest.mark.parametrize("term", ["poly(x, 2)", "bs(x, df=4)", "scale(x)", "center(x)", "log(z)"])
def test_transforms_are_those_of_the_fit(term: str) -> None:
    fit = fit_of(f"b ~ {term} + (1 | g)", family="binomial")
    rows = counts().iloc[[7]]
    np.testing.assert_allclose(fit.predict(rows), fit.fitted.iloc[[7]], rtol=1e-9)


def test_levels_of_new_rows() -> None:
    fit = fit_of()
    new = pd.DataFrame({"x": [0.0, 0.0, 0.0], "g": ["g05", "new", "g01"]})
    with pytest.raises(DataError, match="new"):
        fit.predict(new)
    found = fit.predict(new, allow_new_levels=True)
    assert found[1] == pytest.approx(np.exp(fit.fixef["(Intercept)"]))
    alone = fit.predict(new.iloc[[2]])
    assert alone.iloc[0] == pytest.approx(found[2])
    np.testing.assert_allclose(fit.predict(new[["x"]], random="none"), found[1])


@pytest.mark.parametrize("role", ["weights", "offset"])
def test_a_series_of_other_rows_is_aligned_or_refused(role: str) -> None:
    data = counts()
    values = pd.Series(np.arange(120) / 60.0 + 1.0)
    turned = values.sample(frac=1.0, random_state=1)
    plain = fit_of(data=data, **{role: values})
    try:
        found = fit_of(data=data, **{role: turned})
    except DataError as error:
        assert role in str(error)  # noqa: PT017 (either answer will do)
    else:
        assert found.loglik == pytest.approx(plain.loglik, rel=1e-12)
    with pytest.raises(DataError, match=role):
        fit_of(data=data, **{role: values.head(60)})


@pytest.mark.parametrize(
    "names",
    [
        {"y": "my count", "x": "a b", "g": "g.h"},
        {"y": "Intercept", "x": "new", "g": "i"},
        {"x": "sigma", "g": "all"},
        {"x": "k", "g": "dispersion"},
        {"x": "zero_inflation", "g": "thresholds"},
    ],
)
def test_names_of_columns_capture_nothing(names: dict[str, str]) -> None:
    full = {"y": "y", "x": "x", "g": "g", **names}
    data = counts().rename(columns=names)
    formula = f"`{full['y']}` ~ `{full['x']}` + (1 | `{full['g']}`)"
    fit = fit_of(formula, data)
    assert fit.loglik == pytest.approx(fit_of().loglik, rel=1e-12)
    limits = fit.confint(method="wald")
    assert len(limits) == len(set(limits.index)) == 3
    assert fit.fixef.index.tolist() == ["(Intercept)", full["x"]]


# -- comparisons, and what does not change a fit ---------------------------------------------


def test_restricted_fits_are_compared_by_maximum_likelihood() -> None:
    small, large = (fit_of(f"y ~ {fixed} + (1 | g)", reml=True) for fixed in ("1", "x"))
    table = mm.anova(small, large)
    assert "refitted" in table.note
    plain = mm.anova(*(fit_of(f"y ~ {fixed} + (1 | g)") for fixed in ("1", "x")))
    np.testing.assert_allclose(table["loglik"], plain["loglik"], rtol=1e-9)


def test_fits_of_other_rows_are_not_compared() -> None:
    with pytest.raises(mm.MixedModelsError, match="different rows"):
        mm.anova(fit_of("y ~ 1 + (1 | g)"), fit_of(data=counts().head(110)))


def test_what_is_done_with_a_fit_does_not_change_it() -> None:
    fit = fit_of()
    before = (fit.theta.copy(), fit.beta.copy(), fit.loglik, fit.fitted.copy())
    again = copy.deepcopy(fit)
    fit.profile(["x"])
    fit.bootstrap(5, seed=1)
    fit.refit(fit.simulate(1, seed=2)[0])
    fit.drop1()
    fit.influence("g", "one-step")
    for one in (fit, again):
        np.testing.assert_array_equal(one.theta, before[0])
        np.testing.assert_array_equal(one.beta, before[1])
        assert one.loglik == before[2]
        np.testing.assert_array_equal(one.fitted, before[3])


def test_limits_are_in_order_and_zero_at_the_bound() -> None:
    data = counts(y=np.random.default_rng(0).poisson(2.0, 120))
    limits = fit_of("y ~ x + (1 | g)", data).confint()
    assert (limits["lower"] <= limits["upper"]).all()
    assert limits.loc["sd(g.(Intercept))", "lower"] == 0.0


def test_a_variance_of_zero_is_an_optimum() -> None:
    data = counts(y=np.tile(np.arange(10), 12))
    with pytest.warns(mm.SingularFitWarning, match="may be dropped"):
        fit = mm.glmer("y ~ 1 + (1 | g)", data, "poisson")
    assert fit.converged
    assert fit.is_singular
    assert fit.theta[0] == 0.0


# -- words for what data say -----------------------------------------------------------------


def test_complete_separation_is_warned_of_and_finite() -> None:
    data = counts(y=(np.arange(120) % 10 > 4).astype(int), x=(np.arange(120) % 10 > 4) * 1.0)
    with pytest.warns(mm.ConvergenceWarning, match="Separation"):
        fit = mm.glmer("y ~ x + (1 | g)", data)
    assert np.isfinite(fit.fixef).all()
    assert np.isfinite(fit.fitted).all()


@pytest.mark.parametrize(
    ("offset", "told"),
    [("area", True), ("log(area)", False), ("log(1000 * area)", False), ("area / 100", False)],
)
def test_an_exposure_that_is_not_a_logarithm(offset: str, told: bool) -> None:
    rng = np.random.default_rng(3)
    data = counts(area=rng.uniform(0.5, 12.0, 120))
    data["y"] = rng.poisson(data["area"] * np.exp(0.2 * data["x"]))
    fit = fit_of(data=data, offset=offset)
    assert any("An exposure enters by its logarithm" in m for m in fit.messages) is told


def test_levels_that_the_fixed_part_has_as_well() -> None:
    fit = fit_of("y ~ x + g + (1 | g)")
    assert any("already explains all differences" in message for message in fit.messages)
    assert not any("already explains" in message for message in fit_of().messages)


@pytest.mark.parametrize(("family", "link"), [("inverse_gaussian", "log"), ("beta", "logit")])
def test_responses_that_are_fitted_exactly(family: str, link: str) -> None:
    y = np.exp(X) if link == "log" else 1 / (1 + np.exp(-X))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.ConvergenceWarning)
        try:
            fit = fit_of(data=counts(y=y), family=family, link=link)
        except mm.MixedModelsError as error:
            assert "exactly" in str(error)  # noqa: PT017 (rounding decides between both)
            return
    assert any("fit all responses exactly" in message for message in fit.messages)


@pytest.mark.parametrize(
    ("values", "success"),
    [(["no", "yes"], "yes"), (["error", "correct"], "error"), (["0", "1"], "1")],
)
def test_which_of_two_categories_is_success(values: list[str], success: str) -> None:
    chosen = np.where(counts()["b"] == 1, values[1], values[0])
    fit = fit_of("b ~ x + (1 | g)", counts(b=chosen), "binomial")
    assert f"Success is b = '{success}'" in fit.messages[0]
    other = next(value for value in values if value != success)
    for turned in (
        f"relevel(b, ref='{success}')",
        f"factor(b, levels=c('{success}', '{other}'))",
        f"C(b, levels=['{success}', '{other}'])",
        f"ordered(b, levels=c('{success}', '{other}'))",
        f"b == '{other}'",
    ):
        again = fit_of(f"{turned} ~ x + (1 | g)", counts(b=chosen), "binomial")
        assert again.fixef["x"] == pytest.approx(-fit.fixef["x"], rel=1e-6), turned
    assert not fit_of("b ~ x + (1 | g)", family="binomial").messages


# -- sizes ---------------------------------------------------------------------------------


def test_counts_of_a_million() -> None:
    rng = np.random.default_rng(5)
    mu = 1e6 * np.exp(0.1 * X + np.repeat(rng.normal(0, 0.3, 12), 10))
    fit = fit_of(data=counts(y=rng.poisson(mu)))
    assert fit.converged
    assert fit.fixef["x"] == pytest.approx(0.1, abs=5e-4)


def test_twenty_five_nodes() -> None:
    found = [fit_of("b ~ x + (1 | g)", family="binomial", n_agq=n).loglik for n in (15, 25)]
    assert found[0] == pytest.approx(found[1], abs=1e-6)


# -- links whose predictors must keep a sign ------------------------------------------------


def measurements(seed: int, family: str) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(15), 12)
    x = rng.normal(size=180)
    mu = np.exp(0.5 + 0.4 * x + rng.normal(0.0, 0.5, 15)[g])
    y = rng.wald(mu, 3.0) if family == "wald" else rng.gamma(3, mu / 3)
    return pd.DataFrame({"y": y, "x": x, "g": g})


@pytest.mark.parametrize(("seed", "family"), [(0, "wald"), (2, "wald"), (2, "gamma"), (3, "gamma")])
def test_inverse_squares_end_at_the_lowest_of_several_minima(seed: int, family: str) -> None:
    data = measurements(seed, family)
    fit = fit_of(data=data, family="inverse_gaussian")
    for share in (0.1, 0.3, 1.0):
        start = [share * abs(fit.fixef["(Intercept)"])]
        other = fit_of(data=data, family="inverse_gaussian", start=start)
        assert fit.deviance <= other.deviance + 1e-6


@pytest.mark.parametrize(
    ("family", "link", "power"),
    [
        ("inverse_gaussian", "inverse_squared", -2),
        ("gamma", "inverse", -1),
        ("gamma", "identity", 1),
        ("gaussian", "identity", 1),
        ("gaussian", "sqrt", 0.5),
    ],
)
@pytest.mark.parametrize("factor", [1e-2, 1e2])
def test_units_do_not_make_a_fit_singular(
    family: str, link: str, power: float, factor: float
) -> None:
    rng = np.random.default_rng(6)
    g = np.repeat(np.arange(12), 10)
    mu = 5.0 + np.repeat(rng.normal(0.0, 0.6, 12), 10)
    data = pd.DataFrame({"g": g, "y": rng.gamma(60.0, mu / 60.0)})
    plain = fit_of("y ~ 1 + (1 | g)", data, family, link=link)
    scaled = fit_of("y ~ 1 + (1 | g)", data.assign(y=factor * data["y"]), family, link=link)
    assert (plain.is_singular, scaled.is_singular) == (False, False)
    assert scaled.theta[0] == pytest.approx(plain.theta[0] * factor**power, rel=1e-3)
