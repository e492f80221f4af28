"""Parameters given by users, by name or in order, to what a simulator takes.

For simulation from a formula and a design without a fit; drawing is `simulate`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.covariance import Templates
from mixedmodels.design import Design
from mixedmodels.errors import MixedModelsError, did_you_mean
from mixedmodels.estimates.parameters import parameter_names
from mixedmodels.prediction.simulate import (
    Gaussian,
    Seed,
    check_count,
    fixed_mean,
    random_generator,
)
from mixedmodels.typing import FloatArray

# A correlation matrix may be indefinite by rounding.
_ROUNDING = 1e-10


def simulate_design(
    design: Design,
    templates: Templates,
    *,
    beta: Any,
    theta: Any,
    sigma: float,
    nsim: int,
    seed: Seed,
) -> pd.DataFrame:
    """(n, nsim) responses of a design.

    Raises:
        MixedModelsError: Parameters missing, unknown or not finite.
    """
    count = check_count("nsim", nsim)
    rng, _ = random_generator(seed)
    coefficients = values_by_name("beta", beta, design.x_names)
    relative = values_by_name("theta", theta, templates.names)
    draw = Gaussian(design, templates, fixed_mean(design, coefficients), relative, sigma).draw
    return pd.DataFrame(draw(rng, count).T, index=design.index)


def theta_from_sd(templates: Templates, sd: Any, cor: Any, sigma: float) -> FloatArray:
    """Theta (m,) of standard deviations and correlations.

    Args:
        templates: What theta means.
        sd: By name (`group.effect`, or `sd(group.effect)`), in order, or one number.
        cor: By name (`group.effect1.effect2`), in order, or None for zeros.
        sigma: Residual standard deviation.

    Raises:
        MixedModelsError: Names missing or unknown, a negative standard deviation, or correlations
            that no covariance has.
    """
    names = parameter_names(templates)[:-1]
    diagonal = templates.diagonal
    values = np.zeros(templates.m)
    values[diagonal] = values_by_name(
        "sd", sd, [n for n, d in zip(names, diagonal, strict=True) if d]
    )
    below = [n for n, d in zip(names, diagonal, strict=True) if not d]
    values[~diagonal] = values_by_name("cor", cor, below, default=0.0)
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


def values_by_name(
    role: str, given: Any, names: Sequence[str], default: float | None = None
) -> FloatArray:
    """Numbers in the order of `names`.

    Args:
        role: What they are, for messages.
        given: A dict or Series by name, numbers in order, or one number where one is wanted.
        names: The names; of one like `sd(g.x)` the inside will do.
        default: For what is not given by name, and for all if `given` is None.

    Raises:
        MixedModelsError: A name is missing or unknown, a wrong number of values, or one that is
            not finite.
    """
    if given is None and default is not None:
        return np.full(len(names), default)
    if isinstance(given, (Mapping, pd.Series)):
        given = _ordered(role, dict(given), names, default)
    try:
        values = np.atleast_1d(np.array(given, dtype=np.float64))
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
    role: str, given: dict[Any, Any], names: Sequence[str], default: float | None
) -> list[Any]:
    inside = {name.removeprefix(f"{role}(").removesuffix(")"): name for name in names}
    short = inside if all(name.startswith(f"{role}(") for name in names) else {}
    found = {short.get(key, key): value for key, value in given.items()}
    unknown = [key for key in found if key not in names]
    if unknown:
        hint = did_you_mean(str(unknown[0]), [*names, *short])
        raise MixedModelsError(
            f"{role} names {unknown[0]!r}, which this model does not have; it has "
            f"{', '.join(names) or 'none'}.{hint}"
        )
    missing = [name for name in names if name not in found]
    if missing and default is None:
        raise MixedModelsError(f"{role} has no value for: {', '.join(missing)}.")
    return [found.get(name, default) for name in names]


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
