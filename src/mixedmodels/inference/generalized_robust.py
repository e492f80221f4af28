"""Cluster-robust covariance of a generalized fit: the sandwich of all its parameters.

The criterion is a sum over clusters that hold whole levels of every grouping factor. A cluster's
score is the gradient of its own part by theta, the coefficients and the family's own parameter; the
bread is the inverse of the exact Hessian in all of them. Reference: White (1982), Econometrica 50.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.design.partition import LABELS, Partition
from mixedmodels.errors import ModelError
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.rows_left import part_of_rows
from mixedmodels.estimates.unknown import known_part
from mixedmodels.inference.clusters import clusters_of
from mixedmodels.inference.degrees import Normal
from mixedmodels.inference.robust import RobustCovariance, robust
from mixedmodels.settings import ROBUST_KINDS, RobustKind, check_option


@robust.register
def _(
    fitted: GeneralizedFitted, cluster: Any, kind: RobustKind, data: Any = None
) -> RobustCovariance:
    check_option("kind", kind, ROBUST_KINDS)
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
    count, m = len(clusters.levels), len(solution.theta)
    known, unknown = known_part(solution.covariance_of.user)
    scores = _scores(fitted, clusters) @ known[:, m : m + solution.p]
    factor = 1.0 if kind == "CR0" else count / (count - 1.0)
    vcov: FloatArray = factor * scores.T @ scores
    unknown = unknown[m : m + solution.p]
    vcov[unknown] = vcov[:, unknown] = np.nan
    by = "" if clusters.name == LABELS else f" by {clusters.name}"
    tests = Normal(solution.beta[solution.kept], vcov, 1.0)
    tests.source = f"{kind}{by}, {count} clusters"
    names = [model.design.x_names[j] for j in solution.kept]
    table = pd.DataFrame(vcov.copy(), names, names)
    return RobustCovariance(table, kind, clusters.name, count, tests)


def _scores(fitted: GeneralizedFitted, clusters: Partition) -> FloatArray:
    """(clusters, m + p + k) slopes of the log-likelihood."""
    order = np.argsort(clusters.codes, kind="stable")
    ends = np.cumsum(np.bincount(clusters.codes, minlength=len(clusters.levels)))
    rows = np.split(order, ends[:-1])
    return np.array([-0.5 * part_of_rows(fitted, own).gradient for own in rows])
