"""Values of known types to JSON and arrays, and back, bit for bit.

A value is None, a truth value, a whole number or text as JSON has them; floats are written in
hexadecimal. Tuples, lists and dicts keep their kind. Arrays, indexes and instances of the classes
given stand in one list of objects, each after those it refers to, so that what is shared in memory
is stored once and shared again. Nothing in a file is ever run or imported by name.
"""

from __future__ import annotations

import base64
import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import AnyArray
from mixedmodels.errors import FileError
from mixedmodels.storage.container import check_truth
from mixedmodels.storage.labels import index_from_parts, index_to_parts
from mixedmodels.storage.types import check_fields

# Arrays up to this many bytes stand in the header; a member of an archive costs more.
_INLINE = 256
_KINDS = "fiub"
# The types of numbers, as they are written.
_TYPES = frozenset(np.dtype(code).newbyteorder("<").str for code in "?bhilqBHILQefdg")


class Writer:
    """Collects objects and arrays while values are written.

    Args:
        classes: Name to frozen dataclass, for all that may occur.

    Attributes:
        objects: The objects so far, as JSON.
        arrays: Member name to array.
        notes: What could not be kept as it was, for the user.
        claimed: Bytes that a reader needs beside those of the arrays.
    """

    def __init__(self, classes: Mapping[str, type]) -> None:
        self.objects: list[dict[str, Any]] = []
        self.arrays: dict[str, AnyArray] = {}
        self.notes: list[str] = []
        self.claimed = 0
        self._names = {kind: name for name, kind in classes.items()}
        self._known: dict[int, int] = {}
        # An id is only good while its object lives.
        self._alive: list[Any] = []
        self._matrices: list[tuple[int, AnyArray]] = []

    def value(self, value: Any) -> Any:
        """One value as JSON.

        Raises:
            FileError: A type that files do not have.
        """
        if value is None or isinstance(value, (bool, str)) or type(value) is int:
            return value
        if type(value) is float:
            return {"float": value.hex()}
        if isinstance(value, np.generic) and value.dtype.kind in _KINDS:
            return {"number": [value.dtype.newbyteorder("<").str, _text(np.asarray(value))]}
        if isinstance(value, tuple):
            return {"tuple": [self.value(item) for item in value]}
        if isinstance(value, list):
            return {"list": [self.value(item) for item in value]}
        if isinstance(value, Mapping):
            return {"dict": [[self.value(key), self.value(item)] for key, item in value.items()]}
        return {"object": self._object(value)}

    def _object(self, value: Any) -> int:
        known = self._known.get(id(value))
        if known is not None:
            return known
        written = self._write(value)
        position = len(self.objects)
        self.objects.append(written)
        self._known[id(value)] = position
        self._alive.append(value)
        if isinstance(value, np.ndarray) and value.ndim == 2 and "member" in written:
            self._matrices.append((position, value))
        return position

    def _write(self, value: Any) -> dict[str, Any]:
        if isinstance(value, np.ndarray):
            return self._array(value)
        if isinstance(value, pd.Index):
            self.claimed += _label_bytes(value)
            parts, note = index_to_parts(value)
            if note is not None:
                self.notes.append(note)
            return {"index": self.value(parts)}
        name = self._names.get(type(value))
        if name is None:
            kind = type(value)
            raise FileError(
                f"The fit holds a {kind.__module__}.{kind.__qualname__} ({value!r:.80}), which "
                "cannot be saved."
            )
        fields = {name: self.value(getattr(value, name)) for name in _given(type(value))}
        return {"class": name, "fields": fields}

    def _array(self, array: AnyArray) -> dict[str, Any]:
        if array.dtype.kind not in _KINDS:
            raise FileError(f"The fit holds an array of {array.dtype}, which cannot be saved.")
        if array.size > 1 and not any(array.strides):
            self.claimed += array.nbytes
            return {"constant": self.value(array[(0,) * array.ndim]), "shape": list(array.shape)}
        view = self._columns_of(array)
        if view is not None:
            self.claimed += array.nbytes
            return {"columns": view}
        little = np.asarray(array, dtype=array.dtype.newbyteorder("<"))
        if array.nbytes <= _INLINE:
            fortran = array.flags.f_contiguous and not array.flags.c_contiguous
            order = "F" if fortran else "C"
            shape = list(array.shape)
            return {"array": [little.dtype.str, shape, order, _text(little, order)]}
        name = f"{len(self.arrays)}.npy"
        self.arrays[name] = little
        return {"member": name}

    def _columns_of(self, array: AnyArray) -> list[int] | None:
        """Matrix, first and last column of which `array` is a view, if it is one."""
        if array.ndim != 2 or array.size == 0:
            return None
        for position, matrix in self._matrices:
            same = array.dtype == matrix.dtype and array.strides == matrix.strides
            step = matrix.strides[1]
            if not same or array.shape[0] != matrix.shape[0] or step <= 0:
                continue
            distance = array.__array_interface__["data"][0] - matrix.__array_interface__["data"][0]
            first, rest = divmod(distance, step)
            if rest == 0 and 0 <= first <= matrix.shape[1] - array.shape[1]:
                return [position, first, first + array.shape[1]]
        return None


class Reader:
    """Makes values from objects and arrays that a `Writer` has collected.

    Args:
        classes: Name to frozen dataclass, for all that may occur.
        objects: The objects, as JSON.
        arrays: Member name to array.
        room: Bytes that the values may take.

    Raises:
        FileError: The objects contradict what the classes are, or take more than `room`.
    """

    def __init__(
        self,
        classes: Mapping[str, type],
        objects: Sequence[Mapping[str, Any]],
        arrays: Mapping[str, AnyArray],
        room: int,
    ) -> None:
        self._classes = classes
        self._arrays = arrays
        self._room = room - sum(array.nbytes for array in arrays.values())
        self._made: list[Any] = []
        for written in objects:
            self._made.append(self._read(written))

    def value(self, written: Any) -> Any:
        """The value that was written.

        Raises:
            FileError: Not something that a `Writer` writes.
        """
        if written is None or isinstance(written, (bool, int, str)):
            return written
        (kind, content), *more = written.items()
        if more:
            raise FileError(f"a value has the unknown form {list(written)}")
        if kind == "float":
            return float.fromhex(content)
        if kind == "number":
            (number,) = _from_text(content[1], content[0])
            return number
        if kind == "tuple":
            return tuple(self.value(item) for item in content)
        if kind == "list":
            return [self.value(item) for item in content]
        if kind == "dict":
            return {self.value(key): self.value(item) for key, item in content}
        if kind == "object":
            return self._object(content)
        raise FileError(f"a value has the unknown form {kind!r}")

    def _read(self, written: Mapping[str, Any]) -> Any:
        if "member" in written:
            return self._arrays[written["member"]]
        if "array" in written:
            dtype, shape, order, text = written["array"]
            return _from_text(text, dtype).reshape(_sizes(shape), order=order)
        if "constant" in written:
            return self._constant(self.value(written["constant"]), written["shape"])
        if "columns" in written:
            return self._columns(*written["columns"])
        if "index" in written:
            return self._index(self.value(written["index"]))
        return self._instance(written["class"], written["fields"])

    def _object(self, position: Any) -> Any:
        if type(position) is not int or not 0 <= position < len(self._made):
            raise FileError(f"an object refers to another, {position!r:.20}, that is not before it")
        return self._made[position]

    def _constant(self, value: Any, shape: Any) -> AnyArray:
        if not isinstance(value, np.generic):
            raise FileError("an array of equal numbers does not say which")
        sizes = _sizes(shape)
        self._take(math.prod(sizes) * value.itemsize)
        return np.broadcast_to(value, sizes)

    def _columns(self, position: Any, first: Any, last: Any) -> AnyArray:
        matrix = self._object(position)
        if not isinstance(matrix, np.ndarray) or matrix.ndim != 2:
            raise FileError("columns are those of something that is not a matrix")
        if not (type(first) is type(last) is int and 0 <= first <= last <= matrix.shape[1]):
            raise FileError("columns are not among those of their matrix")
        view: AnyArray = matrix[:, first:last]
        self._take(view.nbytes)
        return view

    def _index(self, parts: Any) -> pd.Index:
        index = index_from_parts(parts, self._room)
        self._take(_label_bytes(index))
        return index

    def _take(self, count: int) -> None:
        self._room -= count
        if self._room < 0:
            raise FileError("its values would take more memory than such a file can need")

    def _instance(self, name: str, fields: Mapping[str, Any]) -> Any:
        kind = self._classes.get(name)
        if kind is None:
            raise FileError(f"it holds a {name}, which this version does not have")
        known = set(_given(kind))
        if not set(fields) <= known:
            stray = ", ".join(sorted(set(fields) - known))
            raise FileError(f"its {name} has fields that this version does not have ({stray})")
        made = kind(**{field: self.value(value) for field, value in fields.items()})
        check_fields(made)
        return made


def _given(kind: Any) -> list[str]:
    """The fields of a dataclass that its constructor takes; the others follow from these."""
    return [field.name for field in dataclasses.fields(kind) if field.init]


def _text(array: AnyArray, order: str = "C") -> str:
    little = np.asarray(array, dtype=array.dtype.newbyteorder("<"))
    return base64.b64encode(little.tobytes("F" if order == "F" else "C")).decode()


def _from_text(text: str, dtype: str) -> AnyArray:
    if dtype not in _TYPES:
        raise FileError(f"it holds numbers of the unknown type {dtype!r:.40}")
    numbers: AnyArray = np.frombuffer(bytearray(base64.b64decode(text, validate=True)), dtype)
    return check_truth(numbers)


def _sizes(shape: Any) -> tuple[int, ...]:
    if any(type(size) is not int or size < 0 for size in shape):
        raise FileError(f"an array has the impossible shape {shape!r:.40}")
    return tuple(shape)


def _label_bytes(index: pd.Index) -> int:
    """Memory of labels that take no room in the file."""
    return 8 * len(index) if isinstance(index, pd.RangeIndex) else 0
