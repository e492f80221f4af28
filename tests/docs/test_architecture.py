"""ARCHITECTURE.md names what there is: modules of the package, folders and files of the core."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "mixedmodels"
CORE = ROOT / "core" / "src"
TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def rows(header: str) -> list[list[str]]:
    """Cells of the table whose header starts so."""
    table = TEXT[TEXT.index(header) :].split("\n\n", 1)[0]
    return [
        [cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines()[2:]
    ]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


LAYERS = [name for row in rows("| layer |") for name in names(row[1])]


def core_files() -> dict[str, list[str]]:
    """Files of the core by folder, as the table lists them."""
    found: dict[str, list[str]] = {}
    folder = ""
    for line in TEXT[TEXT.index("| folder |") :].split("\n\n", 1)[0].splitlines()[2:]:
        first, files = line.split("|")[1:3]
        folder = names(first)[0].rstrip("/") if names(first) else folder
        found.setdefault(folder, []).extend(names(files))
    return found


@pytest.mark.parametrize("name", LAYERS)
def test_layers_name_modules(name: str) -> None:
    path = PACKAGE / name.rstrip("/")
    assert path.is_dir() if name.endswith("/") else path.with_suffix(".py").is_file()


def test_every_module_stands_in_a_layer() -> None:
    top = {
        p.name + "/" if p.is_dir() else p.stem for p in PACKAGE.iterdir() if p.suffix in (".py", "")
    }
    private = {"__pycache__/", "data/", "__main__"}
    assert top - private - set(LAYERS) == set()


def test_core_table_lists_every_file() -> None:
    there = {d.name: sorted({f.stem for f in d.iterdir()}) for d in CORE.iterdir() if d.is_dir()}
    assert {folder: sorted(files) for folder, files in core_files().items()} == there


def test_core_folders_include_those_above_them() -> None:
    order = list(core_files())
    for path in CORE.rglob("*.?pp"):
        for folder in re.findall(r'#include "(\w+)/', path.read_text(encoding="utf-8")):
            assert order.index(folder) <= order.index(path.parent.name), (path.name, folder)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?:\w+/)+\w+\.[ch]?p[yp]p?)`", TEXT))))
def test_files_named_in_the_text_exist(name: str) -> None:
    assert any((root / name).is_file() for root in (PACKAGE, ROOT / "core", CORE))


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", TEXT))))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()
