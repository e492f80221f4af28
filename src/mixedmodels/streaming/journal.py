"""Sums of segments in a folder, so that work that was stopped goes on where it was.

A file for each segment is written beside its place and renamed, so it is there as a whole or not at
all. A list of the segments belongs to them: with another plan, or after a file of the source has
changed, the folder is refused.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixedmodels.errors import FileError
from mixedmodels.storage.files import path_text, write_whole
from mixedmodels.streaming.executor import Segment
from mixedmodels.streaming.partial import Partial

_LIST = "segments.json"
_REMEDY = "Give a new folder, or remove this one to sum everything anew."


@dataclass(frozen=True, slots=True)
class Journal:
    """A folder with the sums of segments.

    Attributes:
        folder: Its path.
        plan_id: Hash of the plan.
    """

    folder: str
    plan_id: str

    @staticmethod
    def at(folder: Any, plan_id: str, formula: str, segments: Sequence[Segment]) -> Journal:
        """The journal in a folder, which is made if need be.

        Raises:
            FileError: The folder cannot be used, or is of another plan or source.
        """
        path = Path(path_text(folder))
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"{path} cannot be a folder of checkpoints: {error.strerror}") from None
        keys = [[part.key for part in segment.partitions] for segment in segments]
        wanted = {"plan": plan_id, "formula": formula, "segments": keys}
        known = _read_list(path)
        if known is None:
            write_whole(path / _LIST, json.dumps(wanted).encode())
        else:
            _check_same(path, known, wanted)
        return Journal(str(path), plan_id)

    def _file(self, segment: Segment) -> Path:
        return Path(self.folder) / f"{segment.number:05d}.sums"

    def read(self, segment: Segment) -> Partial | None:
        """The sums of a segment, or None where they are not there.

        Raises:
            FileError: They are damaged, or those of other partitions.
        """
        file = self._file(segment)
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FileError(f"{file} cannot be read: {error}") from None
        try:
            found = Partial.from_bytes(content)
        except Exception as error:  # damaged content makes NumPy raise almost anything
            raise FileError(f"{file} is damaged ({error!s:.200}); remove it.") from error
        if found.plan_id != self.plan_id or found.keys != tuple(p.key for p in segment.partitions):
            raise FileError(f"{file} has the sums of other rows. {_REMEDY}")
        return found

    def write(self, segment: Segment, value: Partial) -> None:
        """Keep the sums of a segment."""
        write_whole(self._file(segment), value.to_bytes())


def _read_list(path: Path) -> dict[str, Any] | None:
    file = path / _LIST
    try:
        found: dict[str, Any] = json.loads(file.read_bytes())
    except FileNotFoundError:
        with contextlib.suppress(OSError):
            if any(entry.suffix == ".sums" for entry in path.iterdir()):
                raise FileError(f"{path} has sums without {_LIST}. {_REMEDY}") from None
        return None
    except (OSError, ValueError) as error:
        raise FileError(f"{file} cannot be read: {error}. {_REMEDY}") from None
    return found


def _check_same(path: Path, known: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Refuse a folder of other rows.

    Raises:
        FileError: With what has changed.
    """
    if known.get("plan") != wanted["plan"]:
        raise FileError(
            f"The folder {path} has sums of another plan ({known.get('formula')!s:.200}). {_REMEDY}"
        )
    before = {key for keys in known["segments"] for key in keys}
    now = {key for keys in wanted["segments"] for key in keys}
    if before - now:
        gone = min(before - now)
        changed = [key for key in now - before if _place(key) == _place(gone)]
        what = "is not in the source now"
        if changed:
            what = f"has changed since; it is {changed[0]} now"
        raise FileError(f"The folder {path} has sums of {gone}, which {what}. {_REMEDY}")
    if now - before:
        raise FileError(
            f"The source has {min(now - before)}, which was not there when the folder {path} was "
            "begun. Sum what is new by itself and merge the two sums, or give a new folder."
        )
    if known["segments"] != wanted["segments"]:
        raise FileError(f"The folder {path} has other segments of the same rows. {_REMEDY}")


def _place(key: str) -> str:
    """The path of a file, without size and time."""
    return key.partition(" (")[0]
