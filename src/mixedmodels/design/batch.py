"""One batch of a larger table as arrays, by what is known of all rows.

The rows go through the steps of an ordinary design (`used`); levels, codings and what functions
have learnt are replayed, as on new data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import AnyArray, FloatArray, IntArray, LongArray
from mixedmodels.design.asked import Asked, Counts, counts_of
from mixedmodels.design.columns import CategoricalColumn, first_levels
from mixedmodels.design.design import Design
from mixedmodels.design.factors import Block, replay_value
from mixedmodels.design.frame import as_table
from mixedmodels.design.groups import GroupingFactor, code_column, code_value, match_columns
from mixedmodels.design.learning_pass import States
from mixedmodels.design.matrices import matrix_of_part, matrix_of_term
from mixedmodels.design.rows import Rows
from mixedmodels.design.used import UsedRows, use_rows
from mixedmodels.design.variables import variable_column, variables_of
from mixedmodels.errors import DataError
from mixedmodels.formula import Factor

IN_PLAN = "in the data of the plan"
_REMEDY = "Make the plan of all data that are to be summed."


@dataclass(frozen=True, slots=True, eq=False)
class BatchArrays:
    """The rows of a batch that are used.

    Attributes:
        codes: For each grouping factor: (n,) int32 level of each row.
        z: For each grouping factor: the (n, s) columns of its terms.
        X: (n, p_all) fixed-effects columns, in Fortran order.
        y: (n,) response.
        w: (n,) positive weights, or None.
        offset: (n,) offset, or None.
        kept: (n,) positions of the rows in the batch, or None when all are used.
        counts: Rows read and dropped.
        variables: By name: the columns behind the fixed part, numbers or codes with their levels.
    """

    codes: list[IntArray]
    z: list[list[FloatArray]]
    X: FloatArray
    y: FloatArray
    w: FloatArray | None
    offset: FloatArray | None
    kept: LongArray | None
    counts: Counts
    variables: Mapping[str, tuple[AnyArray, pd.Index | None]]

    def of_rows(self, at: LongArray) -> BatchArrays:
        """The arrays of some of the rows; counts and variables stay those of all."""
        return replace(
            self,
            codes=[codes[at] for codes in self.codes],
            z=[[z[at] for z in terms] for terms in self.z],
            X=self.X[at],
            y=self.y[at],
            w=None if self.w is None else self.w[at],
            offset=None if self.offset is None else self.offset[at],
            kept=at if self.kept is None else self.kept[at],
        )


def joined(parts: Sequence[BatchArrays]) -> BatchArrays:
    """The rows of several batches one after the other; counts and variables are the first's."""
    first = parts[0]
    if len(parts) == 1:
        return first

    def column(name: str) -> AnyArray | None:
        values = [getattr(part, name) for part in parts]
        return None if values[0] is None else np.concatenate(values)

    groups, terms = range(len(first.codes)), [range(len(terms)) for terms in first.z]
    return replace(
        first,
        codes=[np.concatenate([part.codes[g] for part in parts]) for g in groups],
        z=[
            [np.asfortranarray(np.concatenate([part.z[g][t] for part in parts])) for t in terms[g]]
            for g in groups
        ],
        X=np.asfortranarray(np.concatenate([part.X for part in parts])),
        y=np.concatenate([part.y for part in parts]),
        w=column("w"),
        offset=column("offset"),
        kept=None,
    )


def batch_arrays(asked: Asked, design: Design, states: States, data: Any) -> BatchArrays:
    """The arrays of one batch.

    Args:
        asked: The model.
        design: Its design, without rows.
        states: What stateful functions have learnt.
        data: A table with the columns of the formula; not modified.

    Raises:
        FormulaError: A column is missing, or an expression cannot be computed.
        DataError: A column cannot be used, or has a level that is not in the design.
    """
    rows = Rows(as_table(data))
    n_read = rows.n_rows
    missing = asked.complete_rows(rows)
    if not rows.n_rows:
        return _no_rows(design, rows, counts_of(n_read, missing))
    weights, offset = asked.argument("weights", rows), asked.argument("offset", rows)
    used = use_rows(asked.spec, missing, weights, offset, states=states)
    blocks = _blocks(design, used)
    X = matrix_of_part(design.fixed_spec, blocks, rows)
    z: list[list[FloatArray]] = [[] for _ in design.groups]
    for term in design.terms:
        z[term.group].append(matrix_of_term(term.spec, design.fixed_spec, X, blocks, rows))
    codes = [_codes(group, used) for group in design.groups]
    counts = counts_of(n_read, missing, used.n_zero_weight)
    found = variables_of(asked.spec, rows, design.fixed_spec)
    variables = {
        name: (variable_column(name, found, design.fixed_spec, X), variable.levels)
        for name, variable in found.items()
    }
    return BatchArrays(codes, z, X, used.y, used.w, used.offset, rows.kept, counts, variables)


def _no_rows(design: Design, rows: Rows, counts: Counts) -> BatchArrays:
    """A batch of which no row is left: the arrays of the design, which have no rows."""
    z: list[list[FloatArray]] = [[] for _ in design.groups]
    for term in design.terms:
        z[term.group].append(term.z)
    codes = [group.codes for group in design.groups]
    arrays = (design.X, design.y, design.w, design.offset)
    return BatchArrays(codes, z, *arrays, rows.kept, counts, {})


def _blocks(design: Design, used: UsedRows) -> Mapping[str, Block]:
    """The factors of all parts, coded as in the design."""
    recipes = dict(design.fixed_spec.recipes)
    for term in design.terms:
        recipes.update(term.spec.recipes)
    found = {}
    for key, recipe in recipes.items():
        used.values.check_finite(recipe.factor)
        value = used.values.value(recipe.factor)
        found[key] = replay_value(recipe, value, used.values.rows, when=IN_PLAN)
    return found


def _codes(group: GroupingFactor, used: UsedRows) -> IntArray:
    """(n,) the level of each row.

    Raises:
        DataError: A level that is not in the design.
    """
    columns = [_grouping(factor, group.spec.formula, used) for factor in group.spec.factors]
    codes, _ = match_columns(group.spec, columns)
    unknown = codes < 0
    if unknown.any():
        first = int(np.argmax(unknown))
        labels = [first_levels(c.levels.take([c.codes[first]]), 1) for c in columns]
        raise DataError(
            f"'{group.name}' has the level '{':'.join(labels)}', which was not {IN_PLAN} "
            f"({used.values.rows.describe(unknown)}). {_REMEDY}"
        )
    return codes


def _grouping(factor: Factor, formula: str, used: UsedRows) -> CategoricalColumn:
    if factor.is_column:
        return code_column(factor.name, used.values.rows)
    return code_value(factor, formula, used.values.value(factor))
