"""What means are, in words: on axes, in headings of comparisons and in notes below tables."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from generalized_fits import drawn, fit_case

import mixedmodels as mm

KINDS = [
    ("trials", "probability of incidence"),
    ("binary, cloglog", "probability of y"),
    ("shares, probit", "probability (incidence / size)"),
    ("zeros of their own", "conditional mean y"),
    ("truncated", "mean before truncation of y"),
    ("negative binomial", "mean y"),
    ("beta", "mean y"),
]


def asked(fit: Any, **options: Any) -> Any:
    variable = next(iter(fit.model.design.variables))
    at = {} if variable == "period" else {"x": [0.0, 1.0]}
    return fit.emmeans(variable, at=at, **options)


def xlabel(table: Any) -> str:
    return str(table.plot().axes[0].get_xlabel())


@pytest.mark.parametrize(("case", "words"), KINDS)
def test_names_of_means(case: str, words: str) -> None:
    fit = fit_case(case)
    link = fit.family.link.name
    back, linked = asked(fit, type="response"), asked(fit)
    assert xlabel(back).startswith(f"Back-transformed {words} with")
    assert xlabel(linked).lower().startswith(f"{link} of {words}".lower())
    for table in (back.regrid(), asked(fit, regrid="response")):
        assert xlabel(table).lower().startswith(f"{words} with".lower())
    start = {"logit": f"Odds ratio for the {words}", "log": f"Ratio of {words}"}
    assert xlabel(back.pairs()).startswith(start.get(link, f"Difference in {link} of {words}"))
    assert xlabel(linked.pairs()).startswith(f"Difference in {link} of {words}")
    variable = next(iter(fit.model.design.variables))
    shown = fit.plot_effect(variable, type="response").axes[0].get_ylabel()
    assert shown == words.removeprefix("mean ") if words == "mean y" else shown == words
    assert fit.plot_effect(variable).axes[0].get_ylabel() == f"{link} of {words}"


@pytest.mark.parametrize(
    ("case", "note"),
    [
        ("zeros of their own", "without the extra zeros of zero inflation"),
        ("truncated", "Means are those before truncation"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"type": "response"}, {"regrid": "response"}])
def test_means_that_are_not_those_of_responses_say_so(
    case: str, note: str, options: dict[str, Any]
) -> None:
    fit = fit_case(case)
    means = asked(fit, **options)
    for table in (means, means.pairs(), means.regrid(), means.regrid("log").pairs()):
        assert note in " ".join(str(table).split())
    kind = options.get("type", "link")
    assert note in " ".join(fit.plot_effect("x", type=kind).axes[0].get_xlabel().split())
    # They are not what is predicted for the response.
    new = pd.DataFrame({"x": [0.0, 1.0], "g": [0, 0]})
    estimate = asked(fit, type="response")["estimate"].to_numpy()
    conditional = fit.predict(new, type="conditional", random="none")
    np.testing.assert_allclose(estimate, conditional, rtol=1e-10)
    assert not np.allclose(estimate, fit.predict(new, random="none"), rtol=1e-3)


def test_all_responses_are_seen_of_other_families() -> None:
    assert "onditional" not in str(asked(fit_case("negative binomial"), type="response"))


def test_the_latent_scale_is_said() -> None:
    fit = fit_case("ordered")
    means = asked(fit)
    text = " ".join(str(means).split())
    assert "The scale is the latent one (logit)." in text
    assert "only their differences have a meaning; type='prob' gives" in text
    contrasts = " ".join(str(means.pairs()).split())
    assert "The scale is the latent one (logit)." in contrasts
    assert "Estimates are" not in contrasts
    assert xlabel(means).startswith("C on the latent scale (logit) with")
    assert xlabel(means.pairs()).startswith("Difference in c on the latent scale (logit)")
    assert "latent scale (logit)" in str(fit.emtrends("~ 1", "x"))
    axes = fit.plot_effect("x").axes[0]
    assert axes.get_ylabel() == "c on the latent scale (logit)"
    assert "Only differences have a meaning." in axes.get_xlabel()
    assert "latent" not in str(asked(fit, type="prob"))


def test_a_column_of_shares_is_not_what_has_a_probability() -> None:
    data = mm.load_dataset("cbpp").assign(share=lambda data: data["incidence"] / data["size"])
    fit = mm.glmer("share ~ period + (1 | herd)", data, "binomial", weights="size")
    axes = fit.plot_effect("period", type="response").axes[0]
    assert axes.get_ylabel() == "probability (share)"
    assert axes.get_ylim()[1] < 1.0


def test_an_ordered_column_is_named_without_its_levels() -> None:
    data = mm.load_dataset("verbagg").iloc[:800]
    formula = 'ordered(resp, levels=c("no", "perhaps", "yes")) ~ btype + (1 | id)'
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mm.glmer(formula, data, "ordinal")
    label = fit.plot_effect("btype").axes[0].get_ylabel()
    assert label == "resp on the latent scale (logit)"
    found = fit.emmeans("~ btype", type="prob")
    assert xlabel(found).startswith("Probability of resp with")


@pytest.mark.parametrize(
    ("offset", "inside"), [("log(t)", ""), ("np.log(t)", ""), (None, " + offset(log(t))")]
)
def test_an_exposure_is_named_where_its_offset_is_asked_for(
    offset: str | None, inside: str
) -> None:
    data = drawn("poisson")
    fit = mm.glmer(f"y ~ x{inside} + (1 | g)", data, "poisson", offset=offset)
    for value, words in ((0.0, "t = 1"), (float(np.log(10.0)), "t = 10")):
        means = fit.emmeans("x", type="response", offset=value)
        assert f"({words})." in str(means)
        assert xlabel(means).startswith(f"Back-transformed mean y for {words} with")
        assert xlabel(means.regrid()).startswith(f"Mean y for {words} with")
        figure = fit.plot_effect("x", type="response", offset=value)
        assert figure.axes[0].get_ylabel() == f"y for {words}"
    assert fit.plot_effect("x", type="response").axes[0].get_ylabel() == "y"
    assert "The offset is at its mean, " in str(fit.emmeans("x"))


@pytest.mark.parametrize("offset", ["t", "log2(t)", "log(t) + 1", "values"])
def test_other_offsets_are_shown_as_they_are(offset: str) -> None:
    data = drawn("poisson")
    given: Any = np.log(data["t"]).to_numpy() if offset == "values" else offset
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mm.glmer("y ~ x + (1 | g)", data, "poisson", offset=given)
    figure = fit.plot_effect("x", type="response", offset=0.5)
    assert figure.axes[0].get_ylabel() == "y at offset 0.5"
    assert "The offset is at 0.5." in str(fit.emmeans("x", offset=0.5))


def test_responses_of_linear_models_are_called_as_before() -> None:
    data = pd.DataFrame({"f": ["a", "b", "c"] * 20, "g": np.arange(60) % 6})
    data["y"] = 1.0 + np.arange(60) % 5
    data["s"] = 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = mm.lmer("y ~ f + (1 | g)", data, offset="s")
        root = mm.lmer("sqrt(y) ~ f + (1 | g)", data)
    assert xlabel(plain.emmeans("f", offset=1)).startswith("Mean y at offset 1 with")
    assert plain.plot_effect("f", offset=1).axes[0].get_ylabel() == "y at offset 1"
    back = root.emmeans("f", type="response")
    assert xlabel(back.pairs()).startswith("Difference in mean sqrt(y)")


@pytest.mark.parametrize(
    ("case", "note"),
    [
        ("zeros of their own", "Means are conditional"),
        ("truncated", "Means are those before truncation"),
        ("ordered", "The scale is the latent one (logit)."),
    ],
)
def test_pooled_means_say_so_too(case: str, note: str) -> None:
    fit = fit_case(case)
    pooled = mm.pool([fit, fit]).emmeans("~ x", at={"x": [0.0, 1.0]})
    assert note in " ".join(str(pooled).split())
