"""Names of options are taken in any case and with any signs between words, everywhere."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels import settings
from mixedmodels.__main__ import main
from mixedmodels.diagnostics.distributional import ROW_VARIANCES
from mixedmodels.marginal.adjust import ADJUSTS
from mixedmodels.marginal.contrasts import METHODS as CONTRASTS
from mixedmodels.marginal.effects import SHOWS
from mixedmodels.marginal.weights import WEIGHTS
from mixedmodels.plots.ranef import SORTS
from mixedmodels.prediction.generalized import PREDICTIONS, RESIDUALS
from mixedmodels.report.side_by_side import BELOW
from mixedmodels.several.averages import CRITERIA
from mixedmodels.spelling import letters_of, spelled

FORMULA = "score ~ Machine + (1 | Worker)"
DATA = mm.load_dataset("machines")
FIT = mm.lmer(FORMULA, DATA)
BY_ML = [mm.lmer(text, DATA, reml=False) for text in ("score ~ 1 + (1 | Worker)", FORMULA)]
TICKS = mm.load_dataset("grouseticks")
COUNTS = mm.glmer("TICKS ~ YEAR + (1 | BROOD)", TICKS, "poisson")
ZEROS = mm.glmer("TICKS ~ YEAR + (1 | BROOD)", TICKS, "poisson", zero_inflation="~ 1")
NEW = {"Machine": ["A", "B"]}
LEVELS = pd.DataFrame({"Machine": ["A", "B"], "Worker": ["1", "2"]})
ROWS = DATA.assign(score=DATA["score"].where(DATA.index != 3))
BINARY = pd.DataFrame({"y": np.random.default_rng(1).integers(0, 2, 200), "g": np.arange(200) % 20})
POWER: Any = {
    "beta": {"(Intercept)": 50, "MachineB": 8, "MachineC": 10},
    "sd": 2,
    "sigma": 3,
    "test": "Machine",
    "nsim": 5,
    "seed": 1,
}

CALLS: dict[str, tuple[Callable[[Any], Any], Sequence[str]]] = {
    "lmer(na_action)": (
        lambda of: mm.lmer(FORMULA, ROWS, na_action=of).fitted,
        ("omit", "exclude"),
    ),
    "lmer(optimizer)": (
        lambda of: mm.lmer(FORMULA, DATA, optimizer=of).theta,
        ("quasi-newton", "L-BFGS-B", "Nelder-Mead"),
    ),
    "lmer(method)": (lambda of: mm.lmer(FORMULA, DATA, method=of).theta, ("auto", "exact")),
    "lmer(contrasts)": (
        lambda of: mm.lmer(FORMULA, DATA, contrasts={"Machine": of}).beta,
        settings.CONTRASTS,
    ),
    "glmer(information)": (
        lambda of: mm.glmer("y ~ 1 + (1 | g)", BINARY, information=of, link="probit").beta,
        settings.INFORMATION,
    ),
    "glmer(link)": (
        lambda of: mm.glmer("y ~ 1 + (1 | g)", BINARY, link=of).beta,
        ("logit", "probit", "cloglog"),
    ),
    "coef_table(ddf)": (lambda of: FIT.coef_table(ddf=of).to_frame(), settings.DF_METHODS),
    "coef_table(vcov)": (lambda of: FIT.coef_table(vcov=of).to_frame(), settings.ROBUST_KINDS),
    "vcov_robust": (lambda of: FIT.vcov_robust(kind=of).to_frame(), settings.ROBUST_KINDS),
    "confint(method)": (
        lambda of: FIT.confint(
            "beta_", method=of, **({"nsim": 20, "seed": 1} if "OOT" in str(of).upper() else {})
        ),
        settings.CONFINT_METHODS,
    ),
    "confint(kind)": (
        lambda of: FIT.confint("beta_", method="bootstrap", kind=of, nsim=20, seed=1),
        settings.BOOTSTRAP_INTERVALS,
    ),
    "bootstrap(kind)": (
        lambda of: FIT.bootstrap(5, seed=1, kind=of).replicates,
        settings.BOOTSTRAPS,
    ),
    "bootstrap(modes)": (lambda of: FIT.bootstrap(5, seed=1, modes=of).replicates, settings.MODES),
    "simulate(modes)": (lambda of: FIT.simulate(2, seed=1, modes=of), settings.MODES),
    "predict(random)": (lambda of: FIT.predict(LEVELS, random=of), ("all", "none")),
    "predict(random) of means": (
        lambda of: COUNTS.predict({"YEAR": ["95"]}, random=of, type="link"),
        ("none", "average"),
    ),
    "predict(type)": (lambda of: ZEROS.predict(type=of), PREDICTIONS[:5]),
    "predict_interval(kind)": (
        lambda of: FIT.predict_interval(NEW, of, random="none"),
        settings.INTERVALS,
    ),
    "predict_interval(uncertainty)": (
        lambda of: FIT.predict_interval(LEVELS, uncertainty=of),
        settings.UNCERTAINTIES,
    ),
    "predict_interval(type)": (
        lambda of: FIT.predict_interval(NEW, random="none", type=of),
        settings.MEANS_TYPES,
    ),
    "predict_interval(uncertainty) of means": (
        lambda of: COUNTS.predict_interval(uncertainty=of, type="Link"),
        settings.UNCERTAINTIES,
    ),
    "std_residuals": (lambda of: FIT.std_residuals(of, seed=1), settings.RESIDUAL_KINDS),
    "std_residuals of counts": (lambda of: COUNTS.std_residuals(of, seed=1), RESIDUALS),
    "influence": (lambda of: FIT.influence("Worker", method=of).beta, settings.INFLUENCE_METHODS),
    "repca": (lambda of: repr(FIT.repca(of)), settings.PCA_SCALES),
    "all_fit": (
        lambda of: FIT.all_fit([of]).index.tolist(),
        ("L-BFGS-B", "Nelder-Mead", "quasi-newton"),
    ),
    "tidy(effects)": (lambda of: FIT.tidy(effects=of), settings.TIDY_EFFECTS),
    "tidy(conf_method)": (
        lambda of: FIT.tidy(conf_int=True, conf_method=of),
        settings.TIDY_LIMITS,
    ),
    "drop1": (lambda of: FIT.drop1(of).to_frame(), settings.DROP_TESTS),
    "anova(ddf)": (lambda of: FIT.anova(ddf=of), settings.DF_METHODS),
    "emmeans(type)": (lambda of: COUNTS.emmeans("YEAR", type=of).to_frame(), settings.MEANS_TYPES),
    "emmeans(weights)": (lambda of: FIT.emmeans("Machine", weights=of).to_frame(), WEIGHTS),
    "pairs(adjust)": (lambda of: FIT.emmeans("Machine").pairs(adjust=of).to_frame(), ADJUSTS),
    "contrast": (lambda of: FIT.emmeans("Machine").contrast(of).to_frame(), CONTRASTS),
    "plot_effect(show)": (lambda of: len(FIT.plot_effect("Machine", show=of).axes), SHOWS),
    "plot_effect(random)": (lambda of: len(FIT.plot_effect("Machine", random=of).axes), ("none",)),
    "plot_ranef(sort)": (lambda of: len(FIT.plot_ranef(sort=of).axes), SORTS),
    "r2(variance)": (lambda of: repr(COUNTS.r2(variance=of)), ("delta", "lognormal", "trigamma")),
    "table(below)": (lambda of: repr(mm.table([FIT], below=of)), BELOW),
    "average": (lambda of: mm.average(BY_ML, of).importance, CRITERIA),
    "power(kind)": (
        lambda of: mm.power(FORMULA, DATA, kind=of, **POWER).to_frame(),
        settings.DROP_TESTS,
    ),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_any_case_and_signs(call: tuple[Callable[[Any], Any], Sequence[str]]) -> None:
    made, options = call
    spellings: list[Callable[[str], str]] = [
        str.upper,
        str.title,
        lambda name: f" {name.replace('-', '_').swapcase()}",
        lambda name: name.replace("-", "").replace("_", "-").upper(),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, option in enumerate(options):
            other = spellings[number % len(spellings)](option)
            assert repr(made(other)) == repr(made(option)), other


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_others_are_refused_with_what_there_is(
    call: tuple[Callable[[Any], Any], Sequence[str]],
) -> None:
    made, options = call
    with pytest.raises(mm.MixedModelsError, match=options[-1]):
        made(f"{options[-1]}x")
    for bad in (7, "", "-"):
        with pytest.raises(mm.MixedModelsError):
            made(bad)


def test_no_two_options_have_the_same_letters() -> None:
    named = {name: value for name, value in vars(settings).items() if name.isupper()}
    every = [value for value in named.values() if isinstance(value, tuple)]
    every += [ADJUSTS, CONTRASTS, SHOWS, WEIGHTS, SORTS, PREDICTIONS, RESIDUALS, BELOW, CRITERIA]
    every.append(ROW_VARIANCES)
    assert len(every) > 25
    for options in every:
        names = [option for option in options if isinstance(option, str)]
        assert len({letters_of(name) for name in names}) == len(names)


def test_exact_names_come_first() -> None:
    assert spelled("A-b", ("a_b", "A-b")) == "A-b"
    assert spelled("AB", ("x",), {"ab": "x"}) == "x"
    assert spelled(True, (1, 2)) is None
    assert spelled(np.array(["a"]), ("a",)) is None


def test_terms_of_a_model_are_not_words_of_options() -> None:
    """A grouping factor called All is meant by its name in a list, and not all terms."""
    fit = mm.lmer("score ~ Machine + (1 | All)", DATA.rename(columns={"Worker": "All"}))
    with pytest.raises(mm.MixedModelsError, match=r"Write random=\['All'\]"):
        fit.predict(random="All")


@pytest.mark.parametrize(
    ("method", "written"), [("boot", "bootstrap"), ("Normal", "wald"), ("walt", "wald")]
)
def test_names_of_other_packages_are_told(method: Any, written: str) -> None:
    with pytest.raises(mm.MixedModelsError, match=f"(Write|Did you mean) '{written}'"):
        FIT.confint(method=method)


def test_of_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    DATA.to_csv(tmp_path / "data.csv", index=False)
    shown = []
    for words in (
        ("--confint", "wald", "--optimizer", "L-BFGS-B", "--na-action", "omit", "--ddf", "none"),
        ("--confint", "Wald", "--optimizer", "l_bfgs_b", "--na-action", "OMIT", "--ddf", "None"),
    ):
        assert main(["fit", FORMULA, str(tmp_path / "data.csv"), *words]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert "lower" in shown[0]
