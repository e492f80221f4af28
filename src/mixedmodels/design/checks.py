"""Refusals before any fitting: what the data cannot identify, whatever the optimiser would do."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from mixedmodels.arrays import FloatArray
from mixedmodels.design.columns import level_labels
from mixedmodels.design.design import TermDesign
from mixedmodels.design.groups import GroupingFactor
from mixedmodels.design.stray import stored_as_text
from mixedmodels.errors import DataError, FormulaWarning, ModelError, warn
from mixedmodels.formula import RandomTerm
from mixedmodels.naming import first_few

# Columns of a term from which on its number of parameters is worth a word, and most that are named.
_WIDE = 8


def check_response(name: str, y: FloatArray, n: int | None = None) -> None:
    """Refuse a response that never varies.

    Args:
        name: The response.
        y: (rows,) the response; of the rows of a source, its extremes among others.
        n: Number of all rows if these are some of them.

    Raises:
        DataError: all values are the same.
    """
    if y.size and y[0] != y[-1]:  # of most responses this is enough
        return
    if (y == y[:1]).all():
        value = f"{y[0] + 0.0:.15g} in all {n or y.size} rows" if y.size else "empty"
        raise DataError(f"The response '{name}' is constant ({value}); there is nothing to model.")


def check_ruled_response(
    name: str, y: FloatArray, w: FloatArray | None, *, of_trials: bool
) -> None:
    """Refuse a response of a generalized model that never varies.

    Args:
        name: The response.
        y: (n,) the response; of trials, successes.
        w: (n,) prior weights, which may be trials; None where all are 1.
        of_trials: Whether they are.

    Raises:
        DataError: All values are the same; of trials, all are failures or all are successes.
    """
    if not of_trials:
        check_response(name, y)
        return
    if y.size and 0.0 < y[0] < (1.0 if w is None else w[0]):  # of many trials this is often enough
        return
    all_succeed = bool((y == (1.0 if w is None else w)).all())
    outcome = "failure" if not y.any() else "success" if all_succeed else ""
    if outcome:
        raise DataError(
            f"The response '{name}' is constant (a {outcome} in all {y.size} rows); there is "
            "nothing to model."
        )


def check_identifiable(
    terms: Sequence[TermDesign], groups: Sequence[GroupingFactor], n: int, *, residual: bool
) -> None:
    """Refuse terms that the number of rows cannot support, as lme4 does.

    Args:
        terms: Random-effects terms.
        groups: Their grouping factors.
        n: Rows used.
        residual: Whether the model has a residual variance of its own (linear models). Without
            one, one level (or coefficient) for each row is allowed.

    Raises:
        ModelError: one level only, too many levels or coefficients, or one effect in two terms.
    """
    for term in terms:
        _check_size(term, groups[term.group], n, residual)
    if len(terms) > len(groups):  # every group has a term
        for group in range(len(groups)):
            _check_repeated([term for term in terms if term.group == group])


def warn_of_wide_terms(terms: Sequence[TermDesign], groups: Sequence[GroupingFactor]) -> None:
    """Warn before the search of terms with far more columns than their group has levels."""
    for term in terms:
        width, group = len(term.columns), groups[term.group]
        if width < _WIDE or width <= group.n_levels:
            continue
        source = term.source
        turned = ""
        if len(source.terms) <= 2 and len(source.grouping) == 1:
            factors = [part.factors[0] for part in source.terms if len(part.factors) == 1]
            if len(factors) == 1:
                turned = f" Did you mean ({source.grouping[0].source} | {factors[0].source})?"
        as_text = _numbers_as_text(term)
        hint = f" {as_text}" if as_text else turned
        warn(
            f"{source.name} has {width} columns, so {width * (width + 1) // 2} variances and "
            f"covariances, and '{group.name}' has {group.n_levels} levels, from which they cannot "
            f"be estimated; the search may take long.{hint}",
            FormulaWarning,
        )


def _check_size(term: TermDesign, group: GroupingFactor, n: int, residual: bool) -> None:
    allowed = n - 1 if residual else n
    n_effects = group.n_levels * len(term.columns)
    if group.n_levels > 1 and group.n_levels <= allowed and n_effects <= allowed:
        return
    where = f"{term.source.name} cannot be estimated: "
    if group.n_levels < 2:
        level = ", ".join(level_labels(group.levels))
        raise ModelError(
            f"{where}the grouping factor '{group.name}' has only one level in use ({level}); "
            "variation between levels needs at least two. Leave the term out."
        )
    relation = "as many levels as there are rows" if group.n_levels == n else "too many levels"
    if group.n_levels > allowed:
        raise ModelError(
            f"{where}the grouping factor '{group.name}' has {group.n_levels} levels and the data "
            f"{n} rows ({relation}), so its effects cannot be told from the residuals. Group by "
            "something that repeats."
        )
    raise ModelError(
        f"{where}it has {n_effects} random effects ({group.n_levels} levels of '{group.name}' "
        f"x {len(term.columns)} columns: {first_few(term.columns, _WIDE)}) and the data {n} rows, "
        "so they cannot be told from the residuals. "
        f"{_numbers_as_text(term) or 'Leave columns out of the term.'}"
    )


def _numbers_as_text(term: TermDesign) -> str:
    """What to do with columns of a term that are numbers or dates as text, of which factors are."""
    return " ".join(filter(None, itertools.starmap(stored_as_text, term.spec.factors)))


def _check_repeated(terms: Sequence[TermDesign]) -> None:
    """Two variances for one effect of one group add up; only their sum is identified."""
    owners: dict[object, TermDesign] = {}
    for term in terms:
        for column, name in zip(term.spec.columns, term.columns, strict=True):
            other = owners.setdefault(column, term)
            if other is term:
                continue
            first, second = sorted((other.source, term.source), key=lambda source: source.start)
            remedy = _remedy(name, first, second)
            raise ModelError(
                f"{first.name} and {second.name} both have the effect '{name}' of "
                f"'{second.group}', so their variances cannot be told apart; {remedy}."
            )


def _remedy(name: str, first: RandomTerm, second: RandomTerm) -> str:
    for source in (second, first):
        if name == "(Intercept)" and source.lhs.startswith("1 + "):
            bar = "|" if source.correlated else "||"
            return f"write (0 + {source.lhs[4:]} {bar} {source.group}) instead of {source.name}"
    return "leave it out of one of them"
