"""Sparse matrices of a model as lme4 shows them, random effects in public order.

The core makes none of these; they are for looking at.
"""

from __future__ import annotations

import numpy as np
import scipy

from mixedmodels.arrays import FloatArray
from mixedmodels.estimates.linear import Model
from mixedmodels.memory import require


def transposed_z(model: Model) -> scipy.sparse.csc_array:
    """Z' (q, n): term by term, within a term level by level, the term's columns adjacent."""
    design, templates = model.design, model.templates
    width = sum(templates.sizes)
    require({f"{design.n} rows of {width} numbers": 48.0 * design.n * width}, "Z'")
    rows, values = [], []
    for start, term in zip(templates.term_starts, design.terms, strict=False):
        size = len(term.columns)
        first = start + size * design.groups[term.group].codes.astype(np.int64)
        rows.append(first[:, None] + np.arange(size))
        values.append(term.z)
    indices = np.concatenate(rows, axis=1)
    data = np.concatenate(values, axis=1)
    indptr = width * np.arange(design.n + 1)
    return scipy.sparse.csc_array(
        (data.ravel(), indices.ravel(), indptr), shape=(templates.q, design.n)
    )


def covariance_factor(model: Model, theta: FloatArray) -> scipy.sparse.csc_array:
    """The relative covariance factor Lambda (q, q) at theta."""
    templates = model.templates
    starts = templates.term_starts
    numbers = sum(
        (end - begin) * (size + 1) / 2.0
        for size, begin, end in zip(templates.sizes, starts, starts[1:], strict=False)
    )
    require({f"{templates.q} columns": 32.0 * numbers}, "Lambda")
    return scipy.sparse.csc_array(templates.lambda_csc(theta), shape=(templates.q, templates.q))


def penalized_cross_product(model: Model, theta: FloatArray) -> scipy.sparse.csc_array:
    """M = Lambda'Z'WZ Lambda + I (q, q)."""
    U = covariance_factor(model, theta).T @ transposed_z(model)
    w = model.design.w
    weighted = U if w is None else U.multiply(w[None, :])
    return scipy.sparse.csc_array(weighted @ U.T + _identity(model))


def general_pattern(model: Model) -> scipy.sparse.csc_array:
    """Positive numbers in the pattern that M has for a general theta: nothing cancels."""
    Zt = transposed_z(model)
    Zt.data = np.ones_like(Zt.data)
    U = covariance_factor(model, np.ones(model.templates.m)).T @ Zt
    return scipy.sparse.csc_array(U @ U.T + _identity(model))


def _identity(model: Model) -> scipy.sparse.csc_array:
    return scipy.sparse.eye_array(model.templates.q, format="csc")
