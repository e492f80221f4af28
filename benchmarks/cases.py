"""The models that are timed. Names of packages and the ways to call them are in `peers`."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from benchmarks.generated import GENERATED, WIDE
from mixedmodels.datasets import load_dataset


@dataclass(frozen=True, slots=True)
class Case:
    """One model on one data set, fitted by maximum likelihood.

    Attributes:
        name: Short name for tables and the command line.
        dataset: Bundled data set, or one of `generated`.
        formula: In a syntax that R and every package here understand.
        one_factor: (fixed formula, grouping column, formula of its random effects) when the model
            has one grouping factor, for packages that take it in pieces.
    """

    name: str
    dataset: str
    formula: str
    one_factor: tuple[str, str, str] | None = None

    @property
    def large(self) -> bool:
        """Whether it is timed in few calls and only when asked for."""
        return self.dataset in GENERATED

    def data(self) -> pd.DataFrame:
        """The data set."""
        if self.dataset in GENERATED:
            return GENERATED[self.dataset]()
        return load_dataset(self.dataset)


CASES = (
    Case(
        "sleepstudy",
        "sleepstudy",
        "Reaction ~ Days + (Days | Subject)",
        ("Reaction ~ Days", "Subject", "~ Days"),
    ),
    Case("penicillin", "penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)"),
    Case(
        "classroom",
        "classroom",
        "mathgain ~ mathkind + minority + ses + (1 | classid) + (1 | schoolid)",
    ),
    Case("chem97", "chem97", "score ~ gcsecnt + (1 | school) + (1 | lea)"),
    Case("insteval-2", "insteval", "y ~ service + (1 | s) + (1 | d)"),
    Case("insteval-3", "insteval", "y ~ service + (1 | s) + (1 | d) + (1 | dept:service)"),
    Case("maximal-72", "maximal", "rt ~ S * P * C + (S * P * C | subj) + (S * P * C | item)"),
    Case(
        "maximal-20", "maximal", "rt ~ S * P * C + (1 + S + P + C | subj) + (1 + S + P + C | item)"
    ),
    Case("nested", "nested", "y ~ x + (1 | cls) + (1 | school) + (1 | district)"),
    Case("nested-slope", "nested", "y ~ x + (1 | cls) + (1 + x | school) + (1 | district)"),
    Case("vector-crossed", "vector-crossed", "y ~ x + (1 + x | g) + (1 + x | h) + (1 + x | i)"),
    Case("ratings", "ratings", "y ~ x + (1 | user) + (1 | item)"),
    Case(
        "partially-crossed",
        "partially-crossed",
        "y ~ x + (1 | pupil) + (1 | school) + (1 | teacher)",
    ),
    Case(
        "wide", "wide", "y ~ " + " + ".join(f"x{j}" for j in range(WIDE)) + " + (1 | a) + (1 | b)"
    ),
)

BY_NAME = {case.name: case for case in CASES}
