"""Power for a model that was fitted: what the fit supplies in place of arguments.

And the kind of model that arguments mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mixedmodels.errors import ArgumentError, MixedModelsError, ModelError
from mixedmodels.estimates.generalized_options import check_nodes
from mixedmodels.families.base import Family
from mixedmodels.families.catalogue import family_of
from mixedmodels.generalized import GeneralizedLinearMixedFit
from mixedmodels.linear import LinearMixedFit
from mixedmodels.planning.kinds import Generalized, Kind, Linear


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


class Distributed(NamedTuple):
    """What is given of the distribution of responses, by the names of `power`."""

    family: str | Family | type[Family] | None
    link: str | None
    dispersion: Any
    n_agq: Any


def kind_of(fit: Any, asked: Distributed) -> Kind:
    """The kind of model of a study, of a fit or of arguments.

    Raises:
        MixedModelsError: Arguments that a linear model does not have, or a parameter of the family
            that is missing or impossible.
        ModelError: A distribution with more parameters than a family and one number.
    """
    if isinstance(fit, GeneralizedLinearMixedFit):
        asked = _of_fit(fit, asked)
    if asked.family is None:
        given = [name for name in ("link", "dispersion") if getattr(asked, name) is not None]
        if given:
            raise MixedModelsError(f"power: {given[0]}= goes with family=.")
        return Linear()
    family = family_of(asked.family, asked.link)
    if family.ordered:
        raise ModelError(_NOT_STUDIED.format("the ordinal family"))
    nodes = check_nodes(1 if asked.n_agq is None else asked.n_agq)
    return Generalized(family, _dispersion(family, asked.dispersion), nodes)


_NOT_STUDIED = (
    "power: {} is not among the models studied. Draw responses with fit.simulate() and fit them "
    "with fit.refit() in a loop."
)


def _of_fit(fit: GeneralizedLinearMixedFit, asked: Distributed) -> Distributed:
    if fit.model.design.parts:
        raise ModelError(_NOT_STUDIED.format("a dispersion or zero inflation with predictors"))
    family, link = asked.family, asked.link
    if family is None:
        family, link = type(fit.family), link or fit.family.link.name
    dispersion = fit.dispersion if asked.dispersion is None else asked.dispersion
    nodes = fit._generalized.model.nodes if asked.n_agq is None else asked.n_agq  # noqa: SLF001
    return Distributed(family, link, dispersion, nodes)


def _dispersion(family: Family, given: Any) -> float | None:
    if not family.parameter:
        if given is not None:
            raise MixedModelsError(
                f"power: dispersion is {given!r:.40}; the {family.title} family has no parameter "
                "of its own."
            )
        return None
    number = isinstance(given, (int, float, np.number)) and not isinstance(given, bool)
    if not number or not 0.0 < float(given) < np.inf:
        raise MixedModelsError(
            f"power: dispersion is {given!r:.40}; the {family.title} family needs its parameter "
            f"{family.parameter}, a number above zero."
        )
    return float(given)


def check_given(asked: Supplied, kind: Kind) -> Supplied:
    """Refuse a model as a formula without a design and parameters.

    Raises:
        ArgumentError: With the names of what is missing.
    """
    needed = ("design", "beta", "sigma") if kind.residual else ("design", "beta")
    missing = [f"{name}=" for name in needed if getattr(asked, name) is None]
    if missing:
        raise ArgumentError(
            f"power() needs {', '.join(missing)} beside a formula; a fit in place of the formula "
            "supplies what is not given."
        )
    return asked


def supplied(fit: LinearMixedFit | GeneralizedLinearMixedFit, asked: Supplied) -> Supplied:
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
        weights=_trials(fit, asked)
        if isinstance(fit, GeneralizedLinearMixedFit)
        else _argument("weights", asked.weights, None if given is None else given.weights),
        offset=_argument("offset", asked.offset, None if given is None else given.offset),
    )


def _trials(fit: GeneralizedLinearMixedFit, asked: Supplied) -> Any:
    """Prior weights, or trials; as values where the design is that of the fit."""
    given = fit._given  # noqa: SLF001 (of the class of fits)
    own = None if given is None else given.weights
    if asked.weights is not None or isinstance(own, str) or fit.model.design.w is None:
        return _first(asked.weights, own)
    if asked.design is None:
        return np.array(fit.model.design.w)
    return _argument("weights", None, fit.model.design.w)


def _first(asked: Any, own: Any) -> Any:
    return own if asked is None else asked


def _argument(role: str, asked: Any, own: Any) -> Any:
    if asked is not None or own is None or isinstance(own, str):
        return _first(asked, own)
    raise MixedModelsError(
        f"power: the fit has {role} given as values, which are not known for drawn data; give "
        f"{role}= as a column or an expression of columns."
    )
