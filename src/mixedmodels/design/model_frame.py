"""The model frame: the variables of a formula, computed from the table again, on the rows used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.design.by_row import used_labels
from mixedmodels.design.columns import CategoricalColumn
from mixedmodels.design.design import Design
from mixedmodels.design.factors import NumericBlock, Recipe, factor_values
from mixedmodels.design.frame import as_table
from mixedmodels.design.functions import CodedColumn
from mixedmodels.design.given import Given, recipes_of
from mixedmodels.design.missing import read_argument
from mixedmodels.design.rows import Rows
from mixedmodels.errors import DataError
from mixedmodels.naming import distinct


def model_frame(design: Design, given: Given) -> pd.DataFrame:
    """The variables of the formula on the rows used; see `LinearMixedFit.model_frame`.

    Raises:
        DataError: The table is not the one that the model was made of, or has been changed.
    """
    rows = _rows_used(design, given.data)
    columns: list[tuple[str, Any]] = [(design.response_name, _response(design, rows))]
    recipes = recipes_of(design)
    for factor in design.formula.predictors:
        columns.extend(_variable(recipes[factor.key], rows))
    if design.w is not None:
        columns.append(("(weights)", np.array(design.w)))
    offset = _offset_argument(design, given)
    if offset is not None:
        columns.append(("(offset)", offset))
    names = distinct([name for name, _ in columns], lambda i: f"{columns[i][0]} [{i}]")
    values = {j: column for j, (_, column) in enumerate(columns)}
    return pd.DataFrame(values, used_labels(design)).set_axis(list(names), axis=1)


def _rows_used(design: Design, data: Any) -> Rows:
    rows = Rows(as_table(data))
    least = design.n if design.rows is None else int(design.rows[-1]) + 1
    if rows.n_rows < least or (design.rows is None and rows.n_rows != least):
        raise _other_table(f"it has {rows.n_rows} rows")
    if design.rows is not None:
        keep = np.zeros(rows.n_rows, dtype=np.bool_)
        keep[design.rows] = True
        rows.restrict(keep)
    return rows


def _offset_argument(design: Design, given: Given) -> FloatArray | None:
    """The offset given as an argument; that of the formula is among the variables."""
    if design.offset is None or design.offset_spec.argument is None:
        return None
    if not design.offset_spec.recipes:
        return np.array(design.offset)
    rows = _rows_used(design, given.data)
    argument = read_argument("offset", given.offset, Rows(as_table(given.data)))
    return design.offset_spec.argument.on(rows) if argument is None else argument.on(rows)


def _variable(recipe: Recipe, rows: Rows) -> Iterator[tuple[str, Any]]:
    """A factor as one column or, where it is a basis, several."""
    value = factor_values(recipe.factor, recipe.formula, rows, recipe.states)
    if isinstance(value, CodedColumn):
        value = value.column
    if isinstance(value, CategoricalColumn):
        yield recipe.factor.name, value.to_pandas()
    elif isinstance(value, NumericBlock):
        names = recipe.names or value.names
        yield from zip(names, map(np.array, value.values), strict=True)


def _response(design: Design, rows: Rows) -> FloatArray:
    """The response as the table has it: shares are those, not the successes that y has.

    Raises:
        DataError: The table has another response than the model.
    """
    factor = design.formula.response_factor
    value = factor_values(factor, design.formula.text, rows, {})
    if isinstance(value, NumericBlock):
        now = np.asarray(value.values[0], dtype=np.float64)
    elif isinstance(value, CategoricalColumn):
        now = value.codes.astype(np.float64)
    else:
        return np.array(design.y)
    if np.allclose(now, design.y, rtol=1e-9, atol=0.0):
        return np.array(design.y)
    if _are_shares(now, design):
        return now
    raise _other_table(f"its '{design.response_name}' has other values")


def _are_shares(now: FloatArray, design: Design) -> bool:
    """Whether y and w are successes and trials, and the values of the table their ratios."""
    if design.w is None or not np.array_equal(design.y, np.rint(design.y)):
        return False
    return bool(((now >= 0.0) & (now <= 1.0)).all() and (np.rint(now * design.w) == design.y).all())


def _other_table(why: str) -> DataError:
    return DataError(
        f"model_frame: the table is not the one that the model was fitted to, or was changed "
        f"since: {why}."
    )
