"""A short run of the fuzzer: `python -m fuzz KIND` runs many more, under a watchdog."""

from __future__ import annotations

import time
from random import Random
from types import ModuleType

import pytest
from fuzz import commands, designs, files, formulas, frames, generalized, sources
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
@pytest.mark.parametrize(
    "kind", [designs, generalized, sources], ids=["designs", "generalized", "sources"]
)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_calls_after_a_fit_end_so_too(kind: ModuleType, random: Random) -> None:
    ends_well(kind, random)


LOST = (
    # At the optimum the search found the modes, but an evaluation from elsewhere did not.
    generalized.Drawn(
        *("y ~ f + (1 | o)", "inverse_gaussian", 20, (20, 5, 3), "separated"),
        *((("threads", 1), ("information", "expected")), (), 4143167188),
    ),
    generalized.Drawn(
        *("y ~ ns(z, df = 3) + (1 | a) + (1 | d)", "inverse_gaussian", 60, (20, 5, 2), ""),
        *((("threads", 2), ("reml", True), ("offset", "z")), (), 27696977),
    ),
    generalized.Drawn(
        *("y ~ x + z + (x + z | a)", "truncated_poisson", 200, (6, 2, 2), "far covariates"),
        *((("threads", 2), ("link", "log")), (), 3132262684),
    ),
    # The criterion has no minimum with a parameter held: it falls along the edge of where modes
    # exist; it is flat and rounded; it cannot be computed beside the optimum.
    generalized.Drawn(
        *("y ~ ns(z, df = 3) + (x + z | a)", "gamma", 60, (20, 2, 2), "parts of responses"),
        *((("threads", 2), ("link", "identity")), ("profile",), 2660669674),
    ),
    generalized.Drawn(
        *("y ~ x * f + (1 | o)", "gamma", 200, (6, 12, 2), ""),
        *((("threads", 1), ("dispersion", "~ 1"), ("weights", "w")), ("limits",), 4274278095),
    ),
    generalized.Drawn(
        *("y ~ ns(z, df = 3) + (x | a) + (1 | b)", "gamma", 60, (6, 2, 3), ""),
        *((("threads", 1), ("link", "inverse"), ("dispersion", "~ 1")), ("profile",), 3991069199),
    ),
)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("drawn", LOST)
def test_searches_that_lost_their_way_once_end_soon(drawn: generalized.Drawn) -> None:
    began = time.process_time()
    outcome = outcome_of(lambda: generalized.run(drawn))
    assert outcome.kind == "result", outcome.text
    assert time.process_time() - began < 10.0  # seconds; a fifth of it on an idle machine


def ends_well(kind: ModuleType, random: Random) -> None:
    example = kind.draw(random)
    outcome = outcome_of(lambda: kind.run(example))
    assert outcome.kind != "problem", f"{outcome.text}\n{ascii(kind.show(example))[:600]}"


# Values of a source that overflow where they are only noted, and a damaged file of Arrow.
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("number", [380, 394, 1684])
def test_sources_that_were_not_answered_in_words(number: int) -> None:
    ends_well(sources, Random(f"sources/7/{number}"))
