"""Deletion: exact against fits of the rows left, one step against exact, and what is refused."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mixedmodels import LinearMixedModel, MixedModelsError, SingularFitWarning, lmer, load_dataset
from mixedmodels.linear import LinearMixedFit

SLOPES = "Reaction ~ Days + (Days | Subject)"


def quiet(formula: str, data: pd.DataFrame, **options: Any) -> LinearMixedFit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        return lmer(formula, data, **options)


# formula, data, options, by (None: rows), labels to compare
CASES: list[tuple[str, str, dict[str, Any], str | None, list[Any]]] = [
    (SLOPES, "sleepstudy", {}, "Subject", ["308", "332", "335"]),
    (SLOPES, "sleepstudy", {"reml": False}, None, [0, 56, 59]),
    (SLOPES, "sleepstudy", {"weights": "1 + Days", "offset": "Days"}, None, [3, 99]),
    ("diameter ~ 1 + (1 | plate) + (1 | sample)", "penicillin", {}, "sample", ["A", "F"]),
    ("Yield ~ 1 + (1 | Batch)", "dyestuff2", {}, "Batch", ["A", "C", "F"]),
    ("Thickness ~ Source + Lot + (1 | Lot:Wafer)", "oxide", {}, None, [0, 71]),
]


@pytest.mark.parametrize(("formula", "name", "options", "by", "labels"), CASES)
def test_exact_is_the_fit_of_the_rows_left(
    formula: str, name: str, options: dict[str, Any], by: str | None, labels: list[Any]
) -> None:
    data = load_dataset(name)
    fit = quiet(formula, data, **options)
    found = fit.influence(by, "exact", only=labels)
    assert list(found.beta.index) == labels
    for label in labels:
        left = data.drop(index=label) if by is None else data[data[by] != label]
        other = quiet(formula, left, **options)
        assert found.nobs[label] == other.nobs
        # Both searches end within 1e-11 of the lowest criterion: half its digits are theta's.
        assert found.objective[label] == pytest.approx(other.objective, abs=1e-9)
        np.testing.assert_allclose(found.theta.loc[label], other.theta, atol=1e-5)
        np.testing.assert_allclose(found.sigma[label], other.sigma, rtol=1e-5)
        np.testing.assert_allclose(found.std_error.loc[label], other.stderror, rtol=1e-5)
        change = found.beta.loc[label] - other.fixef.dropna()
        np.testing.assert_allclose(change / other.stderror, 0.0, atol=1e-6)


def test_a_fit_is_not_changed_and_threads_do_not_matter() -> None:
    fit = lmer(SLOPES, load_dataset("sleepstudy"))
    before = fit.objective, fit.theta.copy(), fit.model.objective(fit.theta)
    one, two = fit.influence("Subject", threads=1), fit.influence("Subject", threads=2)
    pd.testing.assert_frame_equal(one.to_frame(), two.to_frame())
    assert before[0] == fit.objective
    assert before[2] == fit.model.objective(fit.theta)
    np.testing.assert_array_equal(before[1], fit.theta)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("options", [{}, {"weights": "1 + Days", "offset": "10 * Days"}], ids=str)
@pytest.mark.parametrize("by", [None, "Subject"])
def test_one_step_is_near(by: str | None, options: dict[str, Any], reml: bool) -> None:
    fit = lmer(SLOPES, load_dataset("sleepstudy"), reml=reml, **options)
    exact, near = fit.influence(by, "exact"), fit.influence(by, "one-step")
    assert (exact.nobs == near.nobs).all()
    # What the step leaves is of second order: a small part of the largest change.
    for name, part in (("beta", 0.01), ("theta", 0.2), ("sigma", 0.15), ("std_error", 0.25)):
        true, found = getattr(exact, name), getattr(near, name)
        full = getattr(fit, "stderror" if name == "std_error" else name)
        change = np.abs(true.to_numpy() - np.asarray(full)).max(axis=0)
        assert (np.abs(found - true).to_numpy().max(axis=0) <= part * change + 1e-9).all(), name
    np.testing.assert_allclose(near.cooks_distance, exact.cooks_distance, rtol=0.05, atol=1e-3)


def test_one_step_of_rows_is_that_of_groups_of_one() -> None:
    """The closed form for all rows against the core's gradient without each."""
    fit = lmer("strength ~ 1 + (1 | batch) + (1 | sample)", load_dataset("pastes"))
    rows = fit.influence(None, "one-step")
    groups = fit.influence(np.arange(fit.nobs), "one-step")
    # Gradients by differences of step 1e-4 against exact ones.
    np.testing.assert_allclose(rows.theta, groups.theta, atol=1e-6)
    # beta and sigma go linearly with theta there, and are solved for here.
    np.testing.assert_allclose(rows.beta, groups.beta, atol=1e-4 * fit.stderror.iloc[0])
    np.testing.assert_allclose(rows.sigma, groups.sigma, rtol=0.02)


def test_with_theta_at_zero_rows_follow_least_squares() -> None:
    """R's lm on the same data: influence.measures by the textbook formulas."""
    data = load_dataset("dyestuff2")
    fit = quiet("Yield ~ 1 + (1 | Batch)", data)
    y, n = data["Yield"].to_numpy(), len(data)
    found = fit.influence(method="one-step")
    np.testing.assert_allclose(found.beta["(Intercept)"], (y.sum() - y) / (n - 1), rtol=1e-12)
    sd = [np.delete(y, i).std(ddof=1) for i in range(n)]
    np.testing.assert_allclose(found.sigma, sd, rtol=1e-10)
    np.testing.assert_allclose(found.std_error["(Intercept)"], sd / np.sqrt(n - 1), rtol=1e-10)


def test_measures() -> None:
    """dfbetas as lme4's `dfbetas(influence(fm, "Subject"))` of the ML fit with intercepts."""
    fit = lmer("Reaction ~ Days + (1 | Subject)", load_dataset("sleepstudy"), reml=False)
    found = fit.influence("Subject")
    expected = [
        [0.0443376402285, -0.869937841945],
        [0.3142194796406, 0.580956522118],
        [0.3069353090369, 0.304432311346],
    ]
    # R's refits stop at a tolerance of their own.
    np.testing.assert_allclose(fit.dfbetas("Subject")[:3], expected, rtol=1e-5)
    d, V = found.dfbeta.loc["308"].to_numpy(), fit.vcov.to_numpy()
    assert fit.cooks_distance("Subject")["308"] == pytest.approx(d @ np.linalg.solve(V, d) / 2)
    table = found.to_frame()
    assert list(table.columns) == [
        "nobs",
        "(Intercept)",
        "Days",
        "Subject.(Intercept)",
        "sigma",
        "cooks_distance",
        "converged",
        "notes",
    ]
    assert table.index.name == "Subject"
    assert repr(found).startswith("Influence of 18 levels of Subject, exact\n\nLargest Cook's")


def test_labels_for_every_row() -> None:
    data = load_dataset("sleepstudy")
    fit = lmer(SLOPES, data)
    halves = np.where(data["Days"] < 5, "early", "late")
    found = fit.influence(halves)
    assert list(found.nobs.index) == ["early", "late"]
    pd.testing.assert_frame_equal(
        fit.influence(data["Subject"].to_numpy()).beta,
        fit.influence("Subject").beta,
        check_names=False,
        check_index_type=False,
    )


def test_what_a_deletion_loses_is_said() -> None:
    data = load_dataset("sleepstudy")
    data = data[data["Subject"].isin(["308", "309", "310"])].assign(
        Subject=lambda d: d["Subject"].astype(str), x=lambda d: (d["Subject"] == "308") * d["Days"]
    )
    fit = quiet("Reaction ~ Days + x + (1 | Subject)", data)
    found = fit.influence("Subject")
    assert found.notes["308"] == "dependent without these rows: x"
    assert np.isnan(found.beta.loc["308", "x"])
    assert np.isnan(found.cooks_distance["308"])
    assert found.converged.all()
    pair = quiet("Reaction ~ Days + (1 | Subject)", data[data["Subject"] != "310"])
    for method in ("exact", "one-step"):
        refused = pair.influence("Subject", method)
        assert (refused.notes == "refused: 'Subject' has fewer than 2 levels left").all()
        assert refused.beta.isna().all(axis=None)
        assert not refused.converged.any()
        assert "2 without a converged fit" in repr(refused)


KEPT = [
    (SLOPES, "sleepstudy", {}),
    (SLOPES, "sleepstudy", {"reml": False, "weights": "1 / (1 + Days)", "offset": "Days**2"}),
    ("strength ~ 1 + (1 | batch/cask)", "pastes", {}),
    ("diameter ~ 1 + (1 | plate) + (1 | sample)", "penicillin", {"reml": False}),
    ("score ~ Machine + (0 + Machine | Worker)", "machines", {}),
]


@pytest.mark.parametrize(("formula", "name", "options"), KEPT)
def test_theta_kept_is_the_rows_left_at_the_same_theta(
    formula: str, name: str, options: dict[str, Any]
) -> None:
    data = load_dataset(name)
    fit = lmer(formula, data, **options)
    found = fit.influence()
    assert found.method == "held"
    np.testing.assert_array_equal(found.theta, np.tile(fit.theta, (fit.nobs, 1)))
    for row in (0, 7, fit.nobs - 1):
        left = LinearMixedModel(formula, data.drop(index=row), **options)
        np.testing.assert_allclose(found.beta.loc[row], left.pls(fit.theta).beta, rtol=1e-9)
        assert found.objective[row] == pytest.approx(left.objective(fit.theta), abs=1e-7)
    group = fit.model.design.groups[-1]
    sets = fit.influence(group.name, exact=False)
    assert sets.method == "held"
    rows = np.flatnonzero(group.codes == 1)
    left = LinearMixedModel(formula, data.drop(index=rows), **options)
    np.testing.assert_allclose(sets.beta.iloc[1], left.pls(fit.theta).beta, rtol=1e-9)


def test_rows_are_left_out_with_theta_kept_and_groups_by_fits() -> None:
    fit = lmer(SLOPES, load_dataset("sleepstudy"))
    ways = {
        "held": [{}, {"exact": False}, {"method": "held"}, {"exact": False, "method": "held"}],
        "exact": [{"exact": True}, {"method": "exact"}, {"by": "Subject"}],
        "one-step": [{"method": "one-step"}, {"method": "one-step", "exact": False}],
    }
    for method, calls in ways.items():
        for call in calls:
            assert fit.influence(**call).method == method
    pd.testing.assert_frame_equal(fit.dfbetas(), fit.influence().dfbetas)
    pd.testing.assert_frame_equal(fit.dfbetas(exact=True), fit.influence(exact=True).dfbetas)
    assert np.abs(fit.dfbetas() - fit.dfbetas(exact=True)).to_numpy().max() < 0.03


def test_an_outlier_beyond_the_digits_of_the_others() -> None:
    """The products of the rows left are formed anew when subtraction would leave rounding."""
    data = load_dataset("sleepstudy").assign(x=np.random.default_rng(1).normal(size=180))
    data.loc[5, "x"] = 1e12
    fit = lmer("Reaction ~ Days + x + (1 | Subject)", data)
    other = lmer("Reaction ~ Days + x + (1 | Subject)", data.drop(index=5))
    found = fit.influence(only=[5], exact=True)
    np.testing.assert_allclose(found.beta.loc[5], other.fixef, rtol=1e-6)
    np.testing.assert_allclose(found.std_error.loc[5], other.stderror, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": [1, 2, 3]}, r"by has shape \(3,\).*180 rows"),
        ({"by": "subject"}, "not a grouping factor of this model.*Subject.*Did you mean"),
        ({"by": [None] * 180}, "missing labels"),
        ({"method": "fast"}, "method is 'fast'"),
        ({"method": "held", "exact": True}, "exact=True contradicts method='held'"),
        ({"exact": "yes"}, "exact is 'yes'"),
        ({"by": "Subject", "only": ["1"]}, "only='1' is not among the 18 labels of 'Subject'"),
    ],
    ids=str,
)
def test_refused(options: dict[str, Any], message: str) -> None:
    fit = lmer(SLOPES, load_dataset("sleepstudy"))
    with pytest.raises(MixedModelsError, match=message):
        fit.influence(**options)
