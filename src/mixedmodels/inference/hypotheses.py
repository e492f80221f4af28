"""Hypotheses on the coefficients, as rows of weights: names, equations, dicts, arrays.

Nothing is tested here, and equations are read in `equations`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from mixedmodels.arrays import AnyArray, FloatArray
from mixedmodels.design.names import Labels
from mixedmodels.errors import MixedModelsError, did_you_mean
from mixedmodels.estimates.dependence import dependence
from mixedmodels.estimates.linear import Model
from mixedmodels.inference.equations import EquationReader
from mixedmodels.inference.estimable import over_kept
from mixedmodels.naming import by_spelling, find, first_few
from mixedmodels.output import labelled
from mixedmodels.settings import real_numbers

Spec: TypeAlias = (
    str | Mapping[str, float] | Sequence[str | Mapping[str, float]] | npt.ArrayLike | pd.DataFrame
)


@dataclass(frozen=True, slots=True, eq=False)
class Hypothesis:
    """L beta = rhs.

    Attributes:
        labels: What each row says.
        L: (k, p) weights of the kept coefficients.
        rhs: (k,) right-hand sides.
    """

    labels: tuple[str, ...]
    L: FloatArray
    rhs: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Coefficients:
    """The coefficients that hypotheses are about.

    Attributes:
        names: Of all columns of X, no two equal.
        spelled: Gives what else a user may call them, and which are called so; asked only when a
            name is not one of these.
        kept: (p,) columns that are not aliased.
        dependence: Gives D (p, p_all) with X = X_kept D; asked only when an aliased column is used.
    """

    names: tuple[str, ...]
    spelled: Callable[[], Mapping[str, Sequence[int]]]
    kept: AnyArray
    dependence: Callable[[], FloatArray]

    def position(self, name: str) -> int:
        """The column of X that a user calls so.

        Raises:
            MixedModelsError: None, or several.
        """
        found = find(name, self.names, self.spelled)
        if found is not None:
            return found
        raise MixedModelsError(
            f"'{name}' is not a coefficient of the model; there are: {first_few(self.names, 12)}."
            f"{did_you_mean(name, self.names)}"
        )


def coefficients_of(model: Model) -> Coefficients:
    """Those of a model."""
    plan = model.design.fixed_spec
    labels = Labels(plan.recipes)
    return Coefficients(
        model.design.x_names,
        functools.cache(lambda: by_spelling(list(map(labels.spellings, plan.columns)))),
        model.products.kept,
        functools.partial(dependence, model),
    )


def hypothesis(spec: Spec, rhs: npt.ArrayLike | None, about: Coefficients) -> Hypothesis:
    """The hypothesis that a user means.

    Raises:
        MixedModelsError: A name that is not a coefficient, an equation that is not linear, weights
            of the wrong shape, rows that contradict each other, a function that is not estimable.
    """
    if not len(about.kept):
        raise MixedModelsError("The model has no fixed effects, so there is nothing to test.")
    labels, rows, right = _rows(spec, about)
    if rhs is not None:
        if right.any():
            raise MixedModelsError("Give right-hand sides in the equations or as rhs, not in both.")
        right = _right(rhs, len(rows))
    L = _estimable(rows, labels, about)
    _check_rows(L, right, labels)
    return Hypothesis(labels, L, right)


def _rows(spec: Spec, about: Coefficients) -> tuple[tuple[str, ...], FloatArray, FloatArray]:
    """Labels, weights over all columns (k, p_all), right-hand sides (k,)."""
    spec = labelled(spec)
    if isinstance(spec, pd.Series) and all(isinstance(name, str) for name in spec.index):
        return _weighted([list(spec.items())], about)
    if isinstance(spec, (str, Mapping)):
        spec = [spec]
    items = list(spec) if isinstance(spec, Sequence) else None
    if items is None or not all(isinstance(item, (str, Mapping)) for item in items):
        weights = _weights(spec, about)
        return (
            tuple(write_row(row, about.names) for row in weights),
            weights,
            np.zeros(len(weights)),
        )
    if not items:
        raise MixedModelsError("The list of hypotheses is empty.")
    return _named_rows(items, about)


def _named_rows(
    items: Sequence[Any], about: Coefficients
) -> tuple[tuple[str, ...], FloatArray, FloatArray]:
    """Rows of equations and dicts."""
    labels, rows, right = [], [], []
    for item in items:
        if isinstance(item, str):
            form = EquationReader(item, about.names, about.spelled).read()
            labels.append(" ".join(item.split()))
            rows.append(form[:-1])
            right.append(0.0 - form[-1])
        else:
            (label,), row, _ = _weighted([list(item.items())], about)
            labels.append(label)
            rows.append(row[0])
            right.append(0.0)
    return tuple(labels), np.array(rows), np.array(right)


def _weighted(
    items: Sequence[Sequence[tuple[Any, Any]]], about: Coefficients
) -> tuple[tuple[str, ...], FloatArray, FloatArray]:
    """Rows of pairs of a name and a weight."""
    rows = np.zeros((len(items), len(about.names)))
    for row, pairs in zip(rows, items, strict=True):
        for name, weight in pairs:
            row[about.position(str(name))] += _number(name, weight)
    return tuple(write_row(row, about.names) for row in rows), rows, np.zeros(len(rows))


def _number(name: Any, weight: Any) -> float:
    try:
        value = float(weight)
    except (TypeError, ValueError):
        value = np.nan
    if not np.isfinite(value):
        raise MixedModelsError(f"The weight of '{name}' is {weight!r:.80}; it must be a number.")
    return value


def _weights(spec: Any, about: Coefficients) -> FloatArray:
    """An array over all columns, or over the kept ones."""
    p_all = len(about.names)
    if isinstance(spec, pd.DataFrame):
        names = [str(name) for name in spec.columns]
        rows = [list(zip(names, row, strict=True)) for row in spec.itertuples(index=False)]
        return _weighted(rows, about)[1]
    try:
        L = np.atleast_2d(real_numbers(spec))
    except (TypeError, ValueError):
        raise MixedModelsError(
            f"L is {spec!r:.80}; it must be names or equations, dicts of weights by name, or rows "
            "of one weight per coefficient."
        ) from None
    if L.ndim != 2 or L.shape[1] not in (p_all, len(about.kept)) or not np.isfinite(L).all():
        raise MixedModelsError(
            f"L has shape {L.shape}; its rows must have one finite weight for each of the "
            f"{len(about.kept)} coefficients: {', '.join(about.names[j] for j in about.kept)}."
        )
    if L.shape[1] == p_all:
        return L
    out = np.zeros((len(L), p_all))
    out[:, about.kept] = L
    return out


def _right(rhs: npt.ArrayLike, count: int) -> FloatArray:
    try:
        values = np.atleast_1d(real_numbers(rhs))
    except (TypeError, ValueError):
        values = np.full(1, np.nan)
    if values.shape not in ((1,), (count,)) or not np.isfinite(values).all():
        raise MixedModelsError(
            f"rhs is {rhs!r:.80}; it must be one finite number, or one for each of {count} rows."
        )
    return np.broadcast_to(values, (count,)).astype(np.float64)


def _estimable(rows: FloatArray, labels: Sequence[str], about: Coefficients) -> FloatArray:
    aliased = np.ones(len(about.names), dtype=np.bool_)
    aliased[about.kept] = False
    L: FloatArray = rows[:, about.kept]
    if not rows[:, aliased].any():
        return L
    _, estimable = over_kept(rows, about.dependence(), about.kept)
    # A row that leaves aliased columns alone is about the coefficients in the table.
    bad = ~estimable & rows[:, aliased].any(axis=1)
    if bad.any():
        dropped = ", ".join(name for name, out in zip(about.names, aliased, strict=True) if out)
        raise MixedModelsError(
            f"'{labels[int(np.argmax(bad))]}' is not estimable: X has dependent columns, and other "
            f"coefficients with the same fit give it other values. Dropped columns: {dropped}."
        )
    return L


def _check_rows(L: FloatArray, rhs: FloatArray, labels: Sequence[str]) -> None:
    empty = ~L.any(axis=1)
    if empty.any():
        raise MixedModelsError(f"'{labels[int(np.argmax(empty))]}' gives no coefficient a weight.")
    refuse_contradiction(L, rhs, labels)


def refuse_contradiction(
    L: FloatArray, rhs: FloatArray, labels: Sequence[str], more: str = ""
) -> None:
    """Refuse equations L b = rhs that no b solves.

    Args:
        L: (k, p) weights.
        rhs: (k,) right-hand sides.
        labels: What the equations say, for the message.
        more: A further sentence of this.

    Raises:
        MixedModelsError: There is no solution.
    """
    if not len(L):
        return
    size = np.linalg.norm(L, axis=1)
    size = np.where(size > 0.0, size, 1.0)
    left, sizes, _ = np.linalg.svd(L / size[:, None], full_matrices=False)
    left = left[:, sizes > 1e-10 * sizes.max(initial=0.0)]
    right = rhs / size
    if np.abs(right - left @ (left.T @ right)).max() > 1e-10 * max(1.0, np.abs(right).max()):
        raise MixedModelsError(f"The hypotheses contradict each other: {'; '.join(labels)}.{more}")


def write_row(row: FloatArray, names: Sequence[str]) -> str:
    """A row of weights as the left side of an equation."""
    text = ""
    for weight, name in zip(row.tolist(), names, strict=True):
        if weight:
            sign = (" - " if text else "-") if weight < 0 else (" + " if text else "")
            size = "" if abs(weight) == 1.0 else f"{abs(weight):.4g}*"
            text += f"{sign}{size}{name}"
    return text or "0"
