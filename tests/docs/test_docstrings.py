"""Runs the examples of every docstring and compares what they print with what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from printed import agrees

import mixedmodels

# Modules for packages that are not among those of the tests.
# Modules that import a package which the tests do without.
OPTIONAL = {
    "mixedmodels.adapters.marginaleffects": "marginaleffects",
    "mixedmodels.adapters.scikit_learn": "sklearn",
    "mixedmodels.optimize.nlopt_extra": "nlopt",
}
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(mixedmodels.__path__, "mixedmodels.")
    if not module.name.endswith("._core")
    and not (module.name in OPTIONAL and find_spec(OPTIONAL[module.name]) is None)
)


class Checker(doctest.OutputChecker):
    """Printed text is compared as that of the pages is."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return agrees(want, got)


def examples_of(name: str) -> list[doctest.DocTest]:
    found = doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name))
    return [test for test in found if test.examples]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    report: list[str] = []
    for test in examples_of(name):
        doctest.DocTestRunner(checker=Checker(), verbose=False).run(test, out=report.append)
    assert not report, "".join(report)


def test_there_are_examples() -> None:
    counted = sum(len(test.examples) for name in MODULES for test in examples_of(name))
    assert counted > 100
