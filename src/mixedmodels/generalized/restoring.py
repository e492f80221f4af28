"""Fits whose solution is known already, as from a file or another process."""

from __future__ import annotations

import numpy as np

from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.generalized_options import check_nodes
from mixedmodels.fit.again import check_columns, check_twice
from mixedmodels.generalized.fit import GeneralizedLinearMixedFit
from mixedmodels.generalized.model import GeneralizedLinearMixedModel
from mixedmodels.settings import thread_count
from mixedmodels.storage.generalized import SavedGeneralized, model_of


def restored(saved: SavedGeneralized, threads: int | None = None) -> GeneralizedLinearMixedFit:
    """The fit of a design whose solution is known already, as from a file.

    Raises:
        MixedModelsError: The design does not determine such a solution.
    """
    solution = saved.solution
    check_nodes(saved.responses.nodes)
    model = model_of(saved.design, saved.responses, thread_count(threads))
    check_columns(model.products.kept, solution.kept)
    known = (solution.theta, solution.beta[solution.kept], solution.psi)
    user = model.criterion().to_user(solution.par)
    check_twice("sets of parameters", user, np.concatenate(known))
    made = GeneralizedLinearMixedModel._of(model)  # noqa: SLF001 (of this pair)
    return GeneralizedLinearMixedFit(made, GeneralizedFitted(model, solution, saved.optsum))
