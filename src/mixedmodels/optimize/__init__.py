"""From a criterion to theta: what is asked of the search, and methods beside the core's own."""

from __future__ import annotations

from mixedmodels.optimize.run import Request, minimize
from mixedmodels.optimize.summary import OptSummary, Status

__all__ = ["OptSummary", "Request", "Status", "minimize"]
