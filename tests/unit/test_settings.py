"""Settings are frozen, and a bad value is refused when it is given."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mixedmodels
from mixedmodels.errors import MixedModelsError
from mixedmodels.linear import from_design
from mixedmodels.settings import NA_ACTIONS, Control
from mixedmodels.spelling import chosen_option


def test_defaults() -> None:
    control = Control()
    assert (control.max_evaluations, control.singular_tol) == (1000, 1e-4)


def test_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Control().gtol = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    "bad",
    [
        {"max_evaluations": 0},
        {"max_evaluations": 2.5},
        {"max_evaluations": True},
        {"gtol": 0.0},
        {"gtol": -1e-6},
        {"gtol": "small"},
        {"ftol": float("nan")},
        {"xtol": 1.0},
        {"singular_tol": True},
    ],
)
def test_bad_values_are_named(bad: dict[str, Any]) -> None:
    (name,) = bad
    with pytest.raises(MixedModelsError, match=name):
        Control(**bad)


def test_unknown_option_lists_the_known_ones() -> None:
    with pytest.raises(
        MixedModelsError, match=r"'omit', 'exclude', 'raise'\. Did you mean 'raise'"
    ):
        chosen_option("na_action", "rise", NA_ACTIONS)


FIT = mixedmodels.lmer("Yield ~ 1 + (1 | Batch)", mixedmodels.load_dataset("dyestuff"), threads=1)
THREADED: dict[str, Callable[[Any], object]] = {
    "lmer": lambda threads: mixedmodels.lmer(
        "Yield ~ 1 + (1 | Batch)", mixedmodels.load_dataset("dyestuff"), threads=threads
    ),
    "model": lambda threads: mixedmodels.LinearMixedModel(
        "Yield ~ 1 + (1 | Batch)", mixedmodels.load_dataset("dyestuff"), threads=threads
    ),
    "from_design": lambda threads: from_design(FIT.model.design, threads),
    "profile": lambda threads: FIT.profile(threads=threads),
    "confint": lambda threads: FIT.confint(method="wald", threads=threads),
    "bootstrap": lambda threads: FIT.bootstrap(2, seed=1, threads=threads),
    "influence": lambda threads: FIT.influence("Batch", threads=threads),
}


@pytest.mark.filterwarnings("ignore::mixedmodels.RefitWarning")
@pytest.mark.parametrize("call", THREADED.values(), ids=THREADED)
@pytest.mark.parametrize(
    "threads",
    [0, -1, 1000, 2**31, 2**40, -(2**70), 10**400, True, np.True_, 2.0, "2", float("nan"), [1]],
    ids=lambda value: repr(value)[:12],
)
def test_impossible_numbers_of_threads(call: Callable[[Any], object], threads: Any) -> None:
    with pytest.raises(MixedModelsError, match="threads is"):
        call(threads)


@pytest.mark.filterwarnings("ignore::mixedmodels.RefitWarning")
@pytest.mark.parametrize("call", THREADED.values(), ids=THREADED)
@pytest.mark.parametrize("threads", [None, 1, 3, np.int64(2), np.uint8(2)], ids=repr)
def test_possible_numbers_of_threads(call: Callable[[Any], object], threads: Any) -> None:
    call(threads)
