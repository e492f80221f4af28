"""All parameters of the distribution on the page of a generalized fit: tables, words, equations."""

from __future__ import annotations

import html
import re
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from generalized_fits import CASES, MORE, drawn, fit_case

import mixedmodels as mm
from mixedmodels.report.distributions import DistributionWords, ParameterWords


def page_of(fit: Any, folder: Path) -> str:
    fit.report(folder / "page.html", pictures=False, checks=False)
    text = (folder / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", text)))


@pytest.mark.parametrize("case", [*CASES, *MORE])
def test_all_coefficients_of_components_are_on_the_page(case: str, tmp_path: Path) -> None:
    fit = fit_case(case)
    page = page_of(fit, tmp_path)
    table = fit.component_table()
    assert ("Other parameters of the distribution" in page) == (len(table) > 0)
    captions = {"thresholds": "Thresholds, with"}
    captions["dispersion"] = f"Dispersion, log({fit.family.parameter}), with"
    captions["zero_inflation"] = "Zero inflation, logit(probability), with"
    for component in table.index.get_level_values(0).unique():
        shown = page.split(captions[component])[1]
        for term, row in table.loc[component].iterrows():
            numbers = shown.split(f"{term} ", 1)[1].split()[:4]
            half = 1.959964 * row["std_error"]
            expected = [row["estimate"], row["std_error"]]
            expected += [row["estimate"] - half, row["estimate"] + half]
            np.testing.assert_allclose(list(map(float, numbers)), expected, rtol=2e-3, atol=1e-4)


EQUATIONS = [
    ("trials", ["logit(μ) = β₀", "~ binomial with probability μ "]),
    ("negative binomial", ["log(μ) =", "y ~ negative binomial with mean μ and k "]),
    ("nb1", ["y ~ nb1 with mean μ and alpha "]),
    ("gamma, weights", ["y ~ gamma with mean μ and dispersion phi / weight "]),
    ("beta", ["y ~ beta with mean μ and precision "]),
    ("truncated", ["y ~ truncated poisson with mean μ before truncation "]),
    (
        "dispersion with a predictor",
        ["log(phi) = γ₀ + γ₁ · x ", "with mean μ and dispersion phi ", "log(phi): intercept, x."],
    ),
    (
        "zeros of their own",
        ["logit(p) = ζ₀ ", "y = 0 with probability p, else y ~ poisson with mean μ "],
    ),
    (
        "ordered",
        [
            "P(c ≤ j) = F(κⱼ − η), where F is the inverse of the logit link",
            " η = β₁ · x + b₀[g] ",
            "κ₁ < κ₂: thresholds",
            "Categories in their order: low, mid, high.",
        ],
    ),
]


@pytest.mark.parametrize(("case", "lines"), EQUATIONS)
def test_equations(case: str, lines: list[str], tmp_path: Path) -> None:
    page = page_of(fit_case(case), tmp_path)
    for line in lines:
        assert line in page
    assert (" = β" in page and "(μ) =" in page) != (case == "ordered")


def test_parameters_of_one_value_are_on_their_own_scale(tmp_path: Path) -> None:
    fit = fit_case("negative binomial")
    found = re.search(
        r"k: ([\d.]+), with 95 % limits ([\d.]+) to ([\d.]+)\.", page_of(fit, tmp_path)
    )
    assert found is not None
    row = fit.component_table().loc[("dispersion", "(Intercept)")]
    ends = row["estimate"] + np.array([0.0, -1.959964, 1.959964]) * row["std_error"]
    np.testing.assert_allclose([float(each) for each in found.groups()], np.exp(ends), rtol=1e-3)
    page = page_of(fit_case("zeros of their own"), tmp_path)
    found = re.search(r"Probability of an extra zero: ([\d.]+), with", page)
    assert found is not None
    zero = fit_case("zeros of their own").predict(type="zprob").iloc[0]
    assert float(found[1]) == pytest.approx(zero, rel=1e-3)


@cache
def graded() -> Any:
    data = mm.load_dataset("verbagg").iloc[:1500]
    formula = 'ordered(resp, levels=c("no", "perhaps", "yes")) ~ btype + (1 | id)'
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mm.glmer(formula, data, "ordinal")


def test_means_of_ordered_responses_are_probabilities(tmp_path: Path) -> None:
    page = page_of(graded(), tmp_path)
    assert "P(resp ≤ j) = F(κⱼ − η)" in page
    table = graded().emmeans("btype", type="prob").table
    shown = page.split("Marginal probabilities")[1]
    for category, rows in table.groupby("category", observed=True):
        own = shown.split(f"category = {category}:")[1]
        for row in rows.to_dict("records"):
            number = own.split(f"{row['btype']} ")[1].split()[0]
            assert float(number) == pytest.approx(row["estimate"], rel=1e-3)


@pytest.mark.parametrize("offset", ["log(t)", "t"])
def test_means_of_counts_with_an_exposure_are_rates(offset: str, tmp_path: Path) -> None:
    data = drawn("poisson").assign(f=lambda data: np.array(["a", "b", "c"])[data["h"] % 3])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mm.glmer("y ~ f + (1 | g)", data, "poisson", offset=offset)
    page = page_of(fit, tmp_path)
    rates = offset == "log(t)"
    says = "The offset is at 0 (t = 1)." if rates else "The offset is at its mean, "
    assert says in page
    expected = fit.emmeans("f", type="response", offset=0 if rates else None)["estimate"]
    numbers = page.split("Marginal means Marginal means")[1].split(" a ")[1].split()
    assert float(numbers[0]) == pytest.approx(expected.iloc[0], rel=1e-3)


def test_many_coefficients_are_a_matrix() -> None:
    names = tuple(f"x{j}" for j in range(9))
    own = ParameterWords("Dispersion", names)
    words = DistributionWords("gamma", "log", "maximum likelihood", "phi", dispersion=own)
    assert list(words.parameter_lines()) == ["log(phi) = Wγ"]
    assert list(words.words()) == [f"Dispersion, log(phi): {', '.join(names[:8])} and 1 more."]
    many = DistributionWords("ordinal", "probit", "", categories=tuple(map(str, range(12))))
    assert next(iter(many.parameter_lines())).startswith("κ₁ < κ₂ < … < κ₁₁: thresholds")
    truncated = DistributionWords(
        "truncated negative binomial", "log", "", "k", with_all=False, dispersion=own
    )
    line = "y ~ truncated negative binomial with mean μ and k, which are those before truncation"
    assert list(truncated.response_lines("y", weighted=False)) == [line]
