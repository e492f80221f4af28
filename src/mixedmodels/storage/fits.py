"""A fit as a file: its design, its solution and how the optimum was found.

The stages in between (cross-products, analysis, workspace) are made again from the design, which
holds the model matrices bit for bit and what is needed to make them for new rows.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Mapping
from functools import singledispatch
from typing import Any, NamedTuple

from mixedmodels.criterion.accuracy import Accuracy
from mixedmodels.design import AllRows, Design, GroupingFactor, PartPlan, TermDesign
from mixedmodels.design.coding import Coding
from mixedmodels.design.design import PartDesign
from mixedmodels.design.factors import Recipe
from mixedmodels.design.groups import GroupSpec
from mixedmodels.design.missing import Argument, OffsetSpec
from mixedmodels.design.variables import Variable
from mixedmodels.errors import FileError
from mixedmodels.estimates.linear import Fitted
from mixedmodels.estimates.solution import Solution
from mixedmodels.formula import Factor, FormulaSpec, RandomTerm, Term
from mixedmodels.formula.parts import PartSpec
from mixedmodels.lazy import late_module
from mixedmodels.optimize.summary import OptSummary
from mixedmodels.settings import Control
from mixedmodels.storage.checks import check_design, check_search, check_solution, work_bytes
from mixedmodels.storage.container import Unpacked, pack, unpack
from mixedmodels.storage.files import check_target, write_whole
from mixedmodels.storage.values import Reader, Writer

_metadata = late_module("importlib.metadata")

FORMAT = "mixedmodels fit"
VERSION = 1
LINEAR = "linear mixed model"
OF_SUMS = "linear mixed model of sums over rows"
NOTFITTED = "linear mixed model without a fit"
GENERALIZED = "generalized linear mixed model"
_IN_MEMORY = "The pickled fit"

CLASSES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        *(
            Design,
            AllRows,
            PartDesign,
            PartSpec,
            TermDesign,
            GroupingFactor,
            GroupSpec,
            PartPlan,
            Recipe,
            Coding,
        ),
        *(OffsetSpec, Argument, Variable, FormulaSpec, RandomTerm, Term, Factor),
        *(Solution, OptSummary, Control, Accuracy),
    )
}

FIT_AGAIN = "Fit the model again with this version, or load the file with the one that wrote it."
"""What to do with a file whose parts do not belong together."""


class Saved(NamedTuple):
    """What a file holds: all that a fit cannot compute again."""

    design: Design
    solution: Solution
    optsum: OptSummary


class SavedDesign(NamedTuple):
    """What is kept of a model that is not fitted."""

    design: Design


class Form(NamedTuple):
    """What files of one kind hold.

    Attributes:
        kind: What the header calls it.
        parts: The parts by name; the first one is the design.
        classes: Name to frozen dataclass, for all that may occur.
        check: Refuses parts, beside the design, that do not belong together.
    """

    kind: str
    parts: Callable[..., Any]
    classes: Mapping[str, type]
    check: Callable[[Any], None]


def save_fit(fitted: Any, path: Any) -> None:
    """Write a fit to a file, replacing one that is there.

    Raises:
        FileError: The file cannot be written, or the design holds something that files do not have.
    """
    check_target(path)
    write_whole(path, fit_to_bytes(fitted))


@singledispatch
def fit_to_bytes(fitted: Any) -> bytes:
    """What a file of the fit holds.

    Raises:
        FileError: The design holds something that files do not have.
    """
    raise NotImplementedError(type(fitted))


@fit_to_bytes.register
def _(fitted: Fitted) -> bytes:
    return to_bytes(FITTED, Saved(fitted.model.design, fitted.solution, fitted.optsum))


def fit_from_bytes(content: bytes) -> Saved:
    """The fit of `fit_to_bytes`; raises as `loading.load_fit`."""
    saved: Saved = from_bytes(content, FITTED)
    return saved


def design_to_bytes(design: Design) -> bytes:
    """A design alone, in the format of files; raises as `fit_to_bytes`."""
    return to_bytes(_DESIGN, SavedDesign(design))


def design_from_bytes(content: bytes) -> Design:
    """The design of `design_to_bytes`; raises as `loading.load_fit`."""
    saved: SavedDesign = from_bytes(content, _DESIGN)
    return saved.design


def to_bytes(form: Form, saved: Any) -> bytes:
    """The parts of a file as its bytes; raises as `fit_to_bytes`."""
    writer = Writer(form.classes)
    content = {name: writer.value(part) for name, part in saved._asdict().items()}
    header = {
        "format": FORMAT,
        "version": VERSION,
        "written_by": f"mixedmodels {_metadata.version('mixedmodels')}",
        "kind": form.kind,
        "formula": saved.design.formula.text,
        "content": content,
        "notes": list(dict.fromkeys(writer.notes)),
        "objects": writer.objects,
    }
    return pack(header, writer.arrays, max(writer.claimed, work_bytes(saved.design)))


def from_bytes(content: bytes, form: Form) -> Any:
    """The parts that `to_bytes` was given; raises as `loading.load_fit`."""
    return understand(unpack(_IN_MEMORY, io.BytesIO(content)), form)


def understand(file: Unpacked, form: Form) -> Any:
    """The parts of a file of one kind; raises as `loading.load_fit`."""
    header = file.header
    check_version(file.name, header, form.kind)
    try:
        return _read(file, form)
    except Exception as error:
        # Senseless content makes pandas and NumPy raise almost anything.
        raise FileError(
            f"{file.name}, written by {_writer(header)}, cannot be understood: "
            f"{str(error).rstrip('.') or type(error).__name__:.300}. {FIT_AGAIN}"
        ) from error


def _read(file: Unpacked, form: Form) -> Any:
    header = file.header
    reader = Reader(form.classes, header["objects"], file.arrays, file.room)
    content = {name: reader.value(part) for name, part in header["content"].items()}
    saved = form.parts(**content)
    _check_design(saved.design, file.room)
    form.check(saved)
    if header["notes"]:
        design: Design = content["design"]
        messages = (*design.messages, *map(str, header["notes"]))
        content["design"] = dataclasses.replace(design, messages=messages)
    return form.parts(**content)


def _writer(header: dict[str, Any]) -> str:
    return f"{header.get('written_by')!s:.80}"


def check_version(path: str, header: dict[str, Any], kind: str) -> None:
    """Refuse a file that is not of this kind and version.

    Raises:
        FileError: It is another.
    """
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
            f"it loads a {LINEAR} or a {GENERALIZED}."
        )


def _check_design(design: Any, room: int) -> None:
    if not isinstance(design, Design):
        raise FileError("it has no design")
    check_design(design)
    if work_bytes(design) > room:
        raise FileError("its columns would take more memory than such a file can need")


def _check_fit(saved: Saved) -> None:
    if not isinstance(saved.solution, Solution) or not isinstance(saved.optsum, OptSummary):
        raise FileError("its parts are not those of a fit")
    check_solution(saved.solution, saved.design)
    check_search(saved.optsum, len(saved.solution.theta))


FITTED = Form(LINEAR, Saved, CLASSES, _check_fit)
"""What files of linear fits hold."""
_DESIGN = Form(NOTFITTED, SavedDesign, CLASSES, lambda _: None)
