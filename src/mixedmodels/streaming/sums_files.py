"""Sums with their plan as a file: all that a fit needs, and no rows."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from mixedmodels._core import Sums
from mixedmodels.arrays import AnyArray
from mixedmodels.design.asked import Counts
from mixedmodels.errors import FileError
from mixedmodels.lazy import late_module
from mixedmodels.storage.container import pack, unpack
from mixedmodels.storage.files import check_target, open_regular, write_whole
from mixedmodels.streaming.partial import Partial, summary_arrays, summary_in
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
    fields, arrays = parts_of_sums(plan, partial)
    header = {
        "format": FORMAT,
        "version": VERSION,
        "written_by": f"mixedmodels {_metadata.version('mixedmodels')}",
        **fields,
    }
    write_whole(path, pack(header, arrays))


def parts_of_sums(plan: Plan, partial: Partial) -> tuple[dict[str, Any], dict[str, AnyArray]]:
    """Plan and sums as fields of a header and arrays."""
    counts = partial.counts
    fields = {
        "formula": plan.formula,
        "keys": list(partial.keys),
        "counts": [counts.n_read, counts.n_missing, counts.n_dropped, counts.n_zero_weight],
    }
    arrays = {**partial.sums.state(), **summary_arrays(partial)}
    arrays[_PLAN] = np.frombuffer(plan.to_bytes(), dtype=np.uint8)
    return fields, arrays


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
        return sums_in(found.name, found.header, dict(found.arrays))
    except FileError:
        raise
    except Exception as error:
        raise FileError(f"{name} is damaged: {error!s:.300}.") from error


def sums_in(
    name: str, header: Mapping[str, Any], arrays: dict[str, AnyArray]
) -> tuple[Plan, Partial]:
    """What `parts_of_sums` gave.

    Raises:
        Exception: Of many kinds, where the content is damaged.
    """
    content = np.ascontiguousarray(arrays.pop(_PLAN), dtype=np.uint8).tobytes()
    plan = plan_from_bytes(f"the plan in {name}", io.BytesIO(content))
    summary = summary_in(arrays)
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
    if summary is not None and len(summary.kinds) != len(plan.design.variables):
        raise ValueError("the summary of its rows is not by its plan")
    return plan, Partial(plan.id, sums, tuple(keys), counts, summary)
