"""A plan as a file, and the hash of what its sums depend on."""

from __future__ import annotations

import hashlib
import json
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from mixedmodels.design import Design
from mixedmodels.design.asked import Asked, Counts
from mixedmodels.design.functions.kinds import TextColumn
from mixedmodels.errors import FileError
from mixedmodels.lazy import late_module
from mixedmodels.storage.container import pack, unpack
from mixedmodels.storage.files import check_target, open_regular, write_whole
from mixedmodels.storage.fits import CLASSES
from mixedmodels.storage.values import Reader, Writer

_metadata = late_module("importlib.metadata")

FORMAT = "mixedmodels plan"
VERSION = 1
_CLASSES: dict[str, type] = {**CLASSES, "Asked": Asked, "Counts": Counts, "TextColumn": TextColumn}


class Saved(NamedTuple):
    """The parts of a plan."""

    asked: Asked
    design: Design
    states: dict[str, dict[str, Any]]
    frame: dict[str, Any]
    counts: Counts
    rows: dict[str, int]
    columns: tuple[str, ...]
    source: str


def identity(parts: Saved) -> str:
    """Hash of formula, arguments, levels, codings, what functions have learnt, and frame."""
    design = parts.design
    writer = Writer(_CLASSES)
    content = [
        writer.value(value)
        for value in (
            parts.asked,
            [(g.name, g.spec) for g in design.groups],
            [(t.group, t.columns, t.spec) for t in design.terms],
            design.fixed_spec,
            parts.states,
            parts.frame,
        )
    ]
    digest = hashlib.sha256(json.dumps([content, writer.objects]).encode())
    for name, array in writer.arrays.items():
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def plan_to_bytes(parts: Saved, id_: str) -> bytes:
    """What a file of a plan holds.

    Raises:
        FileError: The plan holds something that files do not have.
    """
    writer = Writer(_CLASSES)
    content = {name: writer.value(part) for name, part in parts._asdict().items()}
    header = {
        "format": FORMAT,
        "version": VERSION,
        "written_by": f"mixedmodels {_metadata.version('mixedmodels')}",
        "formula": parts.asked.spec.text,
        "id": id_,
        "content": content,
        "objects": writer.objects,
    }
    return pack(header, writer.arrays, writer.claimed)


def save_plan(parts: Saved, id_: str, path: Any) -> None:
    """Write a plan to a file, replacing one that is there.

    Raises:
        FileError: The file cannot be written.
    """
    check_target(path)
    write_whole(path, plan_to_bytes(parts, id_))


def load_plan(path: Any) -> Saved:
    """Read what `save_plan` wrote.

    Raises:
        FileError: No such file, not a plan, damaged, or of a version not known here.
    """
    with open_regular(path) as (name, file):
        return plan_in(name, file)


def plan_in(name: str, file: BinaryIO) -> Saved:
    """The plan of an open file; raises as `load_plan`."""
    unpacked = unpack(name, file)
    header = unpacked.header
    if header.get("format") != FORMAT:
        raise FileError(f"{name} is not a plan; give a file written by Plan.save().")
    if header.get("version") != VERSION:
        raise FileError(f"{name} is of version {header.get('version')!r:.20}, which is not known.")
    try:
        reader = Reader(_CLASSES, header["objects"], unpacked.arrays, unpacked.room)
        parts = Saved(**{key: reader.value(value) for key, value in header["content"].items()})
        found = identity(parts)
    except Exception as error:
        raise FileError(f"{name} is damaged: {error!s:.300}.") from error
    if found != header.get("id"):
        raise FileError(
            f"{name} is damaged: its content is not that of the plan {header.get('id')!r:.20}."
        )
    return parts
