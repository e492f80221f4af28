"""Profiles: the constrained minimum, the curves, and limits read off them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize

import mixedmodels as mm
from mixedmodels import MixedModelsError
from mixedmodels.inference.curves import Curve
from mixedmodels.inference.parameters import from_value, parameters_of, to_value
from mixedmodels.linear import LinearMixedFit

NAMES = (
    "sd(Subject.(Intercept))",
    "cor(Subject.(Intercept).Days)",
    "sd(Subject.Days)",
    "sigma",
    "(Intercept)",
    "Days",
)


def unprofiled(fit: LinearMixedFit, x: NDArray[np.float64]) -> float:
    """The ML deviance at theta and log sigma, beta at its best."""
    found = fit.model.pls(x[:-1])
    variance = np.exp(2.0 * x[-1])
    return float(
        found.logdet_L2 + fit.nobs * np.log(2.0 * np.pi * variance) + found.pwrss / variance
    )


@pytest.mark.parametrize(
    ("name", "row"),
    [("sd(Worker.MachineC)", (2, 2)), ("cor(Worker.(Intercept).MachineC)", (0, 2)),
     ("cor(Worker.MachineB.MachineC)", (1, 2))],
)  # fmt: skip
def test_constrained_minimum_is_that_of_a_general_method(
    machines: LinearMixedFit, name: str, row: tuple[int, int]
) -> None:
    """SLSQP from the point itself finds nothing lower with the parameter held."""
    parameter = next(p for p in parameters_of(machines._fitted) if p.name == name)
    curve = Curve(machines._fitted, parameter, 1)
    point = curve.point(curve.optimum.w + 0.8 / curve.optimum.slope)
    wanted = float(to_value(parameter.kind, point.held))

    def held(x: NDArray[np.float64]) -> float:
        root = np.exp(x[-1]) * machines.model._model.templates.lam(x[:-1])[0]
        V = root @ root.T
        i, j = row
        return float(np.sqrt(V[i, i]) if i == j else V[i, j] / np.sqrt(V[i, i] * V[j, j])) - wanted

    start = np.append(point.theta, np.log(point.sigma))
    assert held(start) == pytest.approx(0.0, abs=1e-9)
    assert unprofiled(machines, start) == pytest.approx(point.deviance, abs=1e-8)
    away = start + 1e-2 * np.random.default_rng(1).standard_normal(len(start))
    found = minimize(
        lambda x: unprofiled(machines, x),
        away,
        method="SLSQP",
        constraints={"type": "eq", "fun": held},
        options={"ftol": 1e-12, "maxiter": 500},
    )
    assert found.fun > point.deviance - 1e-5
    assert point.zeta**2 == pytest.approx(point.deviance - machines.deviance, abs=1e-7)


def test_fit_is_unchanged_and_profiled_by_ml(slopes: LinearMixedFit) -> None:
    before = slopes.theta.copy(), slopes.objective, slopes.fitted.copy()
    profile = slopes.profile()
    np.testing.assert_array_equal(before[0], slopes.theta)
    np.testing.assert_array_equal(before[2], slopes.fitted)
    assert slopes.objective == before[1] == slopes.model.objective(slopes.theta)
    assert profile.deviance == pytest.approx(1751.9393444632, abs=1e-6)
    assert profile.deviance < slopes.deviance
    assert profile.parameters == NAMES == tuple(profile.estimates.index)


def test_frame_holds_what_is_held_and_what_follows(slopes: LinearMixedFit) -> None:
    profile = slopes.profile()
    frame = profile.to_frame()
    assert list(frame.columns) == ["parameter", "zeta", *NAMES]
    for name, rows in frame.groupby("parameter", sort=False):
        zeta, value = rows["zeta"].to_numpy(), rows[name].to_numpy()
        assert (np.diff(zeta) >= 0.0).all()
        assert (np.diff(value) > 0.0).all()
        # Regions for two parameters of level 0.99 reach to the root of a chi-square quantile, but
        # for a correlation of 1.
        assert -zeta[0] >= np.sqrt(9.21)
        assert zeta[-1] >= np.sqrt(9.21) or value[-1] == pytest.approx(1.0)
        assert np.diff(zeta).max() < 0.7
        np.testing.assert_allclose(profile.zeta(str(name), value), zeta, atol=1e-9)
        optimum = rows.loc[rows["zeta"] == 0.0, list(NAMES)].iloc[0]
        np.testing.assert_allclose(optimum, profile.estimates, rtol=1e-7)


def test_densities_have_no_kinks(slopes: LinearMixedFit) -> None:
    """The slope of a density goes on where a point of the profile is."""
    profile = slopes.profile()
    frame = profile.to_frame()
    for name in NAMES:
        points = frame.loc[frame["parameter"] == name, name].to_numpy()[2:-2]
        reach = points.max() - points.min()
        h = 1e-5 * reach
        before = profile.density(name, points - h) - profile.density(name, points - 2 * h)
        after = profile.density(name, points + 2 * h) - profile.density(name, points + h)
        steepest = np.abs(np.diff(profile.density(name, np.linspace(*points[[0, -1]], 200)))).max()
        assert (np.abs(after - before) / h).max() < 0.02 * steepest * 200 / reach


def test_zeta_value_and_density_agree(slopes: LinearMixedFit) -> None:
    profile = slopes.profile()
    wanted = np.linspace(-2.5, 2.5, 11)
    for name in NAMES:
        value = profile.value(name, wanted)
        np.testing.assert_allclose(profile.zeta(name, value), wanted, atol=1e-9)
        h = 1e-6 * (value[-1] - value[0])
        rise = (profile.zeta(name, value + h) - profile.zeta(name, value - h)) / (2.0 * h)
        density = np.exp(-0.5 * wanted**2) / np.sqrt(2.0 * np.pi) * rise
        # The density is interpolated by itself between the points, so that it has no kinks.
        np.testing.assert_allclose(profile.density(name, value), density, rtol=0.02)
    assert np.isnan(profile.value("sigma", [-9.0, 9.0])).all()
    assert np.isnan(profile.zeta("sigma", [-1.0, 0.0, 1e6])).all()
    assert np.isnan(profile.density("sd(Subject.Days)", [-1.0])).all()


def test_threads_do_not_matter() -> None:
    """Large enough that the curves are shared out."""
    fit = mm.lmer(
        "mathgain ~ mathkind + (1 | classid) + (1 | schoolid)", mm.load_dataset("classroom")
    )
    one, two = (fit.profile(threads=threads).to_frame() for threads in (1, 2))
    assert one.equals(two)
    assert fit.confint(threads=1).equals(fit.confint(threads=2))


def test_selection(slopes: LinearMixedFit) -> None:
    assert slopes.profile("sigma").parameters == ("sigma",)
    assert slopes.profile(["Days", "sigma"]).parameters == ("sigma", "Days")
    assert slopes.profile("beta_").parameters == NAMES[4:]
    assert slopes.profile("theta_").parameters == NAMES[:4]


def test_print(slopes: LinearMixedFit) -> None:
    text = repr(slopes.profile())
    assert "Profile likelihood" in text
    # The estimate is 5.716834...: its last digits are the search's.
    assert "sd(Subject.Days)                5.7168" in text
    assert "3.80118   8.75339" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parameters": "Dayz"}, "no parameter 'Dayz'.*Did you mean 'Days'"),
        ({"parameters": ["sigma", 3]}, r"parameters is \['sigma', 3\]; it must be the name"),
        ({"level": 1.0}, "level is 1.0"),
        ({"level": "high"}, "level is 'high'"),
        ({"threads": 0}, "threads is 0"),
    ],
)
def test_refusals(slopes: LinearMixedFit, arguments: dict[str, object], message: str) -> None:
    for method in (slopes.profile, slopes.confint):
        with pytest.raises(MixedModelsError, match=message):
            method(**arguments)  # type: ignore[operator]
    with pytest.raises(MixedModelsError, match="no parameter 'x'"):
        slopes.profile("sigma").zeta("x", 1.0)


def test_a_fit_that_is_not_at_its_optimum_is_refused(slopes: LinearMixedFit) -> None:
    """Where the search was cut short, a profile comes below the fit and says where to go on."""
    with pytest.warns(mm.ConvergenceWarning):
        short = slopes.model._by(reml=False).fit(
            start=[3.0, 0.5, 0.01], control=mm.Control(max_evaluations=2)
        )
    with pytest.raises(MixedModelsError, match=r"below that of the fit .* start=\["):
        short.profile("sigma")


def test_scales_of_parameters_turn_back() -> None:
    values = {"sd": [0.0, 2.0], "sigma": [0.5, 3.0], "cor": [-1.0, 0.3], "beta": [-4.0, 0.0]}
    for kind, numbers in values.items():
        held = from_value(kind, np.array(numbers))  # type: ignore[arg-type]
        np.testing.assert_allclose(to_value(kind, held), numbers, atol=1e-15)  # type: ignore[arg-type]
    for kind, impossible in (("sd", -1.0), ("sigma", 0.0), ("cor", 1.1)):
        assert np.isnan(from_value(kind, np.array([impossible]))).all()  # type: ignore[arg-type]


def test_ml_fit_is_not_fitted_again(machines: LinearMixedFit, slopes: LinearMixedFit) -> None:
    assert machines._fitted.by(reml=False) is machines._fitted
    again = slopes._fitted.by(reml=False)
    assert again.model.analysis is slopes._fitted.model.analysis
    assert again.model.workspace is not slopes._fitted.model.workspace
