"""Ctrl-C ends every long calculation soon, and leaves the fit as it was."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from mixedmodels import LinearMixedModel, lmer
from mixedmodels.inference.limits import in_parallel
from mixedmodels.linear import LinearMixedFit

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")

# The core looks every twentieth of a second; the rest is for machines that are busy.
SOON = 1.0 if os.environ.get("MIXEDMODELS_QUIET_MACHINE") else 5.0
FORMULA = "y ~ x + (1 | a) + (1 | b)"


@pytest.fixture(autouse=True)
def python_handles_signals() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    n = 40_000
    a, b = rng.integers(900, size=n), (800 * rng.random(n) ** 2).astype(int)
    y = rng.normal(size=900)[a] + rng.normal(size=800)[b] + rng.normal(size=n)
    return {"y": y, "x": rng.normal(size=n), "a": a, "b": b}


@pytest.fixture(scope="module", params=[1, 2], ids=["one thread", "two threads"])
def fit(request: pytest.FixtureRequest, data: dict[str, Any]) -> LinearMixedFit:
    return lmer(FORMULA, data, threads=request.param)


def interrupt(call: Callable[[], Any], after: float = 0.2) -> float:
    """Seconds from the signal to the exception."""
    sent: list[float] = []

    def send() -> None:
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(after, send)
    timer.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call()
    except KeyboardInterrupt:
        assert sent
        return time.perf_counter() - sent[0]
    else:
        pytest.fail("the call was done before the signal came")
    finally:
        timer.cancel()
        timer.join()


def repeated(call: Callable[[float], Any]) -> Callable[[], None]:
    """Calls at ever other places, until the signal comes."""

    def run() -> None:
        for i in range(10**6):
            call(1 + 1e-3 * i)

    return run


CALLS: dict[str, Callable[[LinearMixedFit], Callable[[], Any]]] = {
    "criterion": lambda fit: repeated(lambda t: fit.model.objective(t * fit.theta)),
    "gradient": lambda fit: repeated(lambda t: fit.model.gradient(t * fit.theta)),
    "hessian": lambda fit: repeated(lambda t: fit.model.hessian(t * fit.theta)),
    "influence of levels": lambda fit: lambda: fit.influence("a"),
    "influence of rows": lambda fit: lambda: fit.influence(exact=True),
    "profile": lambda fit: fit.profile,
    "bootstrap": lambda fit: lambda: fit.bootstrap(10**5),
    "simulate": lambda fit: lambda: fit.simulate(3_000),
    "kenward-roger": lambda fit: repeated(lambda _: fit.coef_table("kenward-roger")),
    "conditional covariances": lambda fit: repeated(
        lambda t: fit.model.conditional_covariance(t * fit.theta)
    ),
    "errors of predictions": lambda fit: repeated(lambda _: fit.predict_interval()),
    "fit": lambda fit: repeated(lambda _: fit.model.fit()),
    "other method": lambda fit: repeated(lambda _: fit.model.fit(optimizer="Nelder-Mead")),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_ends_soon(name: str, fit: LinearMixedFit) -> None:
    theta, value = fit.theta.copy(), fit.objective
    assert interrupt(CALLS[name](fit)) < SOON
    np.testing.assert_array_equal(fit.theta, theta)
    assert fit.objective == value
    assert fit.model.objective(theta) == value


def test_the_same_numbers_afterwards(fit: LinearMixedFit) -> None:
    """To the last bit, whatever was interrupted and when."""
    model, theta = fit.model, fit.theta

    def all_numbers() -> list[np.ndarray]:
        return [
            np.array(model.objective(0.9 * theta)),
            model.gradient(1.1 * theta),
            model.hessian(theta),
            fit.influence("a", only=[3, 5]).beta.to_numpy(),
            fit.bootstrap(3, seed=1).replicates.to_numpy(),
            fit.simulate(2, seed=1).to_numpy(),
        ]

    before = all_numbers()
    for name, after in (("criterion", 0.1), ("gradient", 0.13), ("hessian", 0.17), ("fit", 0.19)):
        interrupt(CALLS[name](fit), after)
        for found, expected in zip(all_numbers(), before, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_making_a_model_ends_soon() -> None:
    rng = np.random.default_rng(1)
    n = 300_000
    data = {name: rng.integers(40_000, size=n) for name in "ab"}
    data["y"] = rng.normal(size=n)

    def make() -> None:
        for _ in range(1000):
            LinearMixedModel("y ~ 1 + (1 | a) + (1 | b)", data)._model.analysis  # noqa: B018

    assert interrupt(make, 0.5) < SOON


def test_one_long_factorization_ends_soon() -> None:
    """The criterion of two crossed factors with many levels: minutes, most of it in BLAS."""
    rng = np.random.default_rng(2)
    n, levels = 60_000, 8_000
    data = {name: rng.integers(levels, size=n) for name in "ab"}
    data["y"] = rng.normal(size=n)
    model = LinearMixedModel("y ~ 1 + (1 | a) + (1 | b)", data)
    assert interrupt(repeated(lambda t: model.objective([t, t])), 1.0) < SOON


def test_many_fixed_effects_end_soon() -> None:
    """A QR of 1,500 columns is one call of LAPACK, taken in pieces."""
    rng = np.random.default_rng(3)
    n, p = 5_000, 1_500
    data = {"y": rng.normal(size=n), "f": rng.integers(p, size=n), "g": rng.integers(20, size=n)}
    make = repeated(lambda _: LinearMixedModel("y ~ factor(f) + (1 | g)", data))
    assert interrupt(make, 1.0) < SOON


def test_any_handler_may_raise(fit: LinearMixedFit) -> None:
    """A signal with a handler of the user's: what that raises comes out."""

    class TimeIsUp(Exception):
        pass

    def handler(*_: object) -> None:
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(TimeIsUp):
            CALLS["gradient"](fit)()
        calls: list[int] = []
        signal.signal(signal.SIGALRM, lambda *_: calls.append(1))
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        fit.influence("a", only=list(range(60)))  # a handler that returns lets the work go on
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert calls


def test_threads_of_a_pool_stop_with_the_first_failure(fit: LinearMixedFit) -> None:
    """One of two fails at once; the other is in the core for long."""
    began = time.perf_counter()

    def work(parameter: Any) -> None:
        if parameter == "fails":
            time.sleep(0.2)
            raise ZeroDivisionError
        fit.influence(exact=True)

    with pytest.raises(ZeroDivisionError):
        in_parallel(work, ["works", "fails"], 2)  # type: ignore[list-item]
    assert time.perf_counter() - began < 0.2 + SOON


def test_other_threads_compute_undisturbed(fit: LinearMixedFit) -> None:
    """Signals are the main thread's; a calculation beside it goes on."""
    found: list[float] = []

    def work() -> None:
        for _ in range(200):
            found.append(fit.model.objective(0.7 * fit.theta + 0 * len(found)))

    beside = threading.Thread(target=work)
    beside.start()
    interrupt(lambda: time.sleep(20), 0.1)
    beside.join()
    assert len(set(found)) == 1
    assert len(found) == 200


@pytest.mark.parametrize("threads", [1, 2])
def test_an_estimated_criterion(threads: int) -> None:
    rng = np.random.default_rng(0)
    n = 400_000
    table = {"y": rng.normal(size=n), "x": rng.normal(size=n)}
    table |= {"a": rng.integers(6000, size=n), "b": rng.integers(4000, size=n)}
    model = LinearMixedModel(FORMULA, table, method="iterative", threads=threads)
    theta = np.array([0.5, 0.6])
    before = model.objective(theta)
    assert interrupt(repeated(lambda scale: model.objective(theta * scale))) < SOON
    assert model.objective(theta) == before
