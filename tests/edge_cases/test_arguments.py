"""Arguments that NumPy or Python would take, or refuse in their own words, are refused in ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm

NOT_REAL: dict[str, Any] = {
    "text": ["0", "1"],
    "text as objects": np.array(["0", "1"], dtype=object),
    "bytes": np.array([b"0", b"1"]),
    "complex": [0.0, 1j],
    "complex array": np.array([0.0, 1.0 + 0j]),
    "days": np.array(["2020-01-01", "2020-01-02"], dtype="M8[D]"),
    "durations": np.array([1, 2], dtype="m8[s]"),
    "masked": np.ma.masked_array([0.0, 1.0], [False, True]),
    "ragged": [[0.0, 1.0], [1.0]],
    "missing": [0.0, pd.NA],
    "record": np.zeros(2, dtype=[("a", float)]),
}
NOT_NAMES: dict[str, Any] = {
    "number": 3,
    "array of one number": np.array(1.0),
    "function": len,
    "missing": pd.NA,
    "bytes": b"Days",
    "list of lists": [["Days"]],
    "list of None": [None],
    "numbers": np.arange(2),
}


@pytest.fixture(scope="module")
def fit() -> mm.LinearMixedFit:
    return mm.lmer("Reaction ~ Days + (1 | Subject)", mm.load_dataset("sleepstudy"))


@pytest.fixture(scope="module")
def counts() -> mm.GeneralizedLinearMixedFit:
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"g": np.repeat(np.arange(10), 6), "x": rng.normal(size=60)})
    mean = np.exp(0.5 + 0.3 * data["x"] + rng.normal(size=10)[data["g"]])
    data["y"] = rng.poisson(mean * rng.gamma(2.0, 0.5, 60))
    return mm.glmer("y ~ x + (1 | g)", data, family="negative_binomial")


@pytest.mark.parametrize("given", NOT_REAL.values(), ids=NOT_REAL.keys())
class TestNumbers:
    def test_of_a_hypothesis(self, fit: mm.LinearMixedFit, given: Any) -> None:
        with pytest.raises(mm.MixedModelsError):
            fit.test(given)
        with pytest.raises(mm.MixedModelsError, match="rhs is"):
            fit.test("Days", rhs=given)

    def test_of_theta(self, fit: mm.LinearMixedFit, given: Any) -> None:
        with pytest.raises(mm.MixedModelsError, match="theta"):
            fit.model.objective(given)
        with pytest.raises(mm.MixedModelsError):
            fit.update("Reaction ~ Days + (Days || Subject)", start=given)

    def test_of_a_covariance(self, fit: mm.LinearMixedFit, given: Any) -> None:
        with pytest.raises(mm.MixedModelsError, match="vcov is"):
            fit.coef_table(vcov=given)

    def test_of_a_generalized_criterion(
        self, counts: mm.GeneralizedLinearMixedFit, given: Any
    ) -> None:
        with pytest.raises(mm.MixedModelsError, match="beta"):
            counts.model.objective([1.0], given, dispersion=2.0)
        with pytest.raises(mm.MixedModelsError, match="dispersion"):
            counts.model.objective([1.0], [0.5, 0.3], dispersion=given)

    def test_of_contrasts_and_values(self, given: Any) -> None:
        data = mm.load_dataset("machines")
        with pytest.raises(mm.MixedModelsError, match="Machine"):
            mm.lmer("score ~ Machine + (1 | Worker)", data, contrasts={"Machine": given})
        fit = mm.lmer("score ~ Machine + (1 | Worker)", data)
        with pytest.raises(mm.MixedModelsError, match="contrast"):
            fit.emmeans("Machine").contrast({"mine": given})
        fit = mm.lmer("Reaction ~ Days + (1 | Subject)", mm.load_dataset("sleepstudy"))
        with pytest.raises(mm.MixedModelsError, match="'Days'"):
            fit.emmeans("Days", at={"Days": given})


ASKED: dict[str, Callable[[mm.LinearMixedFit, Any], Any]] = {
    "parameters of confint": lambda fit, names: fit.confint(names, method="wald"),
    "parameters of profile": lambda fit, names: fit.profile(names),
    "random": lambda fit, names: fit.predict(random=names),
    "optimizers": lambda fit, names: fit.all_fit(names),
}


@pytest.mark.parametrize("given", NOT_NAMES.values(), ids=NOT_NAMES.keys())
@pytest.mark.parametrize("what", ASKED)
def test_names_are_text(fit: mm.LinearMixedFit, what: str, given: Any) -> None:
    with pytest.raises(mm.MixedModelsError, match=f"{what.split()[0]} is .*; it must be"):
        ASKED[what](fit, given)


@pytest.mark.parametrize("given", [3, "mean", [len], np.array(1.0), pd.NA, {"a": len}])
def test_a_statistic_is_a_function(fit: mm.LinearMixedFit, given: Any) -> None:
    with pytest.raises(mm.MixedModelsError, match=r"statistic is .* function of a fit"):
        fit.bootstrap(2, seed=1, statistic=given)


@pytest.mark.parametrize("given", [pd.NA, np.array(["new"]), b"new", None, {"new"}, pd.NaT])
def test_an_option_is_compared_with_text_only(fit: mm.LinearMixedFit, given: Any) -> None:
    with pytest.raises(mm.MixedModelsError, match="modes is"):
        fit.bootstrap(2, seed=1, modes=given)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("conf_int", lambda fit, given: fit.tidy(conf_int=given)),
        ("exponentiate", lambda fit, given: fit.tidy(exponentiate=given)),
        ("allow_new_levels", lambda fit, given: fit.predict(allow_new_levels=given)),
        ("allow_new_levels", lambda fit, given: fit.predict_interval(allow_new_levels=given)),
        ("reduce", lambda fit, given: fit.ranova(reduce=given)),
        ("intercept", lambda fit, given: fit.plot_coefficients(intercept=given)),
        ("exponentiate", lambda fit, given: fit.plot_coefficients(exponentiate=given)),
        ("reverse", lambda fit, given: fit.emmeans("x").pairs(reverse=given)),
        ("reverse", lambda fit, given: fit.emmeans("x").effect_size(1.0, 9, reverse=given)),
        ("stars", lambda fit, given: mm.table([fit], stars=given)),
        ("exponentiate", lambda fit, given: mm.table([fit], exponentiate=given)),
    ],
)
@pytest.mark.parametrize("given", ["yes", "no", 1, None, pd.NA])
def test_a_flag_is_a_truth_value(
    counts: mm.GeneralizedLinearMixedFit, name: str, call: Callable[..., Any], given: Any
) -> None:
    with pytest.raises(mm.MixedModelsError, match=f"{name} is .*; it must be True or False"):
        call(counts, given)


@pytest.mark.parametrize("given", [pd.DataFrame(), np.zeros(2), pd.NA, 0, "fast"])
def test_a_control_is_one(fit: mm.LinearMixedFit, given: Any) -> None:
    with pytest.raises(mm.MixedModelsError, match="control is"):
        fit.all_fit("L-BFGS-B", control=given)


@pytest.mark.parametrize("given", [1, "a", None, 1j])
def test_a_column_of_new_rows_is_a_sequence(fit: mm.LinearMixedFit, given: Any) -> None:
    with pytest.raises(mm.DataError, match=r"Column 'Days' is .*sequence"):
        fit.augment({"Days": given})
