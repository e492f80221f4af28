"""Responses drawn as sums over rows, and the bootstrap of fits that have no rows."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.streamed import in_parts

import mixedmodels as mm
from mixedmodels.prediction.drawn_sums import DrawnSums
from mixedmodels.prediction.simulate import simulator


def design(n: int = 300, levels: int = 12) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    g, h = rng.integers(0, levels, n), rng.integers(0, 5, n)
    x = rng.standard_normal(n)
    y = 2.0 + 0.5 * x + rng.standard_normal(levels)[g] + 0.6 * rng.standard_normal(5)[h]
    return pd.DataFrame(
        {"y": y + rng.standard_normal(n), "x": x, "g": g, "h": h, "w": rng.uniform(0.2, 3.0, n)}
    )


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "slopes": ("y ~ x + (x | g)", {}),
    "crossed": ("y ~ x + (1 | g) + (1 | h)", {}),
    "nested": ("y ~ 1 + (1 | h / g)", {"reml": False}),
    "weights and an aliased column": ("y ~ x + I(2 * x) + (x || g)", {"weights": "w"}),
    "offset": ("y ~ 0 + (1 | g)", {"offset": "x"}),
}


def both(case: str) -> tuple[mm.LinearMixedFit, mm.LinearMixedFit]:
    formula, options = CASES[case]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = design()
        return mm.lmer(formula, data, **options), mm.lmer(formula, in_parts(data, 3), **options)


def sums_of_rows(fit: mm.LinearMixedFit, draws: np.ndarray) -> np.ndarray:
    """(count, q + p + 1) sums of responses (count, n), in the unit of the response."""
    rows = []
    for y in draws:
        products = fit._fitted.model.with_response(y).products
        ZtX, XtX, unit = np.array(products.ZtX), np.array(products.XtX), products.unit
        coefficients = np.linalg.lstsq(whitened(fit), y_of(fit, y), rcond=None)[0]
        rows.append(np.concatenate([unit * ZtX[:, -1], coefficients, [unit**2 * XtX[-1, -1]]]))
    return np.array(rows)


def whitened(fit: mm.LinearMixedFit) -> np.ndarray:
    products, frame = fit._fitted.model.products, fit._fitted.model.design
    root = np.ones(frame.n) if frame.w is None else np.sqrt(frame.w)
    basis = frame.X[:, products.kept] * root[:, None]
    return basis @ np.linalg.inv(products.R) if products.p else basis


def y_of(fit: mm.LinearMixedFit, y: np.ndarray) -> np.ndarray:
    frame = fit._fitted.model.design
    response = y if frame.offset is None else y - frame.offset
    return response if frame.w is None else response * np.sqrt(frame.w)


@pytest.mark.parametrize("modes", ["new", "kept"])
@pytest.mark.parametrize("case", CASES)
def test_drawn_sums_have_the_moments_of_drawn_rows(case: str, modes: Any) -> None:
    """Means and covariances of 4,000 draws of either kind, in units of their standard errors."""
    in_memory, streamed = both(case)
    count, rng = 4000, np.random.default_rng(8)
    rows = simulator(in_memory._fitted, modes).draw(rng, 200)
    unit = streamed._fitted.model.products.unit
    drawn = DrawnSums(streamed._fitted, modes).draw(rng, count) * unit
    drawn[:, -1] *= unit
    expected = sums_of_rows(in_memory, rows)
    spread = expected.std(axis=0, ddof=1)
    kept = spread > 1e-6 * np.abs(expected).max()
    apart = (drawn.mean(axis=0) - expected.mean(axis=0))[kept] / spread[kept]
    assert np.abs(apart).max() < 4.5 * np.sqrt(1 / len(rows) + 1 / count)
    ratio = drawn.std(axis=0, ddof=1)[kept] / spread[kept]
    assert np.abs(np.log(ratio)).max() < 4.5 * np.sqrt(0.5 / len(rows))
    assert drawn.std(axis=0)[~kept].max(initial=0.0) < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("modes", ["new", "kept"])
@pytest.mark.parametrize("case", CASES)
def test_the_bootstrap_is_that_of_rows_in_memory(case: str, modes: Any) -> None:
    nsim = 300
    in_memory, streamed = (
        fit.bootstrap(nsim, seed=seed, modes=modes) for seed, fit in enumerate(both(case), start=20)
    )
    assert list(streamed.replicates.columns) == list(in_memory.replicates.columns)
    pd.testing.assert_series_equal(streamed.estimates, in_memory.estimates, rtol=1e-4)
    error = np.sqrt((in_memory.std_error**2 + streamed.std_error**2) / nsim)
    apart = (streamed.replicates.mean() - in_memory.replicates.mean()) / error
    assert apart.abs().max() < 4.5
    ratio = np.log(streamed.std_error / in_memory.std_error)
    assert ratio.abs().max() < 4.5 / np.sqrt(nsim) * 1.5  # sd of a bounded estimate is not normal
    assert streamed.n_failed == 0


def test_draws_repeat_and_do_not_depend_on_chunks_or_threads() -> None:
    _, fit = both("crossed")
    once = fit.bootstrap(40, seed=3, threads=1)
    again = fit.bootstrap(40, seed=3, threads=2)
    pd.testing.assert_frame_equal(once.replicates, again.replicates)
    source = DrawnSums(fit._fitted, "new")
    one, other = np.random.default_rng(1), np.random.default_rng(1)
    whole = source.draw(one, 6)
    parts = [source.draw(other, count) for count in (1, 2, 3)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_a_statistic_sees_a_fit_without_rows() -> None:
    _, fit = both("slopes")
    default = fit.bootstrap(5, seed=4)
    own = fit.bootstrap(5, seed=4, statistic=lambda one: {"sigma": one.sigma, "x": one.beta[1]})
    np.testing.assert_allclose(own.replicates["sigma"], default.replicates["sigma"], rtol=1e-4)
    with pytest.raises(mm.MixedModelsError, match="needs the rows"):
        fit.bootstrap(2, seed=1, statistic=lambda one: float(one.fitted.mean()))
    with pytest.raises(mm.MixedModelsError, match="needs the rows"):  # the sums were of another y
        fit.bootstrap(2, seed=1, statistic=lambda one: one.drop1().iloc[0, 0])


def test_residuals_are_not_there_to_be_resampled() -> None:
    _, fit = both("slopes")
    with pytest.raises(mm.MixedModelsError, match=r"bootstrap.* needs the rows"):
        fit.bootstrap(5, kind="residual")


@pytest.mark.parametrize("case", CASES)
def test_another_response_is_not_analysed_again(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, fit = both(case)
    default = fit.bootstrap(3, seed=4)

    def never(*_: object) -> None:
        raise AssertionError("the pattern is analysed again")

    monkeypatch.setattr("mixedmodels.estimates.linear.Analysis", never)
    own = fit.bootstrap(3, seed=4, statistic=lambda one: {"sigma": one.sigma})
    np.testing.assert_allclose(own.replicates["sigma"], default.replicates["sigma"], rtol=1e-4)
