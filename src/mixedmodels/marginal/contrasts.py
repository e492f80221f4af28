"""Comparisons of means by name or by weights: rows of a matrix, and what each row is called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.calls import value_hint
from mixedmodels.design.coding import contr_poly
from mixedmodels.errors import MixedModelsError, did_you_mean
from mixedmodels.inference.hypotheses import write_row
from mixedmodels.marginal.adjust import Adjust
from mixedmodels.marginal.naming import find_mean, reference
from mixedmodels.memory import require
from mixedmodels.naming import first_few
from mixedmodels.settings import real_numbers
from mixedmodels.spelling import letters_of, spelled

Method: TypeAlias = Literal[
    "pairwise",
    "reversed",
    "consecutive",
    "treatment",
    "polynomial",
    "effect",
    "others",
    "change",
]
METHODS: tuple[Method, ...] = get_args(Method)
Sign: TypeAlias = Literal[" - ", " / "]
# R's names and others, with all but letters left out.
_SPELLINGS = {
    "revpairwise": "reversed",
    "consec": "consecutive",
    "tukey": "pairwise",
    "trtvsctrl": "treatment",
    "trtvsctrl1": "treatment",
    "trtvsctrlk": "treatment",
    "dunnett": "treatment",
    "control": "treatment",
    "poly": "polynomial",
    "eff": "effect",
    "effects": "effect",
    "deviation": "effect",
    "deleff": "others",
    "meanchg": "change",
}
_DEGREES = ("linear", "quadratic", "cubic", "quartic")
_BRACKETED, _OPERATOR = re.compile(r"\([^()]*\)"), re.compile(r" [-/+*] ")
_REMEDY = "Compare fewer means at a time, by= another variable or with at=."
# Largest factor that makes whole numbers of polynomial weights, and what is whole.
_MOST, _WHOLE = 120, 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Contrasts of k means.

    Attributes:
        weights: (c, k) weights of the means.
        labels: (c,) names, with " - " or " / " between two means that are compared.
        sides: (c,) the two means of each, or None where these are not two.
        adjust: Adjustment for several tests that suits them.
        pairs: Whether these are all pairs of the means.
        columns: Names of products of contrasts by variable, in place of `labels`; or None.
    """

    weights: FloatArray
    labels: tuple[str, ...]
    sides: tuple[tuple[int, int] | None, ...]
    adjust: Adjust
    pairs: bool = False
    columns: Mapping[str, Sequence[str]] | None = None


def is_method(word: str) -> bool:
    """Whether a word is the name of a comparison, R's names included."""
    return spelled(word, METHODS, _SPELLINGS) is not None


def method_name(method: str) -> str:
    """The name of a comparison, R's names included.

    Raises:
        MixedModelsError: Not the name of one.
    """
    found = spelled(method, METHODS, _SPELLINGS)
    if found is not None:
        return found
    listed = ", ".join(repr(name) for name in METHODS)
    hint = value_hint("method", method, METHODS) or did_you_mean(method, METHODS)
    raise MixedModelsError(
        f"The contrast is {method!r:.80}; it must be one of {listed}, a dict of weights by name, "
        f"or a matrix.{hint}"
    )


def too_few() -> MixedModelsError:
    """The error of comparisons of one mean, or of none."""
    return MixedModelsError("There are no contrasts: the means compared are fewer than two.")


def comparison(
    method: Any,
    labels: Sequence[str],
    *,
    levels: pd.DataFrame | None = None,
    ref: Any = None,
    reverse: bool = False,
    between: Sign = " - ",
) -> Comparison:
    """The comparison that a user means.

    Args:
        method: A name, a dict from names to weights, or a matrix (contrasts, means).
        labels: What the means are called.
        levels: Values of their levels, by which they may be named too.
        ref: For "treatment" the mean that others are compared with: its label, the values of its
            levels, or its position; the first if None.
        reverse: Turn the sign of every contrast.
        between: What stands between two means in names; " / " where ratios are shown. Names that
            the user gives stay as they are.

    Raises:
        MixedModelsError: Not understood, or weights that are not one for each mean.
    """
    if isinstance(method, str):
        if ref is None and letters_of(method) == "trtvsctrlk":
            ref = -1
        base = reference(ref, labels, levels)
        found = _named(method_name(method), labels, base, between)
    elif isinstance(method, Mapping):
        rows = np.array([_weights(name, w, labels, levels) for name, w in method.items()])
        names = tuple(map(str, method))
        found = Comparison(
            rows.reshape(len(names), len(labels)), names, (None,) * len(names), "none"
        )
    else:
        found = _of_matrix(method, labels, between)
    return _reversed(found, labels, between) if reverse else found


def _named(name: str, labels: Sequence[str], base: int, between: Sign) -> Comparison:
    k = len(labels)
    if name in ("pairwise", "reversed"):
        pairs = [(i, j) for i in range(k) for j in range(i + 1, k)]
        if name == "reversed":
            pairs = [(j, i) for j in range(k) for i in range(j)]
        return _of_pairs(pairs, labels, "tukey", between, pairs=True)
    if name == "consecutive":
        return _of_pairs([(j, j - 1) for j in range(1, k)], labels, "mvt", between)
    if name == "treatment":
        return _of_pairs([(j, base) for j in range(k) if j != base], labels, "mvt", between)
    if name == "effect":
        names = [f"{label} effect" for label in labels] if k > 1 else []
        weights = (np.eye(k) - 1.0 / k)[: len(names)]
        return Comparison(weights, tuple(names), (None,) * len(names), "fdr")
    if name == "others":
        names = [f"{label}{between}others" for label in map(shielded, labels)] if k > 1 else []
        weights = (np.eye(k) * k - 1.0)[: len(names)] / max(k - 1, 1)
        return Comparison(weights, tuple(names), (None,) * len(names), "fdr")
    if name == "change":
        later = np.arange(k)[None, :] >= np.arange(1, k)[:, None]
        weights = later / later.sum(1, keepdims=True) - ~later / (~later).sum(1, keepdims=True)
        names = [f"{late} and later{between}earlier" for late in map(shielded, labels[1:])]
        return Comparison(weights, tuple(names), (None,) * len(names), "mvt")
    columns = contr_poly(k).T if k > 1 else np.empty((0, k))
    names = [*_DEGREES, *(f"degree {d}" for d in range(5, k))][: max(k - 1, 0)]
    weights = np.array([_in_whole_numbers(row) for row in columns]).reshape(len(names), k)
    return Comparison(weights, tuple(names), (None,) * len(names), "none")


def _of_pairs(
    sides: Sequence[tuple[int, int]],
    labels: Sequence[str],
    adjust: Adjust,
    between: Sign,
    *,
    pairs: bool = False,
) -> Comparison:
    count, k = len(sides), len(labels)
    require({f"{count} contrasts of {k} means": 24.0 * count * k}, "The contrasts", remedy=_REMEDY)
    weights = np.zeros((count, k))
    for row, (plus, minus) in zip(weights, sides, strict=True):
        row[plus], row[minus] = 1.0, -1.0
    names = tuple(_of_two(labels, side, between) for side in sides)
    return Comparison(weights, names, tuple(sides), adjust, pairs)


def _of_two(labels: Sequence[str], side: tuple[int, int], between: Sign) -> str:
    return f"{shielded(labels[side[0]])}{between}{shielded(labels[side[1]])}"


def shielded(label: str) -> str:
    """A label, in brackets where it is a comparison itself."""
    outside, before = label, ""
    while outside != before:
        outside, before = _BRACKETED.sub("", outside), outside
    return f"({label})" if _OPERATOR.search(outside) else label


def _reversed(found: Comparison, labels: Sequence[str], between: Sign) -> Comparison:
    turned = tuple(None if side is None else (side[1], side[0]) for side in found.sides)
    names = tuple(
        f"-({name})" if side is None else _of_two(labels, side, between)
        for name, side in zip(found.labels, turned, strict=True)
    )
    return Comparison(-found.weights, names, turned, found.adjust, found.pairs)


def _weights(
    name: Any, given: Any, labels: Sequence[str], levels: pd.DataFrame | None
) -> FloatArray:
    if isinstance(given, Mapping):
        row = np.zeros(len(labels))
        for label, weight in given.items():
            place = find_mean(label, labels, levels)
            if place is None:
                raise MixedModelsError(
                    f"The contrast '{name}' gives a weight to '{label}'; the means are "
                    f"{first_few(labels, 12)}.{did_you_mean(str(label), labels)}"
                )
            row[place] = weight
        return row
    try:
        row = real_numbers(given)
    except (TypeError, ValueError):
        row = np.full(1, np.nan)
    if row.shape != (len(labels),) or not np.isfinite(row).all():
        raise MixedModelsError(
            f"The contrast '{name}' is {given!r:.80}; it must be {len(labels)} numbers, one for "
            f"each of {first_few(labels, 12)}."
        )
    return row


def _of_matrix(given: Any, labels: Sequence[str], between: Sign) -> Comparison:
    names = list(map(str, given.index)) if isinstance(given, pd.DataFrame) else None
    try:
        rows = np.atleast_2d(real_numbers(given))
    except (TypeError, ValueError):
        rows = np.full((1, 1), np.nan)
    if rows.ndim != 2 or rows.shape[1] != len(labels) or not np.isfinite(rows).all():
        raise MixedModelsError(
            f"The contrast is {given!r:.80}; it must be one of {', '.join(map(repr, METHODS))}, a "
            f"dict of weights by name, or rows of {len(labels)} numbers."
        )
    names = names or [_written(row, labels, between) for row in rows]
    return Comparison(rows, tuple(names), (None,) * len(rows), "none")


def _written(row: FloatArray, labels: Sequence[str], between: Sign) -> str:
    """What weights say; with " / " where they are a ratio of two means."""
    used = np.flatnonzero(row)
    if between != " - " and sorted(row[used].tolist()) == [-1.0, 1.0]:
        return _of_two(labels, (int(row.argmax()), int(row.argmin())), between)
    return write_row(row, list(map(shielded, labels)))


def _in_whole_numbers(row: FloatArray) -> FloatArray:
    """The smallest whole numbers in the same proportions, where there are small ones."""
    size = np.abs(row)
    smallest = size[size > _WHOLE * size.max()].min()
    scaled: FloatArray = row / smallest
    for factor in range(1, _MOST):
        found = factor * scaled
        if np.abs(found - np.rint(found)).max() < _WHOLE * factor * np.abs(scaled).max():
            return np.rint(found) + 0.0
    return row
