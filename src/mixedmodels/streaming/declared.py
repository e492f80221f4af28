"""Levels that a user declares: those of rows that are read later, or once only.

A declared level that no row of the source shows gets two rows in the pass over levels, copies of a
row of the source with the level in its column. They count nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mixedmodels.arrays import LongArray
from mixedmodels.design.asked import Asked
from mixedmodels.design.frame import FileTable
from mixedmodels.design.learning_pass import States
from mixedmodels.design.levels_pass import LevelsPass
from mixedmodels.design.places import Named
from mixedmodels.errors import DataError, did_you_mean
from mixedmodels.streaming.packages import pyarrow

# Rows of every declared level: a factor must not have as many levels as there are rows.
_COPIES = 2


def check_levels(levels: Any, columns: Sequence[str]) -> dict[str, list[Any]]:
    """Declared levels by column.

    Raises:
        DataError: Not a dict of columns of the formula and lists of levels.
    """
    if levels is None:
        return {}
    if not isinstance(levels, Mapping):
        raise DataError(
            f"levels is {levels!r:.80}; give a dict from a column to its levels, such as "
            "levels={'g': ['a', 'b']}."
        )
    found = {}
    for name, given in levels.items():
        if name not in columns:
            raise DataError(
                f"levels names '{name}', which is not a column of the formula; there are: "
                f"{', '.join(columns)}.{did_you_mean(str(name), columns)}"
            )
        if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
            raise DataError(f"levels of '{name}' are {given!r:.80}; give a list of them.")
        found[str(name)] = list(given)
    return found


def declared_rows(
    asked: Asked, states: States, columns: Sequence[str], sample: Any, levels: dict[str, list[Any]]
) -> Any:
    """A table with two rows for each declared level, or None where there are none.

    Args:
        asked: The model.
        states: What stateful functions have learnt.
        columns: Names of the columns that are read.
        sample: A table of rows of the source.
        levels: By column.

    Raises:
        DataError: No row of the sample is complete, or a level does not fit the column's type.
    """
    if not any(levels.values()):
        return None
    pa = pyarrow()
    used, _ = LevelsPass(asked, states).add(FileTable(sample, _places))
    if not len(used):
        raise DataError("None of the first rows is complete, so levels= cannot be taken.")
    row = sample.take([int(used[0])])
    tables = []
    for name, own in levels.items():
        place = list(columns).index(name)
        kind = sample.schema.field(name).type
        values = _COPIES * own
        try:
            column = _of_kind(values, kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            raise DataError(
                f"levels of '{name}' are not of the column's type {kind}: {error}"
            ) from None
        if column.null_count:
            raise DataError(f"levels of '{name}' have a missing value; leave it out.")
        made = row.take([0] * len(values))
        tables.append(made.set_column(place, sample.schema.field(name), column))
    return pa.concat_tables(tables)


def _places(positions: LongArray) -> Named:
    return Named([f"row {row} of the sample" for row in positions.tolist()], "counted from 0")


def _of_kind(values: list[Any], kind: Any) -> Any:
    pa = pyarrow()
    if pa.types.is_dictionary(kind):
        return pa.array(values, type=kind.value_type).dictionary_encode().cast(kind)
    return pa.array(values, type=kind)
