"""Models beside a fit: the same one by ML, and the designs with a fixed or random term left out.

Columns are taken away from the matrices that exist already, so no data are needed; where a term's
absence would change the coding of the others, what they lack is added or, failing that, refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.design import Design, TermDesign
from mixedmodels.design.absent import changed, is_set
from mixedmodels.design.matrix import ONLY_INTERCEPT, PartPlan, ones
from mixedmodels.design.names import INTERCEPT, term_names
from mixedmodels.design.rank import scope_terms
from mixedmodels.errors import ModelError
from mixedmodels.estimates.linear import Fitted, judged
from mixedmodels.estimates.narrowed import adding_to_one
from mixedmodels.formula import RandomTerm, Term
from mixedmodels.formula.spec import write_terms
from mixedmodels.optimize import Request

Part: TypeAlias = frozenset[tuple[str, bool]]
"""A product of factors, each with whether it lacks a level."""

_CONSTANT: Part = frozenset()
# Largest part of a constant, left by columns, with which it counts as in their span.
_IN_SPAN = 1e-10


def fit_design(fitted: Fitted, design: Design, what: str) -> Fitted:
    """The fit of another design by the criterion of `fitted`, from all starts.

    Args:
        fitted: The whole.
        design: A part of it; its theta is a start where the random effects are the same.
        what: What was left out, for a warning where the search does not converge.
    """
    reml, theta = fitted.solution.reml, fitted.solution.theta
    start = theta if design.terms is fitted.model.design.terms else None
    request = Request(start=start, control=fitted.optsum.control, own_starts=True)
    model = fitted.model.with_design(design)
    found = model.solve(model.criterion(reml=reml), request)
    return judged(found, "REML" if reml else "ML", f"the model without '{what}'")


def droppable(terms: Sequence[Term]) -> list[int]:
    """Positions of the terms that no other term contains (R's `drop.scope`), without the intercept.

    A main effect stays as long as an interaction with it is in the model.
    """
    keys = [frozenset(factor.key for factor in term.factors) for term in terms]
    return [i for i, own in enumerate(keys) if own and not any(own < other for other in keys)]


def without_fixed_term(design: Design, k: int) -> Design:
    """The design without the k-th term of the fixed part.

    Raises:
        ModelError: other terms would be coded otherwise without it, in a way X does not hold.
    """
    terms = design.formula.terms
    what = f"The fixed effect '{terms[k].name}'"
    keep, intercept = _columns_without(design.fixed_spec, terms, k, what)
    plan = _narrow(design.fixed_spec, keep, intercept)
    changes: dict[str, Any] = {"x_names": plan.names, "fixed_spec": plan}
    if design.has_rows:
        changes["X"] = np.asfortranarray(_take(design.X, keep, intercept))
    return changed(design, **changes)


@dataclass(frozen=True, slots=True)
class Deletion:
    """A random-effects part that can be left out.

    Attributes:
        label: How it is called.
        design: The design without it, or None when no random effects are left.
        columns: How many random effects per level go.
        boundary: Whether a single variance, with its covariances, is what goes: only then does the
            50:50 mixture hold.
    """

    label: str
    design: Design | None
    columns: int
    boundary: bool


def random_deletions(design: Design, *, reduce: bool) -> list[Deletion]:
    """Every random term (or, with `reduce`, every part of one) that can be left out.

    In the order of the formula, which is not that of theta.

    With `reduce`, `(x | g)` loses `x` and becomes `(1 | g)`, as in lmerTest's `ranova`; without, it
    goes as a whole. `(x || g)` is two terms.
    """
    found: list[Deletion] = []
    sources = dict.fromkeys(term.source for term in design.terms)
    for source in sorted(sources, key=lambda source: source.start):
        members = [t for t, term in enumerate(design.terms) if term.source is source]
        if source.correlated or len(members) == 1:
            found += _of_correlated(design, members[0], reduce=reduce)
        else:
            found += _of_uncorrelated(design, source, members)
    return found


def _of_correlated(design: Design, t: int, *, reduce: bool) -> list[Deletion]:
    term = design.terms[t]
    width, lhs = len(term.columns), term.source.terms
    name = _written(term.source, term.source.lhs)
    whole = [Deletion(name, _with_terms(design, {t: None}), width, width == 1)]
    if not reduce or width == 1:
        return whole
    parts = droppable(lhs)
    if len(lhs) == 1:
        if not _spans_constant(term):
            return whole
        reduced = _with_terms(design, {t: _constant(term)})
        return [Deletion(f"{lhs[0].name} in {name}", reduced, width - 1, False)]
    found = []
    names = term_names(lhs)
    for k in parts:
        label = f"{names[k]} in {name}"
        keep, intercept = _columns_without(term.spec, lhs, k, f"'{label}'")
        plan = _narrow(term.spec, keep, intercept)
        changes: dict[str, Any] = {"columns": plan.names, "spec": plan}
        if is_set(term, "z"):
            changes["z"] = _take(term.z, keep, intercept)
        reduced = _with_terms(design, {t: changed(term, **changes)})
        gone = width - len(plan.columns)
        found.append(Deletion(label, reduced, gone, gone == 1 and not intercept))
    return found


def _of_uncorrelated(design: Design, source: RandomTerm, members: list[int]) -> list[Deletion]:
    """Independent columns go by the term of the left-hand side they come from."""
    found = []
    by_origin: dict[int, list[int]] = {}
    for t in members:
        by_origin.setdefault(design.terms[t].spec.terms[0], []).append(t)
    for origin, columns in by_origin.items():
        term = source.terms[origin]
        label = _written(source, write_terms((term,)))
        reduced = _with_terms(design, dict.fromkeys(columns, None))
        found.append(Deletion(label, reduced, len(columns), len(columns) == 1))
    return found


def _written(source: RandomTerm, lhs: str) -> str:
    """A term as one writes it: `1 +` goes without saying."""
    group = ":".join(factor.code for factor in source.grouping)
    return f"({lhs.removeprefix('1 + ')} | {group})"


def _with_terms(design: Design, others: dict[int, TermDesign | None]) -> Design | None:
    """The design with terms replaced, or left out where None; groups without a term go too."""
    terms = [others.get(t, term) for t, term in enumerate(design.terms)]
    left = [term for term in terms if term is not None]
    if not left:
        return None
    used = sorted({term.group for term in left})
    return changed(
        design,
        groups=tuple(design.groups[g] for g in used),
        terms=tuple(changed(term, group=used.index(term.group)) for term in left),
    )


def _constant(term: TermDesign) -> TermDesign:
    """A random intercept in the place of a term."""
    changes: dict[str, Any] = {"columns": ONLY_INTERCEPT.names, "spec": ONLY_INTERCEPT}
    if is_set(term, "z"):
        changes["z"] = ones(len(term.z))
    return changed(term, **changes)


def _spans_constant(term: TermDesign) -> bool:
    if not is_set(term, "z"):
        return adding_to_one(term.spec) is not None
    z = term.z
    one = np.ones(len(z))
    fitted = z @ np.linalg.lstsq(z, one, rcond=None)[0]
    return bool(np.max(np.abs(one - fitted)) < _IN_SPAN)


def _columns_without(
    plan: PartPlan, terms: Sequence[Term], k: int, what: str
) -> tuple[list[int], bool]:
    """Columns that stay when term k goes, and whether a constant must come in its place.

    In `0 + f + g` the coding of f carries the constant; without f, that of g does.
    """
    lost = _lost(plan, terms, k)
    if lost - {_CONSTANT}:
        raise ModelError(
            f"{what} cannot be left out by itself: other terms share a part of it that stands "
            "in the model only with it. Write the lower-order terms out in the formula."
        )
    return [j for j, origin in enumerate(plan.terms) if origin != k], bool(lost)


def loses_columns(plan: PartPlan, terms: Sequence[Term], k: int) -> bool:
    """Whether the other terms stand for more without term k than by their columns beside it."""
    return bool(_lost(plan, terms, k))


def _lost(plan: PartPlan, terms: Sequence[Term], k: int) -> set[Part]:
    others = [term for i, term in enumerate(terms) if i != k]
    return _parts(plan, others) - _parts(plan, terms, without=k)


def _parts(plan: PartPlan, terms: Sequence[Term], without: int = -1) -> set[Part]:
    """The products of reduced factors that the terms span, those of one term not counted."""
    keys = list(dict.fromkeys(factor.key for term in terms for factor in term.factors))
    spans = tuple(
        plan.recipes[key].levels is not None or _reduced_somewhere(plan, key) for key in keys
    )
    numbered = tuple(tuple(keys.index(factor.key) for factor in term.factors) for term in terms)
    found: set[Part] = set()
    for i, products in enumerate(scope_terms(numbered, spans)):
        for product in products if i != without else ():
            choices = [
                [((keys[f], True),), ()] if spans[f] and not reduced else [((keys[f], reduced),)]
                for f, reduced in product
            ]
            chosen: Iterable[tuple[Part, ...]] = itertools.product(
                *([frozenset(option) for option in options] for options in choices)
            )
            found |= {frozenset().union(*parts) for parts in chosen}
    return found


def _reduced_somewhere(plan: PartPlan, key: str) -> bool:
    return any(name == key and reduced for column in plan.columns for name, reduced, _ in column)


def _narrow(plan: PartPlan, keep: list[int], intercept: bool) -> PartPlan:
    names = ((INTERCEPT,) if intercept else ()) + tuple(plan.names[j] for j in keep)
    columns = (((),) if intercept else ()) + tuple(plan.columns[j] for j in keep)
    terms = ((-1,) if intercept else ()) + tuple(plan.terms[j] for j in keep)
    return PartPlan(names, columns, plan.recipes, terms)


def _take(matrix: FloatArray, keep: list[int], intercept: bool) -> FloatArray:
    kept = matrix[:, keep]
    return np.column_stack([np.ones(len(kept)), kept]) if intercept else kept
