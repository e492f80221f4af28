"""Parameters of the distribution with predictors: the dispersion, and zeros of their own."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import mixedmodels as mm
from mixedmodels import (
    FormulaError,
    GeneralizedLinearMixedFit,
    GeneralizedLinearMixedModel,
    MixedModelsError,
    ModelError,
)
from mixedmodels.families.catalogue import family_of
from mixedmodels.families.distribution import Distribution

Floats = NDArray[np.float64]

ALL = [
    ("gamma", "log"),
    ("gamma", "inverse"),
    ("inverse_gaussian", "log"),
    ("inverse_gaussian", "inverse_squared"),
    ("gaussian", "identity"),
    ("gaussian", "log"),
    ("negative_binomial", "log"),
    ("negative_binomial", "sqrt"),
    ("nb1", "log"),
    ("beta", "logit"),
    ("beta", "probit"),
]
COUNTS = [
    ("poisson", "log"),
    ("poisson", "sqrt"),
    ("negative_binomial", "log"),
    ("negative_binomial", "identity"),
    ("nb1", "log"),
]


def rows(
    family: str, link: str, *, n: int = 240, zeros: bool = False, sd: float = 0.6
) -> pd.DataFrame:
    """Responses of which dispersion and zeros depend on z; random effects of g have this sd."""
    rng = np.random.default_rng(11)
    data = pd.DataFrame({"g": np.arange(n) % 12, "h": rng.integers(0, 6, n)})
    data["x"], data["z"] = rng.uniform(-1, 1, (2, n))
    data["f"] = rng.choice(list("abc"), n)
    center = {"inverse": 0.8, "inverse_squared": 0.9, "sqrt": 1.6, "identity": 2.0}
    eta = center.get(link, 0.5) + 0.1 * data["x"] + sd * rng.normal(size=12)[data["g"]]
    of = family_of(family, link)
    level = {"gaussian": -1.0, "gamma": -1.0, "inverse_gaussian": -1.5, "beta": 2.0}
    own = np.exp(level.get(family, 0.4) + 0.6 * data["z"]) if of.parameter else None
    zero = 1.0 / (1.0 + np.exp(0.7 - 0.8 * data["z"])) if zeros else None
    made = Distribution(
        of,
        None if own is None else own.to_numpy(),
        None if zero is None else zero.to_numpy(),
    )
    data["y"] = made.draw(rng, of.link.mean(eta.to_numpy()), np.ones(n))
    return data


def differences(model: GeneralizedLinearMixedModel, parts: list[Floats]) -> Floats:
    """Central differences of fourth order."""
    at, ends = np.concatenate(parts), np.cumsum([len(part) for part in parts])[:-1]
    names = [part.part is not None for part in model._model.components]

    def value(par: Floats) -> float:
        theta, beta, *own = np.split(par, ends)
        roles = [part.role for part in model._model.components]
        given: dict[str, Any] = dict(zip(roles, own, strict=True))
        if "dispersion" in given and not names[roles.index("dispersion")]:
            given["dispersion"] = np.exp(given["dispersion"])
        return model.objective(theta, beta, **given)

    h = 1e-4
    return np.array(
        [
            (
                8 * (value(at + h * e) - value(at - h * e))
                - (value(at + 2 * h * e) - value(at - 2 * h * e))
            )
            / (12 * h)
            for e in np.eye(len(at))
        ]
    )


def check_gradient(model: GeneralizedLinearMixedModel, theta: Floats, beta: Floats) -> None:
    own = {}
    parts = [theta, beta]
    for number, part in enumerate(model._model.components):
        values = np.linspace(0.3, -0.2, len(part.names)) + 0.1 * number
        parts.append(values)
        constant = part.part is None and part.role == "dispersion"
        own[part.role] = np.exp(values) if constant else values
    gradient = model.gradient(theta, beta, **own)
    expected = differences(model, parts)
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-7 * abs(expected).max())


def intercept(link: str) -> float:
    return {"inverse": 0.8, "inverse_squared": 0.9, "sqrt": 1.6, "identity": 2.0}.get(link, 0.5)


@pytest.mark.parametrize(("family", "link"), ALL)
@pytest.mark.parametrize("random", ["(x | g) + (1 | h)", "(1 | g)"])
def test_gradient_by_predictors_of_the_dispersion(family: str, link: str, random: str) -> None:
    model = GeneralizedLinearMixedModel(
        f"y ~ x + {random}", rows(family, link, sd=0.05), family, link=link, dispersion="~ z * f"
    )
    theta = np.array([0.06, 0.01, 0.05, 0.04])[: len(model.theta_names)]
    check_gradient(model, theta, np.array([intercept(link), 0.05]))


@pytest.mark.parametrize(("family", "link"), COUNTS)
@pytest.mark.parametrize("dispersion", [None, "~ x"])
def test_gradient_by_predictors_of_zeros(family: str, link: str, dispersion: str | None) -> None:
    if family == "poisson" and dispersion is not None:
        return
    model = GeneralizedLinearMixedModel(
        "y ~ x + (x | g) + (1 | h)",
        rows(family, link, zeros=True, sd=0.05),
        family,
        link=link,
        dispersion=dispersion,
        zero_inflation="~ z + f",
    )
    check_gradient(model, np.array([0.06, 0.01, 0.05, 0.04]), np.array([intercept(link), 0.05]))


@pytest.mark.parametrize("family", ["gamma", "negative_binomial", "beta"])
def test_a_constant_predictor_is_one_dispersion(family: str) -> None:
    data = rows(family, "log" if family != "beta" else "logit")
    link = "logit" if family == "beta" else "log"
    one = mm.glmer("y ~ x + (1 | g)", data, family, link=link)
    same = mm.glmer("y ~ x + (1 | g)", data, family, link=link, dispersion="~ 1")
    assert same.objective == one.objective
    assert same.dispersion == one.dispersion
    data["two"] = np.where(np.arange(len(data)) % 2, "a", "b")
    cells = mm.glmer("y ~ x + (1 | g)", data, family, link=link, dispersion="~ 0 + two")
    coded = mm.glmer("y ~ x + (1 | g)", data, family, link=link, dispersion="~ two")
    assert cells.objective == pytest.approx(coded.objective, abs=1e-7)
    assert cells.npar == coded.npar == one.npar + 1
    assert coded.objective < one.objective + 1e-7


def fitted(**parts: Any) -> GeneralizedLinearMixedFit:
    data = rows("negative_binomial", "log", n=600, zeros=True)
    return mm.glmer("y ~ x + (1 | g)", data, "negative_binomial", **parts)


def test_dispersion_by_row() -> None:
    fit = fitted(dispersion="~ z", zero_inflation="~ z")
    own = fit.dispersion
    assert isinstance(own, pd.Series)
    assert own.index.equals(fit.fitted.index)
    table = fit.component_table()
    assert table.index.tolist() == [
        (part, name) for part in ("dispersion", "zero_inflation") for name in ("(Intercept)", "z")
    ]
    data = rows("negative_binomial", "log", n=600, zeros=True)
    expected = np.exp(table["estimate"].iloc[0] + table["estimate"].iloc[1] * data["z"])
    np.testing.assert_allclose(own, expected, rtol=1e-12)
    np.testing.assert_allclose(fit.predict(data, type="disp"), expected, rtol=1e-12)
    assert "Dispersion, log(k):" in str(fit)
    assert "Zero inflation, logit(probability):" in str(fit.summary())


def test_predictions_of_a_mixture() -> None:
    fit = fitted(zero_inflation="~ z")
    data = rows("negative_binomial", "log", n=600, zeros=True)
    mean, zero = fit.predict(data, type="conditional"), fit.predict(data, type="zprob")
    np.testing.assert_allclose(mean, np.exp(fit.predict(data, type="link")), rtol=1e-12)
    np.testing.assert_allclose(zero, 1 / (1 + np.exp(-fit.predict(data, type="zlink"))), rtol=1e-12)
    np.testing.assert_allclose(fit.predict(data), (1 - zero) * mean, rtol=1e-12)
    np.testing.assert_allclose(fit.predict(), fit.fitted, rtol=1e-12)
    np.testing.assert_allclose(fit.std_residuals("response"), data["y"] - fit.fitted, atol=1e-12)
    lost = data.head(3).assign(z=[np.nan, 0.1, 0.2])
    assert fit.predict(lost).isna().tolist() == [True, False, False]


def test_draws_of_a_mixture_have_its_mean_and_variance() -> None:
    rng = np.random.default_rng(3)
    of = family_of("negative_binomial")
    made = Distribution(of, 1.5, 0.3)
    mu, ones = np.full(400_000, 2.5), np.ones(400_000)
    drawn = made.draw(rng, mu, ones)
    assert drawn.mean() == pytest.approx(made.mean(mu)[0], rel=0.01)
    assert drawn.var() == pytest.approx(made.variance(mu, ones)[0], rel=0.02)


@pytest.mark.parametrize("family", ["poisson", "negative_binomial", "nb1"])
def test_a_certain_zero_leaves_no_residual(family: str) -> None:
    of = family_of(family)
    made = Distribution(of, 1.5 if of.parameter else None, 0.4)
    deviance = made.unit_deviance(np.array([0.0, 0.0, 2.0]), np.array([-800.0, 0.0, -800.0]))
    assert deviance[0] == 0.0
    assert 0.0 < deviance[1] < np.inf
    assert deviance[2] > 1e300


def test_quantile_residuals_and_simulated_responses() -> None:
    fit = fitted(dispersion="~ z", zero_inflation="~ z")
    uniform = fit.std_residuals("quantile", seed=1)
    assert abs(uniform.mean() - 0.5) < 0.04
    assert uniform.std() == pytest.approx(12**-0.5, rel=0.08)
    pearson = fit.std_residuals("pearson")
    assert pearson.var() == pytest.approx(1.0, rel=0.25)
    drawn = fit.simulate(1, seed=2)[0]
    again = fit.refit(drawn)
    assert again.converged
    np.testing.assert_allclose(
        again.component_table()["estimate"], fit.component_table()["estimate"], atol=1.0
    )


def test_missing_values_of_the_parts_drop_rows() -> None:
    data = rows("gamma", "log")
    data.loc[[3, 7], "z"] = np.nan
    data.loc[5, "f"] = None
    fit = mm.glmer("y ~ x + (1 | g)", data, "gamma", link="log", dispersion="~ z + f")
    assert fit.nobs == len(data) - 3
    assert any("3 rows with missing values dropped" in text for text in fit.messages)
    kept = data.drop(index=[3, 5, 7])
    same = mm.glmer("y ~ x + (1 | g)", kept, "gamma", link="log", dispersion="~ z + f")
    assert fit.objective == same.objective
    wide = fit.update(na_action="exclude")
    assert wide.dispersion.isna().sum() == 3
    with pytest.raises(mm.DataError, match="missing values"):
        fit.update(na_action="raise")


def test_transforms_are_replayed() -> None:
    data = rows("gamma", "log")
    fit = mm.glmer("y ~ x + (1 | g)", data, "gamma", link="log", dispersion="~ poly(z, 2)")
    np.testing.assert_allclose(fit.predict(data.head(5), type="disp"), fit.dispersion.head(5))


def test_aliased_columns_of_the_parts() -> None:
    data = rows("gamma", "log").assign(w=lambda d: 2 * d["z"] + 1)
    fit = mm.glmer("y ~ x + (1 | g)", data, "gamma", link="log", dispersion="~ z + w")
    one = fit.update(dispersion="~ z")
    assert fit.objective == pytest.approx(one.objective, abs=1e-8)
    assert any("Rank-deficient dispersion part" in text for text in fit.messages)
    assert fit.npar == one.npar


def test_shifted_and_scaled_predictors_give_the_same_fit() -> None:
    data = rows("negative_binomial", "log", zeros=True)
    data["far"] = 1e6 + 1e3 * data["z"]
    near = mm.glmer("y ~ x + (1 | g)", data, "nb2", dispersion="~ z", zero_inflation="~ z")
    far = near.update(dispersion="~ far", zero_inflation="~ far")
    assert far.objective == pytest.approx(near.objective, abs=1e-6)
    np.testing.assert_allclose(far.dispersion, near.dispersion, rtol=1e-3)


def test_updates_and_pickles() -> None:
    fit = fitted(dispersion="~ z", zero_inflation="~ 1")
    again = pickle.loads(pickle.dumps(fit))
    assert again.objective == pytest.approx(fit.objective, abs=1e-9)
    np.testing.assert_allclose(again.dispersion, fit.dispersion)
    assert fit.update(zero_inflation=None).npar == fit.npar - 1
    assert fit.update(". ~ . - x").npar == fit.npar - 1
    table = mm.anova(fit.update(dispersion=None), fit)
    assert table["df"].iloc[1] == 1


def test_parameters_by_name() -> None:
    data = rows("negative_binomial", "log", zeros=True)
    model = GeneralizedLinearMixedModel(
        "y ~ x + (1 | g)", data, "nb2", dispersion="~ z", zero_inflation="~ 1"
    )
    assert model.parameter_names == [
        "g.(Intercept)",
        "(Intercept)",
        "x",
        "dispersion.(Intercept)",
        "dispersion.z",
        "zero_inflation.(Intercept)",
    ]
    with pytest.raises(MixedModelsError, match="must be 2 coefficients"):
        model.objective([0.1], [0.1, 0.2], [0.3], [0.1])
    with pytest.raises(MixedModelsError, match="must be 1 coefficients"):
        model.objective([0.1], [0.1, 0.2], [0.3, 0.1])


REFUSED = [
    ("poisson", {"dispersion": "~ z"}, ModelError, "negative_binomial"),
    ("binomial", {"dispersion": "~ z"}, ModelError, "no parameter beside its mean"),
    ("gamma", {"zero_inflation": "~ z"}, ModelError, "families of counts"),
    ("truncated_poisson", {"zero_inflation": "~ z"}, ModelError, "hurdle"),
    ("negative_binomial", {"dispersion": "z"}, FormulaError, "begins with '~'"),
    ("negative_binomial", {"dispersion": "y ~ z"}, FormulaError, "nothing left of '~'"),
    ("negative_binomial", {"dispersion": "~ (1 | g)"}, FormulaError, "fixed effects only"),
    ("negative_binomial", {"dispersion": "~ offset(z)"}, FormulaError, "no offset"),
    ("negative_binomial", {"dispersion": "~ 0"}, FormulaError, "no terms"),
    ("negative_binomial", {"dispersion": "~ nothing"}, FormulaError, "nothing"),
    ("negative_binomial", {"zero_inflation": 1}, FormulaError, "must be a formula"),
    ("negative_binomial", {"zero_inflation": ["z"]}, FormulaError, "must be a formula"),
    ("negative_binomial", {"zero_inflation": "~ z +"}, FormulaError, "right"),
    ("poisson", {"zero_inflation": "~ 1"}, ModelError, "is never zero"),
]


@pytest.mark.parametrize(("family", "parts", "error", "says"), REFUSED)
def test_refused_parts(
    family: str, parts: dict[str, Any], error: type[Exception], says: str
) -> None:
    data = pd.DataFrame({"y": [1, 1, 2, 1, 3, 1] * 4, "g": [0, 1, 2, 3] * 6})
    data["z"] = np.arange(24) / 24
    with pytest.raises(error, match=says):
        mm.glmer("y ~ 1 + (1 | g)", data, family, **parts)


def test_a_probability_of_zero_is_reported() -> None:
    rng = np.random.default_rng(8)
    data = pd.DataFrame({"g": np.arange(400) % 20})
    mu = np.exp(1.0 + 0.5 * rng.normal(size=20)[data["g"]])
    data["y"] = np.maximum(rng.poisson(mu), np.arange(400) % 9 > 0)
    with pytest.warns(mm.ConvergenceWarning, match="No zero inflation"):
        fit = mm.glmer("y ~ 1 + (1 | g)", data, "poisson", zero_inflation="~ 1")
    plain = mm.glmer("y ~ 1 + (1 | g)", data, "poisson")
    assert fit.objective == pytest.approx(plain.objective, abs=1e-3)


EXTREME = {
    "large": np.r_[np.zeros(30), np.full(70, 1_000_000.0)] + np.arange(100) % 7 * 0.0,
    "sparse": np.r_[np.zeros(97), [1.0, 2.0, 40.0]],
    "one count": np.r_[np.zeros(99), 1.0],
}


@pytest.mark.parametrize("which", EXTREME)
@pytest.mark.parametrize("family", ["poisson", "negative_binomial", "nb1"])
@pytest.mark.filterwarnings("ignore")
def test_extreme_counts_end(which: str, family: str) -> None:
    data = pd.DataFrame({"y": EXTREME[which], "g": np.arange(100) % 10})
    fit = mm.glmer("y ~ 1 + (1 | g)", data, family, zero_inflation="~ 1")
    assert np.isfinite(fit.objective)
    assert np.isfinite(fit.fitted).all()


TRUNCATED = [
    (
        "truncated_poisson",
        [2.574623, 8.969714, 6.002799],
        [2.913240, 6.038117, 1.769708],
        [0.526209, 1.024960, 0.226834],
        1e-5,
    ),
    (
        "truncated_negative_binomial",
        [2.689710, 8.356805, 6.065187],
        [3.207815, 6.351376, 1.874493],
        [0.592783, 1.071015, 0.256203],
        5e-3,
    ),
]


@pytest.mark.parametrize(("family", "fitted", "means", "errors", "tolerance"), TRUNCATED)
def test_the_mean_of_truncated_counts_is_that_of_those_seen(
    family: str, fitted: list[float], means: list[float], errors: list[float], tolerance: float
) -> None:
    data = mm.load_dataset("grouseticks").query("TICKS > 0").reset_index(drop=True)
    fit = mm.glmer("TICKS ~ YEAR + (1 | BROOD)", data, family)
    # glmmTMB 1.1.5: fitted(), residuals(), predict(type = "response", re.form = NA, se.fit = TRUE);
    # its errors take k as estimated
    rows = [0, 49, 199]
    np.testing.assert_allclose(fit.fitted.iloc[rows], fitted, rtol=1e-5)
    left = data["TICKS"].iloc[rows] - fitted
    np.testing.assert_allclose(fit.std_residuals("response").iloc[rows], left, rtol=1e-4)
    table = fit.predict_interval({"YEAR": ["95", "96", "97"]}, random="none")
    np.testing.assert_allclose(table["prediction"], means, rtol=1e-5)
    np.testing.assert_allclose(table["std_error"], errors, rtol=tolerance)
    assert (table["lower"] > 1.0).all()
    # What was drawn has these means, and residuals the variance that the family says.
    drawn = np.asarray(fit.simulate(400, seed=1, modes="kept")).T
    spread = drawn.std(axis=0) / 20.0
    assert np.abs((drawn.mean(axis=0) - fit.fitted) / spread).max() < 5.0
    before = fit.predict(type="conditional")
    np.testing.assert_allclose(before, np.exp(fit.predict(type="link")))
    assert (fit.predict() >= before).all()
    assert (fit.predict() > 1.0).all()
    average = fit.predict_interval({"YEAR": ["95"]}, random="average")
    assert 1.0 < average.loc[0, "lower"] < average.loc[0, "prediction"] < average.loc[0, "upper"]


@pytest.mark.parametrize("family", ["truncated_poisson", "truncated_negative_binomial"])
def test_the_mean_seen_and_its_slope_are_smooth(family: str) -> None:
    own, k = family_of(family, None), 0.7 if family.endswith("binomial") else None
    mu = np.geomspace(1e-9, 1e4, 300)
    mean, slope = own.seen(mu, k)
    step = 1e-4 * mu
    differences = (own.seen(mu + step, k)[0] - own.seen(mu - step, k)[0]) / (2.0 * step)
    some = mu > 1e-3
    np.testing.assert_allclose(slope[some], differences[some], rtol=1e-6)
    assert (np.diff(mean) >= 0.0).all()
    assert (np.abs(np.diff(np.log(slope))) < 0.2).all()
    m = np.ones_like(mu)
    known = slope if k is None else slope * (mu + k) / k
    np.testing.assert_allclose(own.variance(mu, m, k)[some], (mu * known)[some], rtol=1e-8)


def test_truncated_counts_with_predictors_of_the_dispersion() -> None:
    data = mm.load_dataset("grouseticks").query("TICKS > 0").reset_index(drop=True)
    fit = mm.glmer(
        "TICKS ~ 1 + (1 | BROOD)", data, "truncated_negative_binomial", dispersion="~ YEAR"
    )
    new = data.head(5)
    np.testing.assert_allclose(fit.predict(new), fit.fitted.head(5))
    table = fit.predict_interval(new)
    np.testing.assert_allclose(table["prediction"], fit.predict(new))
    assert (table["lower"] > 1.0).all()
    with pytest.raises(MixedModelsError, match="truncated counts with predictors"):
        fit.predict(new, random="average")
    assert np.isfinite(fit.predict_interval(new, type="link")).all(axis=None)


def test_errors_of_predictions_with_zeros_of_their_own() -> None:
    """Rows of zeros may have a negative curvature, which counts as the criterion has it."""
    data = mm.load_dataset("grouseticks")
    fit = mm.glmer(
        "TICKS ~ YEAR + scale(HEIGHT) + (1 | BROOD) + (1 | LOCATION)",
        data,
        "poisson",
        zero_inflation="~ 1",
    )
    with fit.model._model.criterion().at(fit.solution.par) as point:
        assert (np.array(point.weights) < 0.0).any()
    # glmmTMB 1.1.5: predict(type = "link", se.fit = TRUE)
    rows, table = [0, 19, 99, 249, 402], fit.predict_interval(type="link", uncertainty="full")
    np.testing.assert_allclose(
        table["std_error"].iloc[rows], [0.695027, 0.449463, 0.738016, 0.110751, 0.560984], rtol=5e-4
    )
    known = fit.predict_interval(type="link")["std_error"]
    assert (known <= table["std_error"] + 1e-12).all()
    # Without its own rows a level has its variance beside that of the fixed part.
    new = {"YEAR": ["96"], "HEIGHT": [460.0], "BROOD": ["new"], "LOCATION": ["new"]}
    one = fit.predict_interval(new, type="link", allow_new_levels=True)["std_error"][0]
    fixed = np.sqrt(
        [1.0, 1.0, 0.0, (460.0 - data["HEIGHT"].mean()) / data["HEIGHT"].std()]
        @ fit.vcov_conditional.to_numpy()
        @ [1.0, 1.0, 0.0, (460.0 - data["HEIGHT"].mean()) / data["HEIGHT"].std()]
    )
    assert one == pytest.approx(np.sqrt(fixed**2 + (fit.theta**2).sum()), rel=1e-6)
