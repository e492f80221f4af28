"""What the errors of estimated likelihoods mean for likelihood ratios."""

from __future__ import annotations

from mixedmodels.errors import EstimatedWarning, warn
from mixedmodels.estimates.solution import Solution

# Error of a likelihood ratio above which a table warns.
_LARGE = 0.05


def objective_error(solution: Solution) -> float:
    """Standard error of the criterion by the choice of the probes; 0 where it is exact."""
    return 0.0 if solution.accuracy is None else solution.accuracy.objective


def warn_of_error(small: Solution, large: Solution, between: str) -> None:
    """Warn where both errors together could change a likelihood ratio.

    Args:
        small: The smaller model.
        large: The larger model.
        between: Which models, in words.
    """
    error = objective_error(small) + objective_error(large)
    if error > _LARGE:
        warn(
            f"The likelihood ratio of {between} is estimated with a standard error of up to "
            f"{error:.2g}: a p-value near a limit may fall on either side. method='exact' has no "
            "such error.",
            EstimatedWarning,
        )
