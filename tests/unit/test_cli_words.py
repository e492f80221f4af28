"""Advice for users of Python in the words of the shell: every message of the package."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import mixedmodels
from mixedmodels.cli import main
from mixedmodels.commands.arguments import actions_of, commands_of, make_parser, parsed
from mixedmodels.commands.wording import (
    error_in_shell_words,
    in_shell_words,
    keyword_options,
    text_in_shell_words,
)
from mixedmodels.errors import FormulaError
from mixedmodels.report.text import in_width

ROOT = Path(mixedmodels.__file__).parent
COMMANDS = [name for name in commands_of(make_parser()) if name not in ("datasets", "completion")]
# Modules whose messages no command prints, or that have none: names of other packages, styles.
ELSEWHERE = ("report/page.py", "foreign", "commands/", "several/", "planning/", "adapters/")
FORMULA = "y ~ x + (1 | g)"


def arguments_of(command: str, *more: str) -> argparse.Namespace:
    needed = {
        "fit": [FORMULA, "d.csv"],
        "sums": [FORMULA, "d.csv", "-o", "s.mmsums"],
        "merge": ["a.mmsums", "b.mmsums", "-o", "c.mmsums"],
        "predict": ["f.mm", "d.csv"],
        "compare": ["f.mm", "g.mm"],
        "emmeans": ["f.mm", "f"],
    }
    return parsed([command, *needed[command], *more])


def messages() -> Iterator[tuple[str, str]]:
    """Where and what: every text of more than one word in the package that is not documentation."""
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(ELSEWHERE):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for line, text in texts(tree):
                yield f"{name}:{line}", text


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            skipped.update(id(part) for part in ast.walk(node) if part is not node)
    for node in ast.walk(tree):
        text = ""
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        elif isinstance(node, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else "'it'" for p in node.values)
            text = "".join(map(str, parts))
        if " " in text:
            yield node.lineno, text


MESSAGES = list(messages())


def keywords_in(text: str, names: Iterator[str] | list[str]) -> list[str]:
    """Arguments that a text advises, those of functions of formulas and of other calls left out."""
    outside = re.sub(r"\w\([^()]*\)", "", text)
    return [name for name in names if re.search(rf"(?<![\w'\"]){name}=", outside)]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_message_advises_options(command: str) -> None:
    options = keyword_options(command)
    arguments = arguments_of(command)
    found = 0
    for where, message in MESSAGES:
        told = in_shell_words(message, arguments)
        assert not keywords_in(told, [*options, "reml"]), (where, told)
        for name in keywords_in(message, list(options)):
            found += 1
            assert f"--{name.replace('_', '-')}" in told, (where, told)
    assert found >= 10


@pytest.mark.parametrize("command", COMMANDS)
def test_options_in_messages_are_options_of_a_command(command: str) -> None:
    known = {
        text
        for parser in commands_of(make_parser()).values()
        for action in actions_of(parser)
        for text in action.option_strings
    }
    arguments = arguments_of(command)
    for where, message in MESSAGES:
        told = in_shell_words(message, arguments)
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", told):
            assert option in known, (where, told)


@pytest.mark.parametrize("command", COMMANDS)
def test_messages_on_columns_of_a_file_name_no_data_frame(command: str) -> None:
    """Columns come from a file: advice to change a data frame is of no use in the shell."""
    arguments = arguments_of(command)
    found = 0
    for where, message in MESSAGES:
        if where.startswith("design/") and not where.startswith("design/frame.py"):
            found += "pandas." in message
            assert not re.search(r"pandas\.|Polars\)|astype", in_shell_words(message, arguments)), (
                where
            )
    assert found >= 4


@pytest.mark.parametrize(
    ("message", "command", "told"),
    [
        (
            (
                "make them missing, and make the column numeric (pandas.to_numeric, or "
                ".cast(Float64) of Polars)."
            ),
            "fit",
            "make them missing in the file.",
        ),
        (
            'a generalized model, mixedmodels.glmer(..., family="binomial"), ordered ones',
            "fit",
            "a generalized model, --family binomial, ordered ones",
        ),
        ('Drop them, or use na_action="omit".', "fit", "Drop them, or use --na-action omit."),
        ("Give another start= or optimizer=.", "fit", "Give another --start or --optimizer."),
        ("start=[1, 0.5]", "fit", "--start 1,0.5"),
        ("elsewhere (start=) or", "fit", "elsewhere (--start) or"),
        ("ddf is 'x'; it must be", "fit", "--ddf is 'x'; it must be"),
        ("weights must be finite", "fit", "--weights must be finite"),
        ("or fit them with reml=False.", "compare", "or fit them with --ml."),
        ("needs REML; leave reml=True.", "fit", "needs REML; leave out --ml."),
        ("allow_new_levels=True", "predict", "--allow-new-levels"),
        ("random='none' leaves", "predict", "--random none leaves"),
        ("random='(Days | Subject)'", "predict", "--random '(Days | Subject)'"),
        ("type='response' transforms", "emmeans", "--type response transforms"),
        ("by= another variable or with at=.", "emmeans", "--by another variable or with --at."),
        ("Use ddf='satterthwaite', which", "compare", "Use --ddf satterthwaite, which"),
        ("write interaction(a, b, sep=':').", "fit", "write interaction(a, b, sep=':')."),
        ("write relevel(f, ref='b')", "fit", "write relevel(f, ref='b')"),
        ("seq() does not take 'by='", "emmeans", "seq() does not take 'by='"),
        ("Use type=1 or type=2", "fit", "Use type=1 or type=2"),
        ("threads == 2, xthreads=2", "fit", "threads == 2, xthreads=2"),
        (
            "the column bias of fit.bootstrap(200, seed=1) says",
            "fit",
            "the column bias of fit.bootstrap(200, seed=1) says",
        ),
        (
            "LinearMixedModel(f, d.assign(x=g(1, seed=2)), reml=False); seed=3, reml=False",
            "fit",
            "LinearMixedModel(f, d.assign(x=g(1, seed=2)), reml=False); --seed 3, --ml",
        ),
        ("f(a, kind='CR1'), kind='mean'", "fit", "f(a, kind='CR1'), --interval mean"),
        (
            "categories are emmeans(..., type='prob').",
            "emmeans",
            "categories are `mixedmodels emmeans --type prob`.",
        ),
        (
            (
                "test with responses drawn from the smaller model, anova(small, large, nsim=1000), "
                "and look at confint()."
            ),
            "fit",
            "look at --confint bootstrap.",
        ),
    ],
)
def test_words(message: str, command: str, told: str) -> None:
    assert in_shell_words(message, arguments_of(command)) == told


def test_what_was_typed_stays() -> None:
    formula = "y ~ own(x, 1, start=[1]) + (1 | g)"
    arguments = parsed(["fit", formula, "d.csv"])
    error = FormulaError("own is not known; give another start=, not start=[1]", formula, 4, 7)
    told = error_in_shell_words(error, arguments)
    assert told.startswith("own is not known; give another --start, not start=[1]\n")
    assert formula in told


def test_tables_and_formulas_stay() -> None:
    text = f"Formula: {FORMULA} + start=1\nlevel=1  2.0\nGive another start=.\n"
    expected = f"Formula: {FORMULA} + start=1\nlevel=1  2.0\nGive another --start.\n"
    assert text_in_shell_words(text, arguments_of("emmeans")) == expected


def test_sentences_over_several_lines_are_read_as_one() -> None:
    advice = (
        "If these levels are the only ones of interest, use fixed effects; otherwise test with "
        "responses drawn from the smaller model, anova(small, large, nsim=1000), and look at "
        "confint()."
    )
    told = "the only ones of interest, use fixed effects; otherwise look at --confint bootstrap."
    call = "The column bias of the table that is the result of fit.bootstrap(nsim=200, seed=1) says"
    text = "\n".join([*in_width(advice), "level=1  2.0", *in_width(call), "", "Give start=."])
    lines = text_in_shell_words(text, arguments_of("fit")).split("\n")
    assert " ".join(lines[:2]) == f"If these levels are {told}"
    assert lines[2:] == ["level=1  2.0", *in_width(call), "", "Give --start."]
    assert max(map(len, lines)) <= 80


def test_a_fit_that_stops_early(capsys: pytest.CaptureFixture[str]) -> None:
    formula = "Reaction ~ Days + (Days | Subject)"
    arguments = ["fit", formula, "sleepstudy", "--max-evaluations", "2"]
    assert main(arguments) == 1
    advice = "Allow more evaluations (--max-evaluations) or start elsewhere (--start)."
    assert advice in capsys.readouterr().out
    assert main([*arguments, "--json"]) == 1
    assert advice in capsys.readouterr().out
    assert main([*arguments[:3], "--start", "0.9,0,0.2"]) == 0
