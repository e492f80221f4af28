"""Data larger than memory: a folder of Parquet files, and crossed factors without a dense root.

`python -m benchmarks.large rows FOLDER`: 20 million rows with grouping factors of 100,000 and
10,000 levels and three covariates, one of them 1e6 plus noise, written into FOLDER unless it is
there; plan, sums and fit, each with wall time, processor time and peak memory. `python -m
benchmarks.large ratings FOLDER 8`: 8 million ratings of 60,000 users x 20,000 items; `32`: 32
million of 200,000 x 84,000. Memory is the peak of the process.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import mixedmodels as mm
from mixedmodels import _core

GROUP_ROWS = 500_000
SIZES = {8: (60_000, 20_000), 32: (200_000, 84_000)}


@contextmanager
def clock(name: str) -> Iterator[None]:
    """Print wall time, processor time of all threads and peak memory so far."""
    wall, spent = time.perf_counter(), time.process_time()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{name}: {time.perf_counter() - wall:.1f} s, "
        f"{time.process_time() - spent:.1f} s of processor time, peak {peak:.2f} GB",
        flush=True,
    )


def _drawn(weights: np.ndarray, rng: np.random.Generator, n: int) -> np.ndarray:
    """Codes drawn in proportion to `weights`, int32."""
    bounds = np.cumsum(weights / weights.sum())
    return np.minimum(np.searchsorted(bounds, rng.random(n)), len(weights) - 1).astype(np.int32)


def _weights(users: int, items: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """How often users rate and items are rated: both with a long tail."""
    return np.exp(rng.standard_normal(users)), 1 / (np.arange(items) + 10) ** 0.9


def write_rows(folder: Path, users: int = 100_000, items: int = 10_000, files: int = 10) -> None:
    """Ten files of two million rows."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(11)
    active, popular = _weights(users, items, rng)
    of_user, of_item = 0.45 * rng.standard_normal(users), 0.66 * rng.standard_normal(items)
    n = 2_000_000
    for file in range(files):
        rng = np.random.default_rng(100 + file)
        u, i = _drawn(active, rng, n), _drawn(popular, rng, n)
        x1, noise, x3 = rng.standard_normal(n), rng.standard_normal(n), rng.random(n) * 50 + 1950
        y = 3.5 + 0.1 * x1 - 0.05 * noise + 0.01 * (x3 - 1975) + of_user[u] + of_item[i]
        y += 0.9 * rng.standard_normal(n)
        table = pa.table({"u": u, "i": i, "x1": x1, "x2": 1e6 + noise, "x3": x3, "y": y})
        pq.write_table(
            table,
            folder / f"part{file:02d}.parquet",
            row_group_size=GROUP_ROWS,
            compression="none",
            use_dictionary=["u", "i"],
        )


def write_ratings(folder: Path, millions: int) -> None:
    """Files of a million ratings with one covariate."""
    folder.mkdir(parents=True)
    users, items = SIZES[millions]
    rng = np.random.default_rng(4)
    active, popular = _weights(users, items, rng)
    of_user, of_item = 0.4 * rng.standard_normal(users), 0.6 * rng.standard_normal(items)
    n = 1_000_000
    for file in range(millions):
        u, i, x = _drawn(active, rng, n), _drawn(popular, rng, n), rng.standard_normal(n)
        y = 3.5 + 0.1 * x + of_user[u] + of_item[i] + 0.9 * rng.standard_normal(n)
        table = pa.table({"u": u, "i": i, "x": x, "y": y})
        pq.write_table(table, folder / f"part{file:02d}.parquet", row_group_size=GROUP_ROWS)


def rows(folder: Path) -> None:
    """Plan, sums and fit of the 20 million rows, and the share of the core in the sums."""
    if not folder.exists():
        write_rows(folder)
    formula = "y ~ x1 + x2 + x3 + (1 | u) + (1 | i)"
    with clock("plan"):
        plan = mm.plan(formula, str(folder))
    with clock("sums"):
        sums = mm.cross_products(plan, str(folder))
    with clock("fit"):
        fit = sums.fit()
    print(fit.fixef.to_dict(), fit.sigma, fit.theta)
    batches = [
        plan.batch(pq.ParquetFile(folder / "part00.parquet").read_row_group(group))
        for group in range(4)
    ]
    core = _core.Sums([len(group.levels) for group in plan.design.groups], plan.frame)
    spent = time.process_time()
    for batch in batches:
        core.add(batch.codes, batch.z, batch.X, batch.y, batch.w, batch.offset)
    seconds = time.process_time() - spent
    print(
        f"core: {1e6 * seconds / core.n:.3f} microseconds of processor time a row (first 2 million)"
    )


def ratings(folder: Path, millions: int) -> None:
    """Plan, sums and fit of the ratings, with the stated error."""
    if not folder.exists():
        write_ratings(folder, millions)
    with clock("all"):
        with clock("sums"):
            sums = mm.cross_products(mm.plan("y ~ x + (1 | u) + (1 | i)", str(folder)), str(folder))
        with clock("fit"):
            fit = sums.fit()
    print(fit.fixef.to_dict(), fit.theta, fit.objective)
    print(fit.optsum.accuracy)


if __name__ == "__main__":
    if sys.argv[1] == "rows":
        rows(Path(sys.argv[2]))
    else:
        ratings(Path(sys.argv[2]), int(sys.argv[3]))
