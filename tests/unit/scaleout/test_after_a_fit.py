"""What follows a fit of sums: marginal means, terms left out, shares of the variance."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.streamed import in_parts, summed

import mixedmodels as mm
from mixedmodels.design.summary import RowSummary
from mixedmodels.linear import LinearMixedFit
from mixedmodels.scaleout import CrossProducts
from mixedmodels.streaming.partial import Partial

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "factors": ("y ~ f * h + x + k + b + factor(t) + (1 | g)", {}),
    "weights and offset": ("y ~ f * h + x + k + (x | g)", {"weights": "w", "offset": "k"}),
    "no intercept": ("y ~ 0 + f + x + h + (0 + f | g) + (1 | s)", {}),
    "several slopes": ("y ~ x + f + (x + f | g) + (1 | s)", {"weights": "w", "reml": False}),
    "one slope each": ("y ~ poly(x, 2) + h + (x || g) + (1 | s)", {}),
    "dependent columns": ("y ~ f + u + I(2 * x) + x + (1 | g / h)", {}),
    "nested factors": ("y ~ f / n + (1 | g)", {}),
    "sum contrasts": ("y ~ f * h + (1 | g)", {"contrasts": {"f": "sum", "h": "helmert"}}),
    "a text for a number": ("log(y + 30) ~ t + f + (1 | g) + (1 | s)", {}),
}
QUESTIONS: dict[str, Callable[[LinearMixedFit], Any]] = {
    "means": lambda fit: fit.emmeans(first(fit)),
    "proportional means": lambda fit: fit.emmeans(first(fit), weights="proportional"),
    "means of cells": lambda fit: fit.emmeans(first(fit), weights="cells"),
    "outer means": lambda fit: fit.emmeans(first(fit), weights="outer"),
    "flat means": lambda fit: fit.emmeans(first(fit), weights="flat"),
    "contrasts": lambda fit: fit.emmeans(f"pairwise ~ {first(fit)}").contrasts,
    "joint tests": lambda fit: fit.joint_tests(),
    "slopes": lambda fit: fit.emtrends(f"~ {first(fit)}", "x" if has_x(fit) else first(fit)),
    "r2": lambda fit: fit.r2().to_frame(),
    "icc": lambda fit: fit.icc(),
    "anova 1": lambda fit: fit.anova(type=1),
    "anova 2": lambda fit: fit.anova(type=2),
    "anova 3": lambda fit: fit.anova(type=3),
    "drop1": lambda fit: fit.drop1(),
    "drop1 by F": lambda fit: fit.drop1("F"),
    "ranova": lambda fit: fit.ranova(),
    "ranova of whole terms": lambda fit: fit.ranova(reduce=False),
    "coefficients": lambda fit: fit.coef_table(),
    "profile": lambda fit: (
        fit.confint("beta_") if len(fit.beta) < 5 else fit.confint(method="wald")
    ),
}


def first(fit: LinearMixedFit) -> str:
    return next(name for name in ("f", "h") if name in fit.formula.split("|")[0])


def has_x(fit: LinearMixedFit) -> bool:
    return "x" in fit.formula.split("(1")[0]


def table(n: int = 1500) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    data = pd.DataFrame(
        {
            "f": rng.choice(list("abc"), n),
            "h": rng.choice(list("uv"), n),
            "x": 1e3 + rng.standard_normal(n),
            "u": rng.standard_normal(n),
            "k": rng.integers(0, 2, n),
            "b": rng.random(n) < 0.3,
            "t": rng.integers(0, 4, n),
            "g": rng.integers(0, 20, n),
            "s": rng.integers(0, 12, n),
            "w": rng.integers(1, 4, n).astype(float),
        }
    )
    data["n"] = data["f"] + rng.choice(list("12"), n)
    intercepts, slopes, others = rng.standard_normal((3, 20))
    data["y"] = (
        intercepts[data["g"]]
        + 0.5 * slopes[data["g"]] * (data["x"] - 1e3)
        + 0.7 * others[data["g"]] * (data["f"] == "c")
        + rng.standard_normal(12)[data["s"]]
        + (data["f"] == "b")
        + 0.3 * data["k"]
        + rng.standard_normal(n) / np.sqrt(data["w"])
    )
    return data


@pytest.fixture(scope="module")
def fits() -> dict[str, tuple[LinearMixedFit, LinearMixedFit]]:
    data = table()
    return {
        name: (mm.lmer(formula, in_parts(data, 5), **options), mm.lmer(formula, data, **options))
        for name, (formula, options) in MODELS.items()
    }


def answer(question: str, fit: LinearMixedFit) -> pd.DataFrame | str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = QUESTIONS[question](fit)
    except mm.MixedModelsError as error:
        return str(error)
    return found if isinstance(found, pd.DataFrame) else found.to_frame()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("name", MODELS)
def test_answers_are_those_of_the_fit_in_memory(
    name: str, question: str, fits: dict[str, tuple[LinearMixedFit, LinearMixedFit]]
) -> None:
    found, expected = (answer(question, fit) for fit in fits[name])
    if isinstance(expected, str):
        assert found == expected
    else:
        assert isinstance(found, pd.DataFrame), found
        # Two searches end within their tolerance of each other; what a small ratio leaves of
        # two criteria has fewer digits.
        pd.testing.assert_frame_equal(found, expected, rtol=1e-6, atol=5e-6)


def test_means_keep_eight_digits() -> None:
    data = table()
    formula = "y ~ f * h + x + k + (1 | g)"
    fit, whole = mm.lmer(formula, in_parts(data, 7)), mm.lmer(formula, data)
    for specs in ("f", "~ f | h", ["f", "k"], "x"):
        found, expected = fit.emmeans(specs).to_frame(), whole.emmeans(specs).to_frame()
        pd.testing.assert_frame_equal(found, expected, rtol=1e-8)
    pd.testing.assert_frame_equal(
        fit.drop1().to_frame(), whole.drop1().to_frame(), rtol=1e-8, atol=1e-8
    )


def test_notes_are_those_of_the_fit_in_memory() -> None:
    data = table()
    formula = "y ~ f / n + x + k + (1 | g)"
    fit, whole = mm.lmer(formula, in_parts(data, 3)), mm.lmer(formula, data)
    assert str(fit.emmeans("n")) == str(whole.emmeans("n"))


@pytest.mark.parametrize("cuts", [[1, 2, 700], [1499], [10, 10, 20]])
def test_summaries_do_not_depend_on_the_batches(cuts: list[int]) -> None:
    data = table()
    formula = "y ~ f * h + x + k + b + factor(t) + (1 | g)"
    plan, one = summed(formula, in_parts(data, 1))
    _, other = summed(formula, in_parts(data, cuts))
    first, second = one.summary, other.summary
    assert first is not None
    assert second is not None
    assert (first.n, first.kinds, first.factors) == (second.n, second.kinds, second.factors)
    np.testing.assert_array_equal(first.cells, second.cells)
    np.testing.assert_array_equal(first.counts, second.counts)
    np.testing.assert_allclose(first.totals, second.totals, rtol=1e-14)
    again = RowSummary.from_state(first.state())
    np.testing.assert_array_equal(again.cells, first.cells)
    assert Partial.from_bytes(one.to_bytes()).summary is not None
    del plan


def test_a_column_of_two_numbers_may_get_a_third() -> None:
    """It is a covariate then, as of all rows in memory."""
    data = table()
    data.loc[1400:, "k"] = 7
    formula = "y ~ f + k + (1 | g)"
    fit, whole = mm.lmer(formula, in_parts(data, 8)), mm.lmer(formula, data)
    assert str(fit.emmeans("f")) == str(whole.emmeans("f"))


def test_rows_of_tomorrow_count_in_means(tmp_path: Path) -> None:
    data = table()
    formula = "y ~ f + x + (1 | g)"
    plan = mm.plan(formula, data)
    old = mm.cross_products(plan, in_parts(data[:1000], 2))
    old.save(tmp_path / "old.mmsums")
    new = mm.cross_products(plan, data[1000:])
    both = mm.CrossProducts.load(tmp_path / "old.mmsums").merge(new).fit()
    whole = mm.lmer(formula, data)
    pd.testing.assert_frame_equal(
        both.emmeans("f", weights="cells").to_frame(),
        whole.emmeans("f", weights="cells").to_frame(),
        rtol=1e-8,
    )


def test_sums_without_a_summary_say_so() -> None:
    plan, partial = summed("y ~ f + (1 | g)", in_parts(table(), 2))
    bare = Partial(partial.plan_id, partial.sums, partial.keys, partial.counts)
    fit = CrossProducts(plan, bare).fit()
    with pytest.raises(mm.MixedModelsError, match=r"^emmeans needs the rows"):
        fit.emmeans("f")


def test_models_that_the_rows_do_not_identify_say_so() -> None:
    data = table()
    data["same"] = data["g"] % 20
    with pytest.warns(mm.NotIdentifiedWarning, match="'g' and 'same' divide the rows"):
        fit = mm.lmer("y ~ f + (1 | g) + (1 | same)", in_parts(data, 3))
    assert any("cannot be told apart" in message for message in fit.messages)
