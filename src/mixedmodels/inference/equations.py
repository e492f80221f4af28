"""Linear equations of coefficients, read from text.

Names of coefficients hold parentheses, colons and operators (`I(x**2)`, `a[b]:c`), so they are
looked for before anything else, the longest first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from mixedmodels.errors import MixedModelsError, did_you_mean
from mixedmodels.typing import FloatArray

_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


class EquationReader:
    """One linear equation, read by recursive descent.

    Coefficients by name, numbers, + - * / and parentheses, and one equals sign (none stands for
    "= 0"). A linear form is an array of the weights of all coefficients with the constant last.
    """

    def __init__(self, text: str, names: Sequence[str]) -> None:
        self._text = text
        self._names = names
        # The longest name that fits is meant: "a:b" rather than "a".
        self._by_length = sorted(range(len(names)), key=lambda j: -len(names[j]))
        self._at = 0

    def read(self) -> FloatArray:
        """The form that the equation says is zero.

        Raises:
            MixedModelsError: Not a linear equation of the coefficients.
        """
        form = self._sum()
        if self._take("==") or self._take("="):
            form = form - self._sum()
        if self._rest():
            raise self._error()
        return form

    def _sum(self) -> FloatArray:
        form = np.zeros(len(self._names) + 1)
        sign = -1.0 if self._take("-") else 1.0
        self._take("+")
        while True:
            form = form + sign * self._product()
            if self._take("+"):
                sign = 1.0
            elif self._take("-"):
                sign = -1.0
            else:
                return form

    def _product(self) -> FloatArray:
        form = self._atom()
        while True:
            if self._take("*"):
                other = self._atom()
                if form[:-1].any() and other[:-1].any():
                    raise self._error("it multiplies coefficients")
                form = form * other[-1] if form[:-1].any() else other * form[-1]
            elif self._take("/"):
                other = self._atom()
                if other[:-1].any() or not other[-1]:
                    raise self._error("it divides by what is not a number")
                form = form / other[-1]
            else:
                return form

    def _atom(self) -> FloatArray:
        rest = self._rest()
        form = np.zeros(len(self._names) + 1)
        for j in self._by_length:
            name = self._names[j]
            if rest.startswith(name) and not _goes_on(name, rest[len(name) :]):
                self._at += len(name)
                form[j] = 1.0
                return form
        number = _NUMBER.match(rest)
        if number:
            self._at += number.end()
            form[-1] = float(number[0])
            return form
        if self._take("("):
            form = self._sum()
            if self._take(")"):
                return form
        raise self._error()

    def _rest(self) -> str:
        left = self._text[self._at :]
        self._at += len(left) - len(left.lstrip())
        return left.lstrip()

    def _take(self, sign: str) -> bool:
        # "(Intercept)" begins like a parenthesis, but names were tried before.
        if self._rest().startswith(sign):
            self._at += len(sign)
            return True
        return False

    def _error(self, why: str = "") -> MixedModelsError:
        rest = self._rest()
        word = re.match(r"[^\s=*/]+", rest)
        if not why:
            why = f"'{rest}' is not understood" if rest else "it ends too early"
        listed = ", ".join(self._names[:12]) + (", ..." if len(self._names) > 12 else "")
        hint = did_you_mean(word[0], self._names) if word else ""
        return MixedModelsError(
            f"The hypothesis '{self._text}' is not a linear equation of coefficients: {why}. "
            f"Coefficients are: {listed}.{hint}"
        )


def _goes_on(name: str, rest: str) -> bool:
    """Whether what follows would be part of a longer name."""
    return (
        bool(rest) and (name[-1].isalnum() or name[-1] == "_") and re.match(r"\w", rest) is not None
    )
