"""Fits of every kind that the methods after a fit must work on, made once."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np

from mixedmodels import SingularFitWarning, lmer, load_dataset
from mixedmodels.linear import LinearMixedFit

SLEEP = "Reaction ~ Days + (Days | Subject)"

CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "one term": ("dyestuff", "Yield ~ 1 + (1 | Batch)", {"reml": False}),
    "slopes": ("sleepstudy", SLEEP, {}),
    "slopes, ML": ("sleepstudy", SLEEP, {"reml": False}),
    "crossed": ("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)", {}),
    "zero correlation": ("sleepstudy", "Reaction ~ Days + (Days || Subject)", {}),
    "singular": ("dyestuff2", "Yield ~ 1 + (1 | Batch)", {}),
    "weights, offset": (
        "sleepstudy",
        SLEEP,
        {"weights": "1/(1 + Days)", "offset": "2 * Days**2", "reml": False},
    ),
    "rank-deficient": ("sleepstudy", "Reaction ~ Days + I(2 * Days) + (1 | Subject)", {}),
    "missing rows": ("sleepstudy", SLEEP, {}),
    "no fixed part": ("sleepstudy", "Reaction ~ 0 + (1 | Subject)", {}),
    "nested": ("pastes", "strength ~ 1 + (1 | batch/cask)", {}),
}


@cache
def fit_case(name: str) -> LinearMixedFit:
    """The fit of a case."""
    data_name, formula, options = CASES[name]
    data = load_dataset(data_name)
    if name == "missing rows":
        data.loc[[3, 17, 18, 100], "Reaction"] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        return lmer(formula, data, **options)
