"""The linear mixed model and its fit, as users hold them; they make each other."""

from __future__ import annotations

from mixedmodels.linear.fit import LinearMixedFit
from mixedmodels.linear.model import LinearMixedModel, from_design, model_of_sums
from mixedmodels.linear.restoring import restored

__all__ = ["LinearMixedFit", "LinearMixedModel", "from_design", "model_of_sums", "restored"]
