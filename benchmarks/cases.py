"""The models that are timed. Names of packages and the ways to call them are in `peers`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Case:
    """One model on one bundled data set, fitted by maximum likelihood.

    Attributes:
        name: Short name for tables and the command line.
        dataset: Bundled data set.
        formula: In a syntax that R and every package here understand.
        one_factor: (fixed formula, grouping column, formula of its random effects) when the model
            has one grouping factor, for packages that take it in pieces.
    """

    name: str
    dataset: str
    formula: str
    one_factor: tuple[str, str, str] | None = None


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
)

BY_NAME = {case.name: case for case in CASES}
