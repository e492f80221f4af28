"""Responses of more categories than two: what to write, with the column's name and its labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm


def rows(labels: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"Right or not?": labels * 20, "g": np.arange(20 * len(labels)) % 7})


def test_the_remedy_can_be_typed() -> None:
    data = rows(["no", "maybe", "yes"])
    with pytest.raises(mm.DataError, match=r"as in I\(`Right or not\?` == 'yes'\)\."):
        mm.glmer("`Right or not?` ~ 1 + (1 | g)", data)
    mm.GeneralizedLinearMixedModel("I(`Right or not?` == 'yes') ~ 1 + (1 | g)", data)
    with pytest.raises(mm.DataError, match=r"as in I\(factor\(y\) == '3'\)\."):
        mm.glmer("factor(y) ~ 1 + (1 | g)", data.assign(y=np.arange(60) % 3 + 1))


@pytest.mark.parametrize(
    "labels", [["no", "yes", "Yes"], ["no", "yes ", "yes"], ["x  a", "x A", "b"]]
)
def test_labels_that_differ_in_spaces_or_case_only(labels: list[str]) -> None:
    with pytest.raises(mm.DataError, match="differ in spaces or letters of another case only"):
        mm.glmer("`Right or not?` ~ 1 + (1 | g)", rows(labels))


def test_percentages_as_text() -> None:
    with pytest.raises(mm.DataError, match="percentages as text: make numbers of them"):
        mm.glmer("`Right or not?` ~ 1 + (1 | g)", rows(["12.5%", "3 %", "40%"]))


@pytest.mark.parametrize(
    ("response", "place"), [("cbind(a, b)", "second"), ("cbind(b, a)", "first")]
)
def test_the_column_with_wrong_counts_is_named(response: str, place: str) -> None:
    data = pd.DataFrame({"a": np.arange(20), "b": np.where(np.arange(20) == 7, -1, 3)})
    with pytest.raises(mm.DataError, match=rf"in its {place} column: row 7 \(-1\.0\)"):
        mm.glmer(f"{response} ~ 1 + (1 | g)", data.assign(g=np.arange(20) % 4))


def test_three_columns_are_refused() -> None:
    data = pd.DataFrame({"a": np.arange(20), "g": np.arange(20) % 4})
    with pytest.raises(mm.DataError, match="has 3 columns; that of a binomial model has two"):
        mm.glmer("cbind(a, a, a) ~ 1 + (1 | g)", data)


def test_rounded_shares_are_fitted_as_the_remedy_says() -> None:
    herds = mm.load_dataset("cbpp")
    herds["y"] = (herds["incidence"] / herds["size"]).round(3)
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    with pytest.raises(mm.DataError, match=r"cbind\(round\(y \* n\), n - round\(y \* n\)\)"):
        mm.glmer("y ~ period + (1 | herd)", herds, weights="size")
    counts = "cbind(round(y * size), size - round(y * size)) ~ period + (1 | herd)"
    assert mm.glmer(counts, herds).loglik == mm.glmer(formula, herds).loglik
