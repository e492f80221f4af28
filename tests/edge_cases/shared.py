"""What the edge cases share: the fit they are compared with, and comparisons of fits."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels import SingularFitWarning, lmer, load_dataset
from mixedmodels.linear import LinearMixedFit

SLOPES = "Reaction ~ Days + (Days | Subject)"
INTERCEPTS = "Reaction ~ Days + (1 | Subject)"


def sleepstudy(**changed: Any) -> pd.DataFrame:
    """The data set with columns changed or added."""
    data: pd.DataFrame = load_dataset("sleepstudy").assign(**changed)
    return data


@lru_cache(maxsize=8)
def fit_once(formula: str = SLOPES, reml: bool = True) -> LinearMixedFit:
    """The fit to the data as they are."""
    return lmer(formula, sleepstudy(), reml=reml)


def quiet(formula: str, data: Any, **options: Any) -> LinearMixedFit:
    """A fit that may be singular; every other warning is still an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        return lmer(formula, data, **options)


def assert_same_fit(
    fit: LinearMixedFit, other: LinearMixedFit, rtol: float = 1e-7, deviance: float = 1e-7
) -> None:
    """The same numbers throughout, whatever the names are."""
    assert abs(fit.objective - other.objective) < deviance
    np.testing.assert_allclose(fit.theta, other.theta, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(fit.sigma, other.sigma, rtol=rtol)
    np.testing.assert_allclose(fit.fixef, other.fixef, rtol=rtol)
    np.testing.assert_allclose(fit.stderror, other.stderror, rtol=rtol)
