"""Functions of numbers that work row by row, in double precision and with R's meaning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy

from mixedmodels.arrays import AnyArray, FloatArray
from mixedmodels.design.functions.kinds import constant, count, flag, numbers
from mixedmodels.design.functions.signature import Function, function, row_wise
from mixedmodels.errors import FormulaError

_MOST_DIGITS = 300


def same_shape(values: tuple[FloatArray, ...]) -> tuple[FloatArray, ...]:
    """Columns and matrices of columns side by side: (n,) becomes (n, 1) beside (n, k).

    Raises:
        FormulaError: matrices with different numbers of columns.
    """
    widths = {value.shape[1] for value in values if value.ndim == 2}
    if not widths:
        return values
    if len(widths - {1}) > 1:
        listed = " and ".join(str(width) for width in sorted(widths))
        raise FormulaError(f"is given {listed} columns; it needs as many in each argument.")
    return tuple(value[:, None] if value.ndim == 1 else value for value in values)


def _of_numbers(compute: Callable[..., AnyArray]) -> Callable[..., AnyArray]:
    """`compute` of arrays as a function of any arguments, which are read as numbers first."""

    def computed(*unnamed: Any, **named: Any) -> AnyArray:
        values = same_shape(tuple(numbers(value) for value in (*unnamed, *named.values())))
        return compute(*values)

    return computed


def plain(name: str, compute: Callable[..., AnyArray], *parameters: str) -> Function:
    """A function whose arguments are all numbers, row by row."""
    return row_wise(name, _of_numbers(compute), *(parameters or ("x",)))


def log(x: Any, base: Any = None) -> AnyArray:
    """``log(x, base)``: natural without `base`."""
    if base is None:
        return np.log(numbers(x))
    if not isinstance(base, (int, float)) or base not in (2, 10):
        values, bases = same_shape((numbers(x), numbers(base)))
        found: AnyArray = np.log(values) / np.log(bases)
        return found
    return (np.log2 if base == 2 else np.log10)(numbers(x))


def rounded(x: Any, digits: Any = 0) -> AnyArray:
    """``round(x, digits)``: to the nearer of the two neighbours, to the even one between them."""
    values = numbers(x)
    places = count(digits, "digits", -_MOST_DIGITS, _MOST_DIGITS)
    if places == 0:
        return np.rint(values)
    unit = 10.0 ** abs(places)
    scaled = values * unit if places > 0 else values / unit
    below, above = np.floor(scaled), np.ceil(scaled)
    lower, upper = (below / unit, above / unit) if places > 0 else (below * unit, above * unit)
    down, up = values - lower, upper - values
    nearer = np.where((down < up) | ((down == up) & (np.fmod(below, 2.0) == 0.0)), lower, upper)
    # Where the shift overflows, or there are no more digits than these, the number stays.
    exact = ~np.isfinite(scaled) | (np.abs(scaled) >= 2.0**52)
    if places < 0:
        exact = ~np.isfinite(values)
    return np.where(exact, values, nearer)


def significant(x: Any, digits: Any = 6) -> AnyArray:
    """``signif(x, digits)``: the number shifted by a power of ten, rounded, and shifted back.

    R's `signif` looks at the shifted number alone, unlike its `round`: 0.15 is 0.2 by one digit.
    """
    values = numbers(x)
    places = count(digits, "digits", 1, 22)
    size = np.floor(np.log10(np.abs(np.where(values == 0.0, 1.0, values))))
    out = np.full(values.shape, np.nan)
    for power in np.unique(size[np.isfinite(size)]):
        here = size == power
        out[here] = _shifted(values[here], int(places - 1 - power))
    return np.where(np.isfinite(size), out, values)


def _shifted(values: AnyArray, places: int) -> AnyArray:
    """Rounded to decimal places (before the decimal point where negative), ties to even."""
    near = min(abs(places), _MOST_DIGITS)
    units = (10.0**near, 10.0 ** (abs(places) - near))  # two, as one alone may overflow
    if places > 0:
        return np.rint(values * units[0] * units[1]) / units[1] / units[0]
    back = np.rint(values / units[0] / units[1]) * units[1] * units[0]
    return np.where(np.isfinite(back), back, values)


def smallest(*columns: Any, na_rm: Any = False) -> AnyArray:
    """``pmin(x, y, ...)``: the smallest in each row."""
    return _extreme(np.minimum, np.fmin, columns, na_rm)


def largest(*columns: Any, na_rm: Any = False) -> AnyArray:
    """``pmax(x, y, ...)``: the largest in each row."""
    return _extreme(np.maximum, np.fmax, columns, na_rm)


def _extreme(
    keep_nan: np.ufunc, skip_nan: np.ufunc, columns: tuple[Any, ...], na_rm: Any
) -> AnyArray:
    combine = skip_nan if flag(na_rm, "na.rm") else keep_nan
    found, *others = same_shape(tuple(numbers(column) for column in columns))
    for other in others:
        found = combine(found, other)
    return found


def clip(x: Any, low: Any = None, high: Any = None) -> AnyArray:
    """``np.clip(x, low, high)``."""
    values = numbers(x)
    if low is not None:
        values = np.maximum(*same_shape((values, numbers(low))))
    if high is not None:
        values = np.minimum(*same_shape((values, numbers(high))))
    return values


def decimals(a: Any, decimals: Any = 0) -> AnyArray:
    """``np.round(x, decimals)``."""
    return np.round(numbers(a), count(decimals, "decimals", -_MOST_DIGITS, _MOST_DIGITS))


def nan_to_num(x: Any, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> AnyArray:
    """``np.nan_to_num(x)``: what is not finite replaced."""
    above = None if posinf is None else constant(posinf, "posinf")
    below = None if neginf is None else constant(neginf, "neginf")
    return np.nan_to_num(numbers(x), nan=constant(nan, "nan"), posinf=above, neginf=below)


def _truth(compute: Callable[..., AnyArray]) -> Callable[..., AnyArray]:
    """A function of truth values: a number is TRUE unless it is 0."""

    def computed(*values: FloatArray) -> AnyArray:
        return compute(*(value != 0.0 for value in values))

    return computed


def _special(name: str) -> Callable[..., AnyArray]:
    """A function of `scipy.special`, which is imported when a formula first calls one."""

    def computed(values: FloatArray) -> AnyArray:
        found: AnyArray = getattr(scipy.special, name)(values)
        return found

    return computed


_R_UNARY: dict[str, Callable[..., AnyArray]] = {
    **{
        name: getattr(np, name)
        for name in (
            *("log2", "log10", "log1p", "exp", "expm1", "sqrt", "abs", "sign", "floor", "trunc"),
            *("sin", "cos", "tan", "sinh", "cosh", "tanh"),
        )
    },
    "ceil": np.ceil,
    "ceiling": np.ceil,
    **{f"a{name}": getattr(np, f"arc{name}") for name in ("sin", "cos", "tan")},
    **{f"a{name}": getattr(np, f"arc{name}") for name in ("sinh", "cosh", "tanh")},
    "plogis": _special("expit"),
    "qlogis": _special("logit"),
    "pnorm": _special("ndtr"),
    "qnorm": _special("ndtri"),
    "gamma": _special("gamma"),
    "lgamma": _special("gammaln"),
    "is.finite": np.isfinite,
}

_NUMPY_UNARY = (
    *("abs", "absolute", "fabs", "sign", "negative", "positive", "square", "sqrt", "cbrt"),
    *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "reciprocal"),
    *("sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh"),
    *("arcsinh", "arccosh", "arctanh", "degrees", "radians", "deg2rad", "rad2deg"),
    *("floor", "ceil", "trunc", "rint", "fix", "isfinite", "isinf", "isnan", "signbit", "real"),
)
_NUMPY_BINARY = (
    *("add", "subtract", "multiply", "divide", "true_divide", "floor_divide", "power"),
    *("float_power", "mod", "remainder", "fmod", "arctan2", "hypot", "maximum", "minimum"),
    *("fmax", "fmin", "copysign", "logaddexp", "logaddexp2", "heaviside"),
    *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
)

R_FUNCTIONS: dict[str, Function] = {
    **{name: plain(name, compute) for name, compute in _R_UNARY.items()},
    "atan2": plain("atan2", np.arctan2, "y", "x"),
    "log": function("log", log),
    "round": function("round", rounded),
    "signif": function("signif", significant),
    "pmin": function("pmin", smallest, na_rm="na.rm"),
    "pmax": function("pmax", largest, na_rm="na.rm"),
    "xor": plain("xor", _truth(np.logical_xor), "x", "y"),
}
"""Functions by R's names."""

NUMPY_FUNCTIONS: dict[str, Function] = {
    **{f"np.{name}": plain(f"np.{name}", getattr(np, name)) for name in _NUMPY_UNARY},
    **{f"np.{name}": plain(f"np.{name}", getattr(np, name), "x1", "x2") for name in _NUMPY_BINARY},
    **{
        f"np.logical_{name}": plain(
            f"np.logical_{name}", _truth(getattr(np, f"logical_{name}")), "x1", "x2"
        )
        for name in ("and", "or", "xor")
    },
    "np.logical_not": plain("np.logical_not", _truth(np.logical_not)),
    "np.clip": function("np.clip", clip, x="a", low="a_min", high="a_max"),
    "np.round": function("np.round", decimals),
    "np.around": function("np.around", decimals),
    "np.nan_to_num": function("np.nan_to_num", nan_to_num),
}
"""NumPy's functions of numbers that work row by row, each with its operands and nothing else."""
