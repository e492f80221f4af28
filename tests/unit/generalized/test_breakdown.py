"""Fits without an optimum say why, and simulated fits of every kind have one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.simulated import DESIGNS, Kind, compare, formula, kinds, table

import mixedmodels as mm

KINDS = {kind.name: kind for kind in kinds()}


def fit_of(kind: Kind, design: str, seed: int) -> mm.GeneralizedLinearMixedFit:
    options: dict[str, Any] = dict(kind.more)
    data = table(kind, design, seed)
    return mm.glmer(formula(kind, design), data, kind.family, link=kind.link, **options)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", KINDS)
def test_fits_of_every_kind_converge(name: str) -> None:
    for design in DESIGNS:
        fit = fit_of(KINDS[name], design, 0)
        assert fit.converged, fit.optsum
        assert fit.optsum.status in ("converged", "boundary")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "design", "seed"),
    [
        ("poisson sqrt", "slopes", 1),
        ("gamma log dispersion", "slopes", 1),
        ("gaussian inverse", "crossed", 0),  # responses near zero, whose inverse is large
    ],
)
def test_their_ends_are_as_low_as_those_of_another_program(
    name: str, design: str, seed: int
) -> None:
    apart, above = compare(KINDS[name], fit_of(KINDS[name], design, seed))
    assert apart < 1e-8
    assert above < 1e-8


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "design", "seed", "level", "remedy"),
    [
        ("poisson log zero_inflation", "slopes and crossed", 2, "'7' of 'a'", "zero_inflation"),
        ("inverse_gaussian identity", "slopes", 4, "'4' of 'a'", "n_agq=9"),
        ("negative_binomial identity", "slopes", 2, "'3' of 'a'", "n_agq=9"),
    ],
)
def test_a_mode_that_dissolves_is_named(
    name: str, design: str, seed: int, level: str, remedy: str
) -> None:
    fit = fit_of(KINDS[name], design, seed)
    assert not fit.converged
    assert fit.optsum.status == "unbounded"
    (said,) = [message for message in fit.messages if "Not converged" in message]
    assert "Laplace's approximation breaks down" in said
    assert level in said
    assert remedy in said
    assert not any("is flat" in message or "next term" in message for message in fit.messages)


@pytest.mark.filterwarnings("ignore")
def test_quadrature_has_an_optimum_where_a_mode_dissolves() -> None:
    fit = fit_of(KINDS["inverse_gaussian identity"], "slopes", 4)
    assert fit.update(n_agq=9).converged
    assert fit.update(n_agq=15).objective == pytest.approx(fit.update(n_agq=9).objective, abs=0.01)


def test_means_at_the_bound_of_a_family_are_named() -> None:
    with pytest.warns(mm.ConvergenceWarning, match="1 row has reached the bound") as caught:
        fit = fit_of(KINDS["negative_binomial identity"], "slopes", 1)
    assert not any("Rescale" in str(warning.message) for warning in caught)
    assert fit.optsum.status == "unbounded"
    assert 'link="log"' in fit.messages[-1]


def test_a_start_without_a_mode_is_said() -> None:
    rng = np.random.default_rng(6)
    g, x = rng.integers(0, 10, 80), rng.normal(size=80)
    y = rng.wald(1 / np.clip(1 + 0.4 * x, 0.1, None), 3.0)
    data = {"y": y, "x": x, "g": g}
    with pytest.raises(mm.MixedModelsError, match=r'inverse link. Take another link \(link="log"'):
        mm.glmer("y ~ x + (1 | g)", data, "inverse_gaussian", link="inverse")
    assert mm.glmer("y ~ x + (1 | g)", data, "inverse_gaussian", link="log").converged


@pytest.mark.filterwarnings("ignore")
def test_the_reason_is_kept_in_files(tmp_path: Path) -> None:
    fit = fit_of(KINDS["negative_binomial identity"], "slopes", 1)
    fit.save(tmp_path / "fit.mm")
    assert mm.load(tmp_path / "fit.mm").messages == fit.messages
