"""Fits without rows: which rows go together, the compiled refits, and what became of each.

Refused are fits that `lmer` would refuse on the rows left: a grouping factor with one level, as
many levels or random effects as rows. They are NaN, with the reason in `notes`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mixedmodels.arrays import AnyArray, FloatArray, LongArray
from mixedmodels.criterion.linear import RowsElsewhere
from mixedmodels.design.by_row import all_labels, spread
from mixedmodels.design.partition import partition
from mixedmodels.diagnostics.influence import Influence
from mixedmodels.diagnostics.information import information_root
from mixedmodels.diagnostics.one_step import Deletions, newton_matrix, no_step, rows_by_one_step
from mixedmodels.errors import ArgumentError, MixedModelsError
from mixedmodels.estimates.forward import ForwardAxes
from mixedmodels.estimates.linear import Fitted
from mixedmodels.naming import first_few
from mixedmodels.settings import (
    INFLUENCE_METHODS,
    Control,
    InfluenceMethod,
    check_flag,
    thread_count,
)
from mixedmodels.spelling import chosen_option


@dataclass(frozen=True, slots=True, eq=False)
class RowSets:
    """Rows to leave out together.

    Attributes:
        by: "row", the name of a grouping factor, or "labels".
        labels: (sets,) what is left out.
        start: (sets + 1,) where each set begins in `rows`.
        rows: Positions of rows, set after set.
    """

    by: str
    labels: pd.Index
    start: LongArray
    rows: LongArray

    @property
    def sizes(self) -> LongArray:
        """(sets,) rows in each."""
        return np.diff(self.start)

    def not_empty(self) -> RowSets:
        """Without the rows that are left out of the model already."""
        there = self.sizes > 0
        if there.all():
            return self
        start = np.concatenate([[0], np.cumsum(self.sizes[there])]).astype(np.int64)
        return RowSets(self.by, self.labels[there], start, self.rows)

    def chosen(self, only: Sequence[Any] | None) -> RowSets:
        """The sets with the labels `only`, in that order.

        Raises:
            MixedModelsError: A label that is not there.
        """
        if only is None:
            return self
        wanted = [only] if isinstance(only, str) else list(only)
        at = self.labels.get_indexer_for(wanted)
        if (at < 0).any() or len(at) != len(wanted):
            absent = [label for label in wanted if label not in self.labels]
            raise MixedModelsError(
                f"influence: only={absent[0]!r} is not among the {len(self.labels)} labels of "
                f"{self.by!r}: {first_few(list(map(repr, self.labels[:6].tolist())), 5)}."
                if absent
                else f"influence: the labels of {self.by!r} are not unique, so only= cannot choose."
            )
        sets = [self.rows[self.start[i] : self.start[i + 1]] for i in at]
        start = np.concatenate([[0], np.cumsum([len(rows) for rows in sets])]).astype(np.int64)
        rows = np.concatenate([*sets, np.empty(0, np.int64)]).astype(np.int64)
        return RowSets(self.by, self.labels[at], start, rows)


def row_sets(fitted: Fitted, by: str | npt.ArrayLike | None) -> RowSets:
    """The sets for `by`: None for single rows, a grouping factor, or a label for every row.

    Raises:
        MixedModelsError: No grouping factor of that name, or labels of another length.
    """
    design = fitted.model.design
    if by is None:
        labels = all_labels(design)
        size = np.ones(design.n, np.int64)
        if design.all_rows is not None and design.rows is not None:
            size = np.zeros(len(labels), np.int64)
            size[design.rows] = 1
        start = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
        return RowSets("row", labels, start, np.arange(design.n))
    found = partition("influence: by", by, design)
    return _grouped(found.name, found.levels, found.codes)


def _grouped(by: str, levels: pd.Index, codes: npt.NDArray[Any]) -> RowSets:
    counts = np.bincount(codes, minlength=len(levels))
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return RowSets(by, levels, start, np.argsort(codes, kind="stable").astype(np.int64))


# How a step of theta is made from a gradient; None for a search.
_NEWTON: dict[InfluenceMethod, Callable[[Fitted], FloatArray | None]] = {
    "exact": lambda _fitted: None,
    "one-step": newton_matrix,
    "held": no_step,
}


def chosen_method(
    method: InfluenceMethod | None, exact: bool | None, default: InfluenceMethod
) -> InfluenceMethod:
    """The method that `method` and `exact` ask for together.

    Raises:
        MixedModelsError: An unknown method, or two that contradict each other.
    """
    if exact is not None:
        check_flag("exact", exact)
    if method is None:
        return default if exact is None else "exact" if exact else "held"
    method = chosen_option("method", method, INFLUENCE_METHODS)
    if exact is not None and exact != (method == "exact"):
        raise ArgumentError(f"exact={exact} contradicts method={method!r}; give one of them.")
    return method


def influence(
    fitted: Fitted,
    by: str | npt.ArrayLike | None,
    method: InfluenceMethod,
    *,
    only: Sequence[Any] | None = None,
    control: Control | None = None,
    threads: int | None = None,
) -> Influence:
    """Fits without each set of rows; see `LinearMixedFit.influence`.

    Raises:
        MixedModelsError: An unknown method, grouping factor or label, or an invalid number of
            threads.
    """
    count = thread_count(threads, fitted.model.threads)
    asked = row_sets(fitted, by).chosen(only)
    sets, control = asked.not_empty(), control or fitted.optsum.control
    found = deletions_of(fitted, sets, method, control, count)
    return _on_all(_result(fitted, sets, method, found, control), asked)


@singledispatch
def deletions_of(
    fitted: Any, sets: RowSets, method: InfluenceMethod, control: Control, threads: int
) -> Deletions:
    """The fits of a fit of whichever kind."""
    raise NotImplementedError(type(fitted))


@deletions_of.register
def _(
    fitted: Fitted, sets: RowSets, method: InfluenceMethod, control: Control, threads: int
) -> Deletions:
    newton = _NEWTON[method](fitted)
    if newton is not None and sets.by == "row":
        return rows_by_one_step(fitted, sets.rows, newton)
    return _fits(fitted, sets, control, newton, fitted.model.affordable_threads(threads))


def influence_of_rows(
    fitted: Fitted,
    sets: RowSets,
    elsewhere: RowsElsewhere,
    method: InfluenceMethod,
    control: Control | None,
    threads: int | None,
) -> Influence:
    """Fits of a model that was made from sums without each set of some of its rows.

    Raises:
        MixedModelsError: The log-determinant of the model is estimated.
    """
    count = thread_count(threads, fitted.model.threads)
    newton, control = _NEWTON[method](fitted), control or fitted.optsum.control
    at_once = fitted.model.affordable_threads(count)
    found = _fits(fitted, sets, control, newton, at_once, elsewhere)
    return _result(fitted, sets, method, found, control)


def _fits(
    fitted: Fitted,
    sets: RowSets,
    control: Control,
    newton: FloatArray | None,
    threads: int,
    elsewhere: RowsElsewhere | None = None,
) -> Deletions:
    """The core's fits."""
    found = fitted.criterion.fit_without(
        (sets.start, sets.rows),
        fitted.solution.axes_theta,
        control,
        newton,
        ForwardAxes.of(fitted.model.products, fitted.model.templates).packed(),
        threads,
        elsewhere,
    )
    return Deletions(
        found.theta,
        found.beta,
        found.std_error,
        found.sigma,
        found.objective,
        found.n,
        found.levels,
        found.decrement,
    )


def _result(
    fitted: Fitted,
    sets: RowSets,
    method: InfluenceMethod,
    found: Deletions,
    control: Control,
) -> Influence:
    solution, templates, design = fitted.solution, fitted.model.templates, fitted.model.design
    names = [design.x_names[j] for j in solution.kept]
    notes = _notes(fitted, found, names)
    refused = np.array([note.startswith("refused") for note in notes], dtype=np.bool_)
    found.refuse(refused)
    theta = fitted.model.axes.from_axes(found.theta)
    converged = np.isfinite(found.objective)
    if method == "exact":
        converged &= found.decrement <= control.gtol
    notes = [
        note or ("" if good else "not converged")
        for note, good in zip(notes, converged, strict=True)
    ]
    index, kept = sets.labels, solution.kept
    return Influence(
        by=sets.by,
        method=method,
        beta=pd.DataFrame(found.beta, index, names),
        std_error=pd.DataFrame(found.std_error, index, names),
        theta=pd.DataFrame(templates.rectify(theta.T).T, index, list(templates.names)),
        sigma=pd.Series(found.sigma, index, name="sigma"),
        objective=pd.Series(found.objective, index, name="objective"),
        nobs=pd.Series(found.n, index, name="nobs"),
        converged=pd.Series(converged, index, name="converged"),
        notes=pd.Series(notes, index, name="notes", dtype=object),
        full_beta=pd.Series(solution.beta[kept], names, name="beta"),
        full_vcov=pd.DataFrame(solution.vcov.copy(), names, names),
        full_theta=pd.Series(solution.theta.copy(), list(templates.names), name="theta"),
        full_sigma=solution.sigma,
        full_root=information_root(fitted),
    )


def _on_all(found: Influence, asked: RowSets) -> Influence:
    """The deletions asked for, those of rows that the model leaves out as missing values."""
    there = np.flatnonzero(asked.sizes)
    if len(there) == len(asked.labels):
        return found
    tables = {
        field.name: spread(getattr(found, field.name), there, asked.labels)
        for field in dataclasses.fields(found)
        if isinstance(getattr(found, field.name), (pd.Series, pd.DataFrame))
        and not field.name.startswith("full_")
    }
    tables["notes"] = tables["notes"].fillna("the model leaves the row out")
    return dataclasses.replace(found, **tables)


def _notes(fitted: Fitted, found: Deletions, names: list[str]) -> list[str]:
    """For every deletion why its fit is refused, or which columns it has lost; else ""."""
    design, templates = fitted.model.design, fitted.model.templates
    n, levels = found.n, found.levels
    notes: AnyArray = np.full(len(n), "", dtype=object)
    lost = np.isnan(found.beta)
    for i in np.flatnonzero(lost.any(axis=1) & np.isfinite(found.objective)):
        gone = ", ".join(name for name, is_lost in zip(names, lost[i], strict=True) if is_lost)
        notes[i] = f"dependent without these rows: {gone}"
    notes[~np.isfinite(found.objective)] = "refused: the rows left do not determine the model"
    for g, group in enumerate(design.groups):
        size = max(s for s, of in zip(templates.sizes, templates.groups, strict=True) if of == g)
        left = levels[:, g]
        if fitted.solution.residual_sd is not None:
            many = f"refused: as many random effects of '{group.name}' left as rows"
            notes[left * size >= n] = many
        notes[left < 2] = f"refused: '{group.name}' has fewer than 2 levels left"
    return [str(note) for note in notes]
