"""Indexes of pandas (row labels, levels) to plain parts and back.

The parts are numbers, text, arrays and other indexes, in a dict whose "kind" says which index they
make. Text goes into one array of bytes and one of lengths. Labels of a type that has no kind here
are kept as text, and a note says so. Parts that are read come from a file and may be anything.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd

from mixedmodels.arrays import AnyArray
from mixedmodels.errors import FileError

Parts = dict[str, Any]

_MASKED = frozenset(
    {
        *(f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)),
        *("Float32", "Float64", "boolean", "string"),
    }
)
_UNITS = frozenset({"s", "ms", "us", "ns"})
# Names of time zones: no path of a file among them.
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+:-]*(/[A-Za-z0-9_+-]+){0,2}")
# Types that may stand side by side in one index, each with the way to text and back.
_TYPES: tuple[tuple[type, Callable[[Any], str], Callable[[str], Any]], ...] = (
    (type(None), lambda _label: "", lambda _text: None),
    (bool, str, lambda text: text == "True"),
    (int, str, int),
    (float, float.hex, float.fromhex),
    (str, str, str),
    (dt.date, str, dt.date.fromisoformat),
    (dt.datetime, dt.datetime.isoformat, dt.datetime.fromisoformat),
    (dt.time, dt.time.isoformat, dt.time.fromisoformat),
    (Decimal, str, Decimal),
    (UUID, str, UUID),
)
_TYPE_CODES = {kind: code for code, (kind, _, _) in enumerate(_TYPES)}


def index_to_parts(index: pd.Index) -> tuple[Parts, str | None]:
    """The parts of an index, and a note where its labels could only be kept as text."""
    for kind, (matches, take, _) in _KINDS.items():
        if matches(index):
            names = list(index.names) if kind == "multi" else [index.name]
            return {"kind": kind, "names": [_name(name) for name in names], **take(index)}, None
    texts = [str(label) for label in index.tolist()]
    note = (
        f"Labels of type {_type_name(index)} were saved as text, such as {texts[0]!r}."
        if texts
        else None
    )
    parts = {"kind": "text", "names": [_name(index.name)], **_texts(texts), "dtype": "object"}
    return parts, note


def index_from_parts(parts: Parts, most: int) -> pd.Index:
    """The index that the parts make.

    Args:
        parts: What `index_to_parts` gave.
        most: Labels that may be made out of nothing, as those of a range are.

    Raises:
        FileError: An unknown kind, or more labels.
    """
    if parts.get("kind") not in _KINDS:
        raise FileError(f"it holds an index of the unknown kind {parts.get('kind')!r:.40}")
    index = _KINDS[parts["kind"]][2](parts)
    if isinstance(index, pd.RangeIndex) and len(index) > most:
        raise FileError(f"it holds a range of {len(index)} labels, more than such a file can need")
    index.names = parts["names"]
    return index


def _name(name: Any) -> Any:
    """A name as it is where it can be, or as text."""
    plain = name is None or type(name) in (str, int, float, bool)
    return name if plain else str(name)


def _type_name(index: pd.Index) -> str:
    if index.dtype != object:
        return str(index.dtype)
    return ", ".join(sorted({type(label).__name__ for label in index.tolist()}))


def _texts(texts: Sequence[str | None]) -> Parts:
    coded = [text.encode("utf-8", "surrogatepass") if text is not None else b"" for text in texts]
    lengths = np.fromiter(map(len, coded), np.int64, len(coded))
    lengths[[i for i, text in enumerate(texts) if text is None]] = -1
    return {"bytes": np.frombuffer(b"".join(coded), dtype=np.uint8), "lengths": lengths}


def _from_texts(parts: Parts) -> list[str | None]:
    joined: bytes = parts["bytes"].tobytes()
    lengths: AnyArray = parts["lengths"]
    if np.maximum(lengths, 0).sum() != len(joined) or lengths.max(initial=0) > len(joined):
        raise FileError("its texts have not the lengths that it declares")
    ends = np.cumsum(np.maximum(lengths, 0))
    starts = ends - np.maximum(lengths, 0)
    return [
        joined[start:end].decode("utf-8", "surrogatepass") if length >= 0 else None
        for start, end, length in zip(starts.tolist(), ends.tolist(), lengths.tolist(), strict=True)
    ]


def _is_text(index: pd.Index) -> bool:
    if index.dtype == object:
        return all(type(label) is str for label in index.tolist())
    return str(index.dtype) == "str"


def _take_text(index: pd.Index) -> Parts:
    missing = index.isna()
    texts = [None if gone else label for label, gone in zip(index.tolist(), missing, strict=True)]
    return {**_texts(texts), "dtype": str(index.dtype)}


def _make_text(parts: Parts) -> pd.Index:
    return pd.Index(_from_texts(parts), dtype="str" if parts["dtype"] == "str" else object)


def _is_mixed(index: pd.Index) -> bool:
    # Times with a zone have only its offset in their text.
    return index.dtype == object and all(
        type(label) in _TYPE_CODES and getattr(label, "tzinfo", None) is None
        for label in index.tolist()
    )


def _take_mixed(index: pd.Index) -> Parts:
    labels = index.tolist()
    codes = [_TYPE_CODES[type(label)] for label in labels]
    texts = [_TYPES[code][1](label) for code, label in zip(codes, labels, strict=True)]
    return {**_texts(texts), "types": np.array(codes, dtype=np.uint8)}


def _make_mixed(parts: Parts) -> pd.Index:
    labels = np.empty(len(parts["types"]), dtype=object)
    texts = _from_texts(parts)
    labels[:] = [
        _TYPES[code][2](text or "")
        for code, text in zip(parts["types"].tolist(), texts, strict=True)
    ]
    return pd.Index(labels, dtype=object)


def _is_times(index: pd.Index) -> bool:
    return isinstance(index, pd.DatetimeIndex) and (index.tz is None or _zone(index) is not None)


def _zone(index: pd.DatetimeIndex) -> str | None:
    """The name of the time zone, if the name alone gives it back."""
    name = str(index.tz)
    try:
        again = pd.DatetimeIndex([], tz=name).tz
    except Exception:  # noqa: BLE001  (zones come from several packages, each with its own errors)
        return None
    return name if str(again) == name else None


def _make_times(parts: Parts) -> pd.Index:
    times = pd.DatetimeIndex(parts["values"].view(f"M8[{_unit(parts)}]"))
    if parts["zone"] is not None:
        if not _ZONE.fullmatch(parts["zone"]):
            raise FileError(f"it holds times of the unknown zone {parts['zone']!r:.40}")
        times = times.tz_localize("UTC").tz_convert(parts["zone"])
    return times


def _unit(parts: Parts) -> str:
    unit: str = parts["unit"]
    if unit not in _UNITS:
        raise FileError(f"it holds times in the unknown unit {unit!r:.40}")
    return unit


def _take_interval(index: Any) -> Parts:
    return {"left": index.left, "right": index.right, "closed": index.closed}


def _take_masked(index: pd.Index) -> Parts:
    dtype = str(index.dtype)
    if dtype == "string":
        return _take_text(index)
    values = index.array.to_numpy(dtype=index.dtype.numpy_dtype, na_value=0)
    return {"dtype": dtype, "values": values, "missing": index.isna()}


def _make_masked(parts: Parts) -> pd.Index:
    if parts["dtype"] not in _MASKED:
        raise FileError(f"it holds labels of the unknown type {parts['dtype']!r}")
    if parts["dtype"] == "string":
        return pd.Index(pd.array(_from_texts(parts), dtype="string"))
    values = pd.array(parts["values"], dtype=parts["dtype"])
    values[parts["missing"]] = pd.NA
    return pd.Index(values)


def _is_numbers(index: pd.Index) -> bool:
    return (
        type(index) is pd.Index
        and isinstance(index.dtype, np.dtype)
        and (index.dtype.kind in "fiub")
    )


# Kind to: whether an index is of it, its parts, and the index of such parts. The first that fits.
_KINDS: dict[
    str,
    tuple[Callable[[Any], bool], Callable[[Any], Parts], Callable[[Parts], pd.Index]],
] = {
    "range": (
        lambda index: isinstance(index, pd.RangeIndex),
        lambda index: {"range": [index.start, index.stop, index.step]},
        lambda parts: pd.RangeIndex(*parts["range"]),
    ),
    "numbers": (
        _is_numbers,
        lambda index: {"values": index.to_numpy()},
        lambda parts: pd.Index(parts["values"]),
    ),
    "multi": (
        lambda index: isinstance(index, pd.MultiIndex),
        lambda index: {"levels": list(index.levels), "codes": [np.array(c) for c in index.codes]},
        lambda parts: pd.MultiIndex(levels=parts["levels"], codes=parts["codes"]),
    ),
    "categories": (
        lambda index: isinstance(index, pd.CategoricalIndex),
        lambda index: {
            "codes": np.array(index.codes),
            "categories": index.categories,
            "ordered": bool(index.ordered),
        },
        lambda parts: pd.CategoricalIndex(
            pd.Categorical.from_codes(parts["codes"], parts["categories"], parts["ordered"])
        ),
    ),
    "times": (
        _is_times,
        lambda index: {
            "values": index.asi8,
            "unit": index.unit,
            "zone": None if index.tz is None else _zone(index),
        },
        _make_times,
    ),
    "durations": (
        lambda index: isinstance(index, pd.TimedeltaIndex),
        lambda index: {"values": index.asi8, "unit": index.unit},
        lambda parts: pd.TimedeltaIndex(parts["values"].view(f"m8[{_unit(parts)}]")),
    ),
    "periods": (
        lambda index: isinstance(index, pd.PeriodIndex),
        lambda index: {"values": index.asi8, "freq": index.freqstr},
        lambda parts: pd.PeriodIndex(
            pd.arrays.PeriodArray(parts["values"], dtype=pd.PeriodDtype(parts["freq"]))
        ),
    ),
    "intervals": (
        lambda index: isinstance(index, pd.IntervalIndex),
        _take_interval,
        lambda parts: pd.IntervalIndex.from_arrays(
            parts["left"], parts["right"], closed=parts["closed"]
        ),
    ),
    "masked": (lambda index: str(index.dtype) in _MASKED, _take_masked, _make_masked),
    "text": (_is_text, _take_text, _make_text),
    "mixed": (
        _is_mixed,
        _take_mixed,
        _make_mixed,
    ),
}
