"""One model fitted by every optimizer, from the same start."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.linear import Fitted
from mixedmodels.optimize import Request
from mixedmodels.optimize.nlopt_extra import has_nlopt
from mixedmodels.report.whole import WholeFrame
from mixedmodels.settings import OPTIMIZERS, Control, OptimizerName, names_given
from mixedmodels.spelling import chosen_option


def all_fit(
    fitted: Fitted,
    optimizers: OptimizerName | Sequence[OptimizerName] | None,
    control: Control | None,
) -> pd.DataFrame:
    """A row per optimizer; see `LinearMixedFit.all_fit`.

    Raises:
        MixedModelsError: An unknown optimizer, or none at all.
    """
    names: list[str] = list(available())
    if optimizers is not None:
        names = names_given("optimizers", optimizers, "the name of an optimizer, or a list of them")
    if not names:
        raise MixedModelsError("all_fit: optimizers is empty; name at least one, or leave it out.")
    names = [chosen_option("optimizer", name, OPTIMIZERS) for name in names]
    settings = fitted.optsum.control if control is None else control
    requests = [Request(cast(OptimizerName, name), None, settings) for name in names]
    table = pd.DataFrame([_row(fitted, request) for request in requests])
    table.insert(1, "difference", table["objective"] - table["objective"].min())
    return WholeFrame(table.set_index(pd.Index(names, name="optimizer")))


def available() -> list[OptimizerName]:
    """The optimizers that can be used for this model on this machine."""
    absent = {"auto"}
    if not has_nlopt():
        absent.add("BOBYQA")
    return [name for name in OPTIMIZERS if name not in absent]


def _row(fitted: Fitted, request: Request) -> dict[str, Any]:
    model = fitted.model
    began = time.perf_counter()
    try:
        found = fitted.searched_again(request)
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
