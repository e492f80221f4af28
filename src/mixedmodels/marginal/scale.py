"""Between the scale of the linear predictor and that of the response: functions with inverses.

A response such as `log(y + 1)` is read from the formula as steps from the column to the predictor;
its inverse and two derivatives follow by the chain rule. Links of generalized models are steps too.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import scipy

from mixedmodels.arrays import FloatArray
from mixedmodels.errors import FormulaError
from mixedmodels.formula import Factor
from mixedmodels.formula.expression import parse_expression
from mixedmodels.formula.tree import POWERS, SUM, Bracket, Call, Chain, Constant, Name, Node, Prefix

Triple: TypeAlias = tuple[FloatArray, FloatArray, FloatArray]
Inverse: TypeAlias = Callable[[FloatArray], Triple]
"""From values to the inverse function, its first and its second derivative there."""


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """The scale of the linear predictor, and the way back to the response.

    Attributes:
        name: The response as in the formula, or the link.
        inverses: Inverse functions, that of the last step first.
        base: What a unit of the predictor multiplies the response (or its odds) by; 0 if nothing.
        odds: Whether differences are logarithms of odds ratios.
        of: What ratios are ratios of.
        response: What is on the scale of the response: the column itself; "" as `of`.
    """

    name: str
    inverses: tuple[Inverse, ...]
    base: float = 0.0
    odds: bool = False
    of: str = ""
    response: str = ""

    def back(self, values: FloatArray) -> Triple:
        """(k,) each: the response at values of the predictor, and two derivatives."""
        first, second = np.ones_like(values), np.zeros_like(values)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for inverse in self.inverses:
                values, slope, bend = inverse(values)
                first, second = slope * first, bend * first**2 + slope * second
        return values, first, second

    def ratio(self, values: FloatArray) -> Triple:
        """(k,) each: the ratio that differences of the predictor stand for, two derivatives."""
        rate = math.log(self.base)
        with np.errstate(over="ignore"):
            found = np.exp(rate * values)
        return found, rate * found, rate * rate * found


def log_scale(of: str) -> Scale:
    """The scale of the logarithm of means.

    Args:
        of: What means are of.
    """
    return Scale(f"log({of})", (_exp,), math.e, False, of)


def response_scale(response: Factor) -> Scale | None:
    """The scale of a response such as `log(y)`; None where it is not transformed, or not by steps.

    Args:
        response: The left-hand side of the formula.
    """
    if response.is_column:
        return None
    try:
        node = parse_expression(response.source).tree
    except FormulaError:
        return None
    steps: list[Inverse] = []
    base, odds, of = 0.0, False, ""
    while not isinstance(node, Name):
        step = _step(node)
        if step is None:
            return None
        inner, inverses = step
        if not steps and isinstance(node, Call):
            base, odds = _base(node), node.name in _LOGITS
            of = response.source[inner.start : inner.end].strip()
            of = f"{of} + 1" if node.name in _LOG1P else of
        steps += inverses
        node = inner
    return Scale(response.name, tuple(steps), base, odds, of, node.name) if steps else None


def _step(node: Node) -> tuple[Node, list[Inverse]] | None:
    """What a node is computed from, and how to go back to that."""
    if isinstance(node, Bracket):
        return node.inner, []
    if isinstance(node, Prefix) and node.operator in SUM:
        return node.operand, [_Affine(-1.0 if node.operator == "-" else 1.0, 0.0)]
    if isinstance(node, Call):
        return _of_call(node)
    return _of_chain(node) if isinstance(node, Chain) else None


def _of_call(node: Call) -> tuple[Node, list[Inverse]] | None:
    if not node.arguments:
        return None
    inner = node.arguments[0]
    if node.name in ("I", "identity"):
        return inner, []
    base = _base(node)
    if base and node.name not in _LOGITS and node.name not in _LOG1P:
        return inner, [_Affine(math.log(base), 0.0), _exp]
    known = _INVERSES.get(node.name.removeprefix("np."))
    if known is None or len(node.arguments) + len(node.keywords) != 1:
        return None
    return inner, [known]


def _base(node: Call) -> float:
    """Base of a logarithm, also of odds; 0 where it is not a logarithm."""
    name = node.name.removeprefix("np.")
    if name in _LOGITS or (name in _LOGS and len(node.arguments) == 1 and not node.keywords):
        return _LOGS.get(name, math.e)
    if name == "log":
        given = [*node.arguments[1:], *(value for _, value in node.keywords)]
        if len(given) == 1 and (found := _number(given[0])) is not None and found > 1.0:
            return found
    return 0.0


def _of_chain(node: Chain) -> tuple[Node, list[Inverse]] | None:
    """Arithmetic of one part that is not a number with parts that are."""
    numbers = [_number(operand) for operand in node.operands]
    variable = [i for i, number in enumerate(numbers) if number is None]
    if len(variable) != 1:
        return None
    place, operators = variable[0], node.operators
    constants = [0.0 if number is None else number for number in numbers]
    if operators[0] in SUM:
        signs = [1.0, *(1.0 if sign == "+" else -1.0 for sign in operators)]
        known = sum(sign * number for sign, number in zip(signs, constants, strict=True))
        return node.operands[place], [_Affine(1.0, -known), _Affine(signs[place], 0.0)]
    if operators[0] in POWERS:
        power = constants[1]
        return (node.operands[0], [_Power(1.0 / power)]) if place == 0 and power else None
    if not set(operators) <= {"*", "/"}:
        return None
    factor = 1.0
    for i, number in enumerate(constants):
        if i != place:
            divides = i > 0 and operators[i - 1] == "/"
            factor *= 1.0 / number if divides and number else number
    if not factor:
        return None
    steps: list[Inverse] = [_Affine(1.0 / factor, 0.0)]
    if place > 0 and operators[place - 1] == "/":
        steps.append(_Power(-1.0))
    return node.operands[place], steps


def _number(node: Node) -> float | None:
    if isinstance(node, Bracket):
        return _number(node.inner)
    if isinstance(node, Prefix) and node.operator in SUM:
        found = _number(node.operand)
        return found if found is None or node.operator == "+" else -found
    if isinstance(node, Chain):
        return _computed(node)
    if isinstance(node, Constant) and isinstance(node.value, (int, float)):
        return float(node.value)
    return None


def _computed(node: Chain) -> float | None:
    """The value of sums and products of numbers."""
    numbers = [_number(operand) for operand in node.operands]
    total = numbers[0]
    for sign, number in zip(node.operators, numbers[1:], strict=True):
        if total is None or number is None or sign not in _ARITHMETIC:
            return None
        if sign == "/" and not number:
            return None
        total = _ARITHMETIC[sign](total, number)
    return total


@dataclass(frozen=True, slots=True)
class _Affine:
    """`slope` times the sum of a value and `shift`."""

    slope: float
    shift: float

    def __call__(self, x: FloatArray) -> Triple:
        """Value and derivatives."""
        return self.slope * (x + self.shift), np.full_like(x, self.slope), np.zeros_like(x)


@dataclass(frozen=True, slots=True)
class _Power:
    """A power; of an even root, whose values are not negative, limits below 0 count as 0."""

    power: float

    def __call__(self, x: FloatArray) -> Triple:
        """Value and derivatives."""
        power = self.power
        at = np.maximum(x, 0.0) if power % 2.0 == 0.0 and power > 0.0 else x
        first = power * at ** (power - 1.0)
        return at**power, first, power * (power - 1.0) * at ** (power - 2.0)


def _exp(x: FloatArray) -> Triple:
    found = np.exp(x)
    return found, found, found


def _expm1(x: FloatArray) -> Triple:
    found = np.exp(x)
    return np.expm1(x), found, found


def _log(x: FloatArray) -> Triple:
    return np.log(x), 1.0 / x, -1.0 / x**2


def _expit(x: FloatArray) -> Triple:
    p: FloatArray = scipy.special.expit(x)
    slope = p * (1.0 - p)
    return p, slope, slope * (1.0 - 2.0 * p)


def _normal(x: FloatArray) -> Triple:
    density = np.exp(-0.5 * x**2) / math.sqrt(2.0 * math.pi)
    return np.asarray(scipy.special.ndtr(x)), density, -x * density


def _sin(x: FloatArray) -> Triple:
    """Limits outside of what an arcsine can be count as its ends."""
    at = np.clip(x, -0.5 * math.pi, 0.5 * math.pi)
    return np.sin(at), np.cos(at), -np.sin(at)


def _sinh(x: FloatArray) -> Triple:
    return np.sinh(x), np.cosh(x), np.sinh(x)


def _tanh(x: FloatArray) -> Triple:
    found = np.tanh(x)
    slope = 1.0 - found**2
    return found, slope, -2.0 * found * slope


_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_LOGS = {"log": math.e, "log2": 2.0, "log10": 10.0, "log1p": math.e}
_LOGITS = frozenset({"qlogis", "logit"})
_LOG1P = frozenset({"log1p", "np.log1p"})
_INVERSES: dict[str, Inverse] = {
    "log1p": _expm1,
    "exp": _log,
    "sqrt": _Power(2.0),
    "cbrt": _Power(3.0),
    "square": _Power(0.5),
    "reciprocal": _Power(-1.0),
    "qlogis": _expit,
    "logit": _expit,
    "qnorm": _normal,
    "asin": _sin,
    "arcsin": _sin,
    "asinh": _sinh,
    "arcsinh": _sinh,
    "atanh": _tanh,
    "arctanh": _tanh,
}


def _cloglog_mean(x: FloatArray) -> Triple:
    v = np.exp(x)
    slope = v * np.exp(-v)
    return -np.expm1(-v), slope, slope * (1.0 - v)


def _loglog_mean(x: FloatArray) -> Triple:
    v = np.exp(-x)
    slope = v * np.exp(-v)
    return np.exp(-v), slope, slope * (v - 1.0)


def _cauchit_mean(x: FloatArray) -> Triple:
    slope = 1.0 / (math.pi * (1.0 + x**2))
    return 0.5 + np.arctan(x) / math.pi, slope, -2.0 * math.pi * x * slope**2


_MEANS: dict[str, Inverse] = {
    "logit": _expit,
    "probit": _normal,
    "cloglog": _cloglog_mean,
    "loglog": _loglog_mean,
    "cauchit": _cauchit_mean,
    "log": _exp,
    "inverse": _Power(-1.0),
    "sqrt": _Power(2.0),
    "inverse_squared": _Power(-0.5),
}


def link_scale(link: str, response: str) -> Scale | None:
    """The scale of a link, or None for the identity.

    Args:
        link: Name of the link.
        response: What means are of.
    """
    if link == "identity":
        return None
    base = math.e if link in ("logit", "log") else 0.0
    return Scale(link, (_MEANS[link],), base, link == "logit", response)
