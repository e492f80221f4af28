"""What must not depend on the rows, and what must be linear in them.

`python -m benchmarks.scale evaluation`: time of one criterion and gradient for the same levels
with n and 10 n rows. `python -m benchmarks.scale products`: 10 million rows with grouping factors
of 100,000 and 10,000 levels, from a DataFrame to cross-products, and the memory beyond the columns.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd

from mixedmodels.crossprod import cross_products
from mixedmodels.design import build_design
from mixedmodels.formula import parse_formula
from mixedmodels.linear import LinearMixedModel

PAGE = 4096


def crossed(n: int, levels: tuple[int, int], seed: int) -> pd.DataFrame:
    """A covariate and two grouping factors at random."""
    rng = np.random.default_rng(seed)
    columns = {"y": rng.standard_normal(n), "x": rng.standard_normal(n)}
    for name, count in zip("ab", levels, strict=True):
        codes = rng.integers(0, count, n).astype(np.int32)
        columns[name] = pd.Categorical.from_codes(codes, categories=pd.RangeIndex(count))
    return pd.DataFrame(columns)


def evaluation() -> None:
    """Median time of a criterion with its gradient; thetas alternate so that none is remembered."""
    small = crossed(20_000, (2_000, 300), seed=1)
    for name, data in (("n", small), ("10 n", pd.concat([small] * 10, ignore_index=True))):
        model = LinearMixedModel("y ~ x + (1 | a) + (1 | b)", data, threads=1)
        thetas = [np.array([0.5 + 0.01 * i, 0.4]) for i in range(2)]
        model.gradient(thetas[1])
        times = []
        for i in range(41):
            began = time.perf_counter()
            model.gradient(thetas[i % 2])
            times.append(time.perf_counter() - began)
        print(f"{name:>5}: {model.nobs:>7} rows, {1e3 * statistics.median(times):.2f} ms")


class PeakMemory:
    """Largest resident memory while it is open, sampled."""

    def __enter__(self) -> PeakMemory:
        self.start = self.peak = self._resident()
        self._open = True
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._open = False
        self._thread.join()

    def _watch(self) -> None:
        while self._open:
            self.peak = max(self.peak, self._resident())
            time.sleep(0.005)

    @staticmethod
    def _resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def products() -> None:
    """Design and cross-products of ten million rows."""
    data = crossed(10_000_000, (100_000, 10_000), seed=2)
    spec = parse_formula("y ~ x + (1 | a) + (1 | b)")
    build_design(spec, data.iloc[:1_000_000])
    with PeakMemory() as memory:
        began = time.perf_counter()
        design = build_design(spec, data)
        middle = time.perf_counter()
        found = cross_products(design, threads=2)
        ended = time.perf_counter()
    print(f"design {middle - began:.2f} s, cross-products {ended - middle:.2f} s, two threads")
    print(f"{found.q} levels, {len(found.pairs()[0].level_b)} pairs of levels")
    print(f"memory beyond the columns: {(memory.peak - memory.start) / 1e9:.2f} GB at most")


if __name__ == "__main__":
    {"evaluation": evaluation, "products": products}[sys.argv[1]]()
