"""Dependent columns of ordered models, whose thresholds stand for the intercept."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm


def table() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    n = 300
    x = rng.normal(size=n) + 3.0
    latent = x - 3.0 + rng.normal(size=20)[np.arange(n) % 20] + rng.logistic(size=n)
    grade = pd.Categorical.from_codes(np.digitize(latent, [-1, 1]), ["low", "mid", "top"], True)
    return pd.DataFrame({"g": np.arange(n) % 20, "x": x, "grade": grade})


@pytest.mark.parametrize(
    ("factor", "shift"), [(1.0, 5.0), (-2.0, 50.0), (-2.0, 1e4), (0.5, 1e8), (0.0, 7.0)]
)
def test_a_shifted_column_depends_on_another(factor: float, shift: float) -> None:
    data = table()
    data["other"] = factor * data["x"] + shift
    fit = mm.glmer("grade ~ x + other + (1 | g)", data, family="ordinal")
    plain = mm.glmer("grade ~ x + (1 | g)", data, family="ordinal")
    assert "dropped, dependent on earlier ones: other" in fit.messages[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fit.predict(data.head(5), type="link")
    np.testing.assert_allclose(found, plain.predict(data.head(5), type="link"), rtol=1e-6)
    with pytest.warns(UserWarning, match="5 of 5 rows cannot be predicted: other"):
        fit.predict(data.head(5).assign(other=2.0 * shift + 100.0))


@pytest.mark.parametrize("shift", [5.0, 1e4, 1e8])
def test_means_beside_a_shifted_column(shift: float) -> None:
    data = table()
    data["other"] = shift - 2.0 * data["x"]
    data["f"] = np.where(np.arange(300) % 3 == 0, "a", "b")
    fit = mm.glmer("grade ~ x + other + f + (1 | g)", data, family="ordinal")
    plain = mm.glmer("grade ~ x + f + (1 | g)", data, family="ordinal")
    found, expected = (of.emmeans("pairwise ~ f") for of in (fit, plain))
    pd.testing.assert_frame_equal(found.to_frame(), expected.to_frame(), rtol=1e-6)
    found, expected = (of.emmeans("f").to_frame() for of in (fit, plain))
    pd.testing.assert_frame_equal(found, expected, rtol=1e-6)
    assert found["estimate"].notna().all()
    away = fit.emmeans("f", at={"x": [9.0]}).to_frame()
    assert away["estimate"].isna().all()
    assert fit.emtrends("f", var="x").to_frame()["estimate"].isna().all()
