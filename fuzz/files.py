"""Saved fits that are damaged: in their bytes, and in what these mean under a right seal."""

from __future__ import annotations

import base64
import contextlib
import copy
import functools
import hashlib
import io
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import numpy as np

import mixedmodels as mm
from mixedmodels.storage import container

_SLEEP = mm.load_dataset("sleepstudy")
_ODD: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 7, 179, 180, 181, 2**31, -(2**31), 2**63, 2**64, 10**99),
    *("", "a", "Days", "Subject", "`", "os.system('true')", "\ud800", "x" * 2000),
    *({"float": "nan"}, {"float": "inf"}, {"float": "-0x1p+0"}, {"float": "0x1p+1023"}),
    *({"object": 0}, {"object": 3}, {"object": 10**6}, {"object": -1}, {"number": ["<f8", ""]}),
    *({"tuple": []}, {"list": []}, {"dict": []}, {"tuple": [1, "a"]}, [], {}, [[[[]]]], {"a": 1}),
]
Fit: TypeAlias = mm.LinearMixedFit | mm.GeneralizedLinearMixedFit


@functools.cache
def originals() -> tuple[bytes, ...]:
    """Saved fits of several kinds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gaps = _SLEEP.assign(Reaction=_SLEEP["Reaction"].mask(_SLEEP.index.isin([3, 50])), w=1.5)
        gaps["f"] = np.array(["a", "b", "c"])[_SLEEP.index % 3]
        fits = [
            mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"), threads=1),
            mm.lmer("Reaction ~ poly(Days, 2) + (Days | Subject)", _SLEEP, threads=1),
            mm.lmer(
                "Reaction ~ Days * f + scale(Days) + offset(2 * Days) + (Days || Subject)"
                " + (1 | f:Subject)",
                gaps.set_axis([f"r{i}" for i in range(180)], axis=0),
                weights="w",
                threads=1,
            ),
            mm.lmer("strength ~ 1 + (1 | batch/cask)", mm.load_dataset("pastes"), threads=1),
            mm.glmer(
                "cbind(incidence, size - incidence) ~ period + (1 | herd)",
                mm.load_dataset("cbpp"),
                threads=1,
            ),
            mm.glmer(
                "c ~ Days + (1 | Subject)",
                gaps.assign(c=np.arange(180) * 7 % 11 % 4),
                "ordinal",
                threads=1,
            ),
            mm.glmer(
                "c ~ Days + (1 | Subject)",
                gaps.assign(c=np.arange(180) * 7 % 11 % 4),
                "negative_binomial",
                dispersion="~ f",
                zero_inflation="~ 1",
                threads=1,
            ),
            mm.lmer("Reaction ~ Days + (Days | Subject)", _SLEEP, executor=mm.Threads(1)),
        ]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for fit in fits:
            path = Path(folder) / "fit.mm"
            fit.save(path)
            found.append(path.read_bytes())
    return tuple(found)


def draw(random: Random) -> bytes:
    """A file that is damaged somehow."""
    return random.choice(_DAMAGE)(random.choice(originals()), random)


def run(content: bytes) -> Fit:
    """Load it and, if that works, use the fit."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fit.mm"
        path.write_bytes(content)
        fit = mm.load(path, threads=1)
        use(fit, Path(folder) / "again.mm")
    return fit


def show(content: bytes) -> str:
    """Its size: the number of the example makes it again."""
    return f"{len(content)} bytes"


def use(fit: Fit, again: Path) -> None:
    """Call what reads each part of a fit; our own errors are an answer."""
    data = _SLEEP[:5].assign(f="a", w=1.0, Batch="A", batch="A", cask="a")
    calls: list[Callable[[], Any]] = [
        lambda: str(fit.summary()),
        lambda: repr(fit),
        lambda: (fit.messages, fit.aic, str(fit.optsum), fit.theta_names),
        fit.predict,
        lambda: fit.predict(data),
        lambda: fit.predict(data, allow_new_levels=True),
        fit.ranef_cov,
        fit.leverage,
        fit.coef,
        fit.augment,
        lambda: _objective(fit),
        fit.singularity,
        lambda: fit.save(again),
    ]
    for call in calls:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with contextlib.suppress(mm.MixedModelsError):
                call()


def sealed(content: bytes) -> bytes:
    """The content with the digest of what it has become."""
    body = content[: -len(_seal(b""))]
    return body + _seal(body)


def _seal(body: bytes) -> bytes:
    return b"mixedmodels sha256 " + hashlib.sha256(body).hexdigest().encode()


# -- damage to bytes -----------------------------------------------------------------------------


def _flip(content: bytes, random: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(random.choice([1, 1, 2, 10])):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _cut(content: bytes, random: Random) -> bytes:
    at = random.randrange(len(content))
    return random.choice((content[:at], content[at:], content * 2))


def _extend(content: bytes, random: Random) -> bytes:
    return content + random.randbytes(random.randrange(1, 300))


def _splice(content: bytes, random: Random) -> bytes:
    i, j = sorted(random.randrange(len(content)) for _ in range(2))
    return (
        content[:i] + random.choice([b"", content[i:j] * 2, random.randbytes(j - i)]) + content[j:]
    )


def _sealed_flip(content: bytes, random: Random) -> bytes:
    return sealed(_flip(content[:-90], random) + content[-90:])


def _sealed_splice(content: bytes, random: Random) -> bytes:
    return sealed(_splice(content[:-90], random) + content[-90:])


def _sealed_directory(content: bytes, random: Random) -> bytes:
    """Bytes of the central directory changed: sizes, offsets, methods, flags."""
    start = content.rindex(b"PK\x01\x02", 0, content.rindex(b"PK\x05\x06"))
    at = random.randrange(start, len(content) - 90)
    width = random.choice([1, 2, 4])
    return sealed(
        content[:at] + random.choice([b"\xff", b"\x00", b"\x7f"]) * width + content[at + width :]
    )


# -- damage to what the bytes mean -----------------------------------------------------------------


def unpacked(content: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and arrays of a file, to be changed and packed again."""
    file = container.unpack("it", io.BytesIO(content))
    return copy.deepcopy(file.header), {name: np.array(a) for name, a in file.arrays.items()}


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container and key in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(items):
        yield value, key
        if isinstance(item, (dict, list)):
            yield from _places(item)


def _edit(content: bytes, random: Random) -> bytes:
    header, arrays = unpacked(content)
    for _ in range(random.choice([1, 1, 1, 2, 5])):
        holder, key = random.choice(list(_places(header)))
        _change(holder, key, random)
    return container.pack(header, arrays)


def _change(holder: Any, key: Any, random: Random) -> None:
    old = holder[key]
    kind = random.randrange(4)
    if kind == 0:
        holder[key] = copy.deepcopy(random.choice(_ODD))
    elif kind == 1 and isinstance(old, int):
        holder[key] = old + random.choice([-1, 1, 1000, -1000, 2**40])
    elif kind == 2 and isinstance(holder, list):
        if random.random() < 0.5:
            holder.pop(key)
        else:
            holder.insert(key, copy.deepcopy(old))
    elif isinstance(holder, dict):
        del holder[key]
    else:
        holder[key] = copy.deepcopy(random.choice(_ODD))


def _swap(content: bytes, random: Random) -> bytes:
    """Two objects change places, or their contents do."""
    header, arrays = unpacked(content)
    objects = header["objects"]
    i, j = random.randrange(len(objects)), random.randrange(len(objects))
    objects[i], objects[j] = objects[j], objects[i]
    return container.pack(header, arrays)


def _edit_array(content: bytes, random: Random) -> bytes:
    """Another length, type or value of an array."""
    header, arrays = unpacked(content)
    for written in header["objects"]:
        if "array" in written and random.random() < 0.3:
            member = f"x{len(arrays)}.npy"
            arrays[member] = _decoded(written["array"])
            written.clear()
            written["member"] = member
    if not arrays:
        return container.pack(header, arrays)
    name = random.choice(list(arrays))
    array = arrays[name].copy()
    ways: tuple[Callable[[], Any], ...] = (
        lambda: array[: random.randrange(len(array) + 1)] if array.ndim else array,
        lambda: np.concatenate([array, array]) if array.ndim else array,
        lambda: _cast(array, random.choice(["f4", "i1", "u8", "f8", "i4", "?", ">f8"])),
        lambda: _spoilt(array, random),
        lambda: _spoilt(array, random),
        lambda: array.reshape(-1),
        lambda: np.zeros((0, 5)),
        lambda: array.T,
        lambda: np.full_like(array, random.choice([0, 1, 100])),
    )
    arrays[name] = random.choice(ways)()
    return container.pack(header, arrays)


def _decoded(written: list[Any]) -> Any:
    dtype, shape, order, text = written
    return np.frombuffer(base64.b64decode(text), dtype).reshape(shape, order=order)


def _cast(array: Any, dtype: str) -> Any:
    with np.errstate(all="ignore"):
        return array.astype(dtype)


def _spoilt(array: Any, random: Random) -> Any:
    if array.size and array.dtype.kind in "fiu":
        odd: list[Any] = [0, -1, 1, 10**9]
        if array.dtype.kind == "f":
            odd += [np.nan, np.inf, -np.inf, 1e300, -1e-300]
        value = random.choice(odd)
        with np.errstate(all="ignore"):
            array.flat[random.randrange(array.size)] = np.array(value).astype(array.dtype)
    return array


def _mix(content: bytes, random: Random) -> bytes:
    """Parts of two files."""
    header, arrays = unpacked(content)
    header2, arrays2 = unpacked(random.choice(originals()))
    if random.random() < 0.5:
        key = random.choice([key for key in header if key in header2])
        header[key] = header2[key]
    else:
        name = random.choice([name for name in header["content"] if name in header2["content"]])
        header["content"][name] = header2["content"][name]
    if random.random() < 0.5:
        arrays = arrays2
    return container.pack(header, arrays)


_DAMAGE: tuple[Callable[[bytes, Random], bytes], ...] = (
    *(_flip, _cut, _extend, _splice, _sealed_flip, _sealed_splice, _sealed_directory, _mix),
    *(2 * (_edit, _edit, _edit, _swap, _edit_array, _edit_array)),
)


def _objective(fit: Fit) -> float:
    if isinstance(fit, mm.LinearMixedFit):
        return fit.model.objective(fit.theta)
    return fit.model.objective(fit.theta, fit.beta)
