"""Arguments that are text, of any length and depth: an answer within seconds, in few words."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm


@cache
def data() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({name: rng.normal(size=60) for name in "yxz"})
    return table.assign(f=rng.choice(list("abc"), 60), g=np.arange(60) % 6, k=rng.poisson(2.0, 60))


@cache
def fit() -> mm.LinearMixedFit:
    return mm.lmer("y ~ f * x + (1 | g)", data(), threads=1)


@cache
def counts() -> mm.GeneralizedLinearMixedFit:
    return mm.glmer("k ~ f * x + (1 | g)", data(), "poisson", threads=1)


def power(formula: str, test: str) -> Any:
    return mm.power(
        formula,
        data(),
        beta=[0.0, 0.1],
        sd={"g": [1.0]},
        sigma=1.0,
        nsim=2,
        test=test,
        progress=False,
    )


def refusal(call: Callable[[], Any]) -> str:
    """What the library says against a call; nothing where it answers."""
    try:
        call()
    except mm.MixedModelsError as error:
        return str(error)
    return ""


PLAIN = "y ~ x + (1 | g)"
TAKERS: dict[str, Callable[[str], Any]] = {
    "fixed": lambda text: mm.lmer(f"y ~ {text} + (1 | g)", data(), threads=1),
    "weights": lambda text: mm.lmer(PLAIN, data(), weights=text, threads=1),
    "contrasts": lambda text: mm.lmer("y ~ f + (1 | g)", data(), contrasts={"f": text}),
    "memory": lambda text: mm.lmer(PLAIN, data(), memory=text),
    "optimizer": lambda text: mm.lmer(PLAIN, data(), optimizer=text),
    "source": lambda text: mm.lmer(PLAIN, text),
    "plan": lambda text: mm.plan(f"y ~ {text} + (1 | g)", data(), executor=mm.Threads(1)),
    "zero inflation": lambda text: mm.glmer(
        "k ~ x + (1 | g)", data(), "poisson", zero_inflation=f"~ {text}", threads=1
    ),
    "dispersion": lambda text: mm.glmer(
        "k ~ x + (1 | g)", data(), "negative_binomial", dispersion=f"~ {text}", threads=1
    ),
    "family": lambda text: mm.glmer("k ~ x + (1 | g)", data(), text),
    "test": lambda text: fit().test(text),
    "tests": lambda text: counts().test([text, text]),
    "emmeans": lambda text: fit().emmeans(text),
    "emmeans by": lambda text: fit().emmeans("f", by=text),
    "emtrends": lambda text: fit().emtrends("f", text),
    "joint tests": lambda text: fit().joint_tests(by=text),
    "update": lambda text: fit().update(f". ~ . + {text}"),
    "random": lambda text: fit().predict(random=[text]),
    "profile": lambda text: fit().profile(text),
    "limits": lambda text: fit().confint(text),
    "robust": lambda text: fit().vcov_robust(text),
    "influence": lambda text: fit().influence(text),
    "power": lambda text: power(f"~ {text} + (1 | g)", "x"),
    "power, test": lambda text: power("~ x + (1 | g)", text),
    "list": lambda text: mm.lm_list(f"y ~ {text} | g", data()),
    "data set": mm.load_dataset,
    "file": mm.load,
}
TEXTS: dict[str, Callable[[int], str]] = {
    "a name": lambda n: "x" * n,
    "digits": lambda n: "1" * n,
    "brackets": lambda n: "(" * n + "x" + ")" * n,
    "a sum": lambda n: "x" + " + x" * n,
    "a hypothesis": lambda n: "x" + " + 2 * x" * n + " = 0",
    "signs": lambda n: "-" * n + "x = 0",
    "a margin": lambda n: "f" + " | f" * n,
    "a home folder": lambda n: "~" + "x" * n,
    "interactions": lambda n: "pairwise ~ f" + ":f" * n,
    "backticks": lambda n: "`" * n,
    "bytes": lambda n: "2" * n + " * x = 0",
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("taker", TAKERS)
def test_long_texts_are_answered_soon_and_shortly(taker: str, text: str) -> None:
    fit(), counts()
    for size in (300, 100_000):
        began = time.process_time()
        assert len(refusal(lambda size=size: TAKERS[taker](TEXTS[text](size)))) < 5000
        assert time.process_time() - began < 5.0


def test_of_a_long_message_beginning_and_end_are_kept() -> None:
    message = str(mm.DataError("Column '" + "x" * 10_000 + "' is not there; rename it."))
    assert message.startswith("Column 'xxx")
    assert message.endswith("xxx' is not there; rename it.")
    assert "7,034 characters left out" in message


@pytest.mark.parametrize("name", ["~nobody-of-that-name/rows.parquet", "x" * 5000, "a/" * 3000])
def test_paths_that_no_system_takes(name: str, tmp_path: Path) -> None:
    for given in (name, str(tmp_path / name)):
        with pytest.raises(mm.FileError):
            mm.plan(PLAIN, given)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x" + " + x" * 5000, "20,001 characters"),
        ("(" * 60 + "x" + ")" * 60, "more than 50 parentheses"),
    ],
)
def test_a_hypothesis_has_limits(text: str, words: str) -> None:
    with pytest.raises(mm.MixedModelsError, match=words):
        fit().test(text)
