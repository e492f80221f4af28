"""Transforms of formulaic, which is imported when a formula first calls one of them.

A plain formula needs none, and the import takes as long as everything else before a first fit.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def transform(name: str) -> Any:
    """One of formulaic's transforms by its name there, as ``natural_cubic_spline``."""
    return getattr(import_module("formulaic.transforms"), name)
