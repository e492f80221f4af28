"""How an optimum was found and how it was judged, as frozen values; nothing here computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.criterion.accuracy import Accuracy
from mixedmodels.report.results import Result
from mixedmodels.report.sections import Section, Table
from mixedmodels.settings import Control, OptimizerName
from mixedmodels.values import quick

Status: TypeAlias = Literal["converged", "boundary", "stalled", "max_evaluations", "unbounded"]


@quick
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class OptSummary(Result):
    """How the optimum was found and how it was judged.

    Attributes:
        optimizer: The method that ran.
        control: The limits and tolerances it was given.
        n_objective: Evaluations of the criterion.
        n_gradient: Evaluations of its gradient.
        message: What the optimiser said at its end.
        status: "converged", "boundary" (converged with a diagonal entry of theta at 0),
            "stalled", "max_evaluations" or "unbounded" (the criterion has no optimum there, for the
            reason in `message`).
        trace: Criterion and theta (m,) of every iteration.
        theta_start: (m,) where the search began.
        max_gradient: Largest projected gradient at the optimum, absolute value, along the axes of
            the terms.
        decrement: Decrease that gradient and Hessian predict at the optimum, in units of the
            criterion; this decides whether the search has converged.
        hessian_ok: Whether the Hessian has no direction of descent.
        seconds: Wall time of the search.
        accuracy: How accurate an estimated criterion is; None where it is exact.
    """

    optimizer: OptimizerName
    control: Control
    n_objective: int
    n_gradient: int
    message: str
    status: Status
    trace: tuple[tuple[float, FloatArray], ...]
    theta_start: FloatArray
    max_gradient: float
    decrement: float
    hessian_ok: bool
    seconds: float
    accuracy: Accuracy | None = None

    @property
    def converged(self) -> bool:
        """Whether the search ended at a minimum, inside or on the boundary."""
        return self.status in ("converged", "boundary")

    def to_frame(self) -> pd.DataFrame:
        """The trace, a row per iteration: `objective`, and theta as `theta_1`, `theta_2`, ..."""
        columns = ["objective", *(f"theta_{j + 1}" for j in range(len(self.theta_start)))]
        rows = [(objective, *theta) for objective, theta in self.trace]
        return pd.DataFrame(rows, columns=columns).rename_axis("iteration")

    def _sections(self) -> Sequence[Section]:
        """A few lines for reading; the trace is left out."""
        hessian = "positive definite" if self.hessian_ok else "not positive definite"
        evaluations = f"{self.n_objective} of the criterion, {self.n_gradient} gradients"
        rows = (
            ("Status:", f"{self.status}: {self.message}"),
            ("Evaluations:", evaluations),
            ("Max gradient:", f"{self.max_gradient:.3g}"),
            ("Hessian:", hessian),
            ("Seconds:", f"{self.seconds:.3g}"),
            *([] if self.accuracy is None else [("Accuracy:", self.accuracy.words)]),
        )
        return [Table("", ("Optimizer:", self.optimizer), rows, "<<")]
