"""SciPy's kernels are loaded without `scipy.linalg`, which imports as ever before and after."""

from __future__ import annotations

import subprocess
import sys

import pytest

FIRST = "import sys\nfrom mixedmodels import _core\nassert 'scipy.linalg' not in sys.modules\n"
SOLVED = """
import numpy as np
import scipy.linalg
assert np.allclose(scipy.linalg.solve([[2.0, 1.0], [0.0, 4.0]], [3.0, 4.0]), [1.0, 1.0])
"""
FITTED = """
import mixedmodels as mm
fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
assert abs(fit.sigma - 49.5101) < 1e-3
"""
BOTH = ("cython_blas", "cython_lapack")
USES = {
    "package": "import scipy.linalg\n" + SOLVED,
    "lazily": "import scipy\nscipy.linalg.eigvalsh([[1.0]])\n",
    **{
        f"{way} {name}": text.format(name=name) + SOLVED
        for name in BOTH
        for way, text in {
            "attribute": "import scipy.linalg.{name}\nfound = scipy.linalg.{name}\n"
            "assert found.__pyx_capi__ and found is sys.modules['scipy.linalg.{name}']\n",
            "from": "from scipy.linalg import {name}\nassert {name}.__pyx_capi__\n",
            "by name": "from importlib import import_module\n"
            "found = import_module('scipy.linalg.{name}')\n"
            "import scipy.linalg\n"
            "assert found is scipy.linalg.{name} and found.__name__ == 'scipy.linalg.{name}'\n"
            "assert found.__spec__.name == found.__name__\n",
        }.items()
    },
    "other parts": "import scipy.special, scipy.sparse.linalg, scipy.optimize, scipy.stats\n",
    "threads": """
import threading
def use(name, failures):
    try:
        __import__(name)
    except BaseException as error:
        failures.append(error)
failures = []
started = [threading.Thread(target=use, args=("scipy.linalg", failures)) for _ in range(6)]
[thread.start() for thread in started]
[thread.join() for thread in started]
assert not failures, failures
"""
    + SOLVED,
}


def run(program: str) -> None:
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_scipy_imports_as_ever_after_the_core(use: str) -> None:
    run(FIRST + use)


@pytest.mark.parametrize("use", [USES["package"], USES["attribute cython_blas"]])
def test_the_core_imports_after_scipy(use: str) -> None:
    run("import sys\n" + use + FITTED + use)


def test_threads_import_the_core_and_scipy_at_once() -> None:
    run("""
import sys, threading
import numpy, pandas
sys.setswitchinterval(1e-6)
gate, failures = threading.Barrier(6), []
def use(name):
    gate.wait()
    try:
        __import__(name)
    except BaseException as error:
        failures.append(error)
names = ["mixedmodels._core", "scipy.linalg"] * 3
started = [threading.Thread(target=use, args=(name,)) for name in names]
[thread.start() for thread in started]
[thread.join() for thread in started]
assert not failures, failures
""" + SOLVED + FITTED)  # fmt: skip


@pytest.mark.parametrize(
    "hide",
    [
        "lapack.PathFinder = type('Nothing', (), {'find_spec': staticmethod(lambda *_: None)})",
        "lapack.find_spec = lambda _: None",
        "lapack.module_from_spec = lambda _: sys",
        "lapack.ExtensionFileLoader = type('Other', (), {})",
        "lapack._bootstrap = None",
    ],
)
def test_where_the_files_are_not_found_the_package_is_imported(hide: str) -> None:
    """As where SciPy is frozen into an application."""
    run("import sys\nfrom mixedmodels import lapack\n" + hide + "\n" + SOLVED + FITTED)


def test_the_kernels_work_in_a_forked_process() -> None:
    run(FIRST + """
import os
if not hasattr(os, "fork"):
    raise SystemExit
pid = os.fork()
if pid == 0:
    try:
        exec(SOLVED + FITTED)
    except BaseException:
        os._exit(1)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
""".replace("SOLVED + FITTED", repr(SOLVED + FITTED)))  # fmt: skip
