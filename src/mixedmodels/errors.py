"""The exceptions and warnings of mixedmodels: one root, one class per kind of mistake.

Here lives what is raised and how it is worded for display (the caret under a piece of a formula,
"did you mean"). The decision to raise belongs to the stage that finds the mistake.
"""

from __future__ import annotations

import difflib
import inspect
import os
import re
import traceback
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

# What the file name of every module of the package begins with.
PACKAGE_FOLDER = str(Path(__file__).parent) + os.sep
# What the file name of every module of the interactive shell holds.
_SHELL = f"{os.sep}IPython{os.sep}core{os.sep}"
_LONGEST_NAME = 200
_LONGEST_PICTURE = 400
# Characters of a message; of a longer one the beginning and the end are kept.
_LONGEST_MESSAGE = 4000
_KEPT_START, _KEPT_END = 2000, 1000


class MixedModelsError(ValueError):
    """Root of every error that mixedmodels raises on purpose."""

    def __init__(self, message: str = "", *more: object) -> None:
        super().__init__(_shortened(message), *more)

    def _render_traceback_(self) -> list[str]:
        """What IPython and Jupyter show: the user's own lines, without those of this package."""
        frames = [
            frame
            for frame in traceback.extract_tb(self.__traceback__)
            if not frame.filename.startswith(PACKAGE_FOLDER) and _SHELL not in frame.filename
        ]
        shown = "".join(traceback.format_list(frames)).splitlines()
        return ["Traceback (most recent call last):", *shown, f"{type(self).__name__}: {self}"]


class FormulaError(MixedModelsError):
    """A formula that cannot be understood; the message shows it with a caret under the piece.

    Attributes:
        message: What is wrong and what to write instead, without the picture.
        text: The formula (or expression) as the user typed it; empty when there is none to show.
        start: First character of the offending piece in `text`, counted from 0.
        end: One past its last character.
    """

    def __init__(self, message: str, text: str = "", start: int = 0, end: int = 0) -> None:
        super().__init__(_printable(message + _picture(text, start, end)))
        self.message = message
        self.text = text
        self.start = start
        self.end = end

    def within(self, text: str, offset: int) -> FormulaError:
        """The same error, shown inside a longer `text` where the piece begins `offset` later."""
        return FormulaError(self.message, text, self.start + offset, self.end + offset)


class DataError(MixedModelsError):
    """A table that does not fit the formula; names the column, the rows and the value."""


class ModelError(MixedModelsError):
    """A model that the data cannot identify; names the term and the reason."""


class FileError(MixedModelsError):
    """A file that cannot be written, or is not a fit that can be loaded; names it and says why."""


class ResourceError(MixedModelsError, MemoryError):
    """A calculation that does not fit into the memory there is; names its parts and their bytes."""


class ArgumentError(MixedModelsError, TypeError):
    """A call with arguments that the function does not have; says what to write instead."""


class UnknownNameError(MixedModelsError, AttributeError):
    """A name that a fit, a model or the package does not have; says what to write instead."""


class UnknownKeyError(MixedModelsError, KeyError):
    """A key that a result does not have; names those that it has."""

    def __str__(self) -> str:
        """The message itself, of which KeyError would show the quoted form."""
        return str(self.args[0]) if self.args else ""


class ConvergenceWarning(UserWarning):
    """The optimiser stopped where the gradient or the Hessian says there is no optimum."""


class SingularFitWarning(UserWarning):
    """The fitted covariance of the random effects is singular."""


class NotIdentifiedWarning(UserWarning):
    """Parameters that the data cannot tell apart; names the terms and the reason."""


class RefitWarning(UserWarning):
    """What was asked for needs another criterion, so the model was fitted once more by it."""


class NotNestedWarning(UserWarning):
    """A likelihood ratio, without a p-value, of models of which none is a special case."""


class EstimatedWarning(UserWarning):
    """A likelihood ratio of estimated likelihoods whose error may change what it says."""


class FormulaWarning(UserWarning):
    """A formula that says something else than it may seem to; names what to write instead."""


class LongCalculationWarning(UserWarning):
    """A calculation that is predicted to take long; names the time and what to do instead."""


class LostRowsWarning(UserWarning):
    """Rows that a computation in the formula makes missing; names the expression and the rows."""


def asked_for() -> str:
    """Name of the function of the package that the user called; "" where there is none."""
    name, frame = "", inspect.currentframe()
    while frame is not None:
        own = frame.f_code.co_name
        inside = frame.f_code.co_filename.startswith(PACKAGE_FOLDER)
        # What stands around every call in `calls` and `output` is not what was asked for.
        if inside and own != "call" and not own.startswith(("_", "<")):
            name = own
        frame = frame.f_back
    return name


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn, at the line of the user's code that called the package.

    However deep in the package this is called, the warning names the innermost frame outside of it.
    """
    depth, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE_FOLDER):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(_shortened(message), category, stacklevel=depth)  # noqa: TID251 (the only place)


def did_you_mean(
    name: str,
    options: Iterable[str],
    written: Callable[[str], str] = "'{}'".format,
    cutoff: float = 0.6,
) -> str:
    """A sentence that offers the names nearest to `name`, or nothing when none is near.

    Where none is, those are offered that have it as a word: "Age (years)" for "Age".

    Args:
        name: What was asked for.
        options: What there is.
        written: How an option is shown.
        cutoff: Share of letters in common, in their order, of names that are near.
    """
    if len(name) > _LONGEST_NAME:
        return ""
    known = [name for name in options if isinstance(name, str) and len(name) <= _LONGEST_NAME]
    folded = {option.lower(): option for option in known}
    near = difflib.get_close_matches(name, known, n=3, cutoff=cutoff)
    near += [
        folded[key] for key in difflib.get_close_matches(name.lower(), folded, n=3, cutoff=cutoff)
    ]
    distinct = list(dict.fromkeys(near))
    distinct = [name for name in distinct if name.strip("`") not in (set(distinct) - {name})][:3]
    if not distinct:
        words = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)
        distinct = [option for option in known if len(name) > 1 and words.search(option)]
    if not distinct:
        return ""
    return " Did you mean " + " or ".join(written(option) for option in distinct[:3]) + "?"


def _picture(text: str, start: int, end: int) -> str:
    """Two lines, the formula and the carets, or nothing without a formula.

    Of a long formula only what stands around the piece is shown.
    """
    if not text.strip():
        return ""
    start = min(max(start, 0), len(text))
    end = start + max(min(end, len(text)) - start, 1)
    first, last = 0, len(text)
    if len(text) > _LONGEST_PICTURE:
        first = max(start - _LONGEST_PICTURE // 2, 0)
        last = min(first + _LONGEST_PICTURE, len(text))
    flat = "".join(shown if shown.isprintable() else " " for shown in text[first:last])
    before, after = "..." if first else "", "..." if last < len(text) else ""
    indent = " " * (len(before) + start - first)
    carets = "^" * max(min(end, last) - start, 1)
    return f"\n\n    {before}{flat}{after}\n    {indent}{carets}"


def _shortened(message: str) -> str:
    """The message without its middle if it is too long: it says what it is about, and the remedy.

    Names and values in a message may be of any length.
    """
    if len(message) <= _LONGEST_MESSAGE:
        return message
    left_out = len(message) - _KEPT_START - _KEPT_END
    start, end = message[:_KEPT_START], message[-_KEPT_END:]
    return f"{start} ... ({left_out:,} characters left out) ... {end}"


def _printable(message: str) -> str:
    """The message with lone surrogates replaced, which no terminal and no file could take."""
    return message.encode("utf-8", "replace").decode("utf-8")
