"""`mixedmodels emmeans`: marginal means of a saved fit."""

from __future__ import annotations

import argparse
import re
from typing import Any

from mixedmodels.api import load
from mixedmodels.commands.output import (
    json_table,
    print_json,
    print_text,
    status_of,
    warnings_in_words,
)
from mixedmodels.commands.wording import in_shell_words
from mixedmodels.errors import MixedModelsError
from mixedmodels.marginal.results import Estimates
from mixedmodels.settings import check_level, df_method

_OPTIONS = ("by", "ddf", "adjust", "type", "weights", "level", "offset")
# A number, and not a label such as 007.
_NUMBER = re.compile(r"[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def run(arguments: argparse.Namespace) -> int:
    """Print marginal means, and their contrasts where asked for.

    Returns:
        0, or 1 where the fit had not converged.
    """
    options = {name: getattr(arguments, name) for name in _OPTIONS}
    options = {name: value for name, value in options.items() if value is not None}
    if arguments.level is not None:
        check_level(arguments.level)
    df_method(arguments.ddf or "satterthwaite")
    at = _values(arguments.at)
    fit = load(arguments.fit, threads=arguments.threads)
    alone = len(arguments.specs) == 1
    with warnings_in_words(arguments):
        specs = arguments.specs[0] if alone else arguments.specs
        means = fit.emmeans(specs, at=at, **options)
        contrasts = means.pairs() if arguments.pairs else None
        text = f"{means}" if contrasts is None else f"{means}\n\n{contrasts}"
    if arguments.json:
        by_formula = means.contrasts if contrasts is None else contrasts
        print_json(
            "emmeans",
            {
                "formula": fit.formula,
                "converged": bool(fit.converged),
                "means": _table(means, arguments),
                "contrasts": None if by_formula is None else _table(by_formula, arguments),
            },
        )
    else:
        print_text(text, arguments)
    return status_of(fit.converged)


def _values(given: list[str] | None) -> dict[str, list[Any]] | None:
    """Values by variable.

    Raises:
        MixedModelsError: An option without a name or without values.
    """
    found = {}
    for text in given or ():
        name, _, listed = text.partition("=")
        pieces = [piece.strip() for piece in listed.split(",")]
        if not name.strip() or not all(pieces):
            raise MixedModelsError(
                f"--at is {text!r:.80}; it must be a variable and its values, such as x=1,2.5."
            )
        numbers = all(map(_NUMBER.fullmatch, pieces))
        found[name.strip()] = list(map(_number, pieces)) if numbers else pieces
    return found or None


def _number(text: str) -> float:
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def _table(estimates: Estimates, arguments: argparse.Namespace) -> dict[str, Any]:
    notes = [in_shell_words(note, arguments) for note in estimates.footnotes]
    return {"title": estimates.origin.title, **json_table(estimates.table), "notes": notes}
