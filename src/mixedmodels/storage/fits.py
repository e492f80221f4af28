"""A fit as a file: its design, its solution and how the optimum was found.

The stages in between (cross-products, analysis, workspace) are made again from the design, which
holds the model matrices bit for bit and what is needed to make them for new rows.
"""

from __future__ import annotations

import dataclasses
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mixedmodels.design import Design, GroupingFactor, PartPlan, TermDesign
from mixedmodels.design.coding import Coding
from mixedmodels.design.factors import Recipe
from mixedmodels.design.groups import GroupSpec
from mixedmodels.design.missing import Argument, OffsetSpec
from mixedmodels.errors import FileError
from mixedmodels.estimates.solution import Solution
from mixedmodels.estimates.stages import Fitted
from mixedmodels.formula import Factor, FormulaSpec, RandomTerm, Term
from mixedmodels.optimize.summary import OptSummary
from mixedmodels.settings import Control
from mixedmodels.storage.container import read_file, write_file
from mixedmodels.storage.values import Reader, Writer

FORMAT = "mixedmodels fit"
VERSION = 1
LINEAR = "linear mixed model"

_CLASSES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        *(Design, TermDesign, GroupingFactor, GroupSpec, PartPlan, Recipe, Coding),
        *(OffsetSpec, Argument, FormulaSpec, RandomTerm, Term, Factor),
        *(Solution, OptSummary, Control),
    )
}


class Saved(NamedTuple):
    """What a file holds: all that a fit cannot compute again."""

    design: Design
    solution: Solution
    optsum: OptSummary


def save_fit(fitted: Fitted, path: Path) -> None:
    """Write a fit to a file, replacing one that is there.

    Raises:
        FileError: The file cannot be written, or the design holds something that files do not have.
    """
    writer = Writer(_CLASSES)
    saved = Saved(fitted.stages.design, fitted.solution, fitted.optsum)
    content = {name: writer.value(part) for name, part in saved._asdict().items()}
    header = {
        "format": FORMAT,
        "version": VERSION,
        "written_by": f"mixedmodels {version('mixedmodels')}",
        "kind": LINEAR,
        "formula": saved.design.formula.text,
        "content": content,
        "notes": list(dict.fromkeys(writer.notes)),
        "objects": writer.objects,
    }
    write_file(path, header, writer.arrays)


def load_fit(path: Path) -> Saved:
    """Read what `save_fit` wrote.

    Raises:
        FileError: No such file, not one of ours, damaged, or of a version not known here.
    """
    header, arrays = read_file(path)
    _check_version(path, header)
    try:
        reader = Reader(_CLASSES, header["objects"], arrays)
        saved = Saved(**{name: reader.value(part) for name, part in header["content"].items()})
        _check(saved)
    except (FileError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise FileError(
            f"{path}, written by {header.get('written_by')}, cannot be understood: {error}."
        ) from error
    if header["notes"]:
        messages = (*saved.design.messages, *header["notes"])
        saved = saved._replace(design=dataclasses.replace(saved.design, messages=messages))
    return saved


def _check_version(path: Path, header: dict[str, Any]) -> None:
    if header.get("format") != FORMAT or not isinstance(header.get("version"), int):
        raise FileError(f"{path} is not a fit saved by mixedmodels.")
    if header["version"] != VERSION:
        raise FileError(
            f"{path} has format version {header['version']} (written by "
            f"{header.get('written_by')}); this is mixedmodels {version('mixedmodels')}, which "
            f"reads version {VERSION}. Load it with a version of mixedmodels that knows the format."
        )
    if header.get("kind") != LINEAR:
        raise FileError(
            f"{path} holds a {header.get('kind')}, which this version cannot load; "
            f"it loads a {LINEAR}."
        )


def _check(saved: Saved) -> None:
    """Refuse arrays that do not belong together: the core trusts its design.

    Raises:
        ValueError: A shape, a type or a code that cannot be.
    """
    design, solution, optsum = saved
    if not isinstance(design, Design) or not isinstance(optsum, OptSummary):
        raise ValueError("its parts are not those of a fit")
    n, p_all = design.n, len(design.x_names)
    by_row = [design.y, *(a for a in (design.w, design.offset) if a is not None)]
    shapes = [(array, (n,)) for array in by_row] + [(design.X, (n, p_all))]
    shapes += [(term.z, (n, len(term.columns))) for term in design.terms]
    shapes += [(solution.beta, (p_all,))]
    if any(array.shape != shape or array.dtype != np.float64 for array, shape in shapes):
        raise ValueError("its arrays are not one value for each row and column")
    for group in design.groups:
        codes = group.codes
        if codes.shape != (n,) or codes.dtype != np.int32 or n == 0:
            raise ValueError(f"the codes of '{group.name}' are not one for each row")
        if codes.min() < 0 or codes.max() >= group.n_levels:
            raise ValueError(f"the codes of '{group.name}' are not those of its levels")
    if any(not 0 <= term.group < len(design.groups) for term in design.terms):
        raise ValueError("a term has no grouping factor")
    sizes = [len(term.columns) for term in design.terms]
    q = sum(len(term.columns) * design.groups[term.group].n_levels for term in design.terms)
    if solution.theta.shape != (sum(s * (s + 1) // 2 for s in sizes),) or solution.b.shape != (q,):
        raise ValueError("its solution is that of another model")
