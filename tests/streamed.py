"""Sources made of tables in memory, and sums of them compared with those of all rows at once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from mixedmodels._core import Sums
from mixedmodels.design import Design, build_design
from mixedmodels.formula import parse_formula
from mixedmodels.large import plan as make_plan
from mixedmodels.streaming.executor import Threads
from mixedmodels.streaming.partial import Partial
from mixedmodels.streaming.plan import Plan
from mixedmodels.streaming.sources import as_source
from mixedmodels.streaming.summing import sum_source


class Rows:
    """Some rows of a table, as a function that returns them; it can be sent to other processes."""

    def __init__(self, table: pa.Table, key: str) -> None:
        self.table = table
        self.key = key

    def __call__(self) -> pa.Table:
        return self.table


def in_parts(data: pd.DataFrame | pa.Table, parts: int | Sequence[int]) -> list[Rows]:
    """A source of a table: a number of equal parts, or the row numbers where it is cut."""
    table = data if isinstance(data, pa.Table) else pa.Table.from_pandas(data, preserve_index=False)
    n = table.num_rows
    inner = [k * n // parts for k in range(1, parts)] if isinstance(parts, int) else sorted(parts)
    edges = [0, *inner, n]
    return [
        Rows(table.slice(first, last - first), f"part {number:03d}")
        for number, (first, last) in enumerate(itertools.pairwise(edges))
    ]


def summed(formula: str, source: Any, threads: int = 2, **options: Any) -> tuple[Plan, Partial]:
    """The plan of a source and its sums."""
    plan = make_plan(formula, source, executor=Threads(threads), **options)
    return plan, sum_source(plan, as_source(source), Threads(threads))


def sums_of(design: Design, plan: Plan) -> Sums:
    """The sums of all rows of a design at once, in the frame of a plan."""
    sums = Sums([group.n_levels for group in design.groups], plan.frame)
    z = [[term.z for term in design.terms if term.group == g] for g in range(len(design.groups))]
    codes = [group.codes for group in design.groups]
    sums.add(codes, z, design.X, design.y, design.w, design.offset)
    return sums


def bits(sums: Sums) -> dict[str, bytes]:
    """All numbers of some sums, to be compared bit for bit."""
    sums.pack()
    return {name: np.ascontiguousarray(array).tobytes() for name, array in sums.state().items()}


def assert_same_model(formula: str, data: pd.DataFrame, source: Any, **options: Any) -> Plan:
    """A source gives the design of the table, and its sums to 1e-12 of the largest number."""
    design = build_design(parse_formula(formula), data, **options)
    plan, partial = summed(formula, source, **options)
    found = plan.design
    assert found.x_names == design.x_names
    assert (found.n, found.n_dropped) == (design.n, design.n_dropped)
    assert found.messages == design.messages
    assert [g.name for g in found.groups] == [g.name for g in design.groups]
    for ours, theirs in zip(found.groups, design.groups, strict=True):
        assert ours.levels.tolist() == theirs.levels.tolist()
    assert [term.columns for term in found.terms] == [term.columns for term in design.terms]
    close(partial.sums, sums_of(design, plan))
    return plan


def close(found: Sums, expected: Sums, tolerance: float = 1e-12) -> None:
    """Two sums in one frame are equal but for rounding."""
    found.pack()
    expected.pack()
    theirs = expected.state()
    for name, array in found.state().items():
        other = theirs[name]
        assert array.shape == other.shape, name
        scale = np.abs(other).max(initial=1e-300)
        # Sums of numbers of both signs round in proportion to the sizes of the numbers.
        np.testing.assert_allclose(array / scale, other / scale, atol=tolerance, err_msg=name)
