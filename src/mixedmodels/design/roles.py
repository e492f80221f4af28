"""Refusals of columns in roles that exclude each other: a response that groups its own rows."""

from __future__ import annotations

from mixedmodels.design.evaluate import columns_of
from mixedmodels.design.frame import Table
from mixedmodels.errors import FormulaError, FormulaWarning, ModelError, warn
from mixedmodels.formula import Factor, FormulaSpec, RandomTerm
from mixedmodels.naming import spaceless


def check_roles(spec: FormulaSpec, table: Table) -> None:
    """Refuse random-effects terms that contain the response; warn of a slope on its own group.

    Raises:
        ModelError: Naming the term and the response.
    """
    for term in spec.random:
        _check_grouping(spec, term, table)
        for part in term.terms:
            for factor in part.factors:
                _check_slope(spec, term, factor)


def _check_grouping(spec: FormulaSpec, term: RandomTerm, table: Table) -> None:
    response = spec.response_factor
    if all(factor.is_column for factor in (response, *term.grouping)):
        same = response.name in term.factors
    elif all(f.is_column and f.name not in response.source for f in term.grouping):
        return
    else:
        try:
            own = set(columns_of(response, spec.text, table))
            grouping = {name for f in term.grouping for name in columns_of(f, spec.text, table)}
        except FormulaError:  # said where the factor is evaluated
            return
        same = bool(own) and own <= grouping
    if same:
        raise ModelError(
            f"{term.name} groups the rows by the response '{response.name}': all responses of one "
            "level are then alike and nothing is left to model. Group by something else."
        )


def _check_slope(spec: FormulaSpec, term: RandomTerm, factor: Factor) -> None:
    response = spec.response_factor
    if _same(factor, response):
        raise ModelError(
            f"{term.name} has the response '{factor.name}' as a covariate, which explains it "
            "exactly. Take it out of the term."
        )
    if len(term.grouping) == 1 and factor.key == term.keys[0]:
        warn(
            f"{term.name} lets the effect of '{factor.name}' differ between levels of the same "
            f"'{factor.name}', within which it does not vary. (1 | {factor.code}) is the usual "
            "term.",
            FormulaWarning,
        )


def _same(first: Factor, second: Factor) -> bool:
    """Whether two factors are one, whatever the spaces in an expression."""
    if first.is_column or second.is_column:
        return first.key == second.key
    return spaceless(first.name) == spaceless(second.name)
