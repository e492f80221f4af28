"""Fits whose solution is known already, as from a file or another process."""

from __future__ import annotations

import numpy as np

from mixedmodels.errors import ModelError
from mixedmodels.estimates.generalized import GeneralizedFitted
from mixedmodels.estimates.generalized_options import check_nodes
from mixedmodels.generalized.fit import GeneralizedLinearMixedFit
from mixedmodels.generalized.model import GeneralizedLinearMixedModel
from mixedmodels.settings import thread_count
from mixedmodels.storage.generalized import SavedGeneralized, generalized_from_bytes, model_of
from mixedmodels.storage.pickles import usable_threads


def restored(saved: SavedGeneralized, threads: int | None = None) -> GeneralizedLinearMixedFit:
    """The fit of a design whose solution is known already, as from a file.

    Raises:
        MixedModelsError: The design does not determine such a solution.
    """
    solution = saved.solution
    check_nodes(saved.responses.nodes)
    model = model_of(saved.design, saved.responses, thread_count(threads))
    if not np.array_equal(model.products.kept, solution.kept):
        raise ModelError("The solution is for other columns of X than the design determines.")
    user = model.criterion().to_user(solution.par)
    parts = (solution.theta, solution.beta[solution.kept], solution.psi)
    known = np.concatenate(parts)
    if np.abs(user - known).max(initial=0.0) > 1e-6 * np.abs(known).max(initial=1e-6):
        raise ModelError("The solution has two sets of parameters that are not the same.")
    made = GeneralizedLinearMixedModel._of(model)  # noqa: SLF001 (of this pair)
    return GeneralizedLinearMixedFit(made, GeneralizedFitted(model, solution, saved.optsum))


def unpickled(content: bytes, threads: int | None) -> GeneralizedLinearMixedFit:
    """The fit of what a pickle holds."""
    return restored(generalized_from_bytes(content), usable_threads(threads))
