"""Families of responses of generalized models: `Binomial(link="probit")` and the others.

`mixedmodels.glmer` takes their names as well: `family="binomial", link="probit"`.
"""

from __future__ import annotations

from mixedmodels.families.base import Family
from mixedmodels.families.counts import (
    Nb1,
    NegativeBinomial,
    Poisson,
    TruncatedNegativeBinomial,
    TruncatedPoisson,
)
from mixedmodels.families.ordinal import Ordinal
from mixedmodels.families.positive import Gamma, Gaussian, InverseGaussian
from mixedmodels.families.shares import Beta, Binomial

__all__ = [
    "Beta",
    "Binomial",
    "Family",
    "Gamma",
    "Gaussian",
    "InverseGaussian",
    "Nb1",
    "NegativeBinomial",
    "Ordinal",
    "Poisson",
    "TruncatedNegativeBinomial",
    "TruncatedPoisson",
]
