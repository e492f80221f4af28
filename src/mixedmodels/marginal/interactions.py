"""Interaction contrasts of means: products of contrasts, one for each variable.

A row compares the levels of every variable at once: how the difference of two levels of one
changes between two levels of the other, and so on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray, LongArray
from mixedmodels.design.columns import level_label
from mixedmodels.errors import MixedModelsError, did_you_mean
from mixedmodels.marginal.contrasts import Comparison, Sign, comparison, method_name, too_few
from mixedmodels.marginal.grid import combined
from mixedmodels.memory import require

Interaction: TypeAlias = Any
"""True, a method, a list of methods in the order of the variables, or a dict by variable."""


def is_asked(interaction: Interaction) -> bool:
    """Whether interaction contrasts are asked for."""
    return not (
        interaction is None or (isinstance(interaction, (bool, np.bool_)) and not interaction)
    )


def product(
    interaction: Interaction,
    method: Any,
    levels: pd.DataFrame,
    ref: Any,
    *,
    reverse: bool,
    between: Sign = " - ",
) -> Comparison:
    """The contrasts of some rows of a table, those of the first variable varying fastest.

    Args:
        interaction: What is asked for.
        method: That of variables that `interaction` does not name.
        levels: (rows, variables) values of the variables.
        ref: Reference levels of "treatment", by variable or for all.
        reverse: Turn the sign of every contrast, in the name of the first variable.
        between: As in `comparison`.

    Raises:
        MixedModelsError: Not understood, no variables, or rows that are not all combinations of
            levels.
    """
    names = [*map(str, levels.columns)]
    if not names:
        raise too_few()
    methods = _methods(interaction, method, names)
    refs = _references(ref, names)
    parts: dict[str, tuple[str, ...]] = {}
    pieces, codes = [], []
    for place, (name, of) in enumerate(zip(names, methods, strict=True)):
        code, values = pd.factorize(levels.iloc[:, place])
        texts = [str(level_label(value)) for value in values]
        found = comparison(
            of,
            texts,
            levels=pd.DataFrame({name: values}),
            ref=refs.get(name),
            reverse=reverse and place == 0,
            between=between,
        )
        title = f"{name}_{method_name(of)}" if isinstance(of, str) else f"{name}_custom"
        parts[title] = found.labels
        pieces.append(found.weights)
        codes.append(code)
    sizes = [weights.shape[1] for weights in pieces]
    if not _is_complete(codes, sizes):
        raise MixedModelsError(
            f"interaction= needs means of all combinations of the levels of {', '.join(names)}; "
            "some do not occur. Compare within the levels of one of them, by=."
        )
    count = math.prod(len(weights) for weights in pieces)
    require({f"{count} contrasts of {len(levels)} means": 24.0 * count * len(levels)}, "Contrasts")
    weights: FloatArray = np.ones((count, len(levels)))
    labels: dict[str, list[str]] = {}
    each = 1
    for (title, own), piece, code in zip(parts.items(), pieces, codes, strict=True):
        which = np.arange(count) // each % max(len(own), 1)
        weights *= piece[which][:, code]
        labels[title] = [own[i] for i in which.tolist()]
        each *= max(len(own), 1)
    whole = tuple(", ".join(row) for row in zip(*labels.values(), strict=True))
    return Comparison(weights, whole, (None,) * count, "none", columns=labels)


def _is_complete(codes: Sequence[LongArray], sizes: Sequence[int]) -> bool:
    """Whether there is one row for each combination; not so without variables."""
    if not codes:
        return False
    place = combined(codes, sizes)
    return len(place) == len(np.unique(place)) == math.prod(sizes)


def _methods(interaction: Interaction, method: Any, names: Sequence[str]) -> list[Any]:
    """The method of each variable."""
    if isinstance(interaction, (bool, np.bool_)):
        return [method] * len(names)
    if isinstance(interaction, str):
        return [interaction] * len(names)
    if isinstance(interaction, Mapping):
        given = _by_variable("interaction", interaction, names)
        return [given.get(name, method) for name in names]
    if isinstance(interaction, (list, tuple)) and len(interaction) in (1, len(names)):
        return [*interaction] * (len(names) if len(interaction) == 1 else 1)
    raise MixedModelsError(
        f"interaction is {interaction!r:.80}; it must be True, the name of a contrast, a list with "
        f"one for each of {', '.join(names)}, or a dict by variable."
    )


def _references(ref: Any, names: Sequence[str]) -> dict[str, Any]:
    """The reference level of each variable."""
    if not isinstance(ref, Mapping):
        return dict.fromkeys(names, ref)
    return _by_variable("ref", ref, names)


def _by_variable(argument: str, given: Mapping[Any, Any], names: Sequence[str]) -> dict[str, Any]:
    """What an argument gives by variable; a name of another one is refused."""
    for name in given:
        if str(name) not in names:
            raise MixedModelsError(
                f"{argument} names {name!r:.80}; the means compared are told apart by: "
                f"{', '.join(names)}.{did_you_mean(str(name), names)}"
            )
    return {str(name): value for name, value in given.items()}
