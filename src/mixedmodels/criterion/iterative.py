"""The criterion of a linear model without its factor: its log-determinant is estimated.

Everything else is exact. For crossed factors whose factor would not fit into memory or take
minutes. Random vectors (probes) and a small basis are chosen at one theta and kept, so that
criterion and gradient are smooth functions of theta; the search looks for the root of the gradient.
What needs the factor is refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

import mixedmodels._core as _core
from mixedmodels._core import Estimator, Evaluator, Products
from mixedmodels.arrays import FloatArray, IntArray, LongArray
from mixedmodels.covariance import Templates
from mixedmodels.criterion.accuracy import Accuracy
from mixedmodels.criterion.base import Found, SearchSettings
from mixedmodels.criterion.linear import LinearCriterion, RowsElsewhere
from mixedmodels.criterion.point import LinearPoint, point_at
from mixedmodels.criterion.root_search import Entries, Path, Slope, find_root
from mixedmodels.criterion.workspace import Workspace
from mixedmodels.errors import MixedModelsError, asked_for
from mixedmodels.settings import Control

SEED = 1
# Standard error of theta by the probes over its statistical one above which probes are added, and
# the most of them.
_SHARE, _MOST_PROBES = 0.01, 128
# Predicted decrease at which a search ends, at most.
_TOLERANCE = 1e-8
# Change of an entry of theta, relative to the largest, from where basis and probes were chosen,
# above which they are chosen anew.
_FAR = 0.1
# Sum of squares over what is left of it above which digits are lost.
_MOST_CANCELLED = 1e9


_LOST_DIGITS = (
    "The random effects are more than 10,000 times larger than the residuals, so that an estimated "
    "criterion loses its digits. method='exact' keeps them; or part of the response may be "
    "determined by its groups."
)


# By the name of a method that needs the factor: what to call instead.
_WALD = " For limits without it call confint(method='wald')."
_INSTEAD = {
    "profile": _WALD,
    "confint": _WALD,
    "bootstrap": _WALD,
    "predict_interval": " predict() gives predictions without intervals.",
}


def needs_factor(what: str = "") -> MixedModelsError:
    """The refusal of what an estimated fit cannot do, by the name that the user called."""
    name = asked_for()
    part = f" ({what})" if what else ""
    return MixedModelsError(
        f"{name or 'This'}{part} needs the factor of the model, which this model does without: its "
        "log-likelihood is estimated (method='iterative'). With enough memory and time, "
        f"method='exact' makes it.{_INSTEAD.get(name, '')}"
    )


class IterativeWorkspace(Workspace):
    """The core's estimator of one model; it stands at one point at a time.

    Args:
        products: Cross-products of the model.
        templates: What theta means.
        threads: Threads of the core.
        seed: Seed of the probes.
    """

    def __init__(
        self, products: Products, templates: Templates, threads: int = 1, seed: int = SEED
    ) -> None:
        self.products = products
        self.seed = seed
        self.prepared_at: FloatArray | None = None
        self.hessians: dict[tuple[bytes, bool], FloatArray] = {}
        super().__init__(cast(_core.Analysis, None), templates, threads)

    def _new_evaluator(self) -> Evaluator:
        self.prepared_at = None
        self.hessians = {}
        entries = self.templates.core_entries
        # It has those members of an Evaluator that need no factor; points refuse the others.
        return cast(Evaluator, Estimator(self.products, entries, self.seed, self.threads))

    @property
    def estimator(self) -> Estimator:
        """The core's estimator; what depends on a point is read under the lock."""
        return cast(Estimator, self.evaluator)

    def prepare(self, par: FloatArray, basis: int = 0, probes: int = 0) -> bool:
        """Choose basis and probes at theta along the axes, to be used from now on."""
        self.stands_at = None
        self.hessians = {}
        self.prepared_at = None
        done = self.estimator.prepare(par, basis, probes)
        self.prepared_at = par.copy() if done else None
        return done


class IterativePoint(LinearPoint):
    """The estimated criterion at one theta along the axes."""

    __slots__ = ()

    _workspace: IterativeWorkspace

    def evaluate(self) -> float:
        """The criterion, with the workspace moved to the point."""
        if self._workspace.prepared_at is None:
            self._workspace.prepare(self.par)
        return super().evaluate()

    @property
    def _estimator(self) -> Estimator:
        return cast(Estimator, self._evaluator)

    def hessian(self, budget: float = math.inf) -> FloatArray:
        """(m, m) differences of the gradient, which the same probes estimate."""
        key = (self.par.tobytes(), self._reml)
        known = self._workspace.hessians.get(key)
        if known is None:
            slope = self.gradient()
            known = self._estimator.difference_hessian(self.par, slope, self._reml)
            self._workspace.stands_at = None
            self._workspace.hessians[key] = known
        found: FloatArray = known.copy()
        return found

    def accuracy(self) -> Accuracy:
        """Standard errors by the choice of the probes."""
        hessian = self.hessian()
        estimator, axes = self._estimator, self._workspace.axes
        held = self._workspace.templates.diagonal & (self.par == 0.0)
        errors, share = theta_errors(hessian, estimator.gradient_covariance, ~held)
        covariance = axes.covariance_from_axes(errors)
        return Accuracy(
            objective=estimator.standard_error,
            theta=np.sqrt(np.maximum(np.diag(covariance), 0.0)),
            share=share,
            probes=estimator.probes,
            basis=estimator.basis,
            seed=self._workspace.seed,
        )

    def estimates(self) -> dict[str, Any]:
        """What a solution keeps of a point, by name."""
        accuracy = self.accuracy()
        return {**super().estimates(), "accuracy": accuracy}

    def fixed_derivatives(self) -> tuple[FloatArray, FloatArray]:
        """Derivatives of X'V^-1X of the basis (m, p, p), and of log pwrss (m,); exact."""
        found = self._estimator
        return found.fixed_derivatives, found.log_pwrss

    @property
    def RZX(self) -> FloatArray:
        """Raises an error: this needs the factor."""
        raise needs_factor()

    def factor(self) -> Any:
        """Raises an error: this needs the factor."""
        raise needs_factor()

    def kenward_roger_sums(self) -> Any:
        """Raises an error: this needs the factor."""
        raise needs_factor("Kenward and Roger's method")

    def row_values(self, *, directions: bool) -> Any:
        """Raises an error: this needs the factor."""
        raise needs_factor("the leverage of rows")

    def predict_rows(
        self, codes: Sequence[IntArray], z: Sequence[FloatArray], x: FloatArray
    ) -> Any:
        """Raises an error: this needs the factor."""
        raise needs_factor("the variance of predictions")


@dataclass(frozen=True, slots=True, eq=False)
class RootFound:
    """The end of a search for the root; see `base.Found`."""

    par: FloatArray
    start: FloatArray
    ended: str
    predicted: float
    decrement: float
    max_gradient: float
    saddle: bool
    values: FloatArray
    trace: FloatArray
    n_value: int
    n_gradient: int


class IterativeCriterion(LinearCriterion):
    """The estimated ML deviance or REML criterion of one model.

    Args:
        workspace: The workspace of the model.
        reml: Restricted maximum likelihood, else maximum likelihood.
        most_error: Standard error of the criterion above which a search refuses to go on.
        refusal: Makes the error that it then raises.
    """

    __slots__ = ("most_error", "refusal")

    workspace: IterativeWorkspace

    def __init__(
        self,
        workspace: IterativeWorkspace,
        *,
        reml: bool,
        most_error: float = math.inf,
        refusal: Callable[[], MixedModelsError] | None = None,
    ) -> None:
        super().__init__(workspace, reml=reml)
        self.most_error = most_error
        self.refusal = refusal

    def at(self, par: FloatArray) -> AbstractContextManager[IterativePoint]:
        """The criterion evaluated at a theta, where nothing else moves the workspace."""
        return point_at(IterativePoint, self.workspace, par, reml=self.reml)

    def search(self, start: FloatArray | None, settings: SearchSettings) -> Found:
        """The root of the gradient, searched from a start, from starts by moments, or from both."""
        starts = [] if start is None else [start]
        if start is None or settings.own_starts:
            starts += self.starts()
        with self.workspace.lock:
            found = [_Search(self, settings).run(at) for at in starts]
        return min(found, key=lambda one: one.values[-1])

    def settle(self, par: FloatArray, settings: SearchSettings, *, spent: bool) -> Found:
        """The root of the gradient, from where another method stopped."""
        return self.search(par, settings)

    def refit(
        self, responses: FloatArray, start: FloatArray, control: Control, threads: int
    ) -> _core.Refits:
        """Raises an error: this needs the factor."""
        raise needs_factor("refits to many responses")

    def fit_without(
        self,
        sets: tuple[LongArray, LongArray],
        start: FloatArray,
        control: Control,
        newton: FloatArray | None,
        forward: tuple[list[int], FloatArray],
        threads: int,
        elsewhere: RowsElsewhere | None = None,
    ) -> _core.Deletions:
        """Raises an error: this needs the factor."""
        raise needs_factor("fits without some rows")


class _Search:
    """One search: the root, basis and probes chosen anew where it is, and the check."""

    def __init__(self, criterion: IterativeCriterion, settings: SearchSettings) -> None:
        self.criterion = criterion
        self.workspace = criterion.workspace
        self.settings = settings
        self.unit = criterion.unit
        self.n = 0
        self.values: list[float] = []
        self.trace: list[FloatArray] = []
        templates = self.workspace.templates
        places = templates.entries[:, [0, 2]]
        _, column = np.unique(places, axis=0, return_inverse=True)
        self.entries = Entries(templates.diagonal, column.reshape(-1).astype(np.int32))
        self.tolerance = min(_TOLERANCE, 0.1 * settings.control.gtol)

    @property
    def _left(self) -> int:
        return max(2, self.settings.control.max_evaluations - self.n)

    def run(self, start: FloatArray) -> RootFound:
        if self.settings.idle is not None:
            criterion = self.criterion
            start = criterion.from_user(self.settings.idle.settled(criterion.to_user(start)))
        self._prepare(start)
        path = self._descend(start / self.unit, None)
        if path.ended == "not_finite":
            return self._found(path, start, np.zeros((len(start), len(start))))
        anchor = self.workspace.prepared_at
        if anchor is not None and _moved(path.par, anchor / self.unit) > _FAR:
            self._prepare(path.par * self.unit)
            path = self._descend(path.par, path.hessian)
        hessian = self._hessian(path)
        for _ in range(3):
            decrement = _decrement(path.slope.gradient, hessian, self._free(path.par))
            more = self._probes_needed(hessian, path.par)
            if decrement <= self.settings.control.gtol and not more:
                break
            if more:
                self._prepare(path.par * self.unit, self.workspace.estimator.basis, more)
            path = self._descend(path.par, hessian)
            hessian = self._hessian(path)
        return self._found(path, start, hessian)

    def _rectified(self, scaled: FloatArray) -> FloatArray:
        return self.workspace.templates.rectify(scaled)

    def _prepare(self, par: FloatArray, basis: int = 0, probes: int = 0) -> None:
        workspace, criterion = self.workspace, self.criterion
        workspace.prepare(par, basis or (0 if not probes else -1), probes)
        if criterion.refusal is not None:
            error = workspace.estimator.standard_error
            if error > criterion.most_error:
                raise criterion.refusal()

    def _descend(self, scaled: FloatArray, hessian: FloatArray | None) -> Path:
        path = find_root(
            self._slope,
            scaled,
            self.entries,
            self.tolerance,
            self._left,
            self._notify,
            hessian,
        )
        path.par = self._rectified(path.par)
        return path

    def _slope(self, scaled: FloatArray) -> Slope:
        with self.criterion.at(scaled * self.unit) as point:
            self.n += 1
            estimator = self.workspace.estimator
            if estimator.cancellation > _MOST_CANCELLED and np.isfinite(point.value):
                raise MixedModelsError(_LOST_DIGITS)
            scale = np.outer(self.unit, self.unit)
            return Slope(point.value, point.gradient() * self.unit, estimator.information * scale)

    def _notify(self, value: float, scaled: FloatArray) -> None:
        user = self.criterion.to_user(self._rectified(scaled) * self.unit)
        watch = self.settings.watch
        if watch is not None:
            watch(len(self.values), value, user)
        self.values.append(value)
        self.trace.append(user)

    def _hessian(self, path: Path) -> FloatArray:
        with self.criterion.at(path.par * self.unit) as point:
            path.slope = Slope(point.value, point.gradient() * self.unit, path.slope.curvature)
            found = point.hessian() * np.outer(self.unit, self.unit)
        self.n += len(path.par) + 1
        return found

    def _free(self, scaled: FloatArray) -> Any:
        return ~(self.entries.even(scaled) & (scaled == 0.0))

    def _probes_needed(self, hessian: FloatArray, scaled: FloatArray) -> int:
        """Probes for an error of theta that is small beside the statistical one; 0 for enough."""
        estimator = self.workspace.estimator
        scale = np.outer(self.unit, self.unit)
        _, share = theta_errors(hessian, estimator.gradient_covariance * scale, self._free(scaled))
        if share <= _SHARE or estimator.probes >= _MOST_PROBES:
            return 0
        wanted = estimator.probes * (share / _SHARE) ** 2
        return int(min(_MOST_PROBES, 2 ** math.ceil(math.log2(max(wanted, 2 * estimator.probes)))))

    def _found(self, path: Path, start: FloatArray, hessian: FloatArray) -> RootFound:
        free = self._free(path.par)
        gradient = np.where(free, path.slope.gradient, 0.0)
        values = np.linalg.eigvalsh(_correlation(hessian[np.ix_(free, free)]))
        return RootFound(
            par=path.par * self.unit,
            start=self.criterion.to_user(start),
            ended=path.ended,
            predicted=path.predicted,
            decrement=_decrement(path.slope.gradient, hessian, free),
            max_gradient=float(np.abs(gradient / self.unit).max(initial=0.0)),
            saddle=bool(values.min(initial=0.0) < -1e-3),
            values=np.array([*self.values, path.slope.value]),
            trace=np.array([*self.trace, self.criterion.to_user(path.par * self.unit)]),
            n_value=self.n,
            n_gradient=self.n,
        )


def theta_errors(
    hessian: FloatArray, covariance: FloatArray, free: FloatArray
) -> tuple[FloatArray, float]:
    """(m, m) covariance of the root by the probes, and its largest share of the statistical error.

    The root moves by -H^-1 times the error of the gradient; the statistical covariance is 2 H^-1.
    """
    m = len(hessian)
    errors = np.zeros((m, m))
    entries = np.flatnonzero(free)
    if not entries.size:
        return errors, 0.0
    part = np.ix_(entries, entries)
    values, vectors = np.linalg.eigh(_correlation(hessian[part]))
    size = np.sqrt(np.maximum(np.abs(np.diag(hessian[part])), 1e-300))
    curved = values > 1e-9
    inverse = (vectors[:, curved] / values[curved]) @ vectors[:, curved].T / np.outer(size, size)
    errors[part] = inverse @ covariance[part] @ inverse
    statistical = 2.0 * np.diag(inverse)
    share = np.diag(errors[part])[statistical > 0.0] / statistical[statistical > 0.0]
    return errors, math.sqrt(max(0.0, float(share.max(initial=0.0))))


def _correlation(matrix: FloatArray) -> FloatArray:
    size = np.sqrt(np.maximum(np.abs(np.diag(matrix)), 1e-300))
    scaled: FloatArray = matrix / np.outer(size, size)
    return scaled


def _decrement(gradient: FloatArray, hessian: FloatArray, free: Any) -> float:
    """Decrease that gradient and Hessian predict over the free entries."""
    entries = np.flatnonzero(free)
    if not entries.size:
        return 0.0
    part = hessian[np.ix_(entries, entries)]
    size = np.sqrt(np.maximum(np.abs(np.diag(part)), 1e-300))
    values, vectors = np.linalg.eigh(_correlation(part))
    along = vectors.T @ (gradient[entries] / size)
    curved = np.maximum(np.abs(values), 1e-8)
    return 0.5 * float((along**2 / curved).sum())


def _moved(scaled: FloatArray, before: FloatArray) -> float:
    largest = float(np.abs(scaled).max(initial=0.0))
    return float(np.abs(scaled - before).max(initial=0.0)) / max(largest, 1e-12)
