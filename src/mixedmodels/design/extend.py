"""A design with more or fewer levels of a factor: new levels repeat the rows of old ones.

Model matrices are taken row by row as they are, so that `poly(x, 2)` or `scale(x)` mean on the
larger design what they mean on the given one.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from mixedmodels.arrays import AnyArray, FloatArray, IntArray, LongArray
from mixedmodels.design.checks import check_identifiable
from mixedmodels.design.columns import level_labels
from mixedmodels.design.design import Design
from mixedmodels.design.groups import GroupingFactor
from mixedmodels.design.partition import partition
from mixedmodels.memory import require


def extended(design: Design, factor: str, count: int, *, residual: bool = True) -> Design:
    """The design with `count` levels of a factor.

    Level i repeats the rows of level i modulo the number of those that there are. Grouping factors
    whose levels lie within single levels of the factor get new levels with them; those that
    are crossed with it, and all covariates, are repeated as they are.

    Args:
        design: The design; its response is not read.
        factor: A grouping factor, or one that a grouping factor is made of.
        count: How many levels.
        residual: Whether rows have a residual of their own.

    Raises:
        MixedModelsError: Not such a factor.
        ModelError: So few levels do not identify the model.
        ResourceError: The rows would not fit into memory.
    """
    along = partition("power: extend", factor, design, hint="")
    levels = len(along.levels)
    order = np.argsort(along.codes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(along.codes, minlength=levels))])
    sources = np.arange(count) % levels
    sizes = np.diff(starts)[sources]
    width = design.X.shape[1] + sum(len(term.columns) for term in design.terms) + 4
    total = float(np.sum(sizes))
    require({f"{total:.0f} rows of {width} numbers": 8.0 * width * total}, "power: the design")
    rows = np.concatenate([order[starts[s] : starts[s + 1]] for s in sources.tolist()])
    copies = np.repeat(np.arange(count) // levels, sizes)
    groups = tuple(_regrouped(group, along.codes, rows, copies) for group in design.groups)
    out = dataclasses.replace(
        design,
        y=np.zeros(len(rows)),
        X=np.asfortranarray(design.X[rows]),
        w=_taken(design.w, rows),
        offset=_taken(design.offset, rows),
        groups=groups,
        terms=tuple(
            dataclasses.replace(term, z=np.asfortranarray(term.z[rows])) for term in design.terms
        ),
        parts=tuple(
            dataclasses.replace(part, X=np.asfortranarray(part.X[rows])) for part in design.parts
        ),
        n=len(rows),
        rows=None,
        index=None,
    )
    check_identifiable(out.terms, out.groups, out.n, residual=residual)
    return out.freeze()


def _taken(values: FloatArray | None, rows: LongArray) -> FloatArray | None:
    return None if values is None else values[rows]


def _regrouped(
    group: GroupingFactor, along: IntArray, rows: LongArray, copies: AnyArray
) -> GroupingFactor:
    """The grouping factor on the new rows; levels of copies are new where they are nested."""
    codes = group.codes.astype(np.int64)[rows]
    if _nested(group, along):
        codes = codes + group.n_levels * copies
    used, compact = np.unique(codes, return_inverse=True)
    known = level_labels(group.levels)
    copy, old = np.divmod(used, group.n_levels)
    labels = [
        known[level] if not number else f"{known[level]} ({number + 1})"
        for number, level in zip(copy.tolist(), old.tolist(), strict=True)
    ]
    spec = dataclasses.replace(
        group.spec,
        factors=group.spec.factors[:1],
        levels=(pd.Index(labels, dtype=object),),
        parts=(np.arange(len(labels), dtype=np.int32),),
        states=group.spec.states[:1],
    )
    return dataclasses.replace(group, codes=compact.astype(np.int32).ravel(), spec=spec)


def _nested(group: GroupingFactor, along: IntArray) -> bool:
    """Whether every level lies within one level of the other factor."""
    owner = np.empty(group.n_levels, dtype=np.int32)
    owner[group.codes] = along
    return bool(np.array_equal(owner[group.codes], along))
