"""Interaction contrasts of means; numbers of R's emmeans."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from unit.marginal.tables import three_factors

import mixedmodels as mm

INTERACTIONS: dict[str, tuple[str, Any, Any, list[float], list[float], list[float]]] = {
    "two-way": (
        "f * h",
        lambda fit: fit.emmeans("f * h", ddf="kenward-roger"),
        {"interaction": "pairwise"},
        [-0.385, -0.915, -0.530],
        [-0.963, -2.286, -1.324],
        [0.3371, 0.0235, 0.1876],
    ),
    "a contrast for each variable, adjusted": (
        "f * h",
        lambda fit: fit.emmeans("f * h", ddf="kenward-roger"),
        {"interaction": ["poly", "consec"], "adjust": "holm"},
        [-0.915, -0.144],
        [-2.286, -0.208],
        [0.0471, 0.8353],
    ),
    "three-way": (
        "f * h * t",
        lambda fit: fit.emmeans("f * h * t", ddf="kenward-roger"),
        {"interaction": ["consec", "pairwise", "poly"]},
        [-0.463, 0.635, -1.103, 1.883],
        [-0.445, 0.631, -0.637, 1.051],
        [0.6569, 0.5292, 0.5252, 0.2949],
    ),
    "three-way within levels": (
        "f * h * t",
        lambda fit: fit.emmeans("f * h * t", ddf="kenward-roger"),
        {"interaction": "consec", "by": "t", "adjust": "bonferroni"},
        [-0.46926, -0.49732, -0.78957, 0.12704, -0.00641, -1.13185],
        [-0.630, -0.722, -1.146, 0.171, -0.009, -1.559],
        [1.0, 0.9432, 0.5074, 1.0, 1.0, 0.2420],
    ),
    "by variable": (
        "f * h * t",
        lambda fit: fit.emmeans("f * h * t", ddf="kenward-roger"),
        {"interaction": {"f": "pairwise"}, "method": "poly"},
        [-0.463, 0.172, 0.635, -1.103, 0.780, 1.883],
        [-0.445, 0.163, 0.631, -0.637, 0.448, 1.051],
        [0.6569, 0.8711, 0.5292, 0.5252, 0.6549, 0.2949],
    ),
    "with a covariate": (
        "f * h + f * x",
        lambda fit: fit.emmeans("f * x", at={"x": [0, 1, 3]}, ddf="kenward-roger"),
        {"interaction": ["pairwise", "consec"]},
        [-0.235, -0.383, -0.148, -0.470, -0.766, -0.296],
        [-1.051, -1.765, -0.676, -1.051, -1.765, -0.676],
        [0.2950, 0.0794, 0.5000, 0.2950, 0.0794, 0.5000],
    ),
    "slopes": (
        "f * h + f * x",
        lambda fit: fit.emtrends("f", "x", ddf="kenward-roger"),
        {"interaction": True},
        [-0.235, -0.383, -0.148],
        [-1.051, -1.765, -0.676],
        [0.2950, 0.0794, 0.5000],
    ),
}


@pytest.mark.parametrize("name", INTERACTIONS)
def test_interaction_contrasts_are_those_of_emmeans(name: str) -> None:
    """contrast(..., interaction = ...), in the order of its rows."""
    fixed, means, options, estimates, ratios, p_values = INTERACTIONS[name]
    fit = mm.lmer(f"y ~ {fixed} + (1 | g)", three_factors())
    found = means(fit).contrast(**options).to_frame()
    np.testing.assert_allclose(found["estimate"], estimates, atol=6e-4)
    np.testing.assert_allclose(found["statistic"], ratios, atol=6e-4)
    np.testing.assert_allclose(found["p_value"], p_values, atol=6e-5)


def test_interaction_contrasts_name_their_parts() -> None:
    fit = mm.lmer("y ~ f * h * t + (1 | g)", three_factors())
    means = fit.emmeans("f * h * t")
    found = means.contrast(interaction=["treatment", "pairwise", [[1, 0, -1]]], ref={"f": "b"})
    table = found.to_frame()
    assert table.columns[:3].tolist() == ["f_treatment", "h_pairwise", "t_custom"]
    assert table.iloc[0, :3].tolist() == ["a - b", "u - v", "lo - hi"]
    assert table["f_treatment"].tolist() == ["a - b", "c - b"]
    assert "f_treatment" in str(found)
    turned = means.contrast(interaction=["pairwise", "pairwise", "poly"], reverse=True).to_frame()
    plain = means.contrast(interaction=["pairwise", "pairwise", "poly"]).to_frame()
    np.testing.assert_allclose(turned["estimate"], -plain["estimate"])
    assert turned.iloc[0, 0] == "b - a"
    # Of two variables it is the contrast of the contrasts.
    two = fit.emmeans("f", by="h").pairs().pairs(by=[], adjust="none").to_frame()
    one = fit.emmeans("f * h").pairs(interaction=True).to_frame()
    places = [two["estimate"].sub(value).abs().idxmin() for value in one["estimate"]]
    np.testing.assert_allclose(two["p_value"][places], one["p_value"])
    odds = mm.glmer("z ~ f * h + (1 | g)", three_factors().assign(z=lambda d: (d["y"] > 0) * 1))
    ratios = odds.emmeans("f * h", type="response").pairs(interaction=True)
    differences = odds.emmeans("f * h").pairs(interaction=True).to_frame()
    np.testing.assert_allclose(ratios["estimate"], np.exp(differences["estimate"]))
    assert ratios.to_frame().iloc[0, :2].tolist() == ["a / b", "u / v"]
    found.plot()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"interaction": "pairs of"}, "The contrast is"),
        ({"interaction": ["pairwise", "poly", "poly", "poly"]}, "one for each of f, h"),
        ({"interaction": {"z": "poly"}}, "interaction names 'z'"),
        ({"interaction": 2}, "interaction is 2"),
        ({"interaction": "treatment", "ref": {"z": 1}}, "ref names 'z'"),
        ({"interaction": {"f": "treatment"}, "ref": {"f": "q"}}, "ref is 'q'"),
    ],
)
def test_interaction_contrasts_that_there_are_not(options: Any, says: str) -> None:
    fit = mm.lmer("y ~ f * h + (1 | g)", three_factors())
    with pytest.raises(mm.MixedModelsError, match=says):
        fit.emmeans("f * h").contrast(**options)


def test_interaction_contrasts_need_all_combinations() -> None:
    data = three_factors()
    data["k"] = data["f"] + np.where(data["f"] == "a", data["h"], data["t"].astype(str))
    fit = mm.lmer("y ~ f / k + (1 | g)", data)
    with pytest.raises(mm.MixedModelsError, match="all combinations"):
        fit.emmeans("k").contrast(interaction=True)
    within = fit.emmeans("k").contrast(interaction="consec", by="f").to_frame()
    assert len(within) == 1 + 2 + 2
