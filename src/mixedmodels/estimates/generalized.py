"""A generalized linear mixed model from design to estimates; as `estimates.model` for linear ones.

The linear predictor is eta = offset + X beta + Z Lambda u with u standard normal: theta is on the
scale of the predictor, and there is no residual standard deviation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from mixedmodels._core import Analysis, Products
from mixedmodels.arrays import FloatArray
from mixedmodels.covariance import Templates
from mixedmodels.criterion.accuracy import Accuracy
from mixedmodels.criterion.axes import ThetaAxes
from mixedmodels.criterion.base import Watch
from mixedmodels.criterion.generalized import (
    GeneralizedWorkspace,
    LaplaceCriterion,
    LaplacePoint,
    Responses,
)
from mixedmodels.crossprod import row_products, templates_of
from mixedmodels.design import Design
from mixedmodels.errors import ModelError
from mixedmodels.estimates.components import (
    Component,
    components_of,
    exponential,
    of_role,
    probability,
    thresholds_of,
)
from mixedmodels.estimates.identified import Identification
from mixedmodels.families.base import DISPERSION, ZERO_INFLATION, Family
from mixedmodels.families.distribution import Distribution
from mixedmodels.families.ordinal import OrderedDistribution
from mixedmodels.lazy import cached_property
from mixedmodels.memory import threads_that_fit
from mixedmodels.optimize import Request, minimize
from mixedmodels.optimize.summary import OptSummary

T = TypeVar("T")

# Of quadrature: random effects per level, and nodes of all of them.
MOST_EFFECTS, MOST_NODES = 3, 4000
# Families whose expected information has no closed form.
_WITHOUT_EXPECTED = ("nb1",)


class GeneralizedModel:
    """All stages from a design to the criterion, each made once.

    Args:
        design: Model matrices and response; of trials, its response are successes and its weights
            trials.
        family: The family of the response.
        threads: Threads that a fit may use.
        nodes: Nodes of quadrature for each random effect; 1 for Laplace's approximation, 0 for that
            with the coefficients in the mode.
        expected: Whether the determinant has the expected information.
        reml: Whether the coefficients are integrated over.

    Raises:
        ModelError: Quadrature of a model with several grouping factors or too many effects, or
            with one of the other options.

    Attributes:
        design: The design.
        family: The family.
        threads: Threads that a fit may use.
        nodes: Nodes of quadrature.
        expected: Whether the determinant has the expected information.
        reml: Whether the coefficients are integrated over.
        components: Parameters of the distribution beside its mean.
        origin: (p_all,) what the core's columns of X are relative to, where thresholds stand for
            the intercept; else None.
        templates: Names, bounds and meaning of theta.
        products: Pattern and basis; weights of the fit are put in by the core.
    """

    def __init__(
        self,
        design: Design,
        family: Family,
        threads: int,
        nodes: int = 1,
        expected: bool = False,
        reml: bool = False,
    ) -> None:
        _check_options(nodes, expected=expected, reml=reml)
        _check_quadrature(design, nodes)
        self.design = design
        self.family = family
        self.threads = threads
        self.nodes = nodes
        self.expected = expected
        self.reml = reml
        self.components: tuple[Component, ...] = components_of(design, family, threads)
        if expected:
            _check_expected(family, self.components)
        self.templates: Templates = templates_of(design)
        self.origin: FloatArray | None = design.X.mean(axis=0) if family.ordered else None
        self.products: Products = row_products(design, threads, self.origin)

    @cached_property
    def weights(self) -> FloatArray:
        """(n,) prior weights."""
        w = self.design.w
        return np.ones(self.design.n) if w is None else w

    @property
    def approximation(self) -> tuple[int, bool, bool]:
        """Nodes, whether the information is the expected one, and whether it is REML-like."""
        return self.nodes, self.expected, self.reml

    @property
    def method(self) -> str:
        """How the likelihood is made, for the head of a summary."""
        if self.nodes > 1:
            return f"maximum likelihood (quadrature, {self.nodes} nodes)"
        more = ", coefficients in the mode" * (self.nodes == 0)
        more += ", expected information" * self.expected
        return f"{'REML' if self.reml else 'maximum likelihood'} (Laplace approximation{more})"

    @property
    def quadrature_possible(self) -> bool:
        """Whether there is one grouping factor with few enough effects per level."""
        width = sum(len(term.columns) for term in self.design.terms)
        return len(self.design.groups) == 1 and width <= MOST_EFFECTS

    @cached_property
    def analysis(self) -> Analysis:
        """Order of elimination and pattern of the factor."""
        return Analysis(self.products)

    @cached_property
    def workspace(self) -> GeneralizedWorkspace:
        """The workspace that all users of the model share."""
        return self._new_workspace()

    def _new_workspace(self) -> GeneralizedWorkspace:
        design, family = self.design, self.family
        responses = Responses(
            family=self._core_family,
            link=family.link.name,
            y=design.y,
            m=self.weights,
            offset=design.offset,
            coefficients=tuple(design.x_names[j] for j in self.products.kept),
            parameters=tuple(name for part in self.components for name in part.parameters),
            designs=tuple(
                (k, part.products)
                for k, part in enumerate(self.components)
                if part.products is not None
            ),
            origin=() if self.origin is None else tuple(self.origin[self.products.kept]),
            nodes=self.nodes,
            expected=self.expected,
            reml=self.reml,
        )
        return GeneralizedWorkspace(self.analysis, self.templates, responses, self.threads)

    @property
    def _core_family(self) -> str:
        if self.design.categories is not None:
            return f"{self.family.name}:{len(self.design.categories)}"
        inflated = of_role(self.components, ZERO_INFLATION) is not None
        return f"zero_inflated_{self.family.name}" if inflated else self.family.name

    def distribution(self, psi: FloatArray) -> Distribution:
        """That of the responses on the rows of the model.

        Args:
            psi: (k,) coefficients of the components.
        """
        if self.design.categories is not None:
            return OrderedDistribution(self.family, None, None, thresholds_of(psi))
        own = of_role(self.components, DISPERSION)
        zeros = of_role(self.components, ZERO_INFLATION)
        return Distribution(
            self.family,
            None if own is None else exponential(own.predictor(psi)),
            None if zeros is None else probability(zeros.predictor(psi)),
        )

    @property
    def axes(self) -> ThetaAxes:
        """The maps between theta and theta along the axes of the terms."""
        return self.workspace.axes

    def criterion(self, *, reml: bool = False) -> LaplaceCriterion:
        """-2 log-likelihood, in the shared workspace."""
        return LaplaceCriterion(self.workspace)

    def own_criterion(self, *, reml: bool = False) -> LaplaceCriterion:
        """The same in a workspace of its own."""
        return LaplaceCriterion(self._new_workspace())

    def affordable_threads(self, threads: int | None = None) -> int:
        """As many of the threads as have room when each takes a workspace of its own."""
        size = self.analysis.workspace + self.products.nbytes + 100 * self.design.n
        return threads_that_fit(threads or self.threads, size)

    def twin(self) -> GeneralizedModel:
        """The same model with a workspace of its own, for work beside that of a fit."""
        twin = GeneralizedModel.__new__(GeneralizedModel)
        twin.__dict__.update(self.__dict__)
        twin.__dict__.pop("workspace", None)
        return twin

    def with_response(self, y: FloatArray) -> GeneralizedModel:
        """The same model for another response (n,)."""
        design = dataclasses.replace(self.design, y=y)
        return GeneralizedModel(design, self.family, self.threads, *self.approximation)

    def with_design(self, design: Design) -> GeneralizedModel:
        """A model of the same family."""
        return GeneralizedModel(design, self.family, self.threads, *self.approximation)

    def identification(self, criterion: LaplaceCriterion | None = None) -> Identification:
        """Nothing is looked for that the data cannot tell apart."""
        return _AllIdentified(self.design, self.templates, False, None)

    def solve(
        self, criterion: LaplaceCriterion, request: Request, watch: Watch | None = None
    ) -> GeneralizedFitted:
        """Search the optimum and solve there.

        Raises:
            MixedModelsError: An unknown method, or a start that cannot be used.
        """
        at, optsum = minimize(criterion, request, watch)
        return GeneralizedFitted(self, self.solution(criterion, at), optsum)

    def solution(self, criterion: LaplaceCriterion, at: FloatArray) -> GeneralizedSolution:
        """The modes and all that belongs to them at parameters of the search."""
        with criterion.at(at) as point:
            return self._read(criterion, point)

    def _read(self, criterion: LaplaceCriterion, point: LaplacePoint) -> GeneralizedSolution:
        m, kept = self.templates.m, self.products.kept
        user, axes = criterion.to_user(point.par), criterion.workspace.axes
        beta = np.full(self.design.X.shape[1], np.nan)
        beta[kept] = user[m : m + len(kept)]
        psi = user[m + len(kept) :]
        return GeneralizedSolution(
            theta=user[:m],
            axes_theta=point.par[:m],
            relative_theta=point.par[:m] / axes.unit[:m],
            par=point.par,
            psi=psi,
            dispersion=self.distribution(psi).dispersion,
            objective=point.value,
            deviance=point.value,
            logdet_L2=point.logdet_L2,
            penalized=point.penalized,
            beta=beta,
            kept=kept,
            u=self._public(point.u),
            b=self._public(point.b),
            eta=point.eta if self.origin is None else point.eta + self.origin[kept] @ beta[kept],
            n=self.design.n,
            p=self.products.p,
            covariance_of=_Covariances(self, point.par),
            reml=self.reml,
        )

    def _public(self, effects: FloatArray) -> FloatArray:
        """(q,) from the core's order."""
        templates = self.templates
        return effects if templates.one_order else effects[templates.public_to_core]


def _check_options(nodes: int, *, expected: bool, reml: bool) -> None:
    """Refuse options that do not go together."""
    given = [
        *([f"n_agq={nodes}"] if nodes != 1 else []),
        *(['information="expected"'] if expected else []),
        *(["reml=True"] if reml else []),
    ]
    if len(given) > 1 and not (nodes == 0 and expected and not reml):
        raise ModelError(
            f"{' and '.join(given)} do not go together: leave one of them as it is by default "
            '(n_agq=1, information="observed", reml=False).'
        )


def _check_expected(family: Family, components: tuple[Component, ...]) -> None:
    """Refuse expected information where there is no closed form."""
    mixed = any(part.role == ZERO_INFLATION for part in components)
    if family.name in _WITHOUT_EXPECTED or family.ordered or mixed:
        what = "zero inflation" if mixed else f"the {family.title} family"
        raise ModelError(
            f'information="expected": it has no closed form for {what}. Leave '
            'information="observed".'
        )


def _check_quadrature(design: Design, nodes: int) -> None:
    """Refuse quadrature where its sums would be over too many nodes."""
    if nodes <= 1:
        return
    names = [group.name for group in design.groups]
    if len(names) > 1:
        raise ModelError(
            f"n_agq is {nodes}: quadrature is for models with one grouping factor, and this one "
            f"has {len(names)} ({', '.join(names)}). Leave n_agq=1, Laplace's approximation."
        )
    width = sum(len(term.columns) for term in design.terms)
    if width > MOST_EFFECTS:
        raise ModelError(
            f"n_agq is {nodes}: quadrature is for at most {MOST_EFFECTS} random effects per level, "
            f"and this model has {width}. Leave n_agq=1, Laplace's approximation."
        )
    if nodes**width > MOST_NODES:
        raise ModelError(
            f"n_agq is {nodes}: with {width} random effects per level that is {nodes**width} "
            f"nodes, more than {MOST_NODES}. Take fewer; 9 are exact to many digits."
        )


class _AllIdentified(Identification):
    """Of models without a residual variance, with which others could be confounded."""

    @cached_property
    def messages(self) -> tuple[str, ...]:
        """Nothing."""
        return ()


@runtime_checkable
class Covariances(Protocol):
    """Covariances of the parameters of a fit."""

    @property
    def hessian(self) -> FloatArray:
        """(m + p + k, m + p + k) of the criterion, by parameters of the search."""

    @property
    def user(self) -> FloatArray:
        """(m + p + k, m + p + k) covariance of theta, the coefficients and the family's own."""

    @property
    def conditional(self) -> FloatArray:
        """(p, p) of the kept coefficients for known theta and dispersion."""


@dataclass(frozen=True, slots=True, eq=False)
class KnownCovariances:
    """Covariances that have been made.

    Attributes:
        hessian: (m + p + k, m + p + k) of the criterion, by parameters of the search.
        user: (m + p + k, m + p + k) covariance of theta, the coefficients and the family's own.
        conditional: (p, p) of the kept coefficients for known theta and dispersion.
    """

    hessian: FloatArray
    user: FloatArray
    conditional: FloatArray


class _Covariances:
    """The covariance of all parameters, made when it is first read."""

    def __init__(self, model: GeneralizedModel, par: FloatArray) -> None:
        self._model = model
        self._par = par

    @cached_property
    def hessian(self) -> FloatArray:
        """(m + p + k, m + p + k) of the criterion, by parameters of the search."""
        return self._model.criterion().hessian(self._par)

    @cached_property
    def user(self) -> FloatArray:
        """(m + p + k, m + p + k) covariance of theta, the coefficients and the family's own.

        Entries of theta on the boundary are taken as known: their rows and columns are zero.
        """
        model, par = self._model, self._par
        m, size = model.templates.m, len(par)
        criterion = model.criterion()
        fixed = (par <= criterion.lower_bounds) & (np.arange(size) < m)
        free = np.flatnonzero(~fixed)
        information = 0.5 * self.hessian[np.ix_(free, free)]
        found = np.zeros((size, size))
        found[np.ix_(free, free)] = _inverse(information)
        J = criterion.to_user(np.eye(size))  # row by row: linear, without an origin
        covariance: FloatArray = J.T @ found @ J
        symmetric: FloatArray = 0.5 * (covariance + covariance.T)
        return symmetric

    @cached_property
    def conditional(self) -> FloatArray:
        """(p, p) of the kept coefficients for known theta and dispersion."""
        model = self._model
        with model.criterion().at(self._par) as point:
            basis = point.fixed_covariance()
        root = np.linalg.solve(model.products.R, np.linalg.cholesky(basis)) if len(basis) else basis
        found: FloatArray = root @ root.T
        return found


def scaled_eigen(information: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Scales that make its diagonal 1, eigenvalues and vectors of the scaled matrix."""
    scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diag(information)), np.finfo(np.float64).tiny))
    values, vectors = np.linalg.eigh(information * np.outer(scale, scale))
    return scale, values, vectors


def _inverse(information: FloatArray) -> FloatArray:
    """Of a symmetric matrix; directions without positive curvature have no variance: NaN."""
    if not np.isfinite(information).all():
        return np.full(information.shape, np.nan)
    scale, values, vectors = scaled_eigen(information)
    if values.size and values[0] <= 1e-12:
        return np.full(information.shape, np.nan)
    root = vectors / np.sqrt(values)
    inverse: FloatArray = root @ root.T * np.outer(scale, scale)
    return inverse


@dataclass(frozen=True, slots=True, eq=False)
class GeneralizedSolution:
    """A generalized model at its optimum; arrays become read-only.

    Attributes:
        theta: (m,) entries of the templates: random effects have covariance Lambda Lambda'.
        axes_theta: (m,) theta along the axes of the terms.
        relative_theta: (m,) that in its natural units.
        par: (m + p + k,) parameters of the search.
        psi: (k,) coefficients of the parameters of the distribution beside its mean.
        dispersion: The family's own parameter, for all rows or by row; None where it has none.
        objective: -2 log-likelihood.
        deviance: The same.
        logdet_L2: log|L|^2.
        penalized: -2 log density of the response given the modes, plus u'u.
        beta: (p_all,) coefficients in column order of X, NaN where a column is aliased.
        kept: (p,) positions of the columns that are not aliased.
        u: (q,) conditional modes on the spherical scale, public order.
        b: (q,) conditional modes on the scale of the predictor, public order.
        eta: (n,) linear predictor at the modes.
        n: Rows used.
        p: Rank of X.
        covariance_of: Covariances of parameters, made when they are asked for.
        reml: Whether the coefficients are integrated over.
    """

    theta: FloatArray
    axes_theta: FloatArray
    relative_theta: FloatArray
    par: FloatArray
    psi: FloatArray
    dispersion: float | FloatArray | None
    objective: float
    deviance: float
    logdet_L2: float
    penalized: float
    beta: FloatArray
    kept: npt.NDArray[np.integer[Any]]
    u: FloatArray
    b: FloatArray
    eta: FloatArray
    n: int
    p: int
    covariance_of: Covariances
    reml: bool = False

    def __post_init__(self) -> None:
        for array in (self.theta, self.par, self.beta, self.kept, self.u, self.b, self.eta):
            array.flags.writeable = False
        if isinstance(self.dispersion, np.ndarray):
            self.dispersion.flags.writeable = False

    def settled(self) -> GeneralizedSolution:
        """The same as plain values, its covariances made."""
        of = self.covariance_of
        known = KnownCovariances(of.hessian, of.user, of.conditional)
        return dataclasses.replace(self, covariance_of=known)

    @property
    def accuracy(self) -> Accuracy | None:
        """None: no part of the likelihood is estimated by probes."""
        return None

    @property
    def sigma(self) -> float:
        """1: random effects are on the scale of the predictor, whose rows have no residual."""
        return 1.0

    @property
    def residual_sd(self) -> float | None:
        """None: rows have no residual beside what the family has."""
        return None

    @property
    def point(self) -> FloatArray:
        """(m + p + k,) parameters of the search."""
        return self.par

    @property
    def npar(self) -> int:
        """Rank of X, length of theta, and the family's own parameters."""
        return self.p + len(self.theta) + len(self.psi)

    @property
    def vcov(self) -> FloatArray:
        """(p, p) covariance of the kept coefficients, from the exact Hessian in all parameters."""
        m = len(self.theta)
        return self.covariance_of.user[m : m + self.p, m : m + self.p]


@dataclass(frozen=True, slots=True, eq=False)
class GeneralizedFitted:
    """A generalized model at its optimum; as `estimates.model.Fitted` for linear ones.

    Attributes:
        model: What was fitted.
        solution: The numbers at the optimum.
        optsum: How it was found.
    """

    model: GeneralizedModel
    solution: GeneralizedSolution
    optsum: OptSummary
    _kept: dict[Callable[[Any], Any], Any] = field(init=False, repr=False, default_factory=dict)

    def once(self, make: Callable[[GeneralizedFitted], T]) -> T:
        """What a function gives for this fit, computed when it is first asked for and then kept."""
        if make not in self._kept:
            self._kept.setdefault(make, make(self))
        found: T = self._kept[make]
        return found

    @property
    def distribution(self) -> Distribution:
        """That of the responses on the rows of the model, given their means."""
        return self.once(_distribution)

    @property
    def criterion(self) -> LaplaceCriterion:
        """The criterion that the fit minimises, in the workspace of its model."""
        return self.model.criterion()

    @property
    def scale_places(self) -> tuple[int, ...]:
        """Places in psi of parameters of the family that are one number for all rows."""
        return tuple(part.first for part in self.model.components if not part.shown)

    @property
    def scale_names(self) -> tuple[str, ...]:
        """Name of the family's own parameter, where that is one number for all rows."""
        return (self.model.family.parameter,) * len(self.scale_places)

    @property
    def scale_values(self) -> FloatArray:
        """Its value."""
        values: FloatArray = np.exp(self.solution.psi[list(self.scale_places)])
        return values

    @property
    def own_names(self) -> tuple[str, ...]:
        """(k,) names of all parameters beside theta and the coefficients."""
        return tuple(
            name
            for part in self.model.components
            for name in (part.parameters if part.shown else self.scale_names)
        )

    @property
    def mean_response(self) -> FloatArray:
        """(n,) responses on the scale of the means: shares where there are trials."""
        model = self.model
        return model.design.y / model.weights if model.family.of_trials else model.design.y

    def shown(self, y: FloatArray) -> FloatArray:
        """(n,) responses as the formula has them: successes of `cbind`, shares else."""
        return self.shown_of(y, self.model.weights)

    def shown_of(self, y: FloatArray, m: FloatArray) -> FloatArray:
        """The same of other rows, with prior weights `m`."""
        successes = self.model.design.response_name.startswith("cbind(")
        return y / m if self.model.family.of_trials and not successes else y

    @property
    def response(self) -> FloatArray:
        """(n,) the response as the formula has it."""
        return self.shown(self.model.design.y)

    def by(self, *, reml: bool) -> GeneralizedFitted:
        """The same model with the coefficients integrated over, or not."""
        if self.model.reml == reml:
            return self
        was = self.model
        how = (was.nodes, was.expected, reml)
        model = GeneralizedModel(was.design, was.family, was.threads, *how)
        return model.solve(model.criterion(), Request(control=self.optsum.control))

    def searched_again(self, request: Request) -> GeneralizedFitted:
        """Another search for the optimum, in a workspace of its own."""
        twin = self.model.twin()
        return twin.solve(twin.criterion(), request)

    @property
    def identification(self) -> Identification:
        """Nothing is looked for."""
        return self.model.identification()


def _distribution(fitted: GeneralizedFitted) -> Distribution:
    return fitted.model.distribution(fitted.solution.psi)
