"""Principal components of the random effects: in how many directions a group varies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.design.lookup import ByGroup, GroupNames
from mixedmodels.estimates.model import Fitted
from mixedmodels.settings import PCA_SCALES, PcaScale, check_option


@dataclass(frozen=True, slots=True, eq=False)
class GroupComponents:
    """The components of one grouping factor, largest first; the terms on it are taken together.

    Attributes:
        table: (components by 4) `sd` on the response's scale (of the correlation matrix, when that
            was asked for), `relative_sd` over the residual's (what lme4's rePCA calls "Standard
            deviation"), `proportion` and `cumulative` of the variance; NaN when it is zero.
        loadings: (effects by components) directions of unit length, the largest entry positive; by
            scale "orthogonal" the effects that belong to a direction of unit length.
    """

    table: pd.DataFrame
    loadings: pd.DataFrame

    def __repr__(self) -> str:
        """Both tables."""
        return f"{self.table.round(4)}\n\nLoadings:\n{self.loadings.round(4)}"


class RandomEffectsPCA(ByGroup[GroupComponents]):
    """Grouping factor to `GroupComponents`."""

    def to_frame(self) -> pd.DataFrame:
        """The tables of all groups under each other, indexed by (group, component)."""
        return pd.concat({name: part.table for name, part in self.items()}, names=["group"])

    def __repr__(self) -> str:
        """The tables of all groups."""
        return "\n\n".join(f"{name}\n{part}" for name, part in self.items())


def random_effects_pca(fitted: Fitted, scale: PcaScale) -> RandomEffectsPCA:
    """Components by grouping factor; see `LinearMixedFit.repca`.

    Raises:
        MixedModelsError: Unknown `scale`.
    """
    check_option("scale", scale, PCA_SCALES)
    templates, solution = fitted.model.templates, fitted.solution
    out = RandomEffectsPCA({}, GroupNames(fitted.model.design.groups))
    orthogonal = scale == "orthogonal"
    theta = solution.axes_theta if orthogonal else solution.theta
    for g, lam in enumerate(templates.group_lam(theta)):
        names = list(templates.effects[g])
        relative = _unit_rows(lam) if scale == "correlation" else lam
        sigma = 1.0 if scale == "correlation" else solution.sigma
        axes = fitted.model.products.axes(g) if orthogonal else None
        effects = np.eye(len(lam)) if axes is None else axes
        out[templates.group_names[g]] = _components(relative, sigma, names, effects)
    return out


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
