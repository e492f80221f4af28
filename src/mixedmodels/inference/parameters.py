"""The parameters of a profile: their names, places and scales.

What the core holds of a parameter (log sigma, the arcsine of a correlation) is here turned into the
parameter and back. Values of all parameters at once are `estimates.parameters`'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from mixedmodels.errors import MixedModelsError, did_you_mean
from mixedmodels.estimates.parameters import all_names, all_values
from mixedmodels.estimates.stages import Fitted
from mixedmodels.typing import FloatArray

Kind: TypeAlias = Literal["sd", "cor", "sigma", "beta"]

GROUPS = ("theta_", "beta_")
"""Names that stand for all random-effects parameters with sigma, and for all coefficients."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a profile.

    Attributes:
        name: `sd(group.effect)`, `cor(group.effect1.effect2)`, `sigma`, or a coefficient's.
        kind: Which of these.
        place: Term, effect and other effect; or 0, position among the kept coefficients, 0.
        position: Among all parameters.
        estimate: At the ML optimum; NaN for a correlation with an effect of no variance.
    """

    name: str
    kind: Kind
    place: tuple[int, int, int]
    position: int
    estimate: float


def parameters_of(fitted: Fitted) -> tuple[Parameter, ...]:
    """All parameters: random effects in the order of theta, sigma, coefficients kept."""
    entries = fitted.stages.templates.entries.tolist()
    kinds: list[tuple[Kind, tuple[int, int, int]]] = [
        ("sd", (term, row, 0)) if row == column else ("cor", (term, column, row))
        for term, row, column in entries
    ]
    kinds.append(("sigma", (0, 0, 0)))
    kinds += [("beta", (0, j, 0)) for j in range(fitted.solution.p)]
    values = all_values(fitted).tolist()
    return tuple(
        Parameter(name, kind, place, position, value)
        for position, (name, (kind, place), value) in enumerate(
            zip(all_names(fitted), kinds, values, strict=True)
        )
    )


def select(parameters: Sequence[Parameter], names: str | Sequence[str] | None) -> list[Parameter]:
    """The parameters of these names, in the model's order.

    Raises:
        MixedModelsError: A name that is none.
    """
    if names is None:
        return list(parameters)
    asked = [names] if isinstance(names, str) else list(names)
    known = [parameter.name for parameter in parameters]
    for name in asked:
        if name not in known and name not in GROUPS:
            hint = did_you_mean(name, known) if isinstance(name, str) else ""
            raise MixedModelsError(
                f"The model has no parameter {name!r}; it has {', '.join(known)} "
                f"('theta_' and 'beta_' stand for all of a kind).{hint}"
            )
    return [
        parameter
        for parameter in parameters
        if parameter.name in asked or GROUPS[parameter.kind == "beta"] in asked
    ]


def to_value(kind: Kind, held: FloatArray | float) -> FloatArray:
    """The parameter from what the core holds."""
    values = np.asarray(held, dtype=np.float64)
    if kind == "sigma":
        return np.exp(values)
    return np.sin(values) if kind == "cor" else values


def from_value(kind: Kind, value: FloatArray) -> FloatArray:
    """What the core holds; NaN where the parameter cannot have the value."""
    with np.errstate(invalid="ignore", divide="ignore"):
        if kind == "sigma":
            return np.where(value > 0.0, np.log(value), np.nan)
        if kind == "cor":
            return np.arcsin(value)
        return np.where(value >= 0.0, value, np.nan) if kind == "sd" else value
