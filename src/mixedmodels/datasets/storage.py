"""Reading a bundled data set from its file into a DataFrame.

One compressed .npz file holds one data set, without pickled objects. The array `columns` names the
columns; column number i is either `values_i` (numbers as they are) or a factor: `codes_i`
(integers, -1 for a missing cell), `levels_i` (text, in the order of the levels, unused ones too)
and `ordered_i` (one truth value). tools/bundle_datasets.py writes these files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedmodels.datasets.catalogue import FILES, describe_dataset
from mixedmodels.output import outward


@outward
def load_dataset(name: str) -> pd.DataFrame:
    """A bundled data set as a new DataFrame, which the caller may change.

    Factors are `category` columns with the levels in their reference order (unused levels kept;
    ordered where the source says so), whole numbers are int32, other numbers float64. A missing
    cell is NaN; whole numbers with missing cells are float64, as when pandas reads a file.

    Args:
        name: One of `list_datasets()`.

    Raises:
        DataError: No data set has that name; the message offers the nearest ones.

    Example:
        >>> load_dataset("sleepstudy").shape
        (180, 3)
    """
    info = describe_dataset(name)
    with np.load(FILES / f"{info.name}.npz", allow_pickle=False) as arrays:
        return pd.DataFrame(
            {str(column): _column(arrays, i) for i, column in enumerate(arrays["columns"])}
        )


def _column(arrays: Mapping[str, NDArray[Any]], position: int) -> NDArray[Any] | pd.Categorical:
    if f"values_{position}" in arrays:
        return arrays[f"values_{position}"]
    return pd.Categorical.from_codes(
        arrays[f"codes_{position}"],
        categories=pd.Index(arrays[f"levels_{position}"].tolist()),
        ordered=bool(arrays[f"ordered_{position}"]),
    )
