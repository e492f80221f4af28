"""Random formulas: sentences of the grammar, and the same with pieces lost, doubled or put in.

Seeded, so that a formula that fails is found again by its number.
"""

from __future__ import annotations

import random

import numpy as np
import pandas as pd

NUMBERS = ("x", "z", "k", "flag", "`a b`", "site.class", "class", "`p(%)`", "T", "\u00b5", "log")
FACTORS = ("f", "g", "o", "`f`", "flag", "k")
FUNCTIONS = ("log", "exp", "sqrt", "abs", "I", "np.log1p", "scale", "center", "factor", "C", "sin")
WEAK = ("==", "!=", "<", ">", "<=", ">=", "&", "|")
STRONG = ("+", "-", "*", "/", "^", "**", "%%", "%/%", "//", "%", ":")
LITERALS = (
    "1",
    "0",
    "2L",
    "1e3",
    "0x10",
    ".5",
    "TRUE",
    "F",
    "NA",
    "NULL",
    "Inf",
    "pi",
    "'u'",
    '"v"',
)
NOISE = (
    *("(", ")", "[", "]", "{", "}", ",", "~", "|", "||", "&&", "=", "`", "'", '"', "\\", "%"),
    *("$", "@", "::", "?", ";", "#", "<-", ":=", "!", "-", "+", "^", ".", "..", "and", "lambda"),
    *("__import__('os')", "x.mean()", "[0]", "if", "1_000", "1e999", "9**9**9", "\u2212", "%in%"),
    *("\u200b", "\x00", "\ud800", "e\u0301", "\u212b", "\U0001f600", "\n", "\t", "(1|g)", "(x||g)"),
)  # fmt: skip


def table() -> pd.DataFrame:
    """40 rows with the names that the formulas use, of several types."""
    rng = np.random.default_rng(99)
    g = np.repeat(np.arange(8), 5)
    frame = pd.DataFrame(
        {
            "y": rng.normal(size=8)[g] + rng.normal(size=40),
            **{name.strip("`"): rng.uniform(1.0, 2.0, 40) for name in NUMBERS},
            "k": (np.arange(40) % 5).astype(np.int8),
            "flag": rng.random(40) < 0.5,
            "f": np.tile(["u", "v", "w", "u"], 10),
            "o": pd.Categorical(np.tile(["lo", "hi"], 20), categories=["lo", "hi"], ordered=True),
            "g": g,
        }
    )
    return frame.assign(z=frame["z"].where(frame.index != 3))


class Formulas:
    """Makes formulas of one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def formula(self) -> str:
        """A formula; two of three are damaged."""
        text = f"{self.response()} ~ {self.fixed()}"
        for _ in range(self.random.randint(1, 3)):
            text += f" + {self.bar()}"
        for _ in range(self.random.choice((0, 1, 3))):
            text = self.damaged(text)
        return text

    def response(self) -> str:
        pick = self.random.random()
        return "y" if pick < 0.6 else self.expression(2) if pick < 0.8 else f"log(9 + {'y'})"

    def fixed(self, depth: int = 3) -> str:
        pick = self.random.random()
        if depth == 0 or pick < 0.35:
            return self.random.choice((*NUMBERS, *FACTORS, "1", "0", "x", "f"))
        if pick < 0.5:
            return self.call(depth - 1)
        if pick < 0.6:
            return f"({self.fixed(depth - 1)})"
        if pick < 0.65:
            return f"({self.fixed(depth - 1)})^{self.random.randint(1, 9)}"
        if pick < 0.7:
            return f"{self.random.choice('+-')}{self.fixed(depth - 1)}"
        operator = self.random.choice(("+", "+", "+", "*", ":", "/", "-", "%in%"))
        return f"{self.fixed(depth - 1)} {operator} {self.fixed(depth - 1)}"

    def bar(self) -> str:
        left = self.random.choice(("1", "0 + x", "x", "f", self.fixed(1)))
        right = self.random.choice(("g", "g", "f", "g/f", "f:g", "factor(k)", self.call(1)))
        return f"({left} {self.random.choice(('|', '||'))} {right})"

    def call(self, depth: int) -> str:
        name = self.random.choice(FUNCTIONS)
        if name == "C" and self.random.random() < 0.3:
            return "C(f, Treatment('v'))"
        if self.random.random() < 0.1:
            return self.random.choice(("poly(x, 2)", "poly(x, 2, raw=TRUE)", "bs(x, df = 4)"))
        return f"{name}({self.expression(depth)})"

    def expression(self, depth: int) -> str:
        pick = self.random.random()
        if depth <= 0 or pick < 0.25:
            return self.random.choice((*NUMBERS, *NUMBERS, *LITERALS, *FACTORS))
        if pick < 0.35:
            return self.call(depth - 1)
        if pick < 0.45:
            return f"{self.random.choice('-+!')}{self.expression(depth - 1)}"
        if pick < 0.55:
            return f"({self.expression(depth - 1)})"
        operator = self.random.choice((*STRONG, *STRONG, *WEAK))
        return f"{self.expression(depth - 1)} {operator} {self.expression(depth - 1)}"

    def damaged(self, text: str) -> str:
        """Something deleted, doubled, exchanged, put in or nested."""
        at, to = sorted(self.random.randrange(len(text) + 1) for _ in range(2))
        kind = self.random.randrange(7)
        if kind == 0:
            return text[:at] + text[min(to, at + 3) :]
        if kind == 1:
            return text[:to] + text[at:to] + text[to:]
        if kind == 2:
            return text[:at] + text[at:to][::-1] + text[to:]
        if kind == 3:
            return text[:at] + chr(self.random.choice((self.random.randrange(0x3000), 0x1D54F)))
        if kind == 4:
            repeated = self.random.choice(("(", "-", "log(", "!", "x^")) * self.random.randint(
                1, 99
            )
            return text[:at] + repeated + text[at:]
        noise = self.random.choice(NOISE)
        return text[:at] + (noise if kind == 5 else f" {noise} ") + text[at:]
