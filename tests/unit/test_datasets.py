"""The bundled data sets against facts read off their originals (reference/datasets.json)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mixedmodels.datasets import describe_dataset, list_datasets, load_dataset
from mixedmodels.errors import DataError

FACTS = json.loads(
    (Path(__file__).parents[1] / "reference" / "datasets.json").read_text(encoding="utf-8")
)


def factor_facts(column: pd.Series[Any]) -> dict[str, Any]:
    levels = list(column.cat.categories)
    codes = column.cat.codes.to_numpy().astype(np.int64)
    positions = np.arange(len(column)) % 1009
    return {
        "missing": int(column.isna().sum()),
        "levels": len(levels),
        "first": levels[0],
        "last": levels[-1],
        "ordered": bool(column.cat.ordered),
        # Position-dependent, so that a permutation of rows shows.
        "codes": int(((codes + 2) * (1 + positions)).sum()),
    }


def number_facts(column: pd.Series[Any]) -> dict[str, Any]:
    return {
        "missing": int(column.isna().sum()),
        "dtype": str(column.dtype),
        # Summation order may differ between NumPy builds; the values themselves are exact.
        "sum": pytest.approx(float(column.sum()), rel=1e-14),
        "min": float(column.min()),
        "max": float(column.max()),
    }


def test_every_data_set_is_listed() -> None:
    assert list_datasets() == sorted(FACTS)


@pytest.mark.parametrize("name", sorted(FACTS))
def test_contents(name: str) -> None:
    frame = load_dataset(name)
    assert list(frame.columns) == list(FACTS[name])
    for column, expected in FACTS[name].items():
        is_factor = isinstance(frame[column].dtype, pd.CategoricalDtype)
        facts = factor_facts if is_factor else number_facts
        assert facts(frame[column]) == expected, column


@pytest.mark.parametrize("name", sorted(FACTS))
def test_description_agrees_with_the_data(name: str) -> None:
    info = describe_dataset(name)
    assert (info.rows, len(info.columns)) == load_dataset(name).shape
    assert info.source
    assert info.formula in str(info)


def test_each_call_gives_a_fresh_frame() -> None:
    changed = load_dataset("sleepstudy")
    changed.loc[0, "Reaction"] = 0.0
    assert load_dataset("sleepstudy").loc[0, "Reaction"] == 249.56


def test_missing_cells_are_kept() -> None:
    frame = load_dataset("sleepstudy_na")
    assert frame.isna().sum().to_dict() == {"Reaction": 2, "Days": 1, "Subject": 1}


@pytest.mark.parametrize(
    ("name", "hint"),
    [("sleepstud", "'sleepstudy'"), ("Penicillin", "'penicillin'"), ("zzz", "list_datasets")],
)
def test_unknown_name(name: str, hint: str) -> None:
    with pytest.raises(DataError, match=hint):
        load_dataset(name)
