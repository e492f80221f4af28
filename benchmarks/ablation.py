"""What each heuristic of the search is worth: evaluations and ends of fits without it.

    python -m benchmarks.ablation [--models N] [--generalized]

Prints a Markdown table over generated models, N of each kind: without one heuristic, the mean
number of evaluations, how many fits end higher than those of the whole search by more than 1e-6,
and how many have a variance of exactly zero. Fits of the last kind start with all variances at
zero, which is a saddle for most of them. Of generalized models the last number is of fits that end
lower than those of the whole search.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import unittest.mock
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

import mixedmodels as mm
from mixedmodels import _core
from mixedmodels.estimates import generalized_search
from mixedmodels.families.catalogue import family_of

HEURISTICS = (
    "second start",
    "scoring",
    "updates",
    "distance",
    "rotations",
    "step limit",
    "zeros",
    "confirmed",
    "saddles",
)
FORMULAS = {
    "vectors": "y ~ x + z + (x + z | g)",
    "scalars": "y ~ x + z + (x + z || g)",
    "crossed": "y ~ x + z + (x | g) + (z | h)",
    "from zero": "y ~ x + z + (x | g)",
}
# Of generalized models, whose last step is no product with the Hessian.
GENERALIZED_HEURISTICS = (
    *(name for name in HEURISTICS if name != "confirmed"),
    "stiff steps",
    "long memory",
    "foreseen updates",
    "second phase",
    "smaller starts",
    "larger variances",
)
GENERALIZED = {
    "binary": ("y ~ x + z + (x + z | g) + (1 | h)", "binomial", None),
    "counts": ("y ~ x + (x | g) + (1 | h)", "poisson", None),
    "dispersion": ("y ~ x + (x || g)", "negative_binomial", None),
    "signs": ("y ~ x + (1 | g)", "gamma", "identity"),
    "from zero": ("y ~ x + (x | g)", "poisson", None),
}
WORSE = 1e-6


def data(seed: int) -> pd.DataFrame:
    """Two crossed groups; slopes that may be absent, a covariate that may be far from zero."""
    rng = np.random.default_rng(seed)
    n, levels = 300, int(rng.integers(6, 30))
    g, h = rng.integers(0, levels, n), rng.integers(0, 10, n)
    x = rng.choice([0.5, 3.0]) * rng.standard_normal(n) + rng.choice([0.0, 5.0, 50.0])
    z, centred = rng.standard_normal(n), x - x.mean()
    b = rng.standard_normal((levels, 3)) * rng.choice([0.0, 0.3, 1.0, 10.0], 3)
    c = rng.standard_normal((10, 2)) * rng.choice([0.0, 0.5, 2.0], 2)
    y = 1.0 + 0.5 * centred + b[g, 0] + b[g, 1] * centred + b[g, 2] * z + c[h, 0] + c[h, 1] * z
    y += rng.standard_normal(n)
    return pd.DataFrame({"y": y, "x": x, "z": z, "g": pd.Categorical(g), "h": pd.Categorical(h)})


def models(kind: str, count: int) -> Iterator[mm.LinearMixedModel]:
    """Those of a kind."""
    for seed in range(count):
        yield mm.LinearMixedModel(FORMULAS[kind], data(seed), reml=False)


def ends(kind: str, count: int, without: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Evaluations, criteria, and whether a variance is zero, of all models of a kind."""
    settings = functools.partial(_core.SearchSettings, without=without)
    with unittest.mock.patch.object(_core, "SearchSettings", settings):
        fits = [
            model.fit(start=np.zeros(len(model.theta_names)) if kind == "from zero" else None)
            for model in models(kind, count)
        ]
    counts = np.array([fit.optsum.n_objective for fit in fits])
    zeros = np.array([(fit.theta == 0.0).any() for fit in fits])
    return counts, np.array([fit.objective for fit in fits]), zeros


def generalized_data(kind: str, seed: int) -> pd.DataFrame:
    """Few or many rows in a level, small or large variances, a response of the family."""
    formula, family, link = GENERALIZED[kind]
    rng = np.random.default_rng(seed)
    n, of = 400, family_of(family, link)
    levels = int(rng.choice([12, 40, 100]))
    g, h = rng.integers(0, levels, n), rng.integers(0, 15, n)
    x, z = rng.uniform(-1, 1, n), rng.standard_normal(n)
    b = rng.standard_normal((levels, 3)) * rng.choice([0.0, 0.5, 1.0, 3.0], 3)
    eta = 0.3 + 0.5 * x + b[g, 0] + b[g, 1] * x
    if "z" in formula:
        eta += b[g, 2] * z
    if "h" in formula:
        eta += rng.choice([0.0, 0.7]) * rng.standard_normal(15)[h]
    own = rng.choice([0.2, 1.0]) if kind in ("dispersion", "signs") else None
    if kind == "signs":  # means above zero
        eta = (1.0 + 0.2 * x) * np.exp(0.4 * b[g, 0])
    mu = of.link.mean(np.clip(eta, -6.0, 6.0))
    y = of.draw(rng, mu, np.ones(n), own)
    return pd.DataFrame({"y": y, "x": x, "z": z, "g": pd.Categorical(g), "h": pd.Categorical(h)})


def generalized_ends(kind: str, count: int, without: str) -> tuple[np.ndarray, np.ndarray]:
    """Evaluations and criteria of all models of a kind; infinite where a fit is refused."""
    changed: dict[str, Any] = {"without": without}
    if without == "stiff steps":
        changed["forget_stiff"] = True
    if without == "long memory":
        changed["remembered"] = 5
    whole = _core.SearchSettings

    def settings(*given: Any, **named: Any) -> _core.SearchSettings:
        return whole(*given, **{**named, **changed})

    formula, family, link = GENERALIZED[kind]
    counts, values = np.full(count, np.nan), np.full(count, np.inf)
    with unittest.mock.patch.object(_core, "SearchSettings", settings):
        for seed in range(count):
            model = mm.GeneralizedLinearMixedModel(
                formula, generalized_data(kind, seed), family=family, link=link
            )
            try:
                fit = model.fit(
                    start=np.zeros(len(model.theta_names)) if kind == "from zero" else None
                )
            except mm.MixedModelsError:
                continue
            counts[seed], values[seed] = fit.optsum.n_objective, fit.objective
    return counts, values


def generalized_table(count: int) -> None:
    """Print the table of generalized models."""
    print(row("without", [f"{kind}: evaluations, higher, lower" for kind in GENERALIZED]))
    print("|---" * (1 + len(GENERALIZED)) + "|")
    whole: dict[str, np.ndarray] = {}
    for name in ("", *GENERALIZED_HEURISTICS):
        cells = []
        for kind in GENERALIZED:
            with larger_variances(name != "larger variances"):
                counts, values = generalized_ends(kind, count, name)
            known = whole.setdefault(kind, values)
            higher, lower = int((values > known + WORSE).sum()), int((values < known - WORSE).sum())
            cells.append(f"{np.nanmean(counts):.2f}, {higher}, {lower}")
        print(row(name or "nothing", cells), flush=True)


def larger_variances(wanted: bool) -> contextlib.AbstractContextManager[object]:
    """Whether a second search may begin where variances are larger."""
    if wanted:
        return contextlib.nullcontext()
    return unittest.mock.patch.object(generalized_search, "second_start", return_value=None)


def row(name: str, cells: list[str]) -> str:
    """A row of the table."""
    return f"| {name} | " + " | ".join(cells) + " |"


def linear_table(count: int) -> None:
    """Print the table of linear models."""
    lowest: dict[str, np.ndarray] = {}
    print(row("without", [f"{kind}: evaluations, worse, at zero" for kind in FORMULAS]))
    print("|---" * (1 + len(FORMULAS)) + "|")
    for name in ("", *HEURISTICS):
        cells = []
        for kind in FORMULAS:
            counts, values, zeros = ends(kind, count, name)
            worse = int((values > lowest.setdefault(kind, values) + WORSE).sum())
            cells.append(f"{counts.mean():.2f}, {worse}, {int(zeros.sum())}")
        print(row(name or "nothing", cells), flush=True)


def main() -> None:
    """Print the table that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--models", type=int, default=60)
    parser.add_argument("--generalized", action="store_true", help="generalized models")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    (generalized_table if asked.generalized else linear_table)(asked.models)


if __name__ == "__main__":
    main()
