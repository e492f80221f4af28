"""The design of a model: everything that is known before theta, as frozen values.

Made by `build.build_design`; nothing here computes. The arrays are read-only: the core keeps
pointers into them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from mixedmodels.arrays import FloatArray, LongArray
from mixedmodels.design.absent import is_set, refuse_absent, without
from mixedmodels.design.groups import GroupingFactor
from mixedmodels.design.matrix import PartPlan
from mixedmodels.design.missing import OffsetSpec
from mixedmodels.design.summary import RowSummary
from mixedmodels.design.variables import Variable
from mixedmodels.formula import FormulaSpec, RandomTerm
from mixedmodels.formula.parts import PartSpec
from mixedmodels.values import quick

# Name of the categories of a response that is not a column.
_UNNAMED = "category"


@quick
@dataclass(frozen=True, slots=True, eq=False)
class TermDesign:
    """One random-effects term as it is fitted; ``(x || g)`` gives one for each column.

    Attributes:
        group: Position of its grouping factor in `Design.groups`.
        columns: Names of its columns, R's.
        z: (n, s) their values; may be a view (of X, or of a single 1.0), so any strides.
        spec: How to make `z` on new data.
        source: The term of the formula it comes from.
    """

    group: int
    columns: tuple[str, ...]
    z: FloatArray
    spec: PartPlan
    source: RandomTerm

    if not TYPE_CHECKING:
        __getattr__ = refuse_absent


@dataclass(frozen=True, slots=True, eq=False)
class PartDesign:
    """The predictors of another parameter of the response's distribution than its mean.

    Attributes:
        spec: The parsed formula.
        X: (n, k_all) its columns, redundant ones included, in Fortran order.
        names: Their names, R's.
        plan: How to make `X` on new data.
    """

    spec: PartSpec
    X: FloatArray
    names: tuple[str, ...]
    plan: PartPlan


@dataclass(frozen=True, slots=True, eq=False)
class AllRows:
    """The table that a design is made of, where results are to have a value for each of its rows.

    Attributes:
        n: Number of rows.
        index: Their labels, or None when the table has none.
    """

    n: int
    index: pd.Index | None


@quick
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Design:
    """Model matrices, response, weights and offset on the rows used.

    No array is a view of the user's data.

    Attributes:
        formula: The parsed formula.
        y: (n,) response.
        X: (n, p_all) fixed-effects columns, redundant ones included, in Fortran order.
        x_names: Their names, R's.
        w: (n,) positive prior weights, or None.
        offset: (n,) offset, or None; the sum of the argument and those in the formula.
        groups: Grouping factors, in the order of their first term.
        terms: Random-effects terms by decreasing number of levels, ties in formula order.
        n: Number of rows used.
        n_dropped: Rows dropped for missing values.
        rows: (n,) positions of the rows used, or None when all are.
        index: Row labels of the rows used, or None when the data has none.
        response_name: The left-hand side, as typed.
        fixed_spec: How to make X on new data.
        offset_spec: How to make the offset on new data.
        variables: The columns of the data behind X, by name.
        messages: What the user should know: rows and levels dropped.
        all_rows: Where rows are left out and results by row are to have them as missing values
            (`na_action="exclude"`): all rows of the table. Else None.
        summary: What is known of the rows where they are not here, or None.
        parts: Predictors of other parameters of the response's distribution.
        categories: Of an ordered response, in their order; `y` has their numbers from 0.
        weights_as: How weights were given, for reports; "" where they were not.
    """

    formula: FormulaSpec
    y: FloatArray
    X: FloatArray
    x_names: tuple[str, ...]
    w: FloatArray | None
    offset: FloatArray | None
    groups: tuple[GroupingFactor, ...]
    terms: tuple[TermDesign, ...]
    n: int
    n_dropped: int
    rows: LongArray | None
    index: pd.Index | None
    response_name: str
    fixed_spec: PartPlan
    offset_spec: OffsetSpec
    variables: Mapping[str, Variable]
    messages: tuple[str, ...]
    all_rows: AllRows | None = None
    summary: RowSummary | None = None
    parts: tuple[PartDesign, ...] = ()
    categories: pd.Index | None = None
    weights_as: str = ""

    if not TYPE_CHECKING:
        __getattr__ = refuse_absent

    def __repr__(self) -> str:
        """One line with the size of the design."""
        groups = ", ".join(f"{group.name} {group.n_levels}" for group in self.groups)
        return (
            f"<{type(self).__name__} {self.formula.text!r}: X {self.n} x {len(self.x_names)}, "
            f"levels: {groups}>"
        )

    @property
    def has_rows(self) -> bool:
        """Whether the arrays with a value for each row are here; see `without_rows`."""
        return is_set(self, "y")

    @property
    def category_name(self) -> str:
        """Categories of an ordered response as a variable: the response's column, if it is one."""
        response = self.formula.response_factor
        return response.name if response.is_column else _UNNAMED

    @property
    def is_weighted(self) -> bool:
        """Whether there are prior weights."""
        return not is_set(self, "w") or self.w is not None

    @property
    def is_shifted(self) -> bool:
        """Whether there is an offset."""
        return not is_set(self, "offset") or self.offset is not None

    def without_rows(self, **changes: Any) -> Design:
        """A design that refuses what needs rows (see `absent`), for a model made from sums.

        Args:
            changes: Fields that are to be others.
        """
        absent = {"y", "X"}
        absent |= {name for name in ("w", "offset") if getattr(self, name) is not None}
        parts = {
            "rows": None,
            "index": None,
            "all_rows": None,
            "groups": tuple(without(group, {"codes"}) for group in self.groups),
            "terms": tuple(without(term, {"z"}) for term in self.terms),
            "variables": {
                name: without(variable, {"values"}) for name, variable in self.variables.items()
            },
        }
        return without(self, absent, **parts, **changes)

    def freeze(self) -> Design:
        """Make every array read-only; anew after unpickling, which makes writable ones."""
        arrays: list[Any] = [self.y, self.X, self.w, self.offset, self.rows]
        arrays += [term.z for term in self.terms]
        arrays += [part.X for part in self.parts]
        arrays += [variable.values for variable in self.variables.values()]
        for group in self.groups:
            arrays += [group.codes, *group.spec.parts]
        for array in arrays:
            if array is not None:
                array.setflags(write=False)
        return self
