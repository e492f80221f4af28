"""The workspace of one model: the core's evaluator under a lock.

A workspace stands at one point at a time, so a lock guards it. Criteria of the same model by REML
and by ML share a workspace; callers that evaluate concurrently make one of their own from the same
analysis.
"""

from __future__ import annotations

import os
import threading
import weakref
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mixedmodels._core import Analysis, Evaluator, GeneralizedEvaluator
from mixedmodels.covariance import Templates
from mixedmodels.criterion.axes import ThetaAxes
from mixedmodels.lazy import cached_property
from mixedmodels.memory import fits

# Room for exact second derivatives, in numbers: the most that is used, and the size up to which the
# system is not asked for free memory.
_MOST_NUMBERS = 1e8
_FEW_NUMBERS = 1e7


AnyEvaluator = TypeVar("AnyEvaluator", Evaluator, GeneralizedEvaluator)

_ALL: weakref.WeakSet[EvaluatorWorkspace[Any]] = weakref.WeakSet()
_LEFT_BEHIND: list[object] = []


@dataclass(frozen=True, slots=True)
class HessianCost:
    """What second derivatives cost, in flops of a dense factorization, about.

    Attributes:
        exact: The exact ones.
        differences: Differences of 2m gradients.
        numbers: Numbers that the exact ones need room for.
    """

    exact: float
    differences: float
    numbers: float

    def exact_pays(self) -> bool:
        """Whether the exact ones cost less than differences."""
        pays = self.exact <= self.differences and self.numbers <= _MOST_NUMBERS
        return pays and (self.numbers <= _FEW_NUMBERS or fits(8.0 * self.numbers))


class EvaluatorWorkspace(ABC, Generic[AnyEvaluator]):
    """The core's evaluator of one model, and the point at which it stands.

    Args:
        analysis: Order and pattern of the factor.
        templates: What theta means.
        threads: Threads of the core; BLAS is held to one.

    Attributes:
        lock: Held during every evaluation, and while a point is read.
        stands_at: The point that was evaluated last, or None after any other evaluation.
    """

    def __init__(self, analysis: Analysis, templates: Templates, threads: int = 1) -> None:
        self.templates = templates
        self.analysis = analysis
        self.threads = threads
        self.lock = threading.RLock()
        self.stands_at: object | None = None
        self._evaluator: AnyEvaluator | None = self._new_evaluator()
        _ALL.add(self)

    @property
    def evaluator(self) -> AnyEvaluator:
        """The core's evaluator; what depends on a point is read under the lock."""
        if self._evaluator is None:
            self._evaluator = self._new_evaluator()
        return self._evaluator

    @abstractmethod
    def _new_evaluator(self) -> AnyEvaluator:
        """An evaluator of the model."""

    @cached_property
    def axes(self) -> ThetaAxes:
        """The maps between theta and theta along the axes."""
        return ThetaAxes(self.evaluator, self.templates)

    def after_fork(self) -> None:
        """In a forked process: take back what a thread of the parent was using.

        Such a thread does not exist here and will never give its lock back; what it was computing
        was left half done.
        """
        if self.lock.acquire(blocking=False):
            self.lock.release()
            return
        # The old workspace is kept: it may not be in a state to be destroyed.
        _LEFT_BEHIND.append(self._evaluator)
        self._evaluator = None
        self.stands_at = None
        self.lock = threading.RLock()


class Workspace(EvaluatorWorkspace[Evaluator]):
    """The workspace of a linear model."""

    def _new_evaluator(self) -> Evaluator:
        return Evaluator(self.analysis, self.templates.core_entries, self.threads)

    @cached_property
    def hessian_cost(self) -> HessianCost:
        """What second derivatives cost."""
        cost = self.evaluator.hessian_cost()
        return HessianCost(cost.exact, cost.differences, cost.numbers)

    @property
    def gradients_work(self) -> float:
        """Flops of the factorizations in 2m gradients, about."""
        # A gradient takes about three factorizations; a number of L costs as much as ten flops.
        return 6.0 * self.templates.m * (self.analysis.flops + 10.0 * self.analysis.stored)


def _after_fork() -> None:
    for workspace in list(_ALL):
        workspace.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
