"""Ratios on the page of a generalized fit: named by the link, absent where there are none."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from generalized_fits import fit_case


def page_of(fit: Any, folder: Path) -> str:
    fit.report(folder / "page.html", pictures=False, checks=False)
    text = re.sub(r"<[^>]+>", " ", (folder / "page.html").read_text(encoding="utf-8"))
    return re.sub(r"\s+", " ", html.unescape(text))


@pytest.mark.parametrize(
    ("case", "name"),
    [
        ("trials", "Odds ratios"),
        ("beta", "Odds ratios"),
        ("ordered", "Odds ratios"),
        ("binary, cloglog", "Ratios of hazards"),
        ("crossed", "Ratios of means"),
        ("gamma, weights", "Ratios of means"),
    ],
)
def test_ratios_are_those_of_tidy(case: str, name: str, tmp_path: Path) -> None:
    fit = fit_case(case)
    page = page_of(fit, tmp_path)
    assert f"{name}, with 95 % limits" in page
    shown = page.split(f"{name}, with 95 % limits Ratio 2.5 % 97.5 % ")[1]
    rows = fit.tidy("fixed", conf_int=True, exponentiate=True)
    rows = rows[rows["component"] == "mean"] if "component" in rows else rows
    for row in rows.to_dict("records"):
        numbers = shown.split(f"{row['term']} ")[1].split()[:3]
        expected = [row["estimate"], row["conf_low"], row["conf_high"]]
        np.testing.assert_allclose(list(map(float, numbers)), expected, rtol=1e-3)


@pytest.mark.parametrize("case", ["shares, probit", "no fixed part"])
def test_no_ratios(case: str, tmp_path: Path) -> None:
    assert "with 95 % limits Ratio" not in page_of(fit_case(case), tmp_path)


def test_an_aliased_term_leaves_the_others_chi_square(tmp_path: Path) -> None:
    page = page_of(fit_case("dependent"), tmp_path)
    assert "Wald tests of the terms, type III" in page
    assert "F tests" not in page
