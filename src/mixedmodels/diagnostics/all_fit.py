"""One model fitted by every optimizer, from the same start."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.model import Fitted
from mixedmodels.optimize import Request
from mixedmodels.optimize.nlopt_extra import has_nlopt
from mixedmodels.report.whole import WholeFrame
from mixedmodels.settings import OPTIMIZERS, Control, OptimizerName, check_option


def all_fit(
    fitted: Fitted,
    optimizers: OptimizerName | Sequence[OptimizerName] | None,
    control: Control | None,
) -> pd.DataFrame:
    """A row per optimizer; see `LinearMixedFit.all_fit`.

    Raises:
        MixedModelsError: An unknown optimizer, or none at all.
    """
    names: list[OptimizerName]
    if optimizers is None:
        names = available()
    elif isinstance(optimizers, str):
        names = [optimizers]
    else:
        names = list(optimizers)
    if not names:
        raise MixedModelsError("all_fit: optimizers is empty; name at least one, or leave it out.")
    for name in names:
        check_option("optimizer", name, OPTIMIZERS)
    settings = control or fitted.optsum.control
    table = pd.DataFrame([_row(fitted, name, settings) for name in names])
    table.insert(1, "difference", table["objective"] - table["objective"].min())
    return WholeFrame(table.set_index(pd.Index(names, name="optimizer")))


def available() -> list[OptimizerName]:
    """The optimizers that can be used for this model on this machine."""
    absent = {"auto"}
    if not has_nlopt():
        absent.add("BOBYQA")
    return [name for name in OPTIMIZERS if name not in absent]


def _row(fitted: Fitted, name: OptimizerName, control: Control) -> dict[str, Any]:
    model = fitted.model
    began = time.perf_counter()
    try:
        found = fitted.searched_again(Request(name, None, control))
        theta, value = found.solution.theta, found.solution.objective
        converged, spent = found.optsum.converged, found.optsum.n_objective
        message = "" if converged else found.optsum.message
    except MixedModelsError as error:
        theta = np.full(model.templates.m, np.nan)
        value, converged, spent, message = np.nan, False, 0, str(error)
    return {
        "objective": value,
        **dict(zip(model.templates.names, theta.tolist(), strict=True)),
        "evaluations": spent,
        "seconds": time.perf_counter() - began,
        "converged": converged,
        "message": message,
    }
