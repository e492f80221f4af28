"""Linear mixed models by penalized least squares: what R's lme4 does, in Python.

The public names are loaded when they are first used, so that importing the package costs next to
nothing.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mixedmodels.api import anova, lmer, load, simulate
    from mixedmodels.datasets import describe_dataset, list_datasets, load_dataset
    from mixedmodels.errors import (
        ConvergenceWarning,
        DataError,
        FileError,
        FormulaError,
        MixedModelsError,
        ModelError,
        NotIdentifiedWarning,
        NotNestedWarning,
        RefitWarning,
        ResourceError,
        SingularFitWarning,
    )
    from mixedmodels.linear import LinearMixedFit, LinearMixedModel
    from mixedmodels.settings import Control

_HOMES = {
    "Control": "settings",
    "ConvergenceWarning": "errors",
    "DataError": "errors",
    "FileError": "errors",
    "FormulaError": "errors",
    "LinearMixedFit": "linear",
    "LinearMixedModel": "linear",
    "MixedModelsError": "errors",
    "ModelError": "errors",
    "NotIdentifiedWarning": "errors",
    "NotNestedWarning": "errors",
    "RefitWarning": "errors",
    "ResourceError": "errors",
    "SingularFitWarning": "errors",
    "anova": "api",
    "describe_dataset": "datasets",
    "list_datasets": "datasets",
    "lmer": "api",
    "load": "api",
    "load_dataset": "datasets",
    "simulate": "api",
}

__all__ = [
    "Control",
    "ConvergenceWarning",
    "DataError",
    "FileError",
    "FormulaError",
    "LinearMixedFit",
    "LinearMixedModel",
    "MixedModelsError",
    "ModelError",
    "NotIdentifiedWarning",
    "NotNestedWarning",
    "RefitWarning",
    "ResourceError",
    "SingularFitWarning",
    "__version__",
    "anova",
    "describe_dataset",
    "list_datasets",
    "lmer",
    "load",
    "load_dataset",
    "simulate",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        value: object = _version("mixedmodels")
    elif name in _HOMES:
        value = getattr(import_module(f"mixedmodels.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module 'mixedmodels' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
