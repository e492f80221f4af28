"""Fits that several tests look at."""

from __future__ import annotations

import pytest

import mixedmodels as mm
from mixedmodels.linear import LinearMixedFit


@pytest.fixture(scope="session")
def slopes() -> LinearMixedFit:
    """By REML, so that whatever needs ML has to fit again."""
    return mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))


@pytest.fixture(scope="session")
def machines() -> LinearMixedFit:
    """Three correlated effects a level."""
    return mm.lmer("score ~ Machine + (Machine | Worker)", mm.load_dataset("machines"), reml=False)
