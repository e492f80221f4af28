"""What is noted of rows while they are summed; see `design.summary`."""

from __future__ import annotations

from mixedmodels.arrays import FloatArray
from mixedmodels.crossprod import triangle_inverse
from mixedmodels.design.batch import BatchArrays
from mixedmodels.design.names import INTERCEPT
from mixedmodels.design.summary import (
    RowSummary,
    made_factors,
    moments_of,
    no_rows,
    summary_of,
)
from mixedmodels.streaming.plan import Plan


class Noted:
    """The summary of rows that come in batches.

    Args:
        plan: What is known of all rows.

    Attributes:
        summary: Of the batches so far.
    """

    def __init__(self, plan: Plan) -> None:
        design = plan.design
        self._levels = {name: v.levels for name, v in design.variables.items()}
        self._factors = made_factors(design.formula)
        self.summary: RowSummary = no_rows(self._levels)
        self._frame: tuple[FloatArray, FloatArray] | None = None  # R and its inverse
        if design.w is not None or INTERCEPT not in design.x_names[:1]:
            p = len(design.x_names)
            R = plan.frame.state()["R"].reshape((p, p), order="F").copy()
            self._frame = R, triangle_inverse(R)

    def add(self, batch: BatchArrays) -> None:
        """Note the rows of a batch."""
        if not len(batch.y):
            return
        moments = None
        if self._frame is not None:
            R, inverse = self._frame
            z = [term for terms in batch.z for term in terms]
            moments = moments_of(batch.X @ inverse, z, batch.w, R)
        found = summary_of(batch.variables, self._levels, self._factors, batch.offset, moments)
        self.summary = self.summary.merge(found)
