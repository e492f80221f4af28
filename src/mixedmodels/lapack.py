"""BLAS and LAPACK of SciPy for the core, without the import of all of `scipy.linalg`.

SciPy exports its dense kernels for Cython in two extension modules. The package around them takes
several times as long to import as a small model takes to fit, and a plain fit needs nothing else of
it. So the two are loaded from their files, and then forgotten: a later import of `scipy.linalg`
goes the ordinary way and finds the same modules, initialised.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib import (
    _bootstrap,
    import_module,
)
from importlib.machinery import ExtensionFileLoader, PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType

_PACKAGE = "scipy.linalg"
_kept: list[ModuleType] = []  # the interpreter may not unload what the core calls


def kernels(name: str) -> ModuleType:
    """``cython_blas`` or ``cython_lapack`` of SciPy."""
    with _no_other_import():
        module = None if _PACKAGE in sys.modules else _from_file(f"{_PACKAGE}.{name}")
    if module is None:
        module = import_module(f"{_PACKAGE}.{name}")
    _kept.append(module)
    return module


def _no_other_import() -> AbstractContextManager[object]:
    """Other threads that import `scipy.linalg` meanwhile wait, as for any import under way.

    Python has no public name for this lock. Without it a thread might see a module half made.
    """
    lock: Callable[[str], AbstractContextManager[object]] | None
    lock = getattr(_bootstrap, "_ModuleLockManager", None)
    return nullcontext() if lock is None else lock(_PACKAGE)


def _from_file(name: str) -> ModuleType | None:
    """The extension module of this name; None where it must be imported in the ordinary way."""
    if name in sys.modules:
        return None
    package = find_spec(_PACKAGE)  # imports scipy itself, which prepares what Windows loads
    places = package.submodule_search_locations if package else None
    spec = PathFinder.find_spec(name, places) if places else None
    if spec is None or not isinstance(spec.loader, ExtensionFileLoader):
        return None
    try:
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
    except ImportError:
        return None
    finally:
        sys.modules.pop(name, None)  # Cython enters it
    return module if getattr(module, "__pyx_capi__", None) else None
