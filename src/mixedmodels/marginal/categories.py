"""Marginal means of ordered responses: the probabilities of the categories.

A probability is not linear in the coefficients, so the cells of the grid are taken to probabilities
before they are averaged, as by R's emmeans with mode="prob". The categories become a further
variable of the grid; the probabilities of its cells take the place of coefficients, with the
covariance of the delta method.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mixedmodels.arrays import BoolArray, FloatArray
from mixedmodels.design.columns import level_labels
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.generalized_covariances import known_parameters
from mixedmodels.estimates.unknown import PartlyKnown
from mixedmodels.families.ordinal import OrderedDistribution
from mixedmodels.inference.degrees import Normal
from mixedmodels.marginal.axes import Axis
from mixedmodels.marginal.functions import apart
from mixedmodels.marginal.grid import Grid
from mixedmodels.marginal.source import Source
from mixedmodels.marginal.specs import Specs
from mixedmodels.memory import require


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Cells(Source):
    """Probabilities as coefficients.

    Attributes:
        known: (cells,) whether the data determine a cell.
        latent: The coefficients that they are made of.
        X: (cells, p_all) the rows of these.
        count: Number of categories; the cells of each are together.
    """

    known: BoolArray
    latent: Source
    X: FloatArray
    count: int

    def estimable(self, L: FloatArray, constant: FloatArray | float) -> BoolArray:
        """(k,) whether rows of weights (k, cells) have none on cells that are not determined."""
        del constant
        found: BoolArray = ~(L[:, ~self.known] != 0.0).any(axis=1)
        return found

    def certain(self) -> tuple[FloatArray, FloatArray, str]:
        """The sums of the probabilities of each cell."""
        cells = len(self.X) // self.count
        sums = np.tile(np.eye(cells), (1, self.count))
        rows = sums[self.known[:cells]][:, self.kept]
        return rows, np.ones(len(rows)), " The probabilities of all categories add up to 1."

    def why_not(
        self,
        cells: FloatArray,
        constant: float,
        counts: FloatArray,
        label: Callable[[int], str],
    ) -> str:
        """Why a mean of some cells is not estimable, in terms of the latent scale."""
        return self.latent.why_not(self.X[cells.argmax(axis=1)], constant, counts, label)


@dataclass(frozen=True, slots=True, eq=False)
class Categories:
    """The categories of an ordered response as a variable of marginal means.

    Attributes:
        fitted: The fit.
    """

    fitted: GeneralizedFitted

    @property
    def name(self) -> str:
        """The variable: the column of the response, or "category" where that is an expression.

        Where a predictor is called "category", it has underscores behind it.
        """
        design = self.fitted.model.design
        name = design.category_name
        if design.formula.response_factor.is_column:
            return name
        return apart([name], design.variables)[name]

    def asked(self, specs: Specs) -> Specs:
        """Means within each category, unless it is said otherwise."""
        if self.name in (*specs.names, *specs.by):
            return specs
        return dataclasses.replace(specs, by=(*specs.by, self.name))

    def of(self, grid: Grid, latent: Source, weights: str) -> tuple[Grid, Source]:
        """A grid of probabilities, and these in the place of coefficients.

        Args:
            grid: The cells of the linear predictor.
            latent: The coefficients of this.
            weights: How cells are averaged.

        Raises:
            MixedModelsError: Means over the rows of the data are asked for.
            ResourceError: There are too many cells.
        """
        if weights == "counterfactual":
            raise MixedModelsError(
                "weights='counterfactual' is not for probabilities of categories; average "
                "predict(data, type='prob') over data with the levels of a mean in all rows."
            )
        design = self.fitted.model.design
        assert design.categories is not None
        count, cells = len(design.categories), len(grid.X)
        size = count * cells
        require({f"{size} probabilities": 24.0 * size * size}, "The reference grid")
        known = np.tile(latent.estimable(grid.X, grid.constant), count)
        p, J = self._probabilities(grid)
        covariance = self._covariance(J[known])
        tests = Normal(p[known], covariance.known, 1.0)
        tests.partly = covariance
        labels = tuple(level_labels(design.categories))
        axis = Axis(self.name, design.categories, labels, None, design.categories)
        axes = {**grid.axes, self.name: axis}
        made = dataclasses.replace(grid, axes=axes, X=np.eye(size), offset=0.0)
        X = np.tile(grid.X, (count, 1))
        kept = np.flatnonzero(known)
        return made, _Cells(tests, kept, None, (), known=known, latent=latent, X=X, count=count)

    def _probabilities(self, grid: Grid) -> tuple[FloatArray, FloatArray]:
        """(size,) category by category, and (size, m + p + k) derivatives by all parameters."""
        fitted, solution = self.fitted, self.fitted.solution
        of, m, kept = fitted.distribution, len(solution.theta), solution.kept
        assert isinstance(of, OrderedDistribution)
        X = grid.X[:, kept]
        eta = X @ solution.beta[kept] + grid.offset
        # By the thresholds: of a category its upper one less its lower one.
        slopes = of.family.link.slope(of.thresholds[None, :] - eta[:, None])
        by_threshold = np.zeros((len(eta), slopes.shape[1] + 1, slopes.shape[1]))
        each = np.arange(slopes.shape[1])
        by_threshold[:, each, each] = slopes
        by_threshold[:, each + 1, each] = -slopes
        by_predictor = -by_threshold.sum(axis=2)
        by_psi = np.tril(np.broadcast_to(np.exp(solution.psi), (len(each), len(each))).copy())
        by_psi[:, 0] = 1.0
        J = np.zeros((by_threshold.shape[1], len(eta), m + len(kept) + len(each)))
        J[:, :, m : m + len(kept)] = by_predictor.T[:, :, None] * X
        J[:, :, m + len(kept) :] = (by_threshold @ by_psi).transpose(1, 0, 2)
        p = of.probabilities(eta)
        return p.T.ravel(), J.reshape(p.size, -1)

    def _covariance(self, J: FloatArray) -> PartlyKnown:
        """That of functions with derivatives J (k, m + p + k) by all parameters."""
        parameters: PartlyKnown | None = self.fitted.once(known_parameters)
        if parameters is None:
            return PartlyKnown(np.full((len(J), len(J)), np.nan), ())
        return parameters.through(J)
