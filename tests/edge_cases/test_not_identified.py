"""Fits whose parameters cannot be told apart, or whose random effects the fixed part takes up."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels import NotIdentifiedWarning, SingularFitWarning
from mixedmodels.estimates import linear
from mixedmodels.inference.curves import Curve
from mixedmodels.inference.parameters import parameters_of

CUTOFF = 3.841458820694124  # chi-square with one degree of freedom, 95 %


def quietly(formula: str, data: Any, **options: Any) -> mm.LinearMixedFit:
    """A fit whose warnings another test looks at."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotIdentifiedWarning)
        warnings.simplefilter("ignore", SingularFitWarning)
        return mm.lmer(formula, data, **options)


@pytest.fixture(scope="module")
def trials() -> pd.DataFrame:
    """People in two conditions, ten trials of each, with a second name for every person."""
    rng = np.random.default_rng(12)
    person = np.repeat(np.arange(24), 20)
    side = np.tile(np.repeat([0, 1], 10), 24)
    effects = rng.normal(0.0, 1.0, (24, 2))
    return pd.DataFrame(
        {
            "person": person,
            "code": [f"c{50 - v}" for v in person],
            "side": np.array(["left", "right"])[side],
            "sex": np.where(person % 2 == 0, "m", "w"),
            "score": 5.0 + side + effects[person, side] + rng.normal(0.0, 1.0, len(person)),
        }
    )


CONFOUNDED = [
    ("(1 | person) + (1 | code)", ["(1 | person)", "(1 | code)"], "same groups"),
    ("(1 | person) + (0 + side | person)", ["(1 | person)", "(0 + side | person)"], "dependent"),
    ("(1 | person:side) + (1 | side:person)", ["(1 | person:side)"], "same groups"),
    ("(1 | person) + (1 | factor(person))", ["(1 | factor(person))"], "same groups"),
    ("(sex | person)", ["(1 + sex | person)"], "does not vary within"),
    ("(0 + sex | person)", ["(0 + sex | person)"], "both effects of a pair"),
]


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize(("random", "names", "reason"), CONFOUNDED)
def test_the_terms_are_named_with_the_reason(
    trials: pd.DataFrame, random: str, names: list[str], reason: str, reml: bool
) -> None:
    """In the warning, in the messages and in what singularity() says."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        with pytest.warns(NotIdentifiedWarning, match=reason):
            fit = mm.lmer(f"score ~ side + {random}", trials, reml=reml)
    said = [message for message in fit.messages if reason in message]
    assert len(said) == 1
    assert all(name in said[0] for name in names)
    assert said[0] in fit.singularity().not_identified
    assert said[0] in " ".join(str(fit.singularity()).split())
    assert fit.converged


@pytest.mark.parametrize("random", [random for random, *_ in CONFOUNDED])
def test_no_standard_error_for_what_is_not_identified(trials: pd.DataFrame, random: str) -> None:
    """NaN with a reason for these, and numbers for sigma and the coefficients."""
    fit = quietly(f"score ~ side + {random}", trials)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        with pytest.warns(NotIdentifiedWarning, match="No standard errors"):
            table = fit.varcorr_table()
        full = fit.vcov_full()  # the warning comes once
    unknown = fit._fitted.identification.unknown
    errors = table["vcov_std_error"].to_numpy()
    assert np.isnan(errors[:-1]).sum() >= unknown.sum()
    assert np.isfinite(errors[-1])
    assert np.isfinite(np.diag(full)[[0, 1, -1]]).all()
    assert np.isnan(full.iloc[2:-1, 2:-1].to_numpy().diagonal()).any()


def test_limits_of_a_share_are_those_of_the_sum(trials: pd.DataFrame) -> None:
    """sd(person) goes from 0 to where it would be alone; the table says it is not identified."""
    alone = quietly("score ~ side + (1 | person)", trials, reml=False)
    both = quietly("score ~ side + (1 | person) + (1 | code)", trials, reml=False)
    upper = alone.confint(parameters="sd(person.(Intercept))")["upper"].iloc[0]
    with pytest.warns(NotIdentifiedWarning, match="not identified"):
        limits = both.confint(parameters="theta_")
    for name in ("sd(person.(Intercept))", "sd(code.(Intercept))"):
        assert limits.loc[name].tolist() == pytest.approx([0.0, upper], rel=1e-5)
        assert "not identified" in limits.attrs["notes"][name]
    assert limits.loc["sigma"].tolist() == pytest.approx(
        alone.confint(parameters="sigma").iloc[0].tolist(), rel=1e-5
    )
    profile = both.profile("sd(code.(Intercept))")
    assert "not identified" in repr(profile)
    assert float(repr(profile).split()[-1]) == pytest.approx(upper, rel=1e-2)


def test_a_limit_where_only_part_is_free(trials: pd.DataFrame) -> None:
    """The variance of a condition is at most its total, whichever share another term has."""
    whole = quietly("score ~ 0 + side + (0 + side | person)", trials, reml=False)
    split = quietly("score ~ 0 + side + (1 | person) + (0 + side | person)", trials, reml=False)
    for name in ("sd(person.sideleft)", "sd(person.sideright)"):
        with pytest.warns(NotIdentifiedWarning):
            found = split.confint(parameters=name)
        assert found["upper"].iloc[0] == pytest.approx(
            whole.confint(parameters=name)["upper"].iloc[0], rel=1e-4
        )


# -- the fixed part takes all ----------------------------------------------------------------


@pytest.fixture(scope="module")
def plots() -> pd.DataFrame:
    """Fields with covariates of their own, as many as tell them all apart, and plots in them."""
    rng = np.random.default_rng(8)
    field = np.repeat(np.arange(6), 12)
    data = pd.DataFrame({"field": [f"F{v}" for v in field], "x": rng.normal(size=72)})
    data["plot"] = [
        f"{f}.{i}" for f, i in zip(data["field"], np.tile(np.arange(4), 18), strict=True)
    ]
    for k in range(5):
        data[f"c{k}"] = rng.normal(size=6)[field]
    data["y"] = data["x"] + rng.normal(size=6)[field] + rng.normal(size=72)
    return data


def ordinary(data: pd.DataFrame, columns: list[Any]) -> tuple[float, float]:
    """Coefficient and standard error of x by ordinary least squares beside these columns."""
    X = np.column_stack([data["x"], *columns]).astype(np.float64)
    beta, rss, *_ = np.linalg.lstsq(X, data["y"], rcond=None)
    s2 = rss[0] / (len(data) - X.shape[1])
    return float(beta[0]), float(np.sqrt(s2 * np.linalg.inv(X.T @ X)[0, 0]))


SATURATED = [
    "y ~ x + field + (1 | field)",
    "y ~ x + c0 + c1 + c2 + c3 + c4 + (1 | field)",
    "y ~ 0 + field + x + (1 | field)",
]


@pytest.mark.parametrize("formula", SATURATED)
def test_a_group_in_the_fixed_part_is_named(plots: pd.DataFrame, formula: str) -> None:
    """The variance is zero, the standard error that of least squares, in every table."""
    beta, error = ordinary(plots, [pd.get_dummies(plots["field"])])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        with pytest.warns(NotIdentifiedWarning, match="no influence on the REML criterion"):
            reml = mm.lmer(formula, plots)
        ml = mm.lmer(formula, plots, reml=False)
    assert any("ML estimate of the variance is zero" in message for message in ml.messages)
    assert reml.converged
    assert ml.converged
    assert reml.theta.tolist() == ml.theta.tolist() == [0.0]
    for fit in (reml, ml):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", mm.RefitWarning)
            row = fit.coef_table("kenward-roger").loc["x"]
        assert row["estimate"] == pytest.approx(beta, rel=1e-8)
        assert row["std_error"] == pytest.approx(error, rel=1e-8)
        assert row["df"] == pytest.approx(72 - 7, rel=1e-6)
    assert reml.stderror["x"] == pytest.approx(error, rel=1e-8)


def test_an_intercept_that_is_taken_leaves_the_slope(plots: pd.DataFrame) -> None:
    """(x | field) beside field is (0 + x | field): the same criterion, sd of x and errors."""
    plots = plots.assign(y=plots["y"] + 2.0 * plots["x"] * (plots["field"].str[1].astype(int) - 2))
    both = quietly("y ~ x + field + (x | field)", plots)
    slope = quietly("y ~ x + field + (0 + x | field)", plots)
    assert both.objective == pytest.approx(slope.objective, abs=1e-6)
    assert both.theta[[0, 1]].tolist() == [0.0, 0.0]
    assert both.varcorr.sd.iloc[1] == pytest.approx(slope.varcorr.sd.iloc[0], rel=1e-4)
    assert both.stderror.to_numpy() == pytest.approx(slope.stderror.to_numpy(), rel=1e-4)


def test_other_terms_are_fitted_as_without_it(plots: pd.DataFrame) -> None:
    with_it = quietly("y ~ x + field + (1 | field) + (1 | plot)", plots)
    without = quietly("y ~ x + field + (1 | plot)", plots)
    assert with_it.objective == pytest.approx(without.objective, abs=1e-7)
    assert with_it.stderror.to_numpy() == pytest.approx(without.stderror.to_numpy(), rel=1e-5)


# -- refits ------------------------------------------------------------------------------------


def two_optima(seed: int) -> dict[str, Any]:
    """Small data for which the ML deviance has another minimum near the REML estimate."""
    rng = np.random.default_rng(seed)
    data = {
        "unit": np.arange(27) // 3,
        "judge": rng.integers(0, 5, 27),
        "kind": rng.choice(list("abc"), 27),
        "x": rng.normal(size=27),
    }
    data["y"] = rng.normal(size=9)[data["unit"]] * data["x"] + rng.normal(size=27)
    return data


@pytest.mark.parametrize("seed", [341, 665, 673, 1577])
def test_refits_by_ml_use_all_starts(seed: int) -> None:
    """Comparison, deletion and profile of a REML fit stand on the better of two minima."""
    data = two_optima(seed)
    small, large = (f"y ~ kind {sign} x + (0 + x | unit) + (1 | judge)" for sign in ("+", "*"))
    ml = [quietly(formula, data, reml=False) for formula in (small, large)]
    reml = [quietly(formula, data) for formula in (small, large)]
    near = quietly(large, data, reml=False, start=reml[1].theta)
    assert near.objective > ml[1].objective + 0.1  # the worse minimum exists
    table = mm.anova(*reml)
    assert table["deviance"].to_numpy() == pytest.approx([f.objective for f in ml], abs=1e-6)
    ratio = ml[0].objective - ml[1].objective
    assert reml[1].drop1().loc["kind:x", "statistic"] == pytest.approx(ratio, abs=1e-6)
    found, expected = (f.confint(parameters="theta_") for f in (reml[1], ml[1]))
    assert found.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-5, abs=1e-7)


def test_a_refit_that_stalls_is_not_used_without_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """drop1 has NaN for it and a warning names the term."""
    data = two_optima(1)
    fit = quietly("y ~ kind + x + (1 | unit)", data, reml=False)
    honest = linear.minimize

    def stalled(*args: Any) -> Any:
        theta, summary = honest(*args)
        return theta, type(summary)(
            **{name: getattr(summary, name) for name in summary.__slots__} | {"status": "stalled"}
        )

    monkeypatch.setattr(linear, "minimize", stalled)
    with pytest.warns(mm.ConvergenceWarning, match=r"the model without '(kind|x)' by ML"):
        table = fit.drop1()
    assert np.isnan(table.loc["x", "statistic"])
    assert np.isnan(table.loc["x", "p_value"])


# -- limits ------------------------------------------------------------------------------------

LIMITED = [
    "y ~ x + (x + z || g)",
    "y ~ x + (x | g)",
    "y ~ x + (1 | g) + (1 | h)",
    "y ~ x + z + (x + z | g)",
    "y ~ x + (0 + x | g) + (1 | h)",
]


def small_groups(seed: int) -> pd.DataFrame:
    """Five to thirteen groups of a few rows: variances of zero and correlations of 1 are common."""
    rng = np.random.default_rng(seed)
    levels, per = int(rng.integers(5, 14)), int(rng.integers(4, 9))
    g = np.repeat(np.arange(levels), per)
    data = pd.DataFrame(rng.normal(size=(len(g), 2)), columns=["x", "z"]).assign(g=g)
    data["h"] = rng.integers(0, 5, len(g))
    slope = rng.normal(size=levels)[g] * rng.choice([0.0, 1.0])
    data["y"] = data["x"] * (1.0 + slope) + rng.normal(size=levels)[g] * rng.choice([0.0, 0.5])
    data["y"] += rng.normal(size=len(g))
    return data


@pytest.mark.parametrize("seed", range(30))
def test_every_limit_is_found_and_meets_the_deviance(seed: int) -> None:
    """Searched anew at the limit, the deviance is the cutoff above its minimum."""
    fit = quietly(LIMITED[seed % len(LIMITED)], small_groups(seed), reml=False)
    limits = fit.confint()
    assert limits.notna().all().all()
    assert limits.attrs["notes"] == {}
    fitted = fit._fitted
    for parameter in parameters_of(fitted):
        for end in limits.loc[parameter.name]:
            if np.isnan(parameter.estimate) or _on_bound(parameter.kind, end):
                continue
            curve = Curve(fitted, parameter, 1)
            held = {"sigma": np.log, "cor": np.arcsin}.get(parameter.kind, float)(end)
            rise = curve.point(float(curve.coordinate.of(held))).deviance - curve.minimum
            assert rise == pytest.approx(CUTOFF, abs=1e-4)


def _on_bound(kind: str, end: float) -> bool:
    return (kind == "sd" and end == 0.0) or (kind == "cor" and abs(end) > 1.0 - 1e-12)
