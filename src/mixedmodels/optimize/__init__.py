"""From a criterion to theta: methods, their choice, and the judgement of where they stop."""

from __future__ import annotations

from mixedmodels.optimize.run import Request, minimize
from mixedmodels.optimize.summary import OptSummary, Status

__all__ = ["OptSummary", "Request", "Status", "minimize"]
