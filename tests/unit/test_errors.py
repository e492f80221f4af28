"""The exception tree and how a formula is shown in a message."""

from __future__ import annotations

import contextlib
import io
import pickle

import pytest

from mixedmodels.errors import (
    DataError,
    FileError,
    FormulaError,
    MixedModelsError,
    ModelError,
    did_you_mean,
)


@pytest.mark.parametrize("kind", [FormulaError, DataError, ModelError, FileError])
def test_one_root_which_is_a_value_error(kind: type[MixedModelsError]) -> None:
    assert issubclass(kind, MixedModelsError)
    assert issubclass(kind, ValueError)


@pytest.mark.parametrize(
    ("text", "start", "end", "carets"),
    [
        ("y ~ x", 4, 5, "    ^"),
        ("y ~ abc", 4, 7, "    ^^^"),
        ("y ~ x", 5, 6, "     ^"),
        ("y ~ x", 2, 2, "  ^"),
        ("y ~ x", 4, 99, "    ^"),
        ("y\n~\tx", 4, 5, "    ^"),
    ],
)
def test_carets(text: str, start: int, end: int, carets: str) -> None:
    message = str(FormulaError("No.", text, start, end))
    assert message.splitlines() == ["No.", "", "    " + " ".join(text.split()), "    " + carets]


def test_no_picture_without_a_formula() -> None:
    assert str(FormulaError("No.")) == "No."


def test_within_moves_the_carets() -> None:
    inner = FormulaError("No.", "log(q)", 4, 5)
    outer = inner.within("y ~ log(q)", 4)
    assert (outer.message, outer.start, outer.end) == ("No.", 8, 9)


def test_survives_pickling() -> None:
    error = FormulaError("No.", "y ~ x", 4, 5)
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert (again.text, again.start, again.end) == ("y ~ x", 4, 5)


@pytest.mark.parametrize(
    ("name", "options", "hint"),
    [
        ("dayz", ["Days", "Subject"], " Did you mean 'Days'?"),
        ("REACTION", ["Reaction"], " Did you mean 'Reaction'?"),
        ("zzz", ["Days"], ""),
        ("a", [], ""),
    ],
)
def test_did_you_mean(name: str, options: list[str], hint: str) -> None:
    assert did_you_mean(name, options) == hint


def test_ipython_shows_the_lines_of_the_user() -> None:
    shell = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell()
    shell.run_cell("import mixedmodels as mm\ndata = mm.load_dataset('dyestuff')")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        shell.run_cell(
            "def fitted():\n    return mm.lmer('Yeld ~ 1 + (1 | Batch)', data)\nfitted()"
        )
    shown = printed.getvalue()
    assert "FormulaError: 'Yeld' is not a column of the data" in shown
    assert "return mm.lmer" in shown
    assert "build_design" not in shown
    assert len(shown.splitlines()) < 14
