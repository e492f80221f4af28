"""Many examples under a watchdog: `python -m fuzz formulas --examples 20000`.

Each batch runs in a process of its own, so that a crash or a hang costs one example and is
reported with its number. Exit status 1 if a problem was found.
"""

from __future__ import annotations

import argparse
import collections
import faulthandler
import functools
import multiprocessing
import resource
import signal
import sys
import time
from multiprocessing.connection import Connection
from random import Random

from fuzz import commands, designs, files, formulas, frames, generalized, sources
from fuzz.outcome import Outcome, outcome_of

KINDS = {
    "formulas": formulas,
    "frames": frames,
    "files": files,
    "sources": sources,
    "commands": commands,
    "designs": designs,
    "generalized": generalized,
}
# Seconds of CPU, and of the clock, that an example may take; times more where it has many calls.
CPU, CLOCK = 5.0, 60.0
LONGER = {"designs": 12.0, "generalized": 12.0}
# Times that these are longer under sanitizers.
SANITIZED = 6.0
# Address space of the process that runs the examples.
MEMORY = 8 << 30


def main() -> int:
    """Run the examples asked for and print every problem and a count of the outcomes."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first example")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", action="store_true", help="print each example before it runs")
    parser.add_argument(
        "--no-limit", action="store_true", help="for sanitizers: any memory, six times the seconds"
    )
    arguments = parser.parse_args()
    counts: collections.Counter[str] = collections.Counter()
    number, end = arguments.first, arguments.first + arguments.examples
    began = time.monotonic()
    while number < end:
        number = _batch(arguments, number, end, counts)
    elapsed = time.monotonic() - began
    print(f"{arguments.kind}: {arguments.examples} examples in {elapsed:.0f} s: {dict(counts)}")
    return 1 if counts["problem"] else 0


def example(kind: str, seed: int, number: int) -> object:
    """The example of that number."""
    return KINDS[kind].draw(Random(f"{kind}/{seed}/{number}"))


def _batch(
    arguments: argparse.Namespace, first: int, end: int, counts: collections.Counter[str]
) -> int:
    """Run examples in a new process until all are done or one ends it; the next number."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(arguments, first, end, there))
    process.start()
    there.close()
    number = first
    while True:
        try:
            number, outcome = here.recv()
        except EOFError:
            break
        counts[outcome.kind] += 1
        if outcome.kind == "problem":
            _print_problem(arguments, number, outcome.text)
        number += 1
    process.join()
    if process.exitcode == 0:
        return number
    counts["problem"] += 1
    _print_problem(arguments, number, f"the process ended: {_how(process.exitcode)}")
    return number + 1


def _how(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return f"exit status {exitcode}"
    name = signal.Signals(-exitcode).name
    meaning = {"SIGPROF": "it used too many seconds of CPU", "SIGALRM": "it took too many seconds"}
    return meaning.get(name, name)


def _print_problem(arguments: argparse.Namespace, number: int, text: str) -> None:
    shown = ascii(KINDS[arguments.kind].show(example(arguments.kind, arguments.seed, number)))
    shown = shown if len(shown) <= 600 else f"{shown[:300]} ... {shown[-300:]}"
    print(
        f"{arguments.kind} --seed {arguments.seed} --first {number}: {text}\n    {shown}",
        flush=True,
    )


def _work(arguments: argparse.Namespace, first: int, end: int, results: Connection) -> None:
    faulthandler.enable()
    if not arguments.no_limit:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    kind = KINDS[arguments.kind]
    longer = LONGER.get(arguments.kind, 1.0) * (SANITIZED if arguments.no_limit else 1.0)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    outcome_of(lambda: formulas.run("y ~ x + f + (x | g)"))  # what is imported late is imported now
    for number in range(first, end):
        drawn = example(arguments.kind, arguments.seed, number)
        if arguments.show:
            print(number, ascii(kind.show(drawn))[:600], file=sys.stderr, flush=True)
        signal.setitimer(signal.ITIMER_PROF, longer * CPU)
        signal.setitimer(signal.ITIMER_REAL, longer * CLOCK)
        outcome: Outcome = outcome_of(functools.partial(kind.run, drawn))
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        results.send((number, outcome))
    results.close()
