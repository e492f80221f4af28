"""What must not depend on origin and scale of a covariate, of the response or of the weights.

A covariate moved by `origin` standard deviations is itself known to eps * origin only; numbers are
held to that times a condition, and to 1e-6 where a search or differences set the limit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import mixedmodels as mm

pytestmark = [
    pytest.mark.filterwarnings("ignore::mixedmodels.RefitWarning"),
    pytest.mark.filterwarnings("ignore::mixedmodels.SingularFitWarning"),
]

Numbers = dict[str, NDArray[np.float64]]
EPS = float(np.finfo(np.float64).eps)

# Formula, weights; `t` moves, `z` does not.
MODELS: dict[str, tuple[str, str | None]] = {
    "one slope": ("y ~ t + (t | g)", None),
    "two slopes": ("y ~ t + z + (t + z | g)", None),
    "two terms of one factor": ("y ~ t + z + (t | g) + (0 + z | g)", None),
    "crossed": ("y ~ t + (t | g) + (1 | h)", None),
    "nested": ("y ~ t + (t | k) + (1 | g)", None),
    "weights": ("y ~ t + (t | g)", "w"),
}


def table(seed: int) -> pd.DataFrame:
    """24 groups of 8 rows with random intercepts and slopes."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(24), 8)
    n = len(g)
    t, z, h = rng.normal(size=n), rng.normal(size=n), rng.integers(0, 7, n)
    effects = rng.normal(0.0, (1.5, 0.8, 0.6), (24, 3))[g]
    y = 5.0 + effects[:, 0] + (0.7 + effects[:, 1]) * t + (0.3 + effects[:, 2]) * z
    y += rng.normal(size=7)[h] + rng.normal(size=n)
    w = rng.uniform(0.3, 3.0, n)
    return pd.DataFrame({"y": y, "t": t, "z": z, "g": g, "h": h, "k": g // 4, "w": w})


def fit_of(data: pd.DataFrame, name: str, *, reml: bool) -> mm.LinearMixedFit:
    formula, weights = MODELS[name]
    return mm.lmer(formula, data, weights=weights, reml=reml, threads=1)


def slope_sd(fit: mm.LinearMixedFit) -> str:
    names = mm.LinearMixedFit.profile(fit, parameters="sigma").estimates.index
    return next(name for name in names if name.startswith("sd(") and name.endswith(".t)"))


def at_once(fit: mm.LinearMixedFit, of_t: float) -> Numbers:
    """Numbers of one fit, those in units of a coefficient of t times `of_t`."""
    out: dict[str, Any] = {"criterion": fit.objective, "sigma": fit.sigma}
    out["beta"] = [of_t * fit.fixef["t"], of_t * fit.stderror["t"]]
    for method in ("satterthwaite", "kenward-roger"):
        row = fit.coef_table(method).loc["t"]
        out[f"t {method}"] = [of_t * row["std_error"], row["df"], np.log(row["p_value"])]
        out[f"F {method}"] = fit.anova(ddf=method).loc["t", ["den_df", "statistic"]]
    components = fit.varcorr_table().set_index(["var1", "var2", "grp"])
    own = components[components.index.get_level_values(0) == "t"].iloc[0]
    out["component"] = [of_t * own["sdcor"], of_t * own["sdcor_std_error"], own["df"]]
    out["residual"] = components.iloc[-1][["sdcor", "sdcor_std_error", "df"]]
    out["rows"] = [fit.fitted, fit.residuals, fit.leverage(), fit.cooks_distance()]
    out["shares"] = np.concatenate([fit.icc()["adjusted"], fit.r2()])
    parts = fit.repca("orthogonal").values()
    out["components"] = np.concatenate([part.table["sd"] for part in parts])
    out["verdict"] = [fit.is_singular, fit.converged]
    return {key: np.asarray(value, dtype=np.float64) for key, value in out.items()}


def searched(fit: mm.LinearMixedFit, of_t: float) -> Numbers:
    """Numbers that take searches of their own, of a fit by ML."""
    name = slope_sd(fit)
    limits = fit.confint(parameters=[name, "sigma", "t"])
    out: dict[str, Any] = {
        "limits": limits.to_numpy() * np.array([[of_t], [1.0], [of_t]]),
    }
    without = fit.influence(by="g")
    out["influence"] = np.column_stack([of_t * without.beta["t"], without.sigma])
    drawn = fit.bootstrap(4, seed=1).replicates
    out["bootstrap"] = np.column_stack([of_t * drawn[name], drawn["sigma"]])
    out["prediction"] = fit.predict_interval(kind="prediction", uncertainty="full").to_numpy()
    out["drop1"] = fit.drop1().to_numpy(dtype=np.float64)[-1, -1:]
    return {key: np.asarray(value, dtype=np.float64) for key, value in out.items()}


def after_the_fit(fit: mm.LinearMixedFit, of_t: float) -> Numbers:
    """Tests, Wald limits, inflation and influence, of an additive fixed part."""
    out: dict[str, Any] = {"inflation": fit.vif()["gvif"]}
    out["Wald"] = of_t * fit.confint(parameters="t", method="wald").to_numpy()
    tests = ["num_df", "den_df", "statistic", "p_value"]
    for kind in (1, 2, 3):
        out[f"type {kind}"] = fit.anova(type=kind)[tests]
    out["dropped"] = fit.drop1("F")[tests]
    for method in ("satterthwaite", "kenward-roger", "residual"):
        found = fit.test(f"t = {0.5 / of_t}", ddf=method).table
        out[f"test {method}"] = found[["df", "statistic", "p_value"]]
    for by in (None, "g"):
        without = fit.influence(by, "one-step")
        out[f"step {by}"] = np.column_stack([of_t * without.beta["t"], without.sigma])
        out[f"step's dfbetas {by}"] = without.dfbetas["t"]
        out[f"step's distances {by}"] = without.cooks_distance
    exact = fit.influence("g")
    out["dfbetas"], out["distances"] = exact.dfbetas["t"], exact.cooks_distance
    out["outliers"] = fit.std_residuals()
    return {key: np.asarray(value, dtype=np.float64) for key, value in out.items()}


def same(found: Numbers, expected: Numbers, tol: float) -> None:
    for key, value in expected.items():
        size = max(float(np.nanmax(np.abs(value))), 1e-300)
        np.testing.assert_allclose(found[key], value, rtol=0.0, atol=tol * size, err_msg=key)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", MODELS)
def test_numbers_of_a_fit_do_not_depend_on_the_origin(name: str, seed: int, reml: bool) -> None:
    data = table(seed)
    expected = at_once(fit_of(data, name, reml=reml), 1.0)
    for origin in (10.0, 1e3, 1e6):
        moved = fit_of(data.assign(t=data["t"] + origin), name, reml=reml)
        same(at_once(moved, 1.0), expected, 2e-6 + 1e5 * EPS * origin)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_what_follows_a_fit_does_not_depend_on_the_origin(name: str, reml: bool) -> None:
    data = table(9)
    expected = after_the_fit(fit_of(data, name, reml=reml), 1.0)
    for origin in (10.0, 1e3, 1e6):
        moved = fit_of(data.assign(t=data["t"] + origin), name, reml=reml)
        same(after_the_fit(moved, 1.0), expected, 1e-5 + 1e5 * EPS * origin)


@pytest.mark.parametrize("name", MODELS)
def test_searches_do_not_depend_on_the_origin(name: str) -> None:
    data = table(3)
    expected = searched(fit_of(data, name, reml=False), 1.0)
    for origin in (1e3, 1e6):
        moved = fit_of(data.assign(t=data["t"] + origin), name, reml=False)
        same(searched(moved, 1.0), expected, 1e-5 + 1e5 * EPS * origin)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
@pytest.mark.parametrize("name", ["one slope", "two slopes", "weights"])
def test_numbers_do_not_depend_on_the_scale(name: str, scale: float) -> None:
    data = table(4)
    scaled = data.assign(t=data["t"] * scale)
    for numbers in (at_once, searched, after_the_fit):
        one, other = (
            numbers(fit_of(d, name, reml=False), s) for d, s in [(data, 1), (scaled, scale)]
        )
        same(other, one, 1e-6)


@pytest.mark.parametrize("origin", [20.0, 100.0])
@pytest.mark.parametrize("reml", [True, False])
def test_raw_squares(origin: float, reml: bool) -> None:
    """The coefficient of the square, its tests and its component are those of the centred model."""
    data = table(5)
    formula = "y ~ t + I(t^2) + (t + I(t^2) | g)"

    def numbers(moved: pd.DataFrame) -> Numbers:
        fit = mm.lmer(formula, moved, reml=reml, threads=1)
        square = "I(t^2)"
        rows = [fit.coef_table(m).loc[square] for m in ("satterthwaite", "kenward-roger")]
        components = fit.varcorr_table()
        own = components[(components["var1"] == square) & components["var2"].isna()].iloc[0]
        return {
            "criterion": np.array(fit.objective),
            "df": np.array([row["df"] for row in rows]),
            "se": np.array([row["std_error"] for row in rows]),
            "component": own[["sdcor", "sdcor_std_error"]].to_numpy(dtype=np.float64),
            "fitted": np.asarray(fit.fitted),
        }

    same(numbers(data.assign(t=data["t"] + origin)), numbers(data), 1e-5)


def of_unit(fit: mm.LinearMixedFit, y: float, t: float, w: float) -> Numbers:
    """Numbers of a fit without the sizes of response, covariate and weights."""
    out = at_once(fit, t / y)
    del out["criterion"]
    root = y * np.sqrt(w)
    out["sigma"] = out["sigma"] / root
    out["residual"] = out["residual"] / np.array([root, root, 1.0])
    out["rows"] = out["rows"] / np.array([[y], [y], [1.0], [1.0]])
    return out


SIZES = [10.0**e for e in (-150, -77, -30, 30, 77, 150)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("what", ["y", "t", "w"])
def test_sizes_at_the_edge_of_double_precision(what: str, size: float) -> None:
    data = table(6)
    one: Callable[[str], float] = lambda name: size if name == what else 1.0  # noqa: E731
    moved = data.assign(**{what: data[what] * size})
    plain, extreme = (fit_of(d, "weights", reml=True) for d in (data, moved))
    assert extreme.converged
    assert np.isfinite(extreme.model.hessian(extreme.theta)).all()
    found = of_unit(extreme, one("y"), one("t"), one("w"))
    expected = of_unit(plain, 1.0, 1.0, 1.0)
    for numbers in (found, expected):
        del numbers["shares"], numbers["components"]
    same(found, expected, 1e-6)
    assert str(extreme)
    if what == "y":
        df = len(data) - 2
        shift = 2.0 * df * np.log(size)
        assert extreme.objective == pytest.approx(plain.objective + shift, rel=1e-12)


@pytest.mark.parametrize(
    ("what", "size"), [("t", 1e-160), ("t", 1e200), ("y", 1e-170), ("y", 1e200), ("w", 5e-324)]
)
def test_sizes_beyond_double_precision_are_refused_by_name(what: str, size: float) -> None:
    data = table(6)
    column = np.full(len(data), size) if what == "w" else data[what] * size
    with pytest.raises(mm.ModelError, match="double precision cannot hold its square"):
        mm.lmer("y ~ t + (t | g)", data.assign(**{what: column}), weights="w")


@pytest.mark.filterwarnings("ignore::mixedmodels.NotIdentifiedWarning")  # when t is constant
@pytest.mark.parametrize("origin", [1e8, 1e10, 1e12, 1e13, 1e14, 1e15, 1e16])
def test_a_covariate_far_from_zero_keeps_its_digits_or_is_dropped_by_name(origin: float) -> None:
    data = table(7)
    plain = mm.lmer("y ~ t + (t | g)", data)
    moved = mm.lmer("y ~ t + (t | g)", data.assign(t=data["t"] + origin))
    assert str(moved)
    if "t" in moved.coef_table().index:
        tol = 1e-6 + 100 * EPS * origin
        assert moved.objective == pytest.approx(plain.objective, abs=tol * len(data))
        assert moved.sigma == pytest.approx(plain.sigma, rel=tol)
    else:
        assert any("dropped" in message and "t" in message for message in moved.messages)
        assert origin > 1e12


def test_noise_beside_a_covariate_far_from_zero_is_not_explained() -> None:
    rng = np.random.default_rng(8)
    data = {"g": np.repeat(np.arange(20), 8), "y": rng.normal(size=160)}
    for sd in (1.0, 1e2, 1e4):
        t = 1e12 + sd * rng.normal(size=160)
        fit = mm.lmer("y ~ t + (t | g)", {**data, "t": t})
        assert 0.8 < fit.sigma < 1.2
