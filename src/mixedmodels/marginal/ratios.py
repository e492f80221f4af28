"""Coefficients as ratios: what a unit of a covariate multiplies the response, or its odds, by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.errors import MixedModelsError
from mixedmodels.formula import Factor
from mixedmodels.marginal.scale import Scale, link_scale, response_scale

_LIMITS = ("lower", "upper", "conf_low", "conf_high")
# Differences of complementary log-logs are logarithms of ratios of hazards.
_OF_HAZARDS = "cloglog"


def coefficient_ratios(response: Factor, family: Mapping[str, Any] | None) -> Scale:
    """The scale on which coefficients are logarithms of ratios.

    Args:
        response: The left-hand side of the formula.
        family: Name and link of a generalized model, or None.

    Raises:
        MixedModelsError: They are not.
    """
    if family is None:
        scale = response_scale(response)
        what = "The response is not the logarithm of a column"
    else:
        link = str(family["link"])
        scale = link_scale(link, response.name)
        if scale is not None and link == _OF_HAZARDS:
            return Scale(link, scale.inverses, math.e)
        what = f"The link is {link}"
    if scale is None or not scale.base:
        raise MixedModelsError(
            f"exponentiate: {what}, so that coefficients are not logarithms of ratios. Means on "
            'the scale of the response are fit.emmeans("f", type="response").'
        )
    return scale


def name_of_ratios(scale: Scale) -> str:
    """What ratios by a link are called."""
    if scale.odds:
        return "Odds ratios"
    return "Ratios of hazards" if scale.name == _OF_HAZARDS else "Ratios of means"


def as_ratios(table: pd.DataFrame, scale: Scale) -> pd.DataFrame:
    """Estimates and limits as ratios, standard errors by the delta method; tests stay."""
    estimate, slope, _ = scale.ratio(table["estimate"].to_numpy(dtype=np.float64))
    changed = {"estimate": estimate}
    if "std_error" in table:
        changed["std_error"] = slope * table["std_error"].to_numpy(dtype=np.float64)
    for name in _LIMITS:
        if name in table:
            changed[name] = scale.ratio(table[name].to_numpy(dtype=np.float64))[0]
    return table.assign(**changed)
