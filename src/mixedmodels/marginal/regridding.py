"""Means taken to another scale before they are compared: differences and ratios of responses.

A mean on the new scale is near to a linear function of the coefficients, whose slopes are those at
the estimates (the delta method). So regridded means are rows like others, and all that is done with
these can be done with them.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal, TypeAlias, get_args

import numpy as np
import scipy

from mixedmodels.arrays import FloatArray
from mixedmodels.errors import MixedModelsError
from mixedmodels.marginal.comparing import Origin
from mixedmodels.marginal.functions import View
from mixedmodels.marginal.scale import Scale, log_scale
from mixedmodels.naming import first_few
from mixedmodels.spelling import chosen_option

RegridName: TypeAlias = Literal["response", "log"]
REGRIDS: tuple[RegridName, ...] = get_args(RegridName)
Regrid: TypeAlias = Literal["none", "response", "log"]
SCALES: tuple[Regrid, ...] = get_args(Regrid)
# Beginnings of sentences that do not hold on another scale.
_OF_THE_OLD = ("Back-", "Estimates are")


def regridded(origin: Origin, transform: object) -> Origin:
    """What a table of means on another scale is made from.

    Args:
        origin: What the means are made from.
        transform: Name of the new scale.

    Raises:
        MixedModelsError: An unknown scale, estimates that are not means, or a mean that is not
            positive where its logarithm is to be taken.
    """
    chosen: RegridName = chosen_option("transform", transform, REGRIDS)
    if not origin.of_means:
        raise MixedModelsError(
            f"regrid() takes means to another scale; these are {origin.title.lower()}."
        )
    functions = origin.functions
    old = origin.view if origin.view.scale else View(origin.view.level, origin.scale)
    estimate, _, _ = origin.source.estimates(functions.L, functions.constant)
    value, slope = old.back(estimate + functions.offset)
    of = origin.response
    scale: Scale | None = None
    if chosen == "log":
        _refuse_without_logarithm(value, functions.texts)
        value, slope, scale = (
            np.log(value),
            slope / value,
            log_scale(of),
        )
    known = np.isfinite(estimate)
    slope = np.where(known, slope, 1.0)
    L = slope[:, None] * functions.L
    offset = np.where(known, value - slope * estimate, functions.offset)
    bent = old.scale is not None or scale is not None
    moved = dataclasses.replace(
        functions,
        L=L,
        constant=slope * functions.constant,
        offset=offset,
        means=scipy.sparse.eye_array(len(L), format="csr") if bent else functions.means,
    )
    notes = [note for note in origin.notes if not note.startswith(_OF_THE_OLD)]
    if old.scale is not None:
        notes.append(f"Taken from the scale of {old.scale.name} by the delta method.")
    return dataclasses.replace(
        origin,
        functions=moved,
        view=View(old.level, scale),
        scale=scale,
        notes=tuple(notes),
        measured=origin.mean,
    )


def _refuse_without_logarithm(value: FloatArray, texts: tuple[str, ...]) -> None:
    bad = [text for text, number in zip(texts, value.tolist(), strict=True) if number <= 0.0]
    if bad:
        raise MixedModelsError(
            f"transform is 'log', but the means of {first_few(bad, 6)} are not positive."
        )


def standardized(
    estimate: FloatArray, error: FloatArray, sigma: float, edf: float
) -> tuple[FloatArray, FloatArray]:
    """(k,) each: differences in units of a standard deviation that is estimated, and their errors.

    Args:
        estimate: (k,) the differences.
        error: (k,) their standard errors.
        sigma: The standard deviation.
        edf: Its degrees of freedom; infinite where it is known.

    Raises:
        MixedModelsError: `sigma` or `edf` is not a positive number.
    """
    for name, value in (("sigma", sigma), ("edf", edf)):
        number = isinstance(value, (int, float, np.integer, np.floating))
        if isinstance(value, bool) or not number or not value > 0.0:
            raise MixedModelsError(f"{name} is {value!r:.80}; it must be a positive number.")
    if math.isinf(sigma):
        raise MixedModelsError("sigma is inf; it must be a finite number.")
    size = estimate / sigma
    return size, np.sqrt((error / sigma) ** 2 + size**2 / (2.0 * edf))
