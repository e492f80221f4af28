"""Information criteria from objective, number of parameters and rows; all of numbers or arrays."""

from __future__ import annotations

from typing import Any

import numpy as np


def aic(objective: Any, npar: Any) -> Any:
    """Akaike's criterion."""
    return objective + 2.0 * npar


def bic(objective: Any, npar: Any, n: int) -> Any:
    """Schwarz's criterion."""
    return objective + np.log(n) * npar


def aicc(objective: Any, npar: Any, n: int) -> Any:
    """Akaike's criterion corrected for small samples; infinite with n <= npar + 1 rows."""
    room = n - npar - 1.0
    with np.errstate(divide="ignore"):
        corrected = aic(objective, npar) + 2.0 * npar * (npar + 1.0) / np.float64(room)
    return np.where(room > 0.0, corrected, np.inf)
