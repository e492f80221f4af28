"""The bootstrap: compiled refits against fits one by one, counts, seeds, threads, intervals."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kinds_of_fits import CASES, fit_case

from mixedmodels import MixedModelsError, SingularFitWarning
from mixedmodels.estimates.refits import Refits
from mixedmodels.linear import LinearMixedFit
from mixedmodels.prediction.bootstrap import Plan, refitter_of
from mixedmodels.prediction.replicates import Bootstrap


def refit(fit: LinearMixedFit, y: Any) -> LinearMixedFit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        return fit.refit(y)


@pytest.mark.parametrize("name", CASES)
def test_replicates_are_the_fits_to_the_simulated_responses(name: str) -> None:
    fit = fit_case(name)
    sample = fit.bootstrap(5, seed=7)
    responses = fit.simulate(5, seed=7)
    p = len(fit.fixef.dropna())
    assert sample.n_failed == 0
    for i in range(5):
        one = refit(fit, responses[i])
        # Two searches of the same criterion, both to a predicted decrease of 1e-11.
        assert abs(one.objective - sample.objective[i]) < 1e-8
        np.testing.assert_allclose(sample.theta[i], one.theta, rtol=1e-6, atol=1e-6)
        row = sample.replicates.iloc[i]
        np.testing.assert_allclose(row.iloc[len(row) - p :], one.fixef.dropna(), rtol=1e-6)
        np.testing.assert_allclose(row["sigma"], one.sigma, rtol=1e-6)
        sd = one.varcorr.sd.to_numpy()
        np.testing.assert_allclose(row.filter(regex="^sd"), sd, rtol=1e-6, atol=1e-6 * one.sigma)


@pytest.mark.parametrize("name", CASES)
def test_estimates_are_those_of_the_fit(name: str) -> None:
    fit = fit_case(name)
    sample = fit.bootstrap(1, seed=1)
    fixed = sample.estimates.iloc[len(fit.theta) + 1 :]
    assert fixed.to_dict() == fit.fixef.dropna().to_dict()
    assert sample.estimates["sigma"] == fit.sigma
    assert list(sample.replicates.columns) == list(sample.estimates.index)


@pytest.mark.parametrize("kind", ["parametric", "residual"])
@pytest.mark.parametrize("modes", ["new", "kept"])
@pytest.mark.parametrize("name", ["slopes", "weights, offset", "singular"])
def test_same_for_any_number_of_threads_and_any_chunks(name: str, modes: Any, kind: Any) -> None:
    fit = fit_case(name)
    one, two = (
        fit.bootstrap(40, seed=3, modes=modes, kind=kind, threads=threads) for threads in (1, 3)
    )
    pd.testing.assert_frame_equal(one.replicates, two.replicates, check_exact=True)
    first = fit.bootstrap(10, seed=3, modes=modes, kind=kind)
    pd.testing.assert_frame_equal(one.replicates.iloc[:10], first.replicates, check_exact=True)


@pytest.mark.parametrize("kind", ["parametric", "residual"])
@pytest.mark.parametrize("name", ["slopes", "crossed", "weights, offset", "rank-deficient"])
def test_centre_and_spread_are_those_of_the_model(name: str, kind: Any) -> None:
    fit = fit_case(name)
    sample = fit.bootstrap(400, seed=11, kind=kind)
    names = fit.fixef.dropna().index
    error = sample.std_error[names] / np.sqrt(400)
    # Four standard errors of a mean of 400; the spread of 400 is known to some 15 percent, that of
    # resampled effects of six samples depends on these six.
    assert (sample.bias[names].abs() < 4 * error).all()
    np.testing.assert_allclose(sample.std_error[names], fit.stderror, rtol=0.16)
    np.testing.assert_allclose(
        sample.estimates["sigma"], sample.replicates["sigma"].mean(), rtol=0.03
    )


def test_kept_random_effects_do_not_vary() -> None:
    fit = fit_case("crossed")
    kept, new = (fit.bootstrap(50, seed=1, modes=modes) for modes in ("kept", "new"))
    assert kept.std_error["(Intercept)"] < 0.2 * new.std_error["(Intercept)"]
    assert "kept" in repr(kept)


def test_statistic_of_any_kind() -> None:
    fit = fit_case("slopes")
    plain = fit.bootstrap(4, seed=5)
    ratio = fit.bootstrap(4, seed=5, statistic=lambda fit: fit.fixef["Days"] / fit.sigma)
    expected = plain.replicates["Days"] / plain.replicates["sigma"]
    # Cross-products are formed anew for the fit of a statistic, so the last digits differ.
    np.testing.assert_allclose(ratio.replicates["statistic"], expected, rtol=1e-6)
    series = fit.bootstrap(2, seed=5, statistic=lambda fit: fit.fixef)
    np.testing.assert_allclose(series.replicates, plain.replicates.iloc[:2, -2:], rtol=1e-6)
    table = fit.bootstrap(2, seed=5, statistic=lambda fit: {"a": fit.aic, "b": 1})
    assert list(table.replicates.columns) == ["a", "b"]
    np.testing.assert_allclose(table.objective, plain.objective[:2], atol=1e-8)
    np.testing.assert_allclose(table.theta, plain.theta[:2], atol=1e-6)


def test_singular_replicates_are_counted() -> None:
    fit = fit_case("singular")
    sample = fit.bootstrap(60, seed=2)
    zero = (sample.replicates["sd(Batch.(Intercept))"] == 0).sum()
    # With no variance between batches about two of three replicates have none either.
    assert 25 < zero <= sample.n_singular < 60
    assert f"{sample.n_singular} singular" in repr(sample)


def test_failures_are_counted_and_left_out() -> None:
    fit = fit_case("slopes")
    control = fit.optsum.control
    object.__setattr__(control, "max_evaluations", 1)
    try:
        sample = fit.bootstrap(3, seed=1)
    finally:
        object.__setattr__(control, "max_evaluations", 1000)
    assert sample.n_failed == 3
    assert sample.replicates.isna().all(axis=None)
    assert sample.confint().isna().all(axis=None)
    assert "3 failed" in repr(sample)


def test_a_replicate_that_does_not_settle_is_searched_again() -> None:
    fit = fit_case("slopes")
    y = fit.simulate(1, seed=7)[0].to_numpy()
    found = Refits(np.zeros((1, 3)), np.zeros((1, 2)), np.zeros(1), np.zeros(1))
    refitter_of(fit._fitted, Plan(1)).fit_again(y, found, 0)
    one = fit.refit(y)
    theta = fit._fitted.model.axes.from_axes(found.theta[0])
    np.testing.assert_allclose(theta, one.theta, rtol=1e-7)
    np.testing.assert_allclose(found.beta[0], one.beta, rtol=1e-7)
    np.testing.assert_allclose([found.sigma[0], found.objective[0]], [one.sigma, one.objective])


def test_the_fit_is_untouched_and_seeds_are_kept() -> None:
    fit = fit_case("slopes")
    before = fit.theta.copy(), fit.residuals.copy(), fit.model.objective(fit.theta)
    unseeded = fit.bootstrap(3)
    again = fit.bootstrap(3, seed=unseeded.seed)
    pd.testing.assert_frame_equal(unseeded.replicates, again.replicates)
    given = fit.bootstrap(3, seed=np.random.default_rng(4))
    assert given.seed is None
    np.testing.assert_array_equal(fit.theta, before[0])
    np.testing.assert_array_equal(fit.residuals, before[1])
    assert fit.model.objective(fit.theta) == before[2]


def sample_of(values: Any, estimate: float) -> Bootstrap:
    table = pd.DataFrame({"a": np.asarray(values, dtype=np.float64)})
    empty = np.zeros((len(table), 0))
    return Bootstrap(
        table, pd.Series({"a": estimate}), empty, empty[:, :0], 0, 0, 1, "new", "parametric"
    )


def test_intervals_of_known_replicates() -> None:
    sample = sample_of(np.r_[np.arange(1.0, 100.0), np.nan], 51.0)
    limits = {
        kind: sample.confint(kind, 0.9).loc["a"].tolist()
        for kind in ("percentile", "basic", "normal", "bias-corrected")
    }
    assert limits["percentile"] == pytest.approx([5.0, 95.0])
    assert limits["basic"] == pytest.approx([7.0, 97.0])
    half = 1.6448536 * np.std(np.arange(1, 100), ddof=1)
    assert limits["normal"] == pytest.approx([52.0 - half, 52.0 + half])
    # 50.5 of 99 replicates lie below 51, so z0 = 0.02532; levels Phi(2 z0 -+ 1.645).
    assert limits["bias-corrected"] == pytest.approx([5.5445, 95.5010], abs=1e-3)


def test_intervals_that_cannot_be() -> None:
    sample = sample_of([1.0], 1.0)
    assert sample.confint("normal").isna().all(axis=None)
    with pytest.raises(MixedModelsError, match="kind is 'bca'"):
        sample.confint("bca")  # type: ignore[arg-type]
    with pytest.raises(MixedModelsError, match="between 0 and 1"):
        sample.confint(level=95)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nsim": 0}, "nsim is 0; it must be a whole number"),
        ({"nsim": 2.5}, "nsim is 2.5"),
        ({"nsim": 2, "seed": "abc"}, "seed is 'abc'"),
        ({"nsim": 2, "threads": 0}, "threads is 0"),
        ({"nsim": 2, "modes": "old"}, "modes is 'old'"),
        ({"nsim": 2, "kind": "wild"}, "kind is 'wild'"),
        ({"nsim": 2, "statistic": lambda _: "x"}, "statistic gave 'x'"),
        ({"nsim": 2, "statistic": lambda fit: fit.theta}, "a number, a Series or a dict"),
        (
            {"nsim": 2, "statistic": lambda fit: {str(fit.sigma): 1.0}},
            "the same names for every fit",
        ),
    ],
)
def test_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(MixedModelsError, match=message):
        fit_case("slopes").bootstrap(**options)
