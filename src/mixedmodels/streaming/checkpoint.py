"""The plan of a fit in the folder of its checkpoints, so that a fit that goes on does not scan."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mixedmodels.design.asked import Asked
from mixedmodels.errors import FileError
from mixedmodels.storage.files import path_text, write_whole
from mixedmodels.streaming.executor import Executor
from mixedmodels.streaming.plan import Plan, make_plan
from mixedmodels.streaming.source import Source

_FILE = "plan.mm"
# A plan has codings; what was asked for stands beside it.
_CONTRASTS = "contrasts.json"
_REMEDY = "Give a new folder, or remove this one to begin anew."


def planned(
    asked: Asked,
    source: Source,
    executor: Executor,
    checkpoint: Any,
    progress: bool | None,
    levels: Any = None,
) -> Plan:
    """The plan of a source, from the folder of checkpoints where it is there.

    Raises:
        FileError: The folder has the plan of another formula or source, or cannot be used.
    """
    if checkpoint is None:
        return make_plan(asked, source, executor, progress, levels)
    folder = Path(path_text(checkpoint))
    file = folder / _FILE
    if not file.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(
                f"{folder} cannot be a folder of checkpoints: {error.strerror}"
            ) from None
        plan = make_plan(asked, source, executor, progress, levels)
        write_whole(folder / _CONTRASTS, _contrasts_text(asked.contrasts).encode())
        plan.save(file)
        return plan
    plan = Plan.load(file)
    _check_same(folder, plan, asked, source)
    return plan


def _check_same(folder: Path, plan: Plan, asked: Asked, source: Source) -> None:
    """Refuse the plan of another model or of other rows.

    Raises:
        FileError: With what differs.
    """
    known = plan.asked
    for what, before, now in (
        ("formula", known.spec.text, asked.spec.text),
        ("contrasts", _contrasts_in(folder), _contrasts_text(asked.contrasts)),
        ("weights", known.weights, asked.weights),
        ("offset", known.offset, asked.offset),
        ("na_action", known.na_action, asked.na_action),
    ):
        if before != now:
            raise FileError(
                f"The folder {folder} was begun with {what} {before!r:.200}, not {now!r:.200}. "
                f"{_REMEDY}"
            )
    old, new = set(plan.rows), {part.key for part in source.partitions}
    if old != new:
        stray = min(old ^ new)
        verb = "is gone or has changed" if stray in old else "is new"
        raise FileError(f"The folder {folder} was begun with other rows: {stray} {verb}. {_REMEDY}")


def _contrasts_in(folder: Path) -> str:
    try:
        return (folder / _CONTRASTS).read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise FileError(f"{folder / _CONTRASTS} cannot be read: {error}. {_REMEDY}") from None


def _contrasts_text(contrasts: Mapping[str, Any]) -> str:
    """Contrasts as text, the same for the same contrasts."""
    plain = {
        name: given if isinstance(given, str) else np.asarray(given).tolist()
        for name, given in contrasts.items()
    }
    return json.dumps(plain, sort_keys=True, default=str)
