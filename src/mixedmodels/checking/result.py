"""The page of checks of a fit: a verdict, a number and a sentence each, and the pictures."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.plots.checks import plot_checks
from mixedmodels.report.results import Result
from mixedmodels.report.sections import Paragraph, Section, Table
from mixedmodels.report.text import render_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Verdict: TypeAlias = Literal["fine", "look", "problem", "not checked"]

# Share of simulated data sets that are more extreme, up to which a check calls for a look.
_RARE = 0.01
_WIDTH = 76
_FOOT = (
    "p is the share of {nsim} data sets simulated from the fit, each fitted again, that are at "
    "least as extreme; 'look' means at most {rare:.2g}. With many rows small deviations show that "
    "do no harm: the pictures of .plot() tell."
)


def rare(nsim: int) -> float:
    """The p-value up to which a check calls for a look; with few data sets the least there is."""
    return max(_RARE, 1.0 / (nsim + 1.0))


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        name: What is checked.
        verdict: "fine", "look", "problem" or "not checked".
        measure: What the number is.
        value: The number; NaN where there is none.
        p_value: Share of simulated data sets that are at least as extreme; NaN where the verdict
            rests on the number alone.
        text: The finding in words.
    """

    name: str
    verdict: Verdict
    measure: str
    value: float
    p_value: float
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Numbers for the pictures.

    Attributes:
        fitted: (n,) fitted values.
        scaled: (n,) residuals over their standard deviation.
        modes: By effect (levels,) modes.
        quantile: (n,) quantile residuals, or None where nothing was simulated.
        cooks: By row or level Cook's distances, or None.
        cooks_of: What was left out for these.
        vif: By term, or None.
    """

    fitted: FloatArray
    scaled: FloatArray
    modes: dict[str, FloatArray]
    quantile: FloatArray | None
    cooks: pd.Series[float] | None
    cooks_of: str
    vif: pd.Series[float] | None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Checks(Result):
    """Checks of a fit.

    Attributes:
        checks: One by one.
        formula: The model.
        nsim: Simulated data sets.
        seed: Their seed; None when a generator was given.
        shown: Numbers for the pictures.
    """

    checks: tuple[Check, ...]
    formula: str
    nsim: int
    seed: Any
    shown: Shown = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether nothing calls for a look."""
        return all(check.verdict in ("fine", "not checked") for check in self.checks)

    def to_frame(self) -> pd.DataFrame:
        """One row per check: `verdict`, `measure`, `value`, `p_value`, `text`."""
        columns = ("verdict", "measure", "value", "p_value", "text")
        rows = {c.name: [getattr(c, name) for name in columns] for c in self.checks}
        return pd.DataFrame.from_dict(rows, orient="index", columns=list(columns))

    def plot(self, *, figsize: tuple[float, float] | None = None) -> Figure:
        """Draw a panel: residuals, spread, normality, simulated residuals, influence, collinearity.

        Args:
            figsize: Size in inches; from the number of panels if None.

        Raises:
            MixedModelsError: matplotlib is not installed.
        """
        shown = self.shown
        return plot_checks(
            shown.fitted,
            shown.scaled,
            shown.modes,
            quantile=shown.quantile,
            cooks=shown.cooks,
            cooks_of=shown.cooks_of,
            vif=shown.vif,
            figsize=figsize,
        )

    def _sections(self) -> Sequence[Section]:
        counted = sum(check.verdict in ("look", "problem") for check in self.checks)
        summary = "nothing calls for a look" if not counted else f"{counted} to look at"
        rows = tuple(
            (c.name, c.verdict, c.measure, _number(c.value), _number(c.p_value))
            for c in self.checks
        )
        header = ("", "verdict", "measure", "value", "p")
        words = tuple(f"- {check.name}: {check.text}" for check in self.checks)
        foot = _FOOT.format(nsim=self.nsim, rare=rare(self.nsim))
        return [
            Paragraph((f"Checks of {self.formula}: {summary}",)),
            Table("", header, rows, "<<<>>"),
            Paragraph(words),
            Paragraph((foot,)),
        ]

    def __str__(self) -> str:
        """The text; sentences that are too long go on in the next line."""
        return render_text(
            Paragraph(tuple(part for line in section.lines for part in _broken(line)))
            if isinstance(section, Paragraph)
            else section
            for section in self._sections()
        )


def _broken(line: str) -> list[str]:
    """A line in lines of the text's width; those of a list are indented."""
    indent = "  " if line.startswith("- ") else ""
    width = _WIDTH + 2 if indent else _WIDTH + 4
    return textwrap.wrap(line, width, subsequent_indent=indent, break_on_hyphens=not indent)


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3g}"
