"""Profiles that find deviances below that of the fit: fitted again, refused, or ended there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

import mixedmodels as mm
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.linear import Fitted
from mixedmodels.inference.curves import LowerDevianceError
from mixedmodels.inference.limits import from_optimum


class Falling:
    """A fit whose searches from lower deviances end as `then` says."""

    def __init__(self, status: str, objective: float, then: list[tuple[str, float]]) -> None:
        converged = status in ("converged", "boundary")
        self.optsum = SimpleNamespace(status=status, converged=converged, control=mm.Control())
        self.solution = SimpleNamespace(objective=objective)
        self.then = then

    def searched_again(self, _: object) -> Falling:
        (status, objective), *rest = self.then
        if status == "no value":
            raise MixedModelsError("The criterion cannot be computed.")
        return Falling(status, objective, rest)


def run(status: str, then: list[tuple[str, float]], lowest: float = 0.0) -> tuple[float, bool]:
    """Objective of the fit that the result is of, and whether lower deviances ended its curves."""

    def work(fit: Any, unbounded: bool) -> tuple[float, bool]:
        if fit.solution.objective > lowest and not unbounded:
            raise LowerDevianceError("lower", np.zeros(1))
        return fit.solution.objective, unbounded

    return from_optimum(cast("Fitted", Falling(status, 10.0, then)), work)


@pytest.mark.filterwarnings("ignore:A profile found")
def test_a_better_optimum_takes_the_place_of_the_fit() -> None:
    assert run("converged", [("converged", 5.0), ("boundary", 0.0)]) == (0.0, False)


@pytest.mark.parametrize("status", ["converged", "stalled", "unbounded"])
@pytest.mark.parametrize("end", [("stalled", 5.0), ("converged", 11.0), ("no value", 0.0)])
def test_curves_of_the_fit_end_where_no_search_from_there_converges(
    status: str, end: tuple[str, float]
) -> None:
    assert run(status, [end]) == (10.0, True)


@pytest.mark.filterwarnings("ignore:A profile found")
def test_optima_that_never_end_are_given_up() -> None:
    assert run("converged", [("converged", 10.0 - i) for i in range(1, 9)]) == (7.0, True)


@pytest.mark.parametrize(
    ("status", "end"), [("stalled", ("converged", 5.0)), ("max_evaluations", ("stalled", 5.0))]
)
def test_fits_that_are_not_at_their_optimum_are_refused(
    status: str, end: tuple[str, float]
) -> None:
    with pytest.raises(LowerDevianceError):
        run(status, [end])
