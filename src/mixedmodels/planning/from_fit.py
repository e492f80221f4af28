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
from mixedmodels.families.base import DISPERSION, ZERO_INFLATION, Family
from mixedmodels.families.catalogue import family_of
from mixedmodels.formula.parts import PartSpec, parse_part
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
    zero_inflation: Any
    n_agq: Any


class _Own(NamedTuple):
    """What a fit supplies of parameters of the distribution beside the mean."""

    coefficients: dict[tuple[str, str], float]
    parts: tuple[PartSpec, ...] = ()
    categories: pd.Index | None = None


_ALONE = "(Intercept)"


def kind_of(fit: Any, asked: Distributed) -> Kind:
    """The kind of model of a study, of a fit or of arguments.

    Raises:
        MixedModelsError: Arguments that a linear model does not have, or a parameter of the family
            that is missing or impossible.
        ModelError: A distribution with more parameters than are given.
    """
    own = _Own({})
    if isinstance(fit, GeneralizedLinearMixedFit):
        own = _own_of(fit, asked)
        asked = _of_fit(fit, asked)
    if asked.family is None:
        names = ("link", "dispersion", "zero_inflation")
        given = [name for name in names if getattr(asked, name) is not None]
        if given:
            raise MixedModelsError(f"power: {given[0]}= goes with family=.")
        return Linear()
    family = family_of(asked.family, asked.link)
    if family.ordered and own.categories is None:
        raise ModelError(
            "power: the ordinal family needs thresholds, which a fit supplies. Fit a pilot study, "
            "or data made up for it, by mm.glmer(..., family='ordinal') and give the fit in place "
            "of the formula."
        )
    coefficients = dict(own.coefficients)
    _put_dispersion(coefficients, own.parts, family, asked.dispersion)
    parts = _put_zeros(coefficients, own.parts, family, asked.zero_inflation)
    nodes = check_nodes(1 if asked.n_agq is None else asked.n_agq)
    return Generalized(family, nodes, coefficients, parts, own.categories)


def _of_fit(fit: GeneralizedLinearMixedFit, asked: Distributed) -> Distributed:
    family, link = asked.family, asked.link
    if family is None:
        family, link = type(fit.family), link or fit.family.link.name
    nodes = fit._generalized.model.nodes if asked.n_agq is None else asked.n_agq  # noqa: SLF001
    return asked._replace(family=family, link=link, n_agq=nodes)


def _own_of(fit: GeneralizedLinearMixedFit, asked: Distributed) -> _Own:
    """What goes over from a fit; of another family no dispersion with predictors does."""
    model, psi = fit.model, fit._generalized.solution.psi  # noqa: SLF001 (of the class of fits)
    same = asked.family is None or family_of(asked.family, None).name == fit.family.name
    constant = {part.spec.role for part in model.design.parts if part.spec.constant}
    predicted = {part.spec.role for part in model.design.parts} - constant
    left = set() if same else predicted & {DISPERSION}
    components = fit._generalized.model.components  # noqa: SLF001
    coefficients = {
        (part.role, name): float(value)
        for part in components
        if part.role not in left
        for name, value in zip(part.names, psi[part.place], strict=True)
    }
    specs = (part.spec for part in model.design.parts)
    parts = tuple(spec for spec in specs if spec.role not in left)
    return _Own(coefficients, parts, model.design.categories)


def _put_dispersion(
    coefficients: dict[tuple[str, str], float],
    parts: tuple[PartSpec, ...],
    family: Family,
    given: Any,
) -> None:
    """The logarithm of a dispersion that is one number, in place of that of a fit."""
    if not family.parameter:
        if given is not None:
            raise MixedModelsError(
                f"power: dispersion is {given!r:.40}; the {family.title} family has no parameter "
                "of its own."
            )
        return
    if given is None and any(role == DISPERSION for role, _ in coefficients):
        return
    _check_alone(DISPERSION, parts)
    number = isinstance(given, (int, float, np.number)) and not isinstance(given, bool)
    if not number or not 0.0 < float(given) < np.inf:
        raise MixedModelsError(
            f"power: dispersion is {given!r:.40}; the {family.title} family needs its parameter "
            f"{family.parameter}, a number above zero."
        )
    coefficients[DISPERSION, _ALONE] = float(np.log(float(given)))


def _put_zeros(
    coefficients: dict[tuple[str, str], float],
    parts: tuple[PartSpec, ...],
    family: Family,
    given: Any,
) -> tuple[PartSpec, ...]:
    """The formulas, with zero inflation where a probability of it is given."""
    wanted = given is not None or any(role == ZERO_INFLATION for role, _ in coefficients)
    if wanted and not family.with_zeros:
        raise MixedModelsError(
            f"power: zero_inflation is for families of counts that have zeros ('poisson', "
            f"'negative_binomial', 'nb1'); the {family.title} family is not one of them."
        )
    if given is None:
        return parts
    _check_alone(ZERO_INFLATION, parts)
    number = isinstance(given, (int, float, np.number)) and not isinstance(given, bool)
    if not number or not 0.0 < float(given) < 1.0:
        raise MixedModelsError(
            f"power: zero_inflation is {given!r:.40}; it must be the probability of a zero of its "
            "own, a number between 0 and 1. Predictors of it come with a fit."
        )
    coefficients[ZERO_INFLATION, _ALONE] = float(np.log(float(given)) - np.log1p(-float(given)))
    others = tuple(part for part in parts if part.role != ZERO_INFLATION)
    return (*others, parse_part(ZERO_INFLATION, "~ 1"))


def _check_alone(role: str, parts: tuple[PartSpec, ...]) -> None:
    """Refuse one number for what has predictors in the fit."""
    for part in parts:
        if part.role == role and not part.constant:
            raise MixedModelsError(
                f"power: {role} has predictors in the fit ({part.text.strip()}), whose "
                f"coefficients are taken; leave {role}= out."
            )


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
