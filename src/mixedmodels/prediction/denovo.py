"""Parameters given by users, by name or in order, to what a simulator takes.

For simulation from a formula and a design without a fit. Nothing is drawn here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.covariance import Templates
from mixedmodels.design import Design
from mixedmodels.design.names import Labels
from mixedmodels.errors import MixedModelsError, did_you_mean
from mixedmodels.estimates.parameters import parameter_names, random_spellings
from mixedmodels.estimates.tables import fixed_mean
from mixedmodels.naming import by_spelling, find
from mixedmodels.output import labelled
from mixedmodels.prediction.simulate import (
    Gaussian,
    Seed,
    check_count,
    random_generator,
    responses,
)
from mixedmodels.settings import real_numbers

# A correlation matrix may be indefinite by rounding.
_ROUNDING = 1e-10


def with_left_side(formula: Any) -> Any:
    """A formula whose left-hand side was left out, with one, which is not read."""
    one_sided = isinstance(formula, str) and formula.lstrip().startswith("~")
    return f"y {formula}" if one_sided else formula


@dataclass(frozen=True, slots=True, eq=False)
class Parameters:
    """Parameters of a model in the order of its design.

    Attributes:
        beta: (p_all,) fixed effects.
        theta: (m,) relative covariance parameters.
        sigma: Residual standard deviation.
    """

    beta: FloatArray
    theta: FloatArray
    sigma: float


def given_parameters(
    who: str,
    design: Design,
    templates: Templates,
    beta: Any,
    sigma: float,
    *,
    theta: Any,
    sd: Any,
    cor: Any,
) -> Parameters:
    """Parameters that a user gave to a function called `who`.

    Raises:
        MixedModelsError: Parameters missing, given twice, unknown or not finite.
    """
    if theta is None and sd is None:
        names = parameter_names(templates)[:-1]
        wanted = ", ".join(name[3:-1] for name in names if name.startswith("sd("))
        raise MixedModelsError(
            f"{who} takes either theta or sd (with cor), and neither was given. Give the standard "
            f"deviations of the random effects: sd={{name: value}} for {wanted}."
        )
    if theta is not None and sd is not None:
        raise MixedModelsError(f"{who} takes either theta or sd (with cor), not both.")
    if theta is not None and cor is not None:
        raise MixedModelsError(f"{who} takes cor with sd; theta has the correlations in it.")
    if theta is None:
        theta = theta_from_sd(design, templates, sd, cor, sigma)
    plan = design.fixed_spec
    labels = Labels(plan.recipes)
    coefficients = values_by_name(
        "beta",
        beta,
        design.x_names,
        spelled=lambda: by_spelling(list(map(labels.spellings, plan.columns))),
    )
    return Parameters(coefficients, values_by_name("theta", theta, templates.names), sigma)


def simulate_design(
    design: Design, templates: Templates, given: Parameters, *, nsim: int, seed: Seed
) -> pd.DataFrame:
    """(n, nsim) responses of a design.

    Raises:
        MixedModelsError: An invalid number or seed.
    """
    count = check_count("nsim", nsim)
    rng, _ = random_generator(seed)
    mean = fixed_mean(design, given.beta)
    source = Gaussian(design, templates, mean, given.theta, given.sigma)
    drawn = responses(source, rng, count, design.n, templates.q)
    return pd.DataFrame(drawn.T, index=design.index)


def theta_from_sd(
    design: Design, templates: Templates, sd: Any, cor: Any, sigma: float
) -> FloatArray:
    """Theta (m,) of standard deviations and correlations.

    Args:
        design: The design.
        templates: What theta means.
        sd: By name (`group.effect`, or `sd(group.effect)`), in order, or one number.
        cor: By name (`group.effect1.effect2`), in order, or None for zeros.
        sigma: Residual standard deviation.

    Raises:
        MixedModelsError: Names missing or unknown, a negative standard deviation, or correlations
            that no covariance has.
    """
    names = parameter_names(templates)[:-1]
    inside = random_spellings(design, templates)
    diagonal = templates.diagonal
    values = np.zeros(templates.m)
    for role, given, default, mine in (
        ("sd", sd, None, diagonal),
        ("cor", cor, 0.0, ~diagonal),
    ):
        places = np.flatnonzero(mine).tolist()
        spelled = by_spelling([_of_role(role, {names[i], *inside[i]}) for i in places])
        values[mine] = values_by_name(
            role, given, [names[i] for i in places], default, functools.partial(dict, spelled)
        )
    if (values[diagonal] < 0.0).any():
        raise MixedModelsError(f"sd has a negative value: {values[diagonal]}.")
    lams = []
    for t, (size, part) in enumerate(zip(templates.sizes, templates.theta_slices, strict=True)):
        given = np.zeros((size, size))
        columns, rows = np.triu_indices(size)
        given[rows, columns] = values[part]
        scale = np.diag(given) / sigma
        correlation = np.tril(given, -1) + np.tril(given, -1).T + np.eye(size)
        group = templates.group_names[templates.groups[t]]
        lams.append(scale[:, None] * _root(correlation, group))
    return templates.theta_of(lams)


def check_sigma(sigma: Any) -> float:
    """`sigma` as a positive number.

    Raises:
        MixedModelsError: It is not.
    """
    if (
        isinstance(sigma, bool)
        or not isinstance(sigma, (int, float, np.number))
        or not 0.0 < float(sigma) < np.inf
    ):
        raise MixedModelsError(f"sigma is {sigma!r:.80}; it must be a positive number.")
    return float(sigma)


def _of_role(role: str, spellings: Iterable[str]) -> set[str]:
    """The names, each as `sd(g.x)` and as `g.x`."""
    outer = f"{role}("
    inside = {n[len(outer) : -1] if n.startswith(outer) else n for n in spellings}
    return inside | {f"{role}({name})" for name in inside}


def values_by_name(
    role: str,
    given: Any,
    names: Sequence[str],
    default: float | None = None,
    spelled: Callable[[], Mapping[str, Sequence[int]]] = dict,
) -> FloatArray:
    """Numbers in the order of `names`.

    Args:
        role: What they are, for messages.
        given: A dict or Series by name, numbers in order, or one number where one is wanted.
        names: The names, no two equal.
        default: For what is not given by name, and for all if `given` is None.
        spelled: Gives what else they may be called, and which are called so.

    Raises:
        MixedModelsError: A name is missing, unknown, given twice or that of several; a wrong number
            of values, or one that is not finite.
    """
    if given is None and default is not None:
        return np.full(len(names), default)
    given = labelled(given)
    if isinstance(given, (Mapping, pd.Series)):
        given = _ordered(role, list(given.items()), names, default, spelled)
    try:
        values = np.atleast_1d(real_numbers(given))
    except (TypeError, ValueError):
        raise MixedModelsError(
            f"{role} is {given!r:.80}; it must be numbers for: {', '.join(names)}."
        ) from None
    if values.shape != (len(names),):
        raise MixedModelsError(
            f"{role} has {values.size} value{'' if values.size == 1 else 's'}; this model has "
            f"{len(names)}: {', '.join(names) or 'none'}."
        )
    if not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values))[0])
        raise MixedModelsError(f"{role}: '{names[bad]}' is {values[bad]}; it must be finite.")
    return values


def _ordered(
    role: str,
    given: Sequence[tuple[Any, Any]],
    names: Sequence[str],
    default: float | None,
    spelled: Callable[[], Mapping[str, Sequence[int]]],
) -> list[Any]:
    found: dict[int, Any] = {}
    for key, value in given:
        place = find(key, names, spelled) if isinstance(key, str) else None
        if place is None:
            hint = did_you_mean(str(key), [*names, *spelled()])
            raise MixedModelsError(
                f"{role} names {key!r}, which this model does not have; it has "
                f"{', '.join(names) or 'none'}.{hint}"
            )
        if place in found:
            raise MixedModelsError(f"{role} has two values for '{names[place]}'.")
        found[place] = value
    missing = [name for place, name in enumerate(names) if place not in found]
    if missing and default is None:
        raise MixedModelsError(f"{role} has no value for: {', '.join(missing)}.")
    return [found.get(place, default) for place in range(len(names))]


def _root(correlation: FloatArray, group: str) -> FloatArray:
    """A lower triangular root, of a singular matrix too."""
    values, vectors = np.linalg.eigh(correlation)
    if values.min() < -_ROUNDING or np.abs(correlation).max() > 1.0 + _ROUNDING:
        raise MixedModelsError(
            f"The correlations of the effects of '{group}' belong to no covariance matrix (least "
            f"eigenvalue {values.min():.3g}):\n{correlation}"
        )
    _, upper = np.linalg.qr((vectors * np.sqrt(np.maximum(values, 0.0))).T)
    root: FloatArray = upper.T * np.where(np.diag(upper) < 0.0, -1.0, 1.0)
    return root
