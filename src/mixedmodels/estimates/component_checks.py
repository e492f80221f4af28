"""What a user asks of other parameters than the mean, and whether the model can have it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from mixedmodels.arrays import FloatArray
from mixedmodels.design import Design
from mixedmodels.errors import MixedModelsError, ModelError
from mixedmodels.estimates.components import Component
from mixedmodels.families.base import DISPERSION, THRESHOLDS, ZERO_INFLATION, Family
from mixedmodels.formula.parts import PartSpec, parse_part
from mixedmodels.settings import real_numbers


def parts_of(family: Family, given: Mapping[str, object]) -> tuple[PartSpec, ...]:
    """Formulas of other parameters than the mean, parsed.

    Raises:
        FormulaError: One cannot be understood.
        ModelError: The family does not have the parameter.
    """
    found = tuple(parse_part(role, text) for role, text in given.items() if text is not None)
    roles = {part.role for part in found}
    if DISPERSION in roles and not family.parameter:
        raise ModelError(
            f"dispersion: the {family.title} family has no parameter beside its mean. "
            + (
                'Counts that vary by more than their mean are of the "negative_binomial" or "nb1" '
                "family."
                if family.counts
                else "A random effect for each row, (1 | row), takes what is over."
            )
        )
    if ZERO_INFLATION in roles and not family.with_zeros:
        raise ModelError(f"zero_inflation: {_without_zeros(family)}")
    return found


def _without_zeros(family: Family) -> str:
    if family.counts:
        return (
            f"the {family.title} family has no zeros. A hurdle model is two fits: a binomial one "
            "of the response above zero, and this one of the rows above zero."
        )
    return (
        f"the {family.title} family does not have it; families of counts do: 'poisson', "
        "'negative_binomial', 'nb1'."
    )


def check_zeros(design: Design) -> None:
    """Refuse zeros of their own where there are no zeros.

    Raises:
        ModelError: There are none.
    """
    if any(part.spec.role == ZERO_INFLATION for part in design.parts) and (design.y > 0.0).all():
        raise ModelError(
            f"zero_inflation: the response '{design.response_name}' is never zero, so that its "
            "probability would be 0. Leave zero_inflation out; where zeros could not be observed, "
            'family="truncated_poisson" says so.'
        )


def _numbers(role: str, values: npt.ArrayLike | None) -> FloatArray | None:
    if values is None:
        return None
    try:
        return np.atleast_1d(real_numbers(values))
    except (TypeError, ValueError):
        raise MixedModelsError(f"{role} is {values!r:.60}; it must be numbers.") from None


def given_coefficients(
    component: Component, values: npt.ArrayLike | None, family: Family
) -> FloatArray:
    """Coefficients of a component that a user gave.

    Raises:
        MixedModelsError: They cannot be.
    """
    constant = component.role == DISPERSION and component.part is None
    given = _numbers(component.role, values)
    if constant and (given is None or not (given > 0.0).all()):
        raise MixedModelsError(
            f"dispersion is {values!r:.40}; the {family.title} family needs its parameter, "
            f"{family.parameter}, above zero."
        )
    if given is None or given.shape != (len(component.names),):
        raise MixedModelsError(
            f"{component.role} is {values!r:.40}; it must be {len(component.names)} coefficients, "
            f"for {', '.join(component.names)}."
        )
    if component.role == THRESHOLDS:
        if not (np.diff(given) > 0.0).all():
            raise MixedModelsError(f"thresholds are {values!r:.60}; they must increase.")
        return np.append(given[:1], np.log(np.diff(given)))
    return np.log(given) if constant else given
