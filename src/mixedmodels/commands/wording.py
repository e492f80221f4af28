"""Advice that is worded for users of Python, worded for those of the command.

The package advises keyword arguments (`na_action="omit"`, `another start=`). The options of the
command have their names, so that the parser says which of these there are; what differs stands in
a table here.
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from functools import cache

from mixedmodels.commands.arguments import actions_of, commands_of, make_parser
from mixedmodels.errors import FormulaError, MixedModelsError
from mixedmodels.report.text import WIDTH, in_width

# Python that is written otherwise in a shell, calls among it, before arguments are looked for.
_OTHERWISE = (
    (r"\bconfint\(method=['\"](\w+)['\"]\)", r"--confint \1"),
    (
        (
            r"\btest with responses drawn from the smaller model, anova\(small, large, "
            r"nsim=1000\), and look at confint\(\)"
        ),
        "look at --confint bootstrap",
    ),
    (r"\blook at confint\(\)", "look at --confint profile"),
    (
        (
            r"\b(?:fit\.)?(emmeans|predict)\((?:\.\.\.|data|\"f\"), (type|random)="
            r"['\"](\w+)['\"]\)(?!\.\w)"
        ),
        r"`mixedmodels \1 --\2 \3`",
    ),
    (r"\bwith anova\(\)", "with `mixedmodels compare`"),
    (r"\bwritten by fit\.save\(\)", "written by `mixedmodels fit --save`"),
    (r"\bwritten by CrossProducts\.save\(\)", "written by `mixedmodels sums`"),
    (r"\bwhat plan\(\) returns", "what --plan takes"),
    (r"\bMake the plan of all data that are", "Give --plan all data that are"),
    (r"\bsum both by one plan, made of all data", "sum both with the same --plan"),
    (r"\bby the plan better_plan\(\) of these sums", "with their file as --plan"),
    (r"\bmixedmodels\.list_datasets\(\) names", "`mixedmodels datasets` lists"),
    (r"\bevaluations \(control\)", "evaluations (--max-evaluations)"),
    (r"\bfit\.update\(n_agq=(\d+)\)", r"--n-agq \1"),
    (r", or an object of mixedmodels\.families", ""),
    (r"\bmixedmodels\.glmer\(\.\.\., family=\"(\w+)\"\)", r"--family \1"),
    (r" \(\(dates - dates\.min\(\)\)\.dt\.days of pandas\.to_datetime\)", ""),
    (
        r"\bwhich are in fit\.ranef\(\), fit\.coef\(\) and fit\.plot_ranef\(\)",
        "drawn on the page that `mixedmodels fit --report` writes",
    ),
    (r", and tables have to_latex\(\) and to_markdown\(\)", ""),
    # What a table in memory calls for; here the table is a file.
    (
        (
            r"\bRead the file with decimal=',' \(pandas\.read_csv\), or make the column numeric by "
            r"\.str\.replace\(',', '\.'\)\.astype\(float\)"
        ),
        "Give --decimal ',', and leave signs between thousands out of the file",
    ),
    (
        r", and make the column numeric \(pandas\.to_numeric, or \.cast\(Float64\) of Polars\)",
        " in the file",
    ),
    (
        r"\bmake the column numeric \(pandas\.to_numeric, or \.cast\(Float64\) of Polars\)",
        "see whether --decimal is right, and correct the file",
    ),
    (r" \(pandas\.to_numeric with errors='coerce'\)", ""),
    (
        (
            r"\bGive the order, as in pandas\.Categorical\(values, categories=\[\.\.\.\], "
            r"ordered=True\), or write "
        ),
        "Write ",
    ),
)
# Arguments whose options have other names; where they stand in a call they belong to it.
_ARGUMENTS = (
    (r"\b(L|l)eave reml=True\b", r"\1eave out --ml"),
    (r"\breml=True\b", "REML (without --ml)"),
    (r"\breml=False\b", "--ml"),
    (r"\bkind=['\"](\w+)['\"]", r"--interval \1"),
)
# The same of generalized models, for which maximum likelihood is the default.
_WITH_FAMILY = ((r"\breml=True\b", "--reml"), (r"\breml=False\b", "no --reml"))
# A call of Python with its arguments, in which there may be other calls.
_INSIDE = r"(?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*"
_CALL = re.compile(rf"[\w.]*\w\({_INSIDE}\)")
# What stands for a call while options are written: no character of a message or an option.
_HELD = "\0{}\0"
# A keyword argument, perhaps with a value.
_KEYWORD = (
    r"(?<![\w'\"`.-])(?P<name>{names})=(?!=)"
    r"(?P<value>'[^'\n]*'|\"[^\"\n]*\"|\[[^\]\n]*\]|True\b|False\b|-?\d[\d.]*\b)?"
)
# What begins a sentence about the value of an argument.
_SUBJECT = r"^(?P<name>{names})(?= (?:is|must|names?) )"

# Options that are not arguments of a function: how files are read, what is printed.
_OF_THE_SHELL = frozenset(
    {"confint", "decimal", "encoding", "help", "interval", "json", "ml", "output", "pairs",
     "reml", "report", "save", "sep"}
)  # fmt: skip


def in_shell_words(message: str, arguments: argparse.Namespace) -> str:
    """A message with the options of the command in place of keyword arguments.

    Args:
        message: As the package has it.
        arguments: Of the command. What stands in them is the user's own and stays as it is.
    """
    typed = tuple(_typed(arguments))
    options = keyword_options(arguments.command)
    names = "|".join(options)

    def as_option(match: re.Match[str]) -> str:
        if match["value"] and any(match[0] in text for text in typed):
            return match[0]
        return _with_value(options[match["name"]], match["value"])

    for pattern, words in _OTHERWISE:
        message = re.sub(pattern, words, message)
    calls: list[str] = []

    def held(match: re.Match[str]) -> str:
        calls.append(match[0])
        return _HELD.format(len(calls) - 1)

    message = _CALL.sub(held, message)
    of_family = _WITH_FAMILY if getattr(arguments, "family", None) else ()
    for pattern, words in (*of_family, *_ARGUMENTS):
        message = re.sub(pattern, words, message)
    message = re.sub(_KEYWORD.format(names=names), as_option, message)
    message = re.sub(_SUBJECT.format(names=names), lambda match: _name(options[match[1]]), message)
    return re.sub(_HELD.format(r"(\d+)"), lambda match: calls[int(match[1])], message)


def error_in_shell_words(error: MixedModelsError, arguments: argparse.Namespace) -> str:
    """The message of an error; the formula that one shows stays as it was typed."""
    if isinstance(error, FormulaError):
        told = in_shell_words(error.message, arguments)
        return str(FormulaError(told, error.text, error.start, error.end))
    return in_shell_words(str(error), arguments)


def text_in_shell_words(text: str, arguments: argparse.Namespace) -> str:
    """Printed results with sentences in the words of the shell, tables and formulas as they are."""
    found: list[str] = []
    for lines in _sentences(text.split("\n")):
        whole = " ".join(lines)
        told = in_shell_words(whole, arguments) if _is_prose(whole) else whole
        found.extend(lines if told == whole else in_width(told))
    return "\n".join(found)


def _is_prose(line: str) -> bool:
    return bool(line) and "  " not in line and "~" not in line


def _sentences(lines: list[str]) -> Iterator[list[str]]:
    """Lines of a text, those together that go on where the next word had no room."""
    together: list[str] = []
    for line in lines:
        prose = _is_prose(line)
        if together and prose and len(together[-1]) + 1 + len(line.split(" ", 1)[0]) > WIDTH:
            together.append(line)
            continue
        if together:
            yield together
            together = []
        if prose:
            together = [line]
        else:
            yield [line]
    if together:
        yield together


@cache
def keyword_options(command: str) -> dict[str, argparse.Action]:
    """Options by keyword argument: those of the command, and those of `fit`, which made the fit."""
    parsers = commands_of(make_parser())
    return {
        action.dest: action
        for name in dict.fromkeys(("fit", command))
        for action in actions_of(parsers[name])
        if action.option_strings and action.dest not in _OF_THE_SHELL
    }


def _with_value(option: argparse.Action, value: str | None) -> str:
    """An option as it is typed; an argument that turns a flag off is the option left out."""
    if option.nargs == 0:
        return f"no {_name(option)}" if value == "False" else _name(option)
    if value is None:
        return _name(option)
    plain = value[1:-1].replace(", ", ",") if value[0] in "'\"[" else value
    return f"{_name(option)} {shlex.quote(plain)}"


def _name(option: argparse.Action) -> str:
    return next(text for text in option.option_strings if text.startswith("--"))


def _typed(arguments: argparse.Namespace) -> Iterator[str]:
    for value in vars(arguments).values():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str):
                yield text
