"""The printed fit: whole texts, so that a change of layout is seen."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np

from mixedmodels.report.html import render_html
from mixedmodels.report.sections import fit_sections, variance_table
from mixedmodels.report.text import render_text
from mixedmodels.report.values import CoefficientValues, FitValues, VarianceRow

COEFFICIENTS = CoefficientValues(
    names=("(Intercept)", "Days"),
    estimate=np.array([251.405105, 10.467286]),
    std_error=np.array([6.824597, 1.545790]),
    statistic=np.array([36.838, 6.771482]),
    p_value=np.array([0.0, 1.2747e-11]),
    correlation=np.array([[1.0, -0.13757], [-0.13757, 1.0]]),
)
FIT = FitValues(
    title=("Linear mixed model fit by REML",),
    formula="Reaction ~ Days + (Days | Subject)",
    reml=True,
    n=180,
    groups=(("Subject", 18),),
    objective=1743.62827,
    aic=1755.62827,
    bic=1774.78603,
    loglik=-871.81414,
    deviance=1752.0,
    df_residual=174,
    variances=(
        VarianceRow("Subject", "(Intercept)", 612.08996, 24.740451),
        VarianceRow("Subject", "Days", 35.07166, 5.922133, (0.06555,)),
        VarianceRow("Residual", "", 654.94103, 25.591816),
    ),
    coefficients=COEFFICIENTS,
    quantiles=np.array([-3.95357, -0.46340, 0.02312, 0.46340, 5.17926]),
    messages=(),
)
TEXT = """\
Linear mixed model fit by REML
Formula: Reaction ~ Days + (Days | Subject)

REML criterion at convergence: 1743.628

Scaled residuals:
    Min      1Q Median     3Q    Max
-3.9536 -0.4634 0.0231 0.4634 5.1793

Random effects:
Groups   Name        Variance Std.Dev.  Corr
Subject  (Intercept)  612.090  24.7405
         Days          35.072   5.9221 0.066
Residual              654.941  25.5918

Number of obs: 180, groups: Subject, 18

Fixed effects:
            Estimate Std. Error z value Pr(>|z|)
(Intercept)  251.405      6.825  36.838   <2e-16
Days          10.467      1.546   6.771 1.27e-11

Correlation of fixed effects:
     (Intr)
Days -0.138"""


def test_reml_summary() -> None:
    assert render_text(fit_sections(FIT)) == TEXT


def test_ml_shows_information_criteria() -> None:
    ml = replace(
        FIT,
        title=("Linear mixed model fit by maximum likelihood",),
        reml=False, objective=1751.939344, aic=1763.939344, bic=1783.097085,
                 loglik=-875.969672, deviance=1751.939344)  # fmt: skip
    lines = render_text(fit_sections(ml)).splitlines()
    assert lines[0] == "Linear mixed model fit by maximum likelihood"
    assert lines[3:5] == [
        "     AIC      BIC   logLik deviance df.resid",
        "1763.939 1783.097 -875.970 1751.939      174",
    ]


def test_parts_left_out() -> None:
    short = replace(FIT, quantiles=None, coefficients=replace(COEFFICIENTS, correlation=None))
    text = render_text(fit_sections(short))
    assert "Scaled residuals" not in text
    assert "Correlation" not in text


def test_no_fixed_effects() -> None:
    empty = np.empty(0)
    none = CoefficientValues((), empty, empty, empty, empty)
    assert "No fixed effects" in render_text(fit_sections(replace(FIT, coefficients=none)))


def test_degrees_of_freedom_column() -> None:
    t = replace(COEFFICIENTS, statistic_name="t", df=np.array([17.0, 17.0]))
    text = render_text(fit_sections(replace(FIT, coefficients=t)))
    assert "Std. Error    df t value Pr(>|t|)" in text


def test_coefficients_on_very_different_scales() -> None:
    wild = replace(
        COEFFICIENTS,
        estimate=np.array([1.234567e9, 2.5e-7]),
        std_error=np.array([4.5e8, 1.23456e-8]),
    )
    text = render_text(fit_sections(replace(FIT, coefficients=wild)))
    assert "1.235e+09" in text
    assert "2.500e-07" in text


def test_three_correlations_stand_in_columns() -> None:
    rows = (
        VarianceRow("Worker", "(Intercept)", 16.64053, 4.07928),
        VarianceRow("Worker", "MachineB", 34.54669, 5.87764, (0.484,)),
        VarianceRow("Worker", "MachineC", 13.61502, 3.68985, (-0.365, 0.297)),
        VarianceRow("Residual", "", 0.92463, 0.96158),
    )
    assert render_text([variance_table(rows)]) == (
        "Groups   Name        Std.Dev.   Corr\n"
        "Worker   (Intercept)  4.07928\n"
        "         MachineB     5.87764  0.484\n"
        "         MachineC     3.68985 -0.365 0.297\n"
        "Residual              0.96158"
    )


def test_correlation_has_no_negative_zero() -> None:
    tiny = replace(COEFFICIENTS, correlation=np.array([[1.0, -1e-9], [-1e-9, 1.0]]))
    assert "-0.000" not in render_text(fit_sections(replace(FIT, coefficients=tiny)))


def test_messages_come_last() -> None:
    text = render_text(fit_sections(replace(FIT, messages=("first", "second"))))
    assert text.endswith("\n\nfirst\nsecond")


class _Balanced(HTMLParser):
    """Fails on a tag that closes what is not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, _: list[tuple[str, str | None]]) -> None:
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_is_balanced_and_escaped() -> None:
    html = render_html(fit_sections(replace(FIT, formula="y ~ I(x < 1) + (1 | g)")))
    parser = _Balanced()
    parser.feed(html)
    assert parser.open == []
    assert "I(x &lt; 1)" in html
    assert "Pr(&gt;|z|)" in html
    for number in ("1743.628", "24.7405", "10.467", "-0.138"):
        assert number in html
