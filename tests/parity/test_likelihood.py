"""Profile limits, likelihood-ratio tests and deletions against lme4's and lmerTest's values."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray
from parity.measures import CASES, fit_of

import mixedmodels as mm
from mixedmodels.linear import LinearMixedFit


def cases_with(block: str) -> list[str]:
    return [name for name, case in CASES.items() if block in case.get("inference", {})]


def block_of(case_id: str, block: str) -> tuple[list[str], NDArray[np.float64]]:
    found = CASES[case_id]["inference"][block]
    values = [[np.nan if v is None else v for v in row] for row in found["values"]]
    return found["rows"], np.array(values, dtype=np.float64)


def lme4_name(name: str) -> str:
    """`sd(group.effect)` as lme4 without `oldNames`; effects of correlations are swapped."""
    kind, _, rest = name.partition("(")
    if kind not in ("sd", "cor") or not rest:
        return name
    group, _, effects = rest.removesuffix(")").partition(".")
    if kind == "cor":
        first, _, second = effects.rpartition(".")
        effects = f"{second}.{first}"
    return f"{kind}_{effects}|{group}"


@pytest.mark.parametrize("case_id", cases_with("confint_profile_exact"))
def test_profile_limits(case_id: str) -> None:
    """The limits are found by a search, so they are as good as the reference's (1e-8 or so)."""
    fit = fit_of(case_id)
    rows, expected = block_of(case_id, "confint_profile_exact")
    found = fit.confint()
    assert [lme4_name(name) for name in found.index] == rows
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12)
    profile = fit.profile()
    np.testing.assert_allclose(profile.confint(), expected, rtol=1e-6, atol=1e-12)
    _, at_90 = block_of(case_id, "confint_profile_fine_90")
    # lme4 interpolates between fine steps: good to 1e-5 or so.
    np.testing.assert_allclose(profile.confint(0.9), at_90, rtol=2e-5)


@pytest.mark.parametrize("case_id", cases_with("confint_profile_exact"))
def test_deviance_at_the_limits(case_id: str) -> None:
    """The curve's interpolation, too, has the deviance 3.84 above its minimum there, to 1e-4."""
    fit = fit_of(case_id)
    profile = fit.profile()
    for name, (lower, upper) in fit.confint().iterrows():
        ends = profile.zeta(str(name), [lower, upper])
        bounded = np.array([lower > 0.0 or not str(name).startswith("sd"), True])
        np.testing.assert_allclose(ends[bounded] ** 2, 3.8414588206941, rtol=1e-4)


@pytest.mark.parametrize("case_id", cases_with("confint_wald"))
def test_wald_limits(case_id: str) -> None:
    rows, expected = block_of(case_id, "confint_wald")
    found = fit_of(case_id).confint(method="wald", ddf="none")
    assert found.drop(index=rows).isna().to_numpy().all()
    # Standard errors follow theta, good to 1e-6; a limit may be next to zero.
    scale = np.abs(expected).max(axis=1, keepdims=True)
    np.testing.assert_allclose(found.loc[rows] / scale, expected / scale, rtol=0, atol=1e-5)


@pytest.mark.parametrize("case_id", cases_with("drop1_chisq_ml"))
def test_drop1(case_id: str) -> None:
    rows, expected = block_of(case_id, "drop1_chisq_ml")
    found = fit_of(case_id).drop1()
    assert list(found.columns) == ["npar", "aic", "statistic", "df", "p_value"]
    # R calls the only row of a model without terms "1".
    assert list(found.index) == (rows if len(rows) > 1 else ["<none>"])
    np.testing.assert_allclose(found[["df", "aic", "statistic"]], expected[:, :3], atol=1e-6)
    np.testing.assert_array_equal(found["npar"], found["npar"].iloc[0] - found["df"].fillna(0))
    np.testing.assert_allclose(found["p_value"], expected[:, 3], rtol=1e-6)


@pytest.mark.parametrize("case_id", cases_with("drop1_F_satterthwaite"))
def test_drop1_f(case_id: str) -> None:
    block = CASES[case_id]["inference"]["drop1_F_satterthwaite"]
    found = fit_of(case_id).drop1("F")
    expected = np.array(block["values"], dtype=np.float64).reshape(len(block["rows"]), 6)
    assert len(found) == len(block["rows"])
    # lmerTest differentiates by differences: its degrees of freedom are good to about 1e-5.
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("case_id", "block"),
    [
        (case_id, block)
        for case_id in cases_with("lrt")
        for block in ("table", "table_reml")
        if block in CASES[case_id]["inference"]["lrt"]
    ],
)
def test_likelihood_ratio(case_id: str, block: str) -> None:
    reference = CASES[case_id]["inference"]["lrt"]
    large = fit_of(case_id)
    case = CASES[case_id]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.SingularFitWarning)
        small = mm.lmer(reference["null_formula"], mm.load_dataset(case["data"]), reml=case["reml"])
    table = mm.anova(large, small, names=["m2", "m0"], refit=block == "table")
    assert bool(table.note) == (case["reml"] or block == "table_reml")
    assert list(table.index) == reference[block]["rows"]
    expected = np.array(
        [[np.nan if v is None else v for v in row] for row in reference[block]["values"]]
    )
    names = ["npar", "aic", "bic", "loglik", "deviance", "statistic", "df"]
    np.testing.assert_allclose(table[names], expected[:, :7], atol=1e-6)
    np.testing.assert_allclose(table["p_value"], expected[:, 7], rtol=1e-5)


def test_classroom() -> None:
    """lme4's intervals by splines, and lmerTest's ratios."""
    expected = {
        "sd(classid.(Intercept))": (5.6411, 12.1670),
        "sd(schoolid.(Intercept))": (5.4166, 11.4838),
        "sigma": (25.866, 28.372),
        "mathkind": (-0.51386, -0.42646),
    }
    found = fit_of("classroom_ml").confint(parameters=list(expected))
    assert list(found.index) == list(expected)
    np.testing.assert_allclose(found, list(expected.values()), rtol=3e-4)
    table = fit_of("classroom_reml").ranova()
    assert list(table.index) == ["<none>", "(1 | classid)", "(1 | schoolid)"]
    np.testing.assert_allclose(table["statistic"][1:], [11.928, 13.470], atol=1e-3)
    np.testing.assert_allclose(table["p_mixture"], table["p_value"] / 2.0)


# Computed with lmerTest 3.1-3: name, npar, log-likelihood, ratio, degrees of freedom.
RANOVA = {
    "sleepstudy_slope_reml": [("Days in (Days | Subject)", 4, -893.2325, 42.837, 2)],
    "sleepstudy_zerocorr_reml": [
        ("(1 | Subject)", 4, -883.2625, 22.856, 1),
        ("(0 + Days | Subject)", 4, -893.2325, 42.796, 1),
    ],
    "machines_full_reml": [("Machine in (Machine | Worker)", 5, -143.4391, 78.567, 5)],
}


@pytest.mark.parametrize("case_id", RANOVA)
def test_ranova(case_id: str) -> None:
    table = fit_of(case_id).ranova()
    names, npar, loglik, ratio, df = zip(*RANOVA[case_id], strict=True)
    assert table.index[1:].tolist() == list(names)
    np.testing.assert_array_equal(table["npar"][1:], npar)
    np.testing.assert_array_equal(table["df"][1:], df)
    np.testing.assert_allclose(table["loglik"][1:], loglik, atol=1e-4)
    np.testing.assert_allclose(table["statistic"][1:], ratio, atol=1e-3)


def test_random_slope_without_its_intercept_is_reduced_to_an_intercept() -> None:
    """lmerTest: `(0 + Machine | Worker)` against `(1 | Worker)`, the same model as above."""
    data = mm.load_dataset("machines")
    fit: LinearMixedFit = mm.lmer("score ~ Machine + (0 + Machine | Worker)", data)
    table = fit.ranova()
    assert table.index[1] == "Machine in (0 + Machine | Worker)"
    assert table["statistic"].iloc[1] == pytest.approx(78.567, abs=1e-3)
    assert table["df"].iloc[1] == 5
