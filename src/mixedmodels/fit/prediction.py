"""Prediction, simulation and bootstrap: the methods; the mathematics is in `prediction`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

import pandas as pd

from mixedmodels.errors import MixedModelsError
from mixedmodels.fit.values import Values
from mixedmodels.prediction.bootstrap import Plan, bootstrap, bootstrap_statistic
from mixedmodels.prediction.intervals import Wanted, prediction_table
from mixedmodels.prediction.replicates import Bootstrap
from mixedmodels.prediction.simulate import (
    Seed,
    check_count,
    random_generator,
    responses,
    simulator,
)
from mixedmodels.prediction.target import chosen_terms, new_target, training_target
from mixedmodels.progress import Tally
from mixedmodels.settings import BootstrapKind, IntervalKind, SimulationKind, Uncertainty

if TYPE_CHECKING:
    from typing_extensions import Self

RandomPart: TypeAlias = "str | Iterable[str]"


class Prediction(Values):
    """What a fit says of other data; see `LinearMixedFit`."""

    @overload
    def predict(
        self,
        data: Any = None,
        *,
        random: RandomPart = "all",
        allow_new_levels: bool = False,
        interval: None = None,
        level: float = 0.95,
        uncertainty: Uncertainty = "conditional",
        std_error: Literal[False] = False,
        weights: Any = None,
    ) -> pd.Series[float]: ...

    @overload
    def predict(
        self,
        data: Any = None,
        *,
        random: RandomPart = "all",
        allow_new_levels: bool = False,
        interval: IntervalKind | None = None,
        level: float = 0.95,
        uncertainty: Uncertainty = "conditional",
        std_error: bool = False,
        weights: Any = None,
    ) -> pd.Series[float] | pd.DataFrame: ...

    def predict(
        self,
        data: Any = None,
        *,
        random: RandomPart = "all",
        allow_new_levels: bool = False,
        interval: IntervalKind | None = None,
        level: float = 0.95,
        uncertainty: Uncertainty = "conditional",
        std_error: bool = False,
        weights: Any = None,
    ) -> pd.Series[float] | pd.DataFrame:
        """Predict means, or observations, of the rows used or of new ones.

        Args:
            data: New rows, any table that `lmer` takes; the rows used in the fit if None. Columns
                that the asked part does not need may be absent. Stateful transforms are replayed.
            random: Random effects that take part: "all", "none", or a list of grouping factors
                ("Subject") and terms ("(Days | Subject)").
            allow_new_levels: Give rows with a level that was not there in training the population
                value (its random effects are zero, their variance enters the errors).
            interval: "confidence" for the mean offset + x'beta + z'b, "prediction" for an
                observation, which adds sigma^2 / w.
            level: Coverage of the interval.
            uncertainty: "conditional" takes the variance parameters theta as known, as lme4 and its
                relatives do; "full" averages over what the data leave open about them, which for
                few groups makes intervals wider, and above all right.
            std_error: Add a column with the standard error of what the interval is for (of the
                mean, when there is none).
            weights: Prior weights of observations at new rows: a column, an expression of columns,
                or one value per row; 1 if None. They matter to prediction intervals only.

        Returns:
            A Series (n,) with the index of the data; a row with a missing value is NaN. With
            `interval` or `std_error` a DataFrame: `prediction`, `std_error`, `lower`, `upper`.

        Raises:
            FormulaError: A column is missing.
            DataError: A level is new and new ones are not allowed, or a column is of another kind.
            MixedModelsError: An unknown option or term.

        References:
            Henderson (1975), Biometrics 31, 423-447, for the errors given theta.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
            >>> new = {"Days": [10, 10], "Subject": ["308", "999"]}
            >>> fit.predict(new, allow_new_levels=True).round(2).tolist()
            [450.33, 356.08]
            >>> fit.predict({"Days": [0]}, random="none", interval="confidence").round(1)
               prediction  lower  upper
            0       251.4  237.9  264.9
        """
        wanted = Wanted(interval, level, uncertainty, std_error)
        design, templates = self._design, self._fitted.model.templates
        terms = chosen_terms(design, random)
        if data is None:
            if weights is not None:
                raise MixedModelsError(
                    "weights are for new rows; without data those of the fit are used."
                )
            target = training_target(design, templates, terms)
        else:
            target = new_target(
                design,
                templates,
                terms,
                data,
                weights=weights,
                allow_new_levels=allow_new_levels,
            )
        return prediction_table(self._fitted, target, wanted)

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
        source = simulator(self._fitted, random)
        drawn = responses(source, rng, count, self._design.n, self._fitted.model.templates.q)
        return pd.DataFrame(drawn.T, index=self._design.index)

    def bootstrap(
        self,
        nsim: int,
        seed: Seed = None,
        statistic: Callable[[Self], Any] | None = None,
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
            return bootstrap_statistic(self._fitted, plan, self.refit, statistic, statistic(self))
