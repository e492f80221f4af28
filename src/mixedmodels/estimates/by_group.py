"""Tables or arrays by grouping factor: the result of `ranef()` and its kind."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from mixedmodels.arrays import AnyArray
from mixedmodels.design.lookup import GroupNames
from mixedmodels.errors import UnknownKeyError
from mixedmodels.output import for_caller
from mixedmodels.report.frames import frame_table
from mixedmodels.report.results import Result
from mixedmodels.report.sections import Paragraph, Section

T = TypeVar("T")

# Rows of a part that the text shows; characters of a line, of a number, of a column's name.
_SHOWN, _WIDTH, _NUMBER, _NAME = 20, 80, 12, 50


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ByGroup(Result, Mapping[str, T]):
    """A mapping by grouping factor, whose keys may be written as in a formula (`h:g` for `g:h`).

    Attributes:
        parts: Grouping factor to its table, or its array (levels, s, s).
        groups: Finds names.
    """

    parts: Mapping[str, T]
    groups: GroupNames

    def __getitem__(self, group: str) -> T:
        """The part of a grouping factor.

        Raises:
            UnknownKeyError: No such grouping factor.
        """
        name = group
        if group not in self.parts:
            found = self.groups.find(group)
            if found is None:
                raise UnknownKeyError(self.groups.unknown(group))
            name = self.groups.names[found]
        part: T = for_caller(self.parts[name])
        return part

    def __iter__(self) -> Iterator[str]:
        """Names of the grouping factors."""
        return iter(self.parts)

    def __len__(self) -> int:
        """Number of grouping factors."""
        return len(self.parts)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        """All numbers, part after part, as one array without labels."""
        del copy  # a new array in any case
        parts = [np.asarray(part).ravel() for part in self.parts.values()]
        return np.array(np.concatenate(parts), dtype=dtype)

    def to_frame(self) -> pd.DataFrame:
        """The parts under each other, indexed by grouping factor (`grp`) and `level`.

        An array (levels, s, s) has a row for each level and effect, both by position.
        """
        return pd.concat({name: _frame(part) for name, part in self.items()}, names=["grp"])

    def _sections(self) -> Sequence[Section]:
        found: list[Section] = []
        for name, part in self.items():
            frame = _frame(part)
            shown = frame.head(_SHOWN)
            heads = [str(c) if len(str(c)) <= _NAME else f"({j})" for j, c in enumerate(frame, 1)]
            shown = shown.set_axis(heads, axis=1)
            found.extend(frame_table(shown.iloc[:, some], name) for some in _beside(shown))
            long = [f"{h}: {c}" for h, c in zip(heads, frame, strict=True) if h != str(c)]
            found.extend(Paragraph(tuple(textwrap.wrap(line, _WIDTH))) for line in long)
            if len(frame) > _SHOWN:
                found.append(Paragraph((f"There are {len(frame) - _SHOWN} rows more.",)))
        return found


def _beside(frame: pd.DataFrame) -> Iterator[list[int]]:
    """Positions of columns that have room beside each other."""
    labels = max((len(str(label)) for label in frame.index[:_SHOWN]), default=0)
    some: list[int] = []
    width = labels
    for j, name in enumerate(frame.columns):
        own = max(len(str(name)), _NUMBER) + 1
        if some and width + own > _WIDTH:
            yield some
            some, width = [], labels
        some.append(j)
        width += own
    yield some


def _frame(part: Any) -> pd.DataFrame:
    if isinstance(part, pd.DataFrame):
        return part.rename_axis("level")
    blocks = np.asarray(part)
    levels, effects = blocks.shape[:2]
    rows = pd.MultiIndex.from_product([range(levels), range(effects)], names=["level", "effect"])
    return pd.DataFrame(blocks.reshape(levels * effects, -1), rows)
