"""The bytes of a file: a zip archive of a JSON header and .npy members, sealed by a digest.

The archive's comment is the SHA-256 of everything before it, so that any changed or missing byte
is found before anything is believed. A digest is not a signature: a file may be well sealed and
still be hostile, so nothing is allocated or decoded before its declared size is found to be in
proportion to the size of the file. What the header means is known to `fits`.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from collections.abc import Mapping
from typing import Any, BinaryIO, NamedTuple, NoReturn

import numpy as np

from mixedmodels.arrays import AnyArray
from mixedmodels.errors import FileError

HEADER = "mixedmodels.json"
_SEAL = b"mixedmodels sha256 "
_SEAL_LENGTH = len(_SEAL) + 64
# Of a zip archive: where the name of the first member stands.
_NAME_AT = 30
# The same fit gives the same bytes, whenever it is saved.
_DATE = (1980, 1, 1, 0, 0, 0)

# Largest number of bytes that the values of a file may take in memory: in all, or in sizes of the
# file.
_FREE = 64 << 20
_EXPANSION = 100
# Largest header, and the most objects and lists in it: each takes some 250 bytes in memory.
_MOST_HEADER = 16 << 20
_MOST_NESTED = 1_000_000
_MOST_DIGITS = 100
_CHUNK = 1 << 20
_KINDS = "fiub"


class Unpacked(NamedTuple):
    """What a file holds.

    Attributes:
        name: The file, for messages.
        header: The JSON object.
        arrays: Member name to array.
        room: Bytes that the values made from these may take.
    """

    name: str
    header: dict[str, Any]
    arrays: dict[str, AnyArray]
    room: int


def pack(header: Mapping[str, Any], arrays: Mapping[str, AnyArray], claimed: int = 0) -> bytes:
    """The bytes of a file.

    Args:
        header: What JSON can say.
        arrays: Member name to array.
        claimed: Bytes that the values made from these take, where they are more than the arrays.

    Raises:
        FileError: The header is larger than a reader takes.
    """
    text = json.dumps(header, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    if len(text) > _MOST_HEADER or _nested(text) > _MOST_NESTED:
        raise FileError("The fit has too many names and labels to be saved.")
    # A header of .npy takes 128 bytes.
    claimed += len(text) + sum(array.nbytes + 128 for array in arrays.values())
    content = _archive(text, arrays, frozenset())
    wanted = claimed // _EXPANSION - len(content) + 1
    # Arrays of few distinct values shrink to less than a hundredth, which no reader would believe.
    while claimed > max(_FREE, _EXPANSION * len(content)):
        plain = _plain(arrays, wanted)
        content = _archive(text, arrays, plain)
        if len(plain) == len(arrays):
            break
        wanted *= 2
    return content


def unpack(name: str, file: BinaryIO) -> Unpacked:
    """Header and arrays of an open file.

    Raises:
        FileError: It is of another kind, or it is damaged.
    """
    size = file.seek(0, io.SEEK_END)
    _check_seal(name, file, size)
    room = max(_FREE, _EXPANSION * size)
    try:
        with zipfile.ZipFile(file) as archive:
            members = _checked_members(archive, room)
            header = _parse(_content(archive, members.pop(HEADER)))
            arrays = {key: _array(_content(archive, info)) for key, info in members.items()}
    except Exception as error:
        # Damaged archives make the libraries that read them raise almost anything.
        reason = str(error).rstrip(".") or type(error).__name__
        raise FileError(f"{name} is damaged: {reason:.300}.") from error
    return Unpacked(name, header, arrays, room)


def _check_seal(name: str, file: BinaryIO, size: int) -> None:
    file.seek(0)
    start = file.read(_NAME_AT + len(HEADER))
    if start[_NAME_AT:] != HEADER.encode():
        kind = "is empty" if not size else "is not a fit saved by mixedmodels"
        raise FileError(f"{name} {kind}; give a file written by fit.save().")
    file.seek(max(size - _SEAL_LENGTH, 0))
    seal = file.read()
    if seal.startswith(_SEAL):
        if seal == _seal(_digest(file, size - _SEAL_LENGTH)):
            return
        what = "bytes have changed since it was written"
    else:
        what = "its end is missing"
    raise FileError(f"{name} is damaged: {what}. Copy it again, or save the fit again.")


def _digest(file: BinaryIO, count: int) -> str:
    """The digest of the first `count` bytes."""
    digest = hashlib.sha256()
    file.seek(0)
    while count > 0 and (piece := file.read(min(count, _CHUNK))):
        digest.update(piece)
        count -= len(piece)
    return digest.hexdigest()


def _seal(digest: str) -> bytes:
    return _SEAL + digest.encode()


def _archive(text: str, arrays: Mapping[str, AnyArray], plain: frozenset[str]) -> bytes:
    """The sealed archive, with the members named by `plain` as they are."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(_member(HEADER), text, zipfile.ZIP_DEFLATED)
        for name, array in arrays.items():
            member = _member(name)
            if name in plain:
                member.compress_type = zipfile.ZIP_STORED
            # A member's size is not known before it is written, but bounded by that of its array.
            with archive.open(member, "w", force_zip64=array.nbytes > 2**30) as file:
                np.lib.format.write_array(file, array, version=(1, 0), allow_pickle=False)
        archive.comment = bytes(_SEAL_LENGTH)
    content = buffer.getvalue()[:-_SEAL_LENGTH]
    return content + _seal(hashlib.sha256(content).hexdigest())


def _plain(arrays: Mapping[str, AnyArray], lacking: int) -> frozenset[str]:
    """Names of the smallest arrays of together `lacking` bytes."""
    chosen = set()
    for name, array in sorted(arrays.items(), key=lambda item: item[1].nbytes):
        if lacking <= 0:
            break
        chosen.add(name)
        lacking -= array.nbytes
    return frozenset(chosen)


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _checked_members(archive: zipfile.ZipFile, room: int) -> dict[str, zipfile.ZipInfo]:
    """Members by name, the header among them.

    Raises:
        FileError: Members that `pack` does not make, or that would take too much memory.
    """
    members = {info.filename: info for info in archive.infolist()}
    if len(members) != len(archive.infolist()) or HEADER not in members:
        raise FileError("its members are not those of a fit")
    for info in members.values():
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FileError(f"its member {info.filename!r:.40} is compressed in an unknown way")
    if members[HEADER].file_size > _MOST_HEADER:
        raise FileError("its header is too large")
    declared = sum(info.file_size for info in members.values())
    if declared > room:
        raise FileError(f"its {declared} bytes are more than such a file can hold ({room})")
    return members


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytearray:
    """The bytes of a member, no more than it has declared."""
    content = bytearray()
    with archive.open(info) as member:
        # In pieces: without a bound, a piece is decompressed to whatever size it has.
        while piece := member.read(_CHUNK):
            content += piece
    if len(content) != info.file_size:
        raise FileError(f"its member {info.filename!r:.40} ends too early")
    return content


def _parse(content: bytearray) -> dict[str, Any]:
    text = content.decode("ascii")
    if _nested(text) > _MOST_NESTED:
        raise FileError("its header has too many parts")
    header = json.loads(
        text,
        object_pairs_hook=_object,
        parse_int=_integer,
        parse_float=_unexpected,
        parse_constant=_unexpected,
    )
    if not isinstance(header, dict):
        raise FileError("its header is not an object")
    if "\\ud" in text.lower():  # half a pair of code units, which no table can hold
        try:
            json.dumps(header, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise FileError("its header has text that is not Unicode") from None
    return header


def _nested(text: str) -> int:
    return text.count("[") + text.count("{")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise FileError("its header has a name twice")
    return found


def _integer(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise FileError("its header has a number of too many digits")
    return int(text)


def _unexpected(text: str) -> NoReturn:
    raise FileError(f"its header has the number {text:.40}, which is not written so")


def _array(content: bytearray) -> AnyArray:
    """The array of a .npy member; it keeps the bytes that it is made of."""
    file = io.BytesIO(content[:_CHUNK])
    if np.lib.format.read_magic(file) != (1, 0):
        raise FileError("an array is of an unknown format")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.kind not in _KINDS or dtype.hasobject:
        raise FileError(f"an array has the unknown type {dtype.str!r:.40}")
    count, start = math.prod(shape), file.tell()
    if min(shape, default=0) < 0 or start + count * dtype.itemsize != len(content):
        raise FileError("an array has not the size that it declares")
    array = np.frombuffer(content, dtype, count, start)
    if not array.flags.aligned:
        raise FileError("an array does not begin where it should")
    return check_truth(array).reshape(shape, order="F" if fortran else "C")


def check_truth(array: AnyArray) -> AnyArray:
    """The array itself.

    Raises:
        FileError: It has a truth value that is neither 0 nor 1.
    """
    if array.dtype.kind == "b" and array.size and array.view(np.uint8).max() > 1:
        raise FileError("a truth value is neither true nor false")
    return array
