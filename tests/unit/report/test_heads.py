"""Heads of tables that go into papers."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from unit.storage.test_pickles import every_result

import mixedmodels as mm
from mixedmodels.report.heads import HEADS, with_heads
from mixedmodels.report.results import Result
from mixedmodels.report.sections import Table

SLEEP = mm.load_dataset("sleepstudy")


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    fit = mm.lmer("Reaction ~ Days + I(Days^2) + (Days | Subject)", SLEEP)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drop = ". ~ . - I(Days^2)"
        made = {"fit": fit, **_without_average(fit), "update": mm.anova(fit, fit.update(drop))}
    return {name: value for name, value in made.items() if isinstance(value, Result)}


def _without_average(fit: mm.LinearMixedFit) -> dict[str, Any]:
    poly = mm.lmer("Reaction ~ poly(Days, 2) + (Days | Subject)", SLEEP)
    del fit
    return every_result(poly)


def test_no_head_has_an_underscore(results: dict[str, Any]) -> None:
    for name, value in results.items():
        for section in with_heads(value._sections()):
            if isinstance(section, Table):
                assert not any("_" in head for head in section.header), (name, section.header)
        for text in (value.to_latex(), value.to_html(), value.to_markdown()):
            for own in HEADS:
                if "_" in own:
                    assert f">{own}<" not in text, name
                    assert f"{own} " not in text.replace("\\_", "_"), (name, own)


def test_the_text_keeps_the_names_of_columns(results: dict[str, Any]) -> None:
    text = str(results["coef_table"])
    assert "std_error" in text
    assert "Std. Error" not in text
    assert "std_error" in results["coef_table"]._repr_html_()


def test_a_matrix_keeps_the_names_of_its_rows() -> None:
    rows = (("lower", "1", "2"), ("estimate", "2", "3"))
    table = Table("", ("", "lower", "estimate"), rows, "<>>")
    assert next(with_heads([table])) == table
    other = Table("", ("", "lower", "estimate"), (("x", "1", "2"),), "<>>")
    assert next(with_heads([other])).header == ("", "Lower", "Estimate")  # type: ignore[union-attr]
