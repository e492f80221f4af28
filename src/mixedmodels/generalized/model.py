"""The generalized linear mixed model as users hold it: the stages shown, and `fit`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mixedmodels.arrays import FloatArray
from mixedmodels.base_model import MixedModel
from mixedmodels.criterion.generalized import LaplaceCriterion
from mixedmodels.design.given import Given
from mixedmodels.design.response import ResponseRule
from mixedmodels.design.unquoted import naming_columns
from mixedmodels.diagnostics.identifiable import trouble
from mixedmodels.errors import (
    ConvergenceWarning,
    MixedModelsError,
    warn,
)
from mixedmodels.estimates.component_checks import check_zeros, given_coefficients, parts_of
from mixedmodels.estimates.components import of_role
from mixedmodels.estimates.generalized import GeneralizedModel
from mixedmodels.estimates.generalized_options import check_nodes, check_offset
from mixedmodels.families.base import DISPERSION, THRESHOLDS, ZERO_INFLATION, Family
from mixedmodels.families.catalogue import check_not_family, family_of
from mixedmodels.generalized.fit import GeneralizedLinearMixedFit
from mixedmodels.optimize import Request
from mixedmodels.settings import (
    INFORMATION,
    USUAL_CONTROL,
    Control,
    Information,
    NaAction,
    OptimizerName,
    real_numbers,
    thread_count,
)
from mixedmodels.spelling import chosen_option


class GeneralizedLinearMixedModel(MixedModel):
    """A generalized linear mixed model that is not fitted yet.

    Args:
        formula: `response ~ fixed + (lhs | group) + ...`; of a binomial model the response is 0 or
            1, a column of two categories (the first is failure), a share with the number of trials
            as weights, or `cbind(successes, failures)`; of an ordinal one ordered categories or
            whole numbers.
        data: A pandas, Polars, PyArrow or other eager table, or a dict of columns; not modified.
        family: "binomial", "poisson", "negative_binomial", "nb1", "truncated_poisson",
            "truncated_negative_binomial", "gamma", "inverse_gaussian", "beta", "gaussian",
            "ordinal", or an object of `mixedmodels.families`.
        link: Name of the link; the usual one of the family if None.
        n_agq: 1 for Laplace's approximation; more are nodes of adaptive Gauss-Hermite quadrature
            for each random effect, with one grouping factor of up to three effects; 0 leaves the
            coefficients to the modes, which is faster and not quite the maximum.
        information: Weights in the determinant: "observed", or "expected" as lme4's.
        reml: Integrate over the coefficients, too, as REML does for linear models.
        weights: Prior weights: a column, an expression of columns, or one value per row.
        offset: A known addition to the linear predictor, given in the same ways.
        contrasts: Column to "treatment", "sum", "helmert", "poly" or a matrix.
        na_action: As for `lmer`.
        dispersion: A formula `"~ x"` of fixed effects for the logarithm of the family's own
            parameter; None for one value.
        zero_inflation: A formula such as `"~ 1"` for the logit of the probability that a count is
            zero by a process of its own; None for no such zeros.
        threads: Threads that a fit may use; None leaves the choice to the library.

    Raises:
        FormulaError: The formula cannot be understood.
        DataError: A column cannot be used, or the response is not one of the family.
        ModelError: The data cannot identify the model.

    Examples:
        >>> import mixedmodels as mm
        >>> model = mm.GeneralizedLinearMixedModel(
        ...     "cbind(incidence, size - incidence) ~ period + (1 | herd)", mm.load_dataset("cbpp"))
        >>> round(model.objective([0.0], [-1.4, -1.0, -1.1, -1.6]), 4)
        198.9639
    """

    _model: GeneralizedModel

    def __init__(
        self,
        formula: str,
        data: Any,
        family: str | Family | type[Family] = "binomial",
        *,
        link: str | None = None,
        n_agq: int = 1,
        information: Information = "observed",
        reml: bool = False,
        weights: Any = None,
        offset: Any = None,
        contrasts: Mapping[str, Any] | None = None,
        na_action: NaAction = "omit",
        dispersion: str | None = None,
        zero_inflation: str | None = None,
        threads: int | None = None,
    ) -> None:
        chosen, nodes = family_of(family, link), check_nodes(n_agq)
        check_not_family(data)
        information = chosen_option("information", information, INFORMATION)
        if not isinstance(reml, (bool, np.bool_)):
            raise MixedModelsError(f"reml is {reml!r:.40}; it must be True or False.")
        with naming_columns(data):
            parts = parts_of(chosen, {DISPERSION: dispersion, ZERO_INFLATION: zero_inflation})
        count = thread_count(threads)
        design = self._designed(
            formula,
            Given(data, weights, offset, contrasts, na_action),
            residual=False,
            response=ResponseRule(chosen, chosen.of_trials, chosen.ordered),
            parts=parts,
        )
        check_zeros(design)
        check_offset(design, chosen)
        self._model = GeneralizedModel(
            design, chosen, count, nodes, information == "expected", bool(reml)
        )

    # -- the stages ---------------------------------------------------------------------

    @property
    def family(self) -> Family:
        """The family and its link."""
        return self._model.family

    @property
    def parameter_names(self) -> list[str]:
        """Names of what the criterion depends on: theta, coefficients, the family's own."""
        return list(self._criterion.names)

    # -- the criterion ------------------------------------------------------------------

    @property
    def _criterion(self) -> LaplaceCriterion:
        return self._model.criterion()

    @property
    def _kind(self) -> str:
        return f", {self.family.title} ({self.family.link.name})"

    def objective(
        self,
        theta: npt.ArrayLike,
        beta: npt.ArrayLike,
        dispersion: npt.ArrayLike | None = None,
        zero_inflation: npt.ArrayLike | None = None,
        thresholds: npt.ArrayLike | None = None,
    ) -> float:
        """-2 log-likelihood by Laplace's approximation.

        Args:
            theta: (m,) entries of the templates.
            beta: (p,) coefficients of the columns kept.
            dispersion: The family's own parameter, where it has one; coefficients of its logarithm
                where it has predictors.
            zero_inflation: Coefficients of the logit, where there are zeros of their own.
            thresholds: Between ordered categories, increasing.

        Raises:
            MixedModelsError: A parameter has the wrong length or is not finite.
        """
        return self._criterion.value(
            self._parameters(theta, beta, dispersion, zero_inflation, thresholds)
        )

    def gradient(
        self,
        theta: npt.ArrayLike,
        beta: npt.ArrayLike,
        dispersion: npt.ArrayLike | None = None,
        zero_inflation: npt.ArrayLike | None = None,
        thresholds: npt.ArrayLike | None = None,
    ) -> FloatArray:
        """Exact gradient of `objective` by its parameters.

        The dispersion counts by its logarithm, thresholds by the first of them and the logarithms
        of the gaps to the next ones.

        Raises:
            MixedModelsError: A parameter has the wrong length or is not finite.
        """
        at = self._parameters(theta, beta, dispersion, zero_inflation, thresholds)
        slope = self._criterion.gradient(at)
        # The map from the search's parameters is linear: J has its columns.
        J = self._criterion.to_user(np.eye(len(at)))
        found: FloatArray = np.asarray(np.linalg.solve(J, slope), dtype=np.float64)
        return found

    def _parameters(
        self,
        theta: npt.ArrayLike,
        beta: npt.ArrayLike,
        *own: npt.ArrayLike | None,
    ) -> FloatArray:
        roles = (DISPERSION, ZERO_INFLATION, THRESHOLDS)
        try:
            given = [np.atleast_1d(real_numbers(part)) for part in (theta, beta)]
        except (TypeError, ValueError):
            given = []
        if {part.ndim for part in given} != {1}:
            raise MixedModelsError(
                f"theta is {theta!r:.60} and beta {beta!r:.60}; both must be lists of numbers."
            )
        for role, values in zip(roles, own, strict=True):
            component = of_role(self._model.components, role)
            if component is not None:
                given.append(given_coefficients(component, values, self.family))
            elif values is not None:
                raise MixedModelsError(
                    f"{role} is {values!r:.40}; this model of the {self.family.title} family has "
                    "none."
                )
        return self._criterion.from_user(self._criterion.checked(np.concatenate(given)))

    # -- the fit ------------------------------------------------------------------------

    def fit(
        self,
        *,
        start: npt.ArrayLike | None = None,
        optimizer: OptimizerName = "auto",
        control: Control | None = None,
        verbose: bool = False,
    ) -> GeneralizedLinearMixedFit:
        """Find the optimum of the criterion.

        Args:
            start: (m,) theta to start from, or all parameters; by moments if None.
            optimizer: Method of minimisation.
            control: Limits and tolerances.
            verbose: Print a line per iteration.

        Returns:
            The fit; the model itself is unchanged.

        Raises:
            MixedModelsError: An unknown method, or a start that cannot be used.
        """
        return self._fit(Request(optimizer, start, control or USUAL_CONTROL), verbose)

    def _fit(self, request: Request, verbose: bool = False) -> GeneralizedLinearMixedFit:
        fitted = self._solved(request, verbose)
        for message in trouble(fitted):
            warn(message, ConvergenceWarning)
        return GeneralizedLinearMixedFit(self, fitted)
