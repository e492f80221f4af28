"""`table`: models side by side."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm

DATA = mm.load_dataset("sleepstudy")


@pytest.fixture(scope="module")
def fits() -> list[mm.LinearMixedFit]:
    return [
        mm.lmer("Reaction ~ Days + (1 | Subject)", DATA),
        mm.lmer("Reaction ~ Days + I(Days^2) + (Days | Subject)", DATA),
        mm.lmer("Reaction ~ 0 + (1 | Subject)", DATA),
    ]


def test_the_frame_has_the_numbers_of_each_fit(fits: list[mm.LinearMixedFit]) -> None:
    frame = mm.table(fits, names=["a", "b", "c"], below="none").to_frame()
    for name, fit in zip("abc", fits, strict=True):
        table = fit.coef_table().to_frame()
        for term in table.index:
            got = frame.loc[("fixed", term), name]
            np.testing.assert_allclose(got[list(table.columns)], table.loc[term])
        limits = fit.confint(method="wald").loc[list(table.index)]
        got = frame.loc["fixed"].loc[list(table.index), name][["lower", "upper"]]
        np.testing.assert_allclose(got, limits)
        assert frame.loc[("random", "sigma"), (name, "estimate")] == fit.sigma
        assert frame.loc[("model", "AIC"), (name, "estimate")] == fit.aic
        assert frame.loc[("groups", "Subject"), (name, "estimate")] == 18
    assert frame.loc[("fixed", "I(Days^2)"), "a"].isna().all()
    assert list(frame.loc["random"].index)[-1] == "sigma"


@pytest.mark.parametrize("below", ["std_error", "conf_int", "statistic", "p_value", "none"])
@pytest.mark.parametrize("stars", [False, True])
def test_every_form_prints_within_80_columns(
    fits: list[mm.LinearMixedFit], below: str, stars: bool
) -> None:
    shown = mm.table(fits, below=below, stars=stars)
    assert max(map(len, str(shown).splitlines())) <= 80
    assert ("*" in str(shown)) == stars
    for text in (str(shown), shown._repr_html_(), shown.to_markdown(), shown.to_latex()):
        assert "I(Days" in text
        assert "sigma" in text
        assert "nan" not in text.lower()


def test_estimates_are_rounded_by_their_standard_errors(fits: list[mm.LinearMixedFit]) -> None:
    lines = str(mm.table(fits[0])).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("Days"))
    assert [lines[at].split()[1], lines[at + 1].strip()] == ["10.467", "(0.804)"]


@pytest.mark.parametrize("scale", [1e-12, 1e-5, 1.0, 1e7, 1e15])
def test_any_size_of_response_shows_digits(scale: float) -> None:
    fit = mm.lmer("y ~ Days + (1 | Subject)", DATA.assign(y=DATA["Reaction"] * scale))
    text = str(mm.table(fit))
    shown = re.search(r"^Days +(\S+)", text, re.MULTILINE)
    assert shown is not None
    assert float(shown[1]) == pytest.approx(fit.beta[1], rel=2e-3)


def test_criteria_that_do_not_compare_are_reported(fits: list[mm.LinearMixedFit]) -> None:
    same = [
        mm.lmer("Reaction ~ Days + (1 | Subject)", DATA),
        mm.lmer("Reaction ~ Days + (Days | Subject)", DATA),
    ]
    other_rows = mm.lmer("Reaction ~ Days + (1 | Subject)", DATA.iloc[:170])
    by_ml = [
        mm.lmer(f"Reaction ~ {fixed} + (1 | Subject)", DATA, reml=False) for fixed in ("1", "Days")
    ]
    assert "compare" not in str(mm.table(same))
    assert "compare" not in str(mm.table(by_ml))
    assert "equal fixed parts" in str(mm.table(fits[:2]))
    assert "equal fixed parts" in str(mm.table([by_ml[1], same[0]]))
    assert "do not compare" in str(mm.table([same[0], other_rows]))


def test_messages_of_a_fit_are_notes() -> None:
    data = pd.DataFrame(
        {"y": np.random.default_rng(3).normal(size=40), "g": np.arange(40) % 8, "x": np.ones(40)}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mm.lmer("y ~ x + (1 | g)", data)
    text = str(mm.table([fit], names=["only"]))
    assert all(f"only: {message}" in text for message in fit.messages)
    assert fit.messages


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        ((), {}, "missing"),
        (([],), {}, "no fit"),
        (([1],), {}, "number 1 is 1"),
        ((0,), {}, "number 1 is 0"),
        (("fits",), {"names": ["a", "a", "b"]}, "all different"),
        (("fits",), {"names": ["a"]}, "one text for each of the 3"),
        (("fits",), {"below": "se"}, "below"),
        (("fits",), {"level": 95}, "level"),
        (("fits",), {"ddf": "none at all"}, "ddf"),
        (("fits",), {"stars": "yes"}, "stars is 'yes'; it must be True or False"),
        (("fits",), {"exponentiate": 1}, "exponentiate is 1; it must be True or False"),
    ],
)
def test_what_cannot_be_shown_is_refused(
    fits: list[mm.LinearMixedFit],
    arguments: tuple[object, ...],
    options: dict[str, object],
    said: str,
) -> None:
    given = [fits if argument == "fits" else argument for argument in arguments]
    with pytest.raises(mm.MixedModelsError, match=re.escape(said)):
        mm.table(*given, **options)


def test_an_interaction_of_grouping_factors_has_one_name() -> None:
    data = mm.load_dataset("pastes")
    nested = mm.lmer("strength ~ 1 + (1 | batch / cask)", data)
    crossed = mm.lmer("strength ~ 1 + (1 | batch) + (1 | batch:cask)", data)
    for pair in ((nested, crossed), (crossed, nested)):
        frame = mm.table(list(pair)).to_frame()
        estimates = frame.xs("estimate", axis=1, level="value")
        assert not estimates.loc[["fixed", "random", "groups"]].isna().any(axis=None)
        first = list(pair[0].ngroups)
        assert list(estimates.loc["groups"].index) == first
        np.testing.assert_allclose(estimates.iloc[:, 0], estimates.iloc[:, 1], rtol=1e-5)
