"""Settings for all tests. Warnings are errors: see [tool.pytest.ini_options] in pyproject.toml."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Files that take longest, of which none should be left for one process at the end.
SLOW = (
    "test_saturated.py",
    "test_pickles.py",
    "test_interrupts.py",
    "test_cli_process.py",
    "test_lapack.py",
    "test_values_against_lme4.py",
    "test_standalone_figures.py",
    "test_docs.py",
    "test_fuzz.py",
    "test_predict.py",
    "test_oracle.py",
)

# Pictures are drawn into memory: the tests run where there is no screen.
os.environ["MPLBACKEND"] = "Agg"

# How long an example takes depends on the machine: no deadline. CI draws the same examples always.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow files first; all others in the order in which they were found."""
    place = {name: number for number, name in enumerate(SLOW)}
    items.sort(key=lambda item: place.get(Path(item.path).name, len(SLOW)))
