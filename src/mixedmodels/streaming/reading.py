"""Reading a partition: batches with what rows are called, and errors that name the partition."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

from mixedmodels.arrays import LongArray
from mixedmodels.design.frame import FileTable
from mixedmodels.design.places import Named
from mixedmodels.errors import DataError, MixedModelsError
from mixedmodels.streaming.executor import Report
from mixedmodels.streaming.source import Partition, batches_of

# Readings of a partition that fail for reasons outside of its contents, with pauses in between.
_ATTEMPTS = 3
_PAUSE = 0.2


def tables_of(
    partition: Partition, columns: Sequence[str], schema: Any, report: Report
) -> Iterator[tuple[FileTable, int]]:
    """The batches of a partition, whose rows messages can name, and the number of the first row.

    Args:
        partition: What to read.
        columns: Names.
        schema: Types of the source.
        report: Is notified of the rows read.
    """
    first = 0
    batches = batches_of(partition, columns, schema)
    while True:
        with naming_reader(partition):
            table = next(batches, None)
        if table is None:
            break
        yield FileTable(table, _naming(partition, first)), first
        first += table.num_rows
        report(table.num_rows, 0)
    report(0, 1)


def _naming(partition: Partition, first: int) -> Any:
    def name(positions: LongArray) -> Named:
        rows = [partition.row_name(first + int(row)) for row in positions]
        return Named(rows, "counted from 0")

    return name


@contextlib.contextmanager
def naming_partition(partition: Partition) -> Iterator[None]:
    """Have errors in the contents of a partition say which one it is.

    Raises:
        DataError: With the name of the partition.
    """
    try:
        yield
    except DataError as error:
        raise DataError(f"{partition.name}: {error}") from None


@contextlib.contextmanager
def naming_reader(partition: Partition) -> Iterator[None]:
    """Have errors of the library that reads say which partition they are of.

    Raises:
        DataError: The partition cannot be read.
        TransientError: The system cannot read it now.
    """
    try:
        yield
    except (MixedModelsError, MemoryError):
        raise
    except OSError as error:
        raise TransientError(f"{partition.name} cannot be read: {error}") from error
    except Exception as error:  # each library that reads has errors of its own
        raise DataError(
            f"{partition.name} cannot be read ({type(error).__name__}: {error!s:.500})"
        ) from error


class TransientError(Exception):
    """A reading that may succeed when it is tried again."""


def tried_again(attempt: Any) -> Any:
    """The result of `attempt`, which is made again where a reading has failed.

    Raises:
        DataError: It has failed each time.
    """
    number = 1
    while True:
        try:
            return attempt()
        except TransientError as error:
            if number == _ATTEMPTS:
                raise DataError(f"{error} (tried {_ATTEMPTS} times)") from error
        time.sleep(_PAUSE * number)
        number += 1
