"""A fit as a file: its design, its solution and how the optimum was found.

The stages in between (cross-products, analysis, workspace) are made again from the design, which
holds the model matrices bit for bit and what is needed to make them for new rows.
"""

from __future__ import annotations

import dataclasses
import io
from typing import Any, NamedTuple, TypeVar

from mixedmodels.criterion.accuracy import Accuracy
from mixedmodels.design import AllRows, Design, GroupingFactor, PartPlan, TermDesign
from mixedmodels.design.coding import Coding
from mixedmodels.design.factors import Recipe
from mixedmodels.design.groups import GroupSpec
from mixedmodels.design.missing import Argument, OffsetSpec
from mixedmodels.design.variables import Variable
from mixedmodels.errors import FileError
from mixedmodels.estimates.model import Fitted
from mixedmodels.estimates.solution import Solution
from mixedmodels.formula import Factor, FormulaSpec, RandomTerm, Term
from mixedmodels.lazy import late_module
from mixedmodels.optimize.summary import OptSummary
from mixedmodels.settings import Control
from mixedmodels.storage.checks import check_design, check_search, check_solution, work_bytes
from mixedmodels.storage.container import Unpacked, pack, unpack
from mixedmodels.storage.files import check_target, open_regular, write_whole
from mixedmodels.storage.values import Reader, Writer

_metadata = late_module("importlib.metadata")

FORMAT = "mixedmodels fit"
VERSION = 1
LINEAR = "linear mixed model"
OF_SUMS = "linear mixed model of sums over rows"
NOT_FITTED = "linear mixed model without a fit"
_IN_MEMORY = "The pickled fit"

CLASSES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        *(Design, AllRows, TermDesign, GroupingFactor, GroupSpec, PartPlan, Recipe, Coding),
        *(OffsetSpec, Argument, Variable, FormulaSpec, RandomTerm, Term, Factor),
        *(Solution, OptSummary, Control, Accuracy),
    )
}


class Saved(NamedTuple):
    """What a file holds: all that a fit cannot compute again."""

    design: Design
    solution: Solution
    optsum: OptSummary


class SavedDesign(NamedTuple):
    """What is kept of a model that is not fitted."""

    design: Design


S = TypeVar("S", bound="Saved | SavedDesign")


def save_fit(fitted: Fitted, path: Any) -> None:
    """Write a fit to a file, replacing one that is there.

    Raises:
        FileError: The file cannot be written, or the design holds something that files do not have.
    """
    check_target(path)
    write_whole(path, fit_to_bytes(fitted))


def open_fit(path: Any) -> Unpacked:
    """The content of a file of a fit, of one of the two kinds; it is understood later.

    Raises:
        FileError: No such file, not one of ours, damaged, or of a version not known here.
    """
    with open_regular(path) as (name, file):
        found = unpack(name, file)
    _check_version(found.name, found.header, OF_SUMS if is_of_sums(found) else LINEAR)
    return found


def is_of_sums(file: Unpacked) -> bool:
    """Whether the fit in a file has no rows."""
    return bool(file.header.get("kind") == OF_SUMS)


def fit_in(file: Unpacked) -> Saved:
    """The fit with rows in a file that `save_fit` wrote.

    Raises:
        FileError: It is damaged.
    """
    return _understand(file, LINEAR, Saved)


def load_fit(path: Any) -> Saved:
    """Read what `save_fit` wrote; raises as `open_fit` and `fit_in`."""
    return fit_in(open_fit(path))


def fit_to_bytes(fitted: Fitted) -> bytes:
    """What a file of the fit holds.

    Raises:
        FileError: The design holds something that files do not have.
    """
    return _to_bytes(LINEAR, Saved(fitted.model.design, fitted.solution, fitted.optsum))


def fit_from_bytes(content: bytes) -> Saved:
    """The fit of `fit_to_bytes`; raises as `load_fit`."""
    return _understand(unpack(_IN_MEMORY, io.BytesIO(content)), LINEAR, Saved)


def design_to_bytes(design: Design) -> bytes:
    """A design alone, in the format of files; raises as `fit_to_bytes`."""
    return _to_bytes(NOT_FITTED, SavedDesign(design))


def design_from_bytes(content: bytes) -> Design:
    """The design of `design_to_bytes`; raises as `load_fit`."""
    return _understand(unpack(_IN_MEMORY, io.BytesIO(content)), NOT_FITTED, SavedDesign).design


def _to_bytes(kind: str, saved: Saved | SavedDesign) -> bytes:
    writer = Writer(CLASSES)
    content = {name: writer.value(part) for name, part in saved._asdict().items()}
    header = {
        "format": FORMAT,
        "version": VERSION,
        "written_by": f"mixedmodels {_metadata.version('mixedmodels')}",
        "kind": kind,
        "formula": saved.design.formula.text,
        "content": content,
        "notes": list(dict.fromkeys(writer.notes)),
        "objects": writer.objects,
    }
    return pack(header, writer.arrays, max(writer.claimed, work_bytes(saved.design)))


def _understand(file: Unpacked, kind: str, parts: type[S]) -> S:
    header = file.header
    _check_version(file.name, header, kind)
    try:
        return _read(file, parts)
    except Exception as error:
        # Senseless content makes pandas and NumPy raise almost anything.
        raise FileError(
            f"{file.name}, written by {_writer(header)}, cannot be understood: "
            f"{str(error).rstrip('.') or type(error).__name__:.300}."
        ) from error


def _read(file: Unpacked, parts: type[S]) -> S:
    header = file.header
    reader = Reader(CLASSES, header["objects"], file.arrays, file.room)
    content = {name: reader.value(part) for name, part in header["content"].items()}
    _check(parts(**content), file.room)
    if header["notes"]:
        design: Design = content["design"]
        messages = (*design.messages, *map(str, header["notes"]))
        content["design"] = dataclasses.replace(design, messages=messages)
    return parts(**content)


def _writer(header: dict[str, Any]) -> str:
    return f"{header.get('written_by')!s:.80}"


def _check_version(path: str, header: dict[str, Any], kind: str) -> None:
    if header.get("format") != FORMAT or type(header.get("version")) is not int:
        raise FileError(f"{path} is not a fit saved by mixedmodels.")
    if header["version"] != VERSION:
        raise FileError(
            f"{path} has format version {header['version']} (written by "
            f"{_writer(header)}); this is mixedmodels {_metadata.version('mixedmodels')}, which "
            f"reads version {VERSION}. Load it with a version that reads this format."
        )
    if header.get("kind") != kind:
        raise FileError(
            f"{path} holds a {header.get('kind')!s:.40}, which this version cannot load; "
            f"it loads a {LINEAR}."
        )


def _check(saved: Saved | SavedDesign, room: int) -> None:
    """Refuse parts that are not those of a fit or do not belong together.

    Raises:
        FileError: What is wrong.
    """
    if not isinstance(saved.design, Design):
        raise FileError("it has no design")
    check_design(saved.design)
    if work_bytes(saved.design) > room:
        raise FileError("its columns would take more memory than such a file can need")
    if isinstance(saved, SavedDesign):
        return
    if not isinstance(saved.solution, Solution) or not isinstance(saved.optsum, OptSummary):
        raise FileError("its parts are not those of a fit")
    check_solution(saved.solution, saved.design)
    check_search(saved.optsum, len(saved.solution.theta))
