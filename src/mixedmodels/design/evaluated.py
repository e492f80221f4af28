"""The factors of one formula on the rows in use: each computed once.

Missing values may arise in the computation (the logarithm of a negative number). They are found
here and their rows dropped like any others; what a stateful function has learnt stays, so that
predictions replay it. As in R it has learnt from the rows whose columns are complete.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

from mixedmodels.arrays import BoolArray, LongArray
from mixedmodels.design.columns import CategoricalColumn, all_finite
from mixedmodels.design.factors import NumericBlock, factor_values
from mixedmodels.design.finite import LEFT_OUT, check_finite, sources, warn_of_lost_rows
from mixedmodels.design.functions import CodedColumn
from mixedmodels.design.rows import Rows
from mixedmodels.formula import Factor

FactorValue: TypeAlias = NumericBlock | CategoricalColumn | CodedColumn


class Evaluated:
    """Values of factors at the rows in use.

    Args:
        formula: The formula that the factors stand in, for messages.
        rows: The rows in use.
        states: By key of a factor: what stateful functions in it have learnt elsewhere.
        others: By key of a factor that stands in another formula: that formula.

    Attributes:
        formula: The parsed formula.
        rows: Rows of the table.
    """

    def __init__(
        self,
        formula: str,
        rows: Rows,
        states: Mapping[str, dict[str, Any]] | None = None,
        others: Mapping[str, str] | None = None,
    ) -> None:
        self.formula = formula
        self.rows = rows
        self._others = others or {}
        self._values: dict[str, FactorValue] = {}
        self._states: dict[str, dict[str, Any]] = {} if states is None else dict(states)
        self._finite: set[str] = set()

    def value(self, factor: Factor) -> FactorValue:
        """What a factor is: numbers, or a categorical column.

        Raises:
            FormulaError: It cannot be computed, or has not one value for each row.
        """
        found = self._values.get(factor.key)
        if found is None:
            states = self.states(factor)
            found = factor_values(factor, self._text_of(factor), self.rows, states)
            self._values[factor.key] = found
        return found

    def _text_of(self, factor: Factor) -> str:
        return self._others.get(factor.key, self.formula)

    def states(self, factor: Factor) -> dict[str, Any]:
        """What the stateful functions of a factor have learnt."""
        return self._states.setdefault(factor.key, {})

    def missing(self, factors: Iterable[Factor]) -> dict[str, BoolArray]:
        """(n,) by name of the expressions among `factors`: where a missing value has arisen."""
        masks: dict[str, BoolArray] = {}
        for factor in factors:
            if factor.is_column or factor.name in masks:
                continue
            value = self.value(factor)
            absent = missing_rows(value)
            if absent is not None:
                masks[factor.name] = absent
            elif isinstance(value, NumericBlock) and all(map(_is_finite, value.values)):
                self._finite.add(factor.key)
        return masks

    def announce(self, factors: Iterable[Factor], masks: Mapping[str, BoolArray]) -> None:
        """Warn of the expressions in numbers of which `missing` has found missing values."""
        told = set(masks)
        for factor in factors:
            if factor.name in told and isinstance(self.value(factor), NumericBlock):
                told.discard(factor.name)
                needed = sources(factor, self._text_of(factor), self.rows)
                warn_of_lost_rows(factor.name, masks[factor.name], self.rows, needed, LEFT_OUT)

    def restrict(self, keep: BoolArray) -> None:
        """Drop the rows (among those in use) where `keep` is False."""
        positions = np.flatnonzero(keep)
        self.rows.restrict(keep)
        self._values = {key: take_rows(value, positions) for key, value in self._values.items()}

    def check_finite(self, factor: Factor) -> None:
        """Refuse infinite numbers.

        Raises:
            DataError: With the first rows and values.
        """
        if factor.key in self._finite or (factor.is_column and self.rows.is_finite(factor.name)):
            return
        value = self.value(factor)
        if isinstance(value, NumericBlock):
            needed = sources(factor, self._text_of(factor), self.rows)
            for name, numbers in zip(value.names, value.values, strict=True):
                check_finite(name, numbers, self.rows, needed)


def missing_rows(value: FactorValue) -> BoolArray | None:
    """(n,) where a factor has a missing value, or None where it has none."""
    if isinstance(value, CodedColumn):
        value = value.column
    if isinstance(value, CategoricalColumn):
        return value.missing()
    absent: BoolArray | None = None
    for numbers in value.values:
        if not _is_finite(numbers):
            nan = np.isnan(numbers)
            if nan.any():
                absent = nan if absent is None else absent | nan
    return absent


def take_rows(value: FactorValue, positions: LongArray) -> FactorValue:
    """The value at some rows, a copy."""
    if isinstance(value, CodedColumn):
        return dataclasses.replace(value, column=value.column.take(positions))
    if isinstance(value, CategoricalColumn):
        return value.take(positions)
    values = tuple(numbers[positions] for numbers in value.values)
    return dataclasses.replace(value, values=values)


def _is_finite(numbers: Any) -> bool:
    return numbers.dtype.kind != "f" or all_finite(numbers)
