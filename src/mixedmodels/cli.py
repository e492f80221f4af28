"""The command `mixedmodels`: its arguments, its streams, and how it ends.

What the commands do is in `commands`, which is loaded when the arguments are understood. Exit
status: 0, 1 (the fit did not converge), 2 (bad input, said in one message on standard error), 130
(interrupted), 141 (the reader of the output has closed it).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import mixedmodels
from mixedmodels.errors import MixedModelsError
from mixedmodels.settings import OPTIMIZERS

BAD_INPUT, INTERRUPTED, CLOSED = 2, 130, 141


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
    except MixedModelsError as error:
        return _refused(str(error))
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
        arguments = _parser().parse_args(argv)
        for name in ("formula", "weights", "offset"):
            if getattr(arguments, name, None) is not None:
                setattr(arguments, name, _as_typed(getattr(arguments, name)))
        command = getattr(import_module("mixedmodels.commands"), arguments.command)
        status: int = command(arguments)
    except SystemExit:
        # Help and usage: argparse has printed them.
        _flush()
        raise
    _flush()
    return status


def _as_typed(text: str) -> str:
    """Text of the command line where the locale does not know its letters: UTF-8, as elsewhere."""
    try:
        return text.encode(sys.getfilesystemencoding(), "surrogateescape").decode("utf-8")
    except UnicodeError:
        return text


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


class _Version(argparse.Action):
    """Prints the version, which is looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"mixedmodels {mixedmodels.__version__}")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mixedmodels", description="Linear mixed models.")
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="show the version of mixedmodels and exit"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_fit(commands)

    datasets = commands.add_parser(
        "datasets",
        help="list the bundled data sets, or describe one",
        description="List the bundled data sets, or describe one.",
    )
    datasets.add_argument("name", nargs="?", metavar="NAME", help="the data set to describe")
    return parser


def _add_fit(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    fit = commands.add_parser(
        "fit",
        help="fit a model and print its summary",
        description="Fit a linear mixed model and print its summary.",
        epilog='example: mixedmodels fit "Reaction ~ Days + (Days | Subject)" sleepstudy',
    )
    fit.add_argument("formula", metavar="FORMULA", help='such as "y ~ x + (1 | g)", quoted')
    fit.add_argument(
        "data",
        metavar="DATA",
        help="a CSV, TSV, Parquet, Arrow or Feather file, or the name of a bundled data set",
    )
    fit.add_argument("--ml", action="store_true", help="maximum likelihood instead of REML")
    fit.add_argument("--weights", metavar="COL", help="column (or expression) of prior weights")
    fit.add_argument("--offset", metavar="COL", help="column (or expression) of known terms")
    fit.add_argument("--optimizer", choices=OPTIMIZERS, default="auto", help="default: auto")
    fit.add_argument(
        "--ddf",
        metavar="METHOD",
        help="degrees of freedom of the tests: satterthwaite (default), kenward-roger, residual or "
        "none; prints the whole summary",
    )
    fit.add_argument("--threads", type=int, metavar="N", help="most threads to use")
    fit.add_argument("--verbose", action="store_true", help="print a line per iteration")
    text = fit.add_argument_group("text files", "found in the file where they are not given")
    text.add_argument("--sep", metavar="S", help="between fields: one character, tab or blank")
    text.add_argument("--decimal", metavar="D", help="decimal mark: . or ,")
    text.add_argument("--encoding", metavar="E", help="such as utf-8, latin-1, utf-16")
    results = fit.add_argument_group("results")
    results.add_argument("--report", metavar="FILE", help="also write a page of HTML with pictures")
    results.add_argument("--save", metavar="FILE", help="also write the fit, for mixedmodels.load")
    results.add_argument("--json", action="store_true", help="print one JSON object, not text")


if __name__ == "__main__":
    sys.exit(main())
