"""What is said of separated responses: coefficients without a finite estimate, where and why."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from mixedmodels.arrays import BoolArray, LongArray
from mixedmodels.design import Design
from mixedmodels.design.stray import levels_of_single_rows
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.separation import UNPROVED, Separation, suspected
from mixedmodels.naming import first_few

# Coefficients that a message names.
_MOST_NAMED = 10


def separation(fitted: GeneralizedFitted) -> Separation | None:
    """What separates the responses of a fit that is suspected of it; None where nothing does."""
    return fitted.model.separation[0] if fitted.once(_suspected) else None


def suspicion(fitted: GeneralizedFitted) -> str | None:
    """What is said where separation is suspected and the data are too large for a proof."""
    if not (fitted.optsum.converged and fitted.once(_suspected)):
        return None
    if not suspected(fitted.model, fitted.parameters, near=UNPROVED):
        return None
    found, certain = fitted.model.separation
    if certain or found is not None:
        return None
    return (
        "Separation is suspected: fitted probabilities or means of some rows are at a bound, and "
        "the data are too large to find out which coefficients have no finite estimate. Look for "
        "coefficients with very large standard errors, and for levels at which all responses are "
        "the same."
    )


def _suspected(fitted: GeneralizedFitted) -> bool:
    return suspected(fitted.model, fitted.parameters, converged=fitted.optsum.converged)


def separation_message(fitted: GeneralizedFitted, found: Separation) -> str:
    """Which coefficients have no finite estimate, where, and what to do."""
    listed = first_few([f"'{name}'" for name in found.names], _MOST_NAMED)
    if len(found.names) > _MOST_NAMED:
        listed = f"{listed} ({len(found.names)} in all)"
    which = (
        f"the coefficient {listed} has no finite estimate"
        if len(found.names) == 1
        else f"the coefficients {listed} have no finite estimates (a combination of them)"
    )
    design = fitted.model.design
    remedy = levels_of_single_rows(design.fixed_spec.factors, design.n) or (
        "Merge the level with others, leave the term out, or make it a random effect."
    )
    return (
        f"Separation: {which}. {_where(fitted, found)} Estimates and standard errors of these "
        f"coefficients mean nothing; the others can be used. {remedy}"
    )


def _where(fitted: GeneralizedFitted, found: Separation) -> str:
    """The rows that are separated, as a cell of the design if they are one."""
    design, family = fitted.model.design, fitted.model.family
    y, m = design.y[found.rows], fitted.model.weights[found.rows]
    if family.of_trials:
        same = "a failure" if (y == 0.0).all() else "a success" if (y == m).all() else ""
    elif family.ordered:
        lowest, highest = (y == design.y.min()).all(), (y == design.y.max()).all()
        same = "the lowest category" if lowest else "the highest category" if highest else ""
    else:
        same = f"{y[0]:g}"
    kind = f"the response is always {same}" if same else "the predictors determine the response"
    cells = _cells(design, found.rows)
    if cells:
        return f"Where {', and where '.join(cells)}, {kind}."
    count = "all" if len(found.rows) == design.n else str(len(found.rows))
    return f"In {count} rows {kind}."


def _cells(design: Design, rows: LongArray) -> list[str]:
    """Levels of one factor, or of two, that together are just these rows; few of them."""
    inside: BoolArray = np.zeros(design.n, dtype=np.bool_)
    inside[rows] = True
    if inside.all():
        return []
    factors = {
        name: (np.asarray(variable.values), variable.levels)
        for name, variable in design.variables.items()
        if variable.levels is not None and variable.values is not None
    }
    for size in (1, 2):
        for names in combinations(factors, size):
            codes = np.column_stack([factors[name][0] for name in names])
            cells = np.unique(codes[inside], axis=0)
            members = [(codes == cell).all(axis=1) for cell in cells[:6]]
            covered = np.any(members, axis=0)
            if len(cells) > 5 or (covered & ~inside).any():
                continue
            return [
                " and ".join(
                    f"{name} is {factors[name][1][int(code)]!s}"
                    for name, code in zip(names, cell, strict=True)
                )
                for cell in cells
            ]
    return []
