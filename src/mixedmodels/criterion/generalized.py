"""-2 log-likelihood of a generalized linear mixed model, by Laplace's approximation or quadrature.

Parameters of the search are theta along the axes, coefficients of the orthogonal basis, and the
family's own. Users know theta of the columns of Z, the coefficients, and the same last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import mixedmodels._core as _core
from mixedmodels._core import (
    Analysis,
    GeneralizedEvaluator,
    Products,
    ProfileCurve,
    RowPredictions,
    predict_rows,
)
from mixedmodels.arrays import FloatArray, IntArray
from mixedmodels.covariance import Templates
from mixedmodels.criterion.base import SearchSettings
from mixedmodels.criterion.core_search import CoreSearch
from mixedmodels.criterion.workspace import EvaluatorWorkspace
from mixedmodels.errors import MixedModelsError
from mixedmodels.settings import Control
from mixedmodels.values import quick

# Decrease that the model of the search predicts where it ends; steps kept for its updates.
_DECREMENT, _REMEMBERED = 1e-11, 8
# Predicted decrease at which a search for a replicate stops; replicates vary by much more.
_REFIT_DECREMENT = 1e-8


@quick
@dataclass(frozen=True, slots=True, eq=False)
class Responses:
    """What a generalized model takes of its rows beside the cross-products.

    Attributes:
        family: Name of the core's family.
        link: Name of its link.
        y: (n,) responses; successes of trials.
        m: (n,) prior weights; trials.
        offset: (n,), or None.
        coefficients: (p,) names of the coefficients kept.
        parameters: Names of the coefficients of the family's own parameters, which are the
            parameters themselves where these have no predictors.
        designs: Predictors of parameters, each with the number of its parameter.
        origin: (p,) what was taken from the kept columns of X, where the first of the family's
            parameters takes the place of an intercept.
        nodes: Nodes of quadrature for each random effect of a level; 1 for Laplace's approximation,
            0 for that with the coefficients in the mode.
        expected: Whether the determinant has the expected information.
        reml: Whether the coefficients are integrated over.
    """

    family: str
    link: str
    y: FloatArray
    m: FloatArray
    offset: FloatArray | None
    coefficients: tuple[str, ...]
    parameters: tuple[str, ...]
    designs: tuple[tuple[int, Products], ...] = ()
    origin: tuple[float, ...] = ()
    nodes: int = 1
    expected: bool = False
    reml: bool = False

    @property
    def treatment(self) -> str:
        """Where the coefficients are: searched, in_mode or integrated."""
        return "integrated" if self.reml else "searched" if self.nodes else "in_mode"


class GeneralizedWorkspace(EvaluatorWorkspace[GeneralizedEvaluator]):
    """The workspace of a generalized model."""

    def __init__(
        self, analysis: Analysis, templates: Templates, responses: Responses, threads: int = 1
    ) -> None:
        self.responses = responses
        super().__init__(analysis, templates, threads)

    def _new_evaluator(self) -> GeneralizedEvaluator:
        of = self.responses
        return GeneralizedEvaluator(
            self.analysis,
            self.templates.core_entries,
            of.family,
            of.link,
            of.y,
            of.m,
            of.offset,
            list(of.designs),
            list(of.origin),
            max(of.nodes, 1),
            of.treatment,
            of.expected,
            self.threads,
        )


class LaplacePoint:
    """The criterion at one point; to be read inside the `with` of `LaplaceCriterion.at` only."""

    __slots__ = ("_workspace", "par", "value")

    def __init__(self, workspace: GeneralizedWorkspace, par: FloatArray) -> None:
        self._workspace = workspace
        self.value = self._evaluator.value(par)
        searched = workspace.responses.treatment == "searched"
        self.par = par if searched else self._evaluator.par
        workspace.stands_at = self

    @property
    def _evaluator(self) -> GeneralizedEvaluator:
        return self._workspace.evaluator

    def _standing(self) -> GeneralizedEvaluator:
        if self._workspace.stands_at is not self:
            self._evaluator.value(self.par)
            self._workspace.stands_at = self
        return self._evaluator

    def gradient(self) -> FloatArray:
        """(m + p + k,) exact gradient."""
        return self._standing().gradient()

    def hessian(self) -> FloatArray:
        """(m + p + k, m + p + k) second derivatives, exact or by differences of the gradient."""
        self._workspace.stands_at = None
        return self._evaluator.hessian(self.par)

    def next_term(self) -> FloatArray:
        """What the next term of the expansion adds, by connected component of the levels.

        Empty by quadrature, and where there are too many pairs of rows.
        """
        return self._evaluator.next_term(self.par)

    @property
    def u(self) -> FloatArray:
        """(q,) conditional modes on the spherical scale, core order."""
        return self._standing().u

    @property
    def b(self) -> FloatArray:
        """(q,) conditional modes on the scale of the predictor, core order."""
        return self._standing().b

    @property
    def eta(self) -> FloatArray:
        """(n,) linear predictor at the modes."""
        return self._standing().eta

    @property
    def scores(self) -> FloatArray:
        """(n,) derivatives of the log densities by the predictor at the modes."""
        return self._standing().scores

    @property
    def weights(self) -> FloatArray:
        """(n,) minus the second derivatives there, or their expected values: the determinant's."""
        return self._standing().weights

    @property
    def logdet_L2(self) -> float:
        """log|L|^2, at the weights of the determinant."""
        return self._standing().logdet_L2

    @property
    def penalized(self) -> float:
        """-2 log density of the response given the modes, plus u'u."""
        return self._standing().penalized

    def conditional_covariance(self) -> tuple[FloatArray, ...]:
        """Per group (levels, S, S): covariance of the random effects given the parameters."""
        core = self._standing()
        groups = range(len(self._workspace.templates.group_names))
        return tuple(core.conditional_covariance(group) for group in groups)

    def predict_rows(
        self, codes: Sequence[IntArray], z: Sequence[FloatArray], x: FloatArray
    ) -> RowPredictions:
        """As of a linear point, by the weights of the determinant; some may be negative."""
        return predict_rows(self._standing(), codes, z, x)

    def fixed_covariance(self) -> FloatArray:
        """(p, p) covariance of the basis's coefficients for known theta."""
        return self._standing().conditional_vcov()


@dataclass(frozen=True, slots=True, eq=False)
class HeldNumber:
    """What a profile holds of the parameters that are not theta, by those of the criterion.

    Attributes:
        h: (p + k,) its derivatives where it is linear.
        offset: What it is where all are zero.
        gaps: Places in `h` of parameters whose exponentials are added.
    """

    h: FloatArray
    offset: float
    gaps: list[int]


class LaplaceCriterion(CoreSearch):
    """The criterion of one generalized model.

    Args:
        workspace: The workspace of the model.

    Attributes:
        workspace: The workspace of the model.
        reml: Whether the coefficients are integrated over.
    """

    __slots__ = ("reml", "workspace")

    workspace: GeneralizedWorkspace

    def __init__(self, workspace: GeneralizedWorkspace) -> None:
        self.workspace = workspace
        self.reml = workspace.responses.reml

    @property
    def m(self) -> int:
        """Number of entries of theta."""
        return self.workspace.templates.m

    @property
    def names(self) -> tuple[str, ...]:
        """Names of theta, the coefficients and the family's parameters."""
        of = self.workspace.responses
        return (*self.workspace.templates.names, *of.coefficients, *of.parameters)

    @property
    def lower_bounds(self) -> FloatArray:
        """0 for diagonal entries of theta, -inf for the others."""
        of, bounds = self.workspace.responses, self.workspace.templates.lower_bounds
        more = len(of.coefficients) + len(of.parameters)
        return np.concatenate((bounds, np.full(more, -np.inf)))

    @property
    def unit(self) -> FloatArray:
        """Natural unit of each parameter."""
        return self.workspace.evaluator.unit

    @property
    def predictor_unit(self) -> float:
        """What a unit of the linear predictor is in a search, whose responses have another unit."""
        return self.workspace.evaluator.predictor_unit

    def typical_size(self, start: FloatArray) -> FloatArray:
        """Sizes of the parameters near a start."""
        sizes: FloatArray = np.maximum(np.abs(start), 0.1 * self.unit)
        return sizes

    def to_user(self, par: FloatArray) -> FloatArray:
        """(..., m + p + k) parameters as users know them."""
        return self.workspace.evaluator.to_user(np.ascontiguousarray(par))

    def from_user(self, values: FloatArray) -> FloatArray:
        """(..., m + p + k) parameters of the search."""
        return self.workspace.evaluator.from_user(np.ascontiguousarray(values))

    def checked(self, given: npt.ArrayLike, said: str = "the parameters are") -> FloatArray:
        """`given` as parameters that users know: theta, coefficients, and the family's.

        Args:
            given: What was given.
            said: As what, for messages.

        Raises:
            MixedModelsError: Not numbers, the wrong length, or a value that is not finite.
        """
        names = self.names
        try:
            values = np.ascontiguousarray(given, dtype=np.float64)
        except (TypeError, ValueError):
            raise MixedModelsError(
                f"{said} {given!r:.80}; numbers are needed, for {', '.join(names)}."
            ) from None
        if values.shape != (len(names),) or not np.isfinite(values).all():
            raise MixedModelsError(
                f"{said} {values.tolist()!r:.80}; {len(names)} finite numbers are needed, for "
                f"{', '.join(names)}."
            )
        return values

    def start_from(self, given: npt.ArrayLike) -> FloatArray:
        """A start that a user gave: theta alone, or all parameters.

        Raises:
            MixedModelsError: It cannot be used.
        """
        values = np.atleast_1d(np.asarray(given))
        if values.shape == (self.m,) and self.m < len(self.names):
            theta = self.workspace.axes.to_axes(
                self.workspace.axes.checked(values.tolist(), "start")
            )
            return np.append(self.workspace.templates.rectify(theta), self.starts()[0][self.m :])
        if values.shape not in {(self.m,), (len(self.names),)}:
            raise MixedModelsError(
                f"start is {given!r:.80}; it must be {self.m} number{'s' * (self.m != 1)}, theta ("
                f"{', '.join(self.names[: self.m])}), or all {len(self.names)} parameters, which "
                f"are theta, {', '.join(self.names[self.m :])}."
            )
        found = self.from_user(self.checked(values.tolist(), "start is"))
        found[: self.m] = self.workspace.templates.rectify(found[: self.m])
        return found

    def starts(self) -> list[FloatArray]:
        """The model without random effects, and variances by moments of its scores."""
        with self.workspace.lock:
            self.workspace.stands_at = None
            return [self.workspace.evaluator.start()]

    @contextmanager
    def at(self, par: FloatArray) -> Iterator[LaplacePoint]:
        """The criterion evaluated at a point, where nothing else moves the workspace."""
        with self.workspace.lock:
            self.workspace.stands_at = None
            try:
                yield LaplacePoint(self.workspace, par)
            finally:
                self.workspace.stands_at = None

    def value(self, par: FloatArray) -> float:
        """The criterion; NaN where it cannot be computed in floating point."""
        with self.at(par) as point:
            return point.value

    def modes(self, par: FloatArray) -> FloatArray:
        """(q,) modes on the spherical scale, core order; NaN where they are not found."""
        with self.at(par) as point:
            return point.u if np.isfinite(point.value) else np.full_like(point.u, np.nan)

    def begin_at(self, u: FloatArray) -> None:
        """Let the next evaluation look for modes from these (q,) on."""
        with self.workspace.lock:
            self.workspace.stands_at = None
            self.workspace.evaluator.begin_at(u)

    def without_random_effects(self) -> float:
        """The criterion of the model without random effects."""
        par = self.starts()[0]
        par[: self.m] = 0.0
        return self.value(par)

    def gradient(self, par: FloatArray) -> FloatArray:
        """The exact gradient."""
        with self.at(par) as point:
            return point.gradient()

    def hessian(self, par: FloatArray) -> FloatArray:
        """The matrix of second derivatives."""
        with self.at(par) as point:
            return point.hessian()

    def profile_curve(
        self,
        kind: str,
        place: Sequence[int],
        number: HeldNumber,
        par: FloatArray,
        hessian: FloatArray,
    ) -> ProfileCurve:
        """The search with one parameter held, in a workspace of its own.

        Args:
            kind: "sd", "cor", "beta" or "own".
            place: Term, effect and other effect of the first two.
            number: What is held of the last two.
            par: (m + p + k,) where the criterion is least.
            hessian: Second derivatives there.
        """
        templates = self.workspace.templates
        places = zip(templates.groups, templates.term_offsets, templates.sizes, strict=True)
        return ProfileCurve(
            self.workspace.evaluator,
            list(map(list, places)),
            kind,
            list(place),
            number.h,
            number.offset,
            number.gaps,
            par,
            hessian,
        )

    def refit(
        self, responses: FloatArray, start: FloatArray, control: Control, threads: int
    ) -> _core.GeneralizedRefits:
        """Fits to responses (replicates, n), in workspaces of their own.

        Args:
            responses: The responses; of trials, successes.
            start: (m + p + k,) where every search begins.
            control: Limits.
            threads: Threads, each with a workspace.

        Returns:
            Parameters of the search, criterion and status (0 when converged).
        """
        return self.workspace.evaluator.refit(
            np.ascontiguousarray(responses),
            start,
            self._settings(control, _REFIT_DECREMENT),
            threads,
        )

    @staticmethod
    def _settings(control: Control, decrement: float) -> _core.SearchSettings:
        return _core.SearchSettings(
            control.max_evaluations,
            decrement=decrement,
            remembered=_REMEMBERED,
            forget_stiff=False,
        )

    def _options(self, settings: SearchSettings) -> _core.SearchOptions:
        control, watch = settings.control, settings.watch
        return _core.SearchOptions(
            reml=False,
            search=self._settings(control, _DECREMENT),
            gtol=control.gtol,
            restart=settings.restart,
            progress=watch,
            every=0.0 if watch is None else watch.every,
            dead=None,
            settled=None,
        )
