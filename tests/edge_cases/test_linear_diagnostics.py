"""Every diagnostic on every kind of fit: right, or refused in words."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from edge_cases.shared import INTERCEPTS, SLOPES, quiet, sleepstudy

from mixedmodels import MixedModelsError, load_dataset
from mixedmodels.linear import LinearMixedFit
from mixedmodels.settings import DF_METHODS


def with_missing() -> pd.DataFrame:
    data = sleepstudy()
    data.loc[[3, 17, 50], "Reaction"] = np.nan
    return data


def quoted() -> pd.DataFrame:
    return sleepstudy().rename(columns={"Subject": "the subject", "Days": "new"})


FITS: dict[str, Callable[[], LinearMixedFit]] = {
    "singular": lambda: quiet("Yield ~ 1 + (1 | Batch)", load_dataset("dyestuff2")),
    "singular slope": lambda: quiet(SLOPES, sleepstudy().iloc[:30]),
    "one term, ML": lambda: quiet(INTERCEPTS, sleepstudy(), reml=False),
    "rank-deficient": lambda: quiet(
        "Thickness ~ Source + Lot + (1 | Lot:Wafer)", load_dataset("oxide")
    ),
    "weights and offset": lambda: quiet(SLOPES, sleepstudy(), weights="1 + Days", offset="Days"),
    "rows dropped": lambda: quiet(SLOPES, with_missing()),
    "p = 0": lambda: quiet("Reaction ~ 0 + (1 | Subject)", sleepstudy()),
    "p = 0, ML": lambda: quiet("Reaction ~ 0 + (1 | Subject)", sleepstudy(), reml=False),
    "names": lambda: quiet("Reaction ~ new + (new | `the subject`)", quoted()),
    "far from zero": lambda: quiet(SLOPES, sleepstudy(Reaction=lambda d: d["Reaction"] + 1e8)),
}

METHODS: dict[str, Callable[[LinearMixedFit, str], Any]] = {
    "leverage": lambda fit, _: fit.leverage(),
    "studentized": lambda fit, _: fit.std_residuals("studentized"),
    "marginal": lambda fit, _: fit.std_residuals("studentized", marginal=True),
    "cooks": lambda fit, _: fit.cooks_distance(),
    "cooks by group": lambda fit, group: fit.cooks_distance(group),
    "rows": lambda fit, _: fit.influence(only=fit.leverage().index[:5], exact=True).beta,
    "rows, theta kept": lambda fit, _: fit.influence().beta,
    "groups, theta kept": lambda fit, group: fit.influence(group, exact=False).theta,
    "rows, one step": lambda fit, _: fit.influence(method="one-step").beta,
    "groups": lambda fit, group: fit.influence(group).theta,
    "groups, one step": lambda fit, group: fit.influence(group, "one-step").theta,
    "dfbetas": lambda fit, group: fit.dfbetas(group),
    "components": lambda fit, _: fit.repca().to_frame()["sd"],
    "optimizers": lambda fit, _: fit.all_fit(["quasi-newton", "COBYQA"])["objective"],
    "shares": lambda fit, _: fit.icc(),
    "R squared": lambda fit, _: fit.r2(),
    "inflation": lambda fit, _: fit.vif(),
    "glance": lambda fit, _: fit.glance(),
}
REFUSED = {
    ("p = 0", "cooks"),
    ("p = 0", "cooks by group"),
    ("p = 0", "inflation"),
    ("singular", "inflation"),
}


@pytest.mark.parametrize("kind", FITS)
def test_every_method(kind: str) -> None:
    fit = FITS[kind]()
    group = next(iter(fit.ranef()))
    before = fit.model.objective(fit.theta)
    for name, method in METHODS.items():
        if (kind.split(",")[0], name) in REFUSED:
            with pytest.raises(MixedModelsError):
                method(fit, group)
            continue
        values = np.asarray(method(fit, group), dtype=np.float64)
        assert np.isfinite(values).all(), name
    # The criterion's value is off by rounding after other work with the same workspace, no more.
    assert fit.model.objective(fit.theta) == before
    table = fit.tidy(
        ("fixed", "ran_pars", "ran_vals", "ran_coefs"), conf_int=True, conf_method="wald"
    )
    assert table["estimate"].notna().sum() >= len(table) - fit.beta.size
    assert len(fit.augment()) == fit.nobs
    assert fit.singularity().is_singular == fit.is_singular
    assert group in repr(fit.influence(group))


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("random", ["(Days | Subject)", "(1 | Subject) + (1 | b)"])
def test_lapack_is_not_called_on_nothing(
    random: str, reml: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of a matrix without columns LAPACK prints that an argument is invalid."""
    fit = quiet(f"Reaction ~ 0 + {random}", sleepstudy(b=lambda d: d.index % 7), reml=reml)
    for name, method in METHODS.items():
        if ("p = 0", name) not in REFUSED:
            method(fit, "Subject")
    for df in DF_METHODS:
        assert fit.coef_table(df).empty
        assert fit.anova(ddf=df).empty
    assert fit.vcov_adjusted().empty
    assert all(map(len, (fit.vcov_full(), fit.varcorr_table(), fit.stderror_full(), fit.confint())))
    fit.predict_interval(kind="prediction", uncertainty="full")
    fit.bootstrap(2, seed=1)
    str(fit)
    assert capfd.readouterr() == ("", "")


def test_a_constant_added_to_the_response_changes_no_diagnostic() -> None:
    near, far = quiet(SLOPES, sleepstudy()), FITS["far from zero"]()
    # The response has lost eight digits.
    np.testing.assert_allclose(far.leverage(), near.leverage(), rtol=1e-6)
    np.testing.assert_allclose(far.cooks_distance(), near.cooks_distance(), rtol=1e-4, atol=1e-8)
    a, b = far.influence("Subject"), near.influence("Subject")
    np.testing.assert_allclose(a.theta, b.theta, atol=2e-5)
    np.testing.assert_allclose(a.beta["Days"], b.beta["Days"], atol=1e-6)
    np.testing.assert_allclose(far.r2(), near.r2(), rtol=1e-6)


def test_a_covariate_of_another_scale_changes_no_diagnostic() -> None:
    near = quiet(SLOPES, sleepstudy())
    far = quiet(SLOPES, sleepstudy(Days=lambda d: 1e6 * d["Days"]))
    np.testing.assert_allclose(far.leverage(), near.leverage(), rtol=1e-6)
    for method in ("exact", "one-step"):
        a, b = far.influence("Subject", method), near.influence("Subject", method)
        np.testing.assert_allclose(a.beta["Days"] * 1e6, b.beta["Days"], rtol=1e-6)
        np.testing.assert_allclose(a.cooks_distance, b.cooks_distance, rtol=1e-4, atol=1e-9)
    rows = far.influence(method="one-step").theta * [1.0, 1e6, 1e6]
    np.testing.assert_allclose(rows, near.influence(method="one-step").theta, atol=1e-4)


def test_rows_without_weight_are_not_there() -> None:
    data = sleepstudy(w=np.arange(180) != 7)
    fit = quiet(SLOPES, data, weights="w * 1.0")
    assert 7 not in fit.leverage().index
    assert len(fit.augment(data)) == 179
    other = quiet(SLOPES, data.drop(index=7))
    np.testing.assert_allclose(fit.leverage(), other.leverage(), rtol=1e-9)


def test_a_large_fit() -> None:
    """insteval: 73,421 rows and 4,100 random effects."""
    data = load_dataset("insteval")
    fit = quiet("y ~ service + (1 | s) + (1 | d)", data)
    began = time.process_time()
    hat = fit.leverage()
    cooks = fit.cooks_distance()
    rows = fit.influence(method="one-step")
    # Measured: 0.8 s, nearly all of it for the 73,421 deletions.
    assert time.process_time() - began < 8.0
    assert hat.between(0.0, 1.0).all()
    assert cooks.notna().all()
    assert rows.converged.all()
    largest = rows.cooks_distance.idxmax()
    exact = fit.influence(only=[largest], exact=True)
    np.testing.assert_allclose(rows.beta.loc[largest], exact.beta.loc[largest], rtol=1e-5)
    np.testing.assert_allclose(rows.theta.loc[largest], exact.theta.loc[largest], rtol=1e-5)
