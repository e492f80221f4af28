"""A copy of the response under another name is named, whatever its role and type."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Rounded responses, so that their copy has levels of several rows."""
    rng = np.random.default_rng(11)
    g = np.repeat(np.arange(15), 12)
    x = rng.normal(size=len(g))
    y = np.round(20 + 3 * rng.normal(size=15)[g] + 2 * x + rng.normal(size=len(g)))
    frame = pd.DataFrame({"y": y, "x": x, "g": g.astype(str), "h": g % 4})
    frame["number"], frame["text"] = y, y.astype(str)
    frame["category"] = pd.Categorical(frame["text"])
    frame["scaled"] = 50.0 - 0.3 * y
    frame["half"] = rng.normal(size=len(g))
    frame["rest"] = y - frame["half"]
    return frame


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("response", ["y", "log(y)", "I(-y)"])
@pytest.mark.parametrize("name", ["number", "text", "category", "scaled"])
@pytest.mark.parametrize("term", ["(1 | {})", "(x | {})", "(1 | g) + (1 | {})", "(1 | {}/h)"])
def test_as_grouping_factor(
    table: pd.DataFrame, response: str, name: str, term: str, reml: bool
) -> None:
    with pytest.warns(mm.NotIdentifiedWarning, match=f"level of '{name}' have the same response"):
        fit = mm.lmer(f"{response} ~ x + {term.format(name)}", table, reml=reml)
    assert any(f"'{name}' may be the response" in message for message in fit.messages)


@pytest.mark.parametrize(
    ("term", "name"),
    [
        ("({} | g)", "number"),
        ("(0 + {} | g)", "number"),
        ("({} || g)", "number"),
        ("({} | g)", "scaled"),
        ("({} || g)", "scaled"),
    ],
)
def test_as_slope(table: pd.DataFrame, term: str, name: str) -> None:
    with pytest.warns(mm.NotIdentifiedWarning, match=f"has '{name}' as a covariate"):
        mm.lmer(f"y ~ x + {term.format(name)}", table)


@pytest.mark.parametrize(
    ("fixed", "named"),
    [
        ("number", "'number'"),
        ("x + scaled", "'scaled'"),
        ("factor(text)", "'factor\\(text\\)"),
        ("half + x + rest", "'half', 'rest'"),
    ],
)
def test_in_the_fixed_part(table: pd.DataFrame, fixed: str, named: str) -> None:
    with pytest.raises(mm.ModelError, match=f"It can be computed from {named}"):
        mm.lmer(f"y ~ {fixed} + (1 | g)", table)


def test_small_residuals_are_not_taken_for_zero(table: pd.DataFrame) -> None:
    rng = np.random.default_rng(3)
    near = table.assign(y=table["number"] + 1e-5 * rng.normal(size=len(table)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = mm.lmer("y ~ x + (1 | number)", near)
    assert fit.sigma == pytest.approx(1e-5, rel=0.2)


@pytest.mark.filterwarnings("ignore::mixedmodels.SingularFitWarning")
@pytest.mark.parametrize(
    ("places", "words"),
    [(1, "1 decimal"), (2, "2 decimals"), (0, "whole numbers"), (-1, "multiples of 10")],
)
def test_a_rounded_copy_is_named(places: int, words: str) -> None:
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"g": np.repeat(np.arange(12), 10), "x": rng.normal(size=120)})
    data["y"] = 500 + 90 * rng.normal(size=12)[data["g"]] + 40 * rng.normal(size=120) + data["x"]
    data["copy"] = data["y"].round(places)
    fit = mm.lmer("y ~ x + copy + (1 | g)", data)
    expected = f"'copy' is the response 'y' rounded to {words} in every row"
    assert [message for message in fit.messages if expected in message]
    data.loc[7, "copy"] += 10.0**-places
    again = mm.lmer("y ~ x + copy + (1 | g)", data)
    assert not any("rounded" in message for message in again.messages)


@pytest.mark.filterwarnings("ignore::mixedmodels.SingularFitWarning")
def test_no_other_covariate_is_called_a_copy() -> None:
    """Two measurements of the same, and scores of few values."""
    rng = np.random.default_rng(6)
    data = pd.DataFrame({"g": np.repeat(np.arange(12), 10)})
    data["y"] = 500 + 90 * rng.normal(size=120)
    data["again"] = (data["y"] + 0.3 * rng.normal(size=120)).round()
    data["few"] = (data["y"] / 300).round() * 300
    for name in ("again", "few"):
        fit = mm.lmer(f"y ~ {name} + (1 | g)", data)
        assert not any("rounded" in message for message in fit.messages)


def test_a_response_whose_squares_overflow_is_looked_at() -> None:
    rng = np.random.default_rng(2)
    table: dict[str, np.ndarray] = {
        "v": rng.choice([-1e300, 1e300, 1e-300], 48),
        "x": rng.normal(size=48),
    }
    table["g"] = np.tile(np.arange(8), 6)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("ignore", UserWarning)
        fit = mm.lmer("v ~ x + (1 | g)", table, offset="1 + v")
        assert not any("rounded" in message for message in fit.messages)
