"""What is known about each bundled data set: its source, its columns, a typical model.

The facts stand in files/index.json. Reading the data themselves is the business of `storage`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mixedmodels.errors import DataError, did_you_mean

FILES = Path(__file__).parent / "files"


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """A bundled data set, described.

    Attributes:
        name: The name that `load_dataset` takes.
        description: What was observed, in one line.
        rows: Number of rows.
        columns: Column names, in order.
        source: The R package it comes from and the publication to cite.
        formula: A typical model, in the syntax of `lmer`.
        family: Distribution of the response when it is not normal, else None.
    """

    name: str
    description: str
    rows: int
    columns: tuple[str, ...]
    source: str
    formula: str
    family: str | None

    def __str__(self) -> str:
        """Several lines of text for reading."""
        model = self.formula if self.family is None else f"{self.formula}   [{self.family}]"
        lines = [
            f"{self.name}: {self.description}",
            f"  {self.rows} rows; columns: {', '.join(self.columns)}",
            f"  source: {self.source}",
            f"  typical model: {model}",
        ]
        return "\n".join(lines)


def list_datasets() -> list[str]:
    """Names of the bundled data sets, in alphabetical order.

    Example:
        >>> "sleepstudy" in list_datasets()
        True
    """
    return list(_index())


def describe_dataset(name: str) -> DatasetInfo:
    """Description of a bundled data set.

    Args:
        name: One of `list_datasets()`.

    Raises:
        DataError: No data set has that name; the message offers the nearest ones.

    Example:
        >>> describe_dataset("sleepstudy").formula
        'Reaction ~ Days + (Days | Subject)'
    """
    index = _index()
    if name not in index:
        raise DataError(
            f"There is no bundled data set {name!r}.{did_you_mean(str(name), index)}"
            " mixedmodels.list_datasets() names them all."
        )
    return index[name]


@cache
def _index() -> dict[str, DatasetInfo]:
    entries = json.loads((FILES / "index.json").read_text(encoding="utf-8"))
    return {
        name: DatasetInfo(name=name, **{**entry, "columns": tuple(entry["columns"])})
        for name, entry in sorted(entries.items())
    }
