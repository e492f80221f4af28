"""Criteria that the core minimises: the search itself, for linear and generalized models alike."""

from __future__ import annotations

import operator
from abc import abstractmethod
from typing import Any

import mixedmodels._core as _core
from mixedmodels.arrays import FloatArray
from mixedmodels.criterion.base import Found, SearchSettings


class CoreSearch:
    """Search and settling by the core's driver; a subclass says by which options.

    Attributes:
        workspace: The workspace of the model, whose evaluator the core moves.
    """

    __slots__ = ()

    workspace: Any

    def at_bound(self, par: FloatArray) -> bool:
        """Whether an entry of theta, the first of the parameters, is at its lower bound."""
        bounds = self.workspace.templates.lower_bounds
        return any(map(operator.le, par.tolist(), bounds.tolist()))

    @abstractmethod
    def _options(self, settings: SearchSettings) -> _core.SearchOptions:
        """What the core is asked for."""

    def search(self, start: FloatArray | None, settings: SearchSettings) -> Found:
        """The minimum, searched from a start, from the criterion's own, or from both."""
        workspace, options = self.workspace, self._options(settings)
        with workspace.lock:
            workspace.stands_at = None
            own = settings.own_starts or start is None
            return _core.fit(workspace.evaluator, options, start, own)

    def settle(self, par: FloatArray, settings: SearchSettings, *, spent: bool) -> Found:
        """The minimum, from where another method stopped."""
        workspace, options = self.workspace, self._options(settings)
        with workspace.lock:
            workspace.stands_at = None
            return _core.settle(workspace.evaluator, options, par, spent)
