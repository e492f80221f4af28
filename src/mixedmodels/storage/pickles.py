"""What carries a model from one process to another: its design, in the bytes of a file.

The stages made from a design (cross-products, analysis, workspace) stay where they are; the other
process makes them again. Values without stages are pickled as they are.
"""

from __future__ import annotations

import copyreg
from typing import Any

from mixedmodels.estimates.linear import Fitted, Model
from mixedmodels.settings import thread_count, thread_limit
from mixedmodels.storage.fits import (
    design_from_bytes,
    design_to_bytes,
    fit_from_bytes,
    fit_to_bytes,
)


def kept_threads(threads: int) -> int | None:
    """The number of threads that was asked for; None for the library's choice."""
    return None if threads == thread_count(None) else threads


def usable_threads(threads: int | None) -> int | None:
    """The number of threads that was kept, as far as it is allowed in this process."""
    return None if threads is None else min(threads, thread_limit())


def _keep_model(model: Model) -> tuple[Any, ...]:
    return _make_model, (design_to_bytes(model.design), kept_threads(model.threads))


def _make_model(content: bytes, threads: int | None) -> Model:
    return Model(design_from_bytes(content), thread_count(usable_threads(threads)))


def _keep_fitted(fitted: Fitted) -> tuple[Any, ...]:
    return _make_fitted, (fit_to_bytes(fitted), kept_threads(fitted.model.threads))


def _make_fitted(content: bytes, threads: int | None) -> Fitted:
    design, solution, optsum = fit_from_bytes(content)
    return Fitted(Model(design, thread_count(usable_threads(threads))), solution, optsum)


copyreg.pickle(Model, _keep_model)
copyreg.pickle(Fitted, _keep_fitted)
