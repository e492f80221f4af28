"""The models that are timed, and how each group of them is measured.

Data are in `data`, the ways to call the packages in `peers` and its neighbours. Nothing here
imports this package, so that a worker in another environment can read it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["fit", "core", "refit"]
Term: TypeAlias = tuple[str, str]

N_WIDE = 299
_RANDOM = re.compile(r"\(([^()|]+)\|([^()|]+)\)")
_PRODUCT = re.compile(r"\w+(?: \* \w+)+")


def _spell(product: re.Match[str]) -> str:
    """`a * b` as `a + b + a:b`."""
    names = product[0].split(" * ")
    subsets = (combinations(names, size) for size in range(1, len(names) + 1))
    return " + ".join(":".join(subset) for subset in chain.from_iterable(subsets))


@dataclass(frozen=True, slots=True)
class Group:
    """How the cases of one group are measured.

    Attributes:
        title: Heading in the tables.
        repeats: Timed calls at most.
        budget: Seconds after which no further call is begun.
        limit: Seconds that one call may take.
    """

    title: str
    repeats: int
    budget: float
    limit: float


GROUPS = {
    "small": Group("Small data: the whole call", repeats=200, budget=2, limit=20),
    "core": Group(
        "Small data: from the model matrices to the fit", repeats=200, budget=2, limit=20
    ),
    "insteval": Group("Course evaluations, 73,421 rows", repeats=5, budget=4, limit=20),
    "maximal": Group("Maximal models, singular optimum", repeats=5, budget=4, limit=15),
    "large": Group("Large data", repeats=3, budget=8, limit=20),
    "refit": Group("Parametric bootstrap", repeats=3, budget=3, limit=20),
}


@dataclass(frozen=True)
class Case:
    """One model on one data set, fitted by maximum likelihood.

    Attributes:
        name: Short name for tables and the command line.
        group: Key of `GROUPS`.
        dataset: Bundled data set, or one of `generated`.
        formula: In a syntax that R and every package with a formula reader understand.
        kind: The whole call, the call from model matrices on, or refits to simulated responses.
        replicates: Number of refits.
        sample: Number of them that a slow package makes; its time is scaled.
    """

    name: str
    group: str
    dataset: str
    formula: str
    kind: Kind = "fit"
    replicates: int = 0
    sample: int = 0

    @cached_property
    def random(self) -> list[Term]:
        """Left and right side of every random-effects term."""
        return [(lhs.strip(), group.strip()) for lhs, group in _RANDOM.findall(self.formula)]

    @cached_property
    def response(self) -> str:
        """Column of the response."""
        return self.formula.split("~")[0].strip()

    @cached_property
    def fixed(self) -> str:
        """Right side of the fixed part, for packages that take the model in pieces."""
        terms = _RANDOM.sub("", self.formula.split("~")[1]).split("+")
        return " + ".join(term.strip() for term in terms if term.strip()) or "1"

    @property
    def spelled(self) -> str:
        """The formula without `*`, for packages that do not know it everywhere."""
        return _PRODUCT.sub(_spell, self.formula)

    @property
    def shown(self) -> str:
        """The formula, cut to what a table can hold."""
        if len(self.formula) < 100:
            return self.formula
        head, tail = self.formula[:24], self.formula[self.formula.index(" + (") :]
        return f"{head.rpartition(' + ')[0]} + ...{tail}"


_SMALL = {
    "sleepstudy": "Reaction ~ Days + (Days | Subject)",
    "penicillin": "diameter ~ 1 + (1 | plate) + (1 | sample)",
    "pastes": "strength ~ 1 + (1 | batch) + (1 | sample)",
    "classroom": "mathgain ~ mathkind + minority + ses + (1 | classid) + (1 | schoolid)",
    "dyestuff": "Yield ~ 1 + (1 | Batch)",
    "chem97": "score ~ gcsecnt + (1 | school) + (1 | lea)",
}

_INSTEVAL = {
    "insteval-2": "y ~ service + (1 | s) + (1 | d)",
    "insteval-3": "y ~ service + (1 | s) + (1 | d) + (1 | dept:service)",
    "insteval-fixed": "y ~ service * dept + (1 | s) + (1 | d)",
    "insteval-slopes": "y ~ 1 + (1 + service | s) + (1 + service | d)",
}

_WIDE = " + ".join(f"x{j}" for j in range(N_WIDE))

_GENERATED = {
    "maximal-72": ("maximal", "rt ~ S * P * C + (S * P * C | subj) + (S * P * C | item)"),
    "maximal-20": (
        "maximal",
        "rt ~ S * P * C + (1 + S + P + C | subj) + (1 + S + P + C | item)",
    ),
    "nested": ("nested", "y ~ x + (1 | cls) + (1 | school) + (1 | district)"),
    "nested-slope": ("nested", "y ~ x + (1 | cls) + (1 + x | school) + (1 | district)"),
    "vector-crossed": ("vector-crossed", "y ~ x + (1 + x | g) + (1 + x | h) + (1 + x | i)"),
    "ratings-1m": ("ratings", "y ~ x + (1 | user) + (1 | item)"),
    "partially-crossed": (
        "partially-crossed",
        "y ~ x + (1 | pupil) + (1 | school) + (1 | teacher)",
    ),
    "wide": ("wide", f"y ~ {_WIDE} + (1 | a) + (1 | b)"),
}

CASES = (
    *(Case(name, "small", name, formula) for name, formula in _SMALL.items()),
    *(Case(f"{name}-core", "core", name, formula, "core") for name, formula in _SMALL.items()),
    *(Case(name, "insteval", "insteval", formula) for name, formula in _INSTEVAL.items()),
    *(
        Case(name, "maximal" if dataset == "maximal" else "large", dataset, formula)
        for name, (dataset, formula) in _GENERATED.items()
    ),
    Case("sleepstudy-refit", "refit", "sleepstudy", _SMALL["sleepstudy"], "refit", 1000, 100),
    Case("penicillin-refit", "refit", "penicillin", _SMALL["penicillin"], "refit", 1000, 100),
    Case("insteval-refit", "refit", "insteval", _INSTEVAL["insteval-2"], "refit", 100, 2),
)

BY_NAME = {case.name: case for case in CASES}
