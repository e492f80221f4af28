"""What running work shows: a trace on request, and one line on a terminal when it takes long.

An optimiser calls the watcher once per iteration, work that is counted calls a tally; nothing is
decided here. The trace goes to standard output, the progress line to standard error, and only when
that is a terminal; of the rows of large data lines are written elsewhere too.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from mixedmodels.arrays import FloatArray

if TYPE_CHECKING:
    from typing_extensions import Self

PATIENCE = 2.0
INTERVAL = 0.2
BETWEEN_LINES = 10.0
"""Seconds between two lines where standard error is not a terminal."""

_BAR = 20


def trace_line(iteration: int, objective: float, theta: FloatArray) -> str:
    """One iteration as text: `0: 11466.913: 0.836158 0.489669`."""
    return f"{iteration}: {objective:.8g}: " + " ".join(f"{t:.6g}" for t in theta)


class _Erased:
    """A context at whose end the line that is shown is erased."""

    _err: TextIO | None
    _width: int

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


class _Line(_Erased):
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


class Rows(_Erased):
    """Shows how many partitions and rows of a source are read; a context manager.

    On a terminal one line with a bar is written over, elsewhere a line is written now and then. It
    appears when the work takes long. Any thread may report.

    Args:
        title: What is done, such as ``"summing"``.
        partitions: How many there are.
        shown: Show it at once (True), never (False), or when the work takes seconds (None).
        err: Where it goes; standard error if None.
        clock: Gives seconds.

    Examples:
        >>> with Rows("summing", 8) as report:
        ...     report(1000, 1)
    """

    def __init__(
        self,
        title: str,
        partitions: int,
        *,
        shown: bool | None = None,
        err: TextIO | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._title, self._partitions, self._err, self._clock = title, partitions, err, clock
        self._lock = threading.Lock()
        self._rows = self._done = self._width = 0
        self._start = clock()
        stream = err or sys.stderr
        self._bar = stream is not None and stream.isatty()
        patience = {None: PATIENCE if self._bar else BETWEEN_LINES, True: 0.0, False: float("inf")}
        self._next = float("inf") if stream is None else self._start + patience[shown]

    def __call__(self, rows: int, partitions: int) -> None:
        """Report that so many more rows and partitions are done."""
        with self._lock:
            self._rows += rows
            self._done += partitions
            now = self._clock()
            if now < self._next:
                return
            self._next = now + (INTERVAL if self._bar else BETWEEN_LINES)
            self._write(self.text(now - self._start))

    def text(self, seconds: float) -> str:
        """What is shown after so many seconds."""
        share = self._done / max(self._partitions, 1)
        full = round(_BAR * share)
        bar = f"[{'#' * full}{'.' * (_BAR - full)}] " if self._bar else ""
        parts = [f"{bar}{self._title}: {self._done} of {self._partitions} partitions"]
        if self._rows:
            parts.append(f"{self._rows:,} rows, {self._rows / max(seconds, 1e-9):,.0f} a second")
        if 0.0 < share < 1.0:
            parts.append(f"{seconds * (1.0 - share) / share:.0f} s left")
        return ", ".join(parts)

    def _write(self, text: str) -> None:
        stream = self._err or sys.stderr
        if self._bar:
            stream.write("\r" + text.ljust(self._width))
            self._width = len(text)
        else:
            stream.write(text + "\n")
        stream.flush()
