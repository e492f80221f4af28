"""Errors of the predictors of generalized models: the linear one, and others of the mean.

Each function gives (n, 1 + c, 1 + c) covariances of the errors of the linear predictor and of c
others at n rows. Intervals are made of them elsewhere, and so are errors of means over the random
effects.
"""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass

import numpy as np

from mixedmodels.arrays import BoolArray, FloatArray, LongArray
from mixedmodels.estimates.components import of_role
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.generalized_covariances import known_parameters, partly_known
from mixedmodels.estimates.unknown import SHARE, PartlyKnown, variances_of_rows
from mixedmodels.estimates.working import working_fit
from mixedmodels.families.base import ZERO_INFLATION
from mixedmodels.prediction.parameters_at import OtherPredictor
from mixedmodels.prediction.predict import RowSolver, absent_rows, conditional_variance, predicted
from mixedmodels.prediction.target import Target

# Step of differences in the parameters, in standard errors, and its largest part in psi, which are
# logits and logarithms.
_STEP, _MOST_MOVED = 1e-3, 1e-2


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Whose errors are asked for.

    Attributes:
        fitted: The fit.
        target: The rows.
        full: Whether the variance parameters are taken as estimated.
        covariance: Of the kept coefficients (p, p), for rows without random effects.
        others: Predictors of the mean beside the linear one.
        ratios: (n, 1 + c) what a unit of each predictor is in units of the linear one.
    """

    fitted: GeneralizedFitted
    target: Target
    full: bool
    covariance: FloatArray | PartlyKnown
    others: tuple[OtherPredictor, ...]
    ratios: FloatArray

    @property
    def X(self) -> FloatArray:
        """(n, p) the kept columns."""
        return self.target.X[:, self.fitted.solution.kept]

    def joint_rows(self) -> list[FloatArray]:
        """Per predictor (n, p + k) its derivatives by the kept coefficients and psi."""
        of, n = self.fitted.solution, self.target.n
        found = [np.hstack([self.X, np.zeros((n, len(of.psi)))])]
        found += [np.hstack([np.zeros((n, of.p)), other.slopes]) for other in self.others]
        return found

    def joint_covariance(self) -> PartlyKnown | None:
        """That of the kept coefficients and psi; None where none is known."""
        known = self.fitted.once(known_parameters)
        return None if known is None else known.of(slice(len(self.fitted.solution.theta), None))

    def matter(self, j: int) -> BoolArray:
        """(n,) rows whose mean depends on predictor j by more than rounding."""
        found: BoolArray = ~(np.abs(self.ratios[:, j]) < SHARE)
        return found


def errors_without(asked: Asked) -> FloatArray:
    """Errors without random effects, by the covariance of all coefficients."""
    if not asked.others:
        return variances_of_rows(asked.X, asked.covariance)[:, None, None]
    return errors_of_rows(asked, asked.joint_rows(), asked.joint_covariance())


def errors_of_rows(
    asked: Asked, rows: list[FloatArray], covariance: PartlyKnown | None
) -> FloatArray:
    """Errors of combinations of parameters; NaN in rows with one that is not determined.

    Args:
        asked: Whose errors are asked for.
        rows: Per predictor (n, q) its derivatives by q parameters.
        covariance: Of these parameters (q, q); None where none is known.
    """
    out = np.full((asked.target.n, len(rows), len(rows)), np.nan)
    if covariance is None:
        return out
    for i, one in enumerate(rows):
        moved = one @ covariance.known
        for j, other in enumerate(rows):
            out[:, i, j] = np.einsum("ij,ij->i", moved, other)
    for j, one in enumerate(rows):
        out[covariance.unknown(one) & asked.matter(j), j, j] = np.nan
    return out


def errors_with_modes(asked: Asked) -> FloatArray:
    """Errors with random effects: given what is taken as known, and what the rest adds."""
    fitted, target, count = asked.fitted, asked.target, 1 + len(asked.others)
    out = np.zeros((target.n, count, count))
    out[:, 0, 0] = _joint_variance(fitted, target)
    m, p = len(fitted.solution.theta), fitted.solution.p
    moving = np.append(np.arange(m), np.arange(m + p, len(fitted.solution.par)))
    if not asked.full:
        zeros = of_role(fitted.model.components, ZERO_INFLATION) if asked.others else None
        moving = np.zeros(0, np.int64) if zeros is None else moving[m:][zeros.place]
    if moving.size:
        moves = _moves(asked, moving)
        out += np.einsum("din,djn->nij", moves, moves)
    partly = fitted.once(partly_known)
    if partly is not None:
        out[partly.unknown(asked.X), 0, 0] = np.nan
    joint = asked.joint_covariance() if asked.others else None
    if joint is not None:
        for j, rows in enumerate(asked.joint_rows()[1:], start=1):
            out[joint.unknown(rows) & asked.matter(j), j, j] = np.nan
    return out


def _joint_variance(fitted: GeneralizedFitted, target: Target) -> FloatArray:
    """(n,) variance of the error of x'beta + z'b given theta and the family's own parameter.

    By the weights of the determinant of the criterion. Where thresholds move with the coefficients,
    by those of the scoring step.
    """
    model = fitted.model
    if model.family.ordered:
        working = fitted.once(working_fit)
        more = np.zeros((target.n, working.model.design.X.shape[1] - target.X.shape[1]))
        padded = dataclasses.replace(target, X=np.hstack([target.X, more]))
        return conditional_variance(working, padded)
    solver = RowSolver.of(model.products, target)
    with model.criterion().at(fitted.solution.par) as point:
        variance: FloatArray = solver.rows(point).variance
    variance[absent_rows(target)] = np.nan
    return variance


def _moves(asked: Asked, moving: LongArray) -> FloatArray:
    """(d, 1 + c, n) how the predictors move with one standard deviation of some parameters.

    By differences along the directions in which the coefficients move with each of them, the modes
    following: the law of total variance, given these parameters and over them. Parameters that are
    neither moving nor coefficients are taken as known.
    """
    fitted, target, count = asked.fitted, asked.target, 1 + len(asked.others)
    model, solution = fitted.model, fitted.solution
    m, p = len(solution.theta), solution.p
    known = fitted.once(known_parameters)
    if known is None or (asked.full and np.isnan(np.diag(known.matrix)[:m]).any()):
        return np.full((1, count, target.n), np.nan)
    covariance = known.known
    given = np.setdiff1d(np.append(np.arange(m), np.arange(m + p, len(covariance))), moving)
    if given.size:
        across = covariance[:, given]
        covariance = covariance - across @ _inverse(covariance[np.ix_(given, given)]) @ across.T
    moving = moving[np.diag(covariance)[moving] > 0.0]
    if not moving.size:
        return np.zeros((0, count, target.n))
    own = covariance[np.ix_(moving, moving)]
    values, vectors = np.linalg.eigh(own)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    # Columns: how all parameters move with one standard deviation of a combination of the moving.
    along = covariance[:, moving] @ np.linalg.pinv(own) @ root
    criterion = model.own_criterion()
    user = criterion.to_user(solution.par)
    out = np.empty((len(moving), count, target.n))
    for found, direction in zip(out, along.T, strict=True):
        farthest = np.abs(direction[m + p :]).max(initial=0.0)
        step = min(_STEP, _MOST_MOVED / farthest) if farthest > 0.0 else _STEP
        sides = []
        for sign in (step, -step):
            at = criterion.from_user(user + sign * direction)
            moved = dataclasses.replace(fitted, solution=model.solution(criterion, at))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the same as of the prediction itself
                sides.append(predicted(moved, target))
        found[0] = (sides[0] - sides[1]) / (2.0 * step)
        for j, other in enumerate(asked.others, start=1):
            found[j] = other.slopes @ direction[m + p :]
    return out


def _inverse(covariance: FloatArray) -> FloatArray:
    """That of a covariance matrix; parameters without a variance stay as they are."""
    sd = np.sqrt(np.diag(covariance))
    scale = np.where(sd > 0.0, 1.0 / np.where(sd > 0.0, sd, 1.0), 0.0)
    both = np.outer(scale, scale)
    found: FloatArray = np.linalg.pinv(covariance * both, hermitian=True) * both
    return found
