"""Settings are frozen, and a bad value is refused when it is given."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from mixedmodels.errors import MixedModelsError
from mixedmodels.settings import NA_ACTIONS, Control, check_option


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
    with pytest.raises(MixedModelsError, match=r"'omit', 'raise'\. Did you mean 'raise'"):
        check_option("na_action", "rise", NA_ACTIONS)
