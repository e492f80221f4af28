"""Damaged files of saved fits: changed bytes, and changed contents under a seal that is right."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import tempfile
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

import mixedmodels as mm

_SEAL = b"mixedmodels sha256 "
_STRANGE: tuple[Any, ...] = (
    None,
    -1,
    0,
    1,
    2**31,
    2**63,
    -(2**64),
    1e308,
    float("nan"),
    "",
    "x",
    [],
    {},
    [[]],
    True,
    "\ud800",
)


@functools.cache
def originals() -> tuple[bytes, ...]:
    """The bytes of a few small saved fits."""
    sleep, cake = mm.load_dataset("sleepstudy"), mm.load_dataset("cake")
    fits = (
        mm.lmer("Reaction ~ Days + (Days | Subject)", sleep),
        mm.lmer("Reaction ~ scale(Days) + offset(Days) + (1 | Subject)", sleep, weights="1 + Days"),
        mm.lmer("angle ~ recipe * temperature + (1 | recipe:replicate)", cake),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fit.mm"
        contents = []
        for fit in fits:
            fit.save(path)
            contents.append(path.read_bytes())
    return tuple(contents)


def draw(random: Random) -> bytes:
    """A file that is damaged somehow."""
    content = random.choice(originals())
    return random.choice((_cut, _flipped, _flipped, _spliced, _edited, _edited, _edited, _edited))(
        random, content
    )


def run(content: bytes) -> mm.LinearMixedFit:
    """Load it and, if that works, use the fit."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fit.mm"
        path.write_bytes(content)
        fit = mm.load(path, threads=1)
    str(fit)
    fit.ranef()
    fit.predict()
    fit.leverage()
    return fit


def show(content: bytes) -> str:
    """Its size: the number of the example makes it again."""
    return f"{len(content)} bytes"


def _cut(random: Random, content: bytes) -> bytes:
    at = random.randrange(len(content))
    return random.choice(
        (
            content[:at],
            content[at:],
            content[:at] + content[at + random.randrange(9) :],
            content * 2,
        )
    )


def _flipped(random: Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 10, 200))):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return _sealed(bytes(changed)) if random.random() < 0.5 else bytes(changed)


def _spliced(random: Random, content: bytes) -> bytes:
    other = random.choice(originals())
    return _sealed(
        content[: random.randrange(len(content))] + other[random.randrange(len(other)) :]
    )


def _sealed(content: bytes) -> bytes:
    """The content with a seal that is right."""
    length = len(_SEAL) + 64
    body = content[:-length]
    return body + _SEAL + hashlib.sha256(body).hexdigest().encode()


def _edited(random: Random, content: bytes) -> bytes:
    """Header or arrays changed, then packed again as `save` packs them."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header_name = next(iter(members))
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        name = random.choice(list(members))
        if name == header_name or random.random() < 0.5:
            members[header_name] = _edited_header(random, members[header_name])
        else:
            members[name] = _edited_array(random, members[name])
        if random.random() < 0.1:
            members.pop(random.choice(list(members)[1:] or [header_name]), None)
        if random.random() < 0.1 and len(members) > 2:
            a, b = random.sample(list(members)[1:], 2)
            members[a], members[b] = members[b], members[a]
    return _packed(members)


def _packed(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.comment = bytes(len(_SEAL) + 64)
    return _sealed(buffer.getvalue())


def _edited_header(random: Random, text: bytes) -> bytes:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):  # an earlier edit may have made it unreadable
        return text
    place, key = _place(random, header)
    if place is None:
        return text
    other, other_key = _place(random, header)
    value = random.choice((*_STRANGE, other[other_key] if other is not None else None))
    if random.random() < 0.15:
        del place[key]
    else:
        place[key] = value
    if random.random() < 0.02:
        return b"[" * 100_000
    return json.dumps(header).encode("utf-8", "replace")


def _place(random: Random, value: Any) -> tuple[Any, Any]:
    """A random container inside `value` and a key of it."""
    for _ in range(random.randrange(1, 12)):
        if isinstance(value, dict) and value:
            inside = [key for key, item in value.items() if isinstance(item, (dict, list)) and item]
        elif isinstance(value, list) and value:
            inside = [
                key for key, item in enumerate(value) if isinstance(item, (dict, list)) and item
            ]
        else:
            return None, None
        if not inside:
            break
        value = value[random.choice(inside)]
    if isinstance(value, dict) and value:
        return value, random.choice(list(value))
    if isinstance(value, list) and value:
        return value, random.randrange(len(value))
    return None, None


def _edited_array(random: Random, data: bytes) -> bytes:
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except Exception:  # noqa: BLE001 - an earlier edit may have made it unreadable
        return data
    way = random.randrange(8)
    if way == 0 and array.size:
        array = np.array(array)
        array.flat[random.randrange(array.size)] = (
            random.choice((0, 1, 100))
            if array.dtype.kind in "SU"
            else random.choice((0, -1, 1, 127))
        )
    elif way == 1 and array.dtype.kind == "f" and array.size:
        array = np.array(array)
        array.flat[random.randrange(array.size)] = random.choice(
            (np.nan, np.inf, -1.0, 1e300, 5e-324)
        )
    elif way == 2:
        array = array[: random.randrange(len(array) + 1)] if array.ndim else array
    elif way == 3:
        array = (
            array.astype(random.choice(("f4", "i8", "i4", "u1", "?", "S2")), casting="unsafe")
            if array.dtype.kind in "fiub"
            else array
        )
    elif way == 4:
        array = array.reshape(-1)
    elif way == 5:
        array = np.concatenate([array, array]) if array.ndim else array
    elif way == 6:
        return data[: random.randrange(len(data))]
    else:
        shape = random.choice(("(1000000000,)", "(99999999999999,)", "(-1,)", "()", "(3, 1000000)"))
        at = data.find(b"'shape': ") + 9
        end = data.find(b")", at) + 1
        return data[:at] + shape.encode().ljust(end - at) + data[end:] if at > 9 else data
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()
