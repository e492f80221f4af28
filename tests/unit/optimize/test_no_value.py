"""Methods of SciPy and NLopt where the criterion has no value in much of the space."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from mixedmodels.arrays import FloatArray
from mixedmodels.optimize.methods import METHODS
from mixedmodels.optimize.problem import Problem
from mixedmodels.settings import Control, OptimizerName


class Narrow:
    """A quadratic in a few parameters, without a value where one is larger than an edge."""

    names = ("a", "b", "c")
    lower_bounds = np.array([0.0, 0.0, -np.inf])
    unit = np.ones(3)

    def __init__(self, edge: float, steep: float) -> None:
        self.edge, self.steep = edge, steep

    def value(self, par: FloatArray) -> float:
        if (par > self.edge).any():
            return np.nan
        return self.steep * float(((par - [0.3, 0.0, -0.2]) ** 2).sum())

    def gradient(self, par: FloatArray) -> FloatArray:
        found: FloatArray = 2.0 * self.steep * (par - np.array([0.3, 0.0, -0.2]))
        return found

    def typical_size(self, start: FloatArray) -> FloatArray:
        found: FloatArray = np.maximum(np.abs(start), 0.1)
        return found

    def to_user(self, par: FloatArray) -> FloatArray:
        return par


@pytest.mark.parametrize("edge", [0.31, 0.6, 1.0])
@pytest.mark.parametrize("steep", [1.0, 1e10])
@pytest.mark.parametrize("name", METHODS)
def test_a_search_at_an_edge_says_nothing_of_overflow(
    name: OptimizerName, edge: float, steep: float
) -> None:
    if name == "BOBYQA" and importlib.util.find_spec("nlopt") is None:
        pytest.skip("needs NLopt")
    problem = Problem(Narrow(edge, steep), Control())  # type: ignore[arg-type]
    ended = METHODS[name](problem, np.array([0.25, 0.1, 0.2]))
    assert problem.best is not None
    assert problem.best[0] <= problem.trace[0][0]
    np.testing.assert_array_less(ended.par, edge + 1e-12)
