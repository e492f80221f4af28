"""Tables of fits by maketables and great_tables themselves."""

from __future__ import annotations

import numpy as np
import pytest

import mixedmodels as mm

maketables = pytest.importorskip("maketables")
great_tables = pytest.importorskip("great_tables")

DATA = mm.load_dataset("sleepstudy")


@pytest.fixture(scope="module")
def fit() -> mm.LinearMixedFit:
    return mm.lmer("Reaction ~ Days + (Days | Subject)", DATA)


def test_the_coefficients(fit: mm.LinearMixedFit) -> None:
    table = fit.__maketables_coef_table__
    coefficients = fit.coef_table().to_frame()
    np.testing.assert_array_equal(table["b"], coefficients["estimate"])
    np.testing.assert_array_equal(table["p"], coefficients["p_value"])
    limits = fit.confint(["(Intercept)", "Days"], method="wald")
    np.testing.assert_allclose(table[["ci95l", "ci95u"]], limits)
    assert (table["ci90l"] > table["ci95l"]).all()


def test_a_table_of_two_models(fit: mm.LinearMixedFit) -> None:
    small = mm.lmer("Reaction ~ 1 + (1 | Subject)", DATA)
    made = maketables.ETable([small, fit], model_stats=["N", "aic"])
    html = made.make(type="gt").as_raw_html()
    for text in ("Reaction", "10.467", "251.405", "180", "AIC"):
        assert text in html, text
    latex = made.make(type="tex")
    assert "10.467" in str(latex)
    assert fit.__maketables_stat__("no such") is None


def test_great_tables_takes_tidy(fit: mm.LinearMixedFit) -> None:
    html = (
        great_tables.GT(fit.tidy(conf_int=True, conf_method="wald"))
        .fmt_number(["estimate"])
        .as_raw_html()
    )
    assert "251.41" in html
