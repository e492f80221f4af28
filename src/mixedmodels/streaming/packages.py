"""Optional packages that read large data: imported here alone, when they are first needed."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from mixedmodels.errors import MixedModelsError


def optional(module: str, extra: str) -> Any:
    """A module of an optional package.

    Args:
        module: Its name, such as ``"pyarrow.dataset"``.
        extra: The extra of this package that installs it.

    Raises:
        MixedModelsError: It is not installed; with the command that installs it.
    """
    package = module.partition(".")[0]
    if find_spec(package) is None:
        memory = (
            " Data that fit into memory need no more: read the file, as by pandas.read_csv, or "
            "call .collect() of a lazy table."
        )
        raise MixedModelsError(
            f"Large data need the package {package}: pip install 'mixedmodels[{extra}]'."
            f"{memory if package == 'pyarrow' else ''}"
        )
    return import_module(module)


def pyarrow() -> Any:
    """The package that all sources go through; raises as `optional`."""
    return optional("pyarrow", "arrow")
