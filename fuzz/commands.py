"""Random command lines over random text files."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import warnings
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple

import pyarrow as pa

from fuzz import formulas
from mixedmodels import cross_products, plan
from mixedmodels.api import lmer
from mixedmodels.cli import main
from mixedmodels.commands.arguments import actions_of, commands_of, make_parser


class Command(NamedTuple):
    """The bytes of the data file and the arguments.

    `DATA` stands for the file's path, `FIT` and `OTHER` for those of saved fits, `SUMS` and
    `MORE` for those of sums by one plan.
    """

    content: bytes
    name: str
    arguments: tuple[str, ...]


_OPTIONS: tuple[str, ...] = (
    "--ml",
    "--json",
    "--verbose",
    "--weights",
    "--offset",
    "--threads",
    "--optimizer",
    "--report",
    "--save",
)
_OPTIONS += ("--sep", "--decimal", "--encoding", "--nosuch", "--ddf", "--confint", "")
_OPTIONS += (
    *("--level", "--nsim", "--seed", "--contrasts", "--na-action", "--start", "--max-evaluations"),
    *("--interval", "--random", "--allow-new-levels", "--output", "--uncertainty"),
    *("--by", "--at", "--adjust", "--type", "--pairs"),
)
_SUMS = ("SUMS", "SUMS", "MORE", "MORE", "FIT", "nosuch.mmsums", "DATA", "")
_SAVED = ("FIT", "FIT", "FIT", "OTHER", "nosuch.mm", "DATA", "")
_VALUES = (
    "",
    "x",
    "v",
    "1 + v",
    "0",
    "-1",
    "2",
    "99999999999",
    "auto",
    "Powell",
    "DATA",
    "nosuch/dir/f",
    ".",
    ";",
    ",",
    "latin-1",
    "utf-99",
    "0.9",
    "raise",
    "g=sum",
    "x=1,2",
    "wald",
    "confidence",
    "prediction",
    "none",
    "o.csv",
    "response",
    "holm",
)
_NAMES = (
    "d.csv",
    "d.tsv",
    "d.txt",
    "d",
    "d.csv.gz",
    "d.parquet",
    "d.feather",
    "d.CSV",
    "d.xlsx",
    "é.csv",
)


def draw(random: Random) -> Command:
    """A file and arguments."""
    arguments = [
        random.choice(
            (
                *(*("fit",) * 5, *("predict",) * 3, "compare", "emmeans", "emmeans"),
                *("sums", "sums", "sums", "merge", "merge"),
                *("datasets", "completion", "nosuch"),
            )
        )
    ]
    if arguments[0] in ("fit", "sums"):
        plain = ("y ~ x + (1 | g)", "y ~ v + (1 | g)", "y ~ 1 + (1 | v)", "y ~ x + (x | g)")
        arguments.append(
            random.choice((*plain, *plain, formulas.draw(random)[:2000])).replace("\x00", "")
        )
        arguments.append(
            random.choice(
                ("DATA", "DATA", "DATA", "DATA", "sleepstudy", "nosuch.csv", "", "/dev/null", ".")
            )
        )
    arguments += _of_saved(random, arguments[0])
    own = _options_of(arguments[0])
    for _ in range(random.randrange(4)):
        arguments.append(random.choice(own if own and random.random() < 0.9 else _OPTIONS))
        if random.random() < 0.6:
            arguments.append(random.choice(_VALUES))
    return Command(_content(random), random.choice(_NAMES), tuple(arguments))


def _of_saved(random: Random, command: str) -> list[str]:
    """What the commands take that read fits."""
    if command == "predict":
        data = random.choice((["DATA"], ["DATA"], ["sleepstudy"], []))
        return [random.choice(_SAVED), *data]
    if command == "compare":
        return [random.choice(_SAVED) for _ in range(random.randrange(1, 4))]
    if command == "merge":
        return [random.choice(_SUMS) for _ in range(random.randrange(1, 4))] + ["-o", "all.mmsums"]
    if command == "sums":
        plan = ["--plan", random.choice(_SUMS)] if random.random() < 0.3 else []
        return [*plan, *random.choice((["-o", "s.mmsums"], ["--output", "SUMS"], []))]
    if command == "emmeans":
        return [
            random.choice(_SAVED),
            random.choice(("x", "f", "~ f | x", "pairwise ~ f", "~", "1")),
        ]
    return []


@cache
def _options_of(command: str) -> tuple[str, ...]:
    parser = commands_of(make_parser()).get(command)
    actions = [] if parser is None else actions_of(parser)
    every = (name for action in actions for name in action.option_strings)
    return tuple(name for name in every if name not in ("-h", "--help"))


@cache
def _saved() -> dict[str, bytes]:
    """Two fits and two sums as files, of the columns that random tables have."""
    random = Random(1)
    table = {
        "y": [random.gauss(0, 1) for _ in range(60)],
        "x": [random.gauss(0, 1) for _ in range(60)],
        "f": ["a", "b", "c"] * 20,
        "g": [f"g{row % 6}" for row in range(60)],
    }
    content = {}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, formula in (("FIT", "y ~ x + (1 | g)"), ("OTHER", "y ~ x + f + (x | g)")):
            path = Path(folder) / f"{name}.mm"
            lmer(formula, table).save(path)
            content[name] = path.read_bytes()
        rows = pa.table(table)
        parts = {"SUMS": rows.slice(0, 30), "MORE": rows.slice(30)}
        made = plan("y ~ x + (1 | g)", rows, progress=False)
        for name, part in parts.items():
            path = Path(folder) / f"{name}.mmsums"
            cross_products(made, part, progress=False).save(path)
            content[name] = path.read_bytes()
    return content


def run(command: Command) -> int:
    """Run it in a folder of its own; the status must be one of the documented ones."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / command.name
        path.write_bytes(command.content)
        named = {"DATA": str(path)}
        for name, content in _saved().items():
            named[name] = f"{name}.mmsums" if name in ("SUMS", "MORE") else f"{name}.mm"
            (Path(folder) / named[name]).write_bytes(content)
        os.chdir(folder)
        try:
            status = _status([named.get(a, a) for a in command.arguments])
        finally:
            os.chdir(before)
    if status not in (0, 1, 2):
        raise AssertionError(f"exit status {status}")
    return status


def show(command: Command) -> str:
    """The arguments and the beginning of the file."""
    return f"{command.arguments} {command.name} {command.content[:150]!r}"


def _status(arguments: list[str]) -> int:
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="strict")
    said = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        try:
            status = main(arguments)
        except SystemExit as stop:
            status = int(stop.code or 0)
    if "should not happen" in said.getvalue():
        raise AssertionError(said.getvalue())
    return status


def _content(random: Random) -> bytes:
    if random.random() < 0.08:
        return bytes(random.randrange(256) for _ in range(random.randrange(200)))
    separator = random.choice((",", ",", ",", ";", "\t", " ", "|"))
    decimal = random.choice((".", ".", ","))
    header = ["y", "x", "g", random.choice(("v", "v", "y", "", "odd name", "é", '"q"', "2020"))]
    values = random.choice(
        (
            ("1", "2"),
            ("a", "b"),
            ("é", "ü"),
            ("NA", "1"),
            ("007", "012"),
            ("9007199254740993", "9007199254740995"),
        )
    )
    lines = [separator.join(header)] if random.random() < 0.95 else []
    for row in range(random.choice((0, 1, 30, 30, 30))):
        numbers = [f"{random.gauss(0, 1):.6f}".replace(".", decimal) for _ in range(2)]
        lines.append(separator.join([*numbers, f"g{row % 6}", random.choice(values)]))
        if random.random() < 0.01:
            lines[-1] += separator + "extra"
    text = random.choice(("\n", "\n", "\r\n", "\r")).join(lines)
    return text.encode(random.choice(("utf-8", "utf-8", "latin-1", "utf-16", "utf-8-sig")))
