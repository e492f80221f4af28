"""Indexes of pandas there and back; what has no kind becomes text, and says so."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid

import numpy as np
import pandas as pd
import pytest

from mixedmodels.errors import FileError
from mixedmodels.storage.labels import index_from_parts, index_to_parts

NAN = float("nan")
INDEXES = {
    "range": pd.RangeIndex(3, 20, 4, name="row"),
    "integers": pd.Index(np.array([3, 1, 2], dtype=np.int16)),
    "unsigned": pd.Index(np.array([3, 2**63], dtype=np.uint64)),
    "floats": pd.Index([0.1, NAN, -np.inf], name=("not", "plain")[0]),
    "truth": pd.Index([True, False]),
    "empty": pd.Index([], dtype=object),
    "text": pd.Index(["a", "", "été", "\ud800", "trailing\0"], dtype=object),
    "own text": pd.Index(["b", "a"]),
    "text with gaps": pd.Index(["b", None, "a"], dtype="str"),
    "string": pd.Index(pd.array(["b", None], dtype="string")),
    "days of Python": pd.Index([dt.date(2020, 1, 2), None], dtype=object),
    "other Python": pd.Index(
        [
            dt.datetime(2020, 1, 2, 3, 4, 5, 6),  # noqa: DTZ001
            dt.time(1),
            decimal.Decimal("1.50"),
            uuid.UUID(int=7),
        ],
        dtype=object,
    ),
    "mixed floats": pd.Index([float("inf"), 0.1, "x"], dtype=object),
    "masked floats": pd.Index(pd.array([0.1, None], dtype="Float32")),
    "masked truth": pd.Index(pd.array([True, None], dtype="boolean")),
    "mixed": pd.Index([1, "a", None, 2.5, True], dtype=object),
    "masked": pd.Index(pd.array([1, None, 3], dtype="Int64")),
    "multi": pd.MultiIndex.from_tuples([("a", 1), ("b", 2), ("a", 2)], names=["x", None]),
    "categories": pd.CategoricalIndex(["a", "c", "a"], categories=["c", "b", "a"], ordered=True),
    "days": pd.DatetimeIndex(["2020-01-01", "NaT"]).as_unit("s"),
    "zone": pd.DatetimeIndex(["2020-03-29 00:30", "2020-03-29 02:30"], tz="UTC").tz_convert(
        "Europe/Zurich"
    ),
    "offset": pd.DatetimeIndex(["2020-01-01"], tz="+02:00"),
    "durations": pd.TimedeltaIndex(["1 day", "2 h"]),
    "periods": pd.PeriodIndex(["2020-01", "2020-02"], freq="M"),
    "intervals": pd.IntervalIndex.from_breaks([0.0, 0.5, 1.0], closed="left"),
}


@pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES)
def test_there_and_back(index: pd.Index) -> None:
    parts, note = index_to_parts(index)
    assert note is None
    again = index_from_parts(parts, 10**6)
    pd.testing.assert_index_equal(again, index, exact=True)
    assert list(map(type, again)) == list(map(type, index))


@pytest.mark.parametrize(
    ("index", "texts", "kind"),
    [
        (pd.Index([b"a"], dtype=object), ["b'a'"], "bytes"),
        (
            pd.Index([dt.datetime(2020, 1, 2, tzinfo=dt.timezone.utc)], dtype=object),
            ["2020-01-02 00:00:00+00:00"],
            "datetime",
        ),
        (pd.Index([(1, 2)], tupleize_cols=False), ["(1, 2)"], "tuple"),
    ],
    ids=["bytes", "time with a zone", "tuple"],
)
def test_text_where_there_is_no_kind(index: pd.Index, texts: list[str], kind: str) -> None:
    parts, note = index_to_parts(index)
    assert index_from_parts(parts, 10**6).tolist() == texts
    assert note == f"Labels of type {kind} were saved as text, such as {texts[0]!r}."


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(FileError, match="unknown kind 'tree'"):
        index_from_parts({"kind": "tree"}, 1)
    with pytest.raises(FileError, match="unknown type 'object'"):
        index_from_parts({"kind": "masked", "names": [None], "values": [], "dtype": "object"}, 1)
