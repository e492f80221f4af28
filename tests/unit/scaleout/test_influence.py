"""Fits of sums without the levels of a group, whose rows are read from the source again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.streamed import in_parts

import mixedmodels as mm
from mixedmodels.memory import limited

RATINGS = "y ~ x + f + (1 | u) + (1 | v)"
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "crossed": (RATINGS, {}),
    "slopes, weights, offset": ("y ~ x + (x | u) + (1 | v)", {"weights": "w", "offset": "o"}),
    "by maximum likelihood": ("y ~ x + I(2 * x) + (1 | u) + (1 | v)", {"reml": False}),
    "nested": ("y ~ f + (1 | v / u)", {}),
}


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = 1200
    table = pd.DataFrame(
        {
            "x": 1e3 + rng.standard_normal(n),
            "f": rng.choice(list("abc"), n),
            "u": rng.integers(0, 30, n),
            "v": rng.choice([f"v{i}" for i in range(8)], n),
            "w": rng.integers(1, 4, n).astype(float),
            "o": rng.standard_normal(n),
        }
    )
    effects = rng.standard_normal((30, 2))
    table["y"] = table["o"] + table["x"] + effects[table["u"], 0] + rng.standard_normal(n)
    table["y"] += 0.8 * rng.standard_normal(8)[table["v"].str[1:].astype(int)]
    table["y"] += effects[table["u"], 1] * (table["x"] - 1e3)
    table.loc[[3, 500], "y"] = np.nan
    return table


@pytest.mark.parametrize("method", ["exact", "one-step", "held"])
@pytest.mark.parametrize("name", MODELS)
def test_it_is_that_of_all_rows_in_memory(data: pd.DataFrame, name: str, method: Any) -> None:
    formula, options = MODELS[name]
    fit, whole = mm.lmer(formula, in_parts(data, 4), **options), mm.lmer(formula, data, **options)
    for by in whole.ranef():
        found = fit.influence(by, method, source=in_parts(data, 3))
        expected = whole.influence(by, method)
        # Searches of two fits begin at optima that differ by their tolerance.
        pd.testing.assert_frame_equal(
            found.to_frame(), expected.to_frame(), rtol=1e-6, atol=1e-7, check_dtype=False
        )
        assert found.to_frame().index.equals(expected.to_frame().index)


def test_some_levels_in_any_order(data: pd.DataFrame) -> None:
    fit = mm.lmer(RATINGS, in_parts(data, 4))
    some = fit.influence("v", only=["v5", "v1"], source=data)
    assert list(some.beta.index) == ["v5", "v1"]
    pd.testing.assert_frame_equal(
        some.to_frame(),
        mm.lmer(RATINGS, data).influence("v", only=["v5", "v1"]).to_frame(),
        rtol=1e-6,
        atol=1e-7,
        check_dtype=False,
    )
    assert len(some.plot().axes) > 0


@pytest.mark.filterwarnings("ignore")
def test_levels_that_hold_nearly_all_say_that_the_rest_is_too_little(data: pd.DataFrame) -> None:
    few = data.assign(v=np.where(np.arange(len(data)) < 1197, "most", data["v"]))
    fit = mm.lmer("y ~ x + f + (1 | u) + (1 | v)", in_parts(few, 2))
    found = fit.influence("v", only=["most"], source=few)
    assert found.notes["most"].startswith("refused")
    assert found.beta.loc["most"].isna().all()


def test_what_cannot_be_answered_says_so(data: pd.DataFrame) -> None:
    fit = mm.lmer(RATINGS, in_parts(data, 4))
    with pytest.raises(mm.MixedModelsError, match=r"give their source, as in fit.influence\('u'"):
        fit.influence("u")
    with pytest.raises(mm.MixedModelsError, match=r"leaves out levels of 'u' or 'v'.*\.cooksd"):
        fit.influence(source=data)
    with pytest.raises(mm.MixedModelsError, match="only='v9' is not among the 8 levels of 'v'"):
        fit.influence("v", only="v9", source=data)
    with pytest.raises(mm.DataError, match="give the source that was summed"):
        fit.influence("v", source=data[:800])
    with pytest.raises(mm.MixedModelsError, match="Leave source= out"):
        mm.lmer(RATINGS, data).influence("v", source=data)
    estimated = mm.lmer(RATINGS, in_parts(data, 4), method="iterative")
    with pytest.raises(mm.MixedModelsError, match=r"call confint\(method='wald'\)"):
        estimated.profile()
    with pytest.raises(mm.MixedModelsError, match="exact"):
        estimated.influence("v", source=data)


def test_memory_of_the_rows_is_predicted(
    data: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = mm.lmer(RATINGS, in_parts(data, 4))
    monkeypatch.setattr("mixedmodels.memory.SMALL", 1000.0)
    with (
        limited("10kB"),
        pytest.raises(mm.ResourceError, match="1,198 rows of the levels of 'u'"),
    ):
        fit.influence("u", source=data)
