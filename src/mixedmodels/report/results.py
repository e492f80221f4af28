"""What every result of a fit has in common: its numbers as a frame, its text, its HTML.

A result lists the sections of its text; `text`, `html`, `markdown` and `latex` lay these
out, the same for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mixedmodels.arrays import AnyArray
from mixedmodels.calls import Guided, attribute_answer
from mixedmodels.errors import UnknownKeyError, UnknownNameError, did_you_mean
from mixedmodels.output import for_caller
from mixedmodels.report.frames import frame_table
from mixedmodels.report.heads import with_heads
from mixedmodels.report.html import render_html
from mixedmodels.report.latex import render_latex
from mixedmodels.report.markdown import render_markdown
from mixedmodels.report.sections import Paragraph, Section
from mixedmodels.report.text import render_text

if TYPE_CHECKING:
    import pandas as pd


class Result(Guided, ABC):
    """A frozen value that prints as text of at most 80 columns and as HTML in a notebook."""

    __slots__ = ()

    @abstractmethod
    def to_frame(self) -> pd.DataFrame:
        """The numbers as a DataFrame, which may be changed freely."""

    @abstractmethod
    def _sections(self) -> Sequence[Section]:
        """Paragraphs and tables of the text."""

    def __str__(self) -> str:
        """The result as text."""
        return render_text(self._sections())

    def __repr__(self) -> str:
        """The text, so that an interactive session shows it laid out."""
        return str(self)

    def _repr_html_(self) -> str:
        return render_html(self._sections())

    def to_html(self) -> str:
        """The same as HTML without a style sheet, columns named for readers (`Std. Error`)."""
        return render_html(with_heads(self._sections()))

    def to_markdown(self) -> str:
        """The same as Markdown with tables of pipes, columns named for readers."""
        return render_markdown(with_heads(self._sections()))

    def to_latex(self) -> str:
        """The same as LaTeX, columns named for readers, for a document that loads booktabs."""
        return render_latex(with_heads(self._sections()))


@dataclass(frozen=True, slots=True, repr=False)
class Summary(Result):
    """The summary of a fit: tables and sentences in the order in which they are printed.

    Attributes:
        content: Sections of the text.
        coefficients: Fixed effects with standard errors and tests, what `to_frame` gives.
    """

    content: tuple[Section, ...]
    coefficients: pd.DataFrame = field(compare=False)

    def to_frame(self) -> pd.DataFrame:
        """Fixed effects: `estimate`, `std_error`, `df`, `statistic`, `p_value`."""
        return self.coefficients.copy()

    def _sections(self) -> Sequence[Section]:
        return self.content


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WithTable(Result):
    """A result whose numbers are one table, whatever else it says.

    Attributes:
        table: The numbers.
    """

    table: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """The result as a table."""
        return self.table.copy()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TableResult(WithTable):
    """A result that is one table, and is read like it.

    `result["p_value"]`, `result.loc["Days"]`, `len(result)` and whatever else a DataFrame can do is
    done by `to_frame()`, so that the result itself does not change. Under `set_output("polars")`
    it is read like a Polars table.

    Attributes:
        table: The numbers.
    """

    @property
    def notes(self) -> dict[str, str]:
        """Why a number is missing, by row."""
        return dict(self.table.attrs.get("notes", {}))

    @property
    @abstractmethod
    def heading(self) -> tuple[str, ...]:
        """Lines above the table."""

    def _tables(self) -> Sequence[Section]:
        return [frame_table(self.table)]

    def _sections(self) -> Sequence[Section]:
        parts = (self.heading, *self._tables(), tuple(self._sentences()))
        return [Paragraph(part) if isinstance(part, tuple) else part for part in parts if part]

    def _sentences(self) -> Iterator[str]:
        """Every note once, after the rows that it is about unless these are all."""
        rows: dict[str, list[str]] = {}
        for row, note in self.notes.items():
            rows.setdefault(note, []).append(row)
        for note, about in rows.items():
            yield note if len(about) == len(self.table) else f"{', '.join(about)}: {note}"

    def __getitem__(self, key: Any) -> Any:
        """A column, or several.

        Raises:
            UnknownKeyError: There is no such column.
        """
        frame = for_caller(self.to_frame())
        try:
            return frame[key]
        except KeyError:
            columns = [str(name) for name in frame.columns]
            raise UnknownKeyError(
                f"{key!r:.80} is not a column of this table; it has {', '.join(columns)}."
                f"{did_you_mean(str(key), columns)}"
            ) from None

    def __getattr__(self, name: str) -> Any:
        """What a DataFrame has and this class does not."""
        if name.startswith("_") or name == "table":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        try:
            return getattr(for_caller(self.to_frame()), name)
        except AttributeError:
            raise UnknownNameError(attribute_answer(type(self), name)) from None

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.table)

    def __iter__(self) -> Iterator[Any]:
        """Names of the columns."""
        return iter(self.table)

    def __contains__(self, name: object) -> bool:
        """Whether there is such a column."""
        return name in self.table

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        """The numbers as an array (rows, columns)."""
        del copy  # a new array in any case
        return np.array(self.table.to_numpy(), dtype=dtype)
