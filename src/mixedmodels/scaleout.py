"""Sums over the rows of a source as users hold them: merged, kept in files, and fitted.

Rows are read and summed by `streaming`; the core holds the sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import pandas as pd

from mixedmodels.arrays import LongArray
from mixedmodels.design import Design
from mixedmodels.errors import DataError, ModelError
from mixedmodels.estimates.linear import Fitted, Model
from mixedmodels.estimates.narrowed import accurate
from mixedmodels.estimates.routing import Ways, ways_of
from mixedmodels.estimates.solution import Solution
from mixedmodels.linear import LinearMixedFit, model_of_sums
from mixedmodels.memory import guarded, limited
from mixedmodels.optimize.summary import OptSummary
from mixedmodels.report.results import Result
from mixedmodels.report.sections import Paragraph, Section
from mixedmodels.settings import Control, Method, OptimizerName, check_reml, thread_count
from mixedmodels.streaming.fit_files import save_fit_of_sums
from mixedmodels.streaming.partial import Partial
from mixedmodels.streaming.plan import Plan
from mixedmodels.streaming.sums_files import load_sums, save_sums


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CrossProducts(Result):
    """Sums over the rows of a source: all that a fit needs of them.

    Made by `cross_products`. A value: merging gives a new one.

    Attributes:
        plan: What is known of the rows; sums of one plan can be merged.
        partial: The sums, with the keys of the partitions and the counts of their rows.
    """

    plan: Plan
    partial: Partial

    @property
    def n(self) -> int:
        """Number of rows used."""
        return int(self.partial.sums.n)

    @property
    def n_read(self) -> int:
        """Rows read, those left out included."""
        return self.partial.counts.n_read

    @property
    def n_missing(self) -> dict[str, int]:
        """Number of rows in which each column is missing."""
        return dict(self.partial.counts.n_missing)

    @property
    def keys(self) -> tuple[str, ...]:
        """What was summed: a key for each partition."""
        return self.partial.keys

    def level_rows(self) -> list[LongArray]:
        """For each grouping factor of the model: (levels,) rows of each level."""
        return [self.partial.sums.level_counts(g) for g in range(len(self.plan.design.groups))]

    @property
    def pairs(self) -> int:
        """Pairs of levels of two grouping factors that occur."""
        return int(self.partial.sums.pairs)

    @property
    def nbytes(self) -> int:
        """Memory that the sums take."""
        return int(self.partial.sums.nbytes)

    @property
    def condition(self) -> tuple[float, float]:
        """Whether the sums keep their digits: of the plan's frame, and of the response in it."""
        frame, response = self.partial.sums.condition()
        return frame, response

    @property
    def accurate(self) -> bool:
        """Whether the plan's sample of rows was like all rows; if not, see `better_plan`."""
        return accurate(self.partial.sums)

    def better_plan(self) -> Plan:
        """The plan with coordinates made from all rows, by which they are to be summed again."""
        return self.plan.with_frame(self.partial.sums.better_frame())

    def merge(self, other: CrossProducts) -> CrossProducts:
        """The sums over the rows of both; neither is changed.

        Args:
            other: Sums by the same plan over other partitions.

        Raises:
            DataError: Another plan, or a partition is in both.
        """
        if not isinstance(other, CrossProducts):
            raise DataError(f"{other!r:.80} is not what cross_products() gives.")
        return CrossProducts(self.plan, self.partial.merge(other.partial))

    def save(self, path: Any) -> None:
        """Write plan and sums to a file, for `CrossProducts.load`; rows are not in it.

        Args:
            path: The file; one that is there is replaced.

        Raises:
            FileError: It cannot be written.
        """
        save_sums(self.plan, self.partial, path)

    @staticmethod
    def load(path: Any) -> CrossProducts:
        """Read what `save` wrote.

        Args:
            path: The file.

        Raises:
            FileError: No such file, not one of ours, damaged, or of an unknown version.
        """
        return CrossProducts(*load_sums(path))

    def fit(
        self,
        *,
        reml: bool = True,
        start: npt.ArrayLike | None = None,
        optimizer: OptimizerName = "auto",
        control: Control | None = None,
        threads: int | None = None,
        method: Method = "auto",
        memory: Any = None,
        verbose: bool = False,
    ) -> LinearMixedFit:
        """Fit the model of the plan to the rows that were summed.

        The fit has no rows: what needs them refuses, and says what to do instead;
        `fit.augment(source)` streams fitted values, residuals and intervals.

        Args:
            reml: Restricted maximum likelihood, or False for maximum likelihood.
            start: (m,) theta to start from; by moments if None.
            optimizer: Method of minimisation.
            control: Limits and tolerances.
            threads: Threads of the fit; the library chooses if None.
            method: "auto", "exact" or "iterative", as of `lmer`.
            memory: Most memory to take, such as "8GB"; a share of what is free if None.
            verbose: Print a line per iteration.

        Returns:
            The fit.

        Raises:
            ModelError: The rows cannot identify the model, or the sums have lost too many digits.
            ResourceError: The factor does not fit into memory.
        """
        criterion, ways = check_reml(reml), ways_of(method, memory)
        with limited(ways.memory), guarded("The fit"):
            model = model_of_sums(self, self._model(thread_count(threads), ways), reml=criterion)
            return model.fit(start=start, optimizer=optimizer, control=control, verbose=verbose)

    def restored(self, solution: Solution, optsum: OptSummary, threads: int) -> LinearMixedFit:
        """The fit of which the solution is known already, as from a pickle."""
        ways = Ways() if solution.accuracy is None else Ways("iterative")
        model = self._model(threads, ways)
        made = model_of_sums(self, model, reml=solution.reml)
        return LinearMixedFit(made, Fitted(model, solution, optsum))

    def save_fit(self, solution: Solution, optsum: OptSummary, path: Any) -> None:
        """Write the fit of a solution to a file, with the sums.

        Raises:
            FileError: It cannot be written.
        """
        save_fit_of_sums(self.plan, self.partial, solution, optsum, path)

    def to_frame(self) -> pd.DataFrame:
        """A row for each column that is read: rows in which it is missing."""
        missing = self.partial.counts.n_missing
        return pd.DataFrame(
            {"missing": [missing.get(name, 0) for name in self.plan.columns]},
            index=list(self.plan.columns),
        )

    def _model(self, threads: int, ways: Ways) -> Model:
        if not self.n:
            raise ModelError("The sums are over no rows: each has a missing value or no weight.")
        if not self.accurate:
            frame, response = self.condition
            raise ModelError(
                f"The rows differ so much from the plan's sample of them (condition {frame:.3g}, "
                f"response {response:.3g}) that the sums have lost digits. Sum the rows again by "
                "the plan better_plan() of these sums."
            )
        return Model.of_sums(self._design(), self.partial.sums, threads, ways)

    def _design(self) -> Design:
        counts, whole = self.partial.counts, self.plan.design
        unused = {
            group.name: int((self.partial.sums.level_counts(g) == 0).sum())
            for g, group in enumerate(whole.groups)
        }
        messages = [
            f"{count} levels of '{name}' in the plan have no rows in the sums."
            for name, count in unused.items()
            if count
        ]
        return whole.without_rows(
            n=self.n,
            n_dropped=counts.n_dropped,
            messages=(*whole.messages, *messages),
            summary=self.partial.summary,
        )

    def _sections(self) -> Sequence[Section]:
        levels = ", ".join(f"{name} {count:,}" for name, count in self.plan.levels.items())
        sums = self.partial.sums
        count = len(self.keys)
        read = (
            f"{count:,} partition{'s' * (count != 1)}, {self.n_read:,} rows read, "
            f"{self.n:,} used; levels: {levels}."
        )
        size = f"{sums.pairs:,} pairs of levels; {sums.nbytes / 1e6:,.1f} MB."
        head = f"Sums over rows for {self.plan.formula}"
        return [Paragraph((head, read, size)), Paragraph((f"Plan {self.plan.id[:16]}.",))]
