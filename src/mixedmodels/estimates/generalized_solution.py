"""Results of a finished search of a generalized model; as `estimates.solution` for linear ones."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mixedmodels.arrays import FloatArray
from mixedmodels.criterion.accuracy import Accuracy
from mixedmodels.estimates.generalized_covariances import Covariances, KnownCovariances
from mixedmodels.values import quick


@quick
@dataclass(frozen=True, slots=True, eq=False)
class GeneralizedSolution:
    """A generalized model at its optimum; arrays become read-only.

    Attributes:
        theta: (m,) entries of the templates: random effects have covariance Lambda Lambda'.
        axes_theta: (m,) theta along the axes of the terms.
        relative_theta: (m,) that in its natural units.
        par: (m + p + k,) parameters of the search.
        psi: (k,) coefficients of the parameters of the distribution beside its mean.
        dispersion: The family's own parameter, for all rows or by row; None where it has none.
        objective: -2 log-likelihood.
        deviance: -2 log-likelihood, as for linear models.
        logdet_L2: log|L|^2.
        penalized: -2 log density of the response given the modes, plus u'u.
        beta: (p_all,) coefficients in column order of X, NaN where a column is aliased.
        kept: (p,) positions of the columns that are not aliased.
        u: (q,) conditional modes on the spherical scale, public order.
        b: (q,) conditional modes on the scale of the predictor, public order.
        eta: (n,) linear predictor at the modes.
        n: Rows used.
        p: Rank of X.
        covariance_of: Covariances of parameters, made when they are asked for.
        reml: Whether the coefficients are integrated over.
    """

    theta: FloatArray
    axes_theta: FloatArray
    relative_theta: FloatArray
    par: FloatArray
    psi: FloatArray
    dispersion: float | FloatArray | None
    objective: float
    deviance: float
    logdet_L2: float
    penalized: float
    beta: FloatArray
    kept: npt.NDArray[np.integer[Any]]
    u: FloatArray
    b: FloatArray
    eta: FloatArray
    n: int
    p: int
    covariance_of: Covariances
    reml: bool = False

    @property
    def rows_less_rank(self) -> int:
        """n - p, the degrees of freedom of the residual."""
        return self.n - self.p

    def __post_init__(self) -> None:
        for array in (self.theta, self.par, self.beta, self.kept, self.u, self.b, self.eta):
            array.setflags(write=False)
        if isinstance(self.dispersion, np.ndarray):
            self.dispersion.flags.writeable = False

    def settled(self) -> GeneralizedSolution:
        """The same as plain values, its covariances made."""
        of = self.covariance_of
        known = KnownCovariances(of.hessian, of.user, of.conditional)
        return dataclasses.replace(self, covariance_of=known)

    @property
    def accuracy(self) -> Accuracy | None:
        """None: no part of the likelihood is estimated by probes."""
        return None

    @property
    def sigma(self) -> float:
        """1: random effects are on the scale of the predictor, whose rows have no residual."""
        return 1.0

    @property
    def residual_sd(self) -> float | None:
        """None: rows have no residual beside what the family has."""
        return None

    @property
    def point(self) -> FloatArray:
        """(m + p + k,) parameters of the search."""
        return self.par

    @property
    def npar(self) -> int:
        """Rank of X, length of theta, and the family's own parameters."""
        return self.p + len(self.theta) + len(self.psi)

    @property
    def vcov(self) -> FloatArray:
        """(p, p) covariance of the kept coefficients, from the exact Hessian in all parameters."""
        m = len(self.theta)
        return self.covariance_of.user[m : m + self.p, m : m + self.p]
