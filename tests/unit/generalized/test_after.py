"""What is read off a generalized fit: rows, variances, shares, predictions with their errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from generalized_fits import CASES, HERDS, fit_case
from scipy import special, stats

import mixedmodels as mm

LOG_COUNTS = ["crossed", "negative binomial", "nb1", "gamma, weights"]


@pytest.fixture(params=CASES)
def fit(request: pytest.FixtureRequest) -> Any:
    return fit_case(request.param)


def dense(fit: Any) -> tuple[Any, Any, Any]:
    """X, Z Lambda and weights of the scoring step."""
    design, templates = fit.model.design, fit.model._model.templates
    columns = []
    for term, lam in zip(design.terms, templates.lam(fit.theta), strict=True):
        codes = design.groups[term.group].codes
        for level in range(design.groups[term.group].n_levels):
            columns += [(np.asarray(term.z) * (codes == level)[:, None]) @ lam]
    eta = fit.predict(type="link").to_numpy()
    m = np.ones(design.n) if design.w is None else design.w
    of = fit._generalized.distribution
    w = of.slope(eta) ** 2 / of.variance(eta, m)
    return design.X[:, fit.solution.kept], np.hstack(columns), w


def log_density(fit: Any, eta: Any) -> Any:
    """(n,) log densities of the responses at predictors, as SciPy has them."""
    of, m = fit.family, np.ones(len(eta)) if fit.model.design.w is None else fit.model.design.w
    y, mu, own = fit._generalized.mean_response, of.link.mean(eta), fit.dispersion
    densities = {
        "binomial": lambda: special.xlogy(m * y, mu) + special.xlog1py(m * (1 - y), -mu),
        "poisson": lambda: stats.poisson.logpmf(y, mu),
        "negative_binomial": lambda: stats.nbinom.logpmf(y, own, own / (own + mu)),
        "nb1": lambda: stats.nbinom.logpmf(y, mu / own, 1 / (1 + own)),
        "truncated_poisson": lambda: stats.poisson.logpmf(y, mu) - np.log(-np.expm1(-mu)),
        "gamma": lambda: stats.gamma.logpdf(y, m / own, scale=mu * own / m),
        "beta": lambda: stats.beta.logpdf(y, mu * own, (1 - mu) * own),
        "gaussian": lambda: stats.norm.logpdf(y, mu, np.sqrt(own / m)),
        "inverse_gaussian": lambda: -m * (y - mu) ** 2 / (2 * own * y * mu**2),
    }
    return densities[of.name]()


def curvatures(fit: Any) -> Any:
    """(n,) minus the second derivatives of the log densities, by differences of fourth order."""
    eta, step = fit.predict(type="link").to_numpy(), 1e-2
    near, at, far = (
        log_density(fit, eta + k * step) + log_density(fit, eta - k * step) for k in (1, 0, 2)
    )
    return -(16 * near - 15 * at - far) / (12 * step**2)


def test_leverage_is_that_of_the_weighted_problem(fit: Any) -> None:
    X, ZL, w = dense(fit)
    both = np.hstack([ZL, X])
    penalty = np.diag(np.append(np.ones(ZL.shape[1]), np.zeros(X.shape[1])))
    hat = np.linalg.solve(both.T @ (w[:, None] * both) + penalty, both.T)
    expected = w * np.einsum("ij,ji->i", both, hat)
    np.testing.assert_allclose(fit.leverage(), expected, rtol=1e-6, atol=1e-10)
    assert ((fit.leverage() >= 0) & (fit.leverage() <= 1)).all()


def test_augment_has_the_numbers_of_the_other_methods(fit: Any) -> None:
    table = fit.augment()
    np.testing.assert_allclose(table[".fitted"], fit.fitted)
    np.testing.assert_allclose(table[".link"], fit.predict(type="link"))
    np.testing.assert_allclose(table[".resid"], fit.residuals)
    np.testing.assert_allclose(table[".hat"], fit.leverage())
    np.testing.assert_allclose(table[".fixed"], fit.predict(type="link", random="none"))
    pearson, spare = fit.std_residuals("pearson"), 1 - fit.leverage()
    np.testing.assert_allclose(table[".std_resid"], pearson / np.sqrt(spare))
    if fit.solution.p:
        expected = pearson**2 * fit.leverage() / spare**2 / fit.solution.p
        np.testing.assert_allclose(table[".cooksd"], expected)
        np.testing.assert_allclose(fit.cooks_distance(), expected)
    whole = fit.augment(fit.data)
    assert len(whole) == fit.nobs
    added = [name for name in table.columns if name.startswith(".")]
    pd.testing.assert_frame_equal(table[added], whole[added])
    frame = fit.model_frame().drop(columns=["(weights)", "(offset)"], errors="ignore")
    assert {*frame.columns, *added} == set(table.columns)


def test_the_model_frame_has_shares_as_they_were_given() -> None:
    fit = fit_case("shares, probit")
    data = mm.load_dataset("cbpp")
    frame = fit.model_frame()
    np.testing.assert_allclose(frame["incidence / size"], data["incidence"] / data["size"])
    np.testing.assert_array_equal(frame["(weights)"], data["size"])
    other = data.assign(incidence=data["size"] - data["incidence"])
    with pytest.raises(mm.DataError, match="'incidence / size' has other values"):
        fit.model_frame(other)


def test_the_table_of_another_response_is_refused() -> None:
    fit = fit_case("crossed")
    with pytest.raises(mm.DataError, match="not the response"):
        fit.augment(fit.data.assign(y=1.0))


def test_errors_of_all_parameters(fit: Any) -> None:
    full = fit.vcov_full()
    p, m = fit.solution.p, len(fit.theta)
    names = [*full.index[:p], *fit.theta_names]
    names += [fit.family.parameter] if fit.dispersion is not None else []
    assert list(full.index) == list(full.columns) == names
    np.testing.assert_allclose(full.iloc[:p, :p], fit.vcov, rtol=1e-10)
    np.testing.assert_allclose(fit.stderror_full() ** 2, np.diag(full), rtol=1e-12)
    assert (np.isnan(np.diag(full)[p : p + m]) == (fit.theta == 0.0)).all()
    free = np.flatnonzero(np.isfinite(np.diag(full)))
    at = np.concatenate([fit.beta[fit.solution.kept], fit.theta, [fit.dispersion or 0.0]])

    def gradient(values: Any) -> Any:
        own = values[p + m] if fit.dispersion is not None else None
        found = fit.model.gradient(values[p : p + m], values[:p], own)
        by_own = found[m + p :] / (1.0 if own is None else own)
        return np.concatenate([found[m : m + p], found[:m], by_own])

    hessian = np.empty((len(full), len(full)))
    for j in free:
        h = np.zeros(len(at))
        h[j] = 1e-3 * np.sqrt(full.iloc[j, j])
        hessian[:, j] = (gradient(at + h) - gradient(at - h)) / (2 * h[j])
    expected = np.linalg.inv(0.5 * hessian[np.ix_(free, free)])
    found = full.to_numpy()[np.ix_(free, free)]
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(found / scale, expected / scale, atol=2e-5)


@pytest.mark.filterwarnings("ignore:No standard error")
def test_components_with_errors(fit: Any) -> None:
    table = fit.varcorr_table()
    assert len(table) == len(fit.varcorr.to_frame())
    single = table[table["var2"].isna()]
    if len(fit.theta) == len(single):  # independent effects
        errors = fit.stderror_full()[fit.theta_names]
        np.testing.assert_allclose(single["sdcor_std_error"], errors, rtol=1e-8)
        np.testing.assert_allclose(
            single["vcov_std_error"], 2 * single["sdcor"].to_numpy() * errors, rtol=1e-8
        )


def test_inflation_of_variances() -> None:
    data = fit_case("crossed").data.copy()
    data["z"] = data["x"] + np.random.default_rng(1).normal(size=240)
    fit = mm.glmer("y ~ x + z + (1 | g)", data, "poisson")
    correlation = fit.vcov.iloc[1, 2] / np.sqrt(fit.vcov.iloc[1, 1] * fit.vcov.iloc[2, 2])
    np.testing.assert_allclose(fit.vif()["gvif"], 1 / (1 - correlation**2), rtol=1e-8)
    far = mm.glmer("y ~ I(x + 1e4) + z + (1 | g)", data, "poisson")
    np.testing.assert_allclose(far.vif()["gvif"], fit.vif()["gvif"], rtol=1e-4)


@pytest.mark.parametrize("name", ["plot_residuals", "plot_qq", "plot_scale_location"])
def test_pictures_of_rows(fit: Any, name: str) -> None:
    figure = getattr(fit, name)()
    assert figure.axes


def test_pictures_of_a_right_model_are_level() -> None:
    """Zeros and ones of known probabilities: means and spread of what is drawn, along the fit."""
    rng = np.random.default_rng(8)
    data = pd.DataFrame({"x": rng.normal(size=6000), "g": np.arange(6000) % 60})
    eta = -0.5 + 1.5 * data["x"] + 0.7 * rng.normal(size=60)[data["g"]]
    data["y"] = rng.random(6000) < 1 / (1 + np.exp(-eta))
    fit = mm.glmer("y ~ x + (1 | g)", data)
    (_, means), (kind, normal) = fit._residuals_drawn, fit._normal_if_right
    assert fit.plot_scale_location().axes[0].get_ylabel() == "√|normal quantile residual|"
    assert kind == "Normal quantile residuals"
    order = np.argsort(fit.predict(type="link").to_numpy())
    for part in np.array_split(order, 6):
        assert abs(means[part].mean()) < 0.13
        assert abs(np.sqrt(np.abs(normal[part])).mean() - 0.822) < 0.04


@pytest.mark.parametrize("name", LOG_COUNTS)
def test_shares_with_a_log_link(name: str) -> None:
    fit = fit_case(name)
    null = fit.update(f"y ~ 1 + {fit.formula.split('x + ')[1]}")
    mu = float(np.exp(null.beta[0] + (null.varcorr.sd**2).sum() / 2))
    own = fit.dispersion
    relative = {
        "crossed": 1 / mu,
        "negative binomial": 1 / mu + 1 / (own or 1),
        "nb1": (1 + (own or 0)) / mu,
        "gamma, weights": own,
    }[name]
    kinds = {
        "delta": relative,
        "lognormal": np.log1p(relative),
        "trigamma": special.polygamma(1, 1 / relative),
    }
    fixed = np.var(fit.model.X @ fit.beta, ddof=1)
    random = float((fit.varcorr.sd**2).sum())
    for kind, residual in kinds.items():
        total = fixed + random + residual
        found = fit.r2(variance=kind)
        np.testing.assert_allclose(found, [fixed / total, (fixed + random) / total], rtol=1e-6)
        assert found.attrs["variance"] == kind
        icc = fit.icc(variance=kind).loc["all"]
        assert icc["adjusted"] == pytest.approx(random / (random + residual), rel=1e-6)
        assert icc["conditional"] == pytest.approx(random / total, rel=1e-6)
    pd.testing.assert_series_equal(fit.r2(), fit.r2(variance="lognormal"))


@pytest.mark.parametrize(
    ("link", "residual"), [("logit", np.pi**2 / 3), ("probit", 1.0), ("cloglog", np.pi**2 / 6)]
)
def test_shares_of_a_latent_variable(link: str, residual: float) -> None:
    fit = mm.glmer(HERDS, mm.load_dataset("cbpp"), link=link)
    fixed = np.var(fit.model.X @ fit.beta, ddof=1)
    random = fit.theta[0] ** 2
    total = fixed + random + residual
    np.testing.assert_allclose(fit.r2(), [fixed / total, (fixed + random) / total])
    mean = fit.update("cbind(incidence, size - incidence) ~ 1 + (1 | herd)")
    x, weight = np.polynomial.hermite_e.hermegauss(30)
    share = fit.family.link.mean(mean.beta[0] + mean.theta[0] * x) @ weight / weight.sum()
    slope = fit.family.link.slope(fit.family.link.predictor(np.array([share])))[0]
    delta = share * (1 - share) / slope**2
    total = fixed + random + delta
    found = fit.r2(variance="delta")
    np.testing.assert_allclose(found, [fixed / total, (fixed + random) / total], rtol=1e-6)


def test_an_effect_for_each_row_is_overdispersion() -> None:
    ticks = mm.load_dataset("grouseticks")
    fit = mm.glmer("TICKS ~ YEAR + (1 | BROOD) + (1 | INDEX)", ticks, "poisson")
    assert list(fit.icc().index) == ["BROOD", "all"]
    assert fit.icc()["variance"]["all"] == pytest.approx(fit.varcorr.sd["BROOD"].iloc[0] ** 2)


@pytest.mark.parametrize(
    ("name", "variance", "says"),
    [
        ("crossed", "theoretical", "of binomial and ordinal models"),
        ("trials", "lognormal", "log link"),
        ("beta", "trigamma", "log link"),
        ("trials", "latent", "variance"),
    ],
)
def test_shares_that_a_model_does_not_have(name: str, variance: str, says: str) -> None:
    with pytest.raises(mm.MixedModelsError, match=says):
        fit_case(name).r2(variance=variance)


# -- predictions with errors ----------------------------------------------------------------------


def test_intervals_without_random_effects_are_those_of_tests(fit: Any) -> None:
    if not fit.solution.p:
        return
    table = fit.predict_interval(random="none", type="link")
    X = fit.model.X[:, fit.solution.kept]
    error = np.sqrt(np.einsum("ij,ij->i", X @ fit.vcov.to_numpy(), X))
    np.testing.assert_allclose(table["std_error"], error)
    np.testing.assert_allclose(
        table["lower"], table["prediction"] - stats.norm.ppf(0.975) * error, rtol=1e-10
    )
    response = fit.predict_interval(random="none")
    mean = fit._generalized.distribution.mean
    np.testing.assert_allclose(response["prediction"], fit.predict(random="none"))
    ends = np.sort([mean(table["lower"].to_numpy()), mean(table["upper"].to_numpy())], axis=0)
    np.testing.assert_allclose(response[["lower", "upper"]].to_numpy().T, ends)


def test_errors_of_modes_are_those_of_the_joint_problem(fit: Any) -> None:
    """By the curvature that the determinant has, which may be negative in some rows."""
    X, ZL, _ = dense(fit)
    w = curvatures(fit)
    both = np.hstack([ZL, X])
    penalty = np.diag(np.append(np.ones(ZL.shape[1]), np.zeros(X.shape[1])))
    inverse = np.linalg.inv(both.T @ (w[:, None] * both) + penalty)
    expected = np.sqrt(np.einsum("ij,ij->i", both @ inverse, both))
    table = fit.predict_interval(type="link")
    np.testing.assert_allclose(table["std_error"], expected, rtol=1e-5)
    np.testing.assert_allclose(table["prediction"], fit.predict(type="link"))


def with_expected(family: str, link: str | None, n_agq: int = 1) -> Any:
    """A fit whose determinant has expected weights, on responses of any family."""
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"g": np.repeat(np.arange(12), 10), "x": rng.normal(size=120)})
    eta = -0.3 + 0.8 * data["x"] + 0.9 * rng.normal(size=12)[data["g"]]
    mean = 1.0 / (1.0 + np.exp(-eta))
    data["y"] = {
        "binomial": lambda: (rng.random(120) < 1.0 - np.exp(-np.exp(eta))).astype(int),
        "beta": lambda: rng.beta(4.0 * mean, 4.0 * (1.0 - mean)).clip(1e-6, 1.0 - 1e-6),
        "gamma": lambda: rng.gamma(3.0, np.exp(eta) / 3.0),
        "negative_binomial": lambda: rng.poisson(np.exp(eta) * rng.gamma(2.0, 0.5, 120)),
    }[family]()
    formula = "y ~ x + (1 | g)"
    return mm.glmer(formula, data, family, link=link, information="expected", n_agq=n_agq)


@pytest.mark.parametrize(
    ("family", "link", "n_agq"),
    [
        ("binomial", "cloglog", 1),
        ("binomial", "cloglog", 0),
        ("beta", None, 1),
        ("gamma", "log", 1),
        ("negative_binomial", None, 0),
    ],
)
def test_uncertainties_of_expected_information_have_its_weights(
    family: str, link: str | None, n_agq: int
) -> None:
    fit = with_expected(family, link, n_agq)
    X, ZL, w = dense(fit)
    if family == "beta":
        mu, phi = fit.predict().to_numpy(), fit.dispersion
        trigamma = special.polygamma(1, mu * phi) + special.polygamma(1, (1.0 - mu) * phi)
        w = phi**2 * trigamma * (mu * (1.0 - mu)) ** 2
    q = ZL.shape[1]
    both = np.hstack([ZL, X])
    penalty = np.diag(np.append(np.ones(q), np.zeros(X.shape[1])))
    joint = both.T @ (w[:, None] * both) + penalty
    inverse = np.linalg.inv(joint)
    modes = fit.theta[0] ** 2 * np.diag(np.linalg.inv(joint[:q, :q]))
    np.testing.assert_allclose(fit.ranef_cov()["g"][:, 0, 0], modes, rtol=1e-6)
    np.testing.assert_allclose(fit.ranef_table()["std_error"], np.sqrt(modes), rtol=1e-6)
    np.testing.assert_allclose(fit.vcov_conditional, inverse[q:, q:], rtol=1e-5)
    rows = np.einsum("ij,jk,ik->i", both, inverse, both)
    error = fit.predict_interval(type="link")["std_error"]
    np.testing.assert_allclose(error, np.sqrt(rows), rtol=1e-6)
    np.testing.assert_allclose(fit.leverage(), w * rows, rtol=1e-6)
    solution = fit._generalized.solution
    logdet = np.linalg.slogdet(joint[:q, :q])[1]
    assert solution.logdet_L2 == pytest.approx(logdet, rel=1e-8)
    assert solution.penalized + solution.logdet_L2 == pytest.approx(fit.objective, rel=1e-12)
    if n_agq == 0:  # what theta leaves open comes on top of what is conditional on it
        assert np.linalg.eigvalsh(fit.vcov - fit.vcov_conditional)[0] > -1e-9
    # Reading covariances leaves the point as it was.
    criterion = fit.model._model.criterion()
    with criterion.at(solution.par) as point:
        before = point.gradient().copy()
        point.conditional_covariance(), point.fixed_covariance()
        np.testing.assert_array_equal(point.gradient(), before)
        np.testing.assert_allclose(point.hessian(), solution.covariance_of.hessian, rtol=1e-9)


def test_uncertainties_of_expected_information_are_those_of_lme4() -> None:
    """Its condVar, and its vcov by RX where the coefficients are in the mode."""
    fit, mode = with_expected("binomial", "cloglog"), with_expected("binomial", "cloglog", 0)
    sd = np.sqrt(fit.ranef_cov()["g"][:4, 0, 0])
    np.testing.assert_allclose(sd, [0.467979, 0.407471, 0.410697, 0.397101], rtol=5e-5)
    error = np.sqrt(np.diag(fit.vcov_conditional))
    np.testing.assert_allclose(error, [0.261319, 0.183646], rtol=5e-5)
    sd = np.sqrt(mode.ranef_cov()["g"][:4, 0, 0])
    np.testing.assert_allclose(sd, [0.459334, 0.404707, 0.406179, 0.391657], rtol=5e-6)
    error = np.sqrt(np.diag(mode.vcov_conditional))
    np.testing.assert_allclose(error, [0.2582230, 0.1765831], rtol=5e-6)


def test_what_is_left_open_widens_intervals(fit: Any) -> None:
    narrow = fit.predict_interval(type="link")["std_error"]
    wide = fit.predict_interval(type="link", uncertainty="full")["std_error"]
    assert (wide >= narrow * (1 - 1e-9)).all()
    if (fit.theta > 0).all():
        assert (wide > narrow).any()


def test_the_mean_over_random_effects_is_that_of_draws(fit: Any) -> None:
    data = fit.data
    found = fit.predict(random="average").to_numpy()
    design, templates = fit.model.design, fit.model._model.templates
    rng = np.random.default_rng(2)
    eta = fit.predict(random="none", type="link").to_numpy()[:5, None]
    for term, lam in zip(design.terms, templates.lam(fit.theta), strict=True):
        eta = eta + np.asarray(term.z)[:5] @ lam @ rng.normal(size=(len(lam), 200_000))
    means = fit._generalized.distribution.mean(eta).mean(axis=1)
    np.testing.assert_allclose(found[:5], means, rtol=0.02)
    new = {name: data[name][:5] for name in data if name not in ("herd", "g", "h")}
    np.testing.assert_allclose(fit.predict(new, random="average"), found[:5])
    table = fit.predict_interval(random="average", uncertainty="full")
    assert (table["lower"] <= table["prediction"]).all()
    assert (table["upper"] >= table["prediction"]).all()


def test_errors_of_the_mean_over_random_effects() -> None:
    """With a log link the mean is exp(x'b + s^2 / 2), whose error has a closed form."""
    fit = fit_case("negative binomial")
    full = fit.vcov_full().iloc[:3, :3].to_numpy()
    slopes = np.column_stack([fit.model.X, np.full(fit.nobs, fit.theta[0])])
    expected = np.sqrt(np.einsum("ij,ij->i", slopes @ full, slopes))
    table = fit.predict_interval(random="average", uncertainty="full", type="link")
    np.testing.assert_allclose(table["std_error"], expected, rtol=1e-6)
    mean = fit.predict(random="none") * np.exp(fit.theta[0] ** 2 / 2)
    np.testing.assert_allclose(fit.predict(random="average"), mean, rtol=1e-10)


def test_intervals_of_observations_cover_them(fit: Any) -> None:
    table = fit.predict_interval(kind="prediction")
    y = fit._fitted.response
    inside = (table["lower"].to_numpy() <= y) & (y <= table["upper"].to_numpy())
    assert inside.mean() >= 0.9
    pd.testing.assert_frame_equal(table, fit.predict_interval(kind="prediction"))


def test_new_levels_and_missing_values() -> None:
    fit = fit_case("trials")
    new = {"period": ["1", "4", "1"], "herd": ["1", "new", None]}
    with pytest.raises(mm.DataError, match="new"):
        fit.predict_interval(new)
    table = fit.predict_interval(new, allow_new_levels=True)
    assert table.isna().all(axis=1).tolist() == [False, False, True]
    link = fit.predict_interval(new, allow_new_levels=True, type="link")["std_error"]
    alone = fit.predict_interval(new, random="none", type="link")["std_error"]
    assert link[1] ** 2 == pytest.approx(alone[1] ** 2 + fit.theta[0] ** 2, rel=0.05)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kind": "prediction", "type": "link"}, "scale of the response"),
        ({"kind": "prediction", "random": "average"}, "random='average'"),
        ({"type": "mean"}, "type"),
        ({"vcov": np.eye(4)}, "vcov="),
        ({"level": 2.0}, "level"),
        ({"uncertainty": "none"}, "uncertainty"),
        ({"random": "mean"}, "random"),
    ],
)
def test_options_that_do_not_go_together(options: Any, says: str) -> None:
    with pytest.raises(mm.MixedModelsError, match=says):
        fit_case("trials").predict_interval(**options)
