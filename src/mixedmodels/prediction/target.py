"""The rows to predict: X, z, levels and offset, of the training data or made on new data.

Also which random-effects terms take part. Independent of a fit.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from mixedmodels.arrays import AnyArray, BoolArray, FloatArray, IntArray
from mixedmodels.calls import value_hint
from mixedmodels.covariance import Templates
from mixedmodels.design import Design, GroupingFactor
from mixedmodels.design.by_row import used_labels
from mixedmodels.design.columns import first_levels
from mixedmodels.design.lookup import find_parts
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
from mixedmodels.errors import DataError, MixedModelsError, did_you_mean
from mixedmodels.naming import first_few
from mixedmodels.settings import names_given
from mixedmodels.spelling import spelled

_SHOWN = 5

Parts: TypeAlias = Mapping[int, BoolArray]
"""Positions of the random-effects terms that take part, and which of their columns do."""


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


def training_target(design: Design, templates: Templates, terms: Parts) -> Target:
    """The rows that the model was fitted to."""
    z = _zeros(templates, design.n)
    for t, kept in terms.items():
        term = design.terms[t]
        _put(_columns_of(templates, z, term.group, t), term.z, kept)
    codes = tuple(group.codes for group in design.groups)
    return Target(used_labels(design), design.X, design.offset, design.w, codes, z, None)


def new_target(
    design: Design,
    templates: Templates,
    terms: Parts,
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
    check_columns(design, tuple(terms) if levels else (), rows)
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
    for t, kept in terms.items():
        term = design.terms[t]
        _put(_columns_of(templates, z, term.group, t), rebuild_term(term, rows), kept)
    return Target(
        index=rows.index(),
        X=rebuild_fixed(design, rows),
        offset=rebuild_offset(design, rows),
        weights=new_weights(weights, rows),
        codes=tuple(codes),
        z=z,
        missing=missing,
    )


def chosen_terms(design: Design, random: Any) -> Parts:
    """The random-effects terms that `random` asks for.

    Args:
        design: The design.
        random: "all", "none", or a list of names of grouping factors (all terms on them) and of
            terms as one writes them ("(Days | Subject)"), in any order, spacing and backticks. A
            term may be a part of one of the model: "(1 | Subject)" of "(Days | Subject)".

    Raises:
        MixedModelsError: Something else, or a name that the model does not have.
    """
    everything = {
        t: np.ones(len(term.spec.names), dtype=bool) for t, term in enumerate(design.terms)
    }
    if isinstance(random, str):
        if random in ("all", "none"):
            return everything if random == "all" else {}
        hint, own = value_hint("random", random, ("all", "none")), False
        with contextlib.suppress(MixedModelsError):
            own = bool(find_parts(design, random))
        if not own and (found := spelled(random, ("all", "none"))):
            return everything if found == "all" else {}
        hint = f" Write random=[{random!r}]." if own else hint
        raise MixedModelsError(
            f"random is {random!r}; it must be 'all', 'none' or a list of terms, of which this "
            f"model has {_known(design)}.{hint}"
        )
    wanted: dict[int, BoolArray] = {}
    for name in names_given("random", random, "'all', 'none' or a list of terms"):
        for t, kept in _named(design, name).items():
            wanted[t] = wanted[t] | kept if t in wanted else kept
    return {t: wanted[t] for t in everything if t in wanted}


def _named(design: Design, name: Any) -> Parts:
    """Terms behind a group's name or a term's text."""
    try:
        found = find_parts(design, name)
    except MixedModelsError as error:
        raise MixedModelsError(f"random: {error}") from None
    if not found:
        raise MixedModelsError(
            f"random names {name!r}, which is not a grouping factor or a random-effects term of "
            f"this model; it has {_known(design)}.{_nearest(design, name)}"
        )
    return found


def _nearest(design: Design, name: Any) -> str:
    """A sentence that offers the group or term nearest to `name`, or nothing."""
    if not isinstance(name, str):
        return ""
    groups = [group.name for group in design.groups]
    terms = [term.source.name for term in design.terms]
    return did_you_mean(name, [*groups, *terms] if "|" not in name else terms)


def _known(design: Design) -> str:
    terms = dict.fromkeys(term.source.name for term in design.terms)
    return ", ".join(repr(name) for name in terms)


def _zeros(templates: Templates, n: int) -> tuple[FloatArray, ...]:
    return tuple(np.zeros((n, size)) for size in templates.group_sizes)


def _columns_of(templates: Templates, z: Sequence[FloatArray], group: int, t: int) -> FloatArray:
    """The columns of term t in those of its group."""
    first = templates.term_offsets[t]
    return z[group][:, first : first + templates.sizes[t]]


def _put(columns: FloatArray, values: FloatArray, kept: BoolArray) -> None:
    """The columns of a term, zero where they are left out."""
    columns[...] = values if kept.all() else np.where(kept, values, 0.0)


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
