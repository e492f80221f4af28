"""Gradients and Hessians against differences: every family and link, every approximation."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.differences import WAYS, Way, model_of, of_gradient, of_hessian
from benchmarks.simulated import Kind, kinds, point

from mixedmodels.families.catalogue import FAMILIES

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


def is_quick(kind: Kind, way: Way) -> bool:
    """Whether a gradient takes little: not at many nodes."""
    usual = kind.link == FAMILIES[kind.family].links[0] and not kind.more
    return usual or way.options.get("n_agq", 1) <= 1


@pytest.mark.parametrize("name", KINDS)
def test_hessian_is_that_of_the_gradient(name: str) -> None:
    kind = KINDS[name]
    for way in WAYS:
        if not (way.takes(kind) and is_quick(kind, way)):
            continue
        model = model_of(kind, way)
        criterion = model.criterion()
        at = criterion.from_user(point(kind, model))
        assert of_hessian(criterion, at) < 1e-6, way.name
