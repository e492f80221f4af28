"""What every command needs to say its results: streams, warnings in words, files, JSON."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.commands.wording import in_shell_words, text_in_shell_words
from mixedmodels.errors import ConvergenceWarning, FileError, RefitWarning, SingularFitWarning
from mixedmodels.storage.files import check_target

OK, NOT_CONVERGED = 0, 1
# Of what `--json` prints: raised when a key goes away or changes its meaning, not for new keys.
SCHEMA = 1


def say(kind: str, message: str) -> None:
    """Print a note or a warning."""
    print(f"mixedmodels: {kind}: {message}", file=sys.stderr)


def print_json(command: str, content: Mapping[str, Any]) -> None:
    """Print one object, with the version of its schema and the command at its head."""
    whole = {"schema": SCHEMA, "command": command, **content}
    print(json.dumps(whole, indent=2, allow_nan=False))


def print_text(text: str, arguments: argparse.Namespace) -> None:
    """Print results, with what they advise in the words of the shell."""
    print(text_in_shell_words(text, arguments))


def status_of(converged: bool) -> int:
    """The exit status of a command whose results come from a fit."""
    return OK if converged else NOT_CONVERGED


@contextlib.contextmanager
def results_alone_on_stdout(wanted: bool) -> Iterator[None]:
    """Send the optimiser's trace to standard error: what is printed stays one JSON object."""
    with contextlib.redirect_stdout(sys.stderr) if wanted else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def warnings_in_words(arguments: argparse.Namespace) -> Iterator[None]:
    """Silence the warnings that the results repeat; say others without a place in the code."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for repeated in (ConvergenceWarning, SingularFitWarning, RefitWarning, DeprecationWarning):
            warnings.simplefilter("ignore", repeated)
        try:
            yield
        finally:
            for message in dict.fromkeys(str(warning.message) for warning in caught):
                say("warning", in_shell_words(message, arguments))


def check_targets(wanted: Mapping[str, str | None], sources: Mapping[str, str | None]) -> None:
    """Find out before long work whether what it gives can be written where it is to go.

    Args:
        wanted: File by option, None where the option was not given.
        sources: Files that are read, by what they are.

    Raises:
        FileError: A file cannot be written, or would replace a source or another result.
    """
    taken = {
        Path(source).resolve(): what
        for what, source in sources.items()
        if source is not None and _exists(source)
    }
    for option, file in wanted.items():
        if file is None:
            continue
        path = check_target(file).path.resolve()
        for other, what in taken.items():
            if path == other or (path.exists() and path.samefile(other)):
                raise FileError(f"--{option} {file} would replace {what}; give another name.")
        taken[path] = f"what --{option} writes"


def json_table(frame: pd.DataFrame) -> dict[str, Any]:
    """A table as names of columns and rows of values: two columns may have the same name."""
    columns = [frame.iloc[:, position].tolist() for position in range(frame.shape[1])]
    rows = zip(*columns, strict=True) if columns else iter(())
    return {
        "columns": [str(name) for name in frame.columns],
        "rows": [[json_value(value) for value in row] for row in rows],
    }


def json_records(frame: pd.DataFrame, label: str) -> list[dict[str, Any]]:
    """The rows of a table with fixed columns, each with its label."""
    rows = json_table(frame)
    return [
        {label: str(name), **dict(zip(rows["columns"], values, strict=True))}
        for name, values in zip(frame.index, rows["rows"], strict=True)
    ]


def named_numbers(names: Sequence[Any], values: Any) -> list[dict[str, Any]]:
    """Records of names and numbers."""
    return [
        {"name": str(name), "value": number(value)}
        for name, value in zip(names, values, strict=True)
    ]


def number(value: float) -> float | None:
    """A number of JSON; null stands for what is not finite."""
    return float(value) if math.isfinite(value) else None


def json_value(value: Any) -> Any:
    """A cell of a table: a number, a truth value, text, or null where it is missing."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return number(float(value))
    return None if value is pd.NaT or value is pd.NA else str(value)


def _exists(source: str) -> bool:
    try:
        return Path(source).exists()
    except (OSError, ValueError):
        return False
