"""Influence of sets of rows on a fit: the result that users hold, and its measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.parameters import coefficient_names
from mixedmodels.plots.influence import plot_influence
from mixedmodels.report.frames import frame_table
from mixedmodels.report.results import Result
from mixedmodels.report.sections import Paragraph, Section
from mixedmodels.settings import InfluenceMethod

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Influence(Result):
    """Fits without each row, or without each group of rows, beside the fit with all.

    Tables have one row per deletion, labelled by what was left out.

    Attributes:
        by: What was left out at a time: "row", a grouping factor's name, or "labels".
        method: "exact" for fits, "held" for theta kept, "one-step" for one Newton step of theta.
        beta: (deletions, p) coefficients; NaN where a column became dependent.
        std_error: (deletions, p) their standard errors.
        theta: (deletions, m).
        sigma: (deletions,) residual standard deviation.
        objective: (deletions,) criterion of the rows left.
        nobs: (deletions,) rows left.
        converged: (deletions,) whether the search ended at an optimum; one-step: could be made.
        notes: (deletions,) what went wrong or changed, else "".
        full_beta: (p,) coefficients with all rows.
        full_vcov: (p, p) their covariance.
        full_theta: (m,).
        full_sigma: Residual standard deviation with all rows.
        full_root: (p, p) a root of the inverse of `full_vcov`: root'root. It has the digits that
            `full_vcov` has not where the origin of a covariate is far away.
    """

    by: str
    method: InfluenceMethod
    beta: pd.DataFrame
    std_error: pd.DataFrame
    theta: pd.DataFrame
    sigma: pd.Series[float]
    objective: pd.Series[float]
    nobs: pd.Series[int]
    converged: pd.Series[bool]
    notes: pd.Series[str]
    full_beta: pd.Series[float]
    full_vcov: pd.DataFrame
    full_theta: pd.Series[float]
    full_sigma: float
    full_root: FloatArray

    @property
    def dfbeta(self) -> pd.DataFrame:
        """(deletions, p) coefficients without the rows less those with them, lme4's sign."""
        return self.beta - self.full_beta.to_numpy()

    @property
    def dfbetas(self) -> pd.DataFrame:
        """(deletions, p) `dfbeta` over the standard errors without the rows.

        Belsley, Kuh and Welsch (1980), with the sign of lme4's `dfbetas`.
        """
        return self.dfbeta / self.std_error

    @property
    def cooks_distance(self) -> pd.Series[float]:
        """(deletions,) d'V^-1 d / p, d = `dfbeta` and V the covariance with all rows.

        Cook (1977). lme4's `cooks.distance(influence(fit))` multiplies this by (J - p) / J, J
        being the number of deletions.

        Raises:
            MixedModelsError: The model has no fixed effects.
        """
        p = len(self.full_beta)
        if p == 0:
            raise MixedModelsError(
                "cooks_distance: the model has no fixed effects, whose change it measures."
            )
        d: FloatArray = self.dfbeta.to_numpy() @ self.full_root.T
        distances = np.einsum("ij,ij->i", d, d) / p
        return pd.Series(distances, self.beta.index, name="cooks_distance")

    def plot(
        self,
        *,
        labels: int = 5,
        ax: Axes | None = None,
        figsize: tuple[float, float] | None = None,
    ) -> Figure:
        """Draw Cook's distances in the order of the deletions, the largest named.

        Args:
            labels: Most deletions that are named; up to 25 levels of a group are all named.
            ax: Axes to draw in; a new figure if None.
            figsize: Size of a new figure, in inches.

        Raises:
            MixedModelsError: The model has no fixed effects, or matplotlib is not installed.
        """
        cooks = self.cooks_distance
        return plot_influence(cooks, of=self.by, labels=labels, ax=ax, figsize=figsize)

    def to_frame(self) -> pd.DataFrame:
        """One row per deletion: `nobs`, coefficients, theta, `sigma`, `cooks_distance`, `notes`.

        A coefficient with the name of another column is called `beta(name)`.
        """
        parts: list[pd.DataFrame | pd.Series] = [self.theta, self.sigma]
        if len(self.full_beta):
            parts.append(self.cooks_distance)
        rest = pd.concat([*parts, self.converged, self.notes], axis=1)
        names = coefficient_names(list(self.beta.columns), [str(self.nobs.name), *rest.columns])
        return pd.concat([self.nobs, self.beta.set_axis(list(names), axis=1), rest], axis=1)

    def _sections(self) -> Sequence[Section]:
        """A few lines: what was done, and the deletions that change most."""
        what = "rows" if self.by == "row" else f"levels of {self.by}"
        if self.by == "labels":
            what = "groups of rows"
        made = int(self.converged.count())
        lines = [f"Influence of {made} {what}, {self.method}"]
        failed = made - int(self.converged.sum())
        if failed:
            lines.append(f"{failed} without a converged fit; see notes")
        if not len(self.full_beta):
            return [Paragraph(tuple(lines))]
        largest = self.cooks_distance.dropna().sort_values(ascending=False).head(5)
        table = frame_table(largest.to_frame(), "Largest Cook's distances:")
        return [Paragraph(tuple(lines)), table]
