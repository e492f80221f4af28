"""Whether generalized fits to simulated data of every kind converge, and to the lowest optimum.

    python -m benchmarks.simulated [KIND ...] [--seeds N] [--alone]

Kinds are families with each of their links, with zero inflation and a predictor of the dispersion
where they may have these. Every kind is drawn for three designs (crossed factors, slopes, both)
and N seeds. Prints a Markdown table: fits, those that converged, evaluations of the criterion, and
by how much a fit lies above the lowest end of three searches of `benchmarks.oracle`, which shares
no code with the library. `--alone` leaves out the oracle.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import numpy.typing as npt

import mixedmodels as mm
from benchmarks.oracle import Laplace, Problem
from mixedmodels.estimates.generalized import GeneralizedModel
from mixedmodels.families.catalogue import FAMILIES

Floats = npt.NDArray[np.float64]

N, LEVELS_A, LEVELS_B = 240, 20, 8
DESIGNS = {
    "crossed": "(1 | a) + (1 | b)",
    "slopes": "(1 + z | a)",
    "slopes and crossed": "(1 + z | a) + (1 | b)",
}
# The family's own parameter in the draws.
OWN = {"negative_binomial": 1.7, "truncated_negative_binomial": 1.7, "nb1": 0.8, "gamma": 0.3}
OWN |= {"inverse_gaussian": 0.2, "beta": 6.0, "gaussian": 0.25}
# Predictor and standard deviation of a predictor with x and random effects; 0 and 0.8 of others.
CENTRES = {"log": (0.7, 0.6), "inverse": (1.0, 0.12), "inverse_squared": (1.0, 0.12)}
CENTRES |= {"sqrt": (2.0, 0.3), "identity": (3.0, 0.4)}
SHARES = {"log": (-1.2, 0.15), "identity": (0.45, 0.06)}
LOWEST_SHARE = 0.05


@dataclass(frozen=True)
class Kind:
    """A family with a link and what else its distribution has."""

    family: str
    link: str
    more: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As the table has it."""
        return " ".join([self.family, self.link, *self.more])


def kinds(*, of_all_links: bool = False) -> Iterator[Kind]:
    """All of them; further parameters with the usual link alone, or with all."""
    for name, family in FAMILIES.items():
        for number, link in enumerate(family.links):
            yield Kind(name, link)
            if number and not of_all_links:
                continue
            if family.with_zeros:
                yield Kind(name, link, {"zero_inflation": "~ 1"})
            if family.parameter:
                yield Kind(name, link, {"dispersion": "~ x"})
            if of_all_links and family.with_zeros and family.parameter:
                yield Kind(name, link, {"zero_inflation": "~ x", "dispersion": "~ x"})


def place(kind: Kind) -> tuple[float, float]:
    """Center and spread of the predictors of a kind."""
    known = SHARES if kind.family == "binomial" and kind.link in SHARES else CENTRES
    return known.get(kind.link, (0.0, 0.8))


def table(kind: Kind, design: str, seed: int) -> dict[str, Any]:
    """Rows of a kind by a design."""
    names = [int.from_bytes(name.encode(), "big") for name in (kind.name, design)]
    rng = np.random.default_rng([seed, *names])
    family = FAMILIES[kind.family](kind.link)
    x, z = rng.normal(size=(2, N))
    a, b = rng.integers(0, LEVELS_A, N), rng.integers(0, LEVELS_B, N)
    effects = -0.4 * x + 0.7 * rng.normal(size=LEVELS_A)[a]
    if "slopes" in design:
        slopes = 0.4 * rng.normal(size=LEVELS_A) - 0.2 * rng.normal()
        effects += slopes[a] * z
    if "crossed" in design:
        effects += 0.5 * rng.normal(size=LEVELS_B)[b]
    centre, spread = place(kind)
    eta = centre + spread * effects
    if kind.link in CENTRES and kind.link != "log":
        eta = np.clip(eta, 0.4 * centre, 1.6 * centre)
    columns: dict[str, Any] = {"x": x, "z": z, "a": a, "b": b}
    if kind.family == "ordinal":
        latent = eta + rng.logistic(size=N)
        return columns | {"y": np.digitize(latent, [-1.0, 0.2, 1.5])}
    mu = family.link.mean(eta)
    if kind.family == "binomial":
        trials = rng.integers(1, 6, N)
        mu = np.clip(mu, LOWEST_SHARE, 1.0 - LOWEST_SHARE)
        hits = rng.binomial(trials, mu)
        return columns | {"hits": hits, "misses": trials - hits}
    own: Any = OWN.get(kind.family)
    if "dispersion" in kind.more:
        own = own * np.exp(0.3 * x)
    y = family.draw(rng, mu, np.ones(N), own)
    if kind.family == "beta":
        y = np.clip(y, 1e-3, 1.0 - 1e-3)
    if "zero_inflation" in kind.more:
        y = y * (rng.random(N) > 0.25)
    return columns | {"y": y}


def formula(kind: Kind, design: str) -> str:
    """The formula of a fit."""
    response = "cbind(hits, misses)" if kind.family == "binomial" else "y"
    return f"{response} ~ x + {DESIGNS[design]}"


@dataclass
class Row:
    """What the fits of a kind came to."""

    fits: int = 0
    converged: int = 0
    evaluations: list[int] = field(default_factory=list)
    above: list[float] = field(default_factory=list)
    apart: list[float] = field(default_factory=list)

    def cells(self) -> list[str]:
        """Cells of the table."""
        evaluations = f"{np.median(self.evaluations):.0f} ({max(self.evaluations)})"
        cells = [f"{self.fits}", f"{self.converged}", evaluations]
        if self.above:
            cells += [f"{max(self.above):.1e}", f"{max(self.apart):.1e}"]
        return cells


def problem(kind: Kind, fit: mm.GeneralizedLinearMixedFit) -> Problem:
    """The model of a fit for the oracle."""
    design = fit.model.design
    own = np.zeros((N, 0))
    if FAMILIES[kind.family].parameter:
        own = np.column_stack([np.ones(N), design.X[:, 1]])[:, : 1 + ("dispersion" in kind.more)]
    terms = [
        (np.asarray(design.groups[term.group].codes, dtype=np.int64), levels, np.asarray(term.z))
        for term in design.terms
        for levels in (design.groups[term.group].n_levels,)
    ]
    zeros = "zero_inflation" in kind.more
    trials = np.asarray(design.w, dtype=np.float64)
    y = np.asarray(design.y, dtype=np.float64)
    return Problem(y, trials, design.X, terms, kind.family, kind.link, own, zeros)


def point(kind: Kind, model: GeneralizedModel) -> Floats:
    """(m + p + k,) parameters like those that responses are drawn from, as users have them."""
    centre, spread = place(kind)
    first = {"dispersion": np.log(OWN.get(kind.family, 1.0)), "zero_inflation": -1.1}
    parts = [spread * np.where(model.templates.lower_bounds == 0.0, 0.6, 0.1)]
    parts.append(np.array([centre, -0.4 * spread])[-model.design.X.shape[1] :])
    for part in model.components:
        parts.append(np.full(len(part.names), 0.3))
        parts[-1][0] = first.get(part.role, -1.0)
    return np.concatenate(parts)


def compare(kind: Kind, fit: mm.GeneralizedLinearMixedFit) -> tuple[float, float]:
    """How far the oracle's value at the end of a fit is from it, and its lowest end below it.

    The oracle searches from there; from variances of another size; and from parameters like those
    that the responses are drawn from.
    """
    of, solution = problem(kind, fit), cast(Any, fit.solution)
    at = np.concatenate([fit.theta, fit.beta, solution.psi])
    here = Laplace(of, solution.u)
    apart = abs(here.value(at) - fit.objective)
    lowest = here.minimum(at)[0]
    other = at.copy()
    diagonal = np.asarray(fit.model.lower_bounds) == 0.0
    other[: len(fit.theta)] = np.where(diagonal, 0.5 * place(kind)[1], 0.0)
    starts = other, point(kind, fit.model._model)  # noqa: SLF001
    lowest = min(lowest, *(Laplace(of).minimum(start)[0] for start in starts))
    return apart, fit.objective - lowest


def measure(kind: Kind, seeds: int, alone: bool) -> Row:
    """All fits of a kind."""
    row = Row()
    for design in DESIGNS:
        for seed in range(seeds):
            model = mm.GeneralizedLinearMixedModel(
                formula(kind, design),
                table(kind, design, seed),
                kind.family,
                link=kind.link,
                **kind.more,  # type: ignore[arg-type]
            )
            fit = model.fit()
            row.fits += 1
            row.converged += fit.converged
            row.evaluations.append(fit.optsum.n_objective)
            if not fit.converged:
                print(f"not converged: {kind.name}, {design}, seed {seed}: {fit.optsum.message}")
            elif not alone:
                apart, above = compare(kind, fit)
                row.apart.append(apart)
                row.above.append(above)
    return row


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulated", description=__doc__)
    parser.add_argument("kinds", nargs="*", help="beginnings of their names; all if none")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help="without the oracle")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    head = ["kind", "fits", "converged", "evaluations: median (most)"]
    if not asked.alone:
        head += ["above the oracle's end, at most", "apart from its value there, at most"]
    print(f"| {' | '.join(head)} |")
    print("|---" * len(head) + "|")
    whole = Row()
    for kind in kinds():
        if asked.kinds and not kind.name.startswith(tuple(asked.kinds)):
            continue
        row = measure(kind, asked.seeds, asked.alone)
        for name in vars(row):
            setattr(whole, name, getattr(whole, name) + getattr(row, name))
        print(f"| {' | '.join([kind.name, *row.cells()])} |", flush=True)
    print(f"| {' | '.join(['all', *whole.cells()])} |")


if __name__ == "__main__":
    main()
