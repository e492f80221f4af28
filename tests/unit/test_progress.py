"""The trace and the progress line."""

from __future__ import annotations

import io

import numpy as np
import pytest

from mixedmodels.progress import Rows, Tally, Watcher, trace_line

THETA = np.array([0.836158, 0.489669])


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_trace_line() -> None:
    assert trace_line(0, 11466.9130, THETA) == "0: 11466.913: 0.836158 0.489669"
    assert trace_line(12, 11391.53204, THETA[:1]) == "12: 11391.532: 0.836158"


def test_verbose_prints_every_iteration(capsys: pytest.CaptureFixture[str]) -> None:
    with Watcher(verbose=True) as watch:
        watch(0, 11466.913, THETA)
        watch(1, 11391.532, THETA)
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        "0: 11466.913: 0.836158 0.489669",
        "1: 11391.532: 0.836158 0.489669",
    ]
    assert shown.err == ""


def test_nothing_is_shown_before_patience_ends() -> None:
    terminal = Terminal()
    with Watcher(err=terminal) as watch:
        watch(0, 1.0, THETA)
    assert terminal.getvalue() == ""


def test_one_line_on_a_terminal_and_clean_afterwards() -> None:
    terminal = Terminal()
    with Watcher(err=terminal, patience=0.0) as watch:
        watch(7, 11391.532, THETA)
        watch(8, 11391.5, THETA)  # too soon after the last line
    text = terminal.getvalue()
    assert "iteration 7: 11391.532" in text
    assert "iteration 8" not in text
    assert "\n" not in text
    assert text.endswith("\r")


def test_nothing_is_shown_when_not_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    with Watcher(err=stream, patience=0.0) as watch:
        watch(0, 1.0, THETA)
    with Watcher(patience=0.0) as watch:
        watch(0, 1.0, THETA)
    assert stream.getvalue() == ""
    assert capsys.readouterr().err == ""


def test_tally_counts_on_a_terminal() -> None:
    shown, hidden = Terminal(), Terminal()
    with Tally("replicates", shown=True, err=shown) as tally:
        tally(10, 100)
    assert shown.getvalue().startswith("\r10 of 100 replicates  [0 s]")
    assert shown.getvalue().endswith("\r")
    for wish in (None, False):
        with Tally("replicates", shown=wish, err=hidden) as tally:
            tally(10, 100)
    assert hidden.getvalue() == ""


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_partitions_on_a_terminal() -> None:
    clock, out = Clock(), Terminal()
    with Rows("summing", 8, err=out, clock=clock) as report:
        report(1000, 1)
        assert out.getvalue() == ""  # short work shows nothing
        clock.now = 4.0
        report(1000, 1)
        shown = out.getvalue()
        clock.now = 4.1
        report(0, 1)
        assert out.getvalue() == shown  # not more often than five times a second
    assert shown == (
        "\r[#####...............] summing: 2 of 8 partitions, 2,000 rows, 500 a second, 12 s left"
    )
    assert out.getvalue().endswith("\r")


def test_partitions_elsewhere() -> None:
    clock, out = Clock(), io.StringIO()
    with Rows("scanning", 4, err=out, clock=clock) as report:
        clock.now = 5.0
        report(100, 1)
        clock.now = 11.0
        report(100, 1)
        clock.now = 12.0
        report(100, 1)
        clock.now = 30.0
        report(100, 1)
    assert out.getvalue() == (
        "scanning: 2 of 4 partitions, 200 rows, 18 a second, 11 s left\n"
        "scanning: 4 of 4 partitions, 400 rows, 13 a second\n"
    )


def test_partitions_that_are_not_shown() -> None:
    clock, out = Clock(), io.StringIO()
    with Rows("summing", 2, err=out, clock=clock, shown=False) as report:
        clock.now = 1e6
        report(1, 1)
    assert out.getvalue() == ""
    with Rows("summing", 2, err=out, clock=clock, shown=True) as report:
        report(1, 1)
    assert out.getvalue().startswith("summing: 1 of 2 partitions")
