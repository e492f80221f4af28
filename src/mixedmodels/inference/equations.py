"""Linear equations of coefficients, read from text.

Names of coefficients hold parentheses, colons and operators (`I(x**2)`, `a[b]:c`), so they are
looked for before anything else, the longest first. Between backticks a name is never taken for
anything else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.errors import MixedModelsError, did_you_mean
from mixedmodels.naming import ambiguous, backticked, first_few

_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
# A name in backticks, or up to the next operator.
_WORD = re.compile(r"`[^`]*`?|[^\s=*/]+")
_OPERATORS = re.compile(r"[-+*/]")
_INTERCEPT = "(Intercept)"
# Characters of an equation, and parentheses within each other.
_LONGEST = 10_000
_DEEPEST = 50
# What no name begins with, but that of the intercept.
_PUNCTUATION = "=*/+-()"


class EquationReader:
    """One linear equation, read by recursive descent.

    Coefficients by name, numbers, + - * / and parentheses, and one equals sign (none stands for
    "= 0"). A linear form is an array of the weights of all coefficients with the constant last.

    Args:
        text: The equation.
        names: Printed names of the coefficients.
        spelled: Gives what else they may be called, and which are called so.
        without: A name that is not looked for.
    """

    def __init__(
        self,
        text: str,
        names: Sequence[str],
        spelled: Callable[[], Mapping[str, Sequence[int]]] = dict,
        without: str = "",
    ) -> None:
        self._text = text
        self._names = names
        self._spelled = spelled
        self._without = without
        known: dict[str, Sequence[int]] = {**spelled(), **{n: [j] for j, n in enumerate(names)}}
        known.pop(without, None)
        self._known = known
        # The longest name that fits is meant: "a:b" rather than "a". A number is never a name.
        self._by_length = sorted(
            (name for name in known if name and not _NUMBER.fullmatch(name)), key=len, reverse=True
        )
        self._at = 0
        self._depth = 0

    def read(self) -> FloatArray:
        """The form that the equation says is zero.

        Raises:
            MixedModelsError: Not a linear equation of the coefficients, or one that can be read in
                more than one way.
        """
        if len(self._text) > _LONGEST:
            raise MixedModelsError(
                f"The hypothesis '{self._text[:40]}...' has {len(self._text):,} characters; at "
                f"most {_LONGEST:,} are read. Give the weights of the coefficients as an array."
            )
        whole = self._text.strip()
        if whole in self._names and _NUMBER.fullmatch(whole):
            alone = np.zeros(len(self._names) + 1)
            alone[self._names.index(whole)] = 1.0
            return alone
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
        for name in self._by_length:
            if rest.startswith(name) and not _goes_on(name, rest[len(name) :]):
                self._at += len(name)
                form[self._meant(name)] = 1.0
                return form
        number = _NUMBER.match(rest)
        if number:
            self._at += number.end()
            form[-1] = float(number[0])
            return form
        if self._take("("):
            self._depth += 1
            if self._depth > _DEEPEST:
                raise self._error(f"more than {_DEEPEST} parentheses are within each other")
            form = self._sum()
            self._depth -= 1
            if self._take(")"):
                return form
        raise self._error()

    def _meant(self, name: str) -> int:
        """The coefficient that a name stands for.

        Raises:
            MixedModelsError: Several, or the name is an expression of other coefficients too.
        """
        positions = self._known[name]
        if len(positions) > 1:
            raise ambiguous(name, [self._names[j] for j in positions])
        if "`" not in name and name != _INTERCEPT and self._is_expression(name):
            raise MixedModelsError(
                f"In the hypothesis '{self._text}', '{name}' can mean the coefficient of that name "
                f"or an expression of others; write {backticked(name)} for the coefficient, and "
                "the others in backticks for the expression."
            )
        return positions[0]

    def _is_expression(self, name: str) -> bool:
        if not _OPERATORS.search(name):
            return False
        try:
            form = EquationReader(name, self._names, self._spelled, without=name).read()
        except MixedModelsError:
            return False
        return float(form[-1]) == 0.0

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
        word = _WORD.match(rest)
        hint = did_you_mean(word[0].strip("`"), self._names) if word else ""
        if not why and rest.startswith(("<", ">", "!=")):
            why = f"'{rest}' is not an equation; tests are two-sided, so write = for the sign"
        if not why and word and word[0][0] not in _PUNCTUATION:
            found = f"names '{word[0]}', which is not a coefficient"
        else:
            why = why or (f"'{rest}' is not understood" if rest else "it ends too early")
            found = f"is not a linear equation of coefficients: {why}"
        return MixedModelsError(
            f"The hypothesis '{self._text}' {found}. "
            f"Coefficients are: {first_few(self._names, 12)}.{hint}"
        )


def _goes_on(name: str, rest: str) -> bool:
    """Whether what follows would be part of a longer name."""
    return (
        bool(rest) and (name[-1].isalnum() or name[-1] == "_") and re.match(r"\w", rest) is not None
    )
