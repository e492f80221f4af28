"""The core's integer codes from Python: values, types, and what is handed back uncopied."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixedmodels._core import compact, encode_integers, interact

INT64 = st.integers(-(2**63), 2**63 - 1)
small_codes = st.lists(st.integers(0, 9), max_size=60)


def codes_of(values: list[int]) -> np.ndarray:
    return np.array(values, dtype=np.int32)


@given(st.lists(INT64 | st.integers(-5, 5), max_size=80))
def test_encoding_is_numpy_unique(values: list[int]) -> None:
    array = np.array(values, dtype=np.int64)
    found = encode_integers(array)
    codes, levels = found.codes, found.levels
    expected, inverse = np.unique(array, return_inverse=True)
    np.testing.assert_array_equal(levels, expected)
    np.testing.assert_array_equal(codes, inverse)
    assert (codes.dtype, levels.dtype) == (np.int32, np.int64)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 8)), max_size=60))
def test_interaction_is_of_the_pairs_that_occur(pairs: list[tuple[int, int]]) -> None:
    a, b = codes_of([p[0] for p in pairs]), codes_of([p[1] for p in pairs])
    found = interact(a, 7, b, 9)
    codes, level_a, level_b = found.codes, found.level_a, found.level_b
    observed = sorted(set(pairs))
    assert list(zip(level_a, level_b, strict=True)) == observed
    assert [observed[code] for code in codes] == pairs
    assert codes.dtype == level_a.dtype == level_b.dtype == np.int32


@given(small_codes)
def test_compaction_keeps_the_order_of_levels(values: list[int]) -> None:
    found = compact(codes_of(values), 10)
    codes, kept = found.codes, found.kept
    assert kept.tolist() == sorted(set(values))
    assert kept[codes].tolist() == values
    assert codes.dtype == kept.dtype == np.int32


def test_compaction_of_used_levels_returns_the_same_array() -> None:
    codes = codes_of([2, 0, 1, 0])
    found = compact(codes, 3)
    assert found.codes is codes
    assert found.kept.tolist() == [0, 1, 2]


def test_interaction_of_different_lengths_is_refused() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        interact(codes_of([0, 1]), 2, codes_of([0]), 1)


def test_results_own_their_memory() -> None:
    found = encode_integers(np.arange(1000, dtype=np.int64))
    codes, levels = found.codes, found.levels
    del found
    for array in (codes, levels):
        assert array.flags.writeable
        array[:] = 7
        assert (array == 7).all()
