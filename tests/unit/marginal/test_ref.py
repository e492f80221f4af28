"""Which mean others are compared with: by label, by value of any type, or by position."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm


@lru_cache
def fit() -> mm.LinearMixedFit:
    rng = np.random.default_rng(0)
    n = 240
    data = pd.DataFrame({
        "y": rng.normal(size=n), "g": np.repeat(np.arange(20), 12).astype(str),
        "year": pd.Categorical(np.tile([95, 96, 97], 80)),
        "dose": pd.Categorical(np.tile([0.5, 1.5, 0.5, 10.0], 60)),
        "yes": np.tile([True, False, False, True, True], 48),
        "f": np.tile(["a", "b", "b", "a", "c", "a", "b"], 35)[:n],
        "code": np.tile(list("12211212122"), 22)[:n], "x": rng.normal(size=n),
    })  # fmt: skip
    return mm.lmer("y ~ year + dose + yes + f + factor(code) + x + (1 | g)", data)


# Variable, reference, and its label in the table.
GIVEN: list[tuple[str, Any, str]] = [
    ("year", 96, "96"),
    ("year", 96.0, "96"),
    ("year", "96", "96"),
    ("year", np.int64(97), "97"),
    ("year", np.float32(97), "97"),
    ("year", {"year": 97}, "97"),
    ("year", (97,), "97"),
    ("year", 1, "96"),
    ("year", -1, "97"),
    ("year", np.int32(0), "95"),
    ("dose", 0.5, "0.5"),
    ("dose", np.float64(10), "10"),
    ("dose", "10", "10"),
    ("dose", 10, "10"),
    ("dose", 1, "1.5"),
    ("yes", True, "TRUE"),
    ("yes", np.True_, "TRUE"),
    ("yes", "True", "TRUE"),
    ("yes", "TRUE", "TRUE"),
    ("yes", False, "FALSE"),
    ("yes", 0, "FALSE"),
    ("f", "c", "c"),
    ("f", np.str_("c"), "c"),
    ("f", 2, "c"),
    ("code", 2, "2"),
    ("code", "2", "2"),
]


@pytest.mark.parametrize(("name", "ref", "label"), GIVEN)
def test_a_reference_is_found(name: str, ref: Any, label: str) -> None:
    table = fit().emmeans(name).contrast("treatment", ref=ref).to_frame()
    names = table["contrast"].tolist()
    ends = {text.split(" - ")[1] for text in names}
    assert len(ends) == 1
    assert ends.pop().removeprefix(name) == label


def test_a_covariate_at_given_values() -> None:
    means = fit().emmeans("x", at={"x": [1, 2.5]})
    by_value = means.contrast("treatment", ref=2.5).to_frame()
    assert by_value["contrast"].tolist() == ["x1 - x2.5"]
    pd.testing.assert_frame_equal(by_value, means.contrast("treatment", ref=1 - 2).to_frame())


@pytest.mark.parametrize(
    "ref", ["96 b", ("96", "b"), (96, "b"), {"year": 96, "f": "b"}, {"f": "b", "year": 96.0}, 4]
)
def test_means_of_two_variables(ref: Any) -> None:
    table = fit().emmeans(["year", "f"]).contrast("treatment", ref=ref).to_frame()
    assert all(text.endswith(" - 96 b") for text in table["contrast"])


def test_within_the_levels_of_another() -> None:
    table = fit().emmeans("year", by="f").contrast("treatment", ref=96).to_frame()
    assert set(table["contrast"]) == {"95 - 96", "97 - 96"}


def test_weights_by_value() -> None:
    means = fit().emmeans("year")
    by_value = means.contrast({"later": {95: -1, 97.0: 1}}).to_frame()
    by_label = means.contrast({"later": {"95": -1, "97": 1}}).to_frame()
    pd.testing.assert_frame_equal(by_value, by_label)


@pytest.mark.parametrize(
    ("name", "ref", "said"),
    [
        ("year", 98, "one of 95, 96, 97, or a position from 0 to 2"),
        ("year", 95.5, "one of 95, 96, 97"),
        ("year", True, "one of 95, 96, 97"),
        ("f", "d", "one of a, b, c"),
        ("f", 3, "one of a, b, c"),
        ("f", None.__class__, "one of a, b, c"),
        (["year", "f"], 96, "a level of several means"),
        (["year", "f"], {"year": 96}, "a level of several means"),
        (["year", "f"], {"years": 96}, "values by variable, such as"),
        (["year", "f"], (96, "d"), "values by variable, such as"),
    ],
)
def test_others_are_refused_with_the_levels(name: Any, ref: Any, said: str) -> None:
    with pytest.raises(mm.MixedModelsError, match=said):
        fit().emmeans(name).contrast("treatment", ref=ref)
