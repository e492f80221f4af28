"""From a criterion to its minimum: a request, the search, and methods beside a criterion's own."""

from __future__ import annotations

from mixedmodels.optimize.run import Request, minimize
from mixedmodels.optimize.summary import OptSummary, Status

__all__ = ["OptSummary", "Request", "Status", "minimize"]
