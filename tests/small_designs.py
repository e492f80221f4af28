"""Designs of the small reference cases, built straight with pandas and formulaic.

They do not pass through the library's own formula and design layers, so that tests of what
comes after stand by themselves. The attributes are those of `mixedmodels.design.Design`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from formulaic import model_matrix
from numpy.typing import NDArray

from mixedmodels.datasets import load_dataset
from mixedmodels.formula import Factor


@dataclass(frozen=True)
class Case:
    """A reference case in formulaic's words; terms are (lhs, grouping columns)."""

    id: str
    data: str
    response: str
    fixed: str
    terms: tuple[tuple[str, tuple[str, ...]], ...]
    weights: str | None = None
    offset: str | None = None


SLEEP = (("1 + Days", ("Subject",)),)
CASES = (
    Case("dyestuff_ml", "dyestuff", "Yield", "1", (("1", ("Batch",)),)),
    Case("dyestuff_reml", "dyestuff", "Yield", "1", (("1", ("Batch",)),)),
    Case("dyestuff2_reml", "dyestuff2", "Yield", "1", (("1", ("Batch",)),)),
    Case("penicillin_ml", "penicillin", "diameter", "1", (("1", ("plate",)), ("1", ("sample",)))),
    Case(
        "pastes_nested_reml",
        "pastes",
        "strength",
        "1",
        (("1", ("cask", "batch")), ("1", ("batch",))),
    ),
    Case("sleepstudy_slope_ml", "sleepstudy", "Reaction", "Days", SLEEP),
    Case("sleepstudy_slope_reml", "sleepstudy", "Reaction", "Days", SLEEP),
    Case(
        "sleepstudy_zerocorr_ml",
        "sleepstudy",
        "Reaction",
        "Days",
        (("1", ("Subject",)), ("0 + Days", ("Subject",))),
    ),
    Case(
        "sleepstudy_weights_reml",
        "sleepstudy",
        "Reaction",
        "Days",
        SLEEP,
        weights="1 / (1 + Days)",
    ),
    Case("sleepstudy_offset_ml", "sleepstudy", "Reaction", "Days", SLEEP, offset="2 * Days ** 2"),
    Case("machines_full_reml", "machines", "score", "Machine", (("Machine", ("Worker",)),)),
    Case(
        "machines_nested_ml",
        "machines",
        "score",
        "Machine",
        (("1", ("Machine", "Worker")), ("1", ("Worker",))),
    ),
    Case("orthodont_ml", "orthodont", "distance", "age * Sex", (("age", ("Subject",)),)),
    Case(
        "pixel_reml",
        "pixel",
        "pixel",
        "day + I(day**2)",
        (("1", ("Side", "Dog")), ("day", ("Dog",))),
    ),
    Case("early_reml", "early", "cog", "I(age - 1) * trt", (("I(age - 1)", ("id",)),)),
    Case("rankdef_oxide_reml", "oxide", "Thickness", "Source + Lot", (("1", ("Lot", "Wafer")),)),
    Case(
        "rankdef_sleepstudy_ml",
        "sleepstudy",
        "Reaction",
        "Days + I(2 * Days)",
        (("1", ("Subject",)),),
    ),
    Case(
        "classroom_ml",
        "classroom",
        "mathgain",
        "mathkind + minority + ses",
        (("1", ("classid",)), ("1", ("schoolid",))),
    ),
)


def design_of(case: Case) -> Any:
    """The design of a case, with the attributes of `mixedmodels.design.Design`."""
    data = load_dataset(case.data)
    X, x_names = _matrix(case.fixed, data)
    groups: list[Any] = []
    terms = []
    for lhs, factors in case.terms:
        name = ":".join(factors)
        if name not in [g.name for g in groups]:
            groups.append(_group(data, factors))
        z, columns = _matrix(lhs, data)
        terms.append(
            SimpleNamespace(group=[g.name for g in groups].index(name), columns=tuple(columns), z=z)
        )
    return SimpleNamespace(
        formula=SimpleNamespace(text=f"{case.response} ~ {case.fixed} + ..."),
        freeze=lambda: None,
        y=data[case.response].to_numpy(dtype=np.float64),
        X=X,
        x_names=tuple(x_names),
        w=None if case.weights is None else data.eval(case.weights).to_numpy(dtype=np.float64),
        offset=None if case.offset is None else data.eval(case.offset).to_numpy(dtype=np.float64),
        groups=tuple(groups),
        terms=tuple(terms),
        n=len(data),
        n_dropped=0,
        rows=None,
        index=data.index,
        response_name=case.response,
        has_rows=False,
        messages=(),
        fixed_spec=SimpleNamespace(recipes={}),
        all_rows=None,
    )


def _matrix(rhs: str, data: pd.DataFrame) -> tuple[NDArray[np.float64], list[str]]:
    # Formulaic codes an ordered factor as it does an unordered one: treatment.
    matrix = model_matrix(rhs, data)
    return np.asarray(matrix, dtype=np.float64), [_r_name(c) for c in matrix.columns]


def _r_name(name: str) -> str:
    name = re.sub(r"\[(?:T\.)?([^\]]*)\]", r"\1", name)
    return {"Intercept": "(Intercept)"}.get(name, name).replace(" ** ", "^")


def _group(data: pd.DataFrame, factors: Sequence[str]) -> Any:
    parts = [data[f].astype("category").cat for f in factors]
    observed = pd.DataFrame({i: part.codes for i, part in enumerate(parts)})
    combinations = observed.drop_duplicates().sort_values(list(observed.columns))
    numbered = combinations.assign(number=np.arange(len(combinations)))
    codes = observed.merge(numbered, how="left")["number"].to_numpy(dtype=np.int32)
    labels = [
        ":".join(str(part.categories[code]) for part, code in zip(parts, row, strict=True))
        for row in combinations.to_numpy()
    ]
    return SimpleNamespace(
        name=":".join(factors),
        codes=codes,
        levels=pd.Index(labels),
        n_levels=len(labels),
        spec=SimpleNamespace(
            factors=tuple(Factor(name, name, True, 0) for name in factors),
            levels=tuple(pd.Index(part.categories) for part in parts),
        ),
    )
