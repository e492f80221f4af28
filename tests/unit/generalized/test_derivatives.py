"""Gradients against differences: every family and link, every approximation."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.differences import WAYS, model_of, of_gradient, point
from benchmarks.simulated import kinds

KINDS = {kind.name: kind for kind in kinds(of_all_links=True)}


@pytest.mark.parametrize("name", KINDS)
def test_gradient_is_that_of_the_criterion(name: str) -> None:
    kind = KINDS[name]
    for way in WAYS:
        if not way.takes(kind):
            continue
        model = model_of(kind, way)
        given, criterion = point(kind, model), model.criterion()
        at = criterion.from_user(given)
        np.testing.assert_allclose(criterion.to_user(at), given, rtol=1e-12)
        assert of_gradient(criterion, at) < 1e-7, way.name
