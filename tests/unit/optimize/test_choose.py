"""The choice of a method: what it depends on, and that its figures are those of real searches."""

from __future__ import annotations

import pytest

import mixedmodels as mm
from mixedmodels.optimize.choose import cheapest


@pytest.mark.parametrize(
    ("gradient", "m", "name"),
    [
        (2.0, 1, "quasi-newton"),
        (2.0, 2, "quasi-newton"),
        (5.0, 1, "brent"),
        (5.0, 2, "quasi-newton"),
        (12.0, 2, "COBYQA"),
        (12.0, 4, "quasi-newton"),
    ],
)
def test_a_dear_gradient_is_left_out(gradient: float, m: int, name: str) -> None:
    chosen, reason = cheapest(1e6, gradient * 1e6, m)
    assert chosen == name
    assert "flop" in reason or "exact gradient" in reason


@pytest.mark.parametrize(
    ("formula", "data", "without"),
    [
        ("Reaction ~ Days + (1 | Subject)", "sleepstudy", "brent"),
        ("diameter ~ 1 + (1 | plate) + (1 | sample)", "penicillin", "COBYQA"),
    ],
)
def test_the_choice_is_the_cheaper_one(formula: str, data: str, without: str) -> None:
    """Counted in values of the criterion, a gradient as two: what `auto` took is no more."""
    chosen = mm.lmer(formula, mm.load_dataset(data))
    other = mm.lmer(formula, mm.load_dataset(data), optimizer=without)  # type: ignore[arg-type]
    assert chosen.optsum.reason.startswith("predicted")
    assert abs(chosen.objective - other.objective) < 1e-6
    spent = [f.optsum.n_objective + 2 * f.optsum.n_gradient for f in (chosen, other)]
    assert spent[0] <= spent[1]
