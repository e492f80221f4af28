"""Joint tests of the terms of a model, by their marginal means; numbers of R's emmeans."""

from __future__ import annotations

import numpy as np
import pytest
from unit.marginal.tables import nested_slopes, table

import mixedmodels as mm


def test_joint_tests_stay_within_the_data() -> None:
    data = table().assign(c=table()["x"] / 20.0, far=table()["x"] * 20.0)
    formulas = [
        "y ~ a * {} + (1 | s)",
        "y ~ a * bs({}, df=4) + (1 | s)",
        "y ~ a * log({}) + (1 | s)",
    ]
    for formula in formulas:
        tests = mm.lmer(formula.format("c"), data).joint_tests()
        assert np.isfinite(tests["statistic"]).all()
        assert tests["num_df"].tolist() == [2, 1, 2]
    # What is linear does not depend on the unit.
    near, far = (mm.lmer(formulas[0].format(x), data).joint_tests() for x in ("c", "far"))
    np.testing.assert_allclose(near["statistic"], far["statistic"], rtol=1e-6)


@pytest.mark.parametrize(
    ("fixed", "tests"),
    [
        ("0 + f + f:x", {"f": (2, 3.878), "f:x": (3, 1.182)}),
        ("f:x", {"f": (2, 0.987), "x": (1, 0.068), "f:x": (2, 0.987)}),
        ("f:h", {"f": (2, 4.130), "h": (1, 9.878), "f:h": (2, 2.635)}),
        ("f/h", {"f": (2, 4.130), "f:h": (3, 5.050)}),
        (
            "f + x + f:h:x",
            {"f": (2, 3.974), "x": (1, 0.147), "f:x": (2, 1.844), "f:x:h": (3, 0.614)},
        ),
        (
            "0 + f*h + f:h:x",
            {"f": (2, 4.584), "h": (1, 9.109), "f:h": (2, 2.680), "f:h:x": (6, 1.206)},
        ),
        ("f + x:h", {"f": (2, 3.778), "x": (1, 0.086), "h": (1, 0.472), "x:h": (1, 0.472)}),
        (
            "(f/h)*x",
            {
                "f": (2, 4.584),
                "x": (1, 0.115),
                "f:x": (2, 1.627),
                "f:h": (3, 4.811),
                "f:x:h": (3, 1.347),
            },
        ),
    ],
)
def test_joint_tests_of_terms_without_their_parts_are_those_of_emmeans(
    fixed: str, tests: dict[str, tuple[int, float]]
) -> None:
    """Numerator degrees of freedom and F by Kenward and Roger's method."""
    fit = mm.lmer(f"y ~ {fixed} + (1 | g)", nested_slopes())
    found = fit.joint_tests(ddf="kenward-roger").to_frame()
    assert found.index.tolist() == list(tests)
    assert found["num_df"].tolist() == [df for df, _ in tests.values()]
    np.testing.assert_allclose(found["statistic"], [F for _, F in tests.values()], atol=6e-4)


def test_nested_slopes_are_all_tested_and_one_by_one() -> None:
    fit = mm.lmer("y ~ 0 + f + f:x + (1 | g)", nested_slopes())
    every = fit.joint_tests(ddf="none").to_frame().loc["f:x"]
    wald = fit.anova(ddf="none").to_frame().loc["f:x"]
    assert every["statistic"] == pytest.approx(wald["statistic"], rel=1e-8)
    single = fit.joint_tests(by="f", ddf="none").to_frame()
    assert single.index.tolist() == ["x"] * 3
    ratios = fit.coef_table(ddf="none")["statistic"].to_numpy()[3:]
    np.testing.assert_allclose(single["statistic"], ratios**2, rtol=1e-8)
    with_values = fit.joint_tests(at={"x": [0, 2, 4]}, ddf="none").to_frame()
    assert with_values.loc["f:x", "statistic"] == pytest.approx(every["statistic"], rel=1e-8)
