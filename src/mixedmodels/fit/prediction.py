"""Prediction, simulation and bootstrap: the methods; the mathematics is in `prediction`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.design.by_row import on_all_rows, used_labels
from mixedmodels.diagnostics.tidy import beside, labelled_columns, model_columns
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.tails import Back
from mixedmodels.fit.values import Values
from mixedmodels.inference.coefficients import announced_degrees
from mixedmodels.inference.information import variance_information
from mixedmodels.inference.source import Covariance, method_of
from mixedmodels.lazy import late_function, late_module
from mixedmodels.prediction.target import (
    Parts,
    Target,
    chosen_terms,
    new_target,
    training_target,
)
from mixedmodels.progress import Tally
from mixedmodels.settings import (
    MEANS_TYPES,
    BootstrapKind,
    Ddf,
    IntervalKind,
    MeansType,
    Modes,
    Uncertainty,
    check_flag,
    df_method,
)
from mixedmodels.spelling import chosen_option

if TYPE_CHECKING:
    from typing_extensions import Self

    from mixedmodels.prediction.bootstrap import Plan, bootstrap, bootstrap_statistic
    from mixedmodels.prediction.intervals import (
        Wanted,
        averaged_intervals,
        conditional_intervals,
        fixed_intervals,
        on_response,
        prediction,
    )
    from mixedmodels.prediction.replicates import Bootstrap
    from mixedmodels.prediction.simulate import (
        Seed,
        check_count,
        random_generator,
        responses,
        simulator,
    )
    from mixedmodels.streaming import augmenting as _augmenting
    from mixedmodels.streaming import sources as _sources
else:
    _augmenting = late_module("mixedmodels.streaming.augmenting")
    _sources = late_module("mixedmodels.streaming.sources")
    Plan = late_function("mixedmodels.prediction.bootstrap", "Plan")
    bootstrap = late_function("mixedmodels.prediction.bootstrap", "bootstrap")
    bootstrap_statistic = late_function("mixedmodels.prediction.bootstrap", "bootstrap_statistic")
    Wanted = late_function("mixedmodels.prediction.intervals", "Wanted")
    averaged_intervals = late_function("mixedmodels.prediction.intervals", "averaged_intervals")
    conditional_intervals = late_function(
        "mixedmodels.prediction.intervals", "conditional_intervals"
    )
    fixed_intervals = late_function("mixedmodels.prediction.intervals", "fixed_intervals")
    on_response = late_function("mixedmodels.prediction.intervals", "on_response")
    prediction = late_function("mixedmodels.prediction.intervals", "prediction")
    check_count = late_function("mixedmodels.prediction.simulate", "check_count")
    random_generator = late_function("mixedmodels.prediction.simulate", "random_generator")
    responses = late_function("mixedmodels.prediction.simulate", "responses")
    simulator = late_function("mixedmodels.prediction.simulate", "simulator")

RandomPart: TypeAlias = "str | Iterable[str]"


class Prediction(Values):
    """Predictions for other data; see `LinearMixedFit`."""

    def predict(
        self,
        data: Any = None,
        *,
        type: MeansType = "link",  # noqa: A002 (the name that R has)
        random: RandomPart = "all",
        allow_new_levels: bool = False,
    ) -> pd.Series[float]:
        """Predict means of the rows used or of new ones.

        Args:
            data: New rows, any table that `lmer` takes; the rows of `fitted` if None. Columns
                that the asked part does not need may be absent. Stateful transforms are replayed.
            type: "link" is the scale of the formula's left side; "response" transforms predictions
                of `log(y)`, `sqrt(y)` and the like back: medians of y, not its means.
            random: Random effects that take part: "all", "none", or a list of grouping factors
                ("Subject"; "g:h" is "h:g") and terms ("(Days | Subject)") or parts of these
                ("(1 | Subject)").
            allow_new_levels: Give rows with a level that was not there in training the population
                value: its random effects are zero.

        Returns:
            (n,) offset + x'beta + z'b with the index of the data; a row with a missing value is
            NaN.

        Raises:
            FormulaError: A column is missing.
            DataError: A level is new and new ones are not allowed, or a column is of another kind.
            MixedModelsError: An unknown option or term, or type="response" of a response that
                cannot be transformed back.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
            >>> new = {"Days": [10, 10], "Subject": ["308", "999"]}
            >>> fit.predict(new, allow_new_levels=True).round(2).tolist()
            [450.33, 356.08]
        """
        back = self._back(type)
        terms = chosen_terms(self._design, random)
        found = prediction(self._fitted, self._target(data, terms, None, allow_new_levels))
        if back is not None:
            found = pd.Series(back(found.to_numpy())[0], found.index, name=found.name)
        return on_all_rows(self._design, found) if data is None else found

    def predict_interval(
        self,
        data: Any = None,
        kind: IntervalKind = "confidence",
        level: float = 0.95,
        *,
        type: MeansType = "link",  # noqa: A002 (the name that R has)
        ddf: Ddf = "satterthwaite",
        uncertainty: Uncertainty = "conditional",
        columns: bool = False,
        random: RandomPart = "all",
        allow_new_levels: bool = False,
        weights: Any = None,
        vcov: Covariance = None,
    ) -> pd.DataFrame:
        """Predictions with standard errors and intervals.

        Args:
            data: New rows, as for `predict`; the rows of `fitted` if None.
            kind: "confidence" for the mean offset + x'beta + z'b, "prediction" for an observation,
                which adds sigma^2 / w.
            level: Coverage of the interval.
            type: "link" is the scale of the formula's left side; "response" transforms predictions
                of `log(y)`, `sqrt(y)` and the like and their limits back, which keeps the coverage.
                Predictions are then medians of y, and standard errors are by the delta method.
            ddf: Method for degrees of freedom, as in `coef_table`. Where no random effects take
                part, standard errors and quantiles are its own, so that the interval is that of
                `test`. Where some do, standard errors are those given theta, and "satterthwaite"
                matches the variance of each row's estimated variance, that of the random effects
                included, as SAS does: close to the residual's degrees of freedom for a level with
                many rows, few for a new level of a factor with few. "kenward-roger" has no
                rule of its own for such rows and takes the same; "residual" is n less the rank of
                X for all, "none" the normal distribution, as glmmTMB's and merTools' intervals.
            uncertainty: "conditional" takes the variance parameters theta as known, as lme4 and its
                relatives do; "full" averages over what the data leave open about them, which for
                few groups makes intervals wider, and above all right; it has no use for `ddf`.
            columns: Put the columns of the data before the others; without data, the response and
                the grouping factors. A column with the name of another one is called `data(name)`.
            random: Random effects that take part, as for `predict`.
            allow_new_levels: Give rows with a level that was not there in training the population
                value; the variance of its random effects enters the errors.
            weights: Prior weights of observations at new rows: a column, an expression of columns,
                or one value per row; 1 if None. They matter to "prediction" only.
            vcov: Another covariance of the fixed effects, as in `coef_table`; with random="none".

        Returns:
            (n, 4) with the index of the data: `prediction`, `std_error` (of what the interval is
            for), `lower`, `upper`; a row with a missing value is NaN.

        Raises:
            FormulaError: A column is missing.
            DataError: A level is new and new ones are not allowed, or a column is of another kind.
            MixedModelsError: An unknown option or term.

        References:
            Henderson (1975), Biometrics 31, 423-447, for the errors given theta.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
            >>> fit.predict_interval({"Days": [0]}, random="none").round(1)
               prediction  std_error  lower  upper
            0       251.4        6.8  237.0  265.8
        """
        check_flag("columns", columns)
        wanted, method, back = Wanted(kind, level, uncertainty), df_method(ddf), self._back(type)
        terms = chosen_terms(self._design, random)
        if vcov is not None and (terms or wanted.uncertainty == "full"):
            raise MixedModelsError(
                "vcov= is a covariance of the fixed effects alone; it goes with random='none' and "
                "uncertainty='conditional'."
            )
        target = self._target(data, terms, weights, allow_new_levels)
        if wanted.uncertainty == "full":
            table = averaged_intervals(self._fitted, target, wanted)
        elif terms or not self._solution.p:
            table = conditional_intervals(self._fitted, target, wanted, method, self._known)
        else:
            tests = method_of(self._fitted, method, vcov, announce=True)
            table = fixed_intervals(self._fitted, target, wanted, tests)
        table = table if back is None else on_response(table, back)
        return self._laid_out(table, data, columns=columns)

    def _laid_out(self, table: pd.DataFrame, data: Any, *, columns: bool) -> pd.DataFrame:
        """Predictions beside the columns of their rows, on all rows where these are the fit's."""
        if columns:
            if data is None:
                given = model_columns(self._fitted)
            else:
                given = labelled_columns(data, table.index)
            table = beside(given, table)
        return on_all_rows(self._design, table) if data is None else table

    def _back(self, type: MeansType) -> Back | None:  # noqa: A002
        """The way back to the response; None where it is not transformed, or not asked for.

        Raises:
            MixedModelsError: The left side is not a function of a column with a known inverse.
        """
        wanted = chosen_option("type", type, MEANS_TYPES)
        response = self._design.formula.response_factor
        if wanted == "link" or response.is_column:
            return None
        scale = self._scale
        if scale is None:
            raise MixedModelsError(
                f"type='response': there is no way back from {response.name!r:.80}, which is not a "
                "function of one column with a known inverse. Transform predictions by type='link'."
            )
        return lambda values: scale.back(values)[:2]

    def _known(self) -> FloatArray:
        """Covariance of theta along the axes and log sigma, NaN with a warning where unknown."""
        announced_degrees(self._fitted, "satterthwaite")
        return self._fitted.once(variance_information).vcov

    def _target(
        self,
        data: Any,
        terms: Parts,
        weights: Any,
        allow_new_levels: bool,
        levels: bool = True,
    ) -> Target:
        """The rows to predict."""
        check_flag("allow_new_levels", allow_new_levels)
        design, templates = self._design, self._fitted.model.templates
        if data is None:
            if weights is not None:
                raise MixedModelsError(
                    "weights are for new rows; without data those of the fit are used."
                )
            return training_target(design, templates, terms)
        return new_target(
            design,
            templates,
            terms,
            data,
            weights=weights,
            allow_new_levels=allow_new_levels,
            levels=levels,
        )

    def simulate(
        self, nsim: int = 1, seed: Seed = None, modes: Modes = "new", *, source: Any = None
    ) -> pd.DataFrame:
        """Draw responses from the fitted model.

        Args:
            nsim: Number of responses.
            seed: A whole number, a SeedSequence or a `numpy.random.Generator`; None draws one.
            modes: "new" draws random effects from their fitted distribution; "kept" leaves them at
                their modes.
            source: Of a fit that was made from a source: that source, or another with the columns
                of the formula.

        Returns:
            (n, nsim) by row label, of the rows of `fitted`; columns are numbered from 0. Column i
            is the response of replicate i of `bootstrap` with the same seed. Of a source, a
            `pyarrow.RecordBatchReader` of the columns of the formula in the rows used and `.sim0`,
            `.sim1`, ...; what is drawn depends on the seed and on the partitions, not on their
            order.

        Raises:
            MixedModelsError: Unknown `modes`, an unusable number or seed, or a source of a fit that
                has rows.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
            >>> fit.simulate(3, seed=1).shape
            (30, 3)
        """
        count = check_count("nsim", nsim)
        rng, _ = random_generator(seed)
        if source is not None:
            return self._simulated(source, count, rng, modes)
        drawing = simulator(self._fitted, modes)
        drawn = responses(drawing, rng, count, self._design.n, self._fitted.model.templates.q)
        return on_all_rows(self._design, self._shown(drawn))

    def _simulated(self, given: Any, count: int, rng: np.random.Generator, modes: Modes) -> Any:
        if self._sums is None:
            raise MixedModelsError(
                "source= is for a fit that was made from a source; this one has its rows. Leave "
                "source= out, as in fit.simulate(10)."
            )
        source, plan = _sources.as_source(given), self._sums.plan
        return _augmenting.simulate_source(self._fitted, plan, source, count, rng, modes)

    def _shown(self, drawn: FloatArray) -> pd.DataFrame:
        """(n, count) responses (count, n) that a simulator has drawn, as the formula has them."""
        return pd.DataFrame(drawn.T, used_labels(self._design))

    def bootstrap(
        self,
        nsim: int = 1000,
        seed: Seed = None,
        statistic: Callable[[Self], Any] | None = None,
        modes: Modes = "new",
        *,
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
            modes: "new" draws random effects, "kept" leaves them at their modes.
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
        if not (statistic is None or callable(statistic)):
            raise MixedModelsError(
                f"statistic is {statistic!r:.80}; it must be a function of a fit, such as "
                "lambda fit: fit.fixef."
            )
        with Tally("replicates", shown=progress) as tally:
            plan = Plan(nsim, seed, modes, kind, threads, tally)
            if statistic is None:
                return bootstrap(self._fitted, plan)
            refit = self._refit_drawn
            return bootstrap_statistic(self._fitted, plan, refit, statistic, statistic(self))

    def _refit_drawn(self, y: FloatArray) -> Any:
        """The fit to a response that a simulator has drawn."""
        return self.refit(y)
