"""What stateful functions learn from rows that come in batches: one pass for each nesting of calls.

The rows go through the steps of an ordinary design (`used`) up to the evaluation of the formula,
where calls that have not learnt note their arguments (`functions.learning`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from mixedmodels.arrays import LongArray
from mixedmodels.design.asked import Asked
from mixedmodels.design.evaluate import bind, bind_factor
from mixedmodels.design.factors import factor_values
from mixedmodels.design.frame import as_table
from mixedmodels.design.functions.learning import Learning, StillLearning
from mixedmodels.design.missing import (
    read_weights,
)
from mixedmodels.design.rows import Rows
from mixedmodels.errors import DataError
from mixedmodels.formula import Factor, FormulaSpec

States: TypeAlias = dict[str, dict[str, Any]]
"""What the stateful functions of each factor have learnt, by the factor's key."""


_NONE = np.zeros(0, dtype=np.int64)


class LearningPass:
    """One pass in which stateful functions note their arguments.

    Args:
        asked: The model.
        states: What was learnt in the passes before.

    Attributes:
        states: The same, with a `Learning` for each call that has not learnt.
    """

    def __init__(self, asked: Asked, states: States) -> None:
        self.asked = asked
        self.states = states

    def add(self, data: Any) -> LongArray:
        """Note the arguments on one batch; positions of the rows that are to be kept.

        Raises:
            MixedModelsError: The batch cannot be used.
        """
        rows = Rows(as_table(data))
        asked = self.asked
        missing = asked.complete_rows(rows)
        if rows.n_rows:
            read_weights(asked.argument("weights", rows), rows, missing)
        kept = [_NONE]
        kept += [
            _observed(factor, asked.spec.text, rows, self.states[factor.key])
            for factor in factors_of(asked.spec)
            if rows.n_rows and is_learning(self.states.get(factor.key, {}))
        ]
        positions = np.unique(np.concatenate(kept))
        return positions if rows.kept is None else rows.kept[positions]

    def merge(self, other: LearningPass) -> None:
        """Add what later batches have shown."""
        for key, states in self.states.items():
            for name, state in states.items():
                if isinstance(state, Learning):
                    state.merge(other.states[key][name])

    def finish(self, kept: Any) -> States:
        """What is known after this pass.

        Args:
            kept: A table of the rows that `add` has named, or None where there are none.
        """
        rows = None if kept is None else Rows(as_table(kept))
        known: States = {}
        for factor in factors_of(self.asked.spec):
            states = self.states.get(factor.key)
            if states is None:
                continue
            now = known[factor.key] = {
                name: state.finish() if _is_finished(state) else state
                for name, state in states.items()
            }
            if rows is not None and rows.n_rows and is_learning(states):
                # Functions that learn from the rows kept are trained on them.
                _observed(factor, self.asked.spec.text, rows, now)
        return known


def _is_finished(state: dict[str, Any]) -> bool:
    return isinstance(state, Learning) and state.is_finished


def is_learning(states: Mapping[str, Any]) -> bool:
    """Whether a call of a factor has not learnt yet."""
    return any(isinstance(state, Learning) for state in states.values())


def _observed(factor: Factor, text: str, rows: Rows, states: dict[str, Any]) -> LongArray:
    """Evaluate a factor, whose calls may be learning; positions of the rows that these keep."""
    try:
        factor_values(factor, text, rows, states)
    except StillLearning as learning:
        return learning.rows
    return _NONE


def factors_of(spec: FormulaSpec) -> tuple[Factor, ...]:
    """The factors of a formula, each once, the response first."""
    response = spec.response_factor
    others = (factor for factor in spec.predictors if factor.key != response.key)
    return (response, *others)


def initial_states(asked: Asked, data: Any) -> States:
    """A `Learning` for every stateful call.

    Args:
        asked: The model.
        data: A table with all columns, of any rows.

    Raises:
        DataError: Weights or offset call a stateful function.
    """
    rows = Rows(as_table(data))
    for role in ("weights", "offset"):
        text = getattr(asked, role)
        argument = asked.argument(role, rows)
        if argument is not None and argument.is_computed and bind(text, rows.table).states:
            raise DataError(
                f"{role} {text!r} learns from all rows, which a source does not have at once; "
                f"make a column of it first."
            )
    found: States = {}
    for factor in factors_of(asked.spec):
        bound = bind_factor(factor, asked.spec.text, rows.table)
        if bound is not None and bound.states:
            found[factor.key] = {name: Learning() for name in bound.states}
    return found
