"""How accurate an estimated criterion is, as frozen values and in words; nothing here computes."""

from __future__ import annotations

from dataclasses import dataclass

from mixedmodels.arrays import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Accuracy:
    """Standard errors of a fit by the choice of its probes, and what the estimate was made from.

    Coefficients, modes and sigma are exact at the theta of the fit, so that only the likelihood
    and theta have such an error.

    Attributes:
        objective: Standard error of the criterion and of -2 log L.
        theta: (m,) standard errors of theta.
        share: The largest of these, over the statistical standard error of that theta.
        probes: Random vectors that the estimate averages over.
        basis: Vectors that it treats exactly.
        seed: Seed of the probes.
    """

    objective: float
    theta: FloatArray
    share: float
    probes: int
    basis: int
    seed: int

    @property
    def words(self) -> str:
        """One line for a summary."""
        largest = float(self.theta.max(initial=0.0))
        return (
            f"log-likelihood estimated: -2 log L +- {self.objective:.1g} ({self.probes} probes, "
            f"seed {self.seed}); theta +- {largest:.1g}"
        )
