"""Cluster-robust covariance of a generalized fit: the sandwich of all its parameters.

The criterion is a sum over clusters that hold whole levels of every grouping factor. A cluster's
score is the gradient of its own part by theta, the coefficients and the family's own parameter; the
bread is the inverse of the exact Hessian in all of them. Reference: White (1982), Econometrica 50.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.design.partition import LABELS, Partition
from mixedmodels.errors import ModelError
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.generalized_covariances import known_parameters
from mixedmodels.estimates.rows_left import part_of_rows
from mixedmodels.inference.clusters import clusters_of
from mixedmodels.inference.degrees import Normal
from mixedmodels.inference.robust import RobustCovariance, robust
from mixedmodels.settings import ROBUST_KINDS, RobustKind
from mixedmodels.spelling import chosen_option


@robust.register
def _(
    fitted: GeneralizedFitted, cluster: Any, kind: RobustKind, data: Any = None
) -> RobustCovariance:
    kind = chosen_option("kind", kind, ROBUST_KINDS)
    if kind == "CR2":
        raise ModelError(
            "vcov_robust(kind='CR2'): its correction makes the covariance unbiased where the "
            "errors are those of a linear model; for a generalized model there is none like it. "
            "Use kind='CR1', or kind='CR0' without a correction."
        )
    model, solution = fitted.model, fitted.solution
    if not solution.p:
        raise ModelError("vcov_robust: the model has no fixed effects.")
    clusters = clusters_of(model.design, cluster, data)
    count = len(clusters.levels)
    tests = _tests(fitted, clusters, 1.0 if kind == "CR0" else count / (count - 1.0))
    by = "" if clusters.name == LABELS else f" by {clusters.name}"
    tests.source = f"{kind}{by}, {count} clusters"
    names = [model.design.x_names[j] for j in solution.kept]
    table = pd.DataFrame(tests.vcov.copy(), names, names)
    return RobustCovariance(table, kind, clusters.name, count, tests)


def _tests(fitted: GeneralizedFitted, clusters: Partition, factor: float) -> Normal:
    """Tests by the sandwich; NaN of what the bread does not determine."""
    solution, bread = fitted.solution, fitted.once(known_parameters)
    beta, p = solution.beta[solution.kept], solution.p
    if bread is None:
        return Normal(beta, np.full((p, p), np.nan), 1.0)
    place = slice(len(solution.theta), len(solution.theta) + p)
    scores = _scores(fitted, clusters) @ bread.known[:, place]
    robust = dataclasses.replace(bread.of(place), known=factor * scores.T @ scores)
    tests = Normal(beta, robust.matrix, 1.0)
    tests.partly = robust
    return tests


def _scores(fitted: GeneralizedFitted, clusters: Partition) -> FloatArray:
    """(clusters, m + p + k) slopes of the log-likelihood."""
    order = np.argsort(clusters.codes, kind="stable")
    ends = np.cumsum(np.bincount(clusters.codes, minlength=len(clusters.levels)))
    rows = np.split(order, ends[:-1])
    return np.array([-0.5 * part_of_rows(fitted, own).gradient for own in rows])
