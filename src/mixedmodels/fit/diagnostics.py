"""Diagnostics after the fit: the methods; the mathematics is in `diagnostics`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.design import by_row
from mixedmodels.diagnostics.rows import (
    cooks_by_row,
    residuals_of_kind,
    rows_of,
    scale_of,
)
from mixedmodels.diagnostics.variance import icc, r_squared, variance_parts, vif
from mixedmodels.errors import MixedModelsError
from mixedmodels.fit.values import Values
from mixedmodels.lazy import late_function, late_module
from mixedmodels.progress import Tally
from mixedmodels.settings import (
    RESIDUAL_KINDS,
    Control,
    InfluenceMethod,
    OptimizerName,
    PcaScale,
    ResidualKind,
    check_flag,
)
from mixedmodels.spelling import chosen_option

if TYPE_CHECKING:
    from mixedmodels.checking import run as checking
    from mixedmodels.checking.result import Checks
    from mixedmodels.diagnostics.all_fit import all_fit
    from mixedmodels.diagnostics.deletion import chosen_method, influence
    from mixedmodels.diagnostics.influence import Influence
    from mixedmodels.diagnostics.pca import RandomEffectsPCA, random_effects_pca
    from mixedmodels.diagnostics.quantile import quantile_residuals
    from mixedmodels.diagnostics.singularity import Singularity, singularity
    from mixedmodels.prediction.simulate import (
        Seed,
        check_count,
        random_generator,
        response_chunks,
        simulator,
    )
    from mixedmodels.streaming import deleting as _deleting
    from mixedmodels.streaming import sources as _sources
else:
    all_fit = late_function("mixedmodels.diagnostics.all_fit", "all_fit")
    chosen_method = late_function("mixedmodels.diagnostics.deletion", "chosen_method")
    influence = late_function("mixedmodels.diagnostics.deletion", "influence")
    random_effects_pca = late_function("mixedmodels.diagnostics.pca", "random_effects_pca")
    quantile_residuals = late_function("mixedmodels.diagnostics.quantile", "quantile_residuals")
    singularity = late_function("mixedmodels.diagnostics.singularity", "singularity")
    check_count = late_function("mixedmodels.prediction.simulate", "check_count")
    random_generator = late_function("mixedmodels.prediction.simulate", "random_generator")
    response_chunks = late_function("mixedmodels.prediction.simulate", "response_chunks")
    simulator = late_function("mixedmodels.prediction.simulate", "simulator")
    checking = late_module("mixedmodels.checking.run")
    _deleting = late_module("mixedmodels.streaming.deleting")
    _sources = late_module("mixedmodels.streaming.sources")


# Simpler formulas that are tried after a singular fit.
_MOST_PROPOSALS = 6


class Diagnostics(Values):
    """Diagnostics of rows, groups and terms; see `LinearMixedFit`."""

    # -- rows ---------------------------------------------------------------------------

    def _by_row(self, values: FloatArray, name: str) -> pd.Series[float]:
        return by_row.series(self._design, values, name)

    def leverage(self) -> pd.Series[float]:
        """Hat values: how much of its own fitted value each row is, theta held.

        The diagonal of the matrix H with fitted = H y, random effects included, as lme4's
        `hatvalues`; its sum is the effective number of coefficients (Hodges and Sargent 2001,
        Biometrika 88, 367-379). Time goes with the rows, not with their square.

        Returns:
            (n,) numbers between 0 and 1, by row label.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
            >>> round(float(fit.leverage().sum()), 3)
            29.022
        """
        return self._by_row(self._fitted.once(rows_of).hat, "leverage")

    def std_residuals(
        self,
        kind: ResidualKind = "standardized",
        marginal: bool = False,
        *,
        nsim: int = 1000,
        seed: Seed = None,
    ) -> pd.Series[float]:
        """Residuals of each kind.

        ================  =========================================================
        `kind`            conditional residual r = y - fitted, divided by
        ================  =========================================================
        "raw"             1
        "pearson"         1 / sqrt(w), in the response's units
        "scaled"          sigma / sqrt(w): the model's standard deviation of the error
        "standardized"    sigma sqrt((1 - h) / w): that of the residual itself, often called
                          internally studentized; lme4's `rstudent`
        "studentized"     the same with sigma from the other rows, theta held: externally
                          studentized, so that an outlier does not hide behind its own sigma
        ================  =========================================================

        `marginal=True` takes y - offset - X beta instead, whose standard deviations are those
        of the marginal model, random effects included (for "studentized" over sigma, times sigma
        from the other rows).

        "quantile" is the share of responses drawn from the fitted model that lie below the one
        observed, ties broken at random: uniform on (0, 1) if the model is right. Random effects
        are kept at their modes, or drawn anew with `marginal=True`, which is what R's DHARMa does;
        residuals of one group then go together.

        Args:
            kind: See above.
            marginal: Residuals of the marginal model, not given the random effects.
            nsim: Responses drawn for "quantile".
            seed: Seed of "quantile".

        Returns:
            (n,) by row label; NaN where the row alone determines a coefficient.

        Raises:
            MixedModelsError: Unknown `kind`, `marginal` is not a truth value, or an unusable number
                or seed.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
            >>> fit.std_residuals().nlargest(2).round(2).to_dict()
            {56: 5.53, 5: 2.58}
        """
        check_flag("marginal", marginal)
        kind = chosen_option("kind", kind, RESIDUAL_KINDS)
        if kind == "quantile":
            values = self._quantiles(marginal, check_count("nsim", nsim), seed)
        else:
            rows = self._fitted.once(rows_of)
            values = residuals_of_kind(self._fitted, rows, kind, marginal=marginal)
        given = "marginal" if marginal else "conditional"
        return self._by_row(values, f"{given} {kind} residual")

    def _quantiles(self, marginal: bool, nsim: int, seed: Seed) -> FloatArray:
        rng, _ = random_generator(seed)
        source = simulator(self._fitted, "new" if marginal else "kept")
        numbers = self._design.n + self._fitted.model.templates.q
        draws = response_chunks(source, rng, nsim, numbers)
        return quantile_residuals(self._design.y, draws, rng)

    # -- deletion -----------------------------------------------------------------------

    def influence(
        self,
        by: str | npt.ArrayLike | None = None,
        method: InfluenceMethod | None = None,
        *,
        exact: bool | None = None,
        only: Sequence[Any] | None = None,
        control: Control | None = None,
        threads: int | None = None,
        source: Any = None,
    ) -> Influence:
        """Fits without each row, or without each level of a group.

        "held" keeps theta: coefficients and sigma without single rows are then a closed form of
        residual and leverage, for the price of one evaluation. "exact" searches the optimum of
        every deletion from this fit's theta, compiled and in parallel; levels that lose all their
        rows drop out. "one-step" takes one Newton step of theta with the exact gradient of the rows
        left and the Hessian of all rows: for single rows that costs a few evaluations in all,
        whatever their number (Cook and Weisberg 1982, ch. 5, in theta).

        Args:
            by: None for single rows, the name of a grouping factor, or one label per row used.
            method: "held", "one-step" or "exact"; if None, "held" for single rows and "exact" for
                groups.
            exact: True is `method="exact"`, False is `method="held"`.
            only: Labels of the deletions to make; all when None.
            control: Limits of the searches; those of this fit when None.
            threads: Threads; those of this fit when None.
            source: Of a fit that was made from a source: that source, which is read once for the
                rows of the levels that are left out.

        Returns:
            Coefficients, theta and sigma by deletion, with `cooks_distance`, `dfbetas` and
            `to_frame()`.

        Raises:
            MixedModelsError: An unknown method, grouping factor or label.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
            >>> fit.influence("Subject").cooks_distance.idxmax()
            '309'
        """
        chosen = chosen_method(method, exact, "held" if by is None else "exact")
        if source is not None or self._sums is not None:
            return self._influence_of_source(
                source, by, chosen, only=only, control=control, threads=threads
            )
        return influence(self._fitted, by, chosen, only=only, control=control, threads=threads)

    def _influence_of_source(
        self, source: Any, by: Any, method: InfluenceMethod, **options: Any
    ) -> Influence:
        if self._sums is None:
            raise MixedModelsError(
                "source= is for a fit that was made from a source; this one has its rows. Leave "
                "source= out."
            )
        if source is None:
            raise MixedModelsError(
                "influence needs the rows of the data, and this fit was made from sums over them: "
                "give their source, as in fit.influence("
                f"{self._design.groups[0].name!r}, source=...). Cook's distances and hat values of "
                "single rows are columns of fit.augment(source)."
            )
        plan, counts, given = self._sums.plan, self._sums.level_rows(), _sources.as_source(source)
        return _deleting.influence_of_source(
            self._fitted, plan, counts, given, by, method, **options
        )

    def cooks_distance(
        self,
        by: str | npt.ArrayLike | None = None,
        method: InfluenceMethod | None = None,
        *,
        exact: bool | None = None,
    ) -> pd.Series[float]:
        """Cook's distances, of rows or of groups.

        Rows (`by=None`): r^2 h / (sigma^2 p (1 - h)^2) with Pearson residuals r and hat values h,
        theta held, as lme4's `cooks.distance`: the change of all fitted values, random effects
        included. Groups: d'V^-1 d / p with the change d of the fixed effects in refits, as
        `influence(by, method).cooks_distance`; lme4's has a factor (J - p) / J more, J groups.

        Args:
            by: None, the name of a grouping factor, or one label per row used.
            method: For groups, as for `influence`.
            exact: For groups, as for `influence`.

        Returns:
            (n,) by row label, or (groups,) by level.

        Raises:
            MixedModelsError: The model has no fixed effects, or an unknown group or method.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
            >>> fit.cooks_distance("Subject").nlargest(2).round(3).to_dict()
            {'309': 0.149, '335': 0.129}
        """
        if by is not None:
            return self.influence(by, method, exact=exact).cooks_distance
        scale = self._fitted.once(scale_of)
        if scale.p == 0:
            raise MixedModelsError(
                "cooks_distance: the model has no fixed effects, by whose number it divides."
            )
        distances = cooks_by_row(self._fitted.once(rows_of), scale)
        return self._by_row(distances, "cooks_distance")

    def dfbetas(
        self,
        by: str | npt.ArrayLike | None = None,
        method: InfluenceMethod | None = None,
        *,
        exact: bool | None = None,
    ) -> pd.DataFrame:
        """Change of each coefficient over its standard error, rows or groups left out.

        Args:
            by: None, the name of a grouping factor, or one label per row used.
            method: As for `influence`: "held" for single rows and "exact" for groups if None.
            exact: As for `influence`.

        Returns:
            (deletions, p): coefficient without less coefficient with, over the standard error
            without.

        Raises:
            MixedModelsError: An unknown method, grouping factor or label.
        """
        return self.influence(by, method, exact=exact).dfbetas

    # -- all at once --------------------------------------------------------------------

    def check(
        self,
        *,
        nsim: int | None = None,
        seed: Seed = 1,
        threads: int | None = None,
        progress: bool | None = None,
    ) -> Checks:
        """Check the model's assumptions: one page in words, and a panel of pictures.

        Linearity, spread, normality of residuals and of random effects, and quantile residuals are
        measured in the data and in data simulated from the fit, each fitted again: the p-value is
        the share of these that is at least as extreme. Influence, collinearity and singularity are
        judged by their numbers.

        Args:
            nsim: Simulated data sets; 199, or 99 for many rows, if None. With fewer than 99 a check
                calls for a look where the data are more extreme than all of these.
            seed: A whole number, a SeedSequence or a `numpy.random.Generator`.
            threads: Threads that fit; None for those of the fit.
            progress: Show how far it is: on a terminal when it takes seconds (None), from the start
                (True) or never (False).

        Returns:
            Prints as a page; `to_frame()` has a row for each check, `plot()` draws the panel.

        Raises:
            MixedModelsError: An unusable number or seed, or a fit without residuals.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
            >>> fit.check(nsim=99).to_frame()["verdict"].to_dict()["Normal residuals"]
            'look'
        """
        with Tally("simulated data sets", shown=progress) as tally:
            return checking.check_fit(self._fitted, nsim, seed, threads, tally)

    # -- random effects -----------------------------------------------------------------

    def repca(self, scale: PcaScale = "covariance") -> RandomEffectsPCA:
        """Principal components of each grouping factor's random effects.

        Components with almost no variance say that the random effects have more columns than the
        data support (Bates, Kliegl, Vasishth and Baayen 2015, arXiv:1506.04967).

        Args:
            scale: Components of the "covariance" matrix, as lme4's `rePCA`, or of the
                "correlation" matrix, which does not depend on the scales of the covariates; or
                "orthogonal", of the covariance along orthogonal combinations of each term's columns
                with mean square 1, which does not depend on the origins of covariates either. Its
                loadings are the effects that go with one unit of a component.

        Returns:
            Grouping factor to a `table` (sd, relative_sd, proportion, cumulative) and `loadings`.

        Raises:
            MixedModelsError: Unknown `scale`.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
            >>> fit.repca()["Subject"].table["relative_sd"].round(4).tolist()
            [0.9669, 0.2309]
        """
        return random_effects_pca(self._fitted, scale)

    def singularity(self) -> Singularity:
        """Which effects or directions have no variance, and a simpler formula to try.

        The formula has been tried: a proposal that is singular again is simplified further, as long
        as the fit has its data.

        Returns:
            Prints as sentences; `directions` as a table, `formula` as text to paste (or None).

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
            >>> fit.singularity()
            The fit is not singular: every direction of the random effects varies.
        """
        found = tried = singularity(self._fitted)
        for _ in range(_MOST_PROPOSALS):
            simpler = None if tried.formula is None else self._by_formula(tried.formula)
            if simpler is None:
                break
            found = replace(found, formula=tried.formula)
            if not simpler.is_singular:
                break
            tried = singularity(simpler._fitted)  # noqa: SLF001
        return found

    def all_fit(
        self,
        optimizers: OptimizerName | Sequence[OptimizerName] | None = None,
        *,
        control: Control | None = None,
    ) -> pd.DataFrame:
        """The same model fitted by every optimizer from the default start: do they agree?

        Args:
            optimizers: A name or several; all that can be used when None (BOBYQA only with NLopt).
            control: Limits and tolerances; those of this fit when None.

        Returns:
            A row per optimizer: `objective`, `difference` to the best, theta by name,
            `evaluations`, `seconds`, `converged`, `message`.

        Raises:
            MixedModelsError: An unknown optimizer.
        """
        return all_fit(self._fitted, optimizers, control)

    # -- shares of the variance ---------------------------------------------------------

    def icc(self) -> pd.DataFrame:
        """Intraclass correlations by grouping factor and of all together.

        "adjusted" is the share in random plus residual variance, "conditional" that in the whole
        variance, fixed effects included (Nakagawa, Johnson and Schielzeth 2017). With random
        slopes the variance is the mean over the rows (Johnson 2014).

        Returns:
            Rows: grouping factors and "all"; columns `variance`, `adjusted`, `conditional`.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
            >>> fit.icc()["adjusted"].round(4).to_dict()
            {'Batch': 0.4185, 'all': 0.4185}
        """
        return icc(self._group_names, variance_parts(self._fitted))

    def r2(self) -> pd.Series[float]:
        """Marginal and conditional R squared.

        Shares of the fixed effects, and of fixed and random effects, in their sum with the
        residual variance (Nakagawa and Schielzeth 2013; with random slopes Johnson 2014). The
        variance of X beta has the divisor n - 1; with weights the residual variance is the mean
        of sigma^2 / w.

        Returns:
            `marginal` and `conditional`.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
            >>> fit.r2().round(3).to_dict()
            {'marginal': 0.279, 'conditional': 0.799}
        """
        return r_squared(variance_parts(self._fitted))

    @property
    def _group_names(self) -> list[str]:
        return [group.name for group in self._design.groups]

    def vif(self) -> pd.DataFrame:
        """Generalised variance inflation of each fixed term.

        From the correlations of the estimates, the intercept left out (Fox and Monette 1992), as
        R's `car::vif`. Without an intercept in the model the numbers mean little.

        Returns:
            A row per term: `df` columns, `gvif`, and `scaled` = gvif^(1 / (2 df)), comparable
            between terms; NaN for a term whose columns are all aliased.

        Raises:
            MixedModelsError: No term besides the intercept.
        """
        return vif(self._fitted)
