"""Adjustments, comparisons, scales, letters and specs by themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixedmodels as mm
from mixedmodels.formula import parse_formula
from mixedmodels.marginal.adjust import Family, adjust_name, adjusted
from mixedmodels.marginal.contrasts import comparison, shielded
from mixedmodels.marginal.joint_t import Joint
from mixedmodels.marginal.letters import compact_letters
from mixedmodels.marginal.ranges import range_quantile, range_tail
from mixedmodels.marginal.scale import response_scale
from mixedmodels.marginal.specs import Specs, read_specs

# -- distributions --------------------------------------------------------------------------


@pytest.mark.parametrize("k", [2, 3, 7])
@pytest.mark.parametrize("df", [2.5, 9.0, 40.3, np.inf])
def test_the_studentized_range_is_scipys(k: int, df: float) -> None:
    q = np.array([0.5, 2.0, 3.7, 8.0])
    expected = stats.studentized_range.sf(q, k, df)
    np.testing.assert_allclose(range_tail(q, k, np.full(4, df)), expected, atol=1e-7)
    for tail in (0.2, 0.05, 0.001):
        at = range_quantile(tail, k, np.array([df]))
        np.testing.assert_allclose(range_tail(at, k, np.array([df])), tail, rtol=1e-6)


def test_ranges_without_a_number() -> None:
    found = range_tail(np.array([np.nan, 2.0]), 3, np.array([5.0, np.nan]))
    assert np.isnan(found).all()
    assert np.isnan(range_quantile(0.05, 3, np.array([np.nan, np.nan]))).all()


@pytest.mark.parametrize("df", [4.0, 25.5, np.inf])
@pytest.mark.parametrize("k", [2, 3, 5, 8])
def test_pairs_of_independent_means_have_the_studentized_range(k: int, df: float) -> None:
    pairs = np.array([np.eye(k)[i] - np.eye(k)[j] for i in range(k) for j in range(i)])
    joint = Joint(0.5 * pairs @ pairs.T)
    for size in (0.7, 2.0, 3.5):
        expected = range_tail(np.array([np.sqrt(2.0) * size]), k, np.array([df]))[0]
        assert joint.tail(size, df) == pytest.approx(expected, abs=1e-4)
    limit = range_quantile(0.05, k, np.array([df]))[0] / np.sqrt(2.0)
    assert joint.quantile(0.05, df, len(pairs)) == pytest.approx(limit, rel=3e-4)


def test_independent_and_equal_ratios() -> None:
    p = 2.0 * stats.norm.sf(2.5)
    assert Joint(np.eye(4)).tail(2.5, np.inf) == pytest.approx(1.0 - (1.0 - p) ** 4, abs=1e-4)
    assert Joint(np.ones((3, 3))).tail(2.5, np.inf) == pytest.approx(p)
    assert Joint(np.ones((1, 1))).quantile(0.05, 10.0, 1) == pytest.approx(stats.t.ppf(0.975, 10))


def test_p_values_adjusted_in_order_are_those_of_r() -> None:
    p = np.array([0.004, 0.02, 0.011, 0.3, 0.04, 0.0007, 0.5, 0.06])
    t = stats.norm.isf(0.5 * p)
    family = Family(t, np.full(8, np.inf), 5, 8, lambda: Joint(np.eye(8)))
    # By p.adjust.
    hommel = [0.028, 0.1, 0.06, 0.5, 0.12, 0.0056, 0.5, 0.18]
    np.testing.assert_allclose(adjusted(family, adjust_name("Hommel")), hommel)
    yekutieli = [0.04348571, 0.1087143, 0.07972381, 0.9318367, 0.1739429, 0.01522, 1, 0.2174286]
    np.testing.assert_allclose(adjusted(family, adjust_name("BY")), yekutieli, rtol=1e-6)
    # A test without an estimate counts, with a p-value of one.
    t[3] = np.nan
    found = adjusted(family, "hommel")
    assert np.isnan(found[3])
    assert found[5] == pytest.approx(0.0056)
    one = Family(t[:1], np.full(1, np.inf), 2, 1, lambda: Joint(np.eye(1)))
    for method in ("hommel", "fdr-by"):
        assert adjusted(one, adjust_name(method))[0] == pytest.approx(0.004)


# -- comparisons ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "weights"),
    [
        ("pairwise", [[1, -1, 0], [1, 0, -1], [0, 1, -1]]),
        ("revpairwise", [[-1, 1, 0], [-1, 0, 1], [0, -1, 1]]),
        ("consec", [[-1, 1, 0], [0, -1, 1]]),
        ("trt.vs.ctrl", [[-1, 1, 0], [-1, 0, 1]]),
        ("poly", [[-1, 0, 1], [1, -2, 1]]),
        ({"q": [0.5, 0.5, -1]}, [[0.5, 0.5, -1]]),
        ({"q": {"a": 1, "c": -1}}, [[1, 0, -1]]),
        ([[1, 0, -1]], [[1, 0, -1]]),
        (pd.DataFrame([[1, 0, -1]], index=["n"], columns=list("abc")), [[1, 0, -1]]),
    ],
)
def test_weights_of_comparisons(method: Any, weights: list[list[float]]) -> None:
    found = comparison(method, ["a", "b", "c"])
    np.testing.assert_array_equal(found.weights, weights)
    np.testing.assert_array_equal(
        comparison(method, ["a", "b", "c"], reverse=True).weights, -found.weights
    )
    assert len(found.labels) == len(weights)


def test_polynomials_in_whole_numbers() -> None:
    found = comparison("polynomial", list("abcdef")).weights
    np.testing.assert_array_equal(found[1], [5, -1, -4, -4, -1, 5])
    np.testing.assert_array_equal(found[2], [-5, 7, 4, -4, -7, 5])


@pytest.mark.parametrize("ref", ["c", 2, -1])
def test_a_reference(ref: Any) -> None:
    assert comparison("treatment", list("abc"), ref=ref).labels == ("a - c", "b - c")


def test_names_of_r() -> None:
    assert comparison("trt.vs.ctrlk", list("abc")).labels == ("a - c", "b - c")
    assert comparison("trt.vs.ctrl1", list("abc")).labels == ("b - a", "c - a")
    assert comparison("tukey", list("abc")).labels == ("a - b", "a - c", "b - c")


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("pairwises", {}, "Did you mean 'pairwise'"),
        ("treatment", {"ref": "z"}, "ref is 'z'"),
        ("treatment", {"ref": 7}, "a position from 0 to 2"),
        ({"q": [1, -1]}, {}, "it must be 3 numbers"),
        ({"q": {"z": 1}}, {}, "gives a weight to 'z'"),
        ({"q": "text"}, {}, "it must be 3 numbers"),
        ([[1, np.nan, 0]], {}, "rows of 3 numbers"),
        (3, {}, "rows of 3 numbers"),
    ],
)
def test_comparisons_that_are_refused(method: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(mm.MixedModelsError) as caught:
        comparison(method, list("abc"), **options)
    assert words in str(caught.value)


def test_brackets_round_comparisons() -> None:
    assert [shielded(text) for text in ("a", "a - b", "(a - b) u", "a-b")] == [
        "a", "(a - b)", "(a - b) u", "a-b"
    ]  # fmt: skip


# -- scales ---------------------------------------------------------------------------------

SCALES = {
    "log(y)": (np.log, 2.0),
    "np.log(y)": (np.log, 2.0),
    "log2(y)": (np.log2, 2.0),
    "log(y, 2)": (np.log2, 2.0),
    "log(y, base = 3)": (lambda y: np.log(y) / np.log(3.0), 2.0),
    "log10(y)": (np.log10, 2.0),
    "log1p(y)": (np.log1p, 2.0),
    "log(y + 0.5)": (lambda y: np.log(y + 0.5), 2.0),
    "log(2 * y)": (lambda y: np.log(2.0 * y), 2.0),
    "log(10 - y)": (lambda y: np.log(10.0 - y), 2.0),
    "sqrt(y)": (np.sqrt, 2.0),
    "sqrt(y / 3)": (lambda y: np.sqrt(y / 3.0), 2.0),
    "I(y^2)": (np.square, 2.0),
    "I(1 / y)": (lambda y: 1.0 / y, 2.0),
    "I(-1000 / y)": (lambda y: -1000.0 / y, 2.0),
    "I(y^(1/3))": (np.cbrt, 2.0),
    "qlogis(y)": (lambda y: np.log(y / (1.0 - y)), 0.3),
    "qnorm(y)": (stats.norm.ppf, 0.3),
    "asin(sqrt(y))": (lambda y: np.arcsin(np.sqrt(y)), 0.3),
    "exp(y)": (np.exp, 0.7),
    "asinh(y)": (np.arcsinh, 2.0),
    "3 * log(y) - 1": (lambda y: 3.0 * np.log(y) - 1.0, 2.0),
}


@pytest.mark.parametrize("response", list(SCALES))
def test_the_way_back(response: str) -> None:
    transform, y = SCALES[response]
    left = response if "(" in response[:8] and not response.startswith("3") else f"I({response})"
    scale = response_scale(parse_formula(f"{left} ~ 1 + (1 | g)").response_factor)
    assert scale is not None
    at = np.array([float(transform(y))])
    back, first, second = scale.back(at)
    np.testing.assert_allclose(back, y, rtol=1e-12)
    step = 1e-4
    above, below = scale.back(at + step), scale.back(at - step)
    np.testing.assert_allclose(first, (above[0] - below[0]) / (2.0 * step), rtol=1e-5)
    np.testing.assert_allclose(second, (above[1] - below[1]) / (2.0 * step), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "response", ["y", "scale(y)", "I(y + z)", "log(y + z)", "abs(y)", "pmin(y, 3)"]
)
def test_responses_without_a_way_back(response: str) -> None:
    assert response_scale(parse_formula(f"{response} ~ 1 + (1 | g)").response_factor) is None


def test_limits_of_a_root_that_would_be_negative() -> None:
    scale = response_scale(parse_formula("sqrt(y) ~ 1 + (1 | g)").response_factor)
    assert scale is not None
    assert scale.back(np.array([-0.5]))[0] == 0.0


# -- letters --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_letters_say_which_means_differ(seed: int) -> None:
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, 10))
    differ = np.triu(rng.random((k, k)) < rng.choice([0.1, 0.5, 0.9]), 1)
    order = rng.normal(size=k)
    letters = compact_letters(differ, order)
    for i in range(k):
        assert letters[i]
        for j in range(i + 1, k):
            assert bool(set(letters[i]) & set(letters[j])) != bool(differ[i, j])


def test_many_letters_and_missing_means() -> None:
    k = 60
    differ = np.triu(np.ones((k, k), dtype=np.bool_), 1)
    order = np.arange(k, dtype=np.float64)
    order[3] = np.nan
    letters = compact_letters(differ, order)
    assert letters[3] == ""
    assert letters[0] == "a"
    assert len(set(letters)) == k


# -- specs ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "by", "expected"),
    [
        ("f", None, Specs(("f",), ())),
        (["f", "g"], "g", Specs(("f",), ("g",))),
        ("~ f * g | h", None, Specs(("f", "g"), ("h",))),
        ("pairwise ~ f + g | h:k", None, Specs(("f", "g"), ("h", "k"), "pairwise")),
        ("~ `my f` | `a:b`", None, Specs(("my f",), ("a:b",))),
        ("~ factor(Days)", None, Specs(("factor(Days)",), ())),
        ("~ 1", None, Specs((), ())),
        ("~ f", ["g"], Specs(("f",), ("g",))),
        (("f",), (), Specs(("f",), ())),
    ],
)
def test_specs(given: Any, by: Any, expected: Specs) -> None:
    assert read_specs(given, by) == expected
