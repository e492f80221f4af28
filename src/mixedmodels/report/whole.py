"""Tables for programs that are printed with all of their columns."""

from __future__ import annotations

from typing import Any

import pandas as pd

_WIDTH = 100
"""Characters of a line, above which columns go on below."""


class WholeFrame(pd.DataFrame):  # type: ignore[misc]
    """A DataFrame whose text leaves out no column, whatever the width of the terminal.

    What is made of it (rows, columns, rounded numbers) is an ordinary DataFrame.
    """

    @property
    def _constructor(self) -> Any:
        return pd.DataFrame

    def __repr__(self) -> str:
        """All columns, in lines of up to 100 characters."""
        with pd.option_context("display.max_columns", None, "display.width", _WIDTH):
            text: str = super().__repr__()
        return text

    def __reduce__(self) -> Any:
        """Pickled as an ordinary DataFrame, so that other programs can read it."""
        return pd.DataFrame(self).__reduce__()
