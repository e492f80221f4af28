"""Gradients and Hessians of generalized criteria beside differences, for every family and link.

    python -m benchmarks.differences [KIND ...]

Kinds are families with each of their links, with zero inflation and predictors of the dispersion
where they may have these; every way to approximate the likelihood is tried with random effects of
which it has most to do. Prints a Markdown table: for every kind and way the largest difference of
the gradient, in units of one plus its largest entry, and that of the Hessian, in units of the
square roots of its diagonal. Points are those that the responses are drawn from.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import mixedmodels as mm
from benchmarks.simulated import Kind, kinds, place, point, table
from mixedmodels.criterion.generalized import LaplaceCriterion
from mixedmodels.estimates.generalized import GeneralizedModel

Floats = npt.NDArray[np.float64]

# Steps of differences: of values; of gradients, in units of the square roots of second derivatives,
# and the longest of these.
STEP, HESSIAN_STEP, LONGEST = 5e-5, 1e-3, 5e-4
# Part of the largest second derivative below which those of others do not count as units.
LEAST = 1e-3


@dataclass(frozen=True)
class Way:
    """Random effects, and how the likelihood is approximated.

    Attributes:
        name: What the table calls it.
        random: Terms of the formula.
        options: Arguments of the model.
        weighted: Whether rows have weights and an offset.
        binary: Whether shares are of one trial.
    """

    name: str
    random: str
    options: dict[str, Any]
    weighted: bool = False
    binary: bool = False

    def takes(self, kind: Kind) -> bool:
        """Whether there is such a model of a kind."""
        if self.options.get("information") == "expected":
            return kind.family not in ("nb1", "ordinal") and "zero_inflation" not in kind.more
        return kind.family == "binomial" if self.binary else True


SLOPES, BOTH = "(1 + z | a)", "(1 + z | a) + (1 | b)"
WAYS = (
    Way("crossed", "(1 | a) + (1 | b)", {}),
    Way("slopes", SLOPES, {}),
    Way("slopes and crossed", BOTH, {}),
    Way("weights, offset", BOTH, {}, weighted=True),
    Way("binary", BOTH, {}, binary=True),
    Way("nodes, 1 effect", "(1 | a)", {"n_agq": 5}),
    Way("nodes, 2 effects", SLOPES, {"n_agq": 3}),
    Way("nodes, 3 effects", "(1 + z + x | a)", {"n_agq": 3}),
    Way("expected", BOTH, {"information": "expected"}),
    Way("REML", BOTH, {"reml": True}),
    Way("in the mode", BOTH, {"n_agq": 0}),
    Way("in the mode, expected", BOTH, {"n_agq": 0, "information": "expected"}),
)


def model_of(kind: Kind, way: Way) -> GeneralizedModel:
    """The model of a kind, approximated in a way."""
    data, options = table(kind, "slopes and crossed", 0), {**kind.more, **way.options}
    response = "cbind(hits, misses)" if kind.family == "binomial" else "y"
    if way.binary:
        response = "I(hits > misses)"
    if way.weighted:
        # of trials there are numbers already
        options |= {} if kind.family == "binomial" else {"weights": np.exp(0.3 * data["z"])}
        options["offset"] = 0.1 * place(kind)[1] * data["z"]
    model = mm.GeneralizedLinearMixedModel(
        f"{response} ~ x + {way.random}", data, kind.family, link=kind.link, **options
    )
    return model._model  # noqa: SLF001


def by_differences(of: Callable[[Floats], Any], at: Floats, steps: Floats) -> Floats:
    """(parameters, ...) derivatives, of sixth order."""
    rows = []
    for e, h in zip(np.eye(len(at)), steps, strict=True):
        apart = [of(at + k * h * e) - of(at - k * h * e) for k in (1, 2, 3)]
        rows.append((45.0 * apart[0] - 9.0 * apart[1] + apart[2]) / (60.0 * h))
    return np.array(rows)


def of_gradient(criterion: LaplaceCriterion, at: Floats) -> float:
    """Largest difference of a gradient, in units of one plus its largest entry."""
    gradient = criterion.gradient(at)
    expected = by_differences(criterion.value, at, np.full(len(at), STEP))
    return float(np.abs(gradient - expected).max() / (1.0 + np.abs(gradient).max()))


def of_hessian(criterion: LaplaceCriterion, at: Floats) -> float:
    """Largest difference of second derivatives, in units of the square roots of the diagonal.

    Of coefficients that the criterion eliminates, they are what elimination leaves.
    """
    hessian = criterion.hessian(at)
    free = np.arange(len(at))
    if criterion.workspace.responses.treatment != "searched":
        coefficients = criterion.m + np.arange(len(criterion.workspace.responses.coefficients))
        free = np.setdiff1d(free, coefficients)
        cross = hessian[np.ix_(coefficients, free)]
        inner = hessian[np.ix_(coefficients, coefficients)]
        hessian[np.ix_(free, free)] -= cross.T @ np.linalg.solve(inner, cross)
    hessian = hessian[np.ix_(free, free)]
    scale = np.ones(len(at))
    scale[free] = np.sqrt(np.abs(np.diag(hessian)))
    scale[free] = np.maximum(scale[free], np.sqrt(LEAST) * scale[free].max())
    steps = np.minimum(HESSIAN_STEP / scale, LONGEST)
    expected = by_differences(criterion.gradient, at, steps)[np.ix_(free, free)]
    # By either parameter: the mode may be less exact at the points of one.
    apart = np.minimum(np.abs(hessian - expected), np.abs(hessian - expected.T))
    return float((apart / np.outer(scale[free], scale[free])).max())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.differences", description=__doc__)
    parser.add_argument("kinds", nargs="*", help="beginnings of their names; all if none")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"| kind | {' | '.join(way.name for way in WAYS)} |")
    print("|---" * (len(WAYS) + 1) + "|")
    worst = {way.name: (0.0, 0.0) for way in WAYS}
    for kind in kinds(of_all_links=True):
        if asked.kinds and not kind.name.startswith(tuple(asked.kinds)):
            continue
        cells = []
        for way in WAYS:
            if not way.takes(kind):
                cells.append("")
                continue
            model = model_of(kind, way)
            criterion = model.criterion()
            at = criterion.from_user(point(kind, model))
            found = of_gradient(criterion, at), of_hessian(criterion, at)
            worst[way.name] = tuple(np.maximum(worst[way.name], found))
            cells.append("{:.0e}, {:.0e}".format(*found))
        print(f"| {' | '.join([kind.name, *cells])} |", flush=True)
    print(f"| {' | '.join(['largest', *('{:.0e}, {:.0e}'.format(*w) for w in worst.values())])} |")


if __name__ == "__main__":
    main()
