"""Settings for all tests. Warnings are errors: see [tool.pytest.ini_options] in pyproject.toml."""

from __future__ import annotations

import os

from hypothesis import settings

# Pictures are drawn into memory: the tests run where there is no screen.
os.environ["MPLBACKEND"] = "Agg"

# How long an example takes depends on the machine: no deadline. CI draws the same examples always.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")
