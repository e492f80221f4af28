"""What a singular fit means: which effects or directions vanish, and a simpler formula to try.

Also which parameters the data cannot distinguish, whether the fit is singular or not.

Whether a fit is singular is decided as `estimates.messages` does; here it is put into words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.design import Design, TermDesign
from mixedmodels.errors import FormulaError
from mixedmodels.estimates.linear import Fitted
from mixedmodels.estimates.messages import singular_terms
from mixedmodels.formula import FormulaSpec, RandomTerm, Term, parse_formula
from mixedmodels.formula.spec import write_terms
from mixedmodels.report.results import Result
from mixedmodels.report.sections import Paragraph, Section


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Singularity(Result):
    """Where the covariance of the random effects is singular, and what to try.

    Attributes:
        is_singular: Whether it is, at the tolerance of the fit.
        directions: A row per direction without variance: `group`, `term`, `direction`.
        advice: Sentences.
        formula: A simpler formula to try, or None when there is nothing simpler of this kind.
        not_identified: Sentences on parameters that the data cannot tell apart; empty if all are
            identified. They are part of `advice`.
    """

    is_singular: bool
    directions: pd.DataFrame
    advice: tuple[str, ...]
    formula: str | None
    not_identified: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """The directions without variance: `group`, `term`, `direction`."""
        return self.directions.copy()

    def _sections(self) -> Sequence[Section]:
        """The advice, line by line, with the formula to try."""
        lines = list(self.advice)
        if self.formula is not None:
            lines += ["Simpler model to try:", f"  {self.formula}"]
        return [Paragraph(tuple(lines))]


@dataclass(frozen=True, slots=True, eq=False)
class _Finding:
    """What vanishes in one term as fitted: whole effects, and directions among the others."""

    term: TermDesign
    gone: tuple[str, ...]
    directions: tuple[tuple[FloatArray, tuple[str, ...]], ...]


def singularity(fitted: Fitted) -> Singularity:
    """Advice on a fit; see `LinearMixedFit.singularity`."""
    design, templates = fitted.model.design, fitted.model.templates
    tol = fitted.optsum.control.singular_tol
    relative = fitted.solution.relative_theta
    lams = templates.lam(relative)
    found = {
        t: _finding(design.terms[t], _axes(fitted, t), lams[t], tol)
        for t in singular_terms(templates, relative, tol)
    }
    problems = fitted.identification.problems
    if not found:
        advice: tuple[str, ...] = (
            "The fit is not singular: every direction of the random effects varies.",
            *problems,
        )
        return Singularity(False, _table(design, []), advice, None, problems)
    findings = list(found.values())
    sentences = [sentence for finding in findings for sentence in _sentences(finding)]
    formula = _simpler(design, findings)
    if formula is None:
        sentences.append(_nothing_simpler(design, findings))
    advice = (*sentences, *problems)
    return Singularity(True, _table(design, findings), advice, formula, problems)


def _axes(fitted: Fitted, t: int) -> FloatArray:
    """(s, s) the effects of a term along its axes, a row each."""
    templates = fitted.model.templates
    size, first = templates.sizes[t], templates.term_offsets[t]
    axes: FloatArray | None = fitted.model.products.axes(templates.groups[t])
    own = slice(first, first + size)
    return np.eye(size) if axes is None else axes[own, own]


def _finding(term: TermDesign, axes: FloatArray, lam: FloatArray, tol: float) -> _Finding:
    """What vanishes of a template along the axes, where the origin of a covariate has no part."""
    length = np.linalg.norm(axes, axis=1)
    is_gone = np.linalg.norm(axes @ lam, axis=1) < tol * length
    left, sd, _ = np.linalg.svd(lam)
    null = left[:, sd < tol]
    # Of the directions without variance those that are not among the effects without.
    turn, _, _ = np.linalg.svd(null.T @ (axes[is_gone] / length[is_gone, None]).T)
    null = null @ turn[:, np.count_nonzero(is_gone) :]
    weights = np.linalg.solve(axes.T, null) * length[:, None]
    alive = np.flatnonzero(~is_gone)
    names = tuple(term.columns[j] for j in alive)
    vectors = [vector / np.linalg.norm(vector) for vector in weights[alive].T]
    gone = tuple(term.columns[j] for j in np.flatnonzero(is_gone))
    return _Finding(term, gone, tuple((vector, names) for vector in vectors))


def _sentences(finding: _Finding) -> list[str]:
    place = f"{finding.term.source.name}: "
    out = [f"{place}the variance of {name} is zero." for name in finding.gone]
    for vector, names in finding.directions:
        if len(names) == 2:
            sign = "-1" if vector[0] * vector[1] > 0.0 else "+1"
            out.append(f"{place}the correlation of {names[0]} and {names[1]} is {sign}.")
        else:
            out.append(
                f"{place}nothing varies along {_combination(vector, names)}; the "
                f"{len(names)} effects have {len(names) - len(finding.directions)} "
                "directions among them."
            )
    return list(dict.fromkeys(out))


def _combination(vector: FloatArray, names: Sequence[str]) -> str:
    """A direction as text, its largest entry positive: `0.71 (Intercept) - 0.70 Days`."""
    turned = vector if vector[np.argmax(np.abs(vector))] > 0.0 else -vector
    parts = [(weight, name) for weight, name in zip(turned, names, strict=True)]
    shown = [(weight, name) for weight, name in parts if abs(weight) >= 0.005]
    text = " ".join(
        f"{'-' if weight < 0 else '+'} {abs(weight):.2f} {name}" for weight, name in shown
    )
    return text.removeprefix("+ ")


def _table(design: Design, findings: Sequence[_Finding]) -> pd.DataFrame:
    rows = [
        (design.groups[finding.term.group].name, finding.term.source.name, direction)
        for finding in findings
        for direction in (*finding.gone, *(_combination(*pair) for pair in finding.directions))
    ]
    return pd.DataFrame(rows, columns=["group", "term", "direction"])


# -- the simpler formula --------------------------------------------------------------------


def _simpler(design: Design, findings: Sequence[_Finding]) -> str | None:
    """The formula without what vanishes, or None when that is not a formula, or the same one."""
    spec = design.formula
    singular = {id(finding.term.source) for finding in findings}
    kept: dict[tuple[int, int], list[str]] = {}
    changed: set[tuple[int, int]] = set()
    for source in spec.random:
        span = (source.start, source.end)
        text = _reduced(design, source, findings) if id(source) in singular else _written(source)
        if id(source) in singular and text != _written(source):
            changed.add(span)
        kept.setdefault(span, []).extend([text] if text else [])
    if not changed or not any(kept.values()):
        return None
    text = spec.text
    for span in sorted(changed, reverse=True):
        text = _replaced(text, span, " + ".join(kept[span]))
    try:
        parse_formula(text)
    except FormulaError:
        return None
    return text


def _reduced(design: Design, source: RandomTerm, findings: Sequence[_Finding]) -> str:
    """The term without its vanishing parts; empty when all of it vanishes."""
    fitted = [term for term in design.terms if term.source is source]
    gone = {name for finding in findings if finding.term.source is source for name in finding.gone}
    origin = {
        name: (at, any(reduced for _, reduced, _ in column))
        for term in fitted
        for name, column, at in zip(
            term.spec.names, term.spec.columns, term.spec.terms, strict=True
        )
    }
    dead = {
        at
        for at in range(len(source.terms))
        if (own := {name for name, (of, _) in origin.items() if of == at}) and own <= gone
    }
    alive = [name for name, (at, _) in origin.items() if at not in dead]
    if any(origin[name][1] for name in alive):
        # Without the intercept the factor would be coded in full: another model, not a simpler one.
        dead = {at for at in dead if source.terms[at].factors}
    left = tuple(term for at, term in enumerate(source.terms) if at not in dead)
    if not left:
        return ""
    if dead:
        return _written(source, left)
    directions = any(finding.directions for finding in findings if finding.term.source is source)
    splits = source.correlated and len(origin) > 1 and (directions or gone)
    return _written(source, correlated=not splits and source.correlated)


def _written(
    source: RandomTerm, terms: tuple[Term, ...] | None = None, correlated: bool | None = None
) -> str:
    """The term as formula text."""
    bar = "|" if (source.correlated if correlated is None else correlated) else "||"
    group = ":".join(factor.code for factor in source.grouping)
    left = source.terms if terms is None else terms
    return f"({write_terms(left)} {bar if len(left) > 1 or bar == '|' else '|'} {group})"


def _replaced(text: str, span: tuple[int, int], by: str) -> str:
    """`text` with a random-effects term replaced, or taken out with the plus beside it."""
    before, after = text[: span[0]], text[span[1] :]
    if by:
        return before + by + after
    if before.rstrip().endswith("+"):
        return before.rstrip()[:-1].rstrip() + after
    return before + after.lstrip().removeprefix("+").lstrip()


def _nothing_simpler(design: Design, findings: Sequence[_Finding]) -> str:
    spec: FormulaSpec = design.formula
    if all(len(f.gone) == len(f.term.columns) for f in findings) and len(findings) == len(
        design.terms
    ):
        return (
            "No random effect varies: an ordinary linear model "
            f"({spec.response} ~ {spec.fixed}) says the same."
        )
    return "No formula leaves out just this; code the columns that vary yourself and use those."
