"""What a study tests, by the name that a user gives: p-values of fits to simulated responses.

A fixed coefficient, equation or term is tested in each fit as `fit.test` and `fit.anova` test it;
likelihood ratios take two fits to each response.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.design import Design
from mixedmodels.design.lookup import GroupNames, find_terms
from mixedmodels.design.names import term_names
from mixedmodels.errors import MixedModelsError, did_you_mean
from mixedmodels.estimates.refits import Refits
from mixedmodels.estimates.tails import t_tail
from mixedmodels.inference.coefficients import degrees
from mixedmodels.inference.degrees import Degrees
from mixedmodels.inference.hypotheses import Spec, coefficients_of, hypothesis
from mixedmodels.inference.ratio import chi_square_tail, mixture_tail
from mixedmodels.inference.relatives import (
    Deletion,
    droppable,
    random_deletions,
    without_fixed_term,
)
from mixedmodels.inference.terms import term_hypotheses
from mixedmodels.naming import first_few, spaceless
from mixedmodels.planning.kinds import AnyModel, Kind, Refit
from mixedmodels.settings import DfMethod, DropTest

PValues: TypeAlias = "Callable[[FloatArray, Refits], FloatArray]"
Refitting: TypeAlias = "Callable[..., Refit]"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of each fit.

    Attributes:
        test: As the user gave it.
        kind: "F" for tests in the fit, "Chisq" for likelihood ratios.
        ddf: Degrees of freedom of the former.
    """

    test: Any
    kind: DropTest
    ddf: DfMethod


@dataclass(frozen=True, slots=True, eq=False)
class Test:
    """A test of fits to responses of one design.

    Attributes:
        label: What it tests, in words.
        reml: The criterion that its fits minimise.
        p_values: From responses (count, n) and the fits to these, (count,); NaN for a failed fit.
    """

    label: str
    reml: bool
    p_values: PValues = field(repr=False)


def test_of(
    question: Question, kind: Kind, model: AnyModel, reml: bool, refitter: Refitting
) -> Test:
    """The test that a user means, for the design of a model.

    Args:
        question: What is asked.
        kind: What is fitted.
        model: The model of the design.
        reml: The criterion of the study's fits.
        refitter: Makes of a model and a criterion what fits it.

    Raises:
        MixedModelsError: Nothing of the model is called so, or it cannot be tested so.
    """
    asked = question.test
    design = model.design
    if isinstance(asked, str):
        deletion = _random_part(design, asked)
        if deletion is not None:
            return _of_deletion(deletion, model, reml, refitter)
        k = _term(design, asked)
        if question.kind == "Chisq":
            return _ratio_of_term(model, asked, k, refitter)
        if k is not None and not _is_coefficient(design, asked):
            L = term_hypotheses(model, 3)[k]
            if not len(L):
                raise MixedModelsError(f"test: nothing of '{asked}' is estimable in this design.")
            rhs = np.zeros(len(L))
            return _of_rows(Rows(L, rhs, f"{asked} (F)"), kind, model, reml, question.ddf)
    elif question.kind == "Chisq":
        raise MixedModelsError(f"test is {asked!r:.80}; kind='Chisq' takes the name of a term.")
    return _of_spec(asked, kind, model, reml, question.ddf)


def _is_coefficient(design: Design, name: str) -> bool:
    return spaceless(name) in set(map(spaceless, design.x_names))


# -- fixed effects --------------------------------------------------------------------------


def _of_spec(spec: Spec, kind: Kind, model: AnyModel, reml: bool, ddf: DfMethod) -> Test:
    try:
        what = hypothesis(spec, None, coefficients_of(model))
    except MixedModelsError as error:
        if not isinstance(spec, str):
            raise
        raise MixedModelsError(f"test: {error} {_choices(model.design)}") from None
    letter = kind.one if len(what.L) == 1 else "F"
    label = f"{'; '.join(what.labels)} ({letter})"
    return _of_rows(Rows(what.L, what.rhs, label), kind, model, reml, ddf)


class Rows(NamedTuple):
    """Linear hypotheses L beta = rhs, and what they are called."""

    L: FloatArray
    rhs: FloatArray
    label: str


def _of_rows(rows: Rows, kind: Kind, model: AnyModel, reml: bool, ddf: DfMethod) -> Test:
    """Tests of them in the fit to each response, over the threads of the model."""

    def one(y: FloatArray, theta: FloatArray) -> float:
        if not np.isfinite(theta).all():
            return float("nan")
        fitted = kind.fitted(model, y, theta, reml=reml)
        return _p_value(degrees(fitted, ddf), rows.L, rows.rhs)

    def p_values(responses: FloatArray, fits: Refits) -> FloatArray:
        threads = model.affordable_threads()
        if threads == 1:
            return np.array([*map(one, responses, fits.theta)])
        with ThreadPoolExecutor(threads) as pool:
            return np.array([*pool.map(one, responses, fits.theta)])

    label = f"{rows.label}, ddf: {ddf}" if kind.residual else rows.label
    return Test(label, reml, p_values)


def _p_value(tests: Degrees, L: FloatArray, rhs: FloatArray) -> float:
    """The p value of the t test of one row, or of the F test of several."""
    difference = L @ tests.beta - rhs
    if len(L) > 1:
        return tests.joint(L, difference).p_value
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = difference / np.sqrt(tests.variances(L))
    return float(t_tail(tests.of_rows(L), statistic)[0])


def _term(design: Design, name: str) -> int | None:
    """The position of the fixed term that is called so, or None."""
    names = term_names(design.formula.terms)
    if name in names:
        return names.index(name)
    wanted = _parts(name)
    found = [k for k, own in enumerate(names) if _parts(own) == wanted]
    return found[0] if len(found) == 1 else None


def _parts(name: str) -> list[str]:
    """A name without spaces, its factors in one order."""
    return sorted(spaceless(name).split(":"))


def _ratio_of_term(model: AnyModel, name: str, k: int | None, refitter: Refitting) -> Test:
    """The likelihood-ratio test of a fixed term, by ML."""
    design = model.design
    if k is None or k not in droppable(design.formula.terms):
        names = term_names(design.formula.terms)
        left = [names[i] for i in droppable(design.formula.terms)]
        raise MixedModelsError(
            f"test is {name!r}; kind='Chisq' takes a term that can be left out: "
            f"{first_few(left, 12) or 'there is none'}.{did_you_mean(name, left)}"
        )
    reduced = model.with_design(without_fixed_term(design, k))
    small = refitter(reduced, reml=False)
    df = model.products.p - reduced.products.p

    def p_values(responses: FloatArray, fits: Refits) -> FloatArray:
        ratios = small(responses).objective - fits.objective
        return np.array([chi_square_tail(max(r, 0.0), df) for r in ratios])

    return Test(f"{name} (likelihood ratio, df {df})", False, p_values)


# -- random effects -------------------------------------------------------------------------


def _random_part(design: Design, name: str) -> Deletion | None:
    """The random-effects part that a user means; None for any other term.

    Raises:
        MixedModelsError: Several parts are meant, or a term that the model does not have.
    """
    both = [d for reduce in (True, False) for d in random_deletions(design, reduce=reduce)]
    for deletion in both:
        if _label(deletion.label) == _label(name):
            return deletion
    if " in (" in name:
        raise _not_a_part(name, both)
    if "|" not in name and GroupNames(design.groups).find(name) is None:
        return None
    terms = find_terms(design, name)
    sources = {design.terms[t].source.name for t in terms}
    own = [d for d in random_deletions(design, reduce=True) if _belongs(d, design, terms)]
    if len(own) == 1 and sources:
        return own[0]
    raise _not_a_part(name, own or both)


def _label(text: str) -> tuple[str, list[str]]:
    """A part without spaces and backticks, the factors of its group in one order."""
    effects, _, group = spaceless(text.replace("`", "")).partition("|")
    return effects, sorted(group.removesuffix(")").split(":"))


def _not_a_part(name: str, choices: Sequence[Deletion]) -> MixedModelsError:
    labels = list(dict.fromkeys(deletion.label for deletion in choices))
    return MixedModelsError(
        f"test is {name!r}; the parts of the random effects that can be left out are: "
        f"{first_few(labels, 12)}."
    )


def _belongs(deletion: Deletion, design: Design, terms: Sequence[int]) -> bool:
    """Whether what is left out is of one of the terms."""
    groups = {design.groups[design.terms[t].group].name for t in terms}
    left = {} if deletion.design is None else _counts(deletion.design)
    before = _counts(design)
    return any(left.get(name, 0) < before[name] for name in groups)


def _counts(design: Design) -> dict[str, int]:
    """Random effects of a level by grouping factor."""
    counts: dict[str, int] = {}
    for term in design.terms:
        name = design.groups[term.group].name
        counts[name] = counts.get(name, 0) + len(term.columns)
    return counts


def _of_deletion(deletion: Deletion, model: AnyModel, reml: bool, refitter: Refitting) -> Test:
    """The likelihood-ratio test of a random-effects part, as `ranova` makes it."""
    small = None
    m_left = 0
    if deletion.design is not None:
        reduced = model.with_design(deletion.design)
        m_left = reduced.templates.m
        small = refitter(reduced, reml=reml)
    df = model.templates.m - m_left

    def p_values(responses: FloatArray, fits: Refits) -> FloatArray:
        if small is None:
            less = np.array([_regression(model, reml, y) for y in responses])
        else:
            less = small(responses).objective
        tail = mixture_tail if deletion.boundary else chi_square_tail
        return np.array([tail(r, df) if np.isfinite(r) else np.nan
                         for r in np.maximum(less - fits.objective, 0.0)])  # fmt: skip

    how = ", mixture" if deletion.boundary else ""
    return Test(f"{deletion.label} (likelihood ratio, df {df}{how})", reml, p_values)


def _regression(model: AnyModel, reml: bool, y: FloatArray) -> float:
    """The criterion of the model without random effects."""
    criterion = model.with_response(y).own_criterion(reml=reml)
    return float(criterion.without_random_effects())


def _choices(design: Design) -> str:
    """What a test may name, for messages."""
    parts = [d.label for d in random_deletions(design, reduce=True)]
    terms = [name for name in term_names(design.formula.terms) if name not in design.x_names]
    return f"Terms: {', '.join(terms) or 'none'}; random effects: {first_few(parts, 12)}."
