"""Linear mixed models by penalized least squares: what R's lme4 does, in Python.

The public names are loaded when they are first used, so that importing the package costs next to
nothing.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mixedmodels.adapters.scikit_learn import MixedModelRegressor
    from mixedmodels.api import anova, lmer, load, simulate, table
    from mixedmodels.datasets import describe_dataset, list_datasets, load_dataset
    from mixedmodels.errors import (
        ArgumentError,
        ConvergenceWarning,
        DataError,
        FileError,
        FormulaError,
        FormulaWarning,
        LostRowsWarning,
        MixedModelsError,
        ModelError,
        NotIdentifiedWarning,
        NotNestedWarning,
        RefitWarning,
        ResourceError,
        SingularFitWarning,
        UnknownNameError,
    )
    from mixedmodels.linear import LinearMixedFit, LinearMixedModel
    from mixedmodels.planning.study import power
    from mixedmodels.settings import Control, set_output
    from mixedmodels.several.averages import average
    from mixedmodels.several.imputations import pool
    from mixedmodels.several.lists import lm_list

_HOMES = {
    "ArgumentError": "errors",
    "Control": "settings",
    "ConvergenceWarning": "errors",
    "DataError": "errors",
    "FileError": "errors",
    "FormulaError": "errors",
    "FormulaWarning": "errors",
    "LinearMixedFit": "linear",
    "LinearMixedModel": "linear",
    "LostRowsWarning": "errors",
    "MixedModelRegressor": "adapters.scikit_learn",
    "MixedModelsError": "errors",
    "ModelError": "errors",
    "NotIdentifiedWarning": "errors",
    "NotNestedWarning": "errors",
    "RefitWarning": "errors",
    "ResourceError": "errors",
    "SingularFitWarning": "errors",
    "UnknownNameError": "errors",
    "anova": "api",
    "average": "several.averages",
    "describe_dataset": "datasets",
    "list_datasets": "datasets",
    "lm_list": "several.lists",
    "lmer": "api",
    "load": "api",
    "load_dataset": "datasets",
    "pool": "several.imputations",
    "power": "planning.study",
    "set_output": "settings",
    "simulate": "api",
    "table": "api",
}

__all__ = [
    "ArgumentError",
    "Control",
    "ConvergenceWarning",
    "DataError",
    "FileError",
    "FormulaError",
    "FormulaWarning",
    "LinearMixedFit",
    "LinearMixedModel",
    "LostRowsWarning",
    "MixedModelRegressor",
    "MixedModelsError",
    "ModelError",
    "NotIdentifiedWarning",
    "NotNestedWarning",
    "RefitWarning",
    "ResourceError",
    "SingularFitWarning",
    "UnknownNameError",
    "__version__",
    "anova",
    "average",
    "describe_dataset",
    "list_datasets",
    "lm_list",
    "lmer",
    "load",
    "load_dataset",
    "pool",
    "power",
    "set_output",
    "simulate",
    "table",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        value: object = import_module("importlib.metadata").version("mixedmodels")
    elif name in _HOMES:
        value = getattr(import_module(f"mixedmodels.{_HOMES[name]}"), name)
    elif name.startswith("_") or find_spec(f"mixedmodels.{name}") is not None:
        # Modules of the package come here each time one is imported from it.
        raise AttributeError(f"'mixedmodels.{name}' is not imported")
    else:
        raise _unknown(name)
    globals()[name] = value
    return value


def _unknown(name: str) -> Exception:
    """What is known of fits, models and data sets is loaded for the message only."""
    linear, calls = import_module("mixedmodels.linear"), import_module("mixedmodels.calls")
    answer = calls.package_answer(
        name,
        __all__,
        linear.LinearMixedFit,
        linear.LinearMixedModel,
        import_module("mixedmodels.datasets").list_datasets(),
    )
    error: Exception = import_module("mixedmodels.errors").UnknownNameError(answer)
    return error


def __dir__() -> list[str]:
    return __all__
