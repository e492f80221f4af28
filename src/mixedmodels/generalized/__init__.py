"""The generalized linear mixed model and its fit, as users hold them; they make each other."""

from __future__ import annotations

from mixedmodels.generalized.fit import GeneralizedLinearMixedFit
from mixedmodels.generalized.model import GeneralizedLinearMixedModel
from mixedmodels.generalized.restoring import restored

__all__ = ["GeneralizedLinearMixedFit", "GeneralizedLinearMixedModel", "restored"]
