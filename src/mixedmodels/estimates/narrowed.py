"""Sums over rows for a part of their model: with columns of X or of random effects left out.

New columns are combinations of the old ones, so that all sums follow from these; frames and axes
are turned by orthogonal matrices, and no digits are lost.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mixedmodels._core import Sums
from mixedmodels.arrays import FloatArray
from mixedmodels.design import Design, PartPlan, TermDesign
from mixedmodels.design.absent import rows_needed
from mixedmodels.errors import ModelError

# The frame keeps enough digits: sums lose about the square of its condition.
_MOST_CONDITION = 100.0
_MOST_RESPONSE = 1e4


def accurate(sums: Sums) -> bool:
    """Whether the frame of sums is good enough for their rows."""
    frame, response = sums.condition()
    return bool(frame <= _MOST_CONDITION and response <= _MOST_RESPONSE)


def narrowed(sums: Sums, whole: Design, part: Design) -> Sums:
    """The sums for a part of a model.

    Args:
        sums: Of the whole.
        whole: Its design.
        part: Of which every column is one of the whole, or the constant that columns add up to.

    Raises:
        MixedModelsError: The part has columns that do not follow from those of the whole.
        ModelError: The rows left by the part are so large that digits are lost.
    """
    state = dict(sums.state())
    _narrow_fixed(state, combinations(whole.fixed_spec, part.fixed_spec))
    _narrow_random(state, whole, part)
    found = Sums.from_state(state)
    if not accurate(found):
        raise ModelError(
            "Without the term the sums over rows have lost too many digits. Sum the rows by the "
            "formula of the smaller model: cross_products(plan(formula, source), source)."
        )
    return found


def combinations(whole: PartPlan, part: PartPlan) -> FloatArray:
    """(columns, columns of the part) the columns of a part as combinations of those of the whole.

    Raises:
        MixedModelsError: There is one that is not known to be a combination.
    """
    known = {column: j for j, column in enumerate(whole.columns)}
    S = np.zeros((len(whole.columns), len(part.columns)))
    for j, column in enumerate(part.columns):
        if column in known:
            S[known[column], j] = 1.0
            continue
        adding = adding_to_one(whole) if column == () else None
        if adding is None:
            raise rows_needed()
        S[adding, j] = 1.0
    return S


def adding_to_one(plan: PartPlan) -> list[int] | None:
    """Columns that add up to a constant: indicators of all combinations of levels; or None."""
    for term in dict.fromkeys(plan.terms):
        own = [j for j, number in enumerate(plan.terms) if number == term]
        keys = [[(key, reduced) for key, reduced, _ in plan.columns[j]] for j in own]
        if any(each != keys[0] for each in keys) or any(reduced for _, reduced in keys[0]):
            continue
        levels = [plan.recipes[key].levels for key, _ in keys[0]]
        if all(each is not None for each in levels):
            sizes = [len(each) for each in levels if each is not None]
            if levels and math.prod(sizes) == len(own):
                return own
    return None


def _narrow_fixed(state: dict[str, Any], S: FloatArray) -> None:
    """Columns X S in the place of X."""
    p, p_new = S.shape
    if p == p_new and np.array_equal(S, np.eye(p)):
        return
    R = state["R"].reshape((p, p), order="F")
    Q, triangle = np.linalg.qr(R @ S)
    signs = np.where(np.diag(triangle) < 0.0, -1.0, 1.0)
    Q, triangle = Q * signs, np.triu(triangle * signs[:, None])
    c = Q.T @ state["c"]
    # The response in the frame has what the frame's coefficients took from the columns that go.
    turn = np.zeros((p + 1, p_new + 1))
    turn[:p, :p_new], turn[:p, p_new], turn[p, p_new] = Q, state["c"] - Q @ c, 1.0
    gram = turn.T @ state["XtX"].reshape((p + 1, p + 1)) @ turn
    state["XtX"] = ((gram + gram.T) / 2.0).ravel()
    state["ZtX"] = (state["ZtX"].reshape((-1, p + 1)) @ turn).ravel()
    state["R"], state["c"] = triangle.ravel(order="F"), c


def _narrow_random(state: dict[str, Any], whole: Design, part: Design) -> None:
    """Terms of the part in the place of those of the whole."""
    if part.terms is whole.terms:
        return
    levels = [int(count) for count in state["levels"]]
    widths = [
        sum(len(term.columns) for term in whole.terms if term.group == g)
        for g in range(len(levels))
    ]
    k = len(state["c"]) + 1
    names = [group.name for group in whole.groups]
    stays = {names.index(group.name): g for g, group in enumerate(part.groups)}
    T = dict(enumerate(_split(state["T"], [s * s for s in widths])))
    turns, axes = {}, {}
    for g, new in stays.items():
        S = _of_group(whole, g, part, new)
        turns[g], axes[g] = _turned(T[g].reshape((widths[g],) * 2, order="F"), S)
    diagonal = _split(state["diagonal"], [n * s * s for n, s in zip(levels, widths, strict=True)])
    crossed = _split(state["ZtX"], [n * s * k for n, s in zip(levels, widths, strict=True)])
    counts = _split(state["level_counts"], levels)
    blocks, rows = [], []
    for g, turn in turns.items():
        s = widths[g]
        own = turn.T @ diagonal[g].reshape((-1, s, s)) @ turn
        blocks.append(((own + own.transpose(0, 2, 1)) / 2.0).ravel())
        rows.append((turn.T @ crossed[g].reshape((-1, s, k))).ravel())
    state["diagonal"], state["ZtX"] = _joined(blocks), _joined(rows)
    state["T"] = _joined([axes[g].ravel(order="F") for g in stays])
    state["level_counts"] = np.concatenate([counts[g] for g in stays])
    state["levels"] = np.array([levels[g] for g in stays], dtype=np.int64)
    of_groups = [[len(t.columns) for t in part.terms if t.group == new] for new in stays.values()]
    state["terms"] = np.array([len(own) for own in of_groups], dtype=np.int64)
    state["widths"] = np.array([s for own in of_groups for s in own], dtype=np.int64)
    _narrow_pairs(state, widths, turns)


def _narrow_pairs(
    state: dict[str, Any], widths: list[int], turns: Mapping[int, FloatArray]
) -> None:
    """Sums over pairs of levels of the factors that stay."""
    both = list(itertools.combinations(range(len(widths)), 2))
    sizes = [int(count) for count in state["pair_counts"]]
    of_values = [n * widths[a] * widths[b] for n, (a, b) in zip(sizes, both, strict=True)]
    values = _split(state["pair_values"], of_values)
    of_levels = [_split(state[name], sizes) for name in ("level_a", "level_b")]
    kept = [t for t, (a, b) in enumerate(both) if a in turns and b in turns]
    found = []
    for t in kept:
        a, b = both[t]
        block = values[t].reshape((-1, widths[a], widths[b]))
        found.append((turns[a].T @ block @ turns[b]).ravel())
    state["pair_values"] = _joined(found)
    state["pair_counts"] = np.array([sizes[t] for t in kept], dtype=np.int64)
    for name, parts in zip(("level_a", "level_b"), of_levels, strict=True):
        state[name] = np.concatenate([np.zeros(0, np.int32), *(parts[t] for t in kept)])


def _of_group(whole: Design, g: int, part: Design, new: int) -> FloatArray:
    """The columns of a factor's terms in the part as combinations of those in the whole."""
    old = [term for term in whole.terms if term.group == g]
    wanted = [term for term in part.terms if term.group == new]
    firsts = np.cumsum([0, *(len(term.columns) for term in old)])
    S = np.zeros((firsts[-1], sum(len(term.columns) for term in wanted)))
    at = 0
    for term in wanted:
        source = _source_of(term, old)
        own = combinations(old[source].spec, term.spec)
        S[firsts[source] : firsts[source + 1], at : at + own.shape[1]] = own
        at += own.shape[1]
    return S


def _source_of(term: TermDesign, old: list[TermDesign]) -> int:
    """The term of the whole that a term is made of."""
    same = [t for t, other in enumerate(old) if other.source is term.source]
    columns = set(term.spec.columns)
    return next((t for t in same if columns <= set(old[t].spec.columns)), same[0])


def _turned(T: FloatArray, S: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The map from old to new axes, orthonormal, and the new axes: lower triangles.

    Old columns along their axes are Z T; the new ones are Z S T2 = (Z T) Q with T^-1 S = Q L and
    T2 = L^-1, L a lower triangle.
    """
    if np.array_equal(S, np.eye(len(T))):
        return S, T
    found = np.linalg.solve(T, S)
    Q, upper = np.linalg.qr(found[:, ::-1])
    signs = np.where(np.diag(upper) < 0.0, -1.0, 1.0)
    Q, upper = (Q * signs)[:, ::-1], (upper * signs[:, None])[::-1, ::-1]
    return Q, np.tril(np.linalg.inv(upper))


def _split(array: Any, sizes: list[int]) -> list[Any]:
    return np.split(array, np.cumsum(sizes)[:-1]) if sizes else []


def _joined(parts: list[FloatArray]) -> FloatArray:
    return np.concatenate(parts) if parts else np.zeros(0)
