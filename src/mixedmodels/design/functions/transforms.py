"""Transforms of formulaic, which is imported when a formula first calls one of them.

A plain formula needs none, and the import takes as long as everything else before a first fit.
"""

from __future__ import annotations

from mixedmodels.lazy import late_module

transforms = late_module("formulaic.transforms")
