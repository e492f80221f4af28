"""The table of names: what may be called, what may be named, and what is refused with advice."""

from __future__ import annotations

from typing import Any

import numpy as np

from mixedmodels.design.functions import (
    arithmetic,
    choosing,
    contrasts,
    conversions,
    cubic,
    cutting,
    factors,
    scaling,
    splines,
)
from mixedmodels.design.functions.refused import REFUSED
from mixedmodels.design.functions.signature import Function
from mixedmodels.errors import FormulaError, did_you_mean

FUNCTIONS: dict[str, Function] = {
    **arithmetic.R_FUNCTIONS,
    **choosing.FUNCTIONS,
    **scaling.FUNCTIONS,
    **splines.FUNCTIONS,
    **cubic.FUNCTIONS,
    **cutting.FUNCTIONS,
    **factors.FUNCTIONS,
    **conversions.FUNCTIONS,
    **contrasts.FUNCTIONS,
    **arithmetic.NUMPY_FUNCTIONS,
}
"""All functions by the names that formulas use; NumPy's begin with ``np.``."""

CONSTANTS: dict[str, Any] = {
    "pi": np.pi,
    "NA": np.nan,
    "NaN": np.nan,
    "Inf": np.inf,
    "np.pi": np.pi,
    "np.e": np.e,
    "np.nan": np.nan,
    "np.inf": np.inf,
    **contrasts.CONSTANTS,
}
"""What may be named without being called, where no column has that name."""

CATEGORICAL = frozenset(
    {*factors.FUNCTIONS, *conversions.FUNCTIONS, "is.element", "np.isin"} - {"scale"}
)
"""Functions whose arguments are columns as they are in the data, not as numbers."""

STATEFUL = frozenset(name for name, function in FUNCTIONS.items() if function.stateful)
"""Functions that learn from the training data and take `_state`."""

_PACKAGES = ("base::", "stats::", "splines::", "lme4::", "Matrix::")


def find_function(name: str) -> Function:
    """The function that `name` calls.

    Raises:
        FormulaError: no such function, or one that does not work row by row.
    """
    for package in _PACKAGES:
        name = name.removeprefix(package)
    known = f"np.{name[6:]}" if name.startswith("numpy.") else name
    if known in FUNCTIONS:
        return FUNCTIONS[known]
    if known in REFUSED:
        raise FormulaError(REFUSED[known])
    if not known.startswith("np."):
        raise FormulaError(
            f"'{name}' is not a function that formulas know; make a column of it first."
            f"{did_you_mean(name, FUNCTIONS)}"
        )
    raise _of_numpy(name, known.removeprefix("np."))


def _of_numpy(name: str, member: str) -> FormulaError:
    listed = [key.removeprefix("np.") for key in FUNCTIONS if key.startswith("np.")]
    hint = did_you_mean(member, listed)
    if member.partition(".")[0] not in dir(np):
        return FormulaError(f"NumPy has no function '{member}'.{hint}")
    return FormulaError(
        f"'{name}' is not among NumPy's functions that formulas know, which work row by row on "
        "numbers. For what depends on all rows use center(), scale() or poly(), or make a column "
        f"first.{hint}"
    )
