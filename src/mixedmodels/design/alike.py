"""Levels that may be one by mistake: names that differ only in spaces or in case."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from mixedmodels.design.design import Design

_SHOWN = 3
# Levels above which their names are not compared.
_MOST = 100_000


def alike_messages(design: Design) -> Iterator[str]:
    """What the user should know about such levels of grouping factors and of fixed factors."""
    found: dict[str, pd.Index] = {}
    for group in design.groups:
        factors = (factor.name for factor in group.spec.factors)
        found.update(zip(factors, group.spec.levels, strict=True))
    recipes = design.fixed_spec.recipes.values()
    found.update({r.factor.name: r.levels for r in recipes if r.levels is not None})
    for name, levels in found.items():
        message = alike_message(name, levels)
        if message:
            yield message


def alike_message(name: str, levels: pd.Index) -> str:
    """What the user should know about such levels of `name`, or nothing."""
    if levels.dtype.kind in "biuf" or len(levels) > _MOST:
        return ""
    texts = [level for level in levels.tolist() if isinstance(level, str)]
    whole = "".join(texts)
    if whole.split() == [whole] and whole in (whole.lower(), whole.upper()):
        return ""
    if len({" ".join(text.split()).casefold() for text in texts}) == len(texts):
        return ""
    groups: dict[str, list[str]] = {}
    for text in texts:
        groups.setdefault(" ".join(text.split()).casefold(), []).append(text)
    pairs = [", ".join(map(repr, same)) for same in groups.values() if len(same) > 1]
    more = f" and {len(pairs) - _SHOWN} more" if len(pairs) > _SHOWN else ""
    return (
        f"Levels of '{name}' differ only in spaces or case: {'; '.join(pairs[:_SHOWN])}{more}. "
        "If they are one, spell them alike and fit again."
    )
