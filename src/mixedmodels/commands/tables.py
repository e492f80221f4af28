"""The table that a command reads, with notes on how it was read."""

from __future__ import annotations

import argparse

from mixedmodels.commands.output import say
from mixedmodels.design.frame import FileTable
from mixedmodels.layout import TextOptions
from mixedmodels.readers import read_table


def text_options(arguments: argparse.Namespace) -> TextOptions:
    """How the text file is written, as far as it was said."""
    return TextOptions(arguments.sep, arguments.decimal, arguments.encoding)


def given_table(arguments: argparse.Namespace) -> FileTable:
    """The table, its rows called as they stand in the file; says what was assumed about it.

    Raises:
        DataError: It cannot be read.
    """
    data, notes, naming = read_table(arguments.data, text_options(arguments))
    for note in notes:
        say("note", f"{arguments.data}: {note}.")
    return FileTable(data, naming)
