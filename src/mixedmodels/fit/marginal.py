"""Marginal means of a fit: the methods; the mathematics is in `marginal`, loaded when asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mixedmodels.errors import MixedModelsError
from mixedmodels.fit.values import Values
from mixedmodels.inference.source import Covariance, method_of
from mixedmodels.lazy import late_function, late_module
from mixedmodels.plots.labels import MOST_NAMED, Renaming
from mixedmodels.settings import MARGINAL_TYPES, Ddf, MarginalType, MeansType
from mixedmodels.spelling import spelled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mixedmodels.marginal import effects, joint, means, source, trends
    from mixedmodels.marginal.adjust import Adjust
    from mixedmodels.marginal.categories import Categories
    from mixedmodels.marginal.effects import Show
    from mixedmodels.marginal.joint import JointTests
    from mixedmodels.marginal.regridding import Regrid
    from mixedmodels.marginal.results import MarginalMeans
    from mixedmodels.marginal.source import Source
    from mixedmodels.marginal.weights import Weights
    from mixedmodels.plots.effect_panels import plot_panels
    from mixedmodels.plots.effects import plot_effect
else:
    plot_panels = late_function("mixedmodels.plots.effect_panels", "plot_panels")
    plot_effect = late_function("mixedmodels.plots.effects", "plot_effect")
    effects = late_module("mixedmodels.marginal.effects")
    joint = late_module("mixedmodels.marginal.joint")
    means = late_module("mixedmodels.marginal.means")
    source = late_module("mixedmodels.marginal.source")
    trends = late_module("mixedmodels.marginal.trends")


class Marginal(Values):
    """Marginal means and what is made of them; see `LinearMixedFit`."""

    def emmeans(
        self,
        specs: str | Sequence[str],
        by: str | Sequence[str] | None = None,
        at: Mapping[str, Any] | None = None,
        *,
        ddf: Ddf = "satterthwaite",
        adjust: Adjust = "tukey",
        type: MarginalType = "link",  # noqa: A002
        weights: Weights = "equal",
        level: float = 0.95,
        bias_adjust: bool = False,
        sigma: float | None = None,
        offset: float | None = None,
        regrid: Regrid = "none",
        vcov: Covariance = None,
    ) -> MarginalMeans:
        """Estimated marginal means: predictions for cells of a design, averaged (R's emmeans).

        Random effects are zero. Factors have all their levels, covariates (also inside `poly` or
        `bs`) their means, a number with two values both.

        Args:
            specs: Variables whose combinations have a mean each: a name, a list, or a formula such
                as "~ f * g", "~ f | g" (by g) or "pairwise ~ f | g" (with contrasts).
            by: Variables within whose levels means are compared.
            at: Values in place of all levels or of the mean, by variable.
            ddf: Method for degrees of freedom, as in `coef_table`.
            adjust: Method for several tests in contrasts: "tukey", "holm", "hochberg", "hommel",
                "sidak", "bonferroni", "scheffe", "mvt" (multivariate t), "fdr", "fdr-by", "none".
                "tukey" is for pairs; other contrasts have what suits them (see `contrast` of the
                result).
            type: "response" transforms means of `log(y)`, `sqrt(y)` and the like back, with
                standard errors by the delta method and the limits transformed. Of an ordered
                response "prob" (and "response") gives the probabilities of its categories, which
                are a variable of their own called as the response: "~ rating | temp".
            weights: How cells are averaged: "equal", "proportional" to the rows in the cells
                averaged over, "outer" (products of the margins), "cells" (rows of each cell),
                "flat" (cells with rows), or "counterfactual": over the rows of the data, each with
                the levels of the mean in place of its own.
            level: Coverage of the limits.
            bias_adjust: With type="response", add half the second derivative times `sigma` squared.
            sigma: Standard deviation for that. If None, the residual's; of a generalized model that
                of its random intercepts together.
            offset: The offset in every mean, on the scale of the linear predictor; its mean over
                the rows if None. 0 gives rates where it is the logarithm of an exposure.
            regrid: "response" takes cells to the response before they are averaged and compared:
                averages and differences of probabilities; "log" compares such averages by ratios.
                With weights="counterfactual" they are averages of the predictions for all rows,
                each with its own offset unless one is given.
            vcov: Another covariance of the fixed effects than the model's, as in `coef_table`.

        Returns:
            A table with a row for each mean: the variables, `estimate`, `std_error`, `df`, `lower`,
            `upper`. A mean that the data do not determine is NaN; `notes` says why. A variable that
            is called as another column has underscores behind its name (`df_`), which a sentence
            below the table says. Further: `pairs()`, `contrast()`, `letters()`, `plot()`.

        Raises:
            MixedModelsError: A variable or level that the model does not have, an unknown option.
            ResourceError: Too many combinations, or "kenward-roger" would need too much memory.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("score ~ Machine + (1 | Worker/Machine)", mm.load_dataset("machines"))
            >>> fit.emmeans("Machine")["estimate"].round(2).tolist()
            [52.36, 60.32, 66.27]
            >>> fit.emmeans("Machine").pairs()["p_value"].round(4).tolist()
            [0.0111, 0.0002, 0.0507]
        """
        spread = self._bias_spread() if sigma is None and bias_adjust is True else sigma
        wanted = means.Wanted(adjust, type, weights, level, bias_adjust, spread, offset, regrid,
                              self._of_successes)  # fmt: skip
        categories = self._categories_asked(wanted, vcov)
        origin = self._source(ddf, vcov)
        return means.marginal_means(
            self._design, origin, self._scale, specs, by, at, wanted, categories, self._meaning
        )

    def emtrends(
        self,
        specs: str | Sequence[str],
        var: str,
        by: str | Sequence[str] | None = None,
        at: Mapping[str, Any] | None = None,
        *,
        ddf: Ddf = "satterthwaite",
        adjust: Adjust = "tukey",
        weights: Weights = "equal",
        level: float = 0.95,
        vcov: Covariance = None,
    ) -> MarginalMeans:
        """Slopes of a covariate by combinations of other variables, averaged as in `emmeans`.

        Args:
            specs: As in `emmeans`: "~ f", "pairwise ~ f"; "~ 1" is the slope averaged over all.
            var: The covariate, or a function of it such as "log(x)". A curve has its slope at the
                mean, or where `at` says.
            by: Variables within whose levels slopes are compared.
            at: Values in place of all levels or of the mean, by variable.
            ddf: Method for degrees of freedom, as in `coef_table`.
            adjust: Method for several tests in contrasts.
            weights: How cells are averaged.
            level: Coverage of the limits.
            vcov: Another covariance than the model's, as in `coef_table`.

        Returns:
            A table as that of `emmeans`; `estimate` is the slope.

        Raises:
            MixedModelsError: `var` is not a covariate or a function of one, or as `emmeans`.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
            >>> fit.emtrends("~ 1", "Days")["estimate"].round(3).tolist()
            [10.467]
        """
        wanted = means.Wanted(adjust, "link", weights, level)
        origin = self._source(ddf, vcov)
        latent = self._meaning.latent
        return trends.marginal_trends(
            self._design, origin, self._scale, specs, var, by, at, wanted, latent
        )

    def joint_tests(
        self,
        by: str | Sequence[str] | None = None,
        at: Mapping[str, Any] | None = None,
        *,
        ddf: Ddf = "satterthwaite",
        vcov: Covariance = None,
    ) -> JointTests:
        """F tests of terms by their marginal means; with `by`, of simple effects (R's joint_tests).

        Args:
            by: Variables within whose levels the other terms are tested.
            at: Values in place of all levels or of the mean, by variable.
            ddf: Method for denominator degrees of freedom, as in `coef_table`.
            vcov: Another covariance than the model's, as in `coef_table`.

        Returns:
            A row for each term and each variable in it, by the levels of `by`: `num_df`,
            `den_df`, `statistic` (F), `p_value`. A variable without a term of its own is tested
            within its nest: all slopes in `0 + f + f:x`. Variables of `by` that are called as
            another column have underscores behind their names. `notes` says where cells without
            data leave less than a term has.

        Raises:
            MixedModelsError: A variable or level that the model does not have.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("score ~ Machine + (1 | Worker/Machine)", mm.load_dataset("machines"))
            >>> fit.joint_tests()[["num_df", "den_df", "statistic"]].round(2).values.tolist()
            [[2.0, 10.0, 20.58]]
        """
        origin = self._source(ddf, vcov)
        return joint.joint_tests(self._design, origin, by, at)

    def plot_effect(
        self,
        variable: str,
        by: str | Sequence[str] | None = None,
        *,
        at: Mapping[str, Any] | None = None,
        random: str = "none",
        type: MeansType = "link",  # noqa: A002
        level: float = 0.95,
        ddf: Ddf = "satterthwaite",
        vcov: Covariance = None,
        weights: Weights = "equal",
        show: Show = "data",
        offset: float | None = None,
        labels: Renaming | None = None,
        max_labels: int = MOST_NAMED,
        ax: Axes | None = None,
        figsize: tuple[float, float] | None = None,
    ) -> Figure:
        """Predictions over a covariate (a line with a band) or a factor (points with limits).

        They are the means of `emmeans`: other factors averaged, other covariates at their means.

        Args:
            variable: A variable of the fixed part.
            by: A variable with a line for each of its levels; of a covariate, at its mean and one
                standard deviation below and above, or where `at` says. With two or more, the
                first has the lines and the levels of the others have a panel each; in axes that
                are given, and with more than 12 panels, each combination has a line.
            at: Values in place of all levels, of the range or of the mean, by variable.
            random: A grouping factor: draws the lines of its levels, by their conditional modes,
                where they have rows. Of more than 100 some are drawn, from the lowest to the
                highest.
            type: "response" transforms predictions of `log(y)`, `sqrt(y)` and the like back.
            level: Coverage of the limits, which are for each prediction alone.
            ddf: Method for degrees of freedom, as in `coef_table`.
            vcov: Another covariance than the model's, as in `coef_table`.
            weights: How levels are averaged, as in `emmeans`.
            show: Points behind: "data", the response (of trials successes over trials); "partial",
                for each row the prediction at its variable plus its residual; or "none", as of
                every fit without rows. Of more than 3,000 some are drawn. Where a covariate is
                `by`, a row belongs to the nearest of its values. A generalized model has "data"
                with type="response" only; its residuals are the working ones.
            offset: The offset of every prediction, as in `emmeans`; its mean over the rows if None.
                Data are moved there: with a log link counts become counts for this exposure.
            labels: What to call levels: a mapping or a function of their names. Long names are
                shortened so that they stay distinct.
            max_labels: Most levels of the variable that are named.
            ax: Axes to draw in; a new figure if None.
            figsize: Size of a new figure, in inches.

        Raises:
            MixedModelsError: A variable, level or grouping factor that the model does not have, an
                unknown option, or matplotlib is not installed.
            ResourceError: Too many combinations.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
            >>> fit.plot_effect("Days", random="Subject").axes[0].get_ylabel()
            'Reaction'
        """
        self._check_drawn(type)
        wanted = means.Wanted(type=type, weights=weights, level=level, offset=offset)
        behind = effects.Behind(show, random, self._linked)
        found = effects.effect_of(
            self._fitted,
            self._source(ddf, vcov),
            self._scale,
            self._meaning,
            variable,
            by,
            at,
            wanted,
            behind,
            lambda: self._partial_residuals,
        )
        if found.panel and ax is None:
            return plot_panels(found, max_labels=max_labels, labels=labels, figsize=figsize)
        return plot_effect(found, max_labels=max_labels, labels=labels, ax=ax, figsize=figsize)

    def _categories_asked(self, wanted: means.Wanted, vcov: Covariance) -> Categories | None:
        """The categories where their probabilities are asked for.

        Raises:
            MixedModelsError: Their covariance is not known; or another scale than theirs is asked
                for.
        """
        if wanted.regrid != "none" and self._categories is not None:
            raise MixedModelsError(
                f"regrid={wanted.regrid!r}: ordered responses have no mean. Probabilities of the "
                "categories, averaged as such, are emmeans(..., type='prob')."
            )
        categories = None if wanted.type == "link" else self._categories
        if categories is not None and vcov is not None:
            raise MixedModelsError(
                "vcov= is a covariance of the fixed effects; probabilities of categories depend on "
                "the thresholds, too. Leave it out, or take type='link'."
            )
        return categories

    def _check_drawn(self, type: MeansType) -> None:  # noqa: A002
        """Refuse pictures on a scale that the response does not have.

        Raises:
            MixedModelsError: They are asked for.
        """
        if self._categories is not None and spelled(type, MARGINAL_TYPES) in ("response", "prob"):
            raise MixedModelsError(
                f"type={type!r}: plot_effect draws the latent scale of an ordered response, "
                "type='link'. Probabilities of its categories are emmeans(..., type='prob').plot()."
            )

    def _bias_spread(self) -> float | None:
        """Standard deviation for an adjustment of bias; the residual's if None.

        Raises:
            MixedModelsError: There is no residual, and random effects vary by more than a constant.
        """
        if self._fitted.solution.residual_sd is not None:
            return None
        tables = self.varcorr.cov.values()
        if any(list(table.columns) != ["(Intercept)"] for table in tables):
            raise MixedModelsError(
                "bias_adjust: the variance of the random effects depends on their covariates here. "
                "Give its root at the means by sigma=; means over the random effects at given rows "
                "are predict(data, random='average')."
            )
        return math.sqrt(sum(float(table.to_numpy()[0, 0]) for table in tables))

    def _source(self, ddf: Ddf, vcov: Covariance) -> Source:
        """Coefficients, their covariance and degrees of freedom."""
        tests = method_of(self._fitted, ddf, vcov, announce=True)
        return source.source_of(self._fitted, tests)
