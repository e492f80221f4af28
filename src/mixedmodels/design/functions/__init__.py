"""The functions and names that formulas know, besides the columns of the data.

A fixed table: nothing of the caller's program is visible from a formula. Functions either work row
by row or are stateful (they learn from the training data and replay on new data); whatever else
depends on all rows is refused, because predictions would silently change with it.
"""

from __future__ import annotations

from mixedmodels.design.functions.kinds import Basis, CodedColumn, NotNumeric
from mixedmodels.design.functions.table import (
    CATEGORICAL,
    CONSTANTS,
    FUNCTIONS,
    STATEFUL,
    find_function,
)

__all__ = [
    "CATEGORICAL",
    "CONSTANTS",
    "FUNCTIONS",
    "STATEFUL",
    "Basis",
    "CodedColumn",
    "NotNumeric",
    "find_function",
]
