"""What each heuristic of the search is worth: evaluations and ends of fits without it.

    python -m benchmarks.ablation [--models N]

Prints a Markdown table over generated models, N of each kind: without one heuristic, the mean
number of evaluations, how many fits end higher than those of the whole search by more than 1e-6,
and how many have a variance of exactly zero. Fits of the last kind start with all variances at
zero, which is a saddle for most of them.
"""

from __future__ import annotations

import argparse
import functools
import unittest.mock
import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd

import mixedmodels as mm
from mixedmodels import _core

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


def row(name: str, cells: list[str]) -> str:
    """A row of the table."""
    return f"| {name} | " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--models", type=int, default=60)
    count = parser.parse_args().models
    warnings.simplefilter("ignore")
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


if __name__ == "__main__":
    main()
