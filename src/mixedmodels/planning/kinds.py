"""What differs between power studies of linear and of generalized models: draws and fits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.crossprod import templates_of
from mixedmodels.design import Design
from mixedmodels.errors import ModelError
from mixedmodels.estimates.components import Component, components_of, distribution_of
from mixedmodels.estimates.generalized import GeneralizedFitted, GeneralizedModel
from mixedmodels.estimates.generalized_refits import GeneralizedRefitter
from mixedmodels.estimates.linear import Fitted, Model
from mixedmodels.estimates.refits import Refits, Refitter
from mixedmodels.estimates.tables import fixed_mean
from mixedmodels.families.base import Family
from mixedmodels.formula.parts import PartSpec
from mixedmodels.naming import first_few
from mixedmodels.optimize.summary import OptSummary
from mixedmodels.prediction.denovo import Parameters
from mixedmodels.prediction.generalized import Draws
from mixedmodels.prediction.simulate import Gaussian
from mixedmodels.settings import Control

AnyModel: TypeAlias = Any
"""A model of either kind: the members that `estimates.linear.Model` has."""

Refit: TypeAlias = "Callable[[FloatArray], Refits]"


class Source(Protocol):
    """What draws responses."""

    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """(count, n) responses."""


class Kind(Protocol):
    """What a study draws from and fits."""

    @property
    def one(self) -> str:
        """Letter of the test of one number."""

    @property
    def residual(self) -> bool:
        """Whether rows have a residual of their own."""

    @property
    def parts(self) -> tuple[PartSpec, ...]:
        """Formulas of other parameters of the distribution than its mean."""

    @property
    def categories(self) -> pd.Index | None:
        """Categories of an ordered response."""

    def source(self, design: Design, given: Parameters) -> Source:
        """What draws responses of a design."""

    def model(self, design: Design, source: Source, threads: int) -> AnyModel:
        """The model of a design, with a response drawn that no test reads."""

    def refitter(
        self, model: AnyModel, given: Parameters | None, control: Control, *, reml: bool
    ) -> Refit:
        """Fits a model to responses, from given parameters or from its own start."""

    def fitted(self, model: AnyModel, y: FloatArray, at: FloatArray, *, reml: bool) -> Any:
        """The fit to a response at the parameters found."""


@dataclass(frozen=True, slots=True)
class Linear:
    """Linear mixed models."""

    one: str = "t"
    residual: bool = True
    parts: tuple[PartSpec, ...] = ()
    categories: pd.Index | None = None

    def source(self, design: Design, given: Parameters) -> Gaussian:
        """Draws y = mean + Z b + e."""
        mean = fixed_mean(design, given.beta)
        return Gaussian(design, templates_of(design), mean, given.theta, given.sigma)

    def model(self, design: Design, source: Source, threads: int) -> Model:
        """The model needs a response that is not fitted exactly."""
        return Model(_with_response(design, source), threads)

    def refitter(
        self, model: AnyModel, given: Parameters | None, control: Control, *, reml: bool
    ) -> Refitter:
        """A function that refits from given theta."""
        start = model.templates.initial if given is None else given.theta
        threads = model.affordable_threads(model.threads)
        return Refitter(model, reml, model.axes.to_axes(start), control, threads)

    def fitted(self, model: AnyModel, y: FloatArray, at: FloatArray, *, reml: bool) -> Fitted:
        """The fit at theta along the axes."""
        own = model.with_response(y)
        return Fitted(own, own.solution(own.criterion(reml=reml), at), _settled(len(at)))


@dataclass(frozen=True, slots=True, eq=False)
class Generalized:
    """Generalized linear mixed models.

    Attributes:
        family: The family.
        nodes: Nodes of quadrature.
        coefficients: By role and name, those of parameters of the distribution beside the mean, on
            the scale of the search (logarithm, logit, gaps of thresholds).
        parts: Formulas of such parameters.
        categories: Of an ordered response.
    """

    family: Family
    nodes: int
    coefficients: Mapping[tuple[str, str], float]
    parts: tuple[PartSpec, ...] = ()
    categories: pd.Index | None = None
    one: str = "z"
    residual: bool = False

    def psi(self, components: tuple[Component, ...]) -> FloatArray:
        """(k,) coefficients of the components of a design.

        Raises:
            ModelError: The design has columns for which there are none.
        """
        named = [(part.role, name) for part in components for name in part.names]
        for role, name in named:
            if (role, name) not in self.coefficients:
                known = [own for of, own in self.coefficients if of == role]
                raise ModelError(
                    f"power: the design has the column '{name}' in {role}, for which the fit has "
                    f"no coefficient; it has {first_few(known, 12)}. Give a design with the levels "
                    "of the fit."
                )
        return np.array([self.coefficients[key] for key in named])

    def source(self, design: Design, given: Parameters) -> Draws:
        """Draws from the family."""
        templates = templates_of(design)
        m = np.ones(design.n) if design.w is None else design.w
        components = components_of(design, self.family, 1)
        distribution = distribution_of(self.family, components, self.psi(components))
        eta = fixed_mean(design, given.beta)
        return Draws(design, templates, distribution, m, eta, templates.lam(given.theta))

    def model(self, design: Design, source: Source, threads: int) -> GeneralizedModel:
        """The model of the drawn response, from which its starts are."""
        with_y = _with_response(design, source)
        return GeneralizedModel(with_y, self.family, threads, self.nodes)

    def refitter(
        self, model: AnyModel, given: Parameters | None, control: Control, *, reml: bool
    ) -> Refit:
        """From given parameters; theta of the fits is all parameters, as users know them."""
        del reml
        criterion = model.criterion()
        if given is None:
            start = criterion.starts()[0]
        else:
            kept = given.beta[model.products.kept]
            own = self.psi(model.components)
            start = criterion.from_user(np.concatenate([given.theta, kept, own]))
        threads = model.affordable_threads(model.threads)
        refits = GeneralizedRefitter(model, start, control, threads)
        m, p = model.templates.m, model.products.p

        def refit(responses: FloatArray) -> Refits:
            user, objective = refits(responses)
            return Refits(user, user[:, m : m + p], np.ones(len(user)), objective)

        return refit

    def fitted(
        self, model: AnyModel, y: FloatArray, at: FloatArray, *, reml: bool
    ) -> GeneralizedFitted:
        """The fit at all parameters, as users know them."""
        del reml
        own = model.with_response(y)
        criterion = own.criterion()
        solution = own.solution(criterion, criterion.from_user(at))
        return GeneralizedFitted(own, solution, _settled(len(at)))


def _with_response(design: Design, source: Source) -> Design:
    return dataclasses.replace(design, y=source.draw(np.random.default_rng(0), 1)[0])


def _settled(size: int) -> OptSummary:
    """The search of a fit that was made in compiled code."""
    return OptSummary(
        "auto", Control(), 0, 0, "refitted", "converged", (), np.zeros(size), 0.0, 0.0, True, 0.0
    )
