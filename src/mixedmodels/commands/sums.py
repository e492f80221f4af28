"""`mixedmodels sums`: the rows of files summed into one file, to be merged and fitted."""

from __future__ import annotations

import argparse
from typing import Any

from mixedmodels.commands.output import (
    OK,
    check_targets,
    print_json,
    print_text,
    warnings_in_words,
)
from mixedmodels.commands.tables import given_contrasts, given_rows, in_parts
from mixedmodels.commands.wording import in_shell_words
from mixedmodels.errors import DataError
from mixedmodels.large import plan, sum_rows
from mixedmodels.scaleout import CrossProducts
from mixedmodels.settings import thread_count
from mixedmodels.streaming.executor import Threads
from mixedmodels.streaming.plan import Plan, model_asked

_OF_MODEL = ("weights", "offset", "contrasts", "na_action")


def run(arguments: argparse.Namespace) -> int:
    """Sum rows and write the sums."""
    thread_count(arguments.threads)
    check_targets({"output": arguments.output}, {"the data": arguments.data})
    asked = model_asked(
        arguments.formula,
        weights=arguments.weights,
        offset=arguments.offset,
        contrasts=given_contrasts(arguments),
        na_action=arguments.na_action or "omit",
    )
    with warnings_in_words(arguments):
        found = sum_rows(
            asked,
            given_rows(arguments),
            plan=_plan(arguments),
            memory=arguments.memory,
            checkpoint=arguments.checkpoint,
            threads=arguments.threads,
        )
        found.save(arguments.output)
    show(found, arguments)
    return OK


def show(found: CrossProducts, arguments: argparse.Namespace) -> None:
    """Print what was summed."""
    if arguments.json:
        print_json(arguments.command, as_json(found, arguments))
    else:
        print_text(f"{found}\nWritten to {arguments.output}.", arguments)


def as_json(found: CrossProducts, arguments: argparse.Namespace) -> dict[str, Any]:
    """Sums as an object of JSON."""
    return {
        "file": arguments.output,
        "formula": found.plan.formula,
        "plan": found.plan.id,
        "n": found.n,
        "n_read": found.n_read,
        "missing": [
            {"name": name, "value": count} for name, count in sorted(found.n_missing.items())
        ],
        "groups": [{"name": name, "levels": count} for name, count in found.plan.levels.items()],
        "pairs": found.pairs,
        "bytes": found.nbytes,
        "partitions": list(found.keys),
        "accurate": found.accurate,
        "messages": [in_shell_words(message, arguments) for message in found.plan.messages],
    }


def _plan(arguments: argparse.Namespace) -> Plan | None:
    """The plan that these sums share with others: of a file of sums, or of all rows; or None."""
    if arguments.plan is None:
        return None
    if not in_parts(arguments.plan):
        return _plan_of_sums(arguments)
    return plan(
        arguments.formula,
        arguments.plan,
        weights=arguments.weights,
        offset=arguments.offset,
        contrasts=given_contrasts(arguments),
        na_action=arguments.na_action or "omit",
        memory=arguments.memory,
        executor=Threads(arguments.threads),
    )


def _plan_of_sums(arguments: argparse.Namespace) -> Plan:
    """The plan of other sums, by which these are made too.

    Where those have lost digits by it, the plan that keeps them.

    Raises:
        DataError: It is the plan of another formula, or options of a new plan were given.
        FileError: The file does not hold sums.
    """
    for name in _OF_MODEL:
        if getattr(arguments, name) is not None:
            raise DataError(
                f"--{name.replace('_', '-')} is settled by the plan in {arguments.plan}; leave it "
                "out."
            )
    sums = CrossProducts.load(arguments.plan)
    known = sums.plan.formula
    if known != arguments.formula:
        raise DataError(
            f"{arguments.plan} has sums for {known!r:.200}, not for {arguments.formula!r:.200}."
        )
    return sums.plan if sums.accurate or not sums.n else sums.better_plan()
