"""Generalized models on the command line: fit, predict, compare, emmeans, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from unit.test_cli_schema import FORMS, faults

import mixedmodels as mm
from mixedmodels.cli import main

HERDS = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fits")
    mm.glmer(HERDS, mm.load_dataset("cbpp")).save(folder / "herds.mm")
    null = HERDS.replace("period", "1")
    mm.glmer(null, mm.load_dataset("cbpp")).save(folder / "null.mm")
    mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff")).save(folder / "linear.mm")
    return folder


@pytest.mark.parametrize(
    ("formula", "data", "options"),
    [
        (HERDS, "cbpp", ["--family", "binomial", "--n-agq", "5"]),
        (HERDS, "cbpp", ["--family", "binomial", "--link", "probit", "--confint", "wald"]),
        ("incidence/size ~ period + (1 | herd)", "cbpp", ["--family", "binomial", "--weights",
         "size", "--confint"]),
        ("TICKS ~ YEAR + (1 | BROOD)", "grouseticks", ["--family", "nb2"]),
        ("Reaction ~ Days + (1 | Subject)", "sleepstudy", ["--family", "gamma", "--threads", "1"]),
        ("TICKS ~ YEAR + (1 | LOCATION)", "grouseticks", ["--family", "nb2", "--dispersion",
         "~ YEAR", "--zero-inflation", "~ 1"]),
        ("TICKS ~ YEAR + (1 | LOCATION)", "grouseticks", ["--family", "poisson", "--reml",
         "--offset", "log(1 + HEIGHT)"]),
        (HERDS, "cbpp", ["--family", "binomial", "--link", "cloglog", "--information", "expected"]),
    ],
)  # fmt: skip
def test_fits(formula: str, data: str, options: list[str], capsys: Any, tmp_path: Path) -> None:
    target = tmp_path / "fit.mm"
    assert main(["fit", formula, data, *options, "--save", str(target), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert not list(faults(found, FORMS["$defs"]["fit"]))
    fit = mm.load(target)
    assert isinstance(fit, mm.GeneralizedLinearMixedFit)
    assert found["objective"] == fit.objective
    assert found["family"]["name"] == fit.family.name
    own = fit.dispersion if isinstance(fit.dispersion, float) else None
    assert found["family"]["dispersion"] == own
    assert found["sigma"] is None
    assert found["reml"] is ("--reml" in options)
    table = fit.component_table()
    assert [(c["component"], c["name"]) for c in found["components"]] == list(table.index)
    np.testing.assert_allclose([c["estimate"] for c in found["components"]], table["estimate"])
    assert main(["fit", formula, data, *options]) == 0
    assert f"Family: {fit.family.title} ({fit.family.link.name})" in capsys.readouterr().out


def test_predictions(saved: Path, capsys: Any) -> None:
    fit = mm.load(saved / "herds.mm")
    for options, expected in (
        ([], fit.predict()),
        (["--type", "link"], fit.predict(type="link")),  # type: ignore[call-arg]
        (["--random", "average"], fit.predict(random="average")),
    ):
        assert main(["predict", str(saved / "herds.mm"), *options, "--json"]) == 0
        table = json.loads(capsys.readouterr().out)["predictions"]
        place = table["columns"].index("prediction")
        np.testing.assert_allclose([row[place] for row in table["rows"]], expected)
    assert main(["predict", str(saved / "herds.mm"), "cbpp", "--interval", "prediction"]) == 0
    assert "std_error,lower,upper" in capsys.readouterr().out


def test_comparisons_and_means(saved: Path, capsys: Any) -> None:
    assert main(["compare", str(saved / "null.mm"), str(saved / "herds.mm")]) == 0
    out = capsys.readouterr().out
    assert "25.606" in out or "25.6" in out
    assert main(["emmeans", str(saved / "herds.mm"), "period", "--type", "response"]) == 0
    assert "Back-transformed from logit" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["fit", "y ~ 1 + (1 | g)", "cbpp", "--link", "log"], "--link is of use with --family"),
        (["fit", "y ~ 1 + (1 | g)", "cbpp", "--n-agq", "3"], "--n-agq is of use with --family"),
        (["fit", HERDS, "cbpp", "--family", "binomail"], "Did you mean 'binomial'"),
        (["fit", HERDS, "cbpp", "--family", "binomial", "--ml"], "--ml is of linear models"),
        (["fit", "y ~ 1 + (1 | g)", "cbpp", "--reml"], "fitted by REML unless --ml is given"),
        *((["fit", "y ~ 1 + (1 | g)", "cbpp", f"--{name}", value], f"--{name} is of use with")
          for name, value in (("dispersion", "~ x"), ("zero-inflation", "~ 1"),
                              ("information", "expected"))),
        (["fit", HERDS, "cbpp", "--family", "binomial", "--zero-inflation", "period"],
         "Write --zero-inflation '~ period'."),
        (["fit", HERDS, "cbpp", "--family", "binomial", "--zero-inflation", "~ 1"],
         "the binomial family does not have it"),
        (["fit", HERDS, "cbpp", "--family", "probit"], "Write --family binomial, --link probit."),
        (["fit", HERDS, "cbpp", "--family", "zip"], "with --zero-inflation '~ 1'"),
        (["fit", HERDS, "cbpp", "--family", "binomial", "--reml", "--n-agq", "5"], "no --reml"),
        (["emmeans", "herds.mm", "period", "--offset", "0"], "the model has no offset"),
        (["fit", HERDS, "cbpp", "--family", "binomial", "--memory", "1GB"], "--memory is of"),
        (["fit", HERDS, "cbpp", "--family", "binomial", "--n-agq", "-1"], "--n-agq is -1"),
        (["fit", HERDS, "cbpp", "--family", "binomial", "--link", "log2"], "--link is 'log2'"),
        (["fit", "incidence ~ 1 + (1 | herd)", "cbpp", "--family", "binomial"], "as --weights"),
        (["predict", "linear.mm", "--type", "mean"], "--type"),
        (["predict", "herds.mm", "--type", "mean"], "--type"),
        (["predict", "herds.mm", "--type", "link", "--interval", "prediction"],
         "take --interval confidence"),
        (["compare", "linear.mm", "herds.mm"], "different rows"),
    ],
)  # fmt: skip
def test_mistakes_in_the_words_of_the_shell(
    argv: list[str], says: str, saved: Path, capsys: Any
) -> None:
    argv = [str(saved / word) if word.endswith(".mm") else word for word in argv]
    assert main(argv) == 2
    assert says in capsys.readouterr().err
