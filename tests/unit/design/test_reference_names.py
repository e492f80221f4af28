"""Names, groups, levels and sizes against lme4 for every linear reference case."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mixedmodels import load_dataset
from mixedmodels.design import Design, build_design
from mixedmodels.design.columns import level_labels
from mixedmodels.formula import parse_formula

REFERENCE = Path(__file__).parents[2] / "reference" / "lmm.json"
CASES: list[dict[str, Any]] = json.loads(REFERENCE.read_text(encoding="utf-8"))


def contrasts_of(case: dict[str, Any], data: pd.DataFrame) -> dict[str, str]:
    """R's coding: polynomials for ordered factors, unless the case says otherwise."""
    if case["id"] == "cake_sum_reml":
        return {"recipe": "sum", "temperature": "helmert"}
    ordered = (name for name in data if getattr(data[name].dtype, "ordered", False))
    return dict.fromkeys(ordered, "poly")


def design_of(case: dict[str, Any]) -> Design:
    data = load_dataset(case["data"])
    return build_design(
        parse_formula(case["formula"]),
        data,
        weights=case["weights"],
        offset=case["offset"],
        contrasts=contrasts_of(case, data),
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_case(case: dict[str, Any]) -> None:
    design = design_of(case)
    dropped = case["dropped_columns"]
    assert [name for name in design.x_names if name not in dropped] == list(case["beta"])
    assert set(dropped) <= set(design.x_names)
    found = [
        {
            "group": design.groups[term.group].name,
            "terms": list(term.columns),
            "n_levels": design.groups[term.group].n_levels,
        }
        for term in design.terms
    ]
    assert found == case["grouping"]
    assert design.n == case["n"]
    groups = {group.name: group for group in design.groups}
    for effects in case["ranef"]:
        labels = level_labels(groups[effects["group"]].levels)
        assert labels[: len(effects["levels"])] == effects["levels"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_values_by_least_squares(case: dict[str, Any]) -> None:
    """At theta = 0 the model is least squares, so X, y, weights and offset show in beta."""
    design = design_of(case)
    zero = next(point for point in case["devfun"]["ml"] if not any(point["theta"]))
    keep = [name not in case["dropped_columns"] for name in design.x_names]
    root = np.ones(design.n) if design.w is None else np.sqrt(design.w)
    y = design.y if design.offset is None else design.y - design.offset
    beta = np.linalg.lstsq(design.X[:, keep] * root[:, None], y * root, rcond=None)[0]
    # The reference has 15 digits; lstsq loses a few to the condition of X.
    np.testing.assert_allclose(beta, zero["beta"], rtol=1e-7, atol=1e-8)
