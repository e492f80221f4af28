"""What a call that is timed returns, and how a package says that it cannot make it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import pandas as pd

from benchmarks.cases import Case, Kind


class CannotFitError(Exception):
    """The package has no way to fit this case; the message is the reason given in the table."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call found.

    Attributes:
        objective: -2 log-likelihood reached; for refits the mean of sigma over the replicates.
        ratios: Per grouping factor the standard deviation over sigma, from a package whose own
            likelihood is approximate: the exact one is computed from these.
        scale: What the seconds are to be multiplied with, when fewer refits were made than asked.
        note: For the reader of the table.
    """

    objective: float
    ratios: dict[str, float] = field(default_factory=dict)
    scale: float = 1.0
    note: str = ""


Call: TypeAlias = Callable[[], Answer]
Prepare: TypeAlias = Callable[[Case, pd.DataFrame, int], Call]


MISSING: dict[Kind, str] = {
    "fit": "no fit",
    "core": "no separate core",
    "refit": "no bootstrap",
}


@dataclass(frozen=True, slots=True)
class Package:
    """One way of fitting.

    Attributes:
        name: Its column in the tables.
        module: What is imported.
        distribution: What is installed.
        kinds: Per kind of case the function that readies the data and returns the call to time.
    """

    name: str
    module: str
    distribution: str
    kinds: dict[Kind, Prepare]


def sampled(case: Case, mean_sigma: float) -> Answer:
    """The answer of a package that made a sample of the refits."""
    scale = case.replicates / case.sample
    return Answer(mean_sigma, scale=scale, note=f"scaled from {case.sample} refits")
