"""Fits that earlier format versions have written are loaded, with their numbers."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

import mixedmodels as mm
from mixedmodels.storage.fits import VERSION

SAVED = Path(__file__).parents[1] / "reference" / "saved"
FILES = sorted(SAVED.glob("version-*.mm"))


@pytest.fixture(scope="module")
def make() -> ModuleType:
    """The script that has written the files."""
    spec = importlib.util.spec_from_file_location("make", SAVED / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_are_fits_of_every_version(make: ModuleType) -> None:
    """A change of the format must add files, and keep those that there are."""
    wanted = {f"version-{v}-{name}.mm" for v in range(1, VERSION + 1) for name in make.MODELS}
    assert wanted <= {path.name for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_loaded_fits_give_their_numbers(path: Path, make: ModuleType) -> None:
    """Stored values to rounding; p-values, which are computed again, to 1e-5."""
    fit = mm.load(path)
    wanted = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    found = make.numbers(fit, make.table(make.MODELS[path.stem.split("-", 2)[2]][0]))
    assert found.keys() == wanted.keys()
    assert found.pop("p_values") == pytest.approx(wanted.pop("p_values"), rel=1e-5, abs=1e-9)
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=1e-10, abs=1e-12), name
