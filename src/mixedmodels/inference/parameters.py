"""The parameters of a profile: their names, places and scales.

What the core holds of a parameter (log sigma, the arcsine of a correlation) is here turned into the
parameter and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.design.names import Labels
from mixedmodels.errors import MixedModelsError, did_you_mean
from mixedmodels.estimates.linear import Fitted
from mixedmodels.estimates.own import own_coefficients
from mixedmodels.estimates.parameters import (
    all_names,
    all_values,
    coefficient_names,
    random_names,
    random_spellings,
)
from mixedmodels.naming import by_spelling, find, first_few
from mixedmodels.settings import names_given

Kind: TypeAlias = Literal["sd", "cor", "sigma", "beta", "own"]

GROUPS = ("theta_", "beta_")
"""Names that stand for all random-effects parameters with sigma, and for all coefficients."""

# Kinds that "beta_" stands for, and the names that tidy tables have for components.
_COEFFICIENTS = ("beta", "own")
_SHORT = {"zero_inflation.": "zi.", "dispersion.": "disp."}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a profile.

    Attributes:
        name: `sd(group.effect)`, `cor(group.effect1.effect2)`, `sigma`, or a coefficient's.
        kind: Which of these; "own" for coefficients of other parameters than the mean.
        place: Term, effect and other effect; or 0, position among the coefficients of its kind, 0.
        position: Among all parameters with an estimate of their own.
        estimate: At the ML optimum; NaN for a correlation with an effect of no variance, and for
            an aliased coefficient.
        column: Of X, for a coefficient.
        aliased: Whether it is the coefficient of a column that depends on earlier ones.
    """

    name: str
    kind: Kind
    place: tuple[int, int, int]
    position: int
    estimate: float
    column: int = -1
    aliased: bool = False


def parameters_of(fitted: Fitted) -> tuple[Parameter, ...]:
    """All parameters: random effects in the order of theta, sigma, coefficients kept, others."""
    entries = fitted.model.templates.entries.tolist()
    kinds: list[tuple[Kind, tuple[int, int, int]]] = [
        ("sd", (term, row, 0)) if row == column else ("cor", (term, column, row))
        for term, row, column in entries
    ]
    kinds += [("sigma", (0, 0, 0)) for _ in fitted.scale_names]
    kinds += [("beta", (0, j, 0)) for j in range(fitted.solution.p)]
    columns = [*([-1] * (len(kinds) - fitted.solution.p)), *fitted.solution.kept.tolist()]
    own = len(own_coefficients(fitted).names)
    kinds += [("own", (0, j, 0)) for j in range(own)]
    columns += [-1] * own
    values = all_values(fitted).tolist()
    return tuple(
        Parameter(name, kind, place, position, value, column)
        for position, (name, (kind, place), value, column) in enumerate(
            zip(all_names(fitted), kinds, values, columns, strict=True)
        )
    )


def with_aliased(fitted: Fitted) -> list[Parameter]:
    """All parameters, and the coefficients that the data do not determine, in column order."""
    others = (*random_names(fitted), *own_coefficients(fitted).names)
    names = coefficient_names(fitted.model.design.x_names, others)
    known = parameters_of(fitted)
    by_column = {parameter.column: parameter for parameter in known if parameter.kind == "beta"}
    return [
        *(parameter for parameter in known if parameter.kind not in _COEFFICIENTS),
        *(
            by_column.get(j)
            or Parameter(name, "beta", (0, -1, 0), -1, float("nan"), j, aliased=True)
            for j, name in enumerate(names)
        ),
        *(parameter for parameter in known if parameter.kind == "own"),
    ]


def select(
    fitted: Fitted, parameters: Sequence[Parameter], names: str | Sequence[str] | None
) -> list[Parameter]:
    """The parameters of these names, in the model's order.

    Raises:
        MixedModelsError: An unknown name, or one that can mean several parameters.
    """
    if names is None:
        return list(parameters)
    asked = names_given("parameters", names, "the name of a parameter, or a list of names")
    chosen = {place_of(fitted, parameters, name) for name in asked if name not in GROUPS}
    return [
        parameter
        for place, parameter in enumerate(parameters)
        if place in chosen or GROUPS[parameter.kind in _COEFFICIENTS] in asked
    ]


def place_of(
    fitted: Fitted, parameters: Sequence[Parameter], name: str, where: str = "The model"
) -> int:
    """Which of the parameters is called so.

    Raises:
        MixedModelsError: None of them, or several.
    """
    printed = [parameter.name for parameter in parameters]
    place = None
    if isinstance(name, str):
        place = find(name, printed, lambda: by_spelling(_spellings(fitted, parameters)))
    if place is None:
        hint = did_you_mean(name, printed) if isinstance(name, str) else ""
        raise MixedModelsError(
            f"{where} has no parameter {name!r}; it has {first_few(printed, 20)} "
            f"('theta_' and 'beta_' stand for all of a kind).{hint}"
        )
    return place


def _spellings(fitted: Fitted, parameters: Sequence[Parameter]) -> list[set[str]]:
    """What a user may call each parameter."""
    design = fitted.model.design
    random = random_spellings(design, fitted.model.templates)
    labels = Labels(design.fixed_spec.recipes)
    out: list[set[str]] = []
    for parameter in parameters:
        if parameter.kind == "beta":
            own = labels.spellings(design.fixed_spec.columns[parameter.column])
            own.add(design.x_names[parameter.column])
            out.append(own | {f"beta({name})" for name in own})
        elif parameter.kind == "own":
            name = parameter.name
            out.append(
                {
                    short + name[len(long) :]
                    for long, short in _SHORT.items()
                    if name.startswith(long)
                }
            )
        elif parameter.kind == "sigma":
            out.append(set())
        else:
            out.append({f"{parameter.kind}({name})" for name in random[parameter.position]})
    return out


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
