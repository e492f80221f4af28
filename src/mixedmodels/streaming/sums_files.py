"""Sums with their plan as a file: all that a fit needs, and no rows."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from mixedmodels._core import Sums
from mixedmodels.design.asked import Counts
from mixedmodels.errors import FileError
from mixedmodels.lazy import late_module
from mixedmodels.storage.container import Unpacked, pack, unpack
from mixedmodels.storage.files import check_target, open_regular, write_whole
from mixedmodels.streaming.partial import Partial
from mixedmodels.streaming.plan import Plan, plan_from_bytes

_metadata = late_module("importlib.metadata")

FORMAT = "mixedmodels sums"
VERSION = 1
_PLAN = "plan"


def save_sums(plan: Plan, partial: Partial, path: Any) -> None:
    """Write plan and sums to a file, replacing one that is there.

    Raises:
        FileError: The file cannot be written.
    """
    check_target(path)
    counts = partial.counts
    header = {
        "format": FORMAT,
        "version": VERSION,
        "written_by": f"mixedmodels {_metadata.version('mixedmodels')}",
        "formula": plan.formula,
        "keys": list(partial.keys),
        "counts": [counts.n_read, counts.n_missing, counts.n_dropped, counts.n_zero_weight],
    }
    arrays = dict(partial.sums.state())
    arrays[_PLAN] = np.frombuffer(plan.to_bytes(), dtype=np.uint8)
    write_whole(path, pack(header, arrays))


def load_sums(path: Any) -> tuple[Plan, Partial]:
    """Read what `save_sums` wrote.

    Raises:
        FileError: No such file, not of sums, damaged, or of a version not known here.
    """
    with open_regular(path) as (name, file):
        found = unpack(name, file)
    if found.header.get("format") != FORMAT:
        raise FileError(f"{name} does not hold sums; give a file written by CrossProducts.save().")
    if found.header.get("version") != VERSION:
        version = found.header.get("version")
        raise FileError(f"{name} is of version {version!r:.20}, which is not known.")
    try:
        return _understood(found)
    except FileError:
        raise
    except Exception as error:
        raise FileError(f"{name} is damaged: {error!s:.300}.") from error


def _understood(found: Unpacked) -> tuple[Plan, Partial]:
    arrays, header = dict(found.arrays), found.header
    content = np.ascontiguousarray(arrays.pop(_PLAN), dtype=np.uint8).tobytes()
    plan = plan_from_bytes(f"the plan in {found.name}", io.BytesIO(content))
    sums = Sums.from_state(arrays)
    levels = [group.n_levels for group in plan.design.groups]
    if sums.levels != levels or sums.frame != plan.frame:
        raise ValueError("its sums are not by its plan")
    keys = header["keys"]
    if not all(isinstance(key, str) for key in keys) or len(set(keys)) != len(keys):
        raise ValueError("its keys are not names of partitions")
    read, missing, dropped, zero = header["counts"]
    counts = Counts(
        int(read), {str(k): int(v) for k, v in missing.items()}, int(dropped), int(zero)
    )
    return plan, Partial(plan.id, sums, tuple(keys), counts)
