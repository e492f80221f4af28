"""Damaged and hostile files, made from good ones: the generator for tests and for longer runs.

    python tests/unit/storage/damaged.py 5000 [SEED]

tries so many files and ends with a count by kind. What must hold of every file: `load` refuses it
with a FileError within seconds, or gives a fit whose methods work or refuse in our tree of errors.
"""

from __future__ import annotations

import collections
import copy
import hashlib
import io
import json
import pathlib
import random
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import mixedmodels as mm
from mixedmodels.errors import FileError, MixedModelsError
from mixedmodels.storage import container

SLEEP = mm.load_dataset("sleepstudy")
_ODD: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 7, 179, 180, 181, 2**31, -(2**31), 2**63, 2**64, 10**99),
    *("", "a", "Days", "Subject", "`", "os.system('true')", "\ud800", "x" * 2000),
    *({"float": "nan"}, {"float": "inf"}, {"float": "-0x1p+0"}, {"float": "0x1p+1023"}),
    *({"object": 0}, {"object": 3}, {"object": 10**6}, {"object": -1}, {"number": ["<f8", ""]}),
    *({"tuple": []}, {"list": []}, {"dict": []}, {"tuple": [1, "a"]}, [], {}, [[[[]]]], {"a": 1}),
]


def sources() -> list[bytes]:
    """Saved fits of several kinds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gaps = SLEEP.assign(Reaction=SLEEP["Reaction"].mask(SLEEP.index.isin([3, 50])), w=1.5)
        gaps["f"] = np.array(["a", "b", "c"])[SLEEP.index % 3]
        fits = [
            mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"), threads=1),
            mm.lmer("Reaction ~ poly(Days, 2) + (Days | Subject)", SLEEP, threads=1),
            mm.lmer(
                "Reaction ~ Days * f + scale(Days) + offset(2 * Days) + (Days || Subject)"
                " + (1 | f:Subject)",
                gaps.set_axis([f"r{i}" for i in range(180)], axis=0),
                weights="w",
                threads=1,
            ),
            mm.lmer("strength ~ 1 + (1 | batch/cask)", mm.load_dataset("pastes"), threads=1),
        ]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for fit in fits:
            path = pathlib.Path(folder) / "fit.mm"
            fit.save(path)
            found.append(path.read_bytes())
    return found


def sealed(content: bytes) -> bytes:
    """The content with the digest of what it has become."""
    body = content[: -len(_seal(b""))]
    return body + _seal(body)


def _seal(body: bytes) -> bytes:
    return b"mixedmodels sha256 " + hashlib.sha256(body).hexdigest().encode()


# -- damage to bytes -----------------------------------------------------------------------------


def flip(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 10])):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def extend(content: bytes, rng: random.Random) -> bytes:
    return content + rng.randbytes(rng.randrange(1, 300))


def splice(content: bytes, rng: random.Random) -> bytes:
    i, j = sorted(rng.randrange(len(content)) for _ in range(2))
    return content[:i] + rng.choice([b"", content[i:j] * 2, rng.randbytes(j - i)]) + content[j:]


def sealed_flip(content: bytes, rng: random.Random) -> bytes:
    return sealed(flip(content[:-90], rng) + content[-90:])


def sealed_splice(content: bytes, rng: random.Random) -> bytes:
    return sealed(splice(content[:-90], rng) + content[-90:])


def sealed_directory(content: bytes, rng: random.Random) -> bytes:
    """Bytes of the central directory changed: sizes, offsets, methods, flags."""
    start = content.rindex(b"PK\x01\x02", 0, content.rindex(b"PK\x05\x06"))
    at = rng.randrange(start, len(content) - 90)
    width = rng.choice([1, 2, 4])
    return sealed(
        content[:at] + rng.choice([b"\xff", b"\x00", b"\x7f"]) * width + content[at + width :]
    )


# -- damage to what the bytes mean -----------------------------------------------------------------


def unpacked(content: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    file = container.unpack("it", io.BytesIO(content))
    return copy.deepcopy(file.header), {name: np.array(a) for name, a in file.arrays.items()}


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container and key in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(items):
        yield value, key
        if isinstance(item, (dict, list)):
            yield from _places(item)


def edit(content: bytes, rng: random.Random) -> bytes:
    header, arrays = unpacked(content)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        holder, key = rng.choice(list(_places(header)))
        _change(holder, key, rng)
    return container.pack(header, arrays)


def _change(holder: Any, key: Any, rng: random.Random) -> None:
    old = holder[key]
    kind = rng.randrange(4)
    if kind == 0:
        holder[key] = copy.deepcopy(rng.choice(_ODD))
    elif kind == 1 and isinstance(old, int):
        holder[key] = old + rng.choice([-1, 1, 1000, -1000, 2**40])
    elif kind == 2 and isinstance(holder, list):
        rng.choice([lambda: holder.pop(key), lambda: holder.insert(key, copy.deepcopy(old))])()
    elif isinstance(holder, dict):
        del holder[key]
    else:
        holder[key] = copy.deepcopy(rng.choice(_ODD))


def swap(content: bytes, rng: random.Random) -> bytes:
    """Two objects change places, or their contents do."""
    header, arrays = unpacked(content)
    objects = header["objects"]
    i, j = rng.randrange(len(objects)), rng.randrange(len(objects))
    objects[i], objects[j] = objects[j], objects[i]
    return container.pack(header, arrays)


def edit_array(content: bytes, rng: random.Random) -> bytes:
    """Another length, type or value of an array."""
    header, arrays = unpacked(content)
    for written in header["objects"]:
        if "array" in written and rng.random() < 0.3:
            member = f"x{len(arrays)}.npy"
            arrays[member] = _decoded(written["array"])
            written.clear()
            written["member"] = member
    if not arrays:
        return container.pack(header, arrays)
    name = rng.choice(list(arrays))
    array = arrays[name].copy()
    arrays[name] = rng.choice(
        [
            lambda: array[: rng.randrange(len(array) + 1)] if array.ndim else array,
            lambda: np.concatenate([array, array]) if array.ndim else array,
            lambda: _cast(array, rng.choice(["f4", "i1", "u8", "f8", "i4", "?", ">f8"])),
            lambda: _spoilt(array, rng),
            lambda: _spoilt(array, rng),
            lambda: array.reshape(-1),
            lambda: np.zeros((0, 5)),
            lambda: array.T,
            lambda: np.full_like(array, rng.choice([0, 1, 100])),
        ]
    )()
    return container.pack(header, arrays)


def _decoded(written: list[Any]) -> Any:
    import base64  # noqa: PLC0415

    dtype, shape, order, text = written
    return np.frombuffer(base64.b64decode(text), dtype).reshape(shape, order=order)


def _cast(array: Any, dtype: str) -> Any:
    with np.errstate(all="ignore"):
        return array.astype(dtype)


def _spoilt(array: Any, rng: random.Random) -> Any:
    if array.size and array.dtype.kind in "fiu":
        odd: list[Any] = [0, -1, 1, 10**9]
        if array.dtype.kind == "f":
            odd += [np.nan, np.inf, -np.inf, 1e300, -1e-300]
        value = rng.choice(odd)
        with np.errstate(all="ignore"):
            array.flat[rng.randrange(array.size)] = np.array(value).astype(array.dtype)
    return array


def mix(content: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """Parts of two files."""
    header, arrays = unpacked(content)
    header2, arrays2 = unpacked(rng.choice(others))
    if rng.random() < 0.5:
        key = rng.choice(list(header))
        header[key] = header2[key]
    else:
        name = rng.choice(list(header["content"]))
        header["content"][name] = header2["content"][name]
    if rng.random() < 0.5:
        arrays = arrays2
    return container.pack(header, arrays)


# -- hostile archives ------------------------------------------------------------------------------


def archive(members: list[tuple[str, bytes]], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(buffer, "w", compression) as made:
            for name, content in members:
                made.writestr(zipfile.ZipInfo(name), content, compression)
            made.comment = bytes(83)
    return sealed(buffer.getvalue())


def npy(header: str) -> bytes:
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


NPY = "{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}\n"


def hostile() -> dict[str, bytes]:
    """Files made to do harm."""
    good = sources()[0]
    header, _ = unpacked(good)
    text = json.dumps(header).encode()
    name = container.HEADER
    shapes = [
        "(10**9,)",
        "(1000000000000,)",
        "(-1,)",
        "(2**62, 4)",
        "(1,)*70",
        "(3)",
        "None",
        "(0, 9**18)",
    ]
    deep = {
        "deep lists": b"[" * 100_000,
        "deep objects": b'{"a":' * 50_000,
        "closed": b"[" * 900 + b"]" * 900,
    }
    return {
        "bomb": archive(
            [(name, text), ("0.npy", npy(NPY.format("<f8", "(400000000,)")) + bytes(10**8))]
        ),
        "many bombs": archive([(name, text), *((f"{i}.npy", bytes(2 * 10**7)) for i in range(20))]),
        "header bomb": archive([(name, b'{"a":"' + b"a" * 10**8 + b'"}')]),
        "list bomb": archive([(name, b'{"a":[' + b"[]," * 3_000_000 + b"[]]}")]),
        "bzip2": archive([(name, text), ("0.npy", bytes(10**7))], zipfile.ZIP_BZIP2),
        "lzma": archive([(name, text), ("0.npy", bytes(10**7))], zipfile.ZIP_LZMA),
        "bzip2 header": archive([(name, text)], zipfile.ZIP_BZIP2),
        "double member": archive([(name, text), ("0.npy", b"a"), ("0.npy", b"b")]),
        "double header": archive([(name, text), (name, text)]),
        "double key": archive([(name, text[:-1] + b', "version": 1}')]),
        "nan": archive([(name, text.replace(b'"version": 1', b'"version": NaN'))]),
        "float": archive([(name, text.replace(b'"version": 1', b'"version": 1e999'))]),
        "huge integer": archive(
            [(name, text.replace(b'"version": 1', b'"version": ' + b"9" * 10**6))]
        ),
        "utf-16": archive([(name, text.decode().encode("utf-16"))]),
        "not an object": archive([(name, b"[1, 2]")]),
        "pickle": archive([(name, text), ("0.npy", b"\x80\x04N.")]),
        "object array": archive(
            [(name, text), ("0.npy", npy(NPY.format("|O", "(1,)")) + b"\x80\x04N.")]
        ),
        **{
            f"shape {s}": archive([(name, text), ("0.npy", npy(NPY.format("<f8", s)) + bytes(16))])
            for s in shapes
        },
        **{
            f"dtype {d}": archive([(name, text), ("0.npy", npy(NPY.format(d, "(2,)")) + bytes(16))])
            for d in ("<U4", "|V8", "<M8[s]", "<c8", "x", "<f16", "f8,f8")
        },
        **{kind: archive([(name, content)]) for kind, content in deep.items()},
    }


# -- what must hold -----------------------------------------------------------------------------


def use(fit: mm.LinearMixedFit) -> None:
    """Call what reads each part of a fit; our own errors are an answer."""
    data = SLEEP[:5].assign(f="a", w=1.0, Batch="A", batch="A", cask="a")
    calls: list[Callable[[], Any]] = [
        lambda: str(fit.summary()),
        lambda: repr(fit),
        lambda: (fit.messages, fit.aic, str(fit.optsum), fit.theta_names),
        fit.predict,
        lambda: fit.predict(data),
        lambda: fit.predict(data, allow_new_levels=True),
        lambda: fit.ranef(condvar=True),
        fit.leverage,
        fit.coef,
        fit.augment,
        lambda: fit.model.objective(fit.theta),
        fit.singularity,
        lambda: fit.save(pathlib.Path(tempfile.gettempdir()) / "again.mm"),
    ]
    for call in calls:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                call()
            except MixedModelsError:
                pass
            except FloatingPointError:
                pass


def outcome(content: bytes, path: pathlib.Path) -> str:
    """ "refused" or "loaded"; anything else raises."""
    path.write_bytes(content)
    began = time.perf_counter()
    try:
        fit = mm.load(path, threads=1)
    except FileError as error:
        found, said = "refused", str(error)
    else:
        found, said = "loaded", str(path)
        use(fit)
    seconds = time.perf_counter() - began
    assert said.startswith(str(path)), said
    assert len(said) < 1000
    assert seconds < 20, seconds
    return found


BYTES = (flip, cut, extend, splice, sealed_flip, sealed_splice, sealed_directory)
MEANING = (edit, edit, edit, swap, edit_array, edit_array)


def damaged(seed: int, good: list[bytes]) -> tuple[str, bytes]:
    """One damaged file, and the kind of its damage."""
    rng = random.Random(seed)
    content = rng.choice(good)
    kind = rng.choice([*BYTES, *MEANING, *MEANING, mix])
    if kind is mix:
        return "mix", mix(content, rng, good)
    return kind.__name__, kind(content, rng)


def main() -> None:
    """Try as many as asked for; print a count by kind and outcome."""
    count, first = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    good = sources()
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "fit.mm"
        for seed in range(first, first + count):
            try:
                kind, content = damaged(seed, good)
            except FileError:
                continue
            try:
                counts[kind, outcome(content, path)] += 1
            except Exception as error:  # noqa: BLE001
                counts[kind, "WRONG"] += 1
                print("seed", seed, kind, repr(error), flush=True)
        for kind, content in hostile().items():
            print(kind, outcome(content, path))
    for key, number in sorted(counts.items()):
        print(*key, number)


if __name__ == "__main__":
    main()
