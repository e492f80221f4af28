"""The way of data into workers: one raw file per column, read alike by Python and R.

A folder holds `columns.txt` with a line `name, kind, number of rows` per column (tabs between),
and per column a file `name` of doubles ("number"), of 32-bit integers ("integer"), or of 32-bit
codes from 1 ("factor", "factor of integers") whose levels are the lines of `name.levels`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

INDEX = "columns.txt"


def write(data: pd.DataFrame, folder: Path) -> None:
    """Lay a table down."""
    lines = []
    for name in map(str, data.columns):
        column = data[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            levels = column.cat.categories
            integers = pd.api.types.is_integer_dtype(levels.dtype)
            kind = "factor of integers" if integers else "factor"
            (folder / f"{name}.levels").write_text("\n".join(map(str, levels)) + "\n")
            values = column.cat.codes.to_numpy().astype("<i4") + np.int32(1)
        elif pd.api.types.is_integer_dtype(column.dtype):
            kind, values = "integer", column.to_numpy().astype("<i4")
        else:
            kind, values = "number", column.to_numpy().astype("<f8")
        values.tofile(folder / name)
        lines.append(f"{name}\t{kind}\t{len(values)}\n")
    (folder / INDEX).write_text("".join(lines))


def read(folder: Path) -> pd.DataFrame:
    """Take it up again."""
    columns = {}
    for line in (folder / INDEX).read_text().splitlines():
        name, kind, _ = line.split("\t")
        values = np.fromfile(folder / name, dtype="<f8" if kind == "number" else "<i4")
        if not kind.startswith("factor"):
            columns[name] = pd.Series(values)
            continue
        levels = (folder / f"{name}.levels").read_text().splitlines()
        categories = list(map(int, levels)) if kind == "factor of integers" else levels
        codes = values - np.int32(1)
        columns[name] = pd.Series(pd.Categorical.from_codes(codes, categories=categories))
    return pd.DataFrame(columns)


def thinned(data: pd.DataFrame, step: int) -> pd.DataFrame:
    """Every `step`th row, with the levels that are left: to try a large case in little time."""
    if step == 1:
        return data
    kept = data.iloc[::step].reset_index(drop=True)
    factors = kept.select_dtypes("category").columns
    return kept.assign(**{name: kept[name].cat.remove_unused_categories() for name in factors})
