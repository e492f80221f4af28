"""Rows by group: what a user means by a grouping factor's name, or by one label for each row.

Deletion of groups and clusters of robust covariances take their rows from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import IntArray
from mixedmodels.design.alignment import row_column
from mixedmodels.design.by_row import at_rows_used
from mixedmodels.design.codes import categorize
from mixedmodels.design.columns import Column
from mixedmodels.design.design import Design
from mixedmodels.design.frame import as_table
from mixedmodels.design.lookup import GroupNames
from mixedmodels.errors import MixedModelsError

# What groups of rows are called that a user has labelled.
LABELS = "labels"


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """Groups of the rows used.

    Attributes:
        name: The grouping factor, or "labels".
        levels: (groups,) labels, each of at least one row.
        codes: (n,) group of each row.
    """

    name: str
    levels: pd.Index
    codes: IntArray


def partition(
    role: str,
    by: Any,
    design: Design,
    hint: str = " Or give one label per row.",
    data: Any = None,
) -> Partition:
    """Groups by name or by labels.

    Args:
        role: What they are for, for messages: `"influence: by"`.
        by: The name of a grouping factor or of a factor that it is made of, or a label for each
            row used; a Series may have one for each row of the data.
        design: The design.
        hint: What else a user may do who gave a name that is unknown.
        data: The table of the model, whose columns are groups too; None for none.

    Raises:
        MixedModelsError: No grouping factor of that name, or labels missing or too few.
    """
    if isinstance(by, str):
        return _named(role, by, design, hint, data)
    given = at_rows_used(by, design)
    column = row_column(role, given, design.n, design.index, "rows of the model")
    return _labelled(role, LABELS, column)


def _labelled(role: str, name: str, column: Column) -> Partition:
    coded = categorize(column)
    if coded.missing() is not None:
        raise MixedModelsError(f"{role} has missing labels; every row needs one.")
    codes, first = pd.factorize(coded.codes)  # in the order in which they appear
    return Partition(name, coded.levels.take(first), codes.astype(np.int32))


def _named(role: str, name: str, design: Design, hint: str, data: Any) -> Partition:
    names = GroupNames(design.groups)
    found = names.find(name)
    if found is not None:
        group = design.groups[found]
        return Partition(group.name, group.levels.rename(group.name), group.codes)
    for group in design.groups:
        spec = group.spec
        for factor, levels, part in zip(spec.factors, spec.levels, spec.parts, strict=True):
            if factor.name == name or factor.code == name:
                return Partition(name, levels.rename(name), part[group.codes])
    table = None if data is None else as_table(data)
    if table is not None and name in table:
        column = table.column(name)
        used = column if design.rows is None else column.take(design.rows)
        return _labelled(f"{role}='{name}'", name, used)
    raise MixedModelsError(f"{role}={names.unknown(name)}{hint}")
