"""Families of responses of generalized models: `Binomial(link="probit")` and the others.

`mixedmodels.glmer` takes their names as well: `family="binomial", link="probit"`.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from mixedmodels.errors import UnknownNameError
from mixedmodels.families.base import Family
from mixedmodels.families.catalogue import name_answer as _name_answer
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

if not TYPE_CHECKING:  # a name that is not there is an error for type checkers

    def __getattr__(name: str) -> object:
        """Called for what is not there.

        Raises:
            UnknownNameError: Always, but for names of Python's own and of modules.
        """
        if name.startswith("_") or find_spec(f"mixedmodels.families.{name}") is not None:
            raise AttributeError(f"'mixedmodels.families.{name}' is not imported")
        raise UnknownNameError(_name_answer(name))
