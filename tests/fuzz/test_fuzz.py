"""A short run of the fuzzer: `python -m fuzz KIND` runs many more, under a watchdog."""

from __future__ import annotations

from random import Random
from types import ModuleType

import pytest
from fuzz import commands, designs, files, formulas, frames
from fuzz.outcome import outcome_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    "kind", [formulas, frames, files, commands], ids=lambda kind: kind.__name__.split(".")[-1]
)
# No example takes a second; the limit leaves room for a machine that does other work.
@settings(max_examples=150, deadline=5000, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_a_call_ends_in_a_result_or_in_an_error_of_the_library(
    kind: ModuleType, random: Random
) -> None:
    ends_well(kind, random)


@pytest.mark.filterwarnings("default")
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_calls_after_a_fit_end_so_too(random: Random) -> None:
    ends_well(designs, random)


def ends_well(kind: ModuleType, random: Random) -> None:
    example = kind.draw(random)
    outcome = outcome_of(lambda: kind.run(example))
    assert outcome.kind != "problem", f"{outcome.text}\n{ascii(kind.show(example))[:600]}"
