"""Parameters of the response's distribution beside its mean, and their coefficients.

Each is one value for all rows or has predictors; it is estimated on a scale without bounds. The
coefficients of all, one component after the other, are the psi of a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from mixedmodels._core import Products
from mixedmodels.arrays import FloatArray
from mixedmodels.crossprod import column_products
from mixedmodels.design import Design
from mixedmodels.design.columns import level_labels
from mixedmodels.design.design import PartDesign
from mixedmodels.families.base import DISPERSION, THRESHOLDS, ZERO_INFLATION, Family
from mixedmodels.families.distribution import Distribution
from mixedmodels.families.ordinal import OrderedDistribution

# Where one family is another for all that data tell.
_LARGE_IS_POISSON = {
    "negative_binomial": "poisson",
    "truncated_negative_binomial": "truncated_poisson",
}
_MANY, _NEVER = 1e6, 1e-4
# Largest probability of zeros of their own: at 1 mean and variance would be 0, their ratios NaN.
_MOST_CERTAIN = 1.0 - 2.0**-53


@dataclass(frozen=True, slots=True, eq=False)
class Component:
    """One parameter of the distribution.

    Attributes:
        role: "dispersion", "zero_inflation", or "thresholds" of ordered categories.
        label: What the predictor is: "log(k)".
        names: (k,) of the coefficients kept.
        first: Position of the first of them in psi.
        part: Its predictors, or None where all rows have one value.
        products: Their basis, or None.
    """

    role: str
    label: str
    names: tuple[str, ...]
    first: int
    part: PartDesign | None
    products: Products | None

    @property
    def place(self) -> slice:
        """Its coefficients in psi."""
        return slice(self.first, self.first + len(self.names))

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the coefficients among the parameters of the criterion."""
        if self.part is None and self.role == DISPERSION:
            return (self.label,)
        if self.role == THRESHOLDS:
            gaps = pairwise(self.names)
            return (self.names[0], *(f"log({high} - {low})" for low, high in gaps))
        return tuple(f"{self.role}.{name}" for name in self.names)

    @property
    def coefficient_names(self) -> tuple[str, ...]:
        """Names of the coefficients, or thresholds, among the parameters that users read."""
        if self.role == THRESHOLDS:
            return self.names
        return tuple(f"{self.role}.{name}" for name in self.names)

    @property
    def short(self) -> str:
        """The name that tidy tables have for it."""
        return {DISPERSION: "disp", ZERO_INFLATION: "zi"}.get(self.role, self.role)

    def predictor(self, psi: FloatArray, X: FloatArray | None = None) -> float | FloatArray:
        """The parameter on its scale without bounds: by row, or one value for all.

        Args:
            psi: Coefficients of all components.
            X: (n, k_all) columns at other rows than those of the model.
        """
        own = psi[self.place]
        if self.part is None or self.products is None:
            return float(own[0])
        columns = self.part.X if X is None else X
        found: FloatArray = columns[:, self.products.kept] @ own
        return found

    @property
    def shown(self) -> bool:
        """Whether its coefficients are a table, and not the one number of the heading."""
        return self.part is not None or self.role != DISPERSION

    @property
    def title(self) -> str:
        """What its coefficients are called."""
        if self.role == THRESHOLDS:
            return "Thresholds:"
        return f"{self.role.replace('_', ' ').capitalize()}, {self.label}:"

    def estimates(self, psi: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(k,) coefficients or thresholds, and (k, k) their derivatives by its part of psi."""
        own = psi[self.place]
        if self.role != THRESHOLDS:
            return own, np.eye(len(own))
        steps = np.concatenate([[1.0], np.exp(own[1:])])
        return thresholds_of(own), np.tril(np.broadcast_to(steps, (len(own), len(own))))

    def estimates_of(self, psi: FloatArray) -> FloatArray:
        """(..., k) coefficients or thresholds of many psi."""
        own = psi[..., self.place]
        return thresholds_of(own) if self.role == THRESHOLDS else own

    @property
    def dropped(self) -> tuple[str, ...]:
        """Names of columns that depend on others."""
        if self.part is None or self.products is None:
            return ()
        kept = set(self.products.kept.tolist())
        return tuple(name for j, name in enumerate(self.part.names) if j not in kept)


def components_of(design: Design, family: Family, threads: int) -> tuple[Component, ...]:
    """The components of a model, in the order of the core."""
    parts = {part.spec.role: part for part in design.parts}
    labels = {DISPERSION: f"log({family.parameter})"} if family.parameter else {}
    if ZERO_INFLATION in parts:
        labels[ZERO_INFLATION] = "logit(probability)"
    found: list[Component] = []
    if design.categories is not None:
        return (_thresholds(design.categories),)
    first = 0
    for role, label in labels.items():
        part = parts.get(role)
        if part is not None and part.spec.constant:
            part = None
        products = None if part is None else column_products(part.X, part.names, threads)
        names: tuple[str, ...] = ("(Intercept)",)
        if part is not None and products is not None:
            names = tuple(part.names[j] for j in products.kept)
        found.append(Component(role, label, names, first, part, products))
        first += len(names)
    return tuple(found)


def _thresholds(categories: pd.Index) -> Component:
    labels = level_labels(categories)
    names = tuple(f"{low}|{high}" for low, high in pairwise(labels))
    return Component(THRESHOLDS, "thresholds", names, 0, None, None)


def thresholds_of(psi: FloatArray) -> FloatArray:
    """(..., k) thresholds from the first of them and the logarithms of the gaps."""
    steps = np.concatenate([psi[..., :1], np.exp(psi[..., 1:])], axis=-1)
    found: FloatArray = np.cumsum(steps, axis=-1)
    return found


def distribution_of(
    family: Family, components: tuple[Component, ...], psi: FloatArray
) -> Distribution:
    """That of the responses of a model with these components.

    Args:
        family: The family.
        components: In the order of `components_of`.
        psi: (k,) their coefficients.
    """
    if family.ordered:
        return OrderedDistribution(family, None, None, thresholds_of(psi))
    own, zeros = of_role(components, DISPERSION), of_role(components, ZERO_INFLATION)
    return Distribution(
        family,
        None if own is None else exponential(own.predictor(psi)),
        None if zeros is None else probability(zeros.predictor(psi)),
    )


def of_role(components: tuple[Component, ...], role: str) -> Component | None:
    """The component of a role, or None."""
    for found in components:
        if found.role == role:
            return found
    return None


def exponential(predictor: float | FloatArray) -> float | FloatArray:
    """The parameter above zero whose logarithm is given."""
    found = np.exp(np.minimum(predictor, 700.0))
    return float(found) if np.ndim(found) == 0 else found


def probability(predictor: float | FloatArray) -> float | FloatArray:
    """The probability whose logit is given; below 1, so that something is left of the rest."""
    with np.errstate(over="ignore"):
        found = np.minimum(1.0 / (1.0 + np.exp(-np.asarray(predictor))), _MOST_CERTAIN)
    return float(found) if np.ndim(found) == 0 else found


def dropped_messages(components: tuple[Component, ...]) -> tuple[str, ...]:
    """What users should know of columns that depend on others."""
    return tuple(
        f"Rank-deficient {part.role} part: {len(part.dropped)} of its columns dropped, dependent "
        f"on earlier ones: {', '.join(part.dropped)}."
        for part in components
        if part.dropped
    )


def component_messages(distribution: Distribution) -> list[str]:
    """What to say of parameters that have gone where the model is a simpler one."""
    found = []
    family, own, zero = distribution.family, distribution.dispersion, distribution.zero
    if family.name in _LARGE_IS_POISSON and own is not None and np.min(own) > _MANY:
        found.append(
            f"No overdispersion: k is {np.min(own):.2g}, where the {family.title} family is the "
            f'Poisson family. Fit family="{_LARGE_IS_POISSON[family.name]}".'
        )
    if family.name == "nb1" and own is not None and np.max(own) < 1.0 / _MANY:
        found.append(
            f"No overdispersion: alpha is {np.max(own):.2g}, where the nb1 family is the Poisson "
            'family. Fit family="poisson".'
        )
    if zero is not None and np.max(zero) < _NEVER:
        found.append(
            f"No zero inflation: the probability of zeros of their own is at most "
            f"{np.max(zero):.2g}; the counts have no more zeros than their family. Fit without "
            "zero_inflation."
        )
    return found
