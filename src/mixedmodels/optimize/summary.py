"""How an optimum was found and how it was judged, as frozen values; nothing here computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from mixedmodels.arrays import FloatArray
from mixedmodels.settings import Control, OptimizerName

Status: TypeAlias = Literal["converged", "boundary", "stalled", "max_evaluations"]


@dataclass(frozen=True, slots=True, eq=False)
class OptSummary:
    """How the optimum was found and how it was judged.

    Attributes:
        optimizer: The method that ran.
        control: The limits and tolerances it was given.
        n_objective: Evaluations of the criterion.
        n_gradient: Evaluations of its gradient.
        message: What the optimiser said at its end.
        status: "converged", "boundary" (converged with a diagonal entry of theta at 0),
            "stalled" or "max_evaluations".
        trace: Criterion and theta (m,) of every iteration.
        theta_start: (m,) where the search began.
        max_gradient: Largest projected gradient at the optimum, absolute value, along the axes of
            the terms.
        decrement: What gradient and Hessian still promise at the optimum, in units of the
            criterion; this decides whether the search has converged.
        hessian_ok: Whether the Hessian has no direction of descent.
        seconds: Wall time of the search.
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

    @property
    def converged(self) -> bool:
        """Whether the search ended at a minimum, inside or on the boundary."""
        return self.status in ("converged", "boundary")

    def __str__(self) -> str:
        """A few lines for reading; the trace is left out."""
        hessian = "positive definite" if self.hessian_ok else "not positive definite"
        return "\n".join(
            (
                f"Optimizer:    {self.optimizer}",
                f"Status:       {self.status}: {self.message}",
                f"Evaluations:  {self.n_objective} of the criterion, {self.n_gradient} gradients",
                f"Max gradient: {self.max_gradient:.3g}",
                f"Hessian:      {hessian}",
                f"Seconds:      {self.seconds:.3g}",
            )
        )
