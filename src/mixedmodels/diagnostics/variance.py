"""Shares of the variance: intraclass correlations, R squared, variance inflation.

Sources: Nakagawa and Schielzeth (2013), Methods Ecol. Evol. 4, 133-142; Johnson (2014), ibid. 5,
944-946, for random slopes; Nakagawa, Johnson and Schielzeth (2017), J. R. Soc. Interface 14,
20170213, for the two intraclass correlations; Fox and Monette (1992), J. Am. Stat. Assoc. 87,
178-183, for generalised variance inflation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from mixedmodels._core import Products
from mixedmodels.arrays import BoolArray, FloatArray
from mixedmodels.design.absent import rows_needed
from mixedmodels.design.names import INTERCEPT, term_names
from mixedmodels.diagnostics.information import information_root, log_det
from mixedmodels.diagnostics.rows import fixed_part
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.linear import Fitted
from mixedmodels.naming import distinct

Table = TypeVar("Table", "pd.Series[float]", pd.DataFrame)

ALL = "all"
"""What all grouping factors together are called."""


@dataclass(frozen=True, slots=True, eq=False)
class VarianceParts:
    """Where the response's variance comes from, averaged over the rows.

    Attributes:
        fixed: Sample variance (n - 1) of X beta.
        random: (groups,) the mean over rows of z_i' Sigma z_i.
        residual: Mean of sigma^2 / w_i; of a generalized model, the variance of its family.
        source: What the residual's is, in one word, or "".
        left_out: (groups,) those that count to the residual, or None.
    """

    fixed: float
    random: FloatArray
    residual: float
    source: str = ""
    left_out: BoolArray | None = None

    @property
    def all_random(self) -> float:
        """The variance of all grouping factors together."""
        return float(self.random.sum())


def variance_parts(fitted: Fitted) -> VarianceParts:
    """The parts at the estimates."""
    design, solution = fitted.model.design, fitted.solution
    if not design.has_rows:
        return _parts_of_sums(fitted)
    random = random_variances(fitted)
    weight = 1.0 if design.w is None else float(np.mean(1.0 / design.w))
    mean = fixed_part(fitted)
    # From the first row on: a constant varies by nothing, not by its rounding.
    fixed = float(np.var(mean - mean[0], ddof=1))
    return VarianceParts(fixed, random, solution.sigma**2 * weight)


def random_variances(fitted: Any) -> FloatArray:
    """(groups,) the mean over rows of z_i' Sigma z_i."""
    design, solution, templates = fitted.model.design, fitted.solution, fitted.model.templates
    random = np.zeros(len(design.groups))
    for term, lam in zip(design.terms, templates.lam(solution.theta), strict=True):
        root = solution.sigma * (np.asarray(term.z) @ lam)
        random[term.group] += float(np.einsum("ij,ij->", root, root)) / design.n
    return random


def _parts_of_sums(fitted: Fitted) -> VarianceParts:
    """The same from sums over rows, and with prior weights from moments without these.

    Raises:
        MixedModelsError: There are no such moments.
    """
    model, solution, templates = fitted.model, fitted.solution, fitted.model.templates
    products, n = model.products, solution.n
    if model.design.is_weighted or INTERCEPT not in model.design.x_names[:1]:
        return _parts_of_moments(fitted)
    random = np.zeros(len(model.design.groups))
    grams = [_gram(products, g) for g in range(len(random))]
    for t, lam in enumerate(templates.lam(solution.theta)):
        group, first = templates.groups[t], templates.term_offsets[t]
        own = slice(first, first + templates.sizes[t])
        root = solution.sigma * lam
        random[group] += float(np.trace(root.T @ grams[group][own, own] @ root)) / n
    # The first column of the basis is the intercept's direction: the others are centred.
    centred = products.R[1:] @ solution.beta[products.kept]
    fixed = float(centred @ centred) / (n - 1)
    return VarianceParts(fixed, random, solution.sigma**2)


def _parts_of_moments(fitted: Fitted) -> VarianceParts:
    model, solution, templates = fitted.model, fitted.solution, fitted.model.templates
    summary = model.design.summary
    if summary is None or summary.moments is None:
        raise rows_needed()
    moments, n = summary.moments, solution.n
    coefficients = moments.frame @ np.nan_to_num(solution.beta)
    fixed = float(coefficients @ moments.square @ coefficients) / (n - 1)
    random = np.zeros(len(model.design.groups))
    lam, at = templates.lam(solution.theta), 0
    for t in sorted(range(len(lam)), key=lambda t: templates.groups[t]):
        size = templates.sizes[t]
        gram = moments.grams[at : at + size * size].reshape((size, size))
        at += size * size
        root = solution.sigma * lam[t]
        random[templates.groups[t]] += float(np.trace(root.T @ gram @ root)) / n
    return VarianceParts(fixed, random, solution.sigma**2 * moments.inverse_weight / n)


def _gram(products: Products, group: int) -> FloatArray:
    """(S, S) z'z over all rows, of the columns as typed."""
    total: FloatArray = products.diagonal(group).sum(axis=0)
    axes = products.axes(group)
    if axes is None:
        return total
    inverse = np.linalg.inv(axes)
    found: FloatArray = inverse.T @ total @ inverse
    return found


def icc(groups: Sequence[str], parts: VarianceParts) -> pd.DataFrame:
    """Intraclass correlations by grouping factor and of all; see `LinearMixedFit.icc`."""
    names = distinct(groups, lambda g: f"group({groups[g]})", taken=(ALL,))
    variance = pd.Series([*parts.random, parts.all_random], [*names, ALL], name="variance")
    unexplained = parts.all_random + parts.residual
    table = pd.DataFrame(
        {
            "variance": variance,
            "adjusted": variance / unexplained,
            "conditional": variance / (unexplained + parts.fixed),
        }
    )
    if parts.left_out is not None:
        table = table[np.append(~parts.left_out, True)]
    return _sourced(table.rename_axis("group"), parts)


def r_squared(parts: VarianceParts) -> pd.Series[float]:
    """Marginal and conditional R squared; see `LinearMixedFit.r2`."""
    total = parts.fixed + parts.all_random + parts.residual
    found = pd.Series(
        {"marginal": parts.fixed / total, "conditional": (parts.fixed + parts.all_random) / total},
        name="r2",
    )
    return _sourced(found, parts)


def _sourced(found: Table, parts: VarianceParts) -> Table:
    """The table with a note on the variance of the rows, where that has a name."""
    if parts.source:
        found.attrs["variance"] = parts.source
    return found


def vif(fitted: Fitted) -> pd.DataFrame:
    """Generalised variance inflation by term; see `LinearMixedFit.vif`.

    Raises:
        MixedModelsError: No term besides the intercept.
    """
    design, solution = fitted.model.design, fitted.solution
    terms = design.formula.terms
    origin = np.array([design.fixed_spec.terms[j] for j in solution.kept], dtype=np.int64)
    used = [t for t, term in enumerate(terms) if term.factors]
    if not used:
        raise MixedModelsError(
            f"vif: the fixed part of {design.formula.text!r} has no term besides the intercept."
        )
    slopes = np.isin(origin, used)
    # The information on the slopes, the intercept being free: the inverse of their covariance.
    order = np.argsort(slopes, kind="stable")
    triangle = np.asarray(np.linalg.qr(information_root(fitted)[:, order], mode="r"))
    first = int((~slopes).sum())
    information, origin = triangle[first:, first:], origin[slopes]
    everything = log_det(information)
    rows = []
    for t in used:
        own = origin == t
        df = int(own.sum())
        inside, outside = log_det(information[:, own]), log_det(information[:, ~own])
        gvif = float(np.exp(inside + outside - everything)) if df else np.nan
        rows.append((df, gvif, gvif ** (0.5 / df) if df else np.nan))
    names = term_names(terms)
    index = pd.Index([names[t] for t in used], name="term")
    return pd.DataFrame(rows, index, ["df", "gvif", "scaled"])
