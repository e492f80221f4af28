"""The roles of a fit as generalized models have them: means on two scales, other residuals.

What is about the residual variance of a linear model is refused with its reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd

from mixedmodels.diagnostics import generalized_deletion  # noqa: F401 (deletions know it)
from mixedmodels.diagnostics.distributional import RowVariance, generalized_parts
from mixedmodels.diagnostics.variance import icc, r_squared
from mixedmodels.errors import ModelError
from mixedmodels.fit.generalized_prediction import GeneralizedPrediction
from mixedmodels.fit.generalized_rows import GeneralizedRows
from mixedmodels.inference import generalized_robust  # noqa: F401 (robust covariances know it)
from mixedmodels.lazy import late_module
from mixedmodels.prediction.simulate import Seed
from mixedmodels.progress import Tally

if TYPE_CHECKING:
    from mixedmodels.checking import generalized as checking
    from mixedmodels.checking.result import Checks
else:
    checking = late_module("mixedmodels.checking.generalized")

_NO_RESIDUAL = "it is about the residual variance, which a generalized model does not have"


def _refused(name: str, reason: str) -> Callable[..., Any]:
    """A method that says why a generalized model does not have it."""

    def method(*_: Any, **__: Any) -> Any:
        raise ModelError(f"{name}: {reason}.")

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"Refused: {reason}."
    return method


class GeneralizedFit(GeneralizedRows, GeneralizedPrediction):
    """A fit of a generalized model with all its roles; see `GeneralizedLinearMixedFit`."""

    # -- shares of the variance ---------------------------------------------------------

    def icc(self, *, variance: RowVariance | None = None) -> pd.DataFrame:
        """Intraclass correlations on the scale of the linear predictor.

        As for linear models, the place of the residual variance taken by that which the family has
        on this scale. The variance of an effect with a level for each row counts to it.

        Args:
            variance: "theoretical", of the latent variable of a binomial model: pi^2 / 3 (logit), 1
                (probit), pi^2 / 6 (cloglog, loglog), for one trial; "delta", Var(y) / mu'^2; of a
                log link "lognormal", log(1 + Var(y) / mu^2), or "trigamma",
                trigamma(mu^2 / Var(y)).
                The mean is that of the model without covariates, over its random effects; the
                dispersion is that of the fit. If None, "theoretical" of binomial models,
                "lognormal" of a log link, "delta" of others.

        Returns:
            Rows: grouping factors and "all"; columns `variance`, `adjusted`, `conditional`;
            `attrs["variance"]` says which variance the rows have.

        Raises:
            MixedModelsError: An unknown `variance`, or one that the model does not have.

        References:
            Nakagawa, Johnson and Schielzeth (2017), J. R. Soc. Interface 14, 20170213.
        """
        return icc(self._group_names, generalized_parts(self._generalized, variance))

    def r2(self, *, variance: RowVariance | None = None) -> pd.Series[float]:
        """Marginal and conditional R squared on the scale of the linear predictor.

        Args:
            variance: As for `icc`.

        Returns:
            `marginal` and `conditional`; `attrs["variance"]` says which variance the rows have.

        Raises:
            MixedModelsError: An unknown `variance`, or one that the model does not have.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)",
            ...                mm.load_dataset("cbpp"))
            >>> fit.r2().round(3).to_dict()
            {'marginal': 0.085, 'conditional': 0.187}
        """
        return r_squared(generalized_parts(self._generalized, variance))

    def check(
        self,
        *,
        nsim: int | None = None,
        seed: Seed = 1,
        threads: int | None = None,
        progress: bool | None = None,
    ) -> Checks:
        """Check the model's assumptions: one page in words, and a panel of pictures.

        Dispersion (Pearson's chi-square) and zeros of counts are compared with those of data
        simulated from the fit, each fitted again, and quantile residuals with uniform ones.
        Influence, collinearity and singularity are judged by their numbers.

        Args:
            nsim: Simulated data sets; 199, or 99 for many rows, if None.
            seed: A whole number, a SeedSequence or a `numpy.random.Generator`.
            threads: Threads that fit; None for those of the fit.
            progress: Show how far it is: on a terminal when it takes seconds (None), from the start
                (True) or never (False).

        Returns:
            Prints as a page; `to_frame()` has a row for each check, `plot()` draws the panel.

        Raises:
            MixedModelsError: An unusable number or seed.

        Examples:
            >>> import mixedmodels as mm
            >>> ticks = mm.load_dataset("grouseticks")
            >>> fit = mm.glmer("TICKS ~ YEAR + cHEIGHT + (1 | BROOD)", ticks, "poisson")
            >>> fit.check(nsim=99).to_frame()["verdict"].to_dict()["Dispersion"]
            'look'
        """
        with Tally("simulated data sets", shown=progress) as tally:
            return checking.check_fit(self._fitted, nsim, seed, threads, tally)

    # -- what there is not ---------------------------------------------------------------

    vcov_adjusted = _refused("vcov_adjusted", f"{_NO_RESIDUAL} (Kenward and Roger's method)")
    plot_shrinkage = _refused("plot_shrinkage", _NO_RESIDUAL)
