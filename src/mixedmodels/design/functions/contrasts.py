"""Contrasts that are named inside a formula: R's ``contr.sum`` and Python's ``Sum``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mixedmodels.design.coding import Contrast
from mixedmodels.design.functions.factors import MAX_LEVELS
from mixedmodels.design.functions.kinds import count
from mixedmodels.design.functions.signature import Function, function
from mixedmodels.errors import FormulaError


def treatment(reference: Any = None) -> Contrast:
    """``Treatment(reference)``: differences from the level with this label."""
    if reference is not None and not isinstance(reference, (bool, int, float, str)):
        raise FormulaError("needs a level as 'reference', such as Treatment(\"b\").")
    return Contrast("treatment", reference)


def r_treatment(n: Any = None, base: Any = None) -> Contrast:
    """``contr.treatment(n, base)``: as in R, `base` is the number of a level; a text is its label.

    The number of levels may be left out, and is checked where it is given.
    """
    if isinstance(n, str) and base is None:
        return Contrast("treatment", n)
    n_levels = None if n is None else count(n, "n", 2, MAX_LEVELS)
    if base is None or isinstance(base, str):
        return Contrast("treatment", base, n_levels=n_levels)
    position = count(base, "base", 1, n_levels or MAX_LEVELS)
    return Contrast("treatment", position=position, n_levels=n_levels)


def _last(n: Any = None) -> Contrast:
    n_levels = None if n is None else count(n, "n", 2, MAX_LEVELS)
    return Contrast("treatment", position=0, n_levels=n_levels)


def _named(name: str) -> Callable[..., Contrast]:
    def named(n: Any = None) -> Contrast:
        n_levels = None if n is None else count(n, "n", 2, MAX_LEVELS)
        return Contrast(name, n_levels=n_levels)

    return named


FUNCTIONS: dict[str, Function] = {
    "Treatment": function("Treatment", treatment, reference="base"),
    "contr.treatment": function("contr.treatment", r_treatment),
    "contr.SAS": function("contr.SAS", _last),
    **{
        spelling: function(spelling, _named(name))
        for name in ("sum", "helmert", "poly")
        for spelling in (f"contr.{name}", name.capitalize())
    },
}

CONSTANTS: dict[str, Contrast] = {
    **{name: made() for name, made in FUNCTIONS.items()},
    **{name: Contrast(name) for name in ("treatment", "sum", "helmert", "poly")},
}
"""The same names without arguments, and those that R's ``C(f, sum)`` takes."""
