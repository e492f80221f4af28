"""`mixedmodels merge`: sums over different rows added."""

from __future__ import annotations

import argparse

from mixedmodels.commands.output import OK, check_targets
from mixedmodels.commands.sums import show
from mixedmodels.errors import DataError
from mixedmodels.scaleout import CrossProducts


def run(arguments: argparse.Namespace) -> int:
    """Add sums and write the result.

    Raises:
        DataError: They are of different plans, or rows are in two of them; naming the file.
        FileError: A file does not hold sums, or cannot be written.
    """
    files = [arguments.first, *arguments.others]
    check_targets({"output": arguments.output}, {file: file for file in files})
    found = CrossProducts.load(files[0])
    for file in files[1:]:
        found = _with(found, file)
    found.save(arguments.output)
    show(found, arguments)
    return OK


def _with(found: CrossProducts, file: str) -> CrossProducts:
    try:
        return found.merge(CrossProducts.load(file))
    except DataError as error:
        raise DataError(f"{file}: {error}") from None
