"""Which coefficients, covariance and degrees of freedom tests are made with.

One place for every table that takes `ddf=` and `vcov=`: it gets a `Degrees`, which has `beta`,
`vcov` and the degrees of freedom of linear functions, and does not ask where these are from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.errors import ConvergenceWarning, MixedModelsError, warn
from mixedmodels.estimates.linear import Fitted
from mixedmodels.inference.coefficients import announced_degrees, degrees, method_for
from mixedmodels.inference.degrees import Degrees, Normal, Residual
from mixedmodels.lazy import late_module
from mixedmodels.settings import ROBUST_KINDS, Ddf, RobustKind, real_numbers
from mixedmodels.spelling import spelled

if TYPE_CHECKING:
    from mixedmodels.inference import robust
else:
    robust = late_module("mixedmodels.inference.robust")

Covariance: TypeAlias = "robust.RobustCovariance | RobustKind | npt.ArrayLike | pd.DataFrame | None"

# A covariance may be asymmetric, and have negative eigenvalues, by rounding.
_ROUNDING = 1e-8


def method_of(fitted: Fitted, ddf: Ddf, vcov: Any = None, *, announce: bool = False) -> Degrees:
    """The method of tests.

    Args:
        fitted: The fit.
        ddf: Method for degrees of freedom.
        vcov: The covariance of the model, or what `ddf` makes of it, if None; a kind of robust
            covariance for the default clusters; what `vcov_robust` gave; or a matrix (p, p).
        announce: Warn where there are no degrees of freedom.

    Raises:
        MixedModelsError: Unknown `ddf`, something else than a covariance, or one that does not go
            with `ddf`.
    """
    if vcov is None:
        return announced_degrees(fitted, ddf) if announce else degrees(fitted, ddf)
    found = _given(fitted, ddf, vcov)
    if announce and found.note:
        warn(found.note, ConvergenceWarning)
    return found


def _given(fitted: Fitted, ddf: Ddf, vcov: Any) -> Degrees:
    """The method with another covariance than the model's."""
    method, solution = method_for(fitted, ddf), fitted.solution
    beta, sigma = solution.beta[solution.kept], solution.sigma
    tests: Degrees | None = None
    kind = spelled(vcov, ROBUST_KINDS) if isinstance(vcov, str) else None
    if kind is not None:
        tests = robust.robust_by_kind(fitted, kind).tests
    elif isinstance(vcov, robust.RobustCovariance):
        tests = vcov.tests
        if tests.beta.shape != beta.shape or not np.array_equal(tests.beta, beta):
            raise MixedModelsError("vcov is the robust covariance of another fit.")
    if method == "kenward-roger":
        raise MixedModelsError(
            "ddf='kenward-roger' has a covariance of its own, so it does not go with vcov=."
        )
    if tests is not None and method == "satterthwaite":
        return tests
    names = [fitted.model.design.x_names[j] for j in solution.kept]
    matrix = _matrix(vcov, names) if tests is None else tests.vcov
    if method == "satterthwaite":
        raise MixedModelsError(
            "ddf='satterthwaite' is known for the covariance of the model and for those of "
            "vcov_robust(), not for a matrix; with it use ddf='residual' or ddf='none'."
        )
    other: Degrees = (
        Normal(beta, matrix, sigma)
        if method == "none"
        else Residual(beta, matrix, sigma, solution.rows_less_rank)
    )
    other.source = "a given matrix" if tests is None else tests.source
    other.partly = None if tests is None else tests.partly
    return other


def _matrix(given: Any, names: Sequence[str]) -> FloatArray:
    """A covariance matrix of the kept coefficients.

    Raises:
        MixedModelsError: Not such a matrix.
    """
    if isinstance(given, pd.DataFrame) and set(given.columns) == set(given.index) == set(names):
        given = given.loc[list(names), list(names)]
    p = len(names)
    wanted = (
        f"it must be one of {', '.join(map(repr, ROBUST_KINDS))}, what vcov_robust() gave, or a "
        f"covariance matrix ({p}, {p}) of the coefficients: {', '.join(names)}."
    )
    try:
        matrix = real_numbers(given)
    except (TypeError, ValueError):
        raise MixedModelsError(f"vcov is {given!r:.80}; {wanted}") from None
    if matrix.shape != (p, p):
        shown = f"of shape {matrix.shape}" if matrix.ndim else f"{given!r:.80}"
        raise MixedModelsError(f"vcov is {shown}; {wanted}")
    size = np.abs(matrix).max(initial=0.0)
    if not np.isfinite(size) or np.abs(matrix - matrix.T).max(initial=0.0) > _ROUNDING * size:
        raise MixedModelsError("vcov is not finite or not symmetric, so not a covariance matrix.")
    scale = np.sqrt(np.abs(np.diag(matrix)))
    unit = matrix / np.outer(*(np.where(scale > 0.0, scale, 1.0),) * 2)
    if np.linalg.eigvalsh(unit).min(initial=0.0) < -_ROUNDING:
        raise MixedModelsError("vcov has a negative eigenvalue, so it is not a covariance matrix.")
    symmetric: FloatArray = 0.5 * (matrix + matrix.T)
    return symmetric
