"""Whether one generalized model is a special case of another: family, link, other parts, offset."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels import NotNestedWarning

FORMULA = "y ~ x + (1 | g)"
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "poisson": (FORMULA, "poisson", {}),
    "exposure": (FORMULA, "poisson", {"offset": "log(t)"}),
    "rows": ("y ~ x + (1 | g) + (1 | row)", "poisson", {}),
    "squares": (FORMULA, "poisson", {"link": "sqrt"}),
    "zeros": (FORMULA, "poisson", {"zero_inflation": "~ 1"}),
    "negative": (FORMULA, "negative_binomial", {}),
    "negative by x": (FORMULA, "negative_binomial", {"dispersion": "~ x"}),
    "negative, zeros": (FORMULA, "negative_binomial", {"zero_inflation": "~ 1"}),
    "negative, zeros by x": (FORMULA, "negative_binomial", {"zero_inflation": "~ x"}),
    "nb1 by x": (FORMULA, "nb1", {"dispersion": "~ x"}),
}


@cache
def fit(name: str) -> Any:
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"g": np.arange(150) % 15, "row": np.arange(150)})
    data["x"], data["t"] = rng.normal(size=150), rng.uniform(1, 3, 150)
    eta = 1 + 0.3 * data["x"] + 0.5 * rng.normal(size=15)[data["g"]]
    data["y"] = rng.poisson(np.exp(eta) * rng.gamma(2, 0.5, 150)) * (rng.random(150) < 0.8)
    formula, family, options = MODELS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mm.glmer(formula, data, family, **options)


@pytest.mark.parametrize(
    ("small", "large", "part"),
    [
        ("poisson", "rows", ""),
        ("poisson", "zeros", ""),
        ("poisson", "negative", ""),
        ("poisson", "negative by x", ""),
        ("poisson", "nb1 by x", ""),
        ("zeros", "negative, zeros", ""),
        ("zeros", "negative, zeros by x", ""),
        ("negative", "negative by x", ""),
        ("negative", "negative, zeros", ""),
        ("negative, zeros", "negative, zeros by x", ""),
        ("exposure", "negative", "offset"),
        ("exposure", "rows", "offset"),
        ("squares", "negative", "distribution 'poisson (sqrt)'"),
        ("rows", "negative, zeros", "random part"),
        ("rows", "negative by x", "random part"),
        ("zeros", "negative by x", "distribution 'poisson (log), zero_inflation ~ 1'"),
        ("negative", "nb1 by x", "distribution 'negative binomial (log)'"),
        ("negative by x", "negative, zeros by x", "dispersion ~ x'"),
    ],
)
def test_what_is_not_a_special_case_is_named(small: str, large: str, part: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = mm.anova(fit(large), fit(small), names=["large", "small"])
    told = [str(one.message) for one in caught if one.category is NotNestedWarning]
    assert bool(told) == bool(part) == np.isnan(table["p_value"].iloc[1])
    assert all(part in one and "'small' is not nested in 'large'" in one for one in told)


def test_approximations_that_differ_do_not_compare() -> None:
    one, two = fit("poisson"), fit("poisson").update(". ~ . - x", n_agq=9)
    with pytest.raises(mm.MixedModelsError, match=r"Laplace approx.*9 nodes.*the same n_agq="):
        mm.anova(one, two)
    table = mm.anova(one.update(n_agq=9), two)
    assert table["df"].iloc[1] == 1
    expected = fit("squares").update(information="expected")
    with pytest.raises(mm.MixedModelsError, match=r"expected information.*and information="):
        mm.anova(fit("squares"), expected)
    assert mm.anova(one.update(reml=True), two.update(n_agq=1)).note != ""
