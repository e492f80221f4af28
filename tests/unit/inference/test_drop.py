"""Deletions: which terms may go, what the models without them are, and the tests."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

import mixedmodels as mm
from mixedmodels import MixedModelsError, ModelError
from mixedmodels.inference.drop import mixture_tail
from mixedmodels.inference.relatives import random_deletions, without_fixed_term
from mixedmodels.linear import LinearMixedFit

MACHINES = mm.load_dataset("machines")


def crossed() -> pd.DataFrame:
    """Two factors, a covariate and groups, with a response made of all."""
    rng = np.random.default_rng(5)
    n = 240
    data = pd.DataFrame(
        {
            "f": pd.Categorical(rng.integers(3, size=n).astype(str)),
            "h": pd.Categorical(rng.integers(2, size=n).astype(str)),
            "x": rng.standard_normal(n),
            "g": pd.Categorical(rng.integers(20, size=n).astype(str)),
        }
    )
    effect = rng.standard_normal(20)[data["g"].cat.codes]
    return data.assign(y=effect + 0.5 * data["f"].cat.codes + rng.standard_normal(n))


DATA = crossed()


def quiet(formula: str, data: pd.DataFrame = DATA, reml: bool = False) -> LinearMixedFit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.SingularFitWarning)
        return mm.lmer(formula, data, reml=reml)


@pytest.mark.parametrize(
    ("formula", "smaller"),
    [
        ("y ~ f + h + x + (1|g)", {"f": "h + x", "h": "f + x", "x": "f + h"}),
        ("y ~ f * x + h + (1|g)", {"h": "f * x", "f:x": "f + x + h"}),
        # Without f, the levels of h stand for the constant.
        ("y ~ 0 + f + h + (1|g)", {"f": "0 + h", "h": "0 + f"}),
        ("y ~ 1 + (1|g)", {}),
    ],
)
def test_drop1_is_the_fit_without_the_term(formula: str, smaller: dict[str, str]) -> None:
    fit = quiet(formula)
    table = fit.drop1()
    assert list(table.index) == ["<none>", *smaller]
    for term, fixed in smaller.items():
        other = quiet(f"y ~ {fixed} + (1|g)")
        assert table.loc[term, "npar"] == other.npar
        assert table.loc[term, "df"] == fit.npar - other.npar
        assert table.loc[term, "aic"] == pytest.approx(other.aic, abs=1e-6)
        assert table.loc[term, "statistic"] == pytest.approx(
            other.deviance - fit.deviance, abs=1e-6
        )
    assert table.loc["<none>", "aic"] == pytest.approx(fit.aic)


def test_drop1_refuses_what_would_be_coded_otherwise() -> None:
    """h stands in the model only by f:h, so h:k without f:h would bring it in anew."""
    fit = quiet("y ~ f:h + h:k + (1|g)", DATA.assign(k=np.where(DATA["x"] > 0.0, "up", "down")))
    with pytest.raises(ModelError, match="'f:h' cannot be left out by itself"):
        without_fixed_term(fit.model.design, 1)


def test_drop1_tests(slopes: LinearMixedFit) -> None:
    pd.testing.assert_frame_equal(slopes.drop1("F").to_frame(), slopes.anova(2).to_frame())
    with pytest.raises(MixedModelsError, match="'Chisq', 'F'"):
        slopes.drop1("chi")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("random", "expected"),
    [
        ("(1|g)", {"(1 | g)": None}),
        ("(x|g)", {"x in (x | g)": "(1|g)"}),
        ("(x||g)", {"(1 | g)": "(0+x|g)", "(0 + x | g)": "(1|g)"}),
        ("(0+x|g)", {"(0 + x | g)": None}),
        ("(1|g) + (1|h)", {"(1 | g)": "(1|h)", "(1 | h)": "(1|g)"}),
        ("(0+f|g)", {"f in (0 + f | g)": "(1|g)"}),
        ("(0+f+h|g)", {"f in (0 + f + h | g)": "(0+h|g)", "h in (0 + f + h | g)": "(0+f|g)"}),
        ("(x+h|g)", {"x in (x + h | g)": "(h|g)", "h in (x + h | g)": "(x|g)"}),
    ],
)
def test_ranova_is_the_fit_without_the_part(random: str, expected: dict[str, str | None]) -> None:
    fit = quiet(f"y ~ f + {random}", reml=True)
    table = fit.ranova()
    assert list(table.index) == ["<none>", *expected]
    for label, part in expected.items():
        if part is None:
            objective = fit.model.objective(np.zeros(len(fit.theta)))
            npar = 4
        else:
            other = quiet(f"y ~ f + {part}", reml=True)
            objective, npar = other.objective, other.npar
        assert table.loc[label, "npar"] == npar
        assert table.loc[label, "loglik"] == pytest.approx(-objective / 2, abs=1e-6)
        ratio = max(objective - fit.objective, 0.0)
        assert table.loc[label, "statistic"] == pytest.approx(ratio, abs=1e-5)
        assert table.loc[label, "df"] == fit.npar - npar


def test_whole_terms() -> None:
    fit = quiet("score ~ Machine + (Machine | Worker)", MACHINES, reml=True)
    table = fit.ranova(reduce=False)
    assert table.index[1] == "(Machine | Worker)"
    assert table["df"].iloc[1] == 6
    # Of a linear regression, by R's logLik(lm, REML = TRUE).
    residual = MACHINES["score"] - MACHINES.groupby("Machine", observed=True)["score"].transform(
        "mean"
    )
    rss, df = float((residual**2).sum()), len(MACHINES) - 3
    criterion = df * (1 + np.log(2 * np.pi * rss / df)) + 3 * np.log(18)
    assert table["loglik"].iloc[1] == pytest.approx(-criterion / 2, abs=1e-8)


@pytest.mark.parametrize(("ratio", "df"), [(0.0, 1), (2.7, 1), (2.7, 2), (5.1, 3)])
def test_mixture(ratio: float, df: int) -> None:
    lower = chi2.sf(ratio, df - 1) if df > 1 else float(ratio <= 0.0)
    assert mixture_tail(ratio, df) == pytest.approx(0.5 * (lower + chi2.sf(ratio, df)))


def test_mixture_only_where_it_holds() -> None:
    """One more variance with its covariances: several at once have another distribution."""
    kinds = {
        "y ~ 1 + (x|g)": [True],
        "y ~ 1 + (f|g)": [False],
        "y ~ 1 + (x||g)": [True, True],
        "y ~ 1 + (f||g)": [True, False],
        "y ~ 1 + (0+f|g)": [False],
    }
    for formula, expected in kinds.items():
        design = mm.LinearMixedModel(formula, DATA).design
        assert [d.boundary for d in random_deletions(design, reduce=True)] == expected


def test_random_terms_are_in_the_order_of_the_formula() -> None:
    data = mm.load_dataset("penicillin")
    terms = ["(1 | sample)", "(1 | plate)"]
    for order in (terms, terms[::-1]):
        fit = mm.lmer(f"diameter ~ 1 + {' + '.join(order)}", data)
        assert fit.ranova().index.tolist() == ["<none>", *order]
