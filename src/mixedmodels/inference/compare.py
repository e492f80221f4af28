"""The table that compares models: likelihood ratios and information criteria.

Fits by REML are fitted again by ML before they come here; whether models are nested is `nesting`'s
to find out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels._core import Products
from mixedmodels.arrays import FloatArray
from mixedmodels.design import Design
from mixedmodels.design.places import used_rows
from mixedmodels.errors import MixedModelsError, NotNestedWarning, warn
from mixedmodels.estimates import criteria
from mixedmodels.estimates.solution import Solution
from mixedmodels.families.base import Family
from mixedmodels.families.positive import Gaussian
from mixedmodels.inference.estimated import objective_error, warn_of_error
from mixedmodels.inference.nesting import (
    distribution_nested,
    fixed_part_nested,
    offsets_nested,
    random_part_nested,
)
from mixedmodels.inference.ratio import RatioTest, ratio_test, warn_of_local_optimum
from mixedmodels.report.frames import frame_table
from mixedmodels.report.results import TableResult
from mixedmodels.report.sections import Section

REFITTED = "REML fits were refitted by ML."
RESTRICTED = "Restricted likelihoods (REML); the fixed parts are the same."
CRITERIA = ("aic", "aicc", "bic", "weight")
_CRITERIA = "Compare AIC, AICc or BIC."
# Distribution of a linear model in words, as generalized ones have theirs.
_LINEAR = "gaussian (identity)"


# Difference of two ratios that is rounding of searches.
_SAME_RATIO = 1e-6
# Relative difference of two sums over the same rows.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One model of a comparison.

    Attributes:
        name: Its row.
        design: What was fitted.
        solution: The numbers at the optimum.
        products: Cross-products, which tell rows apart where there are none.
        distribution: Family, link and predictors of other parameters than the mean, in words.
        family: Of a generalized model; else None.
        method: How its likelihood is made, in words.
        formula: The formula, with what was given beside it; that of the design where empty.
    """

    name: str
    design: Design
    solution: Solution
    products: Products
    distribution: str = ""
    family: Family | None = None
    method: str = ""
    formula: str = ""

    @property
    def title(self) -> str:
        """What was fitted, in words."""
        return "; ".join(
            filter(None, (self.formula or self.design.formula.text, self.distribution))
        )

    @property
    def npar(self) -> int:
        """Number of parameters."""
        return self.solution.npar


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Comparison(TableResult):
    """Models of the same data, each tested against the one before it.

    Attributes:
        note: How the likelihoods were made comparable; empty when nothing had to be done.
        models: Formula by name, with the distribution of a generalized model.
        drawn: How responses were drawn; empty where none were.
    """

    note: str
    models: Mapping[str, str]
    drawn: str = ""

    @property
    def heading(self) -> tuple[str, ...]:
        """The note and the formulas."""
        formulas = (f"{name}: {formula}" for name, formula in self.models.items())
        return (*filter(None, (self.note, self.drawn)), *formulas)

    def _tables(self) -> Sequence[Section]:
        """The tests, and apart from these the criteria, so that each fits into 80 columns."""
        untested = (str(self.table.index[0]), *self.notes)
        tests = self.table.drop(columns=list(CRITERIA))
        criteria = self.table[list(CRITERIA)]
        return [frame_table(tests, blank=untested), frame_table(criteria)]


def check_comparable(candidates: Sequence[Candidate], who: str = "anova") -> None:
    """Refuse fits whose likelihoods are not of the same data.

    Raises:
        MixedModelsError: Fewer than two fits, names that repeat, other rows or another response.
    """
    if len(candidates) < 2:
        raise MixedModelsError(
            f"{who} compares two fits or more; it was given {len(candidates)}. "
            "For tests of one fit's terms see drop1() and ranova()."
        )
    names = [candidate.name for candidate in candidates]
    for name in names:
        if names.count(name) > 1:
            raise MixedModelsError(f"Two fits are called '{name}'; give every fit its own name.")
    first = candidates[0]
    for other in candidates[1:]:
        if other.design.n != first.design.n:
            raise MixedModelsError(
                f"The fits use different rows: '{first.name}' uses {first.design.n}, "
                f"'{other.name}' {other.design.n}. Likelihoods compare on the same rows only: "
                "drop those with a missing value in any variable of any model first."
            )
        if not (first.design.has_rows and other.design.has_rows):
            _check_sums(first, other)
            continue
        changed = np.flatnonzero(first.design.y != other.design.y)
        if changed.size:
            row, design = changed[0], first.design
            raise MixedModelsError(
                f"The fits have different responses: '{first.design.response_name}' of "
                f"'{first.name}' and '{other.design.response_name}' of '{other.name}' differ in "
                f"{changed.size} of {design.n} rows, the first of them "
                f"{used_rows(changed[:1], design.rows, design.index)} "
                f"({design.y[row]:g} and {other.design.y[row]:g}). "
                "Fit both models to the same response and rows."
            )


def _check_sums(first: Candidate, other: Candidate) -> None:
    """Refuse sums over other responses, which differ by more than rounding.

    Raises:
        MixedModelsError: They do.
    """
    norms = (first.products.response_norm, other.products.response_norm)
    if abs(norms[0] - norms[1]) <= _ROUNDING * max(norms):
        return
    raise MixedModelsError(
        f"The fits have different responses or rows: the norm of '{first.design.response_name}' of "
        f"'{first.name}' is {norms[0]:.12g}, and that of '{other.design.response_name}' of "
        f"'{other.name}' {norms[1]:.12g}. Fit both models to the same response and rows."
    )


def of_one_kind(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Candidates, linear models among generalized ones as those of the Gaussian family.

    Raises:
        MixedModelsError: Some likelihoods are densities and some probabilities.
    """
    families = [Gaussian() if one.family is None else one.family for one in candidates]
    for other, family in zip(candidates, families, strict=True):
        if family.continuous != families[0].continuous:
            kinds = ("densities of a continuous response", "probabilities of counts or categories")
            first, second = kinds if families[0].continuous else reversed(kinds)
            raise MixedModelsError(
                f"The likelihood of '{candidates[0].name}' is made of {first}, that of "
                f"'{other.name}' of {second}, which do not compare. Compare families of "
                "one kind, and each with the data by fit.check()."
            )
    methods = [one.method for one in candidates if one.family is not None]
    if not methods:
        return list(candidates)
    # The likelihood of a linear model is exact, whatever approximation the others have.
    return [
        dataclasses.replace(one, family=family, distribution=_LINEAR, method=methods[0])
        if one.family is None
        else one
        for one, family in zip(candidates, families, strict=True)
    ]


def check_approximations(candidates: Sequence[Candidate]) -> None:
    """Refuse to compare likelihoods that are approximated in different ways.

    Raises:
        MixedModelsError: They are.
    """
    first = candidates[0]
    for other in candidates[1:]:
        if other.method != first.method:
            raise MixedModelsError(
                f"'{first.name}' is fitted by {first.method}, '{other.name}' by {other.method}: "
                "their likelihoods differ by the approximation too. Fit both with the same n_agq= "
                "and information=."
            )


def _same_columns(first: Candidate, other: Candidate) -> bool:
    """Whether two models have the same columns of X."""
    both = (first, other)
    if all(one.design.has_rows for one in both):
        a, b = (one.design.X[:, one.solution.kept] for one in both)
        return a.shape == b.shape and np.array_equal(a, b)
    names = [[one.design.x_names[j] for j in one.solution.kept] for one in both]
    if names[0] != names[1]:
        return False
    R, S = (one.products.R for one in both)
    return bool(np.abs(R - S).max(initial=0.0) <= _ROUNDING * np.abs(R).max(initial=0.0))


def check_restricted(candidates: Sequence[Candidate]) -> None:
    """Refuse to compare restricted likelihoods where these are not of the same contrasts.

    Raises:
        MixedModelsError: ML and REML mixed, or fixed parts that differ.
    """
    kinds = {candidate.solution.reml for candidate in candidates}
    if len(kinds) > 1:
        reml = [candidate.name for candidate in candidates if candidate.solution.reml]
        raise MixedModelsError(
            f"Some fits are by REML ({', '.join(reml)}) and some by ML; their likelihoods do not "
            "compare. Leave refit=True."
        )
    first = candidates[0]
    for other in candidates[1:]:
        if kinds == {True} and not _same_columns(first, other):
            raise MixedModelsError(
                f"'{first.name}' and '{other.name}' have different fixed parts "
                f"({first.design.formula.fixed} and {other.design.formula.fixed}), so their REML "
                "likelihoods do not compare. Leave refit=True, which compares by ML."
            )


def compare(candidates: Sequence[Candidate], note: str) -> Comparison:
    """The table, models by number of parameters.

    Args:
        candidates: Comparable fits.
        note: What was done to make them so.
    """
    ordered = sorted(candidates, key=lambda candidate: candidate.npar)
    notes: dict[str, str] = {}
    tests = [_test(small, large, notes) for small, large in pairwise(ordered)]
    npar = np.array([candidate.npar for candidate in ordered])
    objective = np.array([candidate.solution.objective for candidate in ordered])
    n = ordered[0].design.n
    aic = criteria.aic(objective, npar)
    relative = np.exp(-0.5 * (aic - aic.min()))
    table: dict[str, Any] = {
        "npar": npar,
        "aic": aic,
        "aicc": criteria.aicc(objective, npar, n),
        "bic": criteria.bic(objective, npar, n),
        "weight": relative / relative.sum(),
        "loglik": -0.5 * objective,
        "deviance": objective,
        "statistic": [np.nan, *(test.statistic for test in tests)],
        "df": [np.nan, *(float(test.df) for test in tests)],
        "p_value": [np.nan, *(test.p_value for test in tests)],
    }
    models = {candidate.name: candidate.title for candidate in ordered}
    for small, large in pairwise(ordered):
        warn_of_error(small.solution, large.solution, f"'{small.name}' and '{large.name}'")
    note = " ".join(filter(None, (note, _accuracy(ordered))))
    frame = pd.DataFrame(table, index=list(models))
    frame.attrs["notes"] = notes
    return Comparison(frame, note, models)


def with_bootstrap(found: Comparison, drawn: Mapping[str, FloatArray]) -> Comparison:
    """The table with p-values by ratios of drawn responses, `p_bootstrap`.

    Args:
        found: The table.
        drawn: By model, ratios of responses drawn from the one before; NaN where a fit failed.
    """
    table = found.table.copy()
    table["p_bootstrap"] = np.nan
    table.attrs = dict(found.table.attrs)
    failed = 0
    for name, ratios in drawn.items():
        good = ratios[np.isfinite(ratios)]
        failed += len(ratios) - len(good)
        # A ratio that differs by rounding of two searches counts as the same.
        reached = np.sum(good >= float(table.loc[name, "statistic"]) - _SAME_RATIO)
        if len(good):
            table.loc[name, "p_bootstrap"] = (1.0 + reached) / (1.0 + len(good))
    nsim = max(map(len, drawn.values()), default=0)
    lost = f"; {failed} were not fitted" if failed else ""
    said = f"p_bootstrap: {nsim} responses drawn from the smaller model of each test{lost}."
    return dataclasses.replace(found, table=table, drawn=said if drawn else "")


def _accuracy(candidates: Sequence[Candidate]) -> str:
    """Which deviances are estimated, and their standard errors."""
    errors = ((c.name, objective_error(c.solution)) for c in candidates)
    stated = [f"{name} +- {error:.1g}" for name, error in errors if error > 0.0]
    return f"Deviances are estimated: {', '.join(stated)}." if stated else ""


def _not_nested(small: Candidate, large: Candidate) -> str:
    """What of a model is not a special case of another's; "" where all is."""
    one, other = small.design, large.design
    if not distribution_nested(one, small.family, other, large.family):
        return f"distribution '{small.distribution}'"
    if not fixed_part_nested(one, other):
        return f"fixed part '{one.formula.fixed}'"
    if not offsets_nested(one, other):
        return "offset"
    residual = small.family is None
    if not random_part_nested(one, other, residual=residual):
        return f"random part '{' + '.join(term.name for term in one.formula.random)}'"
    return ""


def _test(small: Candidate, large: Candidate, notes: dict[str, str]) -> RatioTest:
    """The test of a model against a larger one; `notes` gets why there is no p-value."""
    objectives = small.solution.objective, large.solution.objective
    ratio, df = objectives[0] - objectives[1], large.npar - small.npar
    if not df:
        notes[large.name] = f"No test: '{small.name}' has as many parameters. {_CRITERIA}"
        return ratio_test(ratio, df)
    part = _not_nested(small, large)
    if part:
        why = (
            f"'{small.name}' is not nested in '{large.name}': its {part} is not a special case of "
            f"the larger model's{_by_names(small, large)}. Their likelihood ratio has no "
            f"chi-square distribution, so there is no p-value. {_CRITERIA}"
        )
        warn(why, NotNestedWarning)
        notes[large.name] = f"No test: '{small.name}' is not nested in it. {_CRITERIA}"
        return ratio_test(ratio, df, nested=False)
    error = objective_error(small.solution) + objective_error(large.solution)
    warn_of_local_optimum(*objectives, error, f"'{small.name}'", f"'{large.name}'")
    return ratio_test(ratio, df)


def _by_names(small: Candidate, large: Candidate) -> str:
    """How that was decided, where models have no rows."""
    if small.design.has_rows and large.design.has_rows:
        return ""
    return ", by the names of its columns (fits made from sums have no rows)"
