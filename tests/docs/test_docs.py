"""Runs the README and every page of docs/, compares what they print with what they say, and checks
their links and pictures. How a page is run is in `tools.pages`, how text is compared in `printed`.

A page runs in a fresh directory, so files that it makes vanish.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest
from printed import agrees
from tools.pages import PAGES, TOP, pieces_of, run_page

import mixedmodels as mm
from mixedmodels.design.functions.table import CONSTANTS, FUNCTIONS
from mixedmodels.fit.aliases import Aliases
from mixedmodels.formula import parse_formula
from mixedmodels.report.results import Result

DOCS = TOP / "docs"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^(```+).*?^\1$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
TREE = re.compile(r"^```\{toctree\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def relative(path: Path) -> str:
    return path.relative_to(TOP).as_posix()


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PAGES, ids=relative)
def test_page(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for line, expected, actual in run_page(path).printed:
        place = f"{path.name}, line {line}"
        message = f"{place}: the page says\n{expected}\nbut this was printed\n{actual}"
        assert agrees(expected, actual), message


@pytest.mark.parametrize(
    "path", [*PAGES, TOP / "ARCHITECTURE.md", TOP / "CONTRIBUTING.md"], ids=relative
)
def test_links(path: Path) -> None:
    """Links within the project lead to files that exist; the site's build checks their headings."""
    prose = FENCED.sub("", text_of(path))
    targets = [t.partition("#")[0] for t in LINK.findall(prose) if not re.match(r"\w+:|#", t)]
    assert [t for t in targets if not (path.parent / t).exists()] == []


def test_every_picture_is_on_a_page() -> None:
    shown = {p.text for path in PAGES for p in pieces_of(text_of(path)) if p.kind == "picture"}
    assert shown == {path.name for path in (DOCS / "images").iterdir()}


def test_tree_has_every_page() -> None:
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in PAGES[1:]}
    named = {"index"}
    for index in DOCS.rglob("index.md"):
        for tree in TREE.findall(text_of(index)):
            names = [line for line in tree.splitlines() if line and not line.startswith(":")]
            named |= {(index.parent / name).relative_to(DOCS).as_posix() for name in names}
    assert named == pages


def test_reference_has_every_public_name() -> None:
    text = "".join(text_of(path) for path in (DOCS / "api").glob("*.md"))
    named = set(re.findall(r"auto\w+:: mixedmodels\.(\w+)(?:\(\))?$", text, re.MULTILINE))
    assert named == set(mm.__all__) - {"__version__"}


def test_reference_has_every_role_of_a_fit() -> None:
    documented = re.findall(r"members-of:: (\S+)", text_of(DOCS / "api" / "fit.md"))
    classes = [c for c in mm.LinearMixedFit.__mro__ if any(n[0] != "_" for n in vars(c))]
    expected = {f"{c.__module__}.{c.__qualname__}" for c in classes}
    assert set(documented) == {name for name in expected if name.startswith("mixedmodels")}


def results(kind: type[Result]) -> set[str]:
    below = set().union(*(results(part) for part in kind.__subclasses__()))
    own = set() if inspect.isabstract(kind) else {f"{kind.__module__}.{kind.__qualname__}"}
    return below | own


def test_reference_has_every_result() -> None:
    for module in pkgutil.walk_packages(mm.__path__, "mixedmodels."):
        if not module.name.startswith("mixedmodels.adapters."):  # needs what may not be installed
            importlib.import_module(module.name)
    text = text_of(DOCS / "api" / "results.md")
    found = {name for name in results(Result) if name.startswith("mixedmodels.")}
    assert sorted(found - set(re.findall(r"autoclass:: ([\w.]+)", text))) == []


def test_formulas_page_has_every_function() -> None:
    words = set(re.findall(r"[A-Za-z][\w.]*\w|[A-Z]|c", text_of(DOCS / "formulas.md")))
    assert sorted({*FUNCTIONS, *CONSTANTS} - words) == []


def code_in_prose(path: Path) -> list[str]:
    prose = re.sub(r"^(```+).*?^\1$", "", text_of(path), flags=re.MULTILINE | re.DOTALL)
    return [code.replace("\\|", "|") for code in re.findall(r"`([^`\n]+)`", prose)]


@pytest.mark.parametrize("path", PAGES, ids=relative)
def test_names_in_prose_exist(path: Path) -> None:
    """`mm.lmer`, `fit.coef_table()`, `model.pls(theta)`; `model.frame` and the like are R's."""
    owners: dict[str, tuple[Any, ...]] = {
        "mm": (mm,),
        "fit": (mm.LinearMixedFit, mm.GeneralizedLinearMixedFit),
        "model": (mm.LinearMixedModel, mm.GeneralizedLinearMixedModel),
    }
    name = r"(?<![\w.])(mm|fit|fit\.model|model)\.(?!frame\b|matrix\b|avg\b)([a-zA-Z_]\w*)"
    pairs = re.findall(name, " ".join(code_in_prose(path)))
    missing = [
        f"{owner}.{name}"
        for owner, name in pairs
        if not any(hasattr(one, name) for one in owners[owner.removeprefix("fit.")])
    ]
    assert missing == []


@pytest.mark.parametrize("path", PAGES, ids=relative)
def test_formulas_in_prose_are_read(path: Path) -> None:
    """Whole formulas in quotes, and terms such as `(x | g)` of R's and of our tables."""
    codes = code_in_prose(path)
    whole = [found for code in codes for found in re.findall(r'mm\.lmer\("([^"]+~[^"]+)"', code)]
    terms = [f"y ~ 1 + {code}" for code in codes if re.fullmatch(r"\([^()]+\|[^()]+\)", code)]
    for formula in whole + terms:
        parse_formula(formula.replace("..", "x"))


def test_values_without_brackets_are_listed() -> None:
    """R calls them as functions; the table has all but names of statsmodels."""
    page = text_of(DOCS / "coming-from-r.md")
    table = page.partition("| values | of |")[2].partition("\n\n")[0]
    listed = set(re.findall(r"`(\w+)`", table))
    fits = (mm.LinearMixedFit, mm.GeneralizedLinearMixedFit)
    names = {name for cls in fits for name in dir(cls) if not name.startswith("_")}
    held = {
        name: next(value for cls in fits if (value := inspect.getattr_static(cls, name, None)))
        for name in names - vars(Aliases).keys()
    }
    assert listed == {name for name, value in held.items() if not inspect.isfunction(value)}


def test_calls_of_values_are_found_by_their_message() -> None:
    fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
    table = text_of(DOCS / "faq.md").partition("| message | after |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `TypeError: ('.*)` \| (.*) \|$", table, re.MULTILINE)
    assert len(rows) >= 8
    for message, calls in rows:
        for name in re.findall(r"`fit\.(\w+)\(\)`", calls):
            with pytest.raises(TypeError, match=f"^{message}$"):
                getattr(fit, name)()
