"""New responses from a model: parametric draws, and resampled residuals and random effects.

One stream of random numbers serves all responses, one response after the other, so that what is
drawn for a response does not depend on how many are made at a time. Nothing is fitted here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import singledispatch
from typing import Any, Protocol, TypeAlias

import numpy as np

from mixedmodels.arrays import FloatArray, IntArray
from mixedmodels.covariance import Templates
from mixedmodels.design import Design
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.forward import forward_root
from mixedmodels.estimates.linear import Fitted
from mixedmodels.estimates.tables import fixed_mean, random_part, term_modes
from mixedmodels.memory import require
from mixedmodels.settings import BOOTSTRAPS, MODES, BootstrapKind, Modes
from mixedmodels.spelling import chosen_option

_FEWER = "Draw fewer at a time, from one numpy.random.Generator."

Seed: TypeAlias = int | Sequence[int] | np.random.SeedSequence | np.random.Generator | None


def random_generator(seed: Seed) -> tuple[np.random.Generator, Any]:
    """A generator, and the seed with which it can be made again (None for one that was given).

    Raises:
        MixedModelsError: Not something to seed a generator with.
    """
    if isinstance(seed, np.random.Generator):
        return seed, None
    if isinstance(seed, np.random.SeedSequence):
        return np.random.default_rng(seed), seed
    try:
        sequence = np.random.SeedSequence(seed)
    except (TypeError, ValueError):
        raise MixedModelsError(
            f"seed is {seed!r:.80}; it must be a whole number of at least 0, a SeedSequence or a "
            "numpy.random.Generator."
        ) from None
    return np.random.default_rng(sequence), sequence.entropy


def check_count(name: str, value: object) -> int:
    """`value` as a number of replicates.

    Raises:
        MixedModelsError: Not a whole number of at least 1.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise MixedModelsError(f"{name} is {value!r}; it must be a whole number of at least 1.")
    return int(value)


class Gaussian:
    """Draws y = mean + Z b + e, with b ~ N(0, sigma^2 Lambda Lambda') and e ~ N(0, sigma^2 / w).

    Args:
        design: The design; its response is not read.
        templates: What theta means.
        mean: (n,) what does not vary.
        theta: (m,) for new random effects, or None when `mean` holds them.
        sigma: Residual standard deviation.
    """

    def __init__(
        self,
        design: Design,
        templates: Templates,
        mean: FloatArray,
        theta: FloatArray | None,
        sigma: float,
    ) -> None:
        self._design = design
        self._templates = templates
        self._mean = mean
        self._lam = None
        if theta is not None:
            lams = zip(design.terms, templates.lam(theta), strict=True)
            self._lam = [sigma * forward_root(term.z, design.w, lam) for term, lam in lams]
        self._scale = sigma if design.w is None else sigma / np.sqrt(design.w)

    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """(count, n) responses."""
        q = 0 if self._lam is None else self._templates.q
        normal = rng.standard_normal((count, q + self._design.n))
        y = normal[:, q:] * self._scale
        y += self._mean
        if self._lam is not None:
            starts = self._templates.term_starts
            for t, lam in enumerate(self._lam):
                modes = normal[:, starts[t] : starts[t + 1]].reshape(count, -1, len(lam))
                _of_term(self._design, t, modes @ lam.T, y)
        return y


class Residuals:
    """Draws responses from resampled residuals and, if new ones are wanted, random effects.

    Modes are shrunken and residuals too small, so both are first centred and brought to the
    covariance that the model has estimated, then drawn with replacement: levels of each term,
    rows. Reference: Carpenter, Goldstein and Rasbash (2003), Applied Statistics 52(4), 431-443,
    section 3; the modes are brought to their covariance on the spherical scale, by the symmetric
    root, which a singular covariance allows too.

    Args:
        fitted: The fit.
        new: Whether random effects are drawn; else they stay at their modes.
    """

    def __init__(self, fitted: Fitted, *, new: bool) -> None:
        design, solution = fitted.model.design, fitted.solution
        templates = fitted.model.templates
        mean = fixed_mean(design, solution.beta)
        modes = random_part(templates, design.groups, design.terms, solution.b, design.n)
        self._root_w = None if design.w is None else np.sqrt(design.w)
        errors = design.y - mean - modes
        errors = errors if self._root_w is None else errors * self._root_w
        errors = errors - errors.mean()
        self._errors = errors * (solution.sigma / np.sqrt(np.mean(errors**2)))
        self._design = design
        self._mean = mean if new else mean + modes
        self._modes = _inflated(fitted) if new else []

    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """(count, n) responses."""
        sizes = [len(modes) for modes in self._modes]
        sizes.append(self._design.n)
        uniform = rng.random((count, sum(sizes)))
        parts = np.split(uniform, np.cumsum(sizes)[:-1], axis=1)
        y: FloatArray = self._errors[_positions(parts[-1], sizes[-1])]
        if self._root_w is not None:
            y /= self._root_w
        y += self._mean
        for t, modes in enumerate(self._modes):
            _of_term(self._design, t, modes[_positions(parts[t], sizes[t])], y)
        return y


class Simulator(Protocol):
    """Draws responses of a model."""

    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """(count, n) responses."""


# Numbers drawn at a time.
MOST_NUMBERS = 4_000_000


def responses(
    source: Simulator, rng: np.random.Generator, count: int, n: int, q: int
) -> FloatArray:
    """(count, n) responses, drawn some at a time; q is the number of random effects.

    Raises:
        ResourceError: So many do not fit into memory.
    """
    require({f"{count} responses of {n} rows": 8.0 * count * n}, "The simulation", remedy=_FEWER)
    out, done = np.empty((count, n)), 0
    for chunk in response_chunks(source, rng, count, n + q):
        out[done : done + len(chunk)] = chunk
        done += len(chunk)
    return out


def response_chunks(
    source: Simulator, rng: np.random.Generator, count: int, numbers: int
) -> Iterator[FloatArray]:
    """`count` responses in chunks (some, n); each response takes so many random numbers."""
    some = max(1, MOST_NUMBERS // numbers)
    for first in range(0, count, some):
        yield source.draw(rng, min(some, count - first))


@singledispatch
def simulator(fitted: Any, modes: Modes, kind: BootstrapKind = "parametric") -> Simulator:
    """The simulator of a fit, of whichever kind.

    Raises:
        MixedModelsError: Unknown `modes` or `kind`.
    """
    raise NotImplementedError(type(fitted))


@simulator.register
def _(fitted: Fitted, modes: Modes, kind: BootstrapKind = "parametric") -> Simulator:
    modes = chosen_option("modes", modes, MODES)
    kind = chosen_option("kind", kind, BOOTSTRAPS)
    if kind == "residual":
        return Residuals(fitted, new=modes == "new")
    design, solution = fitted.model.design, fitted.solution
    templates = fitted.model.templates
    mean = fixed_mean(design, solution.beta)
    if modes == "new":
        return Gaussian(design, templates, mean, solution.theta, solution.sigma)
    mean += random_part(templates, design.groups, design.terms, solution.b, design.n)
    return Gaussian(design, templates, mean, None, solution.sigma)


def _of_term(design: Design, t: int, effects: FloatArray, y: FloatArray) -> None:
    term = design.terms[t]
    add_effects(design.groups[term.group].codes, term.z, effects, y)


def add_effects(codes: IntArray, z: FloatArray, effects: FloatArray, y: FloatArray) -> None:
    """Y (count, n) += rows with levels `codes` of Z_t times effects (count, levels, s).

    Args:
        codes: (n,) level of each row.
        z: (n, s) columns of the term.
        effects: Random effects of the levels.
        y: What they are added to.
    """
    for j in range(effects.shape[2]):
        by_row = effects[:, :, j].take(codes, axis=1)
        column = z[:, j]
        y += by_row if column.strides[0] == 0 and column[0] == 1.0 else by_row * column


def _inflated(fitted: Fitted) -> list[FloatArray]:
    """Per term (levels, s): modes with mean zero and covariance sigma^2 lam lam'."""
    templates, solution = fitted.model.templates, fitted.solution
    out = []
    for t, lam in enumerate(templates.lam(solution.theta)):
        u = term_modes(templates, solution.u, t)
        u = u - u.mean(axis=0)
        values, vectors = np.linalg.eigh(u.T @ u / len(u))
        large = values > 1e-12 * max(values.max(initial=0.0), 1e-300)
        inverse = np.where(large, 1.0 / np.sqrt(np.where(large, values, 1.0)), 0.0)
        out.append(solution.sigma * (u @ (vectors * inverse) @ vectors.T) @ lam.T)
    return out


def _positions(uniform: FloatArray, size: int) -> Any:
    """Whole numbers below `size` from uniform ones."""
    return np.minimum((uniform * size).astype(np.intp), size - 1)
