"""The trace and the progress line."""

from __future__ import annotations

import io

import numpy as np
import pytest

from mixedmodels.progress import Tally, Watcher, trace_line

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


def test_silent_before_patience_ends() -> None:
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


def test_silent_when_not_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
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
