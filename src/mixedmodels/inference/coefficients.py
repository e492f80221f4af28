"""The table of fixed effects with tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mixedmodels.estimates.tails import t_tail
from mixedmodels.inference.degrees import Degrees


def coef_table(names: Sequence[str], degrees: Degrees) -> pd.DataFrame:
    """Estimates, standard errors and tests of the kept coefficients, one row for each.

    `attrs["notes"]` has by name why a row has no test.
    """
    std_error = np.sqrt(np.diag(degrees.vcov))
    df = degrees.of_rows(np.eye(len(names)))
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = degrees.beta / std_error
    table = pd.DataFrame(
        {
            "estimate": degrees.beta,
            "std_error": std_error,
            "df": df,
            "statistic": statistic,
            "p_value": t_tail(df, statistic),
        },
        index=list(names),
    )
    table.attrs["notes"] = notes_of(table, "df", degrees)
    return table


def notes_of(table: pd.DataFrame, column: str, degrees: Degrees) -> dict[str, str]:
    """By row the note of the method, where it gives no number in a column."""
    if not degrees.note:
        return {}
    return {str(name): degrees.note for name in table.index[table[column].isna()]}
