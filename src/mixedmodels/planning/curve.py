"""The result of a power study: shares of rejections with exact limits, by size of the design."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from mixedmodels.arrays import FloatArray
from mixedmodels.plots.power import plot_power
from mixedmodels.report.frames import frame_table
from mixedmodels.report.results import WithTable
from mixedmodels.report.sections import Paragraph, Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Shares of replicates above which their number is said in words.
_MANY = 0.05


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Power(WithTable):
    """How often a test rejects in simulated data.

    Attributes:
        table: A row for each size of the design: its levels of each factor extended, `nobs`,
            `power`, `lower` and `upper` (exact binomial limits), `rejected`, `failed` and
            `singular` replicates.
        p_values: (nsim, sizes) of every replicate; NaN where there is no fit.
        formula: The model.
        test: What is tested.
        alpha: Level of the test.
        nsim: Replicates for each size.
        level: Coverage of the limits.
        seed: What gives the same replicates again; None when a generator was given.
        extended: The factors extended.
    """

    p_values: FloatArray
    formula: str
    test: str
    alpha: float
    nsim: int
    level: float
    seed: Any
    extended: tuple[str, ...]

    @property
    def power(self) -> float:
        """That of the largest design, the last row."""
        return float(self.table["power"].iloc[-1])

    def plot(self, *, target: float | None = 0.8, ax: Any = None, figsize: Any = None) -> Figure:
        """Draw power against the levels of the factor extended, with its limits.

        With two factors extended there is a line for each size of the second; without any, the
        point alone.

        Args:
            target: Power at which a line is drawn; None for none.
            ax: Axes to draw in; a new figure if None.
            figsize: Size of a new figure, in inches.

        Raises:
            MixedModelsError: matplotlib is not installed.
        """
        return plot_power(
            self.table, self.extended, level=self.level, target=target, ax=ax, figsize=figsize
        )

    def _sections(self) -> Sequence[Section]:
        seed = "" if self.seed is None else f"; seed {self.seed}"
        lines = [
            f"Power by simulation: {self.nsim} replicates{seed}",
            f"Formula: {self.formula}",
            f"Test: {self.test}; alpha {self.alpha:g}; exact {100 * self.level:g} % limits",
        ]
        below = []
        failed, singular = (float(self.table[n].max()) for n in ("failed", "singular"))
        if failed:
            below.append("Replicates without a fit count as not rejected.")
        if singular > _MANY * self.nsim:
            share = f"{singular / self.nsim:.0%}"
            below += [
                f"Up to {share} of the fits of a size are singular: they estimate a variance as",
                "zero, as the study itself may.",
            ]
        shown = self.table.set_axis([""] * len(self.table))
        parts: list[Section] = [Paragraph(tuple(lines)), frame_table(shown)]
        return [*parts, Paragraph(tuple(below))] if below else parts


def binomial_limits(successes: int, trials: int, level: float) -> tuple[float, float]:
    """Exact limits of a probability (Clopper and Pearson 1934, Biometrika 26, 404-413)."""
    tail = 0.5 - 0.5 * level
    fails = trials - successes
    lower = scipy.special.betaincinv(successes, fails + 1, tail) if successes else 0.0
    upper = scipy.special.betaincinv(successes + 1, fails, 1.0 - tail) if fails else 1.0
    return float(lower), float(upper)


def power_row(p_values: FloatArray, alpha: float, level: float) -> dict[str, float]:
    """The share of p-values below alpha, its limits and the number of those that are missing."""
    rejected = int(np.sum(p_values < alpha))
    lower, upper = binomial_limits(rejected, len(p_values), level)
    return {
        "power": rejected / len(p_values),
        "lower": lower,
        "upper": upper,
        "rejected": rejected,
        "failed": int(np.isnan(p_values).sum()),
    }
