"""Principal components of the random effects: in how many directions a group varies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.design.lookup import GroupNames
from mixedmodels.estimates.by_group import ByGroup
from mixedmodels.estimates.linear import Fitted
from mixedmodels.report.frames import frame_table
from mixedmodels.report.results import Result, WithTable
from mixedmodels.report.sections import Section
from mixedmodels.settings import PCA_SCALES, PcaScale
from mixedmodels.spelling import chosen_option


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class GroupComponents(WithTable):
    """The components of one grouping factor, largest first; the terms on it are taken together.

    Attributes:
        table: (components by 4) `sd` on the response's scale (of the correlation matrix, when that
            was asked for), `relative_sd` over the residual's (what lme4's rePCA calls "Standard
            deviation"), `proportion` and `cumulative` of the variance; NaN when it is zero.
        loadings: (effects by components) directions of unit length, the largest entry positive; by
            scale "orthogonal" the effects that belong to a direction of unit length.
    """

    loadings: pd.DataFrame

    def _sections(self) -> Sequence[Section]:
        """The two tables of the analysis."""
        return self.captioned("")

    def captioned(self, name: str) -> Sequence[Section]:
        """Both tables, the first under a name."""
        table, loadings = self.table.round(4), self.loadings.round(4)
        return [frame_table(table, name), frame_table(loadings, "Loadings:")]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RandomEffectsPCA(Result, Mapping[str, GroupComponents]):
    """The components of every grouping factor, by its name (also written `h:g` for `g:h`).

    Attributes:
        groups: Grouping factor to components.
    """

    groups: ByGroup[GroupComponents]

    def to_frame(self) -> pd.DataFrame:
        """The tables of all groups under each other, indexed by (group, component)."""
        return pd.concat({name: part.table for name, part in self.items()}, names=["group"])

    def _sections(self) -> Sequence[Section]:
        """The tables of all groups."""
        return [section for name, part in self.items() for section in part.captioned(name)]

    def __getitem__(self, group: str) -> GroupComponents:
        """The components of a grouping factor.

        Raises:
            UnknownKeyError: No such grouping factor.
        """
        return self.groups[group]

    def __iter__(self) -> Iterator[str]:
        """Names of the grouping factors."""
        return iter(self.groups)

    def __len__(self) -> int:
        """Number of grouping factors."""
        return len(self.groups)


def random_effects_pca(fitted: Fitted, scale: PcaScale) -> RandomEffectsPCA:
    """Components by grouping factor; see `LinearMixedFit.repca`.

    Raises:
        MixedModelsError: Unknown `scale`.
    """
    scale = chosen_option("scale", scale, PCA_SCALES)
    templates, solution = fitted.model.templates, fitted.solution
    out: dict[str, GroupComponents] = {}
    orthogonal = scale == "orthogonal"
    theta = solution.axes_theta if orthogonal else solution.theta
    for g, lam in enumerate(templates.group_lam(theta)):
        names = list(templates.effects[g])
        relative = _unit_rows(lam) if scale == "correlation" else lam
        sigma = 1.0 if scale == "correlation" else solution.sigma
        axes = fitted.model.products.axes(g) if orthogonal else None
        effects = np.eye(len(lam)) if axes is None else axes
        out[templates.group_names[g]] = _components(relative, sigma, names, effects)
    return RandomEffectsPCA(ByGroup(out, GroupNames(fitted.model.design.groups)))


def _components(
    root: FloatArray, sigma: float, names: list[str], effects: FloatArray
) -> GroupComponents:
    left, sd, _ = np.linalg.svd(root)
    left = effects @ left
    largest = left[np.argmax(np.abs(left), axis=0), np.arange(len(sd))]
    left = left * np.where(largest < 0.0, -1.0, 1.0)
    total = float(sd @ sd)
    with np.errstate(invalid="ignore"):
        proportion = sd**2 / total if total > 0.0 else np.full(len(sd), np.nan)
    components = pd.Index([f"PC{k + 1}" for k in range(len(sd))], name="component")
    table = pd.DataFrame(
        {
            "sd": sigma * sd,
            "relative_sd": sd,
            "proportion": proportion,
            "cumulative": np.cumsum(proportion),
        },
        components,
    )
    return GroupComponents(table, pd.DataFrame(left, names, components))


def _unit_rows(root: FloatArray) -> FloatArray:
    """Root of the correlation matrix; an effect without variance stays zero."""
    size = np.sqrt(np.einsum("ij,ij->i", root, root))
    unit: FloatArray = root / np.where(size > 0.0, size, 1.0)[:, None]
    return unit
