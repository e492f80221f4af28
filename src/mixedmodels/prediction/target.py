"""The rows to predict: X, z, levels and offset, of the training data or made on new data.

Also which random-effects terms take part. Independent of a fit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import AnyArray, BoolArray, FloatArray, IntArray
from mixedmodels.calls import value_hint
from mixedmodels.covariance import Templates
from mixedmodels.design import Design, GroupingFactor
from mixedmodels.design.by_row import used_labels
from mixedmodels.design.columns import first_levels
from mixedmodels.design.lookup import find_terms
from mixedmodels.design.rebuild import (
    check_columns,
    new_rows,
    new_weights,
    rebuild_fixed,
    rebuild_group,
    rebuild_offset,
    rebuild_term,
    unknown_levels,
)
from mixedmodels.design.rows import Rows
from mixedmodels.errors import DataError, MixedModelsError
from mixedmodels.naming import first_few
from mixedmodels.settings import names_given

_SHOWN = 5


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """Rows to predict.

    Attributes:
        index: Row labels, or None.
        X: (n, p_all) fixed-effects columns; NaN in rows with a missing value.
        offset: (n,), or None.
        weights: (n,) prior weights, or None for ones.
        codes: Per grouping factor (n,) level of each row, -1 for a new one (or a missing one).
        z: Per grouping factor (n, S) columns of its terms side by side, zero for those left out.
        missing: (n,) rows whose level is missing, or None.
    """

    index: pd.Index | None
    X: FloatArray
    offset: FloatArray | None
    weights: FloatArray | None
    codes: tuple[IntArray, ...]
    z: tuple[FloatArray, ...]
    missing: BoolArray | None

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.X)

    def __getitem__(self, part: AnyArray) -> Target:
        """The rows at the positions `part`."""
        return dataclasses.replace(
            self,
            index=None if self.index is None else self.index[part],
            X=self.X[part],
            offset=None if self.offset is None else self.offset[part],
            weights=None if self.weights is None else self.weights[part],
            codes=tuple(codes[part] for codes in self.codes),
            z=tuple(z[part] for z in self.z),
            missing=None if self.missing is None else self.missing[part],
        )


def training_target(design: Design, templates: Templates, terms: Sequence[int]) -> Target:
    """The rows that the model was fitted to."""
    z = _zeros(templates, design.n)
    for t in terms:
        _columns_of(templates, z, design.terms[t].group, t)[...] = design.terms[t].z
    codes = tuple(group.codes for group in design.groups)
    return Target(used_labels(design), design.X, design.offset, design.w, codes, z, None)


def new_target(
    design: Design,
    templates: Templates,
    terms: Sequence[int],
    data: Any,
    *,
    weights: Any = None,
    allow_new_levels: bool = False,
    levels: bool = True,
) -> Target:
    """Rows of new data.

    Only the columns that the fixed part and the chosen terms need have to be there; without
    `levels`, grouping factors need not, and every level is a new one.

    Raises:
        FormulaError: A column is missing.
        DataError: A column is of another kind, or a level is new and new ones are not allowed.
    """
    rows = new_rows(data)
    check_columns(design, terms if levels else (), rows)
    z = _zeros(templates, rows.n_rows)
    codes = [np.full(rows.n_rows, -1, dtype=np.int32) for _ in design.groups]
    missing: BoolArray | None = None
    for g in dict.fromkeys(design.terms[t].group for t in terms if levels):
        group = design.groups[g]
        codes[g], absent = rebuild_group(group, rows)
        if absent is not None:
            missing = absent if missing is None else missing | absent
        if not allow_new_levels:
            _refuse_new(group, rows, codes[g], absent)
    for t in terms:
        term = design.terms[t]
        _columns_of(templates, z, term.group, t)[...] = rebuild_term(term, rows)
    return Target(
        index=rows.index(),
        X=rebuild_fixed(design, rows),
        offset=rebuild_offset(design, rows),
        weights=new_weights(weights, rows),
        codes=tuple(codes),
        z=z,
        missing=missing,
    )


def chosen_terms(design: Design, random: Any) -> tuple[int, ...]:
    """Positions of the random-effects terms that `random` asks for.

    Args:
        design: The design.
        random: "all", "none", or a list of names of grouping factors (all terms on them) and of
            terms as one writes them ("(Days | Subject)"), in any order, spacing and backticks.

    Raises:
        MixedModelsError: Something else, or a name that the model does not have.
    """
    everything = tuple(range(len(design.terms)))
    if isinstance(random, str):
        if random in ("all", "none"):
            return everything if random == "all" else ()
        raise MixedModelsError(
            f"random is {random!r}; it must be 'all', 'none' or a list of terms, of which this "
            f"model has {_known(design)}.{value_hint('random', random, ('all', 'none'))}"
        )
    names = names_given("random", random, "'all', 'none' or a list of terms")
    wanted = {t for name in names for t in _named(design, name)}
    return tuple(t for t in everything if t in wanted)


def _named(design: Design, name: Any) -> Iterator[int]:
    """Terms behind a group's name or a term's text."""
    try:
        found = find_terms(design, name)
    except MixedModelsError as error:
        raise MixedModelsError(f"random: {error}") from None
    if not found:
        raise MixedModelsError(
            f"random names {name!r}, which is not a random-effects term of this model; it has "
            f"{_known(design)}."
        )
    return iter(found)


def _known(design: Design) -> str:
    terms = dict.fromkeys(term.source.name for term in design.terms)
    return ", ".join(repr(name) for name in terms)


def _zeros(templates: Templates, n: int) -> tuple[FloatArray, ...]:
    return tuple(np.zeros((n, size)) for size in templates.group_sizes)


def _columns_of(templates: Templates, z: Sequence[FloatArray], group: int, t: int) -> FloatArray:
    """The columns of term t in those of its group."""
    first = templates.term_offsets[t]
    return z[group][:, first : first + templates.sizes[t]]


def _refuse_new(
    group: GroupingFactor, rows: Rows, codes: IntArray, absent: BoolArray | None
) -> None:
    new = codes < 0 if absent is None else (codes < 0) & ~absent
    if not new.any():
        return
    labels = [label for label in unknown_levels(group, rows, codes) if label != "NA"]
    raise DataError(
        f"'{group.name}' has levels that were not there when the model was fitted: "
        f"{first_few(labels, _SHOWN)} ({rows.describe(new)}). Known are {group.n_levels} levels: "
        f"{first_levels(group.levels, _SHOWN)}. With allow_new_levels=True they get the population "
        "value; random='none' leaves random effects out."
    )
