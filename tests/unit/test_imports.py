"""The modules of the package form no circle, neither by imports nor by those for type checkers."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import mixedmodels
from mixedmodels.fit.mixed import MixedFit
from mixedmodels.fit.values import Values

ROOT = Path(mixedmodels.__file__).parent


def modules() -> dict[str, Path]:
    """Every module but the package itself, whose typing imports name all that is public."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = path
    del found["mixedmodels"]
    return found


def test_no_circle_of_imports() -> None:
    every = modules()
    graph = {}
    for name, path in every.items():
        targets = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    module = f"{node.module}.{alias.name}"
                    targets.add(module if module in every else node.module)
        graph[name] = (targets & every.keys()) - {name}
    assert len(list(TopologicalSorter(graph).static_order())) == len(every)  # or CycleError


def test_the_workspace_is_reached_through_the_criterion_alone() -> None:
    """No lock is taken by hand, and nothing else reads what depends on where a workspace stands."""
    guarded = {"lock", "acquire", "release", "evaluator", "stands_at"}
    core = {"Evaluator", "SearchOptions", "derivatives", "fit", "fit_without", "kenward_roger_sums",
            "predict_rows", "row_values", "settle"}  # fmt: skip
    outside = {n: path for n, path in modules().items() if ".criterion" not in n}
    assert len(modules()) - len(outside) >= 7
    for name, path in outside.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                assert node.attr not in guarded, (name, node.lineno)
            if isinstance(node, ast.ImportFrom) and node.module == "mixedmodels._core":
                assert core.isdisjoint(alias.name for alias in node.names), name


def test_roles_of_a_fit_derive_from_its_values_alone() -> None:
    assert len(MixedFit.__bases__) > 5
    for role in MixedFit.__bases__:
        assert role.__bases__ == (Values,)


PLAIN = """
import sys
import mixedmodels as mm
fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
str(fit.summary())
late = {"formulaic", "matplotlib", "scipy.optimize", "scipy.interpolate", "polars"}
print(sorted(late & set(sys.modules)))
mm.lmer("Reaction ~ poly(Days, 2) + (1 | Subject)", mm.load_dataset("sleepstudy"))
print("formulaic" in sys.modules)
"""


def test_a_plain_formula_imports_nothing_that_it_does_not_need() -> None:
    found = subprocess.run(
        [sys.executable, "-c", PLAIN], capture_output=True, text=True, check=True
    )
    assert found.stdout.split("\n")[:2] == ["[]", "True"]
