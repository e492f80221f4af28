"""Fits without rows: which rows go together, the compiled refits, and what became of each.

Refused are fits that `lmer` would refuse on the rows left: a grouping factor with one level, as
many levels or random effects as rows. They are NaN, with the reason in `notes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mixedmodels.arrays import AnyArray, FloatArray, LongArray
from mixedmodels.design.partition import partition
from mixedmodels.diagnostics.influence import Influence
from mixedmodels.diagnostics.information import information_root
from mixedmodels.diagnostics.one_step import Deletions, newton_matrix, rows_by_one_step
from mixedmodels.diagnostics.rows import row_labels
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.forward import ForwardAxes
from mixedmodels.estimates.model import Fitted
from mixedmodels.naming import first_few
from mixedmodels.settings import (
    INFLUENCE_METHODS,
    Control,
    InfluenceMethod,
    check_option,
    thread_count,
)


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
        return RowSets("row", row_labels(design), np.arange(design.n + 1), np.arange(design.n))
    found = partition("influence: by", by, design)
    return _grouped(found.name, found.levels, found.codes)


def _grouped(by: str, levels: pd.Index, codes: npt.NDArray[Any]) -> RowSets:
    counts = np.bincount(codes, minlength=len(levels))
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return RowSets(by, levels, start, np.argsort(codes, kind="stable").astype(np.int64))


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
    check_option("method", method, INFLUENCE_METHODS)
    count = thread_count(threads, fitted.model.threads)
    sets = row_sets(fitted, by).chosen(only)
    control = control or fitted.optsum.control
    if method == "one-step" and by is None:
        found = rows_by_one_step(fitted, sets.rows)
    else:
        newton = newton_matrix(fitted) if method == "one-step" else None
        found = _fits(fitted, sets, control, newton, fitted.model.affordable_threads(count))
    return _result(fitted, sets, method, found, control)


def _fits(
    fitted: Fitted, sets: RowSets, control: Control, newton: FloatArray | None, threads: int
) -> Deletions:
    """The core's fits."""
    found = fitted.criterion.fit_without(
        (sets.start, sets.rows),
        fitted.solution.axes_theta,
        control,
        newton,
        ForwardAxes.of(fitted.model.products, fitted.model.templates).packed(),
        threads,
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
        notes[left * size >= n] = f"refused: as many random effects of '{group.name}' left as rows"
        notes[left < 2] = f"refused: '{group.name}' has fewer than 2 levels left"
    return [str(note) for note in notes]
