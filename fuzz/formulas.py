"""Random formulas: from a grammar, then mutated, or just text; and a small table to fit them to."""

from __future__ import annotations

import functools
from collections.abc import Callable
from random import Random

import numpy as np
import pandas as pd

import mixedmodels as mm

_NUMBERS = ("x", "z", "p", "i", "t", "x.1", ".v", "µ", "é", "yield", "lambda", "n")
_FACTORS = ("f", "c", "b", "class", "site.class")
_GROUPS = ("g", "h", "g2", "id")
_ODD = ("odd name", "2nd", "p(%)", 'a"b', "it's", "I(x)", "x:z", "x + z", "a\\b", "🙂", "log")
_CALLS = (
    *("log", "exp", "sqrt", "abs", "sin", "cos", "tanh", "log10", "log2", "log1p", "expm1"),
    *("np.log", "np.exp", "np.sqrt", "np.abs", "I", "scale", "center", "factor", "C", "as.factor"),
    *("poly", "bs", "ns", "cr", "cut", "relevel", "as.numeric", "dummy", "interaction", "ordered"),
    *("offset", "round", "floor", "sign", "is.na", "ifelse", "pmin", "nosuch", "np.load", "open"),
)
_INFIX = ("+", "-", "*", "/", "^", "**", "%%", "%/%", "%in%", ":", "&", "|", "<", "==", ">=", "!=")
_LITERALS = (
    "0",
    "1",
    "2",
    "2L",
    "0.5",
    "1e3",
    "1e400",
    "TRUE",
    "F",
    "NULL",
    "NA",
    "pi",
    "'a'",
    '"b"',
    "-1",
)
_MARKS: tuple[str, ...] = (
    *_INFIX,
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "|",
    "||",
    "~",
    "`",
    "'",
    '"',
    ",",
    ".",
    "!",
    "$",
)
_MARKS += (
    " ",
    "\n",
    "\t",
    "\\",
    "@",
    "#",
    ";",
    "=",
    "\x00",
    "\ud800",
    "\u202e",
    "ａ",
    "e\u0301",
    "∞",
)
_MARKS += ("&&", "::", "?", "<-", ":=", "..", "and", "if", "[0]", "1_000", "1e999", "9**9**9")
_MARKS += ("__import__('os')", "x.mean()", "\u2212", "\u200b", "\u212b", "(1|g)", "(x||g)")


@functools.cache
def table() -> pd.DataFrame:
    """60 rows with columns of every name that the generator knows."""
    rng = np.random.default_rng(0)
    n = 60
    columns: dict[str, object] = {"y": rng.normal(size=n), "Y2": rng.normal(size=n) + 3.0}
    for name in (*_NUMBERS, *_ODD):
        columns[name] = rng.normal(size=n)
    columns["p"] = rng.uniform(0.5, 2.0, n)
    columns["i"] = rng.integers(-3, 4, n).astype(np.int8)
    columns["t"] = 2010.0 + rng.integers(0, 12, n)
    columns["n"] = np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n))
    for name in ("f", "class", "site.class"):
        columns[name] = rng.choice(list("abc"), n)
    columns["c"] = pd.Categorical(
        rng.choice(["u", "v", "w"], n), categories=["w", "v", "u", "unused"]
    )
    columns["b"] = rng.random(n) < 0.5
    columns["g"] = np.tile(list("abcdef"), n // 6)
    columns["h"] = np.repeat(np.arange(10), n // 10)
    columns["g2"] = np.tile(["A", "B", "C", "D", "E", "F"], n // 6)
    columns["id"] = 10**17 + np.repeat(np.arange(20), n // 20)
    return pd.DataFrame(columns)


def draw(random: Random) -> str:
    """A formula, more often right than wrong."""
    way = random.random()
    if way < 0.06:
        return _text(random)
    if way < 0.1:
        return _extreme(random)
    formula = f"{_response(random)} ~ {_right(random)}"
    for _ in range(random.choice((0, 0, 0, 0, 0, 1, 1, 2, 4))):
        formula = _mutated(random, formula)
    return formula


def run(formula: str) -> mm.LinearMixedFit:
    """Fit it and print the fit, as a user would."""
    fit = mm.lmer(formula, table(), threads=1)
    str(fit)
    return fit


def show(formula: str) -> str:
    """The formula."""
    return repr(formula)


def _response(random: Random) -> str:
    usual = ("y", "y", "y", "y", "Y2", "log(Y2 + 9)", "y + x", "`odd name`", "b")
    return random.choice((*usual, _expression(random, 2)))


def _right(random: Random) -> str:
    parts = [_term(random, 2) for _ in range(random.randrange(4))]
    parts += [_random_term(random) for _ in range(random.choice((0, 1, 1, 1, 1, 2, 3)))]
    random.shuffle(parts)
    joint = random.choice(("+", " - ", " * ", "\n+ ")) if random.random() < 0.05 else " + "
    return joint.join(parts)


def _term(random: Random, depth: int) -> str:
    way = random.random()
    if way < 0.35 or depth == 0:
        return _name(random)
    if way < 0.45:
        return random.choice(("1", "0", "-1", "x", "."))
    if way < 0.7:
        return random.choice(("*", ":", "/", " + ", " %in% ")).join(
            (_term(random, depth - 1), _term(random, depth - 1))
        )
    if way < 0.8:
        power = random.choice((1, 2, 2, 3, 7, 22))
        return f"({_term(random, depth - 1)} + {_term(random, depth - 1)})^{power}"
    return _call(random, depth)


def _random_term(random: Random) -> str:
    left = random.choice(
        ("1", "1", "x", "0 + x", "0 + f", "f", "x + z", "1 + x", "t", _term(random, 1))
    )
    group = random.choice(_GROUPS) if random.random() < 0.6 else _group(random, 2)
    return f"({left} {random.choice(('|', '|', '|', '||'))} {group})"


def _group(random: Random, depth: int) -> str:
    way = random.random()
    if depth == 0 or way < 0.4:
        return random.choice((*_GROUPS, *_FACTORS))
    if way < 0.7:
        return random.choice((":", "/", "*", " + ")).join(
            (_group(random, depth - 1), _group(random, depth - 1))
        )
    return random.choice(
        (f"factor({_group(random, 0)})", f"({_group(random, depth - 1)})", _expression(random, 2))
    )


def _call(random: Random, depth: int) -> str:
    arguments = [_expression(random, depth - 1)]
    while random.random() < 0.3:
        keyword = random.choice(
            ("", "", "df=", "degree=", "knots=", "where=", "out=", "ref=", "base=", "k.k=")
        )
        arguments.append(
            keyword
            + random.choice((_expression(random, 0), *_LITERALS, "10^9", "c(1, 2)", "[1, 2]"))
        )
    return f"{random.choice(_CALLS)}({', '.join(arguments)})"


def _expression(random: Random, depth: int) -> str:
    way = random.random()
    if depth <= 0 or way < 0.3:
        return _name(random) if random.random() < 0.8 else random.choice(_LITERALS)
    if way < 0.6:
        return random.choice(_INFIX).join(
            (_expression(random, depth - 1), _expression(random, depth - 1))
        )
    if way < 0.7:
        return f"({_expression(random, depth - 1)})"
    if way < 0.75:
        return random.choice(("-", "+", "!", "not ", "~")) + _expression(random, depth - 1)
    return _call(random, depth)


def _name(random: Random) -> str:
    way = random.random()
    if way < 0.75:
        return random.choice((*_NUMBERS, *_FACTORS))
    if way < 0.9:
        return f"`{random.choice((*_ODD, *_NUMBERS))}`"
    return random.choice(("nosuch", "Days", "np", "T", "x.y.z", "__class__", "x.__class__", "c"))


def _mutated(random: Random, text: str) -> str:
    at = random.randrange(len(text) + 1)
    end = min(len(text), at + random.randrange(1, 4))
    return random.choice(
        (
            text[:at] + random.choice(_MARKS) + text[at:],
            text[:at] + text[end:],
            text[:at] + text[at:end] * random.choice((2, 3, 30)) + text[end:],
            text[:at] + random.choice(_MARKS) + text[end:],
            text[:at] + text[at:][::-1],
        )
    )


def _text(random: Random) -> str:
    alphabet = (*_MARKS, "x", "y", "g", "1", "log(", "factor(", "~", "(1|g)", " + ")
    return "".join(random.choice(alphabet) for _ in range(random.randrange(40)))


def _extreme(random: Random) -> str:
    """Long, deep or with large numbers."""
    n = random.choice((50, 1000, 30_000, 300_000))
    piece = random.choice(_EXTREMES)(n)
    return f"y ~ {random.choice(('', 'z + '))}{piece} + (1 | {random.choice(('g', 'h', piece))})"


_EXTREMES: tuple[Callable[[int], str], ...] = (
    lambda n: "+ x" * n,
    lambda n: "(" * n + "x" + ")" * n,
    lambda n: "x" * n,
    lambda n: "`" + "x" * n,
    lambda n: "9^" * n + "9",
    lambda n: "-" * n + "x",
    lambda n: " " * n + "x",
    lambda n: "x:" * n + "x",
    lambda n: "log(" * n + "x" + ")" * n,
    lambda n: "1" * n,
    lambda n: "'" * n,
    lambda n: "|" * n,
    lambda n: "+ (1|g)" * n,
    lambda n: "x^" + "9" * n,
    lambda n: "!" * n + "b",
    lambda n: f"(x + z + p + t + i)^{n}",
    lambda n: "+ I(" + "x + " * n + "x)",
    lambda n: f"+ bs(x, df={n})",
    lambda n: f"+ poly(x, {n})",
    lambda n: f"+ I(9^9^{n})",
    lambda n: "x$" * n,
)
