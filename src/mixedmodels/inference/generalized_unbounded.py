"""What generalized models tend to as a parameter goes to an end of its range (`unbounded`)."""

from __future__ import annotations

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.estimates.components import Component
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.families.base import THRESHOLDS, ZERO_INFLATION, Family
from mixedmodels.inference.parameters import Parameter
from mixedmodels.inference.unbounded import Tendency, tendency_of

# Links whose scale has a natural unit: a few units away the mean is at its bound.
_LOGARITHMIC = ("log", "logit", "probit", "cloglog", "loglog", "cauchit")


@tendency_of.register
def _(fitted: GeneralizedFitted, parameter: Parameter) -> Tendency | None:
    model = fitted.model
    if parameter.kind == "sigma":
        return Tendency(1.0, *_ends(model.family))
    if parameter.kind == "own":
        part, place = _part_of(model.components, parameter.place[1])
        return _of_component(part, place, model.family)
    if parameter.kind == "beta" and model.family.link.name in _LOGARITHMIC:
        return _of_mean(model.family, model.design.X[:, parameter.column])
    return None


def _part_of(components: tuple[Component, ...], place: int) -> tuple[Component, int]:
    """The component of a further coefficient, and the coefficient's place in it."""
    for part in (part for part in components if part.shown):
        if place < len(part.names):
            return part, place
        place -= len(part.names)
    raise IndexError(place)


def _ends(family: Family, where: str = "") -> tuple[str, str]:
    """What a family becomes as its own parameter goes to 0 and to infinity; "" if not known."""
    poisson = f"the model becomes the {'truncated ' * family.name.startswith('truncated_')}Poisson"
    return {
        "negative_binomial": ("", f"{poisson} model{where}"),
        "truncated_negative_binomial": (
            f"the counts become those of the logarithmic distribution{where}",
            f"{poisson} model{where}",
        ),
        "nb1": (f"{poisson} model{where}", ""),
    }.get(family.name, ("", ""))


def _of_component(part: Component, place: int, family: Family) -> Tendency:
    if part.role == THRESHOLDS:
        return Tendency(1.0)
    if part.part is not None and part.products is not None:
        unit = _unit(part.part.X[:, part.products.kept[place]])
        only = len(part.names) == 1
        intercept = only and part.names[0] == "(Intercept)"
        if not intercept:
            return Tendency(unit)
    if part.role == ZERO_INFLATION:
        none = "the probability of zeros of their own becomes 0 (no zero inflation)"
        return Tendency(1.0, none)
    return Tendency(1.0, *_ends(family))


def _of_mean(family: Family, column: FloatArray) -> Tendency:
    if family.link.name == "log":
        ends = "the fitted means of some rows become 0"
    else:
        ends = "fitted probabilities of some rows become 0 or 1 (separation)"
    return Tendency(_unit(column), ends, ends)


def _unit(column: FloatArray) -> float:
    """Change of a coefficient that changes the predictor by about 1."""
    size = float(np.sqrt(np.mean(np.square(column))))
    return 1.0 / size if size > 0.0 else 1.0
