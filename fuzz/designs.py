"""Random designs of many shapes, fitted, and calls of what the core does after a fit."""

from __future__ import annotations

import contextlib
import gc
import signal
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import mixedmodels as mm
from fuzz.outcome import refused_in_words


class Drawn(NamedTuple):
    """A design in a few words, from which the table is made, and what is called after the fit."""

    formula: str
    rows: int
    levels: tuple[int, int, int]
    unit: float
    options: tuple[tuple[str, Any], ...]
    calls: tuple[str, ...]
    seed: int


# `a` and `b` are crossed, `c` is nested in `b`, `d` has the levels of `a` under other names.
_RANDOM = (
    *("(1 | a)", "(x | a)", "(x + z | a)", "(x || a)", "(0 + f | a)", "(1 | a) + (1 | b)"),
    *("(x | a) + (z | b)", "(1 | b/c)", "(x | b/c)", "(1 | a) + (1 | b/c)", "(1 | a:b)"),
    *("(1 | a) + (1 | b) + (1 | a:b)", "(f | a) + (x | b)", "(1 | a) + (0 + x | a) + (f | b)"),
    *("(x + z + f | a)", "(1 | a) + (1 | b) + (1 | c) + (1 | f)", "(poly(x, 3) | a) + (1 | b)"),
    # What the data identify in part or not at all.
    *("(1 | a) + (1 | d)", "(1 | a) + (0 + f | a)", "(1 | a:b) + (1 | b:a)", "(x | d) + (x | a)"),
)
_FIXED = ("1", "0", "x", "x + z", "x * f", "a", "poly(x, 3) + f", "x + I(2 * x)", "ns(x, df = 4)")


def draw(random: Random) -> Drawn:
    """A design, a fit and one to three calls after it."""
    rows = random.choice((30, 100, 400, 400, 1500))
    most = max(3, rows // 3)
    a, b, c = (
        random.choice(sizes) for sizes in ((2, 3, 7, 20, 60), (2, 3, 20, 60, 200), (2, 3, 5))
    )
    options: list[tuple[str, Any]] = [
        ("reml", random.random() < 0.6),
        ("threads", random.choice((1, 2, 2))),
    ]
    if random.random() < 0.3:
        options.append(("weights", "w"))
    if random.random() < 0.15:
        options.append(("offset", "z"))
    if random.random() < 0.15:
        options.append(("optimizer", random.choice(("L-BFGS-B", "Nelder-Mead", "Powell"))))
    return Drawn(
        f"y ~ {random.choice(_FIXED)} + {random.choice(_RANDOM)}",
        rows,
        (min(a, most), min(b, most), c),
        random.choice((1.0, 1.0, 1.0, 1.0, 1e150, 1e-150, 1e8)),
        tuple(options),
        tuple(random.sample(list(_CALLS), random.choice((1, 2, 3)))),
        random.randrange(2**32),
    )


def run(drawn: Drawn) -> mm.LinearMixedFit:
    """Fit the design and call; what the library refuses after the fit is not a problem."""
    data = _table(drawn)
    fit = mm.lmer(drawn.formula, data, **dict(drawn.options))
    for name in drawn.calls:
        with refused_in_words(name):
            _CALLS[name](fit, data)
    return fit


def show(drawn: Drawn) -> str:
    """All of it."""
    return str(tuple(drawn))


def _table(drawn: Drawn) -> pd.DataFrame:
    rng = np.random.default_rng(drawn.seed)
    n, (a, b, c) = drawn.rows, drawn.levels
    table = {
        "x": rng.normal(size=n),
        "z": rng.normal(size=n) + 3.0,
        "w": rng.uniform(0.1, 4.0, n),
        "f": rng.choice(["u", "v", "w"], n),
        "a": rng.integers(a, size=n),
        "b": (b * rng.random(n) ** 2).astype(np.int64),
    }
    table["c"] = rng.integers(c, size=n)
    table["d"] = np.array([f"level {i}" for i in table["a"]])
    sd = rng.choice([0.0, 0.3, 1.0, 10.0], size=3)
    y = rng.normal(size=n) + table["x"] + sd[0] * rng.normal(size=a)[table["a"]]
    y += (
        sd[1] * rng.normal(size=b)[table["b"]] + sd[2] * rng.normal(size=a)[table["a"]] * table["x"]
    )
    return pd.DataFrame({**table, "y": drawn.unit * y})


class _Stop(BaseException):
    """What the handler of a signal raises."""


def _interrupted(fit: mm.LinearMixedFit, _: pd.DataFrame) -> None:
    """Work that a signal stops somewhere, after which the numbers are the same."""
    if not hasattr(signal, "setitimer"):
        return
    theta = 0.9 * fit.theta
    before = fit.model.objective(theta), fit.model.gradient(theta)

    def stop(*_: object) -> None:
        raise _Stop

    previous = signal.signal(signal.SIGVTALRM, stop)
    gc.disable()  # what a collector calls would swallow the exception
    with contextlib.suppress(_Stop):
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, 1e-3 * (1 + fit.nobs % 30))
            for _i in range(20):
                fit.model.hessian(theta)
                fit.bootstrap(2, seed=1, progress=False)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
            gc.enable()
    signal.signal(signal.SIGVTALRM, previous)
    np.testing.assert_array_equal(fit.model.objective(theta), before[0])
    np.testing.assert_array_equal(fit.model.gradient(theta), before[1])


def _new_rows(fit: mm.LinearMixedFit, data: pd.DataFrame) -> None:
    new = data.iloc[::3].copy()
    new.loc[new.index[:2], ["a", "b"]] = 10**6
    new.loc[new.index[:2], "d"] = "new"
    fit.predict_interval(new, allow_new_levels=True, kind="prediction", uncertainty="full")
    fit.predict_interval(new, random="none")


def _saved(fit: mm.LinearMixedFit, _: pd.DataFrame) -> None:
    with tempfile.TemporaryDirectory() as folder:
        fit.save(Path(folder) / "fit.mm")
        mm.load(Path(folder) / "fit.mm", threads=2).leverage()


def _from_threads(fit: mm.LinearMixedFit, _: pd.DataFrame) -> None:
    """Calls of one fit by several threads at the same time."""
    calls: tuple[Callable[[], object], ...] = (
        fit.leverage,
        fit.predict,
        lambda: fit.model.gradient(fit.theta),
        fit.ranef,
    )
    with ThreadPoolExecutor(len(calls)) as pool:
        for future in [pool.submit(call) for call in calls]:
            future.result()


_CALLS: dict[str, Callable[[mm.LinearMixedFit, pd.DataFrame], Any]] = {
    "summary": lambda fit, _: str(fit.summary()),
    "satterthwaite": lambda fit, _: fit.coef_table(),
    "kenward-roger": lambda fit, _: fit.coef_table("kenward-roger"),
    "anova": lambda fit, _: fit.anova(),
    "drop1": lambda fit, _: fit.drop1(),
    "components": lambda fit, _: fit.varcorr_table(),
    "singularity": lambda fit, _: str(fit.singularity()),
    "hessian": lambda fit, _: fit.model.hessian(fit.theta),
    "hessian elsewhere": lambda fit, _: fit.model.hessian(0.5 * fit.theta + 0.1),
    "gradient at zero": lambda fit, _: fit.model.gradient(0.0 * fit.theta),
    "conditional covariances": lambda fit, _: fit.ranef_cov(),
    "pls": lambda fit, _: (fit.model.pls(fit.theta), fit.model.block_plan(), fit.model.fill_in()),
    "profile": lambda fit, _: fit.profile("theta_", threads=2),
    "profile of coefficients": lambda fit, _: fit.profile("beta_", threads=1),
    "limits": lambda fit, _: fit.confint(),
    "bootstrap": lambda fit, _: fit.bootstrap(5, seed=1, threads=2, progress=False),
    "bootstrap of residuals": lambda fit, _: fit.bootstrap(
        5, seed=1, kind="residual", threads=1, progress=False
    ),
    "simulate": lambda fit, _: (fit.simulate(3, seed=1), fit.simulate(1, 1, "kept")),
    "refit": lambda fit, _: fit.refit(fit.simulate(1, seed=2)[0]),
    "influence of levels": lambda fit, _: fit.influence(next(iter(fit.ranef())), threads=2),
    "influence of rows": lambda fit, _: fit.influence(only=list(range(8)), exact=True, threads=2),
    "one step": lambda fit, _: fit.influence(method="one-step"),
    "rows": lambda fit, _: (fit.leverage(), fit.cooks_distance(), fit.std_residuals("studentized")),
    "errors of predictions": lambda fit, _: fit.predict_interval(uncertainty="full"),
    "interrupt": _interrupted,
    "new rows": _new_rows,
    "save": _saved,
    "threads": _from_threads,
    "other methods": lambda fit, _: fit.all_fit(("quasi-newton", "L-BFGS-B")),
}
