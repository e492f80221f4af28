"""Single-term deletions: fixed effects (`drop1`) and random effects (`ranova`).

Which terms may go, and the models without them, are `relatives`'; here these are fitted and
compared with the whole, of which they are special cases.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from mixedmodels.design.names import term_names
from mixedmodels.estimates import criteria
from mixedmodels.estimates.linear import Fitted, Model
from mixedmodels.inference.degrees import Degrees
from mixedmodels.inference.estimated import objective_error, warn_of_error
from mixedmodels.inference.ratio import ROUNDING, mixture_tail, ratio_test, warn_of_local_optimum
from mixedmodels.inference.relatives import (
    droppable,
    fit_design,
    random_deletions,
    without_fixed_term,
)
from mixedmodels.inference.tables import NONE
from mixedmodels.inference.terms import dropped_hypotheses
from mixedmodels.inference.wald import f_tests
from mixedmodels.naming import distinct
from mixedmodels.optimize import Request


def drop1_f(model: Model, degrees: Degrees) -> pd.DataFrame:
    """F tests of the fixed terms that no other contains, each after all others."""
    numbers = droppable(model.design.formula.terms)
    return f_tests(model, degrees, dropped_hypotheses(model, numbers))


def drop1(fitted: Fitted) -> pd.DataFrame:
    """Likelihood-ratio tests of the fixed terms that no other contains.

    Args:
        fitted: The fit by maximum likelihood.

    Raises:
        ModelError: A term cannot be left out without changing how others are coded.
    """
    design = fitted.model.design
    terms = design.formula.terms
    names = term_names(terms, taken=(NONE,))
    found = {
        names[k]: fit_design(fitted, without_fixed_term(design, k), names[k])
        for k in droppable(terms)
    }
    fitted = _best(fitted, found.values())
    rows = {NONE: (_npar(fitted), _aic(fitted), np.nan, np.nan, np.nan)}
    for name, reduced in found.items():
        df = fitted.solution.p - reduced.solution.p
        test = ratio_test(_ratio(fitted, reduced, reduced.solution.objective), df)
        rows[name] = (_npar(reduced), _aic(reduced), *test)
    columns = ["npar", "aic", "statistic", "df", "p_value"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return table.astype({"npar": np.int64})


def ranova(fitted: Fitted, *, reduce: bool) -> pd.DataFrame:
    """Likelihood-ratio tests of the random terms, by the criterion of the fit.

    Args:
        fitted: The fit.
        reduce: `(x | g)` becomes `(1 | g)`; otherwise it is left out as a whole.
    """
    deletions = random_deletions(fitted.model.design, reduce=reduce)
    names = distinct([deletion.label for deletion in deletions])
    rows = {NONE: _row(fitted.solution.objective, _npar(fitted))}
    for name, deletion in zip(names, deletions, strict=True):
        reduced = None
        if deletion.design is None:
            objective = _without_random_effects(fitted)
            npar = _npar(fitted) - fitted.model.templates.m
        else:
            reduced = fit_design(fitted, deletion.design, deletion.label)
            objective, npar = reduced.solution.objective, _npar(reduced)
        df = _npar(fitted) - npar
        test = ratio_test(_ratio(fitted, reduced, objective), df)
        mixture = mixture_tail(test.statistic, df) if deletion.boundary else np.nan
        rows[name] = _row(objective, npar, *test, mixture)
    columns = ["npar", "loglik", "aic", "statistic", "df", "p_value", "p_mixture"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return table.astype({"npar": np.int64})


def _best(fitted: Fitted, reduced: Iterable[Fitted]) -> Fitted:
    """The whole, searched again from the theta of a part that fits better, which cannot be."""
    for part in reduced:
        slack = ROUNDING + 3.0 * (objective_error(part.solution) + objective_error(fitted.solution))
        if part.solution.objective < fitted.solution.objective - slack:
            control = fitted.optsum.control
            again = fitted.searched_again(Request(start=part.solution.theta, control=control))
            if again.solution.objective < fitted.solution.objective:
                fitted = again
    return fitted


def _ratio(fitted: Fitted, reduced: Fitted | None, objective: float) -> float:
    """The likelihood ratio; NaN where the search for the reduced model has not converged."""
    if reduced is not None and not reduced.optsum.converged:
        return np.nan
    error = objective_error(fitted.solution)
    if reduced is not None:
        error += objective_error(reduced.solution)
        warn_of_error(reduced.solution, fitted.solution, "a model with and without a term")
    whole = fitted.solution.objective
    warn_of_local_optimum(objective, whole, error, "A model with fewer terms", "the whole")
    return objective - whole


def _without_random_effects(fitted: Fitted) -> float:
    """The criterion of the regression: that of the model at theta = 0."""
    return fitted.model.own_criterion(reml=fitted.solution.reml).without_random_effects()


def _npar(fitted: Fitted) -> int:
    return fitted.solution.npar


def _aic(fitted: Fitted) -> float:
    return float(criteria.aic(fitted.solution.objective, _npar(fitted)))


def _row(
    objective: float,
    npar: int,
    ratio: float = np.nan,
    df: float = np.nan,
    p_value: float = np.nan,
    p_mixture: float = np.nan,
) -> tuple[float, ...]:
    return (
        npar,
        -0.5 * objective,
        float(criteria.aic(objective, npar)),
        ratio,
        df,
        p_value,
        p_mixture,
    )
