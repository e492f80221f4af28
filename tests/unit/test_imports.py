"""Which modules of the package import which."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import mixedmodels
from mixedmodels.fit.mixed import MixedFit
from mixedmodels.fit.values import Values
from mixedmodels.lazy import late_module

ROOT = Path(mixedmodels.__file__).parent


def modules() -> dict[str, Path]:
    """Every module by its name."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = path
    return found


def imports(every: dict[str, Path]) -> dict[str, set[str]]:
    """What each module imports: at once, later by name, or for type checkers alone."""
    graph = {}
    for name, path in every.items():
        targets = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    module = f"{node.module}.{alias.name}"
                    targets.add(module if module in every else node.module)
            if isinstance(node, ast.Import):
                targets |= {alias.name for alias in node.names}
            if isinstance(node, ast.Constant) and node.value != "mixedmodels":
                targets.add(str(node.value))
        graph[name] = (targets & every.keys()) - {name}
    return graph


def test_only_a_model_and_its_fit_import_each_other() -> None:
    """They do by types and by name; everything else stands in one order."""
    graph = imports(modules())
    for folder in ("mixedmodels.generalized", "mixedmodels.linear"):
        pair = {f"{folder}.{part}" for part in ("fit", "model", "restoring")}
        assert pair <= graph.keys()
        for name in graph:
            graph[name] = {folder if target in pair else target for target in graph[name]} - {name}
        graph[folder] |= set().union(*(graph.pop(part) for part in pair))
        graph[folder].discard(folder)
    assert len(list(TopologicalSorter(graph).static_order())) == len(graph)  # or CycleError


def test_the_workspace_is_reached_through_the_criterion_alone() -> None:
    """No lock is taken by hand, and nothing else reads what depends on where a workspace stands.

    Locks that forks take know no workspace.
    """
    guarded = {"lock", "acquire", "release", "evaluator", "stands_at"}
    core = {"Evaluator", "SearchOptions", "derivatives", "fit", "fit_without", "kenward_roger_sums",
            "predict_rows", "row_values", "settle"}  # fmt: skip
    outside = {n: path for n, path in modules().items() if ".criterion" not in n}
    assert len(modules()) - len(outside) >= 7
    del outside["mixedmodels.forks"]
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


LATE = (
    *(
        "argparse",
        "formulaic",
        "importlib.metadata",
        "matplotlib",
        "narwhals",
        "nlopt",
        "numpy.f2py",
        "numpy.testing",
    ),
    *("polars", "scipy.interpolate", "scipy.linalg", "scipy.optimize", "scipy.sparse"),
    *("scipy.special", "scipy.stats", "unittest"),
)
"""What a plain formula on a pandas table does not need."""

TABLES = {
    "pandas": "data",
    "dict of arrays": "{name: data[name].to_numpy() for name in data.columns}",
}
FORMULAS = (
    "Reaction ~ Days + (Days | Subject)",
    "Reaction ~ 1 + (1 | Subject)",
    "Reaction ~ log(Days + 1) + I(Days^2) + (1 | Subject) + (0 + Days | Subject)",
    "Reaction ~ factor(Days) + (1 | Subject)",
)


def imported(*lines: str) -> list[str]:
    """Which of the late modules a process has imported that ran these lines."""
    counted = (
        "import sys, pandas",
        "old = set(sys.modules)",
        *lines,
        "print({*sys.modules} - old)",
    )
    command = [sys.executable, "-c", "\n".join(counted)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return sorted(set(LATE) & ast.literal_eval(found.stdout.splitlines()[-1]))


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("formula", FORMULAS)
def test_a_plain_fit_imports_nothing_that_it_does_not_need(formula: str, table: str) -> None:
    found = imported(
        "import mixedmodels as mm",
        "data = mm.load_dataset('sleepstudy')",
        f"mm.lmer({formula!r}, {table})",
    )
    assert found == []


def test_a_printed_fit_does_without_what_takes_long_to_import() -> None:
    """P-values of t are the core's: SciPy's special functions import its linear algebra."""
    found = imported(
        "import mixedmodels as mm",
        "str(mm.lmer('Yield ~ 1 + (1 | Batch)', mm.load_dataset('dyestuff')).summary())",
    )
    late = {"formulaic", "matplotlib", "narwhals", "nlopt", "polars"}
    late |= {"scipy.special", "scipy.linalg", "scipy.optimize", "scipy.stats"}
    assert not late & set(found)


@pytest.mark.parametrize(
    ("needed", "lines"),
    [
        ("formulaic", "mm.lmer('Reaction ~ poly(Days, 2) + (1 | Subject)', data)"),
        ("scipy.special", "mm.lmer('Reaction ~ plogis(Days) + (1 | Subject)', data)"),
        ("scipy.sparse", "mm.LinearMixedModel('Reaction ~ Days + (1 | Subject)', data).Zt"),
        ("narwhals", "mm.lmer('y ~ 1 + (1 | g)', {'y': [1.0, 2.5, 2.0, 4.0], 'g': [*'aabb']})"),
    ],
)
def test_what_a_fit_needs_is_imported_when_it_is_needed(needed: str, lines: str) -> None:
    found = imported("import mixedmodels as mm", "data = mm.load_dataset('sleepstudy')", lines)
    assert needed in found


def test_a_late_module_is_imported_when_something_is_read_of_it() -> None:
    module = late_module("colorsys")
    sys.modules.pop("colorsys", None)
    assert "colorsys" not in sys.modules
    assert module.rgb_to_hsv(0.0, 0.0, 1.0)[2] == 1.0
    assert module.rgb_to_hsv is sys.modules["colorsys"].rgb_to_hsv
    with pytest.raises(AttributeError, match="colorsys"):
        module.no_such_name  # noqa: B018
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        late_module("no_such_module").anything  # noqa: B018


def test_marginal_means_are_imported_when_they_are_asked_for() -> None:
    found = imported(
        "import mixedmodels as mm",
        "fit = mm.lmer('score ~ Machine + (1 | Worker)', mm.load_dataset('machines'))",
        "assert not [name for name in sys.modules if name.startswith('mixedmodels.marginal.')]",
        "str(fit.emmeans('Machine').pairs())",
    )
    assert "scipy.special" in found
    assert not {"formulaic", "matplotlib", "narwhals", "scipy.optimize", "scipy.stats"} & {*found}
