"""What running work shows: a trace on request, and one line on a terminal when it takes long.

An optimiser calls the watcher once per iteration, work that is counted calls a tally; nothing is
decided here. The trace goes to standard output, the progress line to standard error, and only when
that is a terminal.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from mixedmodels.arrays import FloatArray

if TYPE_CHECKING:
    from typing_extensions import Self

PATIENCE = 2.0
INTERVAL = 0.2


def trace_line(iteration: int, objective: float, theta: FloatArray) -> str:
    """One iteration as text: `0: 11466.913: 0.836158 0.489669`."""
    return f"{iteration}: {objective:.8g}: " + " ".join(f"{t:.6g}" for t in theta)


class _Line:
    """One line of a terminal, written over until the work is done.

    Args:
        err: Where it goes; standard error if None.
        patience: Seconds before it appears.
    """

    def __init__(self, err: TextIO | None, patience: float) -> None:
        self._err = err
        self._start = time.perf_counter()
        self._next = self._start + patience
        self._width = 0

    def show(self, text: str) -> None:
        """Show `text` and the seconds so far, if it is time to."""
        now = time.perf_counter()
        if now < self._next:
            return
        self._next = now + INTERVAL
        stream = self._err or sys.stderr
        if stream is None or not stream.isatty():
            self._next = float("inf")
            return
        text = f"{text}  [{now - self._start:.0f} s]"
        stream.write("\r" + text.ljust(self._width))
        stream.flush()
        self._width = len(text)

    def __enter__(self) -> Self:
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


class Watcher(_Line):
    """Shows the iterations of one fit; a context manager that leaves the terminal clean.

    Args:
        verbose: Print a line per iteration.
        out: Where the trace goes; standard output if None.
        err: Where the progress line goes; standard error if None.
        patience: Seconds before the progress line appears.

    Attributes:
        every: Seconds between two calls that are enough.

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
        super().__init__(err, patience)
        self._verbose = verbose
        self._out = out
        self.every = 0.0 if verbose else min(patience, INTERVAL)

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
        self.show(f"iteration {iteration}: {objective:.8g}")


class Tally(_Line):
    """Shows how much of a counted piece of work is done; a context manager as `Watcher`.

    Args:
        noun: What is counted, in the plural.
        shown: Show it at once (True), never (False), or when the work takes seconds (None).
        err: Where the line goes; standard error if None.

    Examples:
        >>> with Tally("replicates") as tally:
        ...     tally(10, 100)
    """

    def __init__(self, noun: str, *, shown: bool | None = None, err: TextIO | None = None) -> None:
        patience = PATIENCE if shown is None else 0.0 if shown else float("inf")
        super().__init__(err, patience)
        self._noun = noun

    def __call__(self, done: int, total: int) -> None:
        """Report that `done` of `total` are done."""
        self.show(f"{done} of {total} {self._noun}")
