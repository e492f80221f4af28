"""Values there and back: bit for bit, of the same type, shared where they were shared."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mixedmodels.errors import FileError
from mixedmodels.storage.values import Reader, Writer


@dataclass(frozen=True)
class Pair:
    left: Any
    right: Any = None


CLASSES = {"Pair": Pair}
ROOM = 1 << 20


def again(value: Any) -> Any:
    writer = Writer(CLASSES)
    written = json.loads(json.dumps([writer.value(value), writer.objects], allow_nan=False))
    arrays = {name: array.copy(order="K") for name, array in writer.arrays.items()}
    return Reader(CLASSES, written[1], arrays, ROOM).value(written[0])


def same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        equal = a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        return equal and a.flags.c_contiguous == b.flags.c_contiguous
    if isinstance(a, float):
        return a.hex() == b.hex()
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Pair):
        return same(a.left, b.left) and same(a.right, b.right)
    return bool(a == b)


VALUES = [
    None,
    True,
    2**70,
    "text \ud800",
    0.1,
    -0.0,
    float("inf"),
    float("nan"),
    np.float64(1 / 3),
    np.int16(-3),
    np.bool_(True),
    (1, [2.0, (), []], {"a": None, 0: np.float32(0.1)}),
    Pair((1, Pair("x")), np.arange(3)),
    np.array([]),
    np.zeros((0, 4)),
    np.array(2.5),
    np.array([np.nan, -0.0, 1e-320]),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.asfortranarray(np.arange(600.0).reshape(200, 3)),
    np.arange(600, dtype=">i4").astype("<i4"),
    np.arange(12.0)[::2],
    np.arange(2000).astype(np.uint8),
    np.array([True, False]),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{type(value).__name__}-{value!s:.20}")
def test_there_and_back(value: Any) -> None:
    if isinstance(value, np.ndarray) and not (value.flags.c_contiguous or value.flags.f_contiguous):
        value = value.copy()
    assert same(again(value), value)


def test_views_stay_views() -> None:
    X = np.asfortranarray(np.arange(400.0).reshape(100, 4))
    ones = np.broadcast_to(np.float64(1.0), (100, 1))
    writer = Writer({})
    written = writer.value((X, X[:, 1:3], ones, X))
    assert len(writer.arrays) == 1
    first, middle, constant, repeated = Reader({}, writer.objects, writer.arrays, ROOM).value(
        written
    )
    assert repeated is first
    assert np.shares_memory(middle, first)
    np.testing.assert_array_equal(middle, X[:, 1:3])
    assert constant.shape == (100, 1)
    assert constant.strides == (0, 0)


def test_a_view_of_rows_is_an_array_of_its_own() -> None:
    X = np.asfortranarray(np.arange(400.0).reshape(100, 4))
    top, columns = again((X, X[:50, 1:3]))
    np.testing.assert_array_equal(columns, X[:50, 1:3])
    assert not np.shares_memory(top, columns)


def test_indexes_are_shared() -> None:
    levels = pd.Index(["a", "b"])
    first, second = again((levels, Pair(levels)))
    pd.testing.assert_index_equal(first, levels)
    assert second.left is first


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "holds a builtins.object"),
        (1j, "builtins.complex"),
        (np.array(["a"]), "array of <U1"),
        (np.array([object()]), "array of object"),
    ],
    ids=["object", "complex", "texts", "objects"],
)
def test_other_types_are_refused(value: Any, message: str) -> None:
    with pytest.raises(FileError, match=message):
        Writer({}).value(value)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"class": "Other", "fields": {}}, "holds a Other"),
        ({"class": "Pair", "fields": {"left": 1, "extra": 2}}, r"Pair has fields .* \(extra\)"),
        ({"array": ["|O", [1], "C", ""]}, r"unknown type '\|O'"),
        ({"array": ["f8,f8", [1], "C", ""]}, "unknown type 'f8,f8'"),
        ({"array": ["<f8", [-1], "C", ""]}, r"impossible shape \[-1\]"),
        ({"array": ["|b1", [1], "C", "Ag=="]}, "neither true nor false"),
        ({"constant": {"number": ["<f8", "AAAAAAAA8D8="]}, "shape": [10**9, 5]}, "more memory"),
        ({"constant": 1, "shape": [3]}, "does not say which"),
        ({"columns": [0, 0, 1]}, "refers to another, 0, that is not before it"),
        ({"columns": [-1, 0, 1]}, "refers to another, -1"),
        (
            {"index": {"dict": [["kind", "range"], ["range", {"list": [0, 10**12, 1]}]]}},
            "1000000000000 labels",
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value)[:30],
)
def test_what_is_not_known_is_refused(written: dict[str, Any], message: str) -> None:
    with pytest.raises(FileError, match=message):
        Reader(CLASSES, [written], {}, ROOM)


def test_columns_are_those_of_a_matrix() -> None:
    vector = {"array": ["<f8", [1], "C", "AAAAAAAA8D8="]}
    matrix = {"array": ["<f8", [1, 1], "C", "AAAAAAAA8D8="]}
    for objects, message in (
        ([vector, {"columns": [0, 0, 1]}], "not a matrix"),
        ([matrix, {"columns": [0, 0, 2]}], "not among those"),
        ([matrix, {"columns": [0, -1, 1]}], "not among those"),
    ):
        with pytest.raises(FileError, match=message):
            Reader({}, objects, {}, ROOM)


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(FileError, match="unknown form 'code'"):
        Reader({}, [], {}, ROOM).value({"code": "1 + 1"})
