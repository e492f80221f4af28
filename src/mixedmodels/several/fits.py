"""Fits given to a function: that they are fits, and what they must have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import scipy

from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.linear import Fitted
from mixedmodels.generalized import GeneralizedLinearMixedFit
from mixedmodels.linear import LinearMixedFit

AnyFit: TypeAlias = LinearMixedFit | GeneralizedLinearMixedFit
_KINDS = (LinearMixedFit, GeneralizedLinearMixedFit)


def checked_fits(who: str, given: Any) -> list[LinearMixedFit]:
    """The fits of linear models in a list.

    Raises:
        MixedModelsError: Not a list of two fits or more.
    """
    fits: list[LinearMixedFit] = _checked(who, given, LinearMixedFit)
    return fits


def fits_of_either_kind(who: str, given: Any) -> list[AnyFit]:
    """The fits in a list, of linear or generalized models; raises as `checked_fits`."""
    fits: list[AnyFit] = _checked(who, given, _KINDS)
    return fits


def _checked(who: str, given: Any, kinds: Any) -> list[Any]:
    if isinstance(given, Mapping):
        raise MixedModelsError(
            f"{who} takes a list of fits; of a dict write {who}(list(fits.values()))."
        )
    several = isinstance(given, Iterable) and not isinstance(given, (str, bytes, *_KINDS))
    fits = list(given) if several else []
    for position, fit in enumerate(fits):
        if not isinstance(fit, kinds):
            if isinstance(fit, _KINDS):
                raise MixedModelsError(
                    f"{who} takes fits of linear models; item {position + 1} is a "
                    f"{type(fit).__name__}. Akaike's weights of generalized fits are in the table "
                    "of mixedmodels.anova(fit1, fit2)."
                )
            hint = (
                f" Fit the model to each table: {who}([mm.lmer(formula, t) for t in tables])."
                if hasattr(fit, "columns")
                else ""
            )
            raise MixedModelsError(
                f"{who} takes a list of fits; item {position + 1} is of type "
                f"{type(fit).__name__}, which is not one.{hint}"
            )
    if len(fits) < 2:
        one = isinstance(given, _KINDS)
        found = f"a list of {len(fits)}" if several else "one fit" if one else f"{given!r:.60}"
        hint = f" Write mixedmodels.{who}([fit1, fit2])." if one else ""
        raise MixedModelsError(
            f"{who} takes a list of two fits or more; it was given {found}.{hint}"
        )
    return fits


def fitted_of(fit: AnyFit) -> Fitted:
    """The numbers behind what a user holds."""
    found: Fitted = fit._fitted  # noqa: SLF001 (what the class of fits is made of)
    return found


def generalized_of(fit: GeneralizedLinearMixedFit) -> GeneralizedFitted:
    """The same of a generalized model."""
    return fit._generalized  # noqa: SLF001 (what the class of fits is made of)


def first_difference(values: Sequence[Any]) -> int | None:
    """The position of the first value that is not the first one."""
    return next((i for i, value in enumerate(values) if value != values[0]), None)


def normal_quantile(level: float) -> float:
    """The quantile of an interval of this level."""
    return float(scipy.special.ndtri(0.5 + 0.5 * level))


def normal_tail(statistic: Any) -> Any:
    """Two-sided p-values."""
    return 2.0 * scipy.special.ndtr(-np.abs(statistic))
