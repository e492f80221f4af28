"""Tables of marginal means and of their contrasts, as results that can be compared further."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.tails import wald_limits
from mixedmodels.marginal import regridding, testing
from mixedmodels.marginal.adjust import Adjust, adjust_name
from mixedmodels.marginal.comparing import (
    OF_TESTS,
    Origin,
    adjustments,
    compared,
    families_of,
    in_place_of,
)
from mixedmodels.marginal.functions import View, joint_table, means_table
from mixedmodels.marginal.interactions import Interaction
from mixedmodels.marginal.layout import group_of, grouped_tables
from mixedmodels.marginal.letters import compact_letters
from mixedmodels.marginal.regridding import RegridName
from mixedmodels.marginal.testing import Side
from mixedmodels.plots.estimates import MOST_PANELS, plot_estimate_panels, plot_estimates
from mixedmodels.report.results import TableResult
from mixedmodels.report.sections import Section
from mixedmodels.settings import check_level

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Estimates(TableResult):
    """Functions of the coefficients with their estimates, one row each.

    Attributes:
        origin: What the table is made from.
    """

    origin: Origin

    @property
    def heading(self) -> tuple[str, ...]:
        """What the rows are."""
        return (self.origin.title,)

    @property
    def by(self) -> tuple[str, ...]:
        """Variables within whose levels the rows are compared."""
        return self.origin.functions.by

    @property
    def footnotes(self) -> tuple[str, ...]:
        """What was averaged over, the methods, and the scale."""
        return (*self.origin.notes, *self.origin.functions.renamed(self.table))

    def contrast(
        self,
        method: Any = "pairwise",
        *,
        by: str | Sequence[str] | None = None,
        adjust: Adjust | None = None,
        level: float | None = None,
        ref: Any = None,
        reverse: bool = False,
        interaction: Interaction = False,
    ) -> Contrasts:
        """Contrasts of the rows, within the levels of `by`.

        Args:
            method: "pairwise"; "consecutive", each less the one before; "treatment", each less
                `ref`; "polynomial", over levels at equal distances; "effect", each less the mean of
                all; "others", each less the mean of the others; "change", the mean from each on
                less the mean before it; a dict from names to weights (one for each row, or a dict
                by label); a matrix.
            by: Variables within whose levels rows are compared; those of the table if None, and
                `[]` for none.
            adjust: Method for several tests: "tukey", "holm", "hochberg", "hommel", "sidak",
                "bonferroni", "scheffe", "mvt", "fdr" (Benjamini and Hochberg's), "fdr-by" (and
                Yekutieli's) or "none". If None the one that the means were asked for with, or what
                suits the contrast: "tukey" for pairs, "mvt" for those with one before or a
                treatment and for changes, "fdr" for effects and "others", else "none".
            level: Coverage of the limits together; that of the table if None.
            ref: The mean that "treatment" compares with: its label, the value of its level (of any
                type; of several variables a tuple, or a dict by variable), or its position; the
                first if None.
            reverse: Turn the sign of every contrast.
            interaction: Compare the levels of every variable at once, by products of contrasts:
                True for those of `method` in each, a method, a list of methods in the order of the
                variables, or a dict by variable (`method` for the others). P-values are not
                adjusted unless `adjust` is given, and `ref` may be a dict by variable.

        Returns:
            A table with `estimate`, `std_error`, `df`, `lower`, `upper`, `statistic`, `p_value`;
            of interactions with a column for each variable, such as `f_pairwise`. A variable of
            `by` that is called `contrast` is in the column `contrast_`.

        Raises:
            MixedModelsError: An unknown method, variable or adjustment, or weights that do not fit.
        """
        groups = self._groups(by)
        made = compared(
            self.origin,
            method,
            groups,
            adjust,
            level,
            ref=ref,
            reverse=reverse,
            interaction=interaction,
        )
        return Contrasts(*made)

    def pairs(
        self,
        *,
        by: str | Sequence[str] | None = None,
        adjust: Adjust | None = None,
        level: float | None = None,
        reverse: bool = False,
        interaction: bool = False,
    ) -> Contrasts:
        """All pairs of rows, within the levels of `by`; arguments as in `contrast`."""
        return self.contrast(
            "pairwise",
            by=by,
            adjust=adjust,
            level=level,
            reverse=reverse,
            interaction=interaction,
        )

    def test(
        self,
        null: npt.ArrayLike = 0.0,
        *,
        side: Side = "two-sided",
        delta: float = 0.0,
        adjust: Adjust | None = None,
        level: float | None = None,
    ) -> TestedEstimates:
        """Tests of the rows against a value, on one side or within a margin (R's test).

        Args:
            null: The value, or one for each row. Where estimates are transformed back it is on the
                scale of the linear predictor: `log(2)` for a ratio of 2.
            side: Which differences speak against it: "two-sided"; "greater" (">"), a test on the
                right; "less" ("<"), on the left.
            delta: A margin, on the scale of `null`. Two-sided tests are then of equivalence (that
                the estimate differs from `null` by less), those to the right of noninferiority
                (that it is not less by as much), those to the left of nonsuperiority.
            adjust: Method for several tests, as in `contrast`; that of the table if None, and
                "none" for means. Tests with one tail have Šidák's in place of Tukey's, Scheffé's
                and the multivariate t method.
            level: Coverage of the limits together; that of the table if None.

        Returns:
            A table with `estimate`, `std_error`, `df`, `lower`, `upper`, `null`, `statistic`,
            `p_value`. Tests to a side have limits on that side, the other is infinite; those of
            equivalence have both limits that tests with one tail invert (of 90% for a level of 5%).
            Its `joint` tests all rows together.

        Raises:
            MixedModelsError: A value that is not one, an unknown side or adjustment, or a level
                below 0.5 of limits of equivalence.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("score ~ Machine + (1 | Worker/Machine)", mm.load_dataset("machines"))
            >>> pairs = fit.emmeans("Machine").pairs(adjust="none")
            >>> pairs.test(delta=10)["p_value"].round(4).tolist()
            [0.1861, 0.9489, 0.0462]
        """
        return TestedEstimates(*self._tested(null, side, delta, adjust, level))

    def _tested(
        self, null: Any, side: Any, delta: Any, adjust: Any, level: float | None
    ) -> tuple[pd.DataFrame, Origin, FloatArray]:
        origin, functions = self.origin, self.origin.functions
        view = origin.view if level is None else dataclasses.replace(origin.view, level=level)
        check_level(view.level)
        what = testing.against(null, side, delta, len(functions.L))
        testing.check_coverage(what, view.level)
        wanted = None if adjust is None else adjust_name(adjust)
        whole = families_of(origin, wanted)
        families = [testing.for_tails(rows, what) for rows in whole]
        table = testing.tests_table(functions, origin.source, view, what, families)
        notes = [note for note in origin.notes if not note.startswith(OF_TESTS)]
        notes += testing.sentences(what, self._shown_on(view), view.level, families)
        notes += in_place_of(wanted, whole)
        notes += adjustments(functions, origin.source, families)
        new = dataclasses.replace(origin, view=view, notes=tuple(notes), families=tuple(families))
        return table, new, what.null

    def _shown_on(self, view: View) -> testing.ShownOn | None:
        """The scale of the tests, where another one is shown."""
        if view.scale is None:
            return None
        functions = self.origin.functions
        estimate, _, _ = self.origin.source.estimates(functions.L, functions.constant)
        slope = view.back(estimate + functions.offset)[1]
        slope = slope[~np.isnan(slope)]
        return testing.ShownOn(
            view.scale.name, bool((slope >= 0.0).all()), bool((slope <= 0.0).all())
        )

    def plot(self, *, ax: Axes | None = None, figsize: tuple[float, float] | None = None) -> Figure:
        """Estimates with limits, those of a group of `by` together and in one colour.

        Of two or more variables in `by` the last has a panel for each of its levels, unless axes
        are given or there would be more than 12.

        Args:
            ax: Axes to draw in; a new figure if None.
            figsize: Size of a new figure, in inches.

        Raises:
            MixedModelsError: matplotlib is not installed.
        """
        functions, view = self.origin.functions, self.origin.view
        drawn = self.table[["estimate", "lower", "upper"]].copy()
        drawn.index = pd.Index(list(functions.texts))
        title, measured, zero = self.origin.title, self.origin.measured, self._zero()
        panels, groups = ["" for _ in range(len(drawn))], functions.by
        if len(functions.by) > 1 and ax is None:
            panels = [group_of(functions, j, functions.by[-1:]) for j in range(len(drawn))]
            groups = functions.by[:-1]
        if not 1 < len(set(panels)) <= MOST_PANELS:
            heads = [group_of(functions, j) for j in range(len(drawn))]
            return plot_estimates(
                drawn, heads, title=title, measured=measured, level=view.level, zero=zero,
                ax=ax, figsize=figsize,
            )  # fmt: skip
        heads = [group_of(functions, j, groups) for j in range(len(drawn))]
        return plot_estimate_panels(
            drawn, panels, heads, title=title, measured=measured, level=view.level, zero=zero,
            figsize=figsize,
        )  # fmt: skip

    def _zero(self) -> float | None:
        """What estimates are compared with in a picture."""
        return None

    def _groups(self, by: str | Sequence[str] | None) -> tuple[str, ...]:
        functions = self.origin.functions
        if by is None:
            return functions.by
        variables = {column: name for name, column in functions.shown(self.table).items()}
        given = (by,) if isinstance(by, str) else tuple(by)
        names = tuple(
            name if name in functions.labels else variables.get(name, name) for name in given
        )
        for name in names:
            if name not in functions.labels.columns:
                listed = ", ".join(map(str, functions.labels.columns))
                raise MixedModelsError(f"by names '{name}'; the rows are told apart by: {listed}.")
        return names

    def _tables(self) -> Sequence[Section]:
        """A table for each group of `by`."""
        return list(grouped_tables(self.table, self.origin.functions))

    def _sentences(self) -> Iterator[str]:
        yield from TableResult._sentences(self)  # noqa: SLF001 (slots leave super() without a cell)
        yield from self.footnotes


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Contrasts(Estimates):
    """Contrasts of means: estimates with errors, limits and tests."""

    def _zero(self) -> float | None:
        return 1.0 if self.origin.view.ratios else 0.0


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MarginalMeans(Estimates):
    """Means, or trends: `estimate`, `std_error`, `df`, `lower`, `upper`.

    Attributes:
        contrasts: The contrasts that the left side of a formula asked for, or None.
    """

    contrasts: Contrasts | None = None

    def letters(self, *, adjust: Adjust | None = None, level: float | None = None) -> LetteredMeans:
        """The means with compact letters: those that share one do not differ significantly.

        Args:
            adjust: Method for several tests, as in `contrast`.
            level: Means differ where the p-value of their difference is below 1 - level.

        Returns:
            The table with a column `letters`, means compared within the levels of `by`.
        """
        return lettered(self, adjust, level)

    def regrid(self, transform: RegridName = "response") -> MarginalMeans:
        """The means on another scale, on which they are then compared (R's regrid).

        Args:
            transform: "response": contrasts are differences of means of the response, such as
                differences of probabilities; "log": their ratios, such as ratios of probabilities,
                with limits that are symmetric on the scale of the logarithm.

        Returns:
            A table of means as that of `emmeans`, with standard errors by the delta method.

        Raises:
            MixedModelsError: An unknown scale, or slopes.

        Examples:
            >>> import mixedmodels as mm
            >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
            >>> fit = mm.glmer(formula, mm.load_dataset("cbpp"), "binomial")
            >>> means = fit.emmeans("period").regrid()
            >>> means.contrast("treatment", adjust="none")["estimate"].round(3).tolist()
            [-0.114, -0.124, -0.15]
            >>> ratios = fit.emmeans("period").regrid("log").contrast("treatment", adjust="none")
            >>> ratios["estimate"].round(3).tolist()
            [0.424, 0.374, 0.244]
        """
        return means_of(regridding.regridded(self.origin, transform))

    def effect_size(
        self,
        sigma: float,
        edf: float,
        method: Any = "pairwise",
        *,
        level: float | None = None,
        ref: Any = None,
        reverse: bool = False,
    ) -> EffectSizes:
        """Contrasts in units of a standard deviation: Cohen's d and the like (R's eff_size).

        Args:
            sigma: The standard deviation. `fit.sigma` is that within groups; with the variances of
                random intercepts in it, that of single responses: the root of their sum.
            edf: Its degrees of freedom, whose uncertainty the errors contain; `inf` if it is known.
            method: Contrasts, as in `contrast`.
            level: Coverage of each interval; that of the table if None.
            ref: As in `contrast`.
            reverse: Turn the sign of every contrast.

        Returns:
            A table with `estimate`, `std_error`, `df`, `lower`, `upper`: on the scale of the linear
            predictor.

        Raises:
            MixedModelsError: `sigma` or `edf` is not a positive number, or as `contrast`.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("score ~ Machine + (1 | Worker/Machine)", mm.load_dataset("machines"))
            >>> found = fit.emmeans("Machine").effect_size(fit.sigma, edf=40)
            >>> found["estimate"].round(2).tolist(), found["std_error"].round(2).tolist()
            ([-8.29, -14.47, -6.19], [2.45, 2.78, 2.37])
        """
        level = self.origin.view.level if level is None else level
        check_level(level)
        plain = dataclasses.replace(self.origin, view=View(level))
        table, origin = compared(plain, method, self.by, "none", level, ref=ref, reverse=reverse)
        numbers = table[["estimate", "std_error", "df"]].to_numpy(dtype=np.float64).T
        size, error = regridding.standardized(numbers[0], numbers[1], sigma, edf)
        limits = wald_limits(size, error, numbers[2], level)
        columns = ("estimate", "std_error", "df", "lower", "upper")
        shown = dict(zip(columns, (size, error, numbers[2], *limits), strict=True))
        table = origin.functions.table(shown)
        known = "" if np.isinf(edf) else f" with {edf:.6g} degrees of freedom"
        note = f"In units of a standard deviation of {sigma:.6g}{known}."
        return EffectSizes(table, dataclasses.replace(origin, notes=(*origin.notes, note)))

    def _sections(self) -> Sequence[Section]:
        own = list(TableResult._sections(self))  # noqa: SLF001 (as above)
        return own if self.contrasts is None else [*own, *_sections_of(self.contrasts)]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class EffectSizes(TableResult):
    """Contrasts in units of a standard deviation.

    Attributes:
        origin: What the contrasts are made from.
    """

    origin: Origin

    @property
    def heading(self) -> tuple[str, ...]:
        """What the rows are."""
        return ("Effect sizes",)

    def _tables(self) -> Sequence[Section]:
        """A table for each group of `by`."""
        return list(grouped_tables(self.table, self.origin.functions))

    def _sentences(self) -> Iterator[str]:
        yield from TableResult._sentences(self)  # noqa: SLF001 (slots leave super() without a cell)
        yield from (*self.origin.notes, *self.origin.functions.renamed(self.table))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LetteredMeans(Estimates):
    """Means with a column `letters`."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TestedEstimates(Estimates):
    """Estimates with tests against a value, `null`.

    Attributes:
        values: (k,) what the rows are tested against, on the scale of the linear predictor.
    """

    values: FloatArray

    @property
    def heading(self) -> tuple[str, ...]:
        """What is tested."""
        title = self.origin.title
        return (f"Tests of {title[:1].lower()}{title[1:]}",)

    def _zero(self) -> float | None:
        """The value that all rows are compared with in a picture, if there is one."""
        shown = self.table["null"].unique()
        return float(shown[0]) if len(shown) == 1 else None

    @property
    def joint(self) -> pd.DataFrame:
        """F tests that all rows of a group of `by` have these values: `num_df`, `den_df`, ..."""
        return joint_table(self.origin.functions, self.origin.source, self.values)


def means_of(origin: Origin) -> MarginalMeans:
    """The table of means, or of trends."""
    return MarginalMeans(means_table(origin.functions, origin.source, origin.view), origin)


def contrasts_of(origin: Origin, method: Any, by: tuple[str, ...]) -> Contrasts:
    """Contrasts of the rows of a table, with the adjustment and level of the table."""
    return Contrasts(*compared(origin, method, by, None, None))


def lettered(means: MarginalMeans, adjust: Adjust | None, level: float | None) -> LetteredMeans:
    """Means with letters; arguments as in `MarginalMeans.letters`."""
    origin = means.origin
    level = origin.view.level if level is None else level
    check_level(level)
    functions = origin.functions
    letters = [""] * len(functions.L)
    p_values: list[float] = []
    notes: tuple[str, ...] = ()
    if any(len(rows) > 1 for rows in functions.families(functions.by)):
        table, made = compared(origin, "pairwise", functions.by, adjust, level)
        p_values = table["p_value"].tolist()
        notes = tuple(note for note in made.notes if note.startswith("P-values"))
    p_value = iter(p_values)
    estimate, _, _ = origin.source.estimates(functions.L, functions.constant)
    estimate = estimate + functions.offset
    for rows in functions.families(functions.by):
        differ = np.zeros((len(rows), len(rows)), dtype=np.bool_)
        for i in range(len(rows)):
            for j in range(i + 1, len(rows)):
                differ[i, j] = next(p_value) < 1.0 - level
        for row, text in zip(rows, compact_letters(differ, estimate[rows]), strict=True):
            letters[row] = text
    numbers = means.table.iloc[:, functions.labels.shape[1] :]
    table = functions.table({**dict(numbers.items()), "letters": letters})
    share = f"Means that share a letter do not differ at the level {1.0 - level:.4g}."
    new = dataclasses.replace(origin, notes=(*origin.notes, *notes, share))
    return LetteredMeans(table, new)


def _sections_of(result: TableResult) -> Sequence[Section]:
    return result._sections()  # noqa: SLF001 (of the same family)
