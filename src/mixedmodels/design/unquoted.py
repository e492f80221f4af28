"""Names of columns that a formula has without the backticks that they need."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from mixedmodels.design.frame import as_table
from mixedmodels.errors import FormulaError, MixedModelsError
from mixedmodels.formula import FormulaSpec, parse_formula
from mixedmodels.formula.tokens import quote_name, shorten

# What a formula has between backticks or in quotes.
_QUOTED = re.compile(r"`(?:[^`\\]|\\.)*`|'[^']*'|\"[^\"]*\"")
# Pieces of a name, between which a user may set spaces: words, and other signs one by one.
_PIECE = re.compile(r"\w+|[^\w\s]")
# Names longer than this, and columns after so many, are not looked for.
_LONGEST, _MOST = 200, 10_000


def read_formula(formula: str, data: Any) -> FormulaSpec:
    """The parsed formula.

    Raises:
        FormulaError: The formula cannot be understood; a column's name without backticks is named.
    """
    with naming_columns(data):
        return parse_formula(formula)


@contextmanager
def naming_columns(data: Any) -> Iterator[None]:
    """Errors of a formula inside name a column of a table that stands without its backticks."""
    try:
        yield
    except FormulaError as error:
        try:
            names = as_table(data).names()
        except MixedModelsError:
            raise error from None
        raise with_backticks(error, names) from None


def with_backticks(error: FormulaError, names: Iterable[str]) -> FormulaError:
    """The error, or what to write where the piece that it is about is part of a column's name."""
    text = _QUOTED.sub(lambda found: " " * len(found.group()), error.text)
    end = max(error.end, error.start + 1)
    best: tuple[int, int, str] | None = None
    for name in _odd(names):
        for start, stop in _places(name, text):
            longer = best is None or stop - start > best[1] - best[0]
            if start < end and error.start < stop and longer:
                best = start, stop, name
    if best is None:
        return error
    start, stop, name = best
    message = (
        f"'{shorten(name)}' is a column of the data; write it between backticks: "
        f"{shorten(quote_name(name))}."
    )
    return FormulaError(message, error.text, start, stop)


def _odd(names: Iterable[str]) -> Iterator[str]:
    """The names that need backticks."""
    for number, name in enumerate(names):
        if number == _MOST:
            return
        if isinstance(name, str) and len(name) <= _LONGEST and quote_name(name) != name:
            yield name


def _places(name: str, text: str) -> Iterator[tuple[int, int]]:
    """Where a text has a name, whatever the spaces in it."""
    pieces = _PIECE.findall(name)
    if not pieces or any(piece not in text for piece in pieces):
        return
    pattern = r"\s*".join(map(re.escape, pieces))
    before = r"(?<![\w.])" if pieces[0][0].isalnum() else ""
    after = r"(?![\w.])" if pieces[-1][-1].isalnum() else ""
    for found in re.finditer(f"{before}{pattern}{after}", text):
        yield found.span()
