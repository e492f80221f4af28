"""The table that a command reads, with notes on how it was read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mixedmodels.commands.output import say
from mixedmodels.datasets import list_datasets
from mixedmodels.design.frame import FileTable
from mixedmodels.errors import DataError
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
    if bundled or not (limited or _in_parts(arguments.data)):
        return given_table(arguments)
    if text_options(arguments) != TextOptions():
        raise DataError(
            f"{arguments.data} is read in parts, whose text files are in UTF-8; --sep, "
            "--decimal and --encoding are for a single file without --memory and --checkpoint."
        )
    return arguments.data


def _in_parts(data: str) -> bool:
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
