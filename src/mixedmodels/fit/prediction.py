"""Prediction, simulation and bootstrap: the methods; the mathematics is in `prediction`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from mixedmodels.fit.values import Values
from mixedmodels.prediction.bootstrap import Plan, bootstrap, bootstrap_statistic
from mixedmodels.prediction.replicates import Bootstrap
from mixedmodels.prediction.simulate import Seed, check_count, random_generator, simulator
from mixedmodels.progress import Tally
from mixedmodels.settings import BootstrapKind, SimulationKind

if TYPE_CHECKING:
    from mixedmodels.fit.linear import LinearMixedFit


class Prediction(Values):
    """What a fit says of other data; see `LinearMixedFit`."""

    def simulate(
        self, nsim: int = 1, seed: Seed = None, random: SimulationKind = "new"
    ) -> pd.DataFrame:
        """Draw responses from the fitted model.

        Args:
            nsim: Number of responses.
            seed: A whole number, a SeedSequence or a `numpy.random.Generator`; None draws one.
            random: "new" draws random effects from their fitted distribution; "conditional" keeps
                them at their modes.

        Returns:
            (nobs, nsim) on the rows used, with their index; columns are numbered from 0. Column i
            is the response of replicate i of `bootstrap` with the same seed.

        Raises:
            MixedModelsError: Unknown `random`, or an unusable number or seed.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
            >>> fit.simulate(3, seed=1).shape
            (30, 3)
        """
        count = check_count("nsim", nsim)
        rng, _ = random_generator(seed)
        drawn = simulator(self._fitted, random).draw(rng, count)
        return pd.DataFrame(drawn.T, index=self._design.index)

    def bootstrap(
        self,
        nsim: int,
        seed: Seed = None,
        statistic: Callable[[LinearMixedFit], Any] | None = None,
        *,
        random: SimulationKind = "new",
        kind: BootstrapKind = "parametric",
        threads: int | None = None,
        progress: bool | None = None,
    ) -> Bootstrap:
        """Fit the model to responses drawn from it.

        Without `statistic` the refits run in compiled code over `threads`, and the results are the
        same for any number of threads. With one, a fit is made for every replicate, one after the
        other, which costs milliseconds each even where the model is small.

        Args:
            nsim: Number of replicates.
            seed: A whole number, a SeedSequence or a `numpy.random.Generator`; None draws one,
                which the result then names.
            statistic: A function of a fit that gives a number, a Series or a dict of numbers. By
                default `sd(group.effect)` and `cor(group.effect1.effect2)` of the random effects,
                `sigma`, and the fixed effects by name.
            random: "new" draws random effects, "conditional" keeps them at their modes.
            kind: "parametric" draws from normal distributions. "residual" resamples, with
                replacement, residuals and random effects that were centred and brought to their
                estimated covariance.
            threads: Threads that fit; None for those of the fit.
            progress: Show how far it is: on a terminal when it takes seconds (None), from the
                start (True) or never (False).

        Returns:
            Replicates (nsim, names), estimates, counts of failures and singular fits, and methods
            for standard errors, bias and intervals.

        Raises:
            MixedModelsError: An unknown option, an unusable number or seed, or a statistic that
                gives something else than numbers.

        References:
            Carpenter, Goldstein and Rasbash (2003), Applied Statistics 52(4), 431-443, for
            `kind="residual"`.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
            >>> sample = fit.bootstrap(100, seed=1)
            >>> list(sample.replicates.columns)
            ['sd(Batch.(Intercept))', 'sigma', '(Intercept)']
        """
        with Tally("replicates", shown=progress) as tally:
            plan = Plan(nsim, seed, random, kind, threads, tally)
            if statistic is None:
                return bootstrap(self._fitted, plan)
            fit = cast("LinearMixedFit", self)
            return bootstrap_statistic(
                self._fitted,
                plan,
                lambda y: self._model.refit(y, fitted=fit),
                statistic,
                statistic(fit),
            )
