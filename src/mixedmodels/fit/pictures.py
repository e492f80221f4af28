"""Pictures of a fit; the functions that draw are in `plots`, the pictures of results with these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.design.alignment import row_column
from mixedmodels.design.by_row import at_rows_used
from mixedmodels.design.columns import Column, NumericColumn
from mixedmodels.design.frame import as_table
from mixedmodels.design.lookup import GroupNames
from mixedmodels.design.partition import partition
from mixedmodels.errors import DataError, MixedModelsError, asked_for
from mixedmodels.estimates.tails import wald_limits
from mixedmodels.estimates.within import within_levels
from mixedmodels.fit.values import Values
from mixedmodels.inference.coefficients import coef_table
from mixedmodels.inference.source import Covariance, method_of
from mixedmodels.lazy import late_function, late_module
from mixedmodels.naming import first_few
from mixedmodels.plots.labels import MOST_LEVELS, MOST_NAMED, Renaming
from mixedmodels.settings import Ddf, InfluenceMethod, check_flag

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mixedmodels.diagnostics.deletion import chosen_method, influence
    from mixedmodels.marginal import ratios as _ratios
    from mixedmodels.plots.estimates import plot_estimates
    from mixedmodels.plots.ranef import Sort, plot_qq_ranef, plot_ranef
    from mixedmodels.plots.residuals import (
        plot_qq,
        plot_residuals,
        plot_residuals_by,
        plot_scale_location,
    )
    from mixedmodels.plots.shrinkage import plot_shrinkage
    from mixedmodels.streaming import sampling as _sampling
    from mixedmodels.streaming import sources as _sources
    from mixedmodels.streaming.sampling import SampledRows
else:
    chosen_method = late_function("mixedmodels.diagnostics.deletion", "chosen_method")
    influence = late_function("mixedmodels.diagnostics.deletion", "influence")
    plot_estimates = late_function("mixedmodels.plots.estimates", "plot_estimates")
    plot_qq_ranef = late_function("mixedmodels.plots.ranef", "plot_qq_ranef")
    plot_ranef = late_function("mixedmodels.plots.ranef", "plot_ranef")
    plot_qq = late_function("mixedmodels.plots.residuals", "plot_qq")
    plot_residuals = late_function("mixedmodels.plots.residuals", "plot_residuals")
    plot_residuals_by = late_function("mixedmodels.plots.residuals", "plot_residuals_by")
    plot_scale_location = late_function("mixedmodels.plots.residuals", "plot_scale_location")
    plot_shrinkage = late_function("mixedmodels.plots.shrinkage", "plot_shrinkage")
    _ratios = late_module("mixedmodels.marginal.ratios")
    _sampling = late_module("mixedmodels.streaming.sampling")
    _sources = late_module("mixedmodels.streaming.sources")


def _noted(figure: Figure, ax: Axes | None, sample: SampledRows) -> Figure:
    """A picture that says which rows it shows."""
    axes = figure.axes[0] if ax is None else ax
    axes.set_title(f"{axes.get_title()}\n{sample.words}")
    return figure


class Pictures(Values):
    """Pictures of a fit; see `LinearMixedFit`.

    Every method returns a matplotlib Figure that pyplot does not manage, and raises
    MixedModelsError where matplotlib is not installed.
    """

    # -- random effects -----------------------------------------------------------------

    def plot_ranef(
        self,
        groups: str | Sequence[str] | None = None,
        *,
        level: float = 0.95,
        sort: Sort = "auto",
        labels: Renaming | None = None,
        max_labels: int = MOST_NAMED,
        figsize: tuple[float, float] | None = None,
    ) -> Figure:
        """Conditional modes with conditional intervals: a caterpillar for every effect.

        Intervals that leave out zero are drawn darker. Levels are named up to `max_labels`; more
        are drawn as a curve. A league table of 300 schools is `max_labels=300`.

        Args:
            groups: Grouping factors to draw; all if None.
            level: Coverage of the intervals, which hold the parameters at their estimates.
            sort: Levels sorted by the "first" effect of the group, by "each" effect in its panel,
                or "none"; "auto" is the first where levels are named, each where they are not.
            labels: What to call levels: a mapping or a function of their names. Names of more than
                24 characters are shortened so that they stay distinct.
            max_labels: Most levels of a factor that are named.
            figsize: Size in inches; from the number of levels and effects if None.

        Raises:
            DataError: An unknown grouping factor.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
            >>> len(fit.plot_ranef().axes)
            2
        """
        tables, condvar = self._modes(groups)
        return plot_ranef(
            tables,
            condvar,
            level=level,
            sort=sort,
            labels=labels,
            max_labels=max_labels,
            figsize=figsize,
        )

    def plot_qq_ranef(
        self,
        groups: str | Sequence[str] | None = None,
        *,
        level: float = 0.95,
        figsize: tuple[float, float] | None = None,
    ) -> Figure:
        """Conditional modes against normal quantiles, one panel per effect.

        Vertical lines are conditional intervals (up to 200 levels); the grey band is that of a
        normal sample on the line through the quartiles, as in `plot_qq`.

        Args:
            groups: Grouping factors to draw; all if None.
            level: Coverage of the intervals and of the band.
            figsize: Size in inches.

        Raises:
            DataError: An unknown grouping factor.
        """
        return plot_qq_ranef(*self._modes(groups), level=level, figsize=figsize)

    def plot_shrinkage(
        self, group: str | None = None, *, figsize: tuple[float, float] | None = None
    ) -> Figure:
        """How far each level is drawn from its own least-squares estimates to the population.

        The estimates of a level by itself are made from its rows alone, what other grouping factors
        explain being taken off; effects in the fixed part are drawn with their coefficient added.
        Two or more effects are drawn in pairs. Outlying estimates of single levels lie outside the
        axes, and the picture says how many. One effect is drawn on two lines: above, the estimates
        of the levels by themselves, below, those of the model.

        Args:
            group: The grouping factor; that with the most levels if None.
            figsize: Size in inches.

        Raises:
            DataError: An unknown grouping factor.
            MixedModelsError: No level has rows enough.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
            >>> fit.plot_shrinkage().axes[0].get_xlabel()
            '(Intercept)'
        """
        name = self._groups(group)[0]
        position = [factor.name for factor in self._design.groups].index(name)
        modes = self.ranef()[name]
        fixed = dict(zip((e.identity for e in self._fixed_effects), self.beta, strict=True))
        own = [np.nan_to_num(fixed.get(e.identity, 0.0)) for e in self._effects_of(position)]
        population = dict(zip(modes.columns, map(float, own), strict=True))
        centre = np.array(list(population.values()))
        within = within_levels(self._fitted, position)
        return plot_shrinkage(
            within + centre, modes + centre, population, group=name, figsize=figsize
        )

    # -- residuals ----------------------------------------------------------------------

    def plot_residuals(
        self,
        by: str | npt.ArrayLike | None = None,
        *,
        max_labels: int = MOST_LEVELS,
        ax: Axes | None = None,
        figsize: tuple[float, float] | None = None,
        source: Any = None,
    ) -> Figure:
        """Residuals against fitted values with a smooth line; standardised where there are weights.

        Of generalized models the residuals are Pearson's.

        Args:
            by: Something else to draw them against: a grouping factor, another factor of the table,
                or a label for each row used (bars of quartiles by level); a column of X, another
                numeric column of the table, or a number for each row used.
            max_labels: Levels up to this many are named; more stand in the order of their medians.
            ax: Axes to draw in; a new figure if None.
            figsize: Size of a new figure, in inches.
            source: Of a fit that was made from a source: that source, of which a sample of 10,000
                rows is drawn; `by` is a grouping factor of the model or a column of X then.

        Raises:
            MixedModelsError: `by` is not a grouping factor, a column of X or of the table, or one
                value per row; it is missing in some rows; or matplotlib is not installed.
        """
        sample = self._sample(source)
        if sample is not None:
            picture = self._residuals_of_sample(sample, by, max_labels, ax, figsize)
            return _noted(picture, ax, sample)
        kind, values = self._residuals_drawn
        if by is None:
            return plot_residuals(self._fitted_values, values, kind=kind, ax=ax, figsize=figsize)
        design = self._design
        numbers = self._numbers(by)
        if numbers is not None:
            name, x = numbers
            return plot_residuals(x, values, kind=kind, against=name, ax=ax, figsize=figsize)
        try:
            data = None if self._given is None else self._given.data
            found = partition("plot_residuals: by", by, design, data=data)
        except MixedModelsError as error:
            columns = first_few(design.x_names, 12)
            raise MixedModelsError(f"{error} Columns of X: {columns}.") from None
        return plot_residuals_by(
            found.codes,
            [str(level) for level in found.levels],
            values,
            kind=kind,
            of=found.name,
            max_labels=max_labels,
            ax=ax,
            figsize=figsize,
        )

    def _residuals_of_sample(
        self,
        sample: SampledRows,
        by: str | npt.ArrayLike | None,
        max_labels: int,
        ax: Axes | None,
        figsize: tuple[float, float] | None,
    ) -> Figure:
        """The picture of `plot_residuals` of some rows."""
        arrays, design = sample.arrays, self._design
        kind = "Residuals" if arrays.w is None else "Standardised residuals"
        values = sample.residuals if arrays.w is None else sample.scaled
        if by is None:
            return plot_residuals(sample.fitted, values, kind=kind, ax=ax, figsize=figsize)
        names = [group.name for group in design.groups]
        if isinstance(by, str) and by in names:
            g = names.index(by)
            there, codes = np.unique(arrays.codes[g], return_inverse=True)
            levels = [str(level) for level in design.groups[g].levels[there]]
            named = {"of": by, "max_labels": max_labels, "ax": ax, "figsize": figsize}
            return plot_residuals_by(codes, levels, values, kind=kind, **named)  # type: ignore[arg-type]
        if isinstance(by, str) and by in design.x_names:
            x = arrays.X[:, design.x_names.index(by)]
            return plot_residuals(x, values, kind=kind, against=by, ax=ax, figsize=figsize)
        raise MixedModelsError(
            f"plot_residuals: by={by!r:.60} is neither a grouping factor of the model "
            f"({', '.join(names)}) nor a column of X ({first_few(design.x_names, 12)}), of which "
            "the pictures of a source are drawn."
        )

    def _sample(self, source: Any) -> SampledRows | None:
        """Rows of a source for a picture; None for a fit that has its rows.

        Raises:
            MixedModelsError: A source of a fit with rows, or none of a fit without.
        """
        name = asked_for()
        if self._sums is None and source is not None:
            raise MixedModelsError(
                "source= is for a fit that was made from a source; this one has its rows. Leave "
                "source= out."
            )
        if self._sums is None:
            return None
        if source is None:
            raise MixedModelsError(
                f"{name} needs the rows of the data, and this fit was made from sums over them: "
                f"give their source, as in fit.{name}(source=...), of which a sample is drawn."
            )
        given = _sources.as_source(source)
        return _sampling.sampled_rows(self._fitted, self._sums.plan, given)

    def _numbers(self, by: str | npt.ArrayLike) -> tuple[str, FloatArray] | None:
        """Numbers by row and their name: a column of X, or numbers given; None for groups."""
        design = self._design
        if isinstance(by, str):
            if by in design.x_names:
                return by, design.X[:, design.x_names.index(by)]
            own = self._other_column(by)
            if not isinstance(own, NumericColumn) or own.absent is not None:
                return None
            return by, np.asarray(own.values, dtype=np.float64)
        given = at_rows_used(by, design)
        column = row_column(
            "plot_residuals: by", given, design.n, design.index, "rows of the model"
        )
        if not isinstance(column, NumericColumn) or column.absent is not None:
            return None
        name = by.name if isinstance(by, pd.Series) and by.name is not None else "Given values"
        return str(name), np.asarray(column.values, dtype=np.float64)

    def _other_column(self, name: str) -> Column | None:
        """A column of the table on the rows used, unless a grouping factor is made of it."""
        design = self._design
        factors = [factor for group in design.groups for factor in group.spec.factors]
        if self._given is None or any(name in (one.name, one.code) for one in factors):
            return None
        table = as_table(self._given.data)
        if name not in table:
            return None
        column = table.column(name)
        return column if design.rows is None else column.take(design.rows)

    def plot_influence(
        self,
        by: str | npt.ArrayLike | None = None,
        *,
        method: InfluenceMethod | None = None,
        labels: int = 5,
        ax: Axes | None = None,
        figsize: tuple[float, float] | None = None,
    ) -> Figure:
        """Cook's distances of rows or groups in their order, the largest named.

        Args:
            by: None for rows, the name of a grouping factor, or one label per row used.
            method: As for `influence`; `influence(by).plot()` draws the same.
            labels: Most deletions that are named; up to 25 levels of a group are all named.
            ax: Axes to draw in; a new figure if None.
            figsize: Size of a new figure, in inches.

        Raises:
            MixedModelsError: An unknown group or method, a model without fixed effects, or
                matplotlib is not installed.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
            >>> fit.plot_influence("Subject").axes[0].get_xlabel()
            'Levels of Subject'
        """
        chosen = chosen_method(method, None, "held" if by is None else "exact")
        found = influence(self._fitted, by, chosen)
        return found.plot(labels=labels, ax=ax, figsize=figsize)

    def plot_scale_location(
        self,
        *,
        ax: Axes | None = None,
        figsize: tuple[float, float] | None = None,
        source: Any = None,
    ) -> Figure:
        """Square roots of absolute standardised residuals against fitted values.

        The smooth line is level where the model has the spread right. Of generalized models the
        residuals are normal quantile residuals, which are normal for every family: those of 0 and 1
        would lie on two curves, and those of counts spread as their distribution does.

        Args:
            ax: Axes to draw in; a new figure if None.
            figsize: Size of a new figure, in inches.
            source: As for `plot_residuals`.
        """
        sample = self._sample(source)
        if sample is not None:
            return _noted(
                plot_scale_location(sample.fitted, sample.scaled, ax=ax, figsize=figsize),
                ax,
                sample,
            )
        kind, values = self._normal_if_right
        return plot_scale_location(self._fitted_values, values, kind=kind, ax=ax, figsize=figsize)

    def plot_qq(
        self,
        *,
        level: float = 0.95,
        ax: Axes | None = None,
        figsize: tuple[float, float] | None = None,
        source: Any = None,
    ) -> Figure:
        """Standardised residuals against normal quantiles, with a line through the quartiles.

        The band is where each order statistic of a normal sample on that line falls with
        probability `level`, one by one: of many points, some lie outside.

        Args:
            level: Coverage of the band.
            ax: Axes to draw in; a new figure if None.
            figsize: Size of a new figure, in inches.
            source: As for `plot_residuals`.
        """
        sample = self._sample(source)
        if sample is not None:
            return _noted(plot_qq(sample.scaled, level=level, ax=ax, figsize=figsize), ax, sample)
        kind, values = self._normal_if_right
        return plot_qq(values, kind=kind, level=level, ax=ax, figsize=figsize)

    # -- parameters ---------------------------------------------------------------------

    def plot_coefficients(
        self,
        *,
        level: float = 0.95,
        ddf: Ddf = "satterthwaite",
        vcov: Covariance = None,
        intercept: bool = False,
        exponentiate: bool = False,
        ax: Axes | None = None,
        figsize: tuple[float, float] | None = None,
    ) -> Figure:
        """Fixed effects with the intervals of `confint(method="wald")`.

        Args:
            level: Coverage of the intervals.
            ddf: Method for degrees of freedom, as in `coef_table`.
            vcov: Another covariance of the fixed effects, as in `coef_table`.
            intercept: Draw the intercept too; alone it is always drawn.
            exponentiate: Draw ratios, on an axis of logarithms, as in `tidy`.
            ax: Axes to draw in; a new figure if None.
            figsize: Size of a new figure, in inches.

        Raises:
            MixedModelsError: The model has no fixed effects, unknown `ddf`, or invalid `level`.
        """
        check_flag("intercept", intercept)
        check_flag("exponentiate", exponentiate)
        table = coef_table(self._kept_names, method_of(self._fitted, ddf, vcov, announce=True))
        if not intercept and len(table) > 1:
            columns = [self._design.fixed_spec.columns[j] for j in self._solution.kept]
            table = table[[bool(column) for column in columns]]
        if table.empty:
            raise MixedModelsError("The model has no fixed effects to draw.")
        estimate, error, df = (table[name].to_numpy() for name in ("estimate", "std_error", "df"))
        lower, upper = wald_limits(estimate, error, df, level)
        drawn = pd.DataFrame({"estimate": estimate, "lower": lower, "upper": upper}, table.index)
        measured = "coefficient"
        if exponentiate:
            scale = self._ratios()
            drawn, measured = (
                _ratios.as_ratios(drawn, scale),
                "odds ratio" if scale.odds else "ratio",
            )
        return plot_estimates(
            drawn,
            title="Fixed effects",
            measured=measured,
            level=level,
            zero=1.0 if exponentiate else 0.0,
            logarithmic=exponentiate,
            ax=ax,
            figsize=figsize,
        )

    # -- what the pictures need ---------------------------------------------------------

    def _groups(self, asked: str | Sequence[str] | None) -> list[str]:
        known = GroupNames(self._design.groups)
        if asked is None:
            return known.names
        chosen = []
        for name in [asked] if isinstance(asked, str) else list(asked):
            found = known.find(name)
            if found is None:
                raise DataError(known.unknown(name))
            chosen.append(known.names[found])
        return chosen

    def _modes(
        self, groups: str | Sequence[str] | None
    ) -> tuple[dict[str, pd.DataFrame], dict[str, FloatArray]]:
        chosen = self._groups(groups)
        tables, condvar = self.ranef(), self.ranef_cov()
        return {name: tables[name] for name in chosen}, {name: condvar[name] for name in chosen}

    @property
    def _residuals_drawn(self) -> tuple[str, FloatArray]:
        """The residuals of `plot_residuals` and what they are called."""
        if self._design.w is not None:
            return "Standardised residuals", self._scaled_residuals
        return "Residuals", self._raw_residuals

    @property
    def _normal_if_right(self) -> tuple[str, FloatArray]:
        """What is normal if the model is right, for `plot_qq`."""
        return "Standardised residuals", self._scaled_residuals
