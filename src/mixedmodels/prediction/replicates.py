"""The result of a bootstrap: replicates, their spread, and intervals made from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy

from mixedmodels.arrays import FloatArray
from mixedmodels.plots.bootstrap import plot_bootstrap
from mixedmodels.report.frames import frame_table
from mixedmodels.report.results import Result
from mixedmodels.report.sections import Paragraph, Section
from mixedmodels.settings import (
    BOOTSTRAP_INTERVALS,
    BootstrapInterval,
    BootstrapKind,
    Modes,
    check_level,
)
from mixedmodels.spelling import chosen_option

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Bootstrap(Result):
    """Replicates of a statistic over responses drawn from a fit.

    Attributes:
        replicates: (nsim, names) the statistic of every replicate; NaN where its fit failed, and
            for a correlation with an effect whose variance was estimated as zero.
        estimates: The statistic of the fit itself, by name.
        theta: (nsim, m) theta of every replicate.
        objective: (nsim,) the criterion of every replicate.
        n_failed: Replicates without a fit.
        n_singular: Replicates whose fit is singular.
        seed: What gives the same replicates again; None when a generator was given.
        modes: Whether random effects were drawn anew or kept.
        kind: Whether responses were drawn from normal distributions or residuals resampled.
    """

    replicates: pd.DataFrame
    estimates: pd.Series[float]
    theta: FloatArray
    objective: FloatArray
    n_failed: int
    n_singular: int
    seed: Any
    modes: Modes
    kind: BootstrapKind

    @property
    def nsim(self) -> int:
        """Number of replicates, failed ones included."""
        return len(self.replicates)

    @property
    def std_error(self) -> pd.Series[float]:
        """Standard deviation of the replicates, by name."""
        return self.replicates.std(ddof=1).rename("std_error")

    @property
    def bias(self) -> pd.Series[float]:
        """Mean of the replicates less the estimate, by name."""
        means = self.replicates.mean().to_numpy()
        return pd.Series(means - self.estimates.to_numpy(), self.estimates.index, name="bias")

    def confint(self, kind: BootstrapInterval = "percentile", level: float = 0.95) -> pd.DataFrame:
        """Confidence intervals from the replicates.

        Args:
            kind: "percentile" takes quantiles of the replicates; "basic" reflects them at the
                estimate; "normal" is estimate - bias +- z std_error; "bias-corrected" takes the
                quantiles at levels shifted by the median bias (BC). Quantiles are those of R's
                boot, at (nsim + 1) times the level; a level outside the replicates gives the
                nearest replicate.
            level: Coverage, between 0 and 1.

        Returns:
            One row per name; columns `lower`, `upper`.

        Raises:
            MixedModelsError: Unknown `kind`, or an invalid level.

        References:
            Davison and Hinkley (1997), Bootstrap Methods and their Application, chapter 5; Efron
            (1981), Canadian Journal of Statistics 9, 139-172, for the bias correction.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
            >>> fit.bootstrap(200, seed=1).confint("basic").shape
            (3, 2)
        """
        kind = chosen_option("kind", kind, BOOTSTRAP_INTERVALS)
        tails = interval_tails(level)
        limits = [
            _LIMITS[kind](values[np.isfinite(values)], estimate, tails)
            for values, estimate in zip(
                self.replicates.to_numpy(dtype=np.float64).T, self.estimates, strict=True
            )
        ]
        return pd.DataFrame(
            np.reshape(limits, (-1, 2)), index=self.replicates.columns, columns=["lower", "upper"]
        )

    def plot(
        self,
        parameters: str | Sequence[str] | None = None,
        *,
        level: float = 0.95,
        figsize: tuple[float, float] | None = None,
    ) -> Figure:
        """Draw the density of each parameter's replicates, on a scale of its own: ridges.

        The bar below a ridge is the percentile interval, the vertical line the estimate. Replicates
        on a bound (a standard deviation of zero, a correlation of one) are a spike of their share.

        Args:
            parameters: A name, or names from top to bottom; all if None.
            level: Coverage of the intervals.
            figsize: Size in inches; from the number of parameters if None.

        Raises:
            MixedModelsError: An unknown parameter, no replicates, or matplotlib is not installed.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
            >>> len(fit.bootstrap(50, seed=1).plot().axes)
            3
        """
        return plot_bootstrap(
            self.replicates, self.estimates, parameters=parameters, level=level, figsize=figsize
        )

    def to_frame(self) -> pd.DataFrame:
        """One row per name: `estimate`, `bias`, `std_error`; the replicates are `replicates`."""
        return pd.DataFrame(
            {
                "estimate": self.estimates.to_numpy(),
                "bias": self.bias.to_numpy(),
                "std_error": self.std_error.to_numpy(),
            },
            self.estimates.index,
        )

    def _sections(self) -> Sequence[Section]:
        """How the replicates were made, and the table."""
        kind = "Residual" if self.kind == "residual" else "Parametric"
        counts = f"{self.n_failed} failed, {self.n_singular} singular"
        seed = "" if self.seed is None else f"; seed {self.seed}"
        lines = (
            f"{kind} bootstrap, random effects {self.modes}: {self.nsim} replicates",
            f"{counts}{seed}",
        )
        return [Paragraph(lines), frame_table(self.to_frame())]


def interval_tails(level: float) -> FloatArray:
    """(2,) the probabilities below the limits of an interval.

    Raises:
        MixedModelsError: `level` is not a number between 0 and 1.
    """
    check_level(level)
    return np.array([0.5 - 0.5 * level, 0.5 + 0.5 * level])


def _quantiles(values: FloatArray, tails: FloatArray) -> FloatArray:
    if not values.size:
        return np.full(2, np.nan)
    found: FloatArray = np.quantile(values, tails, method="weibull")
    return found


def _percentile(values: FloatArray, estimate: float, tails: FloatArray) -> FloatArray:
    del estimate
    return _quantiles(values, tails)


def _basic(values: FloatArray, estimate: float, tails: FloatArray) -> FloatArray:
    return 2.0 * estimate - _quantiles(values, tails)[::-1]


def _normal(values: FloatArray, estimate: float, tails: FloatArray) -> FloatArray:
    if values.size < 2:
        return np.full(2, np.nan)
    limits: FloatArray = (
        2.0 * estimate - values.mean() + scipy.special.ndtri(tails) * values.std(ddof=1)
    )
    return limits


def _bias_corrected(values: FloatArray, estimate: float, tails: FloatArray) -> FloatArray:
    if not values.size:
        return np.full(2, np.nan)
    # Replicates equal to the estimate (both zero) stand on either side by halves.
    below = np.mean(values < estimate) + 0.5 * np.mean(values == estimate)
    edge = 0.5 / (len(values) + 1)
    shift = scipy.special.ndtri(np.clip(below, edge, 1.0 - edge))
    return _quantiles(values, scipy.special.ndtr(2.0 * shift + scipy.special.ndtri(tails)))


_LIMITS: dict[BootstrapInterval, Callable[[FloatArray, float, FloatArray], FloatArray]] = {
    "percentile": _percentile,
    "basic": _basic,
    "normal": _normal,
    "bias-corrected": _bias_corrected,
}
