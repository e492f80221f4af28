"""What a running fit shows: a trace on request, and one line on a terminal when it takes long.

An optimiser calls the watcher once per iteration; nothing is decided here. The trace goes to
standard output, the progress line to standard error, and only when that is a terminal.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

from mixedmodels.typing import FloatArray

PATIENCE = 2.0
INTERVAL = 0.2


def trace_line(iteration: int, objective: float, theta: FloatArray) -> str:
    """One iteration as text: `0: 11466.913: 0.836158 0.489669`."""
    return f"{iteration}: {objective:.8g}: " + " ".join(f"{t:.6g}" for t in theta)


class Watcher:
    """Shows the iterations of one fit; a context manager that leaves the terminal clean.

    Args:
        verbose: Print a line per iteration.
        out: Where the trace goes; standard output if None.
        err: Where the progress line goes; standard error if None.
        patience: Seconds before the progress line appears.

    Examples:
        >>> import numpy as np
        >>> with Watcher(verbose=True) as watch:
        ...     watch(0, 11466.9130, np.array([0.836158, 0.489669]))
        0: 11466.913: 0.836158 0.489669
    """

    def __init__(
        self,
        *,
        verbose: bool = False,
        out: TextIO | None = None,
        err: TextIO | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self._verbose = verbose
        self._out = out
        self._err = err
        self._start = time.perf_counter()
        self._next = self._start + patience
        self._width = 0

    def __call__(self, iteration: int, objective: float, theta: FloatArray) -> None:
        """Report one iteration.

        Args:
            iteration: Counted from 0.
            objective: The criterion.
            theta: (m,) where it was evaluated.
        """
        if self._verbose:
            print(trace_line(iteration, objective, theta), file=self._out or sys.stdout)
            return
        now = time.perf_counter()
        if now >= self._next:
            self._next = now + INTERVAL
            self._show(f"iteration {iteration}: {objective:.8g}  [{now - self._start:.0f} s]")

    def _show(self, text: str) -> None:
        stream = self._err or sys.stderr
        if stream is None or not stream.isatty():
            self._next = float("inf")
            return
        stream.write("\r" + text.ljust(self._width))
        stream.flush()
        self._width = len(text)

    def __enter__(self) -> Watcher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._width:
            stream = self._err or sys.stderr
            stream.write("\r" + " " * self._width + "\r")
            stream.flush()
            self._width = 0
