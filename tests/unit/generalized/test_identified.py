"""Covariance parameters that no response could tell apart, in generalized models."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels.errors import NotIdentifiedWarning

RNG = np.random.default_rng(21)
GROUP = np.repeat(np.arange(24), 12)
DATA = pd.DataFrame({"g": GROUP, "h": np.tile(np.arange(4), 72), "x": RNG.normal(size=288)})
DATA["f"] = np.array(list("abc"))[RNG.integers(0, 3, 288)]
DATA["twin"], DATA["part"], DATA["one"] = "s" + DATA["g"].astype(str), GROUP // 4, 1.0
DATA["fg"] = np.array(list("uv"))[GROUP % 2]
ETA = 0.5 + RNG.normal(size=24)[GROUP] + RNG.normal(size=24)[GROUP] * DATA["x"]
DATA["count"] = RNG.poisson(np.exp(ETA))
DATA["yes"] = (RNG.random(288) < 1.0 / (1.0 + np.exp(-2.0 * ETA))).astype(int)
DATA["time"] = np.exp(ETA + 0.3 * RNG.normal(size=288))
FAMILIES = {"poisson": "count", "binomial": "yes", "gamma": "time"}

LINKED = {
    "(1 | g) + (1 | twin)": "same groups",
    "(1 | factor(g)) + (1 | g)": "same groups",
    "(1 | g:h) + (1 | h:g)": "same groups",
    "(1 | part/g) + (1 | g)": "same groups",
    "(1 | g) + (0 + f | g)": "linearly dependent",
    "(1 | g) + (0 + one | g)": "linearly dependent",
    "(x | g) + (0 + I(3 * x) | g)": "linearly dependent",
    "(x + I(x + 1) | g)": "linearly dependent",
    "(1 | g/f) + (0 + f || g)": "same variances",
    "(fg | g)": "does not vary within the levels",
}
APART = (
    *(
        "(1 | g)",
        "(x | g)",
        "(x || g)",
        "(f | g)",
        "(1 | g/f)",
        "(1 | part/g)",
        "(1 | g) + (1 | h)",
    ),
    *("(poly(x, 2) | g)", "(x | g) + (1 | h)", "(1 | g) + (1 | f:h)"),
)


def fitted(random: str, family: str) -> tuple[mm.GeneralizedLinearMixedFit, list[str]]:
    """A fit, and what it says of parameters that are not identified."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = mm.glmer(f"{FAMILIES[family]} ~ x + {random}", DATA, family=family)
    return fit, [str(w.message) for w in caught if w.category is NotIdentifiedWarning]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("random", LINKED)
def test_what_cannot_be_told_apart_is_said(random: str, family: str) -> None:
    fit, said = fitted(random, family)
    assert len(said) == 1
    assert LINKED[random] in said[0]
    assert said[0].split("\n")[0] in fit.messages
    assert any(LINKED[random] in sentence for sentence in fit.singularity().advice)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert fit.varcorr_table()["sdcor_std_error"].isna().any()
    assert np.isfinite(fit.coef_table()["std_error"]).all()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("random", APART)
def test_ordinary_models_have_no_message(random: str, family: str) -> None:
    fit, said = fitted(random, family)
    assert said == []
    assert not any("told apart" in message for message in fit.messages)


@pytest.mark.parametrize("first", ["levels", "rows"])
def test_the_first_rows_do_not_decide(first: str) -> None:
    """A factor that looks like another one in the first thousand rows, and is not."""
    rng = np.random.default_rng(4)
    a = np.arange(3000) % 20 if first == "levels" else np.arange(3000) // 150
    b = np.where(np.arange(3000) < 2000, a, (a + np.arange(3000) // 7) % 20)
    eta = 0.5 * rng.normal(size=20)[a] + 0.5 * rng.normal(size=20)[b]
    data = pd.DataFrame({"a": a, "b": b, "y": rng.poisson(np.exp(eta))})
    fit = mm.glmer("y ~ 1 + (1 | a) + (1 | b)", data, family="poisson")
    assert not any("told apart" in message for message in fit.messages)


@pytest.mark.parametrize("slope", [5.0, 50.0, 5000.0])
def test_certain_zeros_leave_numbers(slope: float) -> None:
    """Where a zero is certain, mean and variance are almost zero and their ratios finite."""
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"g": np.repeat(np.arange(12), 10), "x": np.tile(np.arange(10.0), 12)})
    mean = np.exp(1.0 + rng.normal(size=12))[data["g"]]
    data["y"] = np.where(data["x"] < 5, 0, rng.poisson(mean) + 1)
    data["z"] = slope * data["x"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.ConvergenceWarning)
        fit = mm.glmer("y ~ 1 + (1 | g)", data, family="poisson", zero_inflation="~ z")
    assert np.isfinite(fit.residuals).all()
    assert np.isfinite(fit.fitted).all()
    assert np.isfinite(fit.augment().select_dtypes("number")).all().all()
