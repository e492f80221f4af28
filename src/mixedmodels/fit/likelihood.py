"""Likelihood-based inference: the methods; the mathematics is in `inference`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pandas as pd

from mixedmodels.design.absent import needs_rows
from mixedmodels.errors import ArgumentError, MixedModelsError
from mixedmodels.estimates.linear import Fitted, by_ml
from mixedmodels.fit.values import Values
from mixedmodels.inference.coefficients import announced_degrees, method_for
from mixedmodels.inference.source import Covariance, method_of
from mixedmodels.inference.tables import Anova, DropTable
from mixedmodels.lazy import late_function, late_module
from mixedmodels.progress import Tally
from mixedmodels.settings import (
    BOOTSTRAP_INTERVALS,
    CONFINT_METHODS,
    DROP_TESTS,
    PROFILE_LEVEL,
    BootstrapInterval,
    ConfintMethod,
    Ddf,
    DropTest,
    check_flag,
    thread_count,
)
from mixedmodels.spelling import chosen_option, spelled

if TYPE_CHECKING:
    from mixedmodels.inference import compare as comparing
    from mixedmodels.inference.confint import (
        bootstrap_intervals,
        chosen_parameters,
        profile_intervals,
        wald_intervals,
    )
    from mixedmodels.inference.drop import drop1, drop1_f, ranova
    from mixedmodels.inference.profile import Profile, profile
    from mixedmodels.prediction.bootstrap import Plan, bootstrap
    from mixedmodels.prediction.ratios import drawn_ratios
    from mixedmodels.prediction.simulate import Seed, check_count, random_generator
else:
    comparing = late_module("mixedmodels.inference.compare")
    bootstrap_intervals = late_function("mixedmodels.inference.confint", "bootstrap_intervals")
    chosen_parameters = late_function("mixedmodels.inference.confint", "chosen_parameters")
    profile_intervals = late_function("mixedmodels.inference.confint", "profile_intervals")
    wald_intervals = late_function("mixedmodels.inference.confint", "wald_intervals")
    drop1 = late_function("mixedmodels.inference.drop", "drop1")
    drop1_f = late_function("mixedmodels.inference.drop", "drop1_f")
    ranova = late_function("mixedmodels.inference.drop", "ranova")
    profile = late_function("mixedmodels.inference.profile", "profile")
    Plan = late_function("mixedmodels.prediction.bootstrap", "Plan")
    bootstrap = late_function("mixedmodels.prediction.bootstrap", "bootstrap")
    drawn_ratios = late_function("mixedmodels.prediction.ratios", "drawn_ratios")
    check_count = late_function("mixedmodels.prediction.simulate", "check_count")
    random_generator = late_function("mixedmodels.prediction.simulate", "random_generator")


class Likelihood(Values):
    """Tests and intervals by likelihood; see `LinearMixedFit`."""

    def drop1(self, test: DropTest = "Chisq", *, ddf: Ddf = "satterthwaite") -> DropTable | Anova:
        """Tests of the fixed terms that can be left out, one at a time.

        A term stays as long as a higher one contains it, as in R's `drop1`.

        Args:
            test: "Chisq", a likelihood-ratio test, for which both models are fitted by ML, whatever
                the fit itself was by; "F", a test in the fit as it is, as lmerTest's.
            ddf: Method for denominator degrees of freedom of "F", as in `coef_table`.

        Returns:
            A table that is read like a DataFrame (`table["p_value"]`).
            "Chisq": a row "<none>" for the model itself and one per term; columns `npar` and `aic`
            of the model without the term, `statistic` (the likelihood ratio), its `df`, `p_value`.
            "F": one row per term with the columns of `anova`.

        Raises:
            MixedModelsError: Unknown `test` or `ddf`.
            ModelError: "Chisq": a term cannot be left out without changing how others are coded.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("angle ~ recipe + temp + (1 | recipe:replicate)",
            ...               mm.load_dataset("cake"))
            >>> fit.drop1()["statistic"].round(3).to_dict()
            {'<none>': nan, 'recipe': 0.53, 'temp': 79.531}
            >>> fit.drop1("F")["statistic"].round(3).to_dict()
            {'recipe': 0.249, 'temp': 94.976}
        """
        test = chosen_option("test", test, DROP_TESTS)
        method_for(self._fitted, ddf)
        if test == "F":
            method = announced_degrees(self._fitted, ddf)
            table = drop1_f(self._fitted.model, method)
            return Anova(table, method.method, "each left out of the model")
        return DropTable(drop1(by_ml(self._fitted)), "Fixed terms left out one at a time (ML)")

    def ranova(self, reduce: bool = True) -> DropTable:
        """Tests of the random-effects terms, left out one at a time.

        The criterion is that of the fit: REML likelihoods compare, the fixed part being the same.
        `p_value` refers the ratio to a chi-square with `df` degrees of freedom, which is too
        cautious, since a variance cannot be negative. `p_mixture` refers it to the 50:50 mixture of
        chi-squares with `df - 1` and `df` degrees of freedom, which is right for one more variance
        with its covariances; where more goes at once it is NaN.

        Args:
            reduce: `(x | g)` is compared with `(1 | g)`, as by lmerTest's `ranova`; False leaves
                the term out as a whole.

        Returns:
            A table that is read like a DataFrame.
            A row "<none>" for the model itself and one per term; columns `npar`, `loglik`, `aic`,
            `statistic` (the likelihood ratio), its `df`, `p_value`, `p_mixture`.

        Raises:
            ModelError: A part cannot be left out without changing how others are coded.

        References:
            Stram and Lee (1994), Biometrics 50, 1171-1177; Self and Liang (1987), JASA 82, 605-610.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
            >>> fit.ranova()["statistic"].round(3).to_dict()
            {'<none>': nan, 'Days in (Days | Subject)': 42.837}
        """
        check_flag("reduce", reduce)
        criterion = "REML" if self.reml else "ML"
        heading = f"Random-effects terms left out one at a time ({criterion})"
        return DropTable(ranova(self._fitted, reduce=reduce), heading)

    def profile(
        self,
        parameters: str | Sequence[str] | None = None,
        *,
        level: float = PROFILE_LEVEL,
        threads: int | None = None,
    ) -> Profile:
        """Profile likelihood of standard deviations, correlations, sigma and coefficients.

        The criterion is ML also for a fit by REML, as in lme4. Parameters are named
        `sd(group.effect)`, `cor(group.effect1.effect2)`, `sigma`, and as the coefficients; lme4's
        `.sig01`, `.sig02`, ... are the first ones in the same order, its `.sigma` is `sigma`.

        Args:
            parameters: Names; `theta_` stands for the random effects and sigma, `beta_` for the
                coefficients; all if None. Effects and groups may be written as in a formula
                (`sd(h:g.x)` for `sd(g:h.x)`, backticks); `beta(sigma)` is the coefficient of a
                covariate called sigma.
            level: The curves reach as far as confidence regions of this level for two parameters.
            threads: Curves computed at a time; None takes those of the fit.

        Returns:
            The profile; the fit is unchanged.

        Raises:
            MixedModelsError: Unknown names, invalid `level` or `threads`, or a profile that cannot
                be computed.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
            >>> fit.profile("sigma").value("sigma", [-1.96, 1.96]).round(1)
            array([38.2, 67.7])
        """
        return profile(by_ml(self._fitted), parameters, level, threads)

    def confint(
        self,
        parameters: str | Sequence[str] | None = None,
        level: float = 0.95,
        *,
        method: ConfintMethod = "profile",
        ddf: Ddf = "satterthwaite",
        vcov: Covariance = None,
        kind: BootstrapInterval = "percentile",
        nsim: int | None = None,
        seed: Any = None,
        threads: int | None = None,
    ) -> pd.DataFrame:
        """Confidence intervals of the parameters.

        Args:
            parameters: Names, as for `profile`; all if None.
            level: Coverage, between 0 and 1.
            method: "profile" searches where the ML deviance is a chi-square quantile above its
                minimum. "wald" is estimate -+ quantile x standard error for coefficients, the
                quantile by `ddf`. "bootstrap" makes `nsim` replicates by `bootstrap`.
            ddf: Method for degrees of freedom of "wald", as in `coef_table`: its standard errors
                and t distributions, so that an interval holds what its p-value does not reject.
            vcov: Another covariance of the fixed effects for "wald", as in `coef_table`; profiles
                and replicates do not have a use for one.
            kind: Kind of interval made of the replicates: "percentile", "basic", "normal" or
                "bias-corrected".
            nsim: Replicates of the bootstrap, 1000 if None; other methods have none.
            seed: Seed of the bootstrap.
            threads: Parameters, or replicates, at a time; None takes those of the fit.

        Returns:
            One row per parameter; columns `lower`, `upper`. A variance that cannot be told from
            zero has lower limit 0; aliased coefficients, and with "wald" the random effects and
            sigma, are NaN.

        Raises:
            MixedModelsError: Unknown names or options, an invalid `level`, or a profile that cannot
                be computed.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
            >>> fit.confint().round(2).loc["sigma"].tolist()
            [38.23, 67.66]
        """
        if isinstance(parameters, str) and (named := spelled(parameters, CONFINT_METHODS)):
            raise ArgumentError(
                f"{parameters!r} is a method; the first argument names parameters. "
                f"Write confint(method={named!r})."
            )
        method = chosen_option("method", method, CONFINT_METHODS)
        kind = chosen_option("kind", kind, BOOTSTRAP_INTERVALS)
        method_for(self._fitted, ddf)
        thread_count(threads)
        if method != "wald" and vcov is not None:
            raise MixedModelsError(
                f"vcov= is for Wald intervals, not for method={method!r}; write "
                "confint(method='wald', vcov=...)."
            )
        replicates = {"nsim": nsim, "seed": seed}
        drawn = [name for name, given in replicates.items() if given is not None]
        if method != "bootstrap" and drawn:
            raise MixedModelsError(
                f"{drawn[0]}= is for intervals by bootstrap, not for method={method!r}; write "
                "confint(method='bootstrap', nsim=..., seed=...)."
            )
        if method == "wald":
            chosen_parameters(self._fitted, parameters)  # refuses names before the work
            method_of_tests = method_of(self._fitted, ddf, vcov, announce=True)
            return wald_intervals(self._fitted, parameters, level, method_of_tests)
        if method == "profile":
            return profile_intervals(by_ml(self._fitted), parameters, level, threads)
        chosen_parameters(self._fitted, parameters)  # refuses names before the work
        with Tally("replicates") as tally:
            plan = Plan(1000 if nsim is None else nsim, seed, threads=threads, report=tally)
            table = bootstrap(self._fitted, plan).confint(kind, level)
        return bootstrap_intervals(self._fitted, parameters, table)


def compare_fits(
    fits: Sequence[Values],
    names: Sequence[str],
    refit: bool,
    nsim: int | None = None,
    seed: Seed = None,
    threads: int | None = None,
) -> comparing.Comparison:
    """The table of likelihood ratios; see `anova`."""
    if nsim is not None:
        check_count("nsim", nsim)
    found = _compared(fits, names, refit)
    if nsim is None:
        return found
    every = [by_ml(fit._fitted) if refit else fit._fitted for fit in fits]  # noqa: SLF001
    pairs = pairwise(sorted(zip(names, every, strict=True), key=lambda pair: pair[1].solution.npar))
    tested = found.table["p_value"].notna()
    rng, _ = random_generator(seed)
    drawn = {}
    for (_, small), (name, large) in pairs:
        if not tested[name]:
            continue
        if not (small.model.design.has_rows and large.model.design.has_rows):
            raise MixedModelsError(needs_rows("anova(nsim=)"))
        with Tally("drawn responses") as tally:
            plan = Plan(nsim, threads=threads, report=tally)
            drawn[name] = drawn_ratios(small, large, plan, rng)
    return comparing.with_bootstrap(found, drawn)


def _compared(fits: Sequence[Values], names: Sequence[str], refit: bool) -> comparing.Comparison:
    every = [fit._fitted for fit in fits]  # noqa: SLF001
    formulas = [fit._formula_in_full for fit in fits]  # noqa: SLF001
    given = _candidates(names, every, formulas)
    comparing.check_comparable(given)
    given = comparing.of_one_kind(given)
    if not refit:
        comparing.check_restricted(given)
        comparing.check_approximations(given)
        return comparing.compare(given, comparing.RESTRICTED if given[0].solution.reml else "")
    refitted = any(fit.reml for fit in fits)
    if refitted:
        given = comparing.of_one_kind(_candidates(names, map(by_ml, every), formulas))
    comparing.check_approximations(given)
    return comparing.compare(given, comparing.REFITTED if refitted else "")


def _candidates(
    names: Sequence[str], every: Iterable[Fitted], formulas: Sequence[str]
) -> list[comparing.Candidate]:
    return [
        comparing.Candidate(
            name,
            fitted.model.design,
            fitted.solution,
            fitted.model.products,
            fitted.model.distribution_in_words,
            getattr(fitted.model, "family", None),
            getattr(fitted.model, "method", ""),
            formula,
        )
        for name, fitted, formula in zip(names, every, formulas, strict=True)
    ]
