"""Linear mixed models by penalized least squares: what R's lme4 does, in Python.

The public names are loaded when they are first used, so that importing the package costs almost
nothing.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mixedmodels import families
    from mixedmodels.adapters.scikit_learn import MixedModelRegressor
    from mixedmodels.api import anova, glmer, lmer, load, simulate, table
    from mixedmodels.datasets import describe_dataset, list_datasets, load_dataset
    from mixedmodels.errors import (
        ArgumentError,
        ConvergenceWarning,
        DataError,
        EstimatedWarning,
        FileError,
        FormulaError,
        FormulaWarning,
        LongCalculationWarning,
        LostRowsWarning,
        MixedModelsError,
        ModelError,
        NotIdentifiedWarning,
        NotNestedWarning,
        RefitWarning,
        ResourceError,
        SingularFitWarning,
        UnknownKeyError,
        UnknownNameError,
    )
    from mixedmodels.generalized import GeneralizedLinearMixedFit, GeneralizedLinearMixedModel
    from mixedmodels.large import cross_products, plan
    from mixedmodels.linear import LinearMixedFit, LinearMixedModel
    from mixedmodels.planning.study import power
    from mixedmodels.scaleout import CrossProducts
    from mixedmodels.settings import Control, set_output
    from mixedmodels.several.averages import average
    from mixedmodels.several.imputations import pool
    from mixedmodels.several.lists import lm_list
    from mixedmodels.streaming.dask import DaskExecutor
    from mixedmodels.streaming.executor import Threads
    from mixedmodels.streaming.plan import Plan
    from mixedmodels.streaming.spark import SparkExecutor

_HOMES = {
    "ArgumentError": "errors",
    "Control": "settings",
    "ConvergenceWarning": "errors",
    "CrossProducts": "scaleout",
    "DaskExecutor": "streaming.dask",
    "SparkExecutor": "streaming.spark",
    "DataError": "errors",
    "FileError": "errors",
    "FormulaError": "errors",
    "FormulaWarning": "errors",
    "GeneralizedLinearMixedFit": "generalized",
    "GeneralizedLinearMixedModel": "generalized",
    "LinearMixedFit": "linear",
    "LinearMixedModel": "linear",
    "LongCalculationWarning": "errors",
    "LostRowsWarning": "errors",
    "MixedModelRegressor": "adapters.scikit_learn",
    "MixedModelsError": "errors",
    "ModelError": "errors",
    "NotIdentifiedWarning": "errors",
    "EstimatedWarning": "errors",
    "NotNestedWarning": "errors",
    "Plan": "streaming.plan",
    "RefitWarning": "errors",
    "ResourceError": "errors",
    "SingularFitWarning": "errors",
    "Threads": "streaming.executor",
    "UnknownKeyError": "errors",
    "UnknownNameError": "errors",
    "anova": "api",
    "average": "several.averages",
    "cross_products": "large",
    "describe_dataset": "datasets",
    "glmer": "api",
    "list_datasets": "datasets",
    "lm_list": "several.lists",
    "lmer": "api",
    "load": "api",
    "load_dataset": "datasets",
    "plan": "large",
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
    "CrossProducts",
    "DaskExecutor",
    "DataError",
    "EstimatedWarning",
    "FileError",
    "FormulaError",
    "FormulaWarning",
    "GeneralizedLinearMixedFit",
    "GeneralizedLinearMixedModel",
    "LinearMixedFit",
    "LinearMixedModel",
    "LongCalculationWarning",
    "LostRowsWarning",
    "MixedModelRegressor",
    "MixedModelsError",
    "ModelError",
    "NotIdentifiedWarning",
    "NotNestedWarning",
    "Plan",
    "RefitWarning",
    "ResourceError",
    "SingularFitWarning",
    "SparkExecutor",
    "Threads",
    "UnknownKeyError",
    "UnknownNameError",
    "__version__",
    "anova",
    "average",
    "cross_products",
    "describe_dataset",
    "families",
    "glmer",
    "list_datasets",
    "lm_list",
    "lmer",
    "load",
    "load_dataset",
    "plan",
    "pool",
    "power",
    "set_output",
    "simulate",
    "table",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        value: object = import_module("importlib.metadata").version("mixedmodels")
    elif name == "families":
        value = import_module("mixedmodels.families")
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
    linear, generalized = map(import_module, ("mixedmodels.linear", "mixedmodels.generalized"))
    answer = import_module("mixedmodels.calls").package_answer(
        name,
        __all__,
        (linear.LinearMixedFit, generalized.GeneralizedLinearMixedFit),
        (linear.LinearMixedModel, generalized.GeneralizedLinearMixedModel),
        import_module("mixedmodels.datasets").list_datasets(),
    )
    error: Exception = import_module("mixedmodels.errors").UnknownNameError(answer)
    return error


def __dir__() -> list[str]:
    return __all__
