"""Refused before any fitting, or handled there: the first table of edge cases, linear models.

Every error names what is wrong (column, term, rows, value) and what to do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge_cases.shared import (
    INTERCEPTS,
    SLOPES,
    assert_same_fit,
    fit_once,
    quiet,
    sleepstudy,
)

from mixedmodels import (
    ConvergenceWarning,
    DataError,
    FormulaError,
    LinearMixedModel,
    MixedModelsError,
    ModelError,
    lmer,
    load_dataset,
)


@pytest.mark.parametrize(
    ("formula", "error", "message"),
    [
        ("~ Days + (1 | Subject)", FormulaError, "response is missing left of '~'"),
        ("Days + (1 | Subject)", FormulaError, "no '~'; a formula is 'response ~ fixed"),
        ("Reaction ~ Days", FormulaError, r"no random-effects term; add one such as \(1 \| group"),
    ],
    ids=["no response", "no tilde", "no random term"],
)
def test_no_response_or_no_random_term(formula: str, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        lmer(formula, sleepstudy())


def test_no_rows() -> None:
    with pytest.raises(DataError, match="has no rows"):
        lmer(SLOPES, sleepstudy().iloc[:0])


def test_no_rows_left_after_dropping_missing_values() -> None:
    with pytest.raises(DataError, match=r"No row is left.*missing value \(Days 180\)"):
        lmer(SLOPES, sleepstudy(Days=np.nan))


def test_no_rows_left_when_no_row_is_complete() -> None:
    odd = np.arange(180) % 2 == 1
    data = sleepstudy()
    data["Reaction"] = data["Reaction"].where(odd)
    data["Days"] = data["Days"].where(~odd)
    with pytest.raises(DataError, match=r"No row is left.*Reaction 90, Days 90"):
        lmer(SLOPES, data)


def test_grouping_factor_with_one_level() -> None:
    data = sleepstudy()
    with pytest.raises(ModelError, match=r"\(1 \+ Days \| Subject\).*'Subject'.*\(308\).*Leave"):
        lmer(SLOPES, data[data["Subject"] == "308"])


def test_as_many_levels_as_rows() -> None:
    message = r"\(1 \| row\) .* 'row' has 180 levels and the data 180 rows .*Group by"
    with pytest.raises(ModelError, match=message):
        lmer("Reaction ~ Days + (1 | row)", sleepstudy(row=np.arange(180)))


def test_as_many_levels_as_rows_in_an_interaction() -> None:
    with pytest.raises(ModelError, match=r"\(1 \| Subject:Days\).*180 levels and the data 180"):
        lmer("Reaction ~ Days + (1 | Subject) + (1 | Subject:Days)", sleepstudy())


def test_as_many_levels_as_rows_left() -> None:
    """The rows that count are those used."""
    data = sleepstudy(row=np.minimum(np.arange(180), 178))
    assert LinearMixedModel("Reaction ~ 1 + (1 | row)", data).nobs == 180
    data.loc[179, "Reaction"] = np.nan
    with pytest.raises(ModelError, match="179 levels and the data 179 rows"):
        lmer("Reaction ~ 1 + (1 | row)", data)


def test_as_many_coefficients_as_rows() -> None:
    data = sleepstudy()
    message = (
        r"\(1 \+ Days \+ I\(Days\^2\) \| Subject\).*54 random effects \(18 levels of 'Subject' x 3 "
        r"columns: \(Intercept\), Days, I\(Days\^2\)\) and the data 54 rows.*Leave columns out"
    )
    with pytest.raises(ModelError, match=message):
        lmer("Reaction ~ Days + (Days + I(Days^2) | Subject)", data[data["Days"] < 3])


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("column", ["Reaction", "Days", "z"])
def test_response_or_covariate_not_finite(column: str, value: float) -> None:
    data = sleepstudy(z=np.linspace(0.0, 1.0, 180))
    data.loc[7, column] = value
    with pytest.raises(DataError, match=rf"'{column}' is not finite in row 7 \({value}\)"):
        lmer("Reaction ~ Days + (z | Subject)", data)


def test_computed_column_not_finite() -> None:
    with pytest.raises(DataError, match=r"'log\(Days\)' is not finite in row 0 \(-inf\), row 10"):
        lmer("Reaction ~ log(Days) + (1 | Subject)", sleepstudy())


@pytest.mark.parametrize("role", ["weights", "offset"])
@pytest.mark.parametrize("given", ["column", "array"])
def test_weights_or_offset_not_finite(role: str, given: str) -> None:
    values = np.ones(180)
    values[3] = np.inf
    options: dict[str, Any] = {role: "v" if given == "column" else values}
    with pytest.raises(DataError, match=rf"{role}.* finite.* row 3 \(inf\)"):
        lmer(SLOPES, sleepstudy(v=values), **options)


@pytest.mark.parametrize("value", [5.0, 0.0, 0.1, 1e-300])
def test_constant_response(value: float) -> None:
    with pytest.raises(DataError, match=rf"'Reaction' is constant \({value:g} in all 180 rows\)"):
        lmer(SLOPES, sleepstudy(Reaction=value))


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_response_fitted_exactly_by_the_fixed_part(shift: float) -> None:
    data = sleepstudy()
    data["Reaction"] = shift + 3.0 + 2.0 * data["Days"]
    with pytest.raises(ModelError, match=r"fits the response 'Reaction' exactly.*Leave out fixed"):
        lmer(SLOPES, data)


def test_response_on_its_own_right_side() -> None:
    with pytest.raises(ModelError, match=r"'Reaction' exactly.*the response under another name"):
        lmer("Reaction ~ again + (1 | Subject)", sleepstudy(again=sleepstudy()["Reaction"]))


def test_more_columns_than_rows() -> None:
    data = sleepstudy().iloc[:20].assign(row=lambda frame: np.arange(len(frame)).astype(str))
    with pytest.raises(ModelError, match=r"exactly \(20 independent columns, 20 rows\)"):
        lmer("Reaction ~ factor(row) + (1 | Subject)", data)


def test_response_fitted_almost_exactly_is_fitted() -> None:
    data = sleepstudy()
    data["Reaction"] = 1e-9 * data["Reaction"] + 3.0 + 2.0 * data["Days"]
    fit = lmer(INTERCEPTS, data)
    assert fit.sigma == pytest.approx(1e-9 * fit_once(INTERCEPTS).sigma, rel=1e-5)


@pytest.mark.parametrize("formula", [INTERCEPTS, SLOPES])
def test_response_fitted_exactly_by_fixed_and_random_part(formula: str) -> None:
    """The likelihood has no bound then; the fit says that it has found none."""
    data = sleepstudy(Reaction=np.arange(180.0))
    said = "Not converged|fit the response exactly"
    with pytest.raises((ConvergenceWarning, MixedModelsError), match=said):
        lmer(formula, data)


def test_rank_deficient_keeps_the_first_of_a_dependent_set() -> None:
    formula = "Reaction ~ Days + I(2 * Days) + I(Days + 1) + (1 | Subject)"
    fit = lmer(formula, sleepstudy())
    names = ["(Intercept)", "Days", "I(2 * Days)", "I(Days + 1)"]
    assert list(fit.fixef.index) == names
    assert list(fit.fixef.isna()) == [False, False, True, True]
    assert list(np.isnan(fit.beta)) == [False, False, True, True]
    assert list(fit.stderror.index) == list(fit.coef_table().index) == names[:2]
    (message,) = fit.messages
    assert "2 columns dropped" in message
    assert "I(2 * Days), I(Days + 1)" in message
    assert fit.npar == fit_once(INTERCEPTS).npar
    assert fit.objective == pytest.approx(fit_once(INTERCEPTS).objective, rel=1e-13)
    np.testing.assert_allclose(fit.fitted, fit_once(INTERCEPTS).fitted)
    assert np.isfinite(fit.coef()["Subject"].to_numpy()).all()


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_rank_deficient_by_a_constant_column(value: float) -> None:
    fit = lmer("Reaction ~ Days + k + (1 | Subject)", sleepstudy(k=value))
    assert list(fit.fixef.index[fit.fixef.isna()]) == ["k"]
    assert fit.objective == pytest.approx(fit_once(INTERCEPTS).objective, rel=1e-13)


@pytest.mark.parametrize("scale", [1e-150, 1e-9, 1e-4, 1e4, 1e9, 1e150])
def test_column_scale_of_the_fixed_part(scale: float) -> None:
    data = sleepstudy()
    fit = lmer("Reaction ~ x + (1 | Subject)", data.assign(x=scale * data["Days"]), reml=False)
    once = fit_once(INTERCEPTS, reml=False)
    assert fit.messages == ()
    assert fit.objective == pytest.approx(once.objective, rel=1e-13)
    np.testing.assert_allclose(fit.theta, once.theta, rtol=1e-9)
    assert fit.fixef["x"] * scale == pytest.approx(once.fixef["Days"], rel=1e-11)
    assert fit.stderror["x"] * scale == pytest.approx(once.stderror["Days"], rel=1e-9)


@pytest.mark.parametrize("shift", [1e3, 1e6, 1e9])
def test_column_offset_of_the_fixed_part(shift: float) -> None:
    """x + 1e9 stays, and keeps every digit that x + 1e9 has."""
    data = sleepstudy()
    fit = lmer("Reaction ~ x + (1 | Subject)", data.assign(x=data["Days"] + shift))
    once = fit_once(INTERCEPTS)
    assert fit.messages == ()
    assert fit.objective == pytest.approx(once.objective, abs=1e-6)
    assert fit.fixef["x"] == pytest.approx(once.fixef["Days"], rel=1e-15 * shift + 1e-11)
    assert fit.stderror["x"] == pytest.approx(once.stderror["Days"], rel=1e-15 * shift + 1e-9)
    np.testing.assert_allclose(fit.fitted, once.fitted, rtol=1e-6)


@pytest.mark.parametrize(
    "formula", ["Reaction ~ x + (x | Subject)", "Reaction ~ x + (x || Subject)"]
)
@pytest.mark.parametrize("scale", [1e-9, 1e-4, 1e4, 1e9])
def test_column_scale_of_a_random_slope(scale: float, formula: str) -> None:
    data = sleepstudy()
    fit = quiet(formula, data.assign(x=scale * data["Days"]), reml=False)
    once = fit_once(formula.replace("x", "Days"), reml=False)
    assert fit.converged
    assert fit.objective == pytest.approx(once.objective, abs=1e-9)
    sd, expected = fit.varcorr.sd.to_numpy(), once.varcorr.sd.to_numpy()
    np.testing.assert_allclose(sd * [1.0, scale], expected, rtol=1e-5)
    np.testing.assert_allclose(fit.fitted, once.fitted, rtol=1e-6)


@pytest.mark.parametrize("shift", [1e2, 2e3, 1e4])
def test_column_offset_of_a_random_slope(shift: float) -> None:
    """Years, say: intercept and slope are then correlated to all but 1 in 1e8."""
    data = sleepstudy()
    fit = quiet("Reaction ~ x + (x | Subject)", data.assign(x=data["Days"] + shift))
    assert fit.converged
    assert fit.optsum.n_objective < 200
    assert fit.objective == pytest.approx(fit_once().objective, abs=1e-6)
    assert fit.varcorr.sd["Subject", "x"] == pytest.approx(
        fit_once().varcorr.sd["Subject", "Days"], rel=1e-4
    )


def test_column_scales_far_apart() -> None:
    data = sleepstudy()
    days = data["Days"]
    data = data.assign(small=1e-8 * days**2, large=1e8 * np.sqrt(days) + 1e10)
    formula = "Reaction ~ {} + (1 | Subject)"
    fit = lmer(formula.format("Days + small + large"), data, reml=False)
    once = lmer(formula.format("Days + I(Days**2) + sqrt(Days)"), data, reml=False)
    assert fit.messages == ()
    assert fit.objective == pytest.approx(once.objective, rel=1e-10)
    np.testing.assert_allclose(fit.fitted, once.fitted, rtol=1e-7)


@pytest.mark.parametrize(
    ("value", "shown"), [(-1.0, r"-1\.0"), (np.inf, "inf")], ids=["negative", "infinite"]
)
def test_weight_negative_or_infinite(value: float, shown: str) -> None:
    weights = np.ones(180)
    weights[[2, 5]] = value
    message = rf"weights must be finite and not negative: row 2 \({shown}\), row 5 \({shown}\)"
    with pytest.raises(DataError, match=message):
        lmer(SLOPES, sleepstudy(), weights=weights)
    with pytest.raises(DataError, match=message):
        lmer(SLOPES, sleepstudy(w=weights), weights="w")


def test_weight_of_the_wrong_length_or_kind() -> None:
    with pytest.raises(DataError, match=r"weights has shape \(179,\).* 180 rows"):
        lmer(SLOPES, sleepstudy(), weights=np.ones(179))
    with pytest.raises(DataError, match="weights 'Subject' must be numbers, not categories"):
        lmer(SLOPES, sleepstudy(), weights="Subject")
    with pytest.raises(FormulaError, match=r"weights: 'Day' is not a column.*Did you mean 'Days'"):
        lmer(SLOPES, sleepstudy(), weights="1 / Day")


def test_weight_of_zero_is_the_fit_without_that_row() -> None:
    data = sleepstudy()
    weights = 1.0 + np.arange(180) % 3
    weights[[3, 50, 100]] = 0.0
    fit = lmer(SLOPES, data, weights=weights)
    without = lmer(SLOPES, data[weights > 0], weights=weights[weights > 0])
    assert fit.nobs == without.nobs == 177
    assert fit.messages == ("3 rows with weight zero dropped.",)
    assert_same_fit(fit, without, rtol=1e-12)
    assert fit.fitted.shape == (177,)


def test_weight_of_zero_for_a_whole_level() -> None:
    data = sleepstudy()
    fit = lmer(SLOPES, data, weights=(data["Subject"] != "308").astype(float))
    assert fit.nobs == 170
    assert "308" not in fit.ranef()["Subject"].index
    with pytest.raises(DataError, match="All weights are zero"):
        lmer(SLOPES, data, weights=np.zeros(180))


@pytest.mark.parametrize(
    ("contrasts", "message"),
    [
        ({"Subject": "summ"}, r"contrast of 'Subject' is 'summ'; .*Did you mean 'sum'"),
        ({"Subjct": "sum"}, "contrasts names 'Subjct', which is not a column"),
        ({"Days": "sum"}, r"contrasts names 'Days', which is numeric; write C\(Days\)"),
        (["sum"], "contrasts must be a dict"),
    ],
    ids=["contrast", "column", "numeric", "no dict"],
)
def test_contrasts_that_make_no_sense(contrasts: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        lmer(SLOPES, sleepstudy(), contrasts=contrasts)


def test_unused_levels_are_dropped_and_counted() -> None:
    data = sleepstudy()
    unused = [f"unused {i}" for i in range(30)]
    data["Subject"] = data["Subject"].cat.add_categories(unused)
    fit = lmer(SLOPES, data)
    assert fit.messages == ("30 unused levels of 'Subject' dropped.",)
    assert fit.model.Zt.shape == (36, 180)
    assert_same_fit(fit, fit_once(), rtol=1e-12)


def test_unused_levels_of_a_fixed_factor() -> None:
    data = sleepstudy()
    data["half"] = np.where(data["Days"] < 5, "first", "second")
    data["half"] = data["half"].astype("category").cat.set_categories(["zero", "first", "second"])
    fit = lmer("Reaction ~ half + (1 | Subject)", data)
    assert list(fit.fixef.index) == ["(Intercept)", "halfsecond"]
    assert fit.messages == ("1 unused level of 'half' dropped.",)


def test_refit_takes_a_column_of_the_data_whose_rows_were_dropped() -> None:
    data = load_dataset("sleepstudy")
    data["Reaction"] = data["Reaction"].where(data.index % 7 > 0)
    fit = lmer("Reaction ~ Days + (Days | Subject)", data)
    assert fit.nobs < len(data)
    again = fit.refit(data["Reaction"])
    assert again.objective == pytest.approx(fit.objective, rel=1e-9)
    other = fit.refit(2.0 * data["Reaction"])
    np.testing.assert_allclose(other.beta, 2.0 * fit.beta, rtol=1e-6)
    for wrong in (data["Reaction"].iloc[::-1], data["Reaction"].to_numpy()):
        with pytest.raises(DataError, match="The new response"):
            fit.refit(wrong)
    with pytest.raises(DataError, match="154 rows of the model, which leaves rows of the data out"):
        fit.refit(np.zeros(len(data)))


@pytest.mark.parametrize("given", ["plots.csv", b"plots.csv", Path("plots.csv")])
def test_a_path_is_not_a_table(given: object) -> None:
    """A model is made of a table; `lmer` reads a path in parts, where there is such a file."""
    with pytest.raises(DataError, match=r"plots\.csv.*Read the file first"):
        LinearMixedModel("y ~ 1 + (1 | g)", given)
    message = r"plots\.csv.*(Read the file first|neither a file nor a folder)"
    with pytest.raises(MixedModelsError, match=message):
        lmer("y ~ 1 + (1 | g)", given)


@pytest.mark.parametrize("given", [{"y": [1.0, 2.0]}, sleepstudy()], ids=["dict", "frame"])
def test_a_table_is_not_a_formula(given: object) -> None:
    with pytest.raises(FormulaError, match="The formula comes first, then the data"):
        lmer(given, "y ~ 1 + (1 | g)")  # type: ignore[arg-type]
