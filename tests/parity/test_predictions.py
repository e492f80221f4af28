"""Predictions of new rows and new levels beside those of lme4."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixedmodels import DataError, SingularFitWarning, lmer, load_dataset

CASES = [
    case
    for case in json.loads(
        (Path(__file__).parents[1] / "reference" / "lmm.json").read_text(encoding="utf-8")
    )
    if "re_form_NULL" in case.get("inference", {}).get("predict", {})
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_predictions(case: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        fit = lmer(
            case["formula"],
            load_dataset(case["data"]),
            reml=case["reml"],
            weights=case["weights"],
            offset=case["offset"],
        )
    expected = case["inference"]["predict"]
    new = expected["newdata"]
    if isinstance(expected["re_form_NULL"], str):
        # R refuses too: the fixed part has a level that was not there.
        with pytest.raises(DataError, match=re.escape("'factor(nitro)' has levels")):
            fit.predict(new, allow_new_levels=True)
        return
    found = {
        "re_form_NULL": fit.predict(new, allow_new_levels=True),
        "re_form_NA": fit.predict(new, random="none"),
    }
    if "partial_re_form" in expected:
        found["re_form_partial"] = fit.predict(
            new, random=[expected["partial_re_form"]], allow_new_levels=True
        )
    if case["offset"] is not None:
        # lme4 forgets an offset given as an argument when rows are new (its issue 250).
        offset = 2.0 * np.square(new["Days"])
        found = {name: values - offset for name, values in found.items()}
    for name, values in found.items():
        # lme4's theta and ours are known to about 1e-6, and predictions to less.
        np.testing.assert_allclose(values, expected[name], rtol=1e-6, err_msg=name)
