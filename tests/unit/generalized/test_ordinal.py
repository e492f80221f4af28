"""Ordered categories: responses, thresholds, predictions, and extreme data."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from scipy import stats

import mixedmodels as mm
from mixedmodels import DataError, FormulaError, GeneralizedLinearMixedModel, MixedModelsError
from mixedmodels.estimates.generalized import GeneralizedModel
from mixedmodels.families import Ordinal
from mixedmodels.families.links import MIRRORED
from mixedmodels.families.ordinal import OrderedDistribution

Floats = NDArray[np.float64]
LINKS = ["logit", "probit", "cloglog", "loglog", "cauchit"]
NAMES = ["low", "mid", "high", "top"]


def rows(n: int = 300, seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"g": rng.integers(0, 15, n), "h": rng.integers(0, 6, n)})
    data["x"] = rng.normal(size=n)
    data["f"] = rng.choice(list("abc"), n)
    latent = 0.7 * data["x"] + 0.8 * rng.normal(size=15)[data["g"]] + rng.logistic(size=n)
    codes = (latent.to_numpy()[:, None] > np.array([-1.0, 0.5, 2.0])).sum(axis=1)
    data["number"] = codes + 1
    data["y"] = pd.Categorical.from_codes(codes, NAMES, ordered=True)
    return data


def distribution(link: str) -> Any:
    return {
        "logit": stats.logistic,
        "probit": stats.norm,
        "cloglog": stats.gumbel_l,
        "loglog": stats.gumbel_r,
        "cauchit": stats.cauchy,
    }[link]


@pytest.mark.parametrize("link", LINKS)
def test_without_random_effects_the_criterion_is_the_likelihood(link: str) -> None:
    data = rows()
    model = GeneralizedLinearMixedModel("y ~ x + (1 | g)", data, "ordinal", link=link)
    thresholds = np.array([-1.1, 0.2, 1.4])
    at = np.concatenate([[-np.inf], thresholds, [np.inf]])
    eta = 0.4 * data["x"].to_numpy()
    codes = data["y"].cat.codes.to_numpy()
    F = distribution(link).cdf
    p = F(at[codes + 1] - eta) - F(at[codes] - eta)
    found = model.objective([0.0], [0.4], thresholds=thresholds)
    assert found == pytest.approx(-2 * np.log(p).sum(), rel=1e-10)


def test_two_categories_are_a_binomial_model() -> None:
    data = rows()
    data["two"] = pd.Categorical(np.where(data["number"] > 2, "b", "a"), ordered=True)
    ordered = mm.glmer("two ~ x + f + (1 | g)", data, "ordinal")
    binomial = mm.glmer("two ~ x + f + (1 | g)", data, "binomial")
    assert ordered.objective == pytest.approx(binomial.objective, abs=1e-7)
    np.testing.assert_allclose(ordered.fixef, binomial.fixef.iloc[1:], atol=1e-4)
    threshold = ordered.component_table()
    assert threshold["estimate"].iloc[0] == pytest.approx(-binomial.fixef.iloc[0], abs=1e-4)
    assert threshold["std_error"].iloc[0] == pytest.approx(binomial.stderror.iloc[0], rel=1e-4)


def test_an_origin_of_a_covariate_changes_thresholds_alone() -> None:
    data = rows().assign(far=lambda d: 1e5 + d["x"])
    near = mm.glmer("y ~ x + f + (1 | g)", data, "ordinal")
    far = mm.glmer("y ~ far + f + (1 | g)", data, "ordinal")
    assert far.objective == pytest.approx(near.objective, abs=1e-6)
    np.testing.assert_allclose(far.fixef, near.fixef, atol=1e-5)
    gaps = [fit.component_table()["estimate"].diff().iloc[1:] for fit in (near, far)]
    np.testing.assert_allclose(gaps[0], gaps[1], atol=1e-5)
    np.testing.assert_allclose(near.predict(data), far.predict(data), atol=1e-5)


@pytest.mark.parametrize("method", ["leverage", "cooks_distance", "std_residuals", "influence"])
def test_an_origin_changes_nothing_of_what_rows_weigh(method: str) -> None:
    data = rows()
    data["far"] = data["x"] + 1e3
    near, far = (mm.glmer(f"y ~ {x} + f + (1 | g)", data, "ordinal") for x in ("x", "far"))
    if method == "influence":
        pair = [fit.influence("g", method="held").beta.to_numpy() for fit in (near, far)]
    else:
        pair = [getattr(fit, method)().to_numpy() for fit in (near, far)]
    np.testing.assert_allclose(pair[1], pair[0], rtol=1e-6, atol=1e-9)
    assert near.leverage().sum() > near.solution.p


def test_rows_of_two_categories_weigh_what_they_do_in_a_binomial_model() -> None:
    data = rows()
    data["two"] = pd.Categorical.from_codes((data["y"].cat.codes > 0).astype(int), ["no", "yes"])
    data["two"] = data["two"].cat.as_ordered()
    data["success"] = data["two"].cat.codes.astype(float)
    ordered = mm.glmer("two ~ x + f + (1 | g)", data, "ordinal")
    binomial = mm.glmer("success ~ x + f + (1 | g)", data, "binomial")
    np.testing.assert_allclose(ordered.leverage(), binomial.leverage(), atol=1e-6)
    np.testing.assert_allclose(ordered.cooks_distance(), binomial.cooks_distance(), atol=1e-6)
    held = [fit.influence(method="held").beta for fit in (ordered, binomial)]
    np.testing.assert_allclose(held[0], held[1].iloc[:, 1:], atol=1e-5)


def test_reversed_categories_turn_the_signs() -> None:
    data = rows()
    data["back"] = data["y"].cat.reorder_categories(NAMES[::-1], ordered=True)
    there, back = (mm.glmer(f"{y} ~ x + (1 | g)", data, "ordinal") for y in ("y", "back"))
    assert back.objective == pytest.approx(there.objective, abs=1e-7)
    np.testing.assert_allclose(back.fixef, -there.fixef, atol=1e-5)
    own = there.component_table()["estimate"].to_numpy()
    np.testing.assert_allclose(back.component_table()["estimate"], -own[::-1], atol=1e-5)


def test_thresholds_have_names_and_standard_errors() -> None:
    fit = mm.glmer("y ~ x + (1 | g)", rows(), "ordinal")
    table = fit.component_table().loc["thresholds"]
    assert table.index.tolist() == ["low|mid", "mid|high", "high|top"]
    assert (table["std_error"] > 0).all()
    assert fit.model.parameter_names[-3:] == [
        "low|mid",
        "log(mid|high - low|mid)",
        "log(high|top - mid|high)",
    ]
    text = str(fit.summary())
    assert "Thresholds:" in text
    assert "Family: ordinal (logit)" in text
    assert "(Intercept)" not in fit.fixef
    assert fit.npar == 5
    assert fit.dispersion is None


@pytest.mark.filterwarnings("ignore::mixedmodels.SingularFitWarning")
def test_predictions_of_categories() -> None:
    data = rows()
    fit = mm.glmer("y ~ x + (1 | g)", data, "ordinal")
    p = fit.predict(data, type="prob")
    assert p.columns.tolist() == NAMES
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(fit.predict(data), p)
    chosen = fit.predict(data, type="class")
    assert chosen.cat.ordered
    assert (chosen.cat.codes.to_numpy() == p.to_numpy().argmax(axis=1)).all()
    codes = data["y"].cat.codes.to_numpy()
    np.testing.assert_allclose(fit.fitted, p.to_numpy()[np.arange(len(data)), codes])
    lost = fit.predict(data.head(2).assign(x=[np.nan, 0.0]), type="prob")
    assert lost.isna().all(axis=1).tolist() == [True, False]
    assert fit.predict(data.head(2).assign(x=[np.nan, 0.0]), type="class").isna().iloc[0]
    none = fit.predict(data.assign(g=99), type="prob", random="none")
    assert none.shape == (len(data), 4)
    with pytest.raises(MixedModelsError, match="zero_inflation"):
        fit.predict(type="zprob")
    for scale in ("response", "prob", "class"):
        with pytest.raises(
            MixedModelsError, match=r'emmeans\("~ y", type="prob", at=\{\'x\''
        ) as no:
            fit.predict_interval(data, type=scale, random="none")
    call = str(no.value).rpartition("fit.emmeans")[2].strip(".").replace("[...]", "[0.0]")
    assert len(eval(f"fit.emmeans{call}")) == 4  # what is advised can be done
    other = mm.glmer("number ~ x + (1 | g)", data, "poisson")
    with pytest.raises(MixedModelsError, match="ordered responses"):
        other.predict(type="class")


@pytest.mark.parametrize("link", LINKS)
def test_small_probabilities_keep_their_digits(link: str) -> None:
    of = OrderedDistribution(Ordinal(link), None, None, np.array([0.0, 1.0]))
    far = np.array([-40.0, -12.0, 0.3, 12.0, 40.0])
    p = of.probabilities(far)
    assert (p >= 0.0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-12)
    if link == "logit":
        assert p[0, 2] == pytest.approx(np.exp(-41.0), rel=1e-6)
        assert p[4, 0] == pytest.approx(np.exp(-40.0), rel=1e-6)


def test_simulated_categories_are_refitted() -> None:
    data = rows(600)
    fit = mm.glmer("y ~ x + (1 | g)", data, "ordinal")
    drawn = fit.simulate(3, seed=1)
    assert drawn.shape == (600, 3)
    assert drawn[0].cat.categories.tolist() == NAMES
    again = fit.refit(drawn[0])
    np.testing.assert_allclose(
        again.component_table()["estimate"], fit.component_table()["estimate"], atol=0.8
    )
    same = fit.refit(data["y"])
    assert same.objective == pytest.approx(fit.objective, abs=1e-7)
    assert fit.refit(data["y"].astype(str)).objective == pytest.approx(fit.objective, abs=1e-7)
    with pytest.raises(DataError, match="not one of its categories"):
        fit.refit(data["y"].astype(str).replace("low", "none"))


def test_residuals_of_categories() -> None:
    fit = mm.glmer("y ~ x + (1 | g)", rows(600), "ordinal")
    uniform = fit.std_residuals("quantile", seed=1)
    assert abs(uniform.mean() - 0.5) < 0.04
    assert uniform.std() == pytest.approx(12**-0.5, rel=0.08)
    assert fit.std_residuals("pearson").var() == pytest.approx(1.0, rel=0.2)
    assert (fit.residuals**2).sum() == pytest.approx(-2 * np.log(fit.fitted).sum())
    assert np.isfinite(fit.std_residuals("working")).all()


def test_means_are_on_the_latent_scale() -> None:
    fit = mm.glmer("y ~ x + f + (1 | g)", rows(), "ordinal")
    pairs = fit.emmeans("f").pairs().to_frame()
    np.testing.assert_allclose(pairs["estimate"].iloc[0], -fit.fixef["fb"])
    np.testing.assert_allclose(pairs["std_error"].iloc[0], fit.stderror["fb"])
    assert mm.anova(fit.update(". ~ . - f"), fit)["df"].iloc[1] == 2
    assert len(fit.drop1()) == 3
    tests = fit.anova().to_frame()
    assert tests.index.tolist() == ["x", "f"]
    beta, vcov = fit.fixef.to_numpy()[1:], fit.vcov.to_numpy()[1:, 1:]
    expected = beta @ np.linalg.solve(vcov, beta) / 2
    assert tests.loc["f", "statistic"] == pytest.approx(expected, rel=1e-8)
    with pytest.raises(MixedModelsError, match=r"latent scale.*type='prob'"):
        fit.plot_effect("f", type="response")


def test_tests_of_terms_do_not_depend_on_the_coding() -> None:
    data = rows(500).assign(k=lambda d: np.where(d["h"] > 2, "u", "v"))
    tables = [
        mm.glmer("y ~ f * k + (1 | g)", data, "ordinal", contrasts=coding).anova().to_frame()
        for coding in (None, {"f": "sum", "k": "sum"}, {"f": "helmert", "k": "poly"})
    ]
    for table in tables[1:]:
        np.testing.assert_allclose(table["statistic"], tables[0]["statistic"], rtol=1e-5)


def test_forms_of_ordered_responses() -> None:
    data = rows()
    expected = mm.glmer("y ~ x + (1 | g)", data, "ordinal").objective
    data["text"] = data["y"].astype(str)
    for response in (
        "number",
        "ordered(number)",
        'ordered(text, levels=c("low", "mid", "high", "top"))',
        "cut(number, c(0, 1, 2, 3, 4), ordered_result=TRUE)",
    ):
        fit = mm.glmer(f"{response} ~ x + (1 | g)", data, "ordinal")
        assert fit.objective == pytest.approx(expected, abs=1e-8), response
    for family in (mm.families.Ordinal, mm.families.Ordinal("logit"), "clmm", "cumulative"):
        assert mm.glmer("y ~ x + (1 | g)", data, family).objective == pytest.approx(expected)


def test_ordered_columns_of_other_tables() -> None:
    data = rows()
    expected = mm.glmer("y ~ x + (1 | g)", data, "ordinal").objective
    columns = {"x": data["x"].to_numpy(), "g": data["g"].to_numpy()}
    text, codes = data["y"].astype(str).tolist(), data["y"].cat.codes.to_numpy()
    tables = [
        pl.DataFrame({**columns, "y": pl.Series(text, dtype=pl.Enum(NAMES))}),
        pa.table({**columns, "y": pa.DictionaryArray.from_arrays(codes, NAMES, ordered=True)}),
        {**columns, "y": data["y"]},
        {**columns, "y": codes.tolist()},
    ]
    for table in tables:
        fit = mm.glmer("y ~ x + (1 | g)", table, "ordinal")
        assert fit.objective == pytest.approx(expected, abs=1e-8)
    with pytest.raises(DataError, match="without an order"):
        mm.glmer("y ~ x + (1 | g)", {**columns, "y": text}, "ordinal")


def test_files_of_ordered_responses_are_checked(tmp_path: Path) -> None:
    fit = mm.glmer("y ~ x + (1 | g)", rows(), "ordinal")
    fit.save(tmp_path / "fit.mm")
    again = mm.load(tmp_path / "fit.mm")
    assert again.predict(type="class").equals(fit.predict(type="class"))
    design = fit._generalized.model.design
    model = GeneralizedModel(
        dataclasses.replace(design, y=design.y + 1.0), fit.family, fit._generalized.model.threads
    )
    with pytest.raises(ValueError, match="not the number of a category"):
        model.criterion().starts()


def test_categories_without_rows_are_dropped_and_named() -> None:
    data = rows()
    more = data["y"].cat.add_categories(["never", "nobody"])
    fit = mm.glmer("y ~ x + (1 | g)", data.assign(y=more), "ordinal")
    text = "2 categories of the response without a row dropped: never, nobody."
    assert text in fit.messages
    assert len(fit.component_table()) == 3
    part = data[data["y"] != "mid"]
    assert len(mm.glmer("y ~ x + (1 | g)", part, "ordinal").component_table()) == 2


REFUSED = [
    ("text ~ x + (1 | g)", DataError, "without an order"),
    ("factor(y, ordered=FALSE) ~ x + (1 | g)", DataError, "without an order"),
    ("x ~ f + (1 | g)", DataError, "not whole"),
    ("one ~ x + (1 | g)", DataError, "one category only"),
    ("many ~ x + (1 | g)", DataError, "at most 100"),
    ("cbind(number, g) ~ x + (1 | g)", DataError, "2 columns"),
    ("y ~ 0 + f + (1 | g)", FormulaError, "stand for the intercept"),
    ("y ~ x - 1 + (1 | g)", FormulaError, "stand for the intercept"),
]


@pytest.mark.parametrize(("formula", "error", "says"), REFUSED)
def test_refused_responses(formula: str, error: type[Exception], says: str) -> None:
    data = rows().assign(one=1, many=lambda d: np.arange(len(d)))
    data["text"] = data["y"].astype(str)
    with pytest.raises(error, match=says):
        mm.glmer(formula, data, "ordinal")


def test_thresholds_that_do_not_increase_are_refused() -> None:
    model = GeneralizedLinearMixedModel("y ~ x + (1 | g)", rows(), "ordinal")
    with pytest.raises(MixedModelsError, match="must increase"):
        model.objective([0.1], [0.1], thresholds=[0.0, 1.0, 0.5])
    with pytest.raises(MixedModelsError, match="must be 3 coefficients"):
        model.objective([0.1], [0.1], thresholds=[0.0, 1.0])


def test_without_fixed_effects() -> None:
    fit = mm.glmer("y ~ 1 + (1 | g)", rows(), "ordinal")
    assert len(fit.fixef) == 0
    assert len(fit.component_table()) == 3
    assert "No fixed effects" in str(fit)


def test_columns_that_thresholds_explain_are_dropped() -> None:
    data = rows().assign(c=3.7, w=lambda d: 2 * d["x"] + 5)
    fit = mm.glmer("y ~ x + c + w + (1 | g)", data, "ordinal")
    plain = mm.glmer("y ~ x + (1 | g)", data, "ordinal")
    assert fit.objective == pytest.approx(plain.objective, abs=1e-8)
    assert fit.fixef.isna().tolist() == [False, True, True]
    assert fit.anova().to_frame().loc["x", "num_df"] == 0  # w is as good
    assert fit.anova(type=1).to_frame().loc["x", "num_df"] == 1


def test_weights_repeat_rows_and_offsets_shift() -> None:
    data = rows(120)
    twice = pd.concat([data, data.head(40)], ignore_index=True)
    data["w"] = np.where(np.arange(120) < 40, 2.0, 1.0)
    data["o"] = 0.3 * data["x"]
    weighted = mm.glmer("y ~ x + (1 | g)", data, "ordinal", weights="w")
    repeated = mm.glmer("y ~ x + (1 | g)", twice, "ordinal")
    assert weighted.objective == pytest.approx(repeated.objective, abs=1e-7)
    shifted = mm.glmer("y ~ x + (1 | g)", data, "ordinal", weights="w", offset="o")
    np.testing.assert_allclose(shifted.fixef["x"], weighted.fixef["x"] - 0.3, atol=1e-4)


def test_pickles_and_excluded_rows() -> None:
    data = rows()
    data.loc[4, "y"] = None
    data.loc[6, "x"] = np.nan
    fit = mm.glmer("y ~ x + (1 | g)", data, "ordinal", na_action="exclude")
    assert fit.nobs == len(data) - 2
    p = fit.predict(type="prob")
    assert p.isna().all(axis=1).sum() == 2
    assert fit.predict(type="class").isna().sum() == 2
    assert fit.simulate(1, seed=1)[0].isna().sum() == 2
    again = pickle.loads(pickle.dumps(fit))
    np.testing.assert_allclose(again.predict(type="prob"), p)
    assert again.simulate(1, seed=3).equals(fit.simulate(1, seed=3))


def extremes() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(9)
    n = 200
    data = pd.DataFrame({"g": np.arange(n) % 20, "x": rng.normal(size=n)})
    huge = 30.0 * rng.normal(size=20)[data["g"]] + rng.logistic(size=n)
    return {
        "separated": data.assign(y=(data["x"] > 0).astype(int) + (data["x"] > 1)),
        "nearly all in one": data.assign(y=np.r_[np.zeros(n - 2), [1, 2]].astype(int)),
        "huge variance": data.assign(y=np.digitize(huge, [-20.0, 0.0, 20.0])),
        "by group": data.assign(y=data["g"] % 3),
        "many": data.assign(y=np.arange(n) % 40),
    }


@pytest.mark.parametrize("which", extremes())
@pytest.mark.parametrize("link", LINKS)
@pytest.mark.filterwarnings("ignore")
def test_extreme_categories_end(which: str, link: str) -> None:
    fit = mm.glmer("y ~ x + (1 | g)", extremes()[which], "ordinal", link=link)
    assert np.isfinite(fit.objective)
    assert np.isfinite(fit.predict(type="prob").to_numpy()).all()


@pytest.mark.parametrize("name", ["variance", "unit_deviance", "draw"])
def test_a_family_without_thresholds_says_what_to_ask(name: str) -> None:
    generator = [np.random.default_rng(1)] if name == "draw" else []
    ask = getattr(mm.families.Ordinal(), name)
    with pytest.raises(mm.errors.ModelError, match="depend on the thresholds"):
        ask(*generator, np.ones(2), np.ones(2), None)


def wine() -> pd.DataFrame:
    """Ratings of bitterness: nine judges, two temperatures, contact with skins, two bottles."""
    ratings = "233444551213235423325544323232532343333332322454112223232223333412323244"
    one = np.arange(72)
    return pd.DataFrame(
        {
            "rating": pd.Categorical(list(ratings), ordered=True),
            "temp": np.where(one % 8 < 4, "cold", "warm"),
            "contact": np.where(one % 4 < 2, "no", "yes"),
            "judge": one // 8,
        }
    )


# By R's ordinal, whose clmm calls the last two links by each other's names.
@pytest.mark.parametrize(
    ("link", "loglik", "sd", "thresholds", "slopes", "exact"),
    [
        ("logit", -81.56541, 1.13114, [-1.6237, 1.5134, 4.2285, 6.0888], [3.063, 1.8349], 1e-4),
        ("cauchit", -86.83, 1.195, [-1.956, 1.658, 4.546, 6.818], [3.156, 2.148], 2e-3),
        (
            "loglog",
            -82.729204,
            0.756256,
            [-0.496659, 1.439555, 3.189493, 4.550938],
            [1.97278, 1.128521],
            1e-4,
        ),
        (
            "cloglog",
            -81.54125,
            0.79153,
            [-1.787343, 0.529576, 2.357086, 3.492303],
            [2.04745, 1.22468],
            1e-4,
        ),
    ],
)
def test_links_have_the_estimates_of_ordinal(
    link: str, loglik: float, sd: float, thresholds: Any, slopes: Any, exact: float
) -> None:
    fit = mm.glmer("rating ~ temp + contact + (1 | judge)", wine(), "ordinal", link=link)
    assert fit.loglik == pytest.approx(loglik, abs=5e-3 if link == "cauchit" else 1e-5)
    assert fit.varcorr.sd.iloc[0] == pytest.approx(sd, abs=exact)
    np.testing.assert_allclose(fit.component_table()["estimate"], thresholds, atol=exact)
    np.testing.assert_allclose(fit.fixef, slopes, atol=exact)


@pytest.mark.parametrize("link", LINKS)
def test_reversed_categories_mirror_the_link(link: str) -> None:
    data = rows()
    data["back"] = data["y"].cat.reorder_categories(NAMES[::-1], ordered=True)
    there = mm.glmer("y ~ x + (1 | g)", data, "ordinal", link=link)
    back = mm.glmer("back ~ x + (1 | g)", data, "ordinal", link=MIRRORED.get(link, link))
    assert back.objective == pytest.approx(there.objective, abs=1e-6)
    np.testing.assert_allclose(back.fixef, -there.fixef, atol=1e-4)
    p = [fit.predict(data, type="prob").to_numpy() for fit in (there, back)]
    np.testing.assert_allclose(p[1][:, ::-1], p[0], atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_modes_are_found_where_the_likelihood_is_not_concave(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = rows(seed=seed)
    data["z"] = rng.normal(size=len(data))
    model = GeneralizedLinearMixedModel("y ~ x + (x + z | g)", data, "ordinal", link="cauchit")
    theta = [rng.uniform(0.3, 1.5), 0.1, -0.2, rng.uniform(0.3, 1.5), 0.3, rng.uniform(0.3, 1.5)]
    assert np.isfinite(model.objective(theta, [0.7], thresholds=[-1.0, 0.5, 2.0]))


def graded(**options: Any) -> mm.GeneralizedLinearMixedFit:
    return mm.glmer("rating ~ temp * contact + (1 | judge)", wine(), "ordinal", **options)


def test_marginal_probabilities_are_those_of_emmeans() -> None:
    """By R's emmeans with mode="prob", of a fit of ordinal."""
    found = graded().emmeans("~ rating | temp", type="prob").table
    estimate = [0.09616, 0.52439, 0.33216, 0.03959, 0.0077, 0.00564, 0.10072, 0.44277, 0.30886]
    error = [0.05591, 0.09271, 0.08861, 0.02543, 0.00648, 0.00507, 0.05201, 0.08299, 0.08097]
    np.testing.assert_allclose(found["estimate"].iloc[:9], estimate, atol=1e-5)
    np.testing.assert_allclose(found["std_error"].iloc[:9], error, atol=7e-5)
    assert found.columns[:2].tolist() == ["rating", "temp"]
    pairs = graded().emmeans("temp", type="prob").pairs()
    assert pairs["rating"].tolist() == list("12345")
    contrast = [0.0905, 0.4237, -0.1106, -0.2693, -0.1343]
    np.testing.assert_allclose(pairs["estimate"], contrast, atol=5e-5)
    np.testing.assert_allclose(pairs["p_value"].iloc[[0, 2, 4]], [0.0852, 0.3808, 0.041], atol=6e-4)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("offset", [None, 0.7])
def test_marginal_probabilities_are_predictions_averaged(link: str, offset: float | None) -> None:
    data = rows().assign(o=0.3)
    formula = "y ~ f * x + (1 | g)" + ("" if offset is None else " + offset(o)")
    fit = mm.glmer(formula, data, "ordinal", link=link)
    found = fit.emmeans("~ y | f", type="prob", at={"x": [-1.0, 2.0]}, offset=offset).table
    cells = pd.DataFrame({"f": list("aabbcc"), "x": [-1.0, 2.0] * 3, "o": offset or 0.0, "g": 0})
    p = fit.predict(cells, type="prob", random="none")
    expected = p.groupby(cells["f"]).mean()
    np.testing.assert_allclose(found["estimate"], expected.to_numpy().ravel(), rtol=1e-9)
    assert found.groupby("f", observed=True)["estimate"].sum().to_numpy() == pytest.approx(1.0)


def test_errors_of_marginal_probabilities_are_by_the_delta_method() -> None:
    fit = mm.glmer("y ~ f + x + (1 | g)", rows(), "ordinal", link="cauchit")
    solution = fit.solution
    m, kept = len(solution.theta), solution.kept
    X = np.array([[1.0, 0.0, 0.3]])
    at = np.concatenate([solution.beta[kept], solution.psi])

    def of(par: Floats) -> Floats:
        thresholds = np.cumsum(np.concatenate([par[3:4], np.exp(par[4:])]))
        found: Floats = fit.family.probabilities(X @ par[:3], thresholds)[0]
        return found

    steps = 1e-6 * np.eye(len(at))
    J = np.array([(of(at + step) - of(at - step)) / 2e-6 for step in steps]).T
    V = solution.covariance_of.user[m:, m:]
    found = fit.emmeans("~ y", type="prob", at={"f": ["b"], "x": [0.3]}).table
    np.testing.assert_allclose(found["std_error"], np.sqrt(np.diag(J @ V @ J.T)), rtol=1e-5)


def test_marginal_probabilities_of_cells_without_rows_say_so() -> None:
    data = rows()
    data["h"] = data["h"].map("h{}".format)
    data = data[(data["f"] != "a") | (data["h"] != "h0")]
    fit = mm.glmer("y ~ f * h + (1 | g)", data, "ordinal")
    found = fit.emmeans("~ f | h", type="prob")
    lost = found.table["estimate"].isna()
    assert (found.table.loc[lost, ["f", "h"]] == ["a", "h0"]).all(axis=None)
    assert lost.sum() == len(NAMES)
    assert any("no rows with" in note for note in found.notes.values())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"weights": "counterfactual"}, "predict"),
        ({"vcov": "CR0"}, "thresholds"),
        ({"type": "probability"}, "type is 'probability'"),
    ],
)
def test_what_marginal_probabilities_do_not_have(options: dict[str, Any], words: str) -> None:
    with pytest.raises(MixedModelsError, match=words):
        graded().emmeans("temp", **{"type": "prob", **options})


def test_other_models_have_no_probabilities_of_categories() -> None:
    fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
    with pytest.raises(MixedModelsError, match="ordered response"):
        fit.emmeans("~ 1", type="prob")
    with pytest.raises(MixedModelsError, match="ordered response"):
        fit.plot_effect("Days", type="prob")  # type: ignore[arg-type]
    with pytest.raises(MixedModelsError, match="latent scale"):
        graded().plot_effect("temp", type="prob")  # type: ignore[arg-type]


def test_thresholds_alone_give_probabilities() -> None:
    fit = mm.glmer("y ~ 1 + (1 | g)", rows(), "ordinal")
    found = fit.emmeans("~ y", type="prob").table
    thresholds = fit.component_table()
    at, error = thresholds["estimate"].to_numpy(), thresholds["std_error"].to_numpy()
    upto = stats.logistic.cdf(at)
    np.testing.assert_allclose(found["estimate"], np.diff(upto, prepend=0.0, append=1.0))
    np.testing.assert_allclose(found["std_error"].iloc[0], error[0] * stats.logistic.pdf(at[0]))
    with pytest.raises(MixedModelsError, match=r"no fixed effects.*type='prob' gives"):
        fit.emmeans("1")


def test_a_response_among_the_variables_of_means_is_told_as_such() -> None:
    with pytest.raises(MixedModelsError, match="'rating' is the response: with type='prob'"):
        graded().emmeans("~ rating | temp")
    linear = mm.lmer("Reaction ~ Days + (1 | Subject)", mm.load_dataset("sleepstudy"))
    with pytest.raises(MixedModelsError, match="'Reaction' is the response, whose means these"):
        linear.emmeans("Reaction")
