"""What the data leave open of one model and criterion: parameters, theta, and the words for it.

The confounded parameters are found in `design.identify`. Here they are named, and the part of theta
that has no influence is set to zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from mixedmodels._core import ErrorSums, Products
from mixedmodels.arrays import BoolArray, FloatArray, IntArray
from mixedmodels.covariance import Templates
from mixedmodels.criterion.iterative import IterativeWorkspace
from mixedmodels.criterion.linear import LinearCriterion
from mixedmodels.design import Design
from mixedmodels.design.identify import SUSPICIOUS, Confounded, Findings, examine, examine_rows
from mixedmodels.estimates.evidence import Evidence, RowEvidence
from mixedmodels.estimates.evidence_of_sums import SumEvidence, SumProbes
from mixedmodels.lazy import cached_property

# Rows beyond the random effects of a term up to which its variances are hardly determined.
_FEW_ROWS = 3
# A message lists at most this many parameters.
_MOST_NAMES = 6


@dataclass(frozen=True, eq=False)
class IdleEffects:
    """Effects whose (co)variances have no influence on the criterion.

    Attributes:
        templates: What theta means.
        effects: (m,) their diagonal entries.
    """

    templates: Templates
    effects: BoolArray

    @cached_property
    def dead(self) -> BoolArray:
        """(m,) entries of theta in rows and columns of these effects."""
        entries = self.templates.entries.tolist()
        return np.array(
            [(t, r) in self._gone or (t, c) in self._gone for t, r, c in entries], dtype=np.bool_
        )

    def settled(self, theta: FloatArray) -> FloatArray:
        """Theta with zero for these effects; the covariances of the others are unchanged."""
        lams = []
        for t, lam in enumerate(self.templates.lam(theta)):
            kept = np.array([(t, r) not in self._gone for r in range(len(lam))])
            lams.append(lam if kept.all() else _without(lam, kept))
        return self.templates.theta_of(lams)

    @cached_property
    def _gone(self) -> set[tuple[int, int]]:
        return {(t, r) for t, r, _ in self.templates.entries[self.effects].tolist()}


@dataclass(frozen=True, eq=False)
class Identification:
    """Which parameters of a model one criterion cannot tell apart.

    Attributes:
        design: The model.
        templates: What theta means.
        reml: The criterion.
        findings: What the data say, or None where nothing is confounded.
        evidence: What reasons are told from; None where nothing is confounded.
    """

    design: Design
    templates: Templates
    reml: bool
    findings: Findings | None
    evidence: Evidence | None = None

    @property
    def complete(self) -> bool:
        """Whether all parameters are identified."""
        found = self.findings
        return found is None or not (found.unknown.any() or found.residual)

    @cached_property
    def unknown(self) -> BoolArray:
        """(m + 1,) (co)variances, and the residual one, that are not identified."""
        found = self.findings
        if found is None:
            return np.zeros(self.templates.m + 1, dtype=np.bool_)
        return np.append(found.unknown, found.residual)

    @cached_property
    def unknown_theta(self) -> BoolArray:
        """(m,) entries of theta that depend on (co)variances that are not identified."""
        entries = self.templates.entries.tolist()
        open_ = [e for e, flag in zip(entries, self.unknown, strict=False) if flag]
        return np.array(
            [
                any(
                    t == term and column <= c and row in (*range(c + 1), r)
                    for t, row, column in open_
                )
                for term, r, c in entries
            ],
            dtype=np.bool_,
        )

    @cached_property
    def unknown_names(self) -> BoolArray:
        """(m + 1,) parameters of `parameter_names` that are not identified.

        A correlation is not where its covariance or one of its variances is not.
        """
        entries = [tuple(entry) for entry in self.templates.entries.tolist()]
        flags = dict(zip(entries, self.unknown.tolist(), strict=False))
        named = [flags[t, r, c] or flags[t, r, r] or flags[t, c, c] for t, r, c in entries]
        return np.array([*named, self.unknown[-1]], dtype=np.bool_)

    @cached_property
    def idle(self) -> IdleEffects | None:
        """Effects without influence on the criterion, or None."""
        found = self.findings
        if found is None:
            return None
        effects = found.empty | found.idle if self.reml else found.empty
        return IdleEffects(self.templates, effects) if effects.any() else None

    @cached_property
    def messages(self) -> tuple[str, ...]:
        """Sentences that name terms, reason and remedy; empty for ordinary models."""
        return (*self.problems, *_scarce(self.design))

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """Those of `messages` that say of parameters that they are not identified."""
        found = self.findings
        if found is None or self.evidence is None:
            return ()
        out = [*self._without_influence(found.empty, found.idle)]
        if found.too_few:
            return (*out, _too_few(self.design, self.evidence.rank))
        for terms, groups in _by_terms(found.groups, self.templates.entries).items():
            out.append(self._confounded(self.evidence, terms, groups))
        return tuple(dict.fromkeys(out))

    # -- words --------------------------------------------------------------------------

    def _without_influence(self, empty: BoolArray, idle: BoolArray) -> Iterator[str]:
        for t, names in self._effects(empty).items():
            yield (
                f"{self._name(t)}: {_listed(names)} is zero in all rows, so its variance has no "
                "influence on the fit; it is set to zero. Leave it out."
            )
        for t, names in self._effects(idle).items():
            group = self._group(t)
            if names == ["(Intercept)"]:
                what = f"all differences between the levels of '{group}'"
            else:
                what = f"all differences between the levels of '{group}' in {_listed(names)}"
            result = (
                "so the variance has no influence on the REML criterion; it is set to zero"
                if self.reml
                else "so the ML estimate of the variance is zero whatever the response"
            )
            whole = len(names) == self.templates.sizes[t]
            remedy = "the term" if whole else f"{_listed(names)} out of the term"
            yield (
                f"{self._name(t)}: the fixed part already explains {what}, {result}. Leave "
                f"{remedy}{' out' if whole else ''}, or take the fixed effects that repeat it out "
                "of the fixed part."
            )

    def _confounded(
        self, evidence: Evidence, terms: tuple[int, ...], groups: list[Confounded]
    ) -> str:
        entries = np.logical_or.reduce([group.entries for group in groups])
        residual = any(group.residual for group in groups)
        after = (
            ", once the fixed effects are taken out" if all(group.fixed for group in groups) else ""
        )
        shown = self._parameters(entries, residual)
        names = [self._name(t) for t in terms]
        distinct = list(dict.fromkeys(names))
        if len(terms) == 1 and not residual:
            return self._within(evidence, terms[0], entries, shown, after)
        whole = [*distinct, "the residuals"] if residual else distinct
        if len(whole) == 1:
            head = f"The columns of {whole[0]} cannot be told apart"
        else:
            head = f"{_listed(whole)} cannot be told apart"
        reason = self._reason(evidence, terms, residual)
        return (
            f"{head}{after}: {reason}. Only some combinations of {shown} "
            f"are determined, and the estimates shown are one of many that fit equally well. "
            f"{'Leave a term out' if len(distinct) > 1 else 'Simplify the term'}."
        )

    def _within(
        self, evidence: Evidence, t: int, entries: BoolArray, shown: str, after: str
    ) -> str:
        """One term whose own (co)variances are confounded."""
        term, name = self.design.terms[t], self._name(t)
        constant = [
            column
            for j, column in enumerate(term.columns)
            if column != "(Intercept)" and evidence.constant_within(t, j)
        ]
        used = self.templates.entries[entries]
        if (used[:, 1] != used[:, 2]).all():
            reason = "no level of the group has both effects of a pair"
        elif evidence.dependent((t,)):
            reason = f"its columns {_listed(list(term.columns))} are linearly dependent"
        elif constant:
            does = "does" if len(constant) == 1 else "do"
            reason = f"{_listed(constant)} {does} not vary within the levels of '{self._group(t)}'"
        else:
            reason = "its columns have too few different values within the levels of the group"
        return (
            f"{name}: not all variances and correlations are determined{after}, because {reason}. "
            f"Only some combinations of {shown} are, and the estimates shown are one of many "
            "that fit equally well. Leave columns out of the term, or write || for |."
        )

    def _reason(self, evidence: Evidence, terms: tuple[int, ...], residual: bool) -> str:
        design = self.design
        if residual:
            return "their effects give the response the same variances and covariances"
        for i, t in enumerate(terms):
            for u in terms[:i]:
                a, b = design.terms[u].group, design.terms[t].group
                if a != b and evidence.same_groups(a, b):
                    first, second = design.groups[a].name, design.groups[b].name
                    return f"'{first}' and '{second}' divide the rows into the same groups"
        used = {design.terms[t].group for t in terms}
        if len(used) == 1 and evidence.dependent(terms):
            columns = [column for t in terms for column in design.terms[t].columns]
            return f"their columns {_listed(columns)} are linearly dependent"
        return "their effects give the response the same variances and covariances"

    def _effects(self, chosen: BoolArray) -> dict[int, list[str]]:
        """The columns of the chosen diagonal entries, by term."""
        out: dict[int, list[str]] = {}
        for t, row, _ in self.templates.entries[chosen].tolist():
            out.setdefault(t, []).append(self.templates.columns[t][row])
        return out

    def _parameters(self, entries: BoolArray, residual: bool) -> str:
        names = [
            f"sd({self.templates.group_names[self.templates.groups[t]]}."
            f"{self.templates.columns[t][r]})"
            if r == c
            else f"cor({self.templates.group_names[self.templates.groups[t]]}."
            f"{self.templates.columns[t][c]}.{self.templates.columns[t][r]})"
            for t, r, c in self.templates.entries[entries].tolist()
        ]
        names += ["sigma"] if residual else []
        if len(names) > _MOST_NAMES:
            names = [*names[: _MOST_NAMES - 1], f"{len(names) - _MOST_NAMES + 1} more"]
        return _listed(names)

    def _name(self, t: int) -> str:
        return self.design.terms[t].source.name

    def _group(self, t: int) -> str:
        return self.design.groups[self.design.terms[t].group].name


def identify(design: Design, criterion: LinearCriterion, products: Products) -> Identification:
    """What a criterion leaves open; examined only where the products raise suspicion."""
    pivot, share = criterion.identifiability()
    templates, reml = criterion.workspace.templates, criterion.reml
    if pivot > SUSPICIOUS and share > SUSPICIOUS:
        return Identification(design, templates, reml, None)
    if design.has_rows:
        found = examine_rows(design, products.R, products.kept, reml=reml)
        return Identification(design, templates, reml, found, RowEvidence(design))
    probes = SumProbes(products, templates, design.n, lambda: _rank(criterion))
    found = examine(probes, reml=reml)
    return Identification(design, templates, reml, found, SumEvidence(design, products, templates))


def _rank(criterion: LinearCriterion) -> int:
    """Rank of [Z X] of a model without rows."""
    workspace = criterion.workspace
    if isinstance(workspace, IterativeWorkspace):  # there is no factor: take it that rows are left
        return 0
    return ErrorSums(workspace.analysis, workspace.templates.core_entries, workspace.threads).rank


def _by_terms(
    groups: Iterable[Confounded], entries: IntArray
) -> dict[tuple[int, ...], list[Confounded]]:
    out: dict[tuple[int, ...], list[Confounded]] = {}
    for group in groups:
        terms = tuple(sorted(set(entries[group.entries, 0].tolist())))
        out.setdefault(terms, []).append(group)
    return out


def _too_few(design: Design, rank: int) -> str:
    left = design.n - rank
    terms = _listed(list(dict.fromkeys(term.source.name for term in design.terms)))
    return (
        f"{terms} cannot be told from the residuals: {design.n} rows less {rank} fixed effects "
        f"leave {left}, too few for the variances of the model. The estimates shown are one of "
        "many that fit equally well. Leave fixed effects or random terms out."
    )


def _scarce(design: Design) -> list[str]:
    """Terms with almost as many random effects as there are rows."""
    out = []
    for term in design.terms:
        effects = len(term.columns) * design.groups[term.group].n_levels
        left = design.n - effects
        if left <= _FEW_ROWS:
            rows = "1 row tells" if left == 1 else f"{left} rows tell"
            out.append(
                f"{term.source.name} has {effects} random effects and the data {design.n} rows: "
                f"only {rows} its variance from that of the residuals. Expect wide intervals, or "
                "group by something that repeats."
            )
    return out


def _without(lam: FloatArray, kept: BoolArray) -> FloatArray:
    """The template whose covariance is that of the kept effects, and zero for the others."""
    out = np.zeros_like(lam)
    if kept.any():
        _, upper = np.linalg.qr(lam[kept].T)
        size = len(upper)
        signs = np.where(np.diag(upper) < 0.0, -1.0, 1.0)
        # Adding zero turns the -0.0 of a flipped zero into 0.0.
        out[np.ix_(kept, np.flatnonzero(kept)[:size])] = upper.T * signs + 0.0
    return out


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
