"""Numbers that look like codes of missing values: 999, -99 and the like, far from all others."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mixedmodels.arrays import AnyArray
from mixedmodels.checking.result import Check
from mixedmodels.design import Design
from mixedmodels.design.variables import variable_column
from mixedmodels.naming import first_few

# Numbers that stand for missing values in many files.
_CODES = (-9.0, -99.0, -999.0, -9999.0, -99999.0, 99.0, 999.0, 9999.0, 99999.0)
# Rows in which a number occurs at least, and its least distance from the others over their range.
_REPEATED, _FAR = 2, 1.0


def missing_codes_check(design: Design) -> Iterator[Check]:
    """A check where the response or a covariate has such numbers; else nothing."""
    found = [
        f"{name} ({value:g} in {count} rows)"
        for name, values in _numbers(design)
        for value, count in suspicious(values)
    ]
    if found:
        text = (
            f"looks like a code of a missing value: {first_few(found, 4)}. If it is one, put NaN "
            "in its place and fit again."
        )
        measure = "suspicious numbers"
        yield Check("Missing values", "look", measure, float(len(found)), np.nan, text)


def suspicious(values: AnyArray) -> Iterator[tuple[float, int]]:
    """Such numbers and how often they occur."""
    is_code = np.isin(values, _CODES)
    for code in np.unique(values[is_code]).tolist():
        count = int(np.sum(values == code))
        others = values[~is_code]
        low, high = others.min(initial=np.inf), others.max(initial=-np.inf)
        away = max(low - code, code - high)
        if count >= _REPEATED and low < high and away >= _FAR * (high - low):
            yield code, count


def _numbers(design: Design) -> Iterator[tuple[str, AnyArray]]:
    if design.formula.response_factor.is_column and len(design.y) == design.n:
        yield design.response_name, design.y
    for name, variable in design.variables.items():
        if variable.levels is None:
            values = variable_column(name, design.variables, design.fixed_spec, design.X)
            if values.dtype.kind == "f" and len(values) == design.n:
                yield name, values
