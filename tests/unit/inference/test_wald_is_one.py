"""One meaning of "Wald": the same limits from every method, whatever the degrees of freedom."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import ArrayLike
from scipy.stats import t as student

import mixedmodels as mm
from mixedmodels.arrays import FloatArray
from mixedmodels.settings import DF_METHODS, Ddf

SLEEP = mm.load_dataset("sleepstudy")
TWICE = "Reaction ~ Days + I(2 * Days) + (1 | Subject)"
FITS: dict[str, Callable[[], mm.LinearMixedFit]] = {
    "slopes": lambda: mm.lmer("Reaction ~ Days + (Days | Subject)", SLEEP),
    "by ML": lambda: mm.lmer("Reaction ~ Days + (1 | Subject)", SLEEP, reml=False),
    "aliased": lambda: mm.lmer(TWICE, SLEEP),
    "weighted": lambda: mm.lmer(
        "Reaction ~ Days + (1 | Subject)", SLEEP, weights="1 / (1 + Days)", offset="Days"
    ),
    "factors": lambda: mm.lmer(
        "yield ~ nitro + Variety + (1 | Block / Variety)", mm.load_dataset("oats")
    ),
    "crossed": lambda: mm.lmer(
        "score ~ Machine + (1 | Worker/Machine)", mm.load_dataset("machines")
    ),
    "singular": lambda: mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff2")),
}
Limits = Callable[[mm.LinearMixedFit, Ddf, float], ArrayLike]


def drawn(fit: mm.LinearMixedFit, ddf: Ddf, level: float) -> FloatArray:
    """The ends of the lines of a picture, in the order of the table."""
    figure = fit.plot_coefficients(ddf=ddf, level=level, intercept=True)
    (axes,) = figure.axes
    plt.close(figure)
    assert isinstance(axes, Axes)
    segments = [
        segment
        for drawing in axes.collections
        if isinstance(drawing, LineCollection)
        for segment in drawing.get_segments()
    ]
    lines = sorted(segments, key=lambda segment: -float(segment[0, 1]))
    return np.array([np.sort(segment[:, 0]) for segment in lines])


METHODS: dict[str, Limits] = {
    "confint": lambda fit, ddf, level: fit.confint(
        list(fit.stderror.index), level, method="wald", ddf=ddf
    ),
    "tidy": lambda fit, ddf, level: fit.tidy("fixed", conf_int=True, level=level, ddf=ddf)[
        ["conf_low", "conf_high"]
    ],
    "test": lambda fit, ddf, level: fit.test(np.eye(len(fit.stderror)), ddf=ddf, level=level).table[
        ["lower", "upper"]
    ],
    "plot_coefficients": drawn,
}


@pytest.fixture(params=FITS)
def fit(request: pytest.FixtureRequest) -> mm.LinearMixedFit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.SingularFitWarning)
        return FITS[request.param]()


@pytest.mark.filterwarnings("ignore::mixedmodels.errors.RefitWarning")
@pytest.mark.parametrize("ddf", [*DF_METHODS, "KR"])
def test_every_method_gives_estimate_and_quantile_times_error(
    fit: mm.LinearMixedFit, ddf: Any
) -> None:
    table = fit.coef_table(ddf)
    for level in (0.5, 0.95):
        half = student.ppf(0.5 + level / 2.0, table["df"]) * table["std_error"]
        expected = np.column_stack([table["estimate"] - half, table["estimate"] + half])
        for name, limits in METHODS.items():
            np.testing.assert_allclose(
                limits(fit, ddf, level), expected, rtol=1e-9, atol=1e-9, err_msg=name
            )


@pytest.mark.filterwarnings("ignore::mixedmodels.errors.RefitWarning")
@pytest.mark.parametrize("ddf", [*DF_METHODS, "Kenward-Roger"])
def test_predictions_of_fixed_parts_are_tests_of_rows_of_x(
    fit: mm.LinearMixedFit, ddf: Any
) -> None:
    rows = np.unique(fit.model.X[:, fit.solution.kept], axis=0, return_index=True)[1]
    table = fit.test(fit.model.X[rows][:, fit.solution.kept], ddf=ddf, level=0.9).table
    offset = fit.model.design.offset
    shift = 0.0 if offset is None else offset[rows, None]
    found = fit.predict_interval(level=0.9, ddf=ddf, random="none").iloc[rows]
    np.testing.assert_allclose(found["std_error"], table["std_error"], rtol=1e-8)
    expected = table[["estimate", "lower", "upper"]].to_numpy() + shift
    np.testing.assert_allclose(found[["prediction", "lower", "upper"]], expected, rtol=1e-8)


@pytest.mark.filterwarnings("ignore::mixedmodels.errors.RefitWarning")
@pytest.mark.parametrize("ddf", DF_METHODS)
def test_predictions_of_observations_lie_between_fixed_part_and_residual(
    fit: mm.LinearMixedFit, ddf: Any
) -> None:
    mean = fit.predict_interval(ddf=ddf, random="none").iloc[:4]
    seen = fit.predict_interval(kind="prediction", ddf=ddf, random="none").iloc[:4]
    assert (seen["std_error"] > mean["std_error"]).all()
    quantile = (seen["upper"] - seen["prediction"]) / seen["std_error"]
    own = (mean["upper"] - mean["prediction"]) / mean["std_error"]
    assert (quantile <= own * (1.0 + 1e-9)).all()
    assert (quantile >= 1.95).all()


def test_the_default_is_that_of_the_coefficient_table() -> None:
    fit = FITS["slopes"]()
    expected = fit.test(["(Intercept)", "Days"]).table[["lower", "upper"]]
    np.testing.assert_allclose(expected.loc["(Intercept)"], [237.01, 265.80], atol=0.01)
    np.testing.assert_allclose(fit.confint("beta_", method="wald"), expected)
    np.testing.assert_allclose(fit.tidy("fixed", conf_int=True).iloc[:, -2:], expected)


def test_limits_leave_out_what_is_rejected() -> None:
    """A limit at zero has the p-value 1 - level."""
    fit = FITS["factors"]()
    for ddf in DF_METHODS:
        table = fit.coef_table(ddf)
        for name, p in table["p_value"].items():
            if 1e-10 < p < 1.0:
                ends = fit.confint(str(name), 1.0 - p, method="wald", ddf=ddf).to_numpy()
                assert np.abs(ends).min() == pytest.approx(0.0, abs=1e-6)
