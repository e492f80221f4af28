"""Tests of means and contrasts against values; numbers of R's emmeans 1.8.4."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels.linear import LinearMixedFit
from mixedmodels.marginal.results import Contrasts, MarginalMeans


@lru_cache
def means() -> MarginalMeans:
    fit = mm.lmer("score ~ Machine + (1 | Worker/Machine)", mm.load_dataset("machines"))
    return fit.emmeans("Machine")


@lru_cache
def disease() -> mm.GeneralizedLinearMixedFit:
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    return mm.glmer(formula, mm.load_dataset("cbpp"), "binomial")


@lru_cache
def odds() -> Contrasts:
    return disease().emmeans("period", type="response").pairs(adjust="none")


# Of means or pairs, arguments, column, R's numbers.
FROM_R: list[tuple[str, dict[str, Any], str, list[float]]] = [
    ("means", {"null": 55}, "statistic", [-1.0638073, 2.141024, 4.5345904]),
    ("means", {"null": 55}, "p_value", [0.31662949, 0.062602253, 0.001628405]),
    ("means", {"null": 55, "side": "<"}, "p_value", [0.15831475, 0.96869887, 0.9991858]),
    ("means", {"side": "less", "level": 0.9}, "upper", [55.808839, 63.775506, 69.725506]),
    ("pairs", {"null": -5, "side": ">"}, "p_value", [0.99895647, 1.0, 0.96209601]),
    ("pairs", {"side": ">", "adjust": "sidak"}, "lower", [-13.31343, -19.26343, -11.296763]),
    ("pairs", {"delta": 10}, "statistic", [-0.93401754, 1.7991321, -1.8603792]),
    ("pairs", {"delta": 10}, "p_value", [0.46094402, 0.99986658, 0.13237366]),
    ("pairs", {"delta": 10, "adjust": "none"}, "p_value", [0.18614952, 0.9489017, 0.046228716]),
    (
        "pairs",
        {"delta": 10, "side": "noninferiority", "adjust": "holm"},
        "p_value",
        [0.37229905, 0.9489017, 0.13868615],
    ),
    (
        "pairs",
        {"delta": 10, "side": "<", "adjust": "bonferroni"},
        "p_value",
        [1.3432195e-05, 1.0004663e-06, 3.7820562e-05],
    ),
]


@pytest.mark.parametrize(("rows", "options", "column", "expected"), FROM_R)
def test_as_in_r(rows: str, options: dict[str, Any], column: str, expected: list[float]) -> None:
    table = means() if rows == "means" else means().pairs()
    np.testing.assert_allclose(table.test(**options)[column], expected, rtol=2e-4)


def test_ratios_are_tested_on_the_scale_of_the_predictor() -> None:
    found = odds().test(math.log(2), side="greater")
    # glmmTMB 1.1.5; lme4's standard errors are of second differences, 1 % smaller.
    expected = [0.97568053, 1.3333549, 2.0755511, -1.4625587, -0.22363709, -0.49868394]
    np.testing.assert_allclose(found["statistic"], expected, rtol=3e-3)
    np.testing.assert_allclose(found["null"], 2.0)
    assert np.isinf(found["upper"]).all()
    below = odds().test(side="less")
    np.testing.assert_array_equal(below["lower"], 0.0)


def test_without_arguments_the_tests_are_those_of_the_table() -> None:
    pairs = means().pairs()
    again = pairs.test()
    for column in ("statistic", "p_value", "lower", "upper"):
        np.testing.assert_allclose(again[column], pairs[column], rtol=1e-12)
    assert "Tukey" in str(again)
    everyone = means().test(adjust="tukey")
    assert "Šidák" in str(everyone)


def test_limits_of_equivalence_invert_the_tests() -> None:
    pairs = means().pairs(adjust="none")
    limits = pairs.test(delta=10)
    largest = np.maximum(limits["upper"], -limits["lower"])
    for delta, within in zip(largest, np.eye(3, dtype=bool), strict=True):
        p = pairs.test(delta=delta)["p_value"].to_numpy()
        np.testing.assert_allclose(p[within], 0.05, rtol=1e-8)


def test_rows_together() -> None:
    joint = means().pairs().test().joint
    np.testing.assert_allclose(joint["statistic"], 20.576, rtol=1e-4)
    np.testing.assert_allclose(joint["p_value"], 0.00028554863, rtol=1e-3)
    assert joint["num_df"].tolist() == [2]
    estimates = means()["estimate"].to_numpy()
    assert means().test(estimates).joint["statistic"].iloc[0] == pytest.approx(0.0, abs=1e-12)


def test_within_groups() -> None:
    fit = mm.lmer("yield ~ Variety * nitro + (1 | Block)", mm.load_dataset("oats"))
    cells = fit.emmeans("Variety", by="nitro", at={"nitro": [0, 0.6]})
    joint = cells.pairs().test().joint
    assert joint["nitro"].tolist() == [0.0, 0.6]
    assert len(cells.test(100)) == 6
    assert str(cells.test(100, side=">")).count("nitro =") == 2


def test_pictures_and_pages_of_open_limits() -> None:
    axes = means().test(55, side=">").plot().axes[0]
    assert axes.get_xlim()[1] > 66.3
    arrows = [line for line in axes.lines if line.get_marker() == ">"]
    assert sum(len(np.atleast_1d(line.get_xdata())) for line in arrows) == 3
    left = odds().test(side="<").plot().axes[0]
    assert np.isfinite(left.get_xlim()).all()
    assert "Value tested" in means().test(55).to_markdown()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"null": [1, 2]}, "one for each of the 3 rows"),
        ({"null": "no"}, "null is 'no'"),
        ({"side": "up"}, "'two-sided', 'greater', 'less'"),
        ({"delta": -1}, "at least 0"),
        ({"delta": True}, "at least 0"),
        ({"level": 95}, "level"),
        ({"level": 0.3, "delta": 1}, "level is 0.3; tests of equivalence"),
        ({"adjust": "dunn"}, "adjust is 'dunn'"),
    ],
)
def test_what_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(mm.MixedModelsError, match=words):
        means().test(**options)


@lru_cache
def ordered() -> mm.GeneralizedLinearMixedFit:
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"s": np.arange(240) // 12, "f": np.tile(list("abc"), 80)})
    latent = rng.normal(size=240) + rng.normal(size=20)[data["s"]] + (data["f"] == "b")
    return mm.glmer("r ~ f + (1 | s)", data.assign(r=np.digitize(latent, [-0.5, 0.5])), "ordinal")


def test_joint_tests_of_what_cannot_be_are_refused() -> None:
    start = "contradict each other"
    for method in ("pairwise", "effect"):
        with pytest.raises(mm.MixedModelsError, match=start):
            _ = means().contrast(method).test(1).joint
    # a - b and b - c say what a - c is.
    possible = means().pairs().test([1, 3, 2]).joint
    assert possible["num_df"].tolist() == [2]
    chances = ordered().emmeans("r", by="f", type="prob")
    with pytest.raises(mm.MixedModelsError, match=r"0 = 0; 1 = 0; 2 = 0\. The prob"):
        _ = chances.test().joint
    assert chances.test(1 / 3).joint["num_df"].tolist() == [2, 2, 2]
    assert chances.pairs().test().joint["num_df"].tolist() == [2, 2, 2]
    assert ordered().emmeans("f", by="r", type="prob").test(0.2).joint["num_df"].tolist() == [3] * 3


def test_joint_tests_by_the_delta_method() -> None:
    regridded = disease().emmeans("period").regrid()
    for kind in (regridded, regridded.regrid("log")):
        assert np.isfinite(kind.test(0.3).joint["p_value"]).all()
        for pairs in (kind.pairs(), kind.contrast("consecutive").pairs()):
            with pytest.raises(mm.MixedModelsError, match="contradict each other"):
                _ = pairs.test(0.1).joint
            assert np.isfinite(pairs.test().joint["p_value"]).all()


def test_long_contradictions_are_shortened() -> None:
    pairs = disease().emmeans("period").contrast({str(j): np.eye(4)[j % 4] for j in range(12)})
    values = np.arange(12.0)
    with pytest.raises(mm.MixedModelsError, match="7 = 7; and 4 others"):
        _ = pairs.test(values).joint


@lru_cache
def positive(response: str, link: str = "") -> LinearMixedFit | mm.GeneralizedLinearMixedFit:
    """A fit to positive responses, or to their sums (`count`) and signs (`high`)."""
    rng = np.random.default_rng(8)
    data = pd.DataFrame({"s": np.arange(240) // 12, "f": np.tile(list("abc"), 80)})
    size = 1.0 + 0.4 * (data["f"] == "b") + 0.2 * rng.normal(size=20)[data["s"]]
    data["y"] = size * rng.gamma(8.0, 1.0 / 8.0, 240)
    data["count"], data["high"] = rng.poisson(size), (data["y"] > 1.1).astype(int)
    formula = f"{response} ~ f + (1 | s)"
    if not link:
        return mm.lmer(formula, data)
    family = {"y": "gamma", "count": "poisson", "high": "binomial"}[response]
    return mm.glmer(formula, data, family, link=link)


BENT = [
    ("high", "logit", 0.0, 1.0),
    ("high", "probit", 0.0, 1.0),
    ("high", "cloglog", 0.0, 1.0),
    ("count", "log", 0.0, np.inf),
    ("y", "inverse", 0.0, np.inf),
    ("log(y)", "", 0.0, np.inf),
    ("sqrt(y)", "", 0.0, np.inf),
    ("I(1 / y)", "", 0.0, np.inf),
    ("exp(y)", "", -np.inf, np.inf),
]


@pytest.mark.parametrize(("response", "link", "lowest", "highest"), BENT)
@pytest.mark.parametrize("adjusted", [False, True])
@pytest.mark.parametrize("level", [0.95, 0.3])
def test_limits_to_one_side(
    response: str, link: str, lowest: float, highest: float, adjusted: bool, level: float
) -> None:
    sigma = {"sigma": 0.2} if adjusted else {}
    shown = positive(response, link).emmeans("f", type="response", bias_adjust=adjusted, **sigma)
    falling = response == "I(1 / y)" or link == "inverse"
    for side in ("greater", "less"):
        found = shown.test(1.0, side=side, level=level)  # type: ignore[arg-type]
        open_above = (side == "greater") != falling
        finite, end = ("lower", "upper") if open_above else ("upper", "lower")
        np.testing.assert_array_equal(found[end], highest if open_above else lowest)
        # Below one half the limit is on the other side of the estimate.
        beyond = found[finite] > found["estimate"]
        assert np.isfinite(found[finite]).all()
        assert (beyond == (open_above == (level < 0.5))).all()


def test_tukey_is_for_pairs_not_for_as_many_contrasts() -> None:
    effects = means().contrast("effect")
    found = effects.test(adjust="tukey")
    assert "Tukey's method is for all pairs of means; Šidák's is used." in found.footnotes
    pd.testing.assert_series_equal(found["p_value"], effects.test(adjust="sidak")["p_value"])
    pairs = means().pairs(adjust="none").test(adjust="tukey")
    np.testing.assert_allclose(pairs["p_value"], means().pairs()["p_value"], rtol=1e-12)
    assert "Šidák" not in str(pairs)
    # Tests with one tail have Šidák's too, but not because they are no pairs.
    assert "for all pairs" not in str(means().pairs().test(side=">", adjust="tukey"))
    assert "for all pairs" in str(means().test(adjust="tukey"))


@pytest.mark.parametrize("adjust", ["sidak", "bonferroni", "holm", "tukey", "mvt", "fdr"])
@pytest.mark.parametrize("side", ["two-sided", "greater"])
def test_a_single_test_is_not_adjusted(adjust: Any, side: Any) -> None:
    one = means().contrast({"first two": [1, -1, 0]})
    found = one.test(adjust=adjust, side=side)
    assert "tests" not in str(found).replace("Tests of contrasts", "")
    pd.testing.assert_series_equal(found["p_value"], one.test(side=side)["p_value"])


@pytest.mark.parametrize(("response", "link"), [("y", "inverse"), ("I(1 / y)", "")])
def test_sentences_of_scales_that_fall(response: str, link: str) -> None:
    shown = positive(response, link).emmeans("f", type="response")
    # By hand: all means are greater than one half, so that 1 / mean is less than two.
    assert (shown["estimate"] > 0.5).all()
    for options, said in (
        ({"side": ">"}, "is greater than null there."),
        ({"side": "<"}, "is less than null there."),
        ({"side": ">", "delta": 0.01}, "is not less than null there by as much."),
        ({"side": "<", "delta": 0.01}, "is not more than null there by as much."),
    ):
        tested = shown.test(2.0, **options)  # type: ignore[arg-type]
        of = "inverse" if link else response
        assert f"A small p-value says that the estimate on the scale of {of} {said}" in (
            tested.footnotes
        )
        assert any(note.startswith("Estimates shown fall where those") for note in tested.footnotes)
        assert ((tested["p_value"] > 0.5) == (options["side"] == ">")).all()
        again = positive(response, link).emmeans("f").test(2.0, **options)  # type: ignore[arg-type]
        np.testing.assert_allclose(again["p_value"], tested["p_value"])
        assert "Estimates shown" not in str(again)
    rising = positive("y", "log").emmeans("f", type="response").test(0.5, side=">")
    assert "A small p-value says that the estimate is greater than null." in rising.footnotes


def test_sentences_of_earlier_tests_go() -> None:
    means_ = positive("y", "inverse").emmeans("f", type="response")
    plain = means_.test().footnotes
    for options in (
        {"side": ">"},
        {"delta": 0.1},
        {"side": "<", "delta": 0.1},
        {"adjust": "tukey"},
        {"adjust": "holm"},
    ):
        assert means_.test(1.0, **options).test(adjust="none").footnotes == plain  # type: ignore[arg-type]
    assert means_.letters().test().footnotes == plain
    assert not any("share a letter" in note for note in means_.letters().pairs().footnotes)


def test_limits_of_equivalence_are_spoken_of_where_they_agree() -> None:
    said = "Limits are within the margins where p is below 0.05."
    pairs = means().pairs()
    for adjust in ("none", "sidak", "bonferroni", "tukey"):  # Šidák's in place of Tukey's
        assert said in pairs.test(delta=5, adjust=adjust).footnotes  # type: ignore[arg-type]
    for adjust in ("holm", "hochberg", "hommel", "fdr", "fdr-by"):
        assert said not in pairs.test(delta=5, adjust=adjust).footnotes  # type: ignore[arg-type]
