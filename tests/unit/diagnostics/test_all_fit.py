"""One model by every optimizer."""

from __future__ import annotations

import pytest

from mixedmodels import Control, MixedModelsError, lmer, load_dataset
from mixedmodels.optimize.nlopt_extra import has_nlopt
from mixedmodels.settings import OPTIMIZERS


def test_all_agree() -> None:
    fit = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
    table = fit.all_fit()
    absent = {"auto"} | (set() if has_nlopt() else {"BOBYQA"})
    assert set(table.index) == set(OPTIMIZERS) - absent
    assert list(table.columns[:2]) == ["objective", "difference"]
    assert list(table.columns[2:5]) == fit.theta_names
    assert table["converged"].all()
    # Derivative-free methods stop where the criterion cannot tell points apart.
    assert table["difference"].max() < 1e-7
    assert abs(table["objective"].min() - fit.objective) < 1e-8


def test_one_parameter_and_a_choice() -> None:
    fit = lmer("Yield ~ 1 + (1 | Batch)", load_dataset("dyestuff"))
    assert list(fit.all_fit("Powell").index) == ["Powell"]
    fit = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
    table = fit.all_fit(["Nelder-Mead", "quasi-newton"], control=Control(max_evaluations=2))
    assert list(table.index) == ["Nelder-Mead", "quasi-newton"]
    assert not table["converged"]["Nelder-Mead"]
    assert table["message"]["Nelder-Mead"]


def test_refused() -> None:
    fit = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
    with pytest.raises(MixedModelsError, match="optimizer is 'BFGS'"):
        fit.all_fit(["BFGS"])  # type: ignore[list-item]
    with pytest.raises(MixedModelsError, match="optimizers is empty"):
        fit.all_fit([])
