"""The rows that a command reads, with notes on how they were read, and their coding."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mixedmodels.commands.output import say
from mixedmodels.datasets import list_datasets, load_dataset
from mixedmodels.design.frame import FileTable
from mixedmodels.errors import DataError, MixedModelsError
from mixedmodels.layout import TextOptions
from mixedmodels.readers import read_table


def text_options(arguments: argparse.Namespace) -> TextOptions:
    """How the text file is written, as far as it was said."""
    return TextOptions(arguments.sep, arguments.decimal, arguments.encoding)


def given_data(arguments: argparse.Namespace) -> Any:
    """The table, or the path of a source that is read in parts: a folder, a pattern of files.

    A file is read in parts where a limit of memory or a folder of checkpoints is given.

    Raises:
        DataError: It cannot be read.
    """
    limited = arguments.memory is not None or arguments.checkpoint is not None
    bundled = arguments.data in list_datasets() and not Path(arguments.data).exists()
    if bundled or not (limited or in_parts(arguments.data)):
        return given_table(arguments)
    if text_options(arguments) != TextOptions():
        raise DataError(
            f"{arguments.data} is read in parts, whose text files are in UTF-8; --sep, "
            "--decimal and --encoding are for a single file without --memory and --checkpoint."
        )
    return arguments.data


def given_rows(arguments: argparse.Namespace) -> Any:
    """The rows as a source: a bundled data set, or the path of files that are read in parts."""
    bundled = arguments.data in list_datasets() and not Path(arguments.data).exists()
    return load_dataset(arguments.data) if bundled else arguments.data


def given_contrasts(arguments: argparse.Namespace) -> dict[str, str] | None:
    """Codings by column.

    Raises:
        MixedModelsError: One of them is not a column and its coding.
    """
    found = {}
    for text in arguments.contrasts or ():
        column, equals, coding = text.rpartition("=")
        if not equals or not column.strip():
            raise MixedModelsError(
                f"--contrasts is {text!r:.80}; it must be a column and its coding, such as f=sum."
            )
        found[column.strip()] = coding.strip()
    return found or None


def in_parts(data: str) -> bool:
    """Whether text names several files: a folder, or a pattern."""
    try:
        path = Path(data)
        return path.is_dir() or (any(sign in data for sign in "*?[") and not path.exists())
    except (OSError, ValueError):
        return False


def given_table(arguments: argparse.Namespace) -> FileTable:
    """The table, its rows called as they stand in the file; says what was assumed about it.

    Raises:
        DataError: It cannot be read.
    """
    data, notes, naming = read_table(arguments.data, text_options(arguments))
    for note in notes:
        say("note", f"{arguments.data}: {note}.")
    return FileTable(data, naming)
