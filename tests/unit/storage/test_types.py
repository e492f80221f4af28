"""The check of fields against the types that their class declares."""

from __future__ import annotations

from dataclasses import make_dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pytest

from mixedmodels.errors import FileError
from mixedmodels.storage.types import check_fields

Item = TypeVar("Item")
Number = TypeVar("Number", bound=np.generic)


def aliases() -> tuple[Any, Any, Any]:
    """Aliases as the `type` statement makes them: of arrays, of a whole type, and of an alias."""
    kind = pytest.importorskip("typing_extensions").TypeAliasType
    array = kind("array", npt.NDArray[Number], type_params=(Number,))
    return array, kind("whole", int), kind("both", tuple[array[Item], ...], type_params=(Item,))


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ((np.zeros(2, np.int32), 3, (np.ones(1),), None), (np.zeros(2), 3, (), None)),
        ((np.zeros(0, np.int32), 3, (), {"a": np.ones(1)}), (np.zeros(0, np.int32), 3.5, (), None)),
        ((np.zeros(0, np.int32), 3, (), {}), (np.zeros(0, np.int32), 3, (np.zeros(1, int),), {})),
        ((np.zeros(0, np.int32), 3, (), {}), (np.zeros(0, np.int32), 3, (), {"a": 1.0})),
    ],
)
def test_aliases_stand_for_their_types(good: tuple[Any, ...], bad: tuple[Any, ...]) -> None:
    array, whole, both = aliases()
    floats = array[np.float64]
    hints = (array[np.int32], whole, both[np.float64], dict[str, floats] | None)
    made = make_dataclass("Made", list(zip("abcd", hints, strict=True)))
    check_fields(made(*good))
    with pytest.raises(FileError, match="Made has"):
        check_fields(made(*bad))
