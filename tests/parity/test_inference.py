"""Degrees of freedom, F tables and covariances of parameters against lmerTest and pbkrtest.

lmerTest differentiates numerically, and both work at fits that are good to about 1e-6, so degrees
of freedom are compared to 1e-5; a p-value of 1e-20 has forty times the relative error of its t.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from parity.measures import CASES, Case, fit_of, relative

from mixedmodels import RefitWarning, load_dataset
from mixedmodels.api import lmer
from mixedmodels.linear import LinearMixedFit
from mixedmodels.settings import AnovaType, DfMethod

WITH = [name for name, case in CASES.items() if "satterthwaite" in case.get("inference", {})]
TYPES: dict[AnovaType, str] = {1: "anova_I", 2: "anova_II", 3: "anova_III"}
P_VALUES = 1e-4
# Where lme4's refit by REML stops too early for that: the same with Nelder and Mead's method to the
# last digit (xt = 1e-12, theta = 1.53967758527, 3.51241536531).
REFITTED = {"penicillin_ml": [3.61921031969e-07]}
# pbkrtest refuses weights and offsets; a model without terms has no table.
WITH_KR = [name for name in WITH if CASES[name]["inference"].get("kenward_roger")]
TABLES = [
    (name, method, type_)
    for name in WITH
    for method in ("satterthwaite", "kenward_roger")
    for type_, block in TYPES.items()
    if (CASES[name]["inference"].get(method) or {}).get(block, {}).get("rows")
]


@pytest.fixture(scope="module", params=WITH)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture(scope="module")
def fit(case: Case) -> LinearMixedFit:
    return fit_of(case["id"])


def columns_close(found: pd.DataFrame, expected: Any, tolerance: float) -> None:
    """All columns to `tolerance` relative, the last one, of p-values, to their own."""
    values = np.array(expected, dtype=np.float64).reshape(found.shape)
    numbers = found.to_numpy(dtype=np.float64)
    assert relative(numbers[:, :-1], values[:, :-1]) < tolerance
    assert relative(numbers[:, -1], values[:, -1]) < P_VALUES


def quietly(fit: LinearMixedFit) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RefitWarning)
        fit.coef_table("kenward-roger")


def test_satterthwaite(case: Case, fit: LinearMixedFit) -> None:
    expected = case["inference"]["satterthwaite"]["coef"]
    table = fit.coef_table()
    assert len(table) == len(expected["rows"])
    columns_close(table, expected["values"], 1e-5)


def test_covariance_of_theta_and_sigma(case: Case, fit: LinearMixedFit) -> None:
    expected = np.atleast_2d(case["inference"]["satterthwaite"]["varpar_vcov"])
    found = fit.vcov_full().to_numpy()[fit.solution.p :, fit.solution.p :]
    errors = np.sqrt(np.diag(expected))
    scale = np.outer(errors, errors)
    np.testing.assert_allclose(found / scale, expected / scale, atol=1e-5)
    np.testing.assert_allclose(fit.stderror_full()[fit.solution.p :], errors, rtol=1e-5)


@pytest.mark.parametrize("case", WITH_KR, indirect=True)
def test_kenward_roger(case: Case, fit: LinearMixedFit) -> None:
    expected = case["inference"]["kenward_roger"]
    quietly(fit)
    table = fit.coef_table("kenward-roger")
    errors = np.array(expected["se"])
    # pbkrtest refits by REML with lme4's loose tolerances where the fit was by ML.
    tolerance = 1e-6 if fit.reml else 1e-4
    scale = np.outer(errors, errors)
    np.testing.assert_allclose(
        fit.vcov_adjusted() / scale, expected["vcov_adj"] / scale, atol=tolerance
    )
    for column, name in (
        ("estimate", "beta"),
        ("std_error", "se"),
        ("df", "df"),
        ("statistic", "t"),
    ):
        assert relative(table[column], expected[name]) < tolerance
    p_values = REFITTED.get(case["id"], expected["p"])
    assert relative(table["p_value"], p_values) < P_VALUES


@pytest.mark.parametrize(("case", "method", "type_"), TABLES, indirect=["case"])
def test_anova(case: Case, fit: LinearMixedFit, method: str, type_: AnovaType) -> None:
    expected = case["inference"][method][TYPES[type_]]
    df: DfMethod = "satterthwaite"
    if method == "kenward_roger":
        quietly(fit)
        df = "kenward-roger"
    columns_close(fit.anova(type_, ddf=df), expected["values"], 1e-5)


def test_classroom() -> None:
    """pbkrtest's degrees of freedom, as published with the issue."""
    formula = "mathgain ~ mathkind + minority + ses + (1 | classid) + (1 | schoolid)"
    fit = lmer(formula, load_dataset("classroom"))
    df = fit.coef_table("kenward-roger")["df"]
    np.testing.assert_allclose(df, [1165.562, 1173.381, 570.170, 1171.940], atol=6e-4)


# What lmerTest 3.1-3 says of unbalanced data: num_df, den_df and F by term, for types I, II, III.
HSB82 = {
    1: [[1, 142.7044745, 110.6101849], [1, 946.5149534, 475.4118564], [1, 7120.572922, 295.7439063],
        [1, 159.317469, 137.7295562], [1, 5437.273137, 60.93296575], [1, 2731.279361, 21.67185053],
        [1, 7071.466275, 22.24765104], [1, 7124.498521, 21.56574001],
        [1, 4399.810831, 4.291254342e-04], [1, 7127.321999, 2.960353169]],
    2: [[1, 148.0003608, 39.16768071], [1, 3774.422568, 200.3197689], [1, 7074.43509, 301.7003649],
        [1, 160.7831001, 123.4841282], [1, 5453.78212, 57.02748845], [1, 2698.988576, 20.52768133],
        [1, 7075.369422, 19.8053613], [1, 7124.179816, 21.56700229],
        [1, 4401.138811, 1.722745851e-05], [1, 7127.321999, 2.960353169]],
    3: [[1, 176.0610942, 54.35959894], [1, 3781.584687, 210.5780039], [1, 7085.218385, 194.17848],
        [1, 161.7320878, 123.1251180], [1, 5453.78212, 57.02748845], [1, 2698.988576, 20.52768133],
        [1, 7098.171329, 12.61264044], [1, 7119.838036, 20.37491417],
        [1, 4401.138811, 1.722745851e-05], [1, 7127.321999, 2.960353169]],
}  # fmt: skip
NAN = float("nan")
# Boys' schools have no girls and girls' schools no boys: two of six cells are empty.
EXAM = {
    1: [[1, 117.9393383, 11.85198304], [2, 70.91167928, 0.768501930], [1, 567.186512, 272.2130011],
        [0, NAN, NAN], [2, 569.571668, 0.2108217753]],
    2: [[1, 571.1713364, 0.8641791698], [2, 71.34995854, 2.190047772], [1, 567.186512, 272.2130011],
        [0, NAN, NAN], [2, 569.4197007, 0.2108217753]],
    3: [[1, 571.1713364, 0.8641791698], [2, 70.69452, 2.190047772], [1, 570.1021434, 207.7773502],
        [0, NAN, NAN], [2, 569.4197007, 0.2108217753]],
}  # fmt: skip
EXAM_KR = [[1, 571.3695343, 0.8594647], [2, 78.23316947, 2.183496], [1, 570.4157005, 206.69175],
           [0, NAN, NAN], [2, 569.8412717, 0.2097976501]]  # fmt: skip


def f_table_close(table: pd.DataFrame, expected: npt.ArrayLike) -> None:
    """To 1e-6: lmerTest's own fit is no nearer to the optimum; an F may be next to zero."""
    found = table[["num_df", "den_df", "statistic"]].to_numpy()
    np.testing.assert_allclose(found, np.array(expected), rtol=1e-6, atol=1e-8)


def test_unbalanced() -> None:
    formula = "mAch ~ sector*minrty*cses + meanses*sx + (1 | school)"
    fit = lmer(formula, load_dataset("hsb82"))
    for type_ in TYPES:
        f_table_close(fit.anova(type_), HSB82[type_])


def test_empty_cells() -> None:
    data = load_dataset("exam").iloc[::7]
    data = data.assign(schgend=data["schgend"].cat.reorder_categories(["boys", "girls", "mixed"]))
    formula = "normexam ~ sex*schgend + schgend*standLRT + (1 | school)"
    for contrasts in (None, {"schgend": "sum", "sex": "helmert"}):
        fit = lmer(formula, data, contrasts=contrasts)
        f_table_close(fit.anova(3), EXAM[3])
        f_table_close(fit.anova(3, ddf="kenward-roger"), EXAM_KR)
        if contrasts is None:
            f_table_close(fit.anova(1), EXAM[1])
            f_table_close(fit.anova(2), EXAM[2])
