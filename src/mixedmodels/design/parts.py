"""A design of some of its rows, with the levels that these have."""

from __future__ import annotations

import dataclasses

import numpy as np

from mixedmodels.arrays import LongArray
from mixedmodels.design.design import Design, TermDesign
from mixedmodels.design.groups import GroupingFactor


def design_of_rows(design: Design, rows: LongArray) -> Design:
    """The design of the rows at these positions; levels without a row drop out.

    Terms and grouping factors stay in the order of the whole, and so does theta.
    """
    return dataclasses.replace(
        design,
        y=design.y[rows],
        X=np.asfortranarray(design.X[rows]),
        w=None if design.w is None else design.w[rows],
        offset=None if design.offset is None else design.offset[rows],
        groups=tuple(_group_of_rows(group, rows) for group in design.groups),
        terms=tuple(_term_of_rows(term, rows) for term in design.terms),
        n=len(rows),
        rows=rows if design.rows is None else design.rows[rows],
        index=None if design.index is None else design.index[rows],
        variables={
            name: variable
            if variable.values is None
            else dataclasses.replace(variable, values=variable.values[rows])
            for name, variable in design.variables.items()
        },
        all_rows=None,
        parts=tuple(
            dataclasses.replace(part, X=np.asfortranarray(part.X[rows])) for part in design.parts
        ),
    )


def _group_of_rows(group: GroupingFactor, rows: LongArray) -> GroupingFactor:
    levels, codes = np.unique(group.codes[rows], return_inverse=True)
    parts = tuple(part[levels] for part in group.spec.parts)
    return dataclasses.replace(
        group,
        codes=codes.astype(group.codes.dtype),
        spec=dataclasses.replace(group.spec, parts=parts),
    )


def _term_of_rows(term: TermDesign, rows: LongArray) -> TermDesign:
    return dataclasses.replace(term, z=np.ascontiguousarray(np.asarray(term.z)[rows]))
