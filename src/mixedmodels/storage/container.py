"""The bytes of a file: a zip archive of a JSON header and .npy members, sealed by a digest.

The archive's comment is the SHA-256 of everything before it, so that any changed or missing byte
is found before anything is believed. What the header means is known to `fits`.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mixedmodels.errors import FileError
from mixedmodels.typing import AnyArray

HEADER = "mixedmodels.json"
_SEAL = b"mixedmodels sha256 "
_SEAL_LENGTH = len(_SEAL) + 64
# Of a zip archive: where the name of the first member stands.
_NAME_AT = 30
# The same fit gives the same bytes, whenever it is saved.
_DATE = (1980, 1, 1, 0, 0, 0)


def write_file(path: Path, header: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> None:
    """Write a file in one step: on failure what was there before is untouched.

    Raises:
        FileError: The file cannot be written there.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(_pack(header, arrays))
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise FileError(f"{path} cannot be written: {error.strerror or error}.") from error


def read_file(path: Path) -> tuple[dict[str, Any], dict[str, AnyArray]]:
    """Header and arrays by name.

    Raises:
        FileError: There is no such file, it is of another kind, or it is damaged.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileError(f"{path} does not exist.") from None
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}.") from error
    name = HEADER.encode()
    if not content or content[_NAME_AT : _NAME_AT + len(name)] != name:
        kind = "is empty" if not content else "is not a fit saved by mixedmodels"
        raise FileError(f"{path} {kind}; give a file written by fit.save().")
    if content[-_SEAL_LENGTH:] != _seal(content[:-_SEAL_LENGTH]):
        sealed = content[-_SEAL_LENGTH:].startswith(_SEAL)
        what = "bytes have changed since it was written" if sealed else "its end is missing"
        raise FileError(f"{path} is damaged: {what}. Copy it again, or save the fit again.")
    return _unpack(path, content)


def _seal(content: bytes) -> bytes:
    return _SEAL + hashlib.sha256(content).hexdigest().encode()


def _pack(header: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        text = json.dumps(header, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
        archive.writestr(_member(HEADER), text, zipfile.ZIP_DEFLATED)
        for name, array in arrays.items():
            # A member's size is not known before it is written, but bounded by that of its array.
            with archive.open(_member(name), "w", force_zip64=array.nbytes > 2**30) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        archive.comment = bytes(_SEAL_LENGTH)
    content = buffer.getvalue()[:-_SEAL_LENGTH]
    return content + _seal(content)


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _unpack(path: Path, content: bytes) -> tuple[dict[str, Any], dict[str, AnyArray]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            header = json.loads(archive.read(HEADER))
            arrays = {}
            for name in archive.namelist():
                if name != HEADER:
                    with archive.open(name) as member:
                        arrays[name] = np.lib.format.read_array(member, allow_pickle=False)
    # NotImplementedError is how zipfile names a compression that it does not know.
    except (zipfile.BadZipFile, ValueError, EOFError, KeyError, NotImplementedError) as error:
        raise FileError(f"{path} is damaged: {error}.") from error
    if not isinstance(header, dict):
        raise FileError(f"{path} is damaged: its header is not an object.")
    return header, arrays
