"""Messages about a fit, each with a next step.

The decisions (converged or not, columns kept) were taken by the stages before.
"""

from __future__ import annotations

from collections.abc import Sequence

from mixedmodels.arrays import FloatArray
from mixedmodels.covariance import Templates
from mixedmodels.design import Design
from mixedmodels.design.alike import alike_messages
from mixedmodels.design.copies import copy_messages, rounded_copies
from mixedmodels.errors import (
    ConvergenceWarning,
    NotIdentifiedWarning,
    SingularFitWarning,
    warn,
)
from mixedmodels.estimates.identified import Identification
from mixedmodels.estimates.solution import Solution
from mixedmodels.optimize.summary import OptSummary

# Levels of a grouping factor below which a fit says that they are few.
FEW_LEVELS = 5
# Standard deviation of a random effect, relative to the residual's, above which a fit may be exact.
_EXACT = 1e4


def singular_terms(templates: Templates, relative: FloatArray, tol: float) -> list[int]:
    """Terms whose template has a diagonal entry below `tol` (lme4's `isSingular`).

    `relative` is theta in its natural units: the scale of a covariate makes no fit singular.
    """
    if min(relative.tolist()) >= tol:  # of a few numbers; NumPy takes ten times as long
        return []
    small = (relative < tol) & templates.diagonal
    return sorted(set(templates.entries[small, 0].tolist()))


def fit_messages(
    design: Design,
    templates: Templates,
    solution: Solution,
    optsum: OptSummary,
    identified: Identification,
    route: str = "",
) -> tuple[str, ...]:
    """All messages of a fit: the design's first, then rank, identification and the search's."""
    singular = singular_terms(templates, solution.relative_theta, optsum.control.singular_tol)
    return (
        *design.messages,
        *alike_messages(design),
        *_aliased(design, solution),
        *identified.messages,
        *_few_levels(design, linear=solution.residual_sd is not None),
        *exact_messages(design, solution),
        *_rounded(design, solution),
        *([singular_message(templates, singular)] if singular else []),
        *([] if optsum.converged else [convergence_message(optsum)]),
        *([] if solution.accuracy is None else [solution.accuracy.words]),
        *([route] if route else []),
    )


def exact_messages(design: Design, solution: Solution) -> list[str]:
    """Random-effects terms that leave nothing to the residuals of a linear model."""
    if solution.residual_sd is None:
        return []
    largest = max(solution.relative_theta.tolist(), default=0.0)
    return copy_messages(design) if largest > _EXACT and design.has_rows else []


def _rounded(design: Design, solution: Solution) -> list[str]:
    """Covariates that are the response of a linear model rounded."""
    if solution.residual_sd is None or not design.has_rows:
        return []
    return rounded_copies(design, solution.residual_sd)


def announce(
    solution: Solution,
    optsum: OptSummary,
    templates: Templates,
    identified: Identification,
    exact: Sequence[str] = (),
) -> None:
    """Warn of what a fit found that makes its numbers other than they seem.

    Args:
        solution: What was found.
        optsum: How.
        templates: The covariance of the random effects.
        identified: What the data determine.
        exact: What `exact_messages` found, which makes everything else besides the point.
    """
    if exact:
        warn("\n".join(exact), NotIdentifiedWarning)
        return
    if not identified.complete:
        warn("\n".join(identified.problems), NotIdentifiedWarning)
    singular = singular_terms(templates, solution.relative_theta, optsum.control.singular_tol)
    if singular:
        warn(singular_message(templates, singular), SingularFitWarning)
    if not optsum.converged:
        warn(convergence_message(optsum), ConvergenceWarning)


def _aliased(design: Design, solution: Solution) -> list[str]:
    kept = set(solution.kept.tolist())
    dropped = [name for j, name in enumerate(design.x_names) if j not in kept]
    if not dropped:
        return []
    columns = "1 column" if len(dropped) == 1 else f"{len(dropped)} columns"
    return [
        f"Rank-deficient X: {columns} dropped, dependent on earlier ones: {', '.join(dropped)}."
    ]


def _few_levels(design: Design, *, linear: bool) -> list[str]:
    """One sentence for all grouping factors whose variance rests on a handful of levels.

    Degrees of freedom by Kenward and Roger's method are of linear models; generalized ones have
    drawn responses instead.
    """
    few = [group for group in design.groups if group.n_levels < FEW_LEVELS]
    if not few:
        return []
    listed = ", ".join(f"'{group.name}' ({group.n_levels} levels)" for group in few)
    test = (
        'test with ddf="kenward-roger"'
        if linear
        else "test with responses drawn from the smaller model, anova(small, large, nsim=1000),"
    )
    sentence = (
        f"Few groups: {listed}. A variance between fewer than {FEW_LEVELS} levels can hardly be "
        "estimated. If these levels are the only ones of interest, use fixed effects; otherwise "
        f"{test} and look at confint()."
    )
    return [sentence]


def singular_message(templates: Templates, terms: list[int]) -> str:
    """Where the covariance is singular, and what to try."""
    places = "; ".join(
        f"{templates.group_names[templates.groups[t]]} [{', '.join(templates.columns[t])}]"
        for t in terms
    )
    slopes = any(templates.sizes[t] > 1 for t in terms)
    cause = "a variance of zero or a correlation of +-1" if slopes else "a variance of zero"
    advice = (
        "To simplify, drop columns of the term or its correlations (write || for |); "
        "singularity() of the fit proposes a formula."
        if slopes
        else "The fit is that of the model without this term, which may be dropped."
    )
    return f"Singular fit: {cause} for {places}. {advice}"


def convergence_message(optsum: OptSummary) -> str:
    """Why the search did not end at an optimum, and what to try."""
    if optsum.status == "unbounded":
        return f"Not converged: {optsum.message}."
    advice = {
        "max_evaluations": "Allow more evaluations (control) or start elsewhere (start=).",
        "stalled": "Rescale the covariates, start elsewhere (start=) or try another optimizer=.",
    }.get(optsum.status, "")
    return (
        f"Not converged: {optsum.optimizer} stopped with largest gradient "
        f"{optsum.max_gradient:.3g} ({optsum.message}). {advice}"
    ).rstrip()
