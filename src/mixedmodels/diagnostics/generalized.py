"""What rows of a generalized model weigh, by its working linear model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.design.by_row import used_labels
from mixedmodels.diagnostics.information import information_root
from mixedmodels.diagnostics.rows import RowValues, Scale, cooks_by_row, rows_of, scale_of
from mixedmodels.errors import ModelError
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.messages import convergence_message
from mixedmodels.estimates.tables import fixed_mean
from mixedmodels.estimates.working import pearson_residuals, working_fit


@rows_of.register
def _(fitted: GeneralizedFitted) -> RowValues:
    """Those of the working model, with Pearson residuals at the modes of the fit itself."""
    values = rows_of(fitted.once(working_fit))
    return replace(values, residual=pearson_residuals(fitted))


@scale_of.register
def _(fitted: GeneralizedFitted) -> Scale:
    """Coefficients of the working model, thresholds among them."""
    return fitted.once(working_fit).solution


@information_root.register
def _(fitted: GeneralizedFitted) -> FloatArray:
    """From the Hessian: what it has on the coefficients when all else is estimated too.

    Raises:
        ModelError: It is not positive definite.
    """
    solution = fitted.solution
    m, p = len(solution.theta), solution.p
    information = 0.5 * solution.covariance_of.hessian
    at_bound = (solution.axes_theta == 0.0) & fitted.model.templates.diagonal
    others = np.append(np.flatnonzero(~at_bound), np.arange(m + p, len(information)))
    own = np.arange(m, m + p)
    across = information[np.ix_(others, own)]
    of_others = information[np.ix_(others, others)]
    basis = fitted.criterion.from_user(np.eye(len(information)))[np.ix_(own, own)].T
    try:
        left = information[np.ix_(own, own)] - across.T @ np.linalg.solve(of_others, across)
        triangle = np.linalg.cholesky(0.5 * (left + left.T)).T
    except np.linalg.LinAlgError:
        why = "" if fitted.optsum.converged else f" {convergence_message(fitted.optsum)}"
        raise ModelError(
            "The Hessian of the likelihood is not positive definite at the estimates, so that the "
            f"coefficients have no covariance by which changes could be measured.{why}"
        ) from None
    root: FloatArray = triangle @ basis
    return root


def augmented_rows(
    fitted: GeneralizedFitted, means: FloatArray, deviance: FloatArray
) -> pd.DataFrame:
    """The columns that `augment` adds, on the rows used."""
    model, solution = fitted.model, fitted.solution
    design = model.design
    values = fitted.once(rows_of)
    offset = np.zeros(design.n) if design.offset is None else design.offset
    fixed = fixed_mean(design, solution.beta)
    return pd.DataFrame(
        {
            ".fitted": means,
            ".link": solution.eta,
            ".resid": deviance,
            ".std_resid": values.residual / np.sqrt(values.spare),
            ".hat": values.hat,
            ".cooksd": cooks_by_row(values, fitted.once(scale_of)),
            ".fixed": fixed,
            ".offset": offset,
            ".weights": model.weights,
        },
        used_labels(design),
    )
