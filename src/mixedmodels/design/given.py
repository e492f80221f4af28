"""What a model was made of, as it was given: the table, by reference, and the arguments beside it.

From the table come the columns used and the model frame. A model that was read from a file, or was
fitted to another response, has none.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mixedmodels.design.design import Design
from mixedmodels.design.evaluate import columns_of
from mixedmodels.design.factors import Recipe
from mixedmodels.design.frame import FileTable, Table, as_table
from mixedmodels.design.missing import read_argument
from mixedmodels.design.rows import Rows
from mixedmodels.errors import ArgumentError
from mixedmodels.settings import NaAction
from mixedmodels.values import quick

# How an argument is shown that is not an expression.
_AS_VALUES = "given as values"


@quick
@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """Table and arguments of a model, never copied.

    Attributes:
        data: The table.
        weights: Prior weights as the user wrote them.
        offset: Offset as the user wrote it.
        contrasts: Contrasts by column.
        na_action: What is done with missing values.
    """

    data: Any
    weights: Any = None
    offset: Any = None
    contrasts: Mapping[str, Any] | None = None
    na_action: NaAction = "omit"

    @property
    def arguments(self) -> dict[str, Any]:
        """All but the table, by the names under which models take them."""
        return {
            "weights": self.weights,
            "offset": self.offset,
            "contrasts": self.contrasts,
            "na_action": self.na_action,
        }

    def changed(self, **changes: Any) -> Given:
        """The same with other values."""
        return dataclasses.replace(self, **changes)


def given_anew(design: Design, given: Given | None, data: Any, changes: Mapping[str, Any]) -> Given:
    """Table and arguments of a model that differs from that of a design by some changes.

    Args:
        design: The design.
        given: What it was made of, or None where that is lost.
        data: Another table, or None.
        changes: Other arguments.

    Raises:
        ArgumentError: What is lost is not given.
    """
    if data is not None:
        given = _known_still(design, data, changes) if given is None else given.changed(data=data)
    if given is None and not design.has_rows:
        raise ArgumentError(
            "The fit was made from sums over rows and has no table. Make plan and sums of the "
            "changed model, or give update(..., data=) a table."
        )
    if given is None:
        raise ArgumentError(
            "The fit has no table: it was read from a file or a pickle, which do not hold it, or "
            "made by refit(). Give update(..., data=)."
        )
    return given.changed(**changes)


def _known_still(design: Design, data: Any, known: Mapping[str, Any]) -> Given:
    """What a design that has lost its `Given` was made of, as far as that is known.

    Args:
        design: The design.
        data: A table.
        known: Arguments that are given anew.

    Raises:
        ArgumentError: An argument is kept neither by the caller nor by the design.
    """
    offset = design.offset_spec.argument
    lost = {
        "weights": design.w is not None,
        "offset": offset is not None and offset.text is None,
        "contrasts": any(map(_has_contrast, recipes_of(design).values())),
    }
    for name, is_lost in lost.items():
        if is_lost and name not in known:
            raise ArgumentError(
                f"The fit was read from a file or a pickle, or made by refit(), and does not know "
                f"its {name} any more; give {name}= too."
            )
    return Given(
        data,
        offset=None if offset is None else offset.text,
        na_action="omit" if design.all_rows is None else "exclude",
    )


def with_weights_named(design: Design, given: Given) -> Design:
    """The design that knows how its weights were written."""
    if given.weights is None:
        return design
    text = given.weights if isinstance(given.weights, str) else _AS_VALUES
    return dataclasses.replace(design, weights_as=text)


def beside_formula(design: Design) -> dict[str, str]:
    """Offset and weights that were given beside the formula, as they were written."""
    found = {}
    if design.offset_spec.argument is not None:
        found["Offset"] = design.offset_spec.argument.text or _AS_VALUES
    if design.weights_as:
        found["Weights"] = design.weights_as
    return found


def columns_used(design: Design, given: Given) -> Any:
    """The columns of the table that the model uses, as given: the table's own, never a copy."""
    data = given.data.table if isinstance(given.data, FileTable) else given.data
    table = as_table(data)
    return table.select(dict.fromkeys(_names(design, table, given)))


def recipes_of(design: Design) -> dict[str, Recipe]:
    """What every factor of the formula's right side has learnt, by its key."""
    found: dict[str, Recipe] = {}
    for group in design.groups:
        for factor, states in zip(group.spec.factors, group.spec.states, strict=True):
            found[factor.key] = Recipe(factor, design.formula.text, states)
    for recipe in design.offset_spec.recipes:
        found[recipe.factor.key] = recipe
    others = (part.plan for part in design.parts)
    for plan in (*others, design.fixed_spec, *(term.spec for term in design.terms)):
        found.update(plan.recipes)
    return found


def _names(design: Design, table: Table, given: Given) -> Iterator[str]:
    spec = design.formula
    for factor in (spec.response_factor, *spec.predictors):
        yield from columns_of(factor, spec.text, table)
    for part in design.parts:
        for factor in part.spec.predictors:
            yield from columns_of(factor, part.spec.text, table)
    for role, argument in (("weights", given.weights), ("offset", given.offset)):
        if isinstance(argument, str):
            read = read_argument(role, argument, Rows(table))
            yield from read.columns if read is not None else ()


def _has_contrast(recipe: Recipe) -> bool:
    """Whether a column is coded otherwise than by default."""
    coding = recipe.contrast
    if coding is None or not recipe.factor.is_column:
        return False
    return coding.matrix is not None or coding.indicated[:1] != (1,)
