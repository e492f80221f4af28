"""Fits whose solution is known already, as from a file or another process."""

from __future__ import annotations

from mixedmodels.estimates.linear import Fitted
from mixedmodels.estimates.routing import Ways
from mixedmodels.fit.again import check_columns, check_twice
from mixedmodels.linear.fit import LinearMixedFit
from mixedmodels.linear.model import from_design
from mixedmodels.storage.fits import Saved


def restored(saved: Saved, threads: int | None = None) -> LinearMixedFit:
    """The fit of a design whose solution is known already, as from a file.

    Raises:
        ModelError: The design does not determine such a solution.
    """
    design, solution, optsum = saved
    ways = Ways() if solution.accuracy is None else Ways("iterative")
    made = from_design(design, threads, reml=solution.reml, ways=ways)
    model = made._model  # noqa: SLF001 (of this pair)
    check_columns(model.products.kept, solution.kept)
    check_twice("thetas", solution.theta, model.axes.from_axes(solution.axes_theta))
    return LinearMixedFit(made, Fitted(model, solution, optsum))
