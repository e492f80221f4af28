"""The command `mixedmodels`: its arguments, its streams, and how it ends.

What the commands do is in `commands`; the module of one is loaded when the arguments are
understood. Exit status: 0, 1 (the fit did not converge), 2 (bad input, said in one message on
standard error), 130 (interrupted), 141 (the reader of the output has closed it).
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from mixedmodels.commands.arguments import parsed
from mixedmodels.commands.wording import error_in_shell_words
from mixedmodels.errors import MixedModelsError

BAD_INPUT, INTERRUPTED, CLOSED = 2, 130, 141

# Arguments that name columns and levels; paths stay as the system gave them.
_OF_WORDS = frozenset({"at", "by", "contrasts", "formula", "offset", "random", "specs", "weights"})


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Arguments after the command's name; those of the process if None.

    Returns:
        The exit status.
    """
    _print_whatever_comes()
    try:
        return _run(argv)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _give_up_output()
        return CLOSED
    except OSError as error:
        _give_up_output()
        return _refused(f"The output cannot be written: {error.strerror or error}.")
    except MemoryError as error:
        return _refused(f"There is not enough memory{f': {error}' if str(error) else ''}.")
    except Exception as error:  # noqa: BLE001 (a fault of ours, but not one for a shell to see)
        return _refused(
            f"This should not happen ({type(error).__name__}: {error}); please report it."
        )


def _run(argv: Sequence[str] | None) -> int:
    try:
        arguments = parsed(sys.argv[1:] if argv is None else argv)
        for name, value in vars(arguments).items():
            if name in _OF_WORDS:
                setattr(arguments, name, _as_typed(value))
        command = import_module(f"mixedmodels.commands.{arguments.command}")
        status: int = command.run(arguments)
    except SystemExit:
        # Help and usage: argparse has printed them.
        _flush()
        raise
    except MixedModelsError as error:
        return _refused(error_in_shell_words(error, arguments))
    _flush()
    return status


def _as_typed(value: Any) -> Any:
    """Text of the command line where the locale does not know its letters: UTF-8, as elsewhere."""
    if isinstance(value, list):
        return [_as_typed(text) for text in value]
    if not isinstance(value, str):
        return value
    try:
        return value.encode(sys.getfilesystemencoding(), "surrogateescape").decode("utf-8")
    except UnicodeError:
        return value


def _refused(message: str) -> int:
    with contextlib.suppress(OSError):
        print(f"mixedmodels: error: {message}", file=sys.stderr)
    return BAD_INPUT


def _print_whatever_comes() -> None:
    """Have characters that a terminal or file does not know written as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _flush() -> None:
    """Write now what is buffered: at its end the interpreter could only complain."""
    if sys.stdout is not None:
        sys.stdout.flush()


def _give_up_output() -> None:
    """Let what is still buffered go nowhere."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
