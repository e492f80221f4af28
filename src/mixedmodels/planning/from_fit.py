"""Power for a model that was fitted: what the fit supplies in place of arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from mixedmodels.errors import ArgumentError, MixedModelsError
from mixedmodels.linear import LinearMixedFit


class Supplied(NamedTuple):
    """The model of a study, and parameters by the names of `power`."""

    formula: str
    design: Any
    beta: Any
    sigma: Any
    theta: Any
    sd: Any
    cor: Any
    contrasts: Mapping[str, Any] | None
    weights: Any
    offset: Any


def check_given(asked: Supplied) -> Supplied:
    """Refuse a model as a formula without a design and parameters.

    Raises:
        ArgumentError: With the names of what is missing.
    """
    missing = [f"{name}=" for name in ("design", "beta", "sigma") if getattr(asked, name) is None]
    if missing:
        raise ArgumentError(
            f"power() needs {', '.join(missing)} beside a formula; a fit in place of the formula "
            "supplies what is not given."
        )
    return asked


def supplied(fit: LinearMixedFit, asked: Supplied) -> Supplied:
    """What is asked for, with the table and the estimates of the fit where nothing is given.

    Effects that are given by name replace those of the fit, the others stay.

    Raises:
        MixedModelsError: The fit has weights or an offset as arrays, which other designs lack.
        UnknownNameError: The fit has no table, and no design is given.
    """
    given = fit._given  # noqa: SLF001 (of the class of fits)
    design = asked.design
    if design is None:
        table = pd.DataFrame(dict(fit.data))
        rows = fit.model.design.rows
        design = table if rows is None else table.iloc[rows]
    random = (asked.theta, asked.sd, asked.cor)
    beta = asked.beta
    if beta is None or isinstance(beta, Mapping):
        beta = {**fit.fixef.dropna().to_dict(), **(beta or {})}
    return Supplied(
        formula=fit.formula,
        design=design,
        beta=beta,
        sigma=fit.sigma if asked.sigma is None else asked.sigma,
        theta=fit.theta if random == (None, None, None) else asked.theta,
        sd=asked.sd,
        cor=asked.cor,
        contrasts=_first(asked.contrasts, None if given is None else given.contrasts),
        weights=_argument("weights", asked.weights, None if given is None else given.weights),
        offset=_argument("offset", asked.offset, None if given is None else given.offset),
    )


def _first(asked: Any, own: Any) -> Any:
    return own if asked is None else asked


def _argument(role: str, asked: Any, own: Any) -> Any:
    if asked is not None or own is None or isinstance(own, str):
        return _first(asked, own)
    raise MixedModelsError(
        f"power: the fit has {role} given as values, which are not known for drawn data; give "
        f"{role}= as a column or an expression of columns."
    )
