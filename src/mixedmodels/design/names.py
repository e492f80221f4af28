"""What columns, terms and groups are called: R's names, and longer ones where two would be alike.

A column is known by its factors and their levels (`identity`), not by its printed name: with a
factor `sex` that has a level `M`, and a covariate `sexM`, R's name is the same for two columns.
They are then spelled ``sex[M]`` and `` `sexM` ``. Terms and groups are spelled as in a formula.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from mixedmodels.design.columns import level_labels
from mixedmodels.design.factors import Recipe
from mixedmodels.formula import Factor, Term
from mixedmodels.formula.spec import written
from mixedmodels.naming import backticked, distinct

Choice: TypeAlias = tuple[str, bool, int]
"""Key of a factor, whether its coding is reduced, column of its block."""

INTERCEPT = "(Intercept)"

Identity: TypeAlias = tuple[tuple[str, str], ...]
"""Key and label of each factor of a column; of a numeric factor the label is the column's name."""


class Effect(NamedTuple):
    """A column of the fixed part or of a random-effects term: what it is, and what it is called.

    Attributes:
        identity: Equal for the same column in another part.
        name: In its own part.
        written: With levels in brackets and columns of numbers in backticks.
    """

    identity: Identity
    name: str
    written: str


class Labels:
    """The labels of the columns that factors make.

    Args:
        recipes: Factor key to how its block is made.
    """

    def __init__(self, recipes: Mapping[str, Recipe]) -> None:
        self._recipes = recipes
        self._of = functools.cache(self._labels)

    def identity(self, column: Sequence[Choice]) -> Identity:
        """Key of a column, unique in its table."""
        return tuple((key, self._label((key, reduced, at))) for key, reduced, at in column)

    def written(self, column: Sequence[Choice]) -> str:
        """A name with levels in brackets and columns of numbers in backticks."""
        return ":".join(map(self._written, column)) or INTERCEPT

    def spellings(self, column: Sequence[Choice]) -> set[str]:
        """What a user may call a column: plain, written out, and with backticks as R has them."""
        if not column:
            return {INTERCEPT}
        plain = ":".join(map(self._plain, column))
        return {
            plain,
            backticked(plain),
            self.written(column),
            ":".join(map(self._as_in_r, column)),
            ":".join(backticked(self._plain(choice)) for choice in column),
        }

    def effects(
        self, names: Sequence[str], columns: Sequence[Sequence[Choice]]
    ) -> tuple[Effect, ...]:
        """The columns of a part."""
        return tuple(
            Effect(self.identity(column), name, self.written(column))
            for name, column in zip(names, columns, strict=True)
        )

    def _labels(self, key: str, reduced: bool) -> Sequence[str]:
        recipe = self._recipes[key]
        if recipe.levels is None or recipe.contrast is None:
            return recipe.names[reduced:]
        return recipe.contrast.suffixes if reduced else level_labels(recipe.levels)

    def _label(self, choice: Choice) -> str:
        key, reduced, at = choice
        return self._of(key, reduced)[at]

    def _coded(self, choice: Choice) -> Factor | None:
        """The categorical factor of a choice; None where it is one of numbers."""
        recipe = self._recipes[choice[0]]
        return None if recipe.levels is None else recipe.factor

    def _plain(self, choice: Choice) -> str:
        factor = self._coded(choice)
        return ("" if factor is None else factor.name) + self._label(choice)

    def _written(self, choice: Choice) -> str:
        factor = self._coded(choice)
        if factor is not None:
            return f"{written(factor)}[{self._label(choice)}]"
        is_column = self._recipes[choice[0]].factor.is_column
        return backticked(self._label(choice)) if is_column else self._label(choice)

    def _as_in_r(self, choice: Choice) -> str:
        factor = self._coded(choice)
        if factor is not None:
            return written(factor) + self._label(choice)
        factor = self._recipes[choice[0]].factor
        return factor.code if factor.is_column else self._label(choice)


def column_names(
    names: Sequence[str], columns: Sequence[Sequence[Choice]], recipes: Mapping[str, Recipe]
) -> tuple[str, ...]:
    """R's names, those that two columns share written out; `(Intercept)` is the intercept's."""
    if len(set(names)) == len(names):
        return tuple(names)
    labels = Labels(recipes)
    return distinct(names, lambda j: labels.written(columns[j]))


def term_names(terms: Sequence[Term], taken: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of the terms of a part; where two are alike, as they are written in a formula."""
    return distinct([term.name for term in terms], lambda t: _term_code(terms[t]), taken=taken)


def interaction_labels(labels: Sequence[str], parts: Callable[[int], Sequence[str]]) -> list[str]:
    """Levels of an interaction, ``a:A``; of two that are alike, parts with a colon in backticks."""

    def written(position: int) -> str:
        return ":".join(backticked(part) if ":" in part else part for part in parts(position))

    return list(distinct(labels, written))


def _term_code(term: Term) -> str:
    return ":".join(map(written, term.factors)) or INTERCEPT
