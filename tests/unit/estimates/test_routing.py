"""Which evaluator a model gets, decided before a factor is analysed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.crossed_designs import TWO, ratings, respond, worker_firm

import mixedmodels as mm
from mixedmodels import LinearMixedModel
from mixedmodels.errors import ResourceError
from mixedmodels.estimates import linear, routing


@pytest.fixture
def no_analysis(monkeypatch: pytest.MonkeyPatch) -> None:
    """No factor can be analysed."""

    def refuse(*_: Any) -> None:
        raise AssertionError("the factor was analysed")

    monkeypatch.setattr(linear, "Analysis", refuse)


def large_root() -> LinearMixedModel:
    """2,000 items, all of which meet: the factor and its inverse take 34 MB and more."""
    return LinearMixedModel(TWO, ratings(3, 60_000, 2500, 2000), memory="33 MB")


def test_small_models_are_exact_without_a_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("costs were predicted")

    monkeypatch.setattr(routing, "predict_costs", refuse)
    assert not LinearMixedModel(TWO, ratings(3, 4000, 100, 60))._model.iterative


def test_workers_and_firms_go_the_exact_way() -> None:
    model = LinearMixedModel(TWO, worker_firm(persons=40_000, firms=2000))
    assert not model._model.iterative
    fit = model.fit()
    assert fit.optsum.accuracy is None
    assert fit.optsum.converged


def test_a_sparse_root_is_counted_and_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience for a hundredth of a dense root, and a root that is sparse."""
    table = worker_firm(persons=20_000, firms=2500, move=0.02)
    monkeypatch.setattr(routing, "PATIENCE", 0.01)
    model = LinearMixedModel(TWO, table, threads=1)
    assert model._model.products.q - 20_000 > 1500
    assert not model._model.iterative
    assert model.fit().optsum.accuracy is None


@pytest.mark.usefixtures("no_analysis")
def test_a_factor_that_does_not_fit_is_not_analysed() -> None:
    model = large_root()
    fit = model.fit()
    assert fit.optsum.accuracy is not None
    assert fit.optsum.accuracy.objective < 0.5
    assert "log-likelihood estimated" in str(fit)


@pytest.mark.usefixtures("no_analysis")
def test_a_factor_that_takes_long_is_not_analysed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "PATIENCE", 1e-4)
    table = ratings(3, 60_000, 2500, 2000)
    assert mm.lmer(TWO, table, threads=1).optsum.accuracy is not None


def test_exact_is_exact_whatever_it_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "PATIENCE", 1e-9)
    model = LinearMixedModel(TWO, ratings(3, 4000, 100, 60), method="exact")
    assert not model._model.iterative


def test_too_large_for_both_names_bytes_and_time() -> None:
    model = LinearMixedModel(TWO, ratings(3, 60_000, 2500, 2000), memory="12 MB")
    with pytest.raises(ResourceError, match="would need") as refused:
        model.fit()
    text = str(refused.value)
    assert "MB" in text
    assert "second" in text
    assert "iterative evaluation" in text
    assert "memory='12MB' is the limit" in text


def test_exact_beyond_the_memory_is_refused_with_its_parts() -> None:
    """Needs below 64 MB are never refused."""
    table = ratings(3, 100_000, 3400, 3200)
    with pytest.raises(ResourceError, match="memory='70MB' is the limit") as refused:
        mm.lmer(TWO, table, method="exact", memory="70 MB")
    for part in ("the factor", "its inverse", "products of fixed and random effects"):
        assert part in str(refused.value)
    assert mm.lmer(TWO, table, memory="70 MB").optsum.accuracy is not None


def test_an_inaccurate_estimate_is_refused_unless_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The pilot's error is above what is taken unasked."""
    table = worker_firm()
    monkeypatch.setattr(routing, "_SMALL", 0)
    monkeypatch.setattr(routing, "PATIENCE", 1e-12)
    monkeypatch.setattr(routing, "predict_costs", cheap_estimates)
    monkeypatch.setattr(linear, "MOST_ERROR", 1e-3)
    with pytest.raises(ResourceError, match="method='iterative' takes it all the same"):
        mm.lmer(TWO, table)
    assert mm.lmer(TWO, table, method="iterative").optsum.accuracy is not None


class cheap_estimates:
    """Costs of a model whose factor takes long."""

    root, counted = 1e5, False
    exact_flops, exact_bytes = 1e15, 1e11
    iterative_flops, iterative_bytes, products_bytes = 1e9, 1e8, 1e8

    def __init__(self, *_: Any) -> None:
        pass


def test_one_factor_has_nothing_to_estimate() -> None:
    with pytest.raises(mm.MixedModelsError, match="crossed grouping factors"):
        mm.lmer("y ~ x + (1 | g1)", ratings(3, 4000, 100, 60), method="iterative")


def test_nested_factors_by_either_way() -> None:
    rng = np.random.default_rng(4)
    fine = rng.integers(0, 300, 5000)
    table = respond(rng, (fine, fine // 10), (0.5, 0.7))
    exact, found = (mm.lmer(TWO, table, method=method) for method in ("exact", "iterative"))
    accuracy = found.optsum.accuracy
    assert accuracy is not None
    assert abs(found.objective - exact.objective) <= 4.0 * accuracy.objective + 1e-6
    np.testing.assert_allclose(found.theta, exact.theta, rtol=1e-2)


@pytest.mark.parametrize("method", ["fast", "exactly", 3, None, "REML", "ml"])
def test_an_unknown_method_is_refused(method: Any) -> None:
    with pytest.raises(mm.MixedModelsError, match="method is"):
        LinearMixedModel(TWO, ratings(3, 400, 20, 10), method=method)


@pytest.mark.parametrize(
    ("given", "size"),
    [
        (None, None),
        (1000, 1000.0),
        (2.5e9, 2.5e9),
        (np.int64(7), 7.0),
        ("8GB", 8e9),
        ("8 gb", 8e9),
        ("500 MB", 5e8),
        ("1.5GiB", 1.5 * 2**30),
        ("64k", 64e3),
        ("123", 123.0),
    ],
)
def test_sizes_of_memory(given: Any, size: float | None) -> None:
    assert routing.ways_of("auto", given).memory == size


@pytest.mark.parametrize("given", ["", "GB", "8 apples", "-3GB", 0, -1, True, np.nan, np.inf, []])
def test_what_is_not_a_size_of_memory(given: Any) -> None:
    with pytest.raises(mm.MixedModelsError, match="memory is"):
        routing.ways_of("auto", given)


def test_a_slow_exact_fit_says_what_the_other_way_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "_LONG", 0.0)
    monkeypatch.setattr(routing, "_FASTER", 0.0)
    table = ratings(3, 20_000, 1700, 1600)
    fit = mm.lmer(TWO, table)
    assert fit.optsum.accuracy is None
    said = [message for message in fit.messages if "method='iterative'" in message]
    assert len(said) == 1
    assert "An exact evaluation of the criterion was predicted to take" in said[0]
    monkeypatch.setattr(routing, "_LONG", 1e6)
    assert not any("method='iterative'" in message for message in mm.lmer(TWO, table).messages)
    assert not any("iterative" in m for m in mm.lmer(TWO, table, method="exact").messages)
