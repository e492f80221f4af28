"""Random structures for property tests: designs with 1 to 4 terms of 1 to 5 columns, and thetas.

A `Recipe` says what a structure is like in a few small numbers, which hypothesis can draw and
shrink; `build` makes the arrays from it. The attributes of what it makes are those of
`mixedmodels.design.Design`, so that the model takes it as one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from numpy.typing import NDArray

from mixedmodels import LinearMixedModel
from mixedmodels.formula import Factor
from mixedmodels.linear import from_design

Floats: TypeAlias = NDArray[np.float64]
Kind: TypeAlias = Literal["crossed", "nested", "disconnected"]
Point: TypeAlias = Literal["interior", "zero diagonal", "zero column", "zero template", "origin"]

KINDS: tuple[Kind, ...] = ("crossed", "nested", "disconnected")
POINTS: tuple[Point, ...] = (
    "interior",
    "zero diagonal",
    "zero column",
    "zero template",
    "origin",
)


@dataclass(frozen=True)
class Recipe:
    """What a random structure is like.

    Attributes:
        factors: Per grouping factor its kind and its number of levels.
        terms: Per term its grouping factor and its number of columns.
        n: Rows.
        p: Columns of X, the first an intercept.
        weights: Whether there are prior weights.
        offset: Whether there is an offset.
        seed: Of everything else.
    """

    factors: tuple[tuple[Kind, int], ...]
    terms: tuple[tuple[int, int], ...]
    n: int = 40
    p: int = 2
    weights: bool = False
    offset: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Data:
    """The arrays of a structure; terms are (group, z)."""

    y: Floats
    X: Floats
    codes: tuple[NDArray[np.int32], ...]
    n_levels: tuple[int, ...]
    terms: tuple[tuple[int, Floats], ...]
    w: Floats | None = None
    offset: Floats | None = None
    names: tuple[str, ...] = field(default=())

    @property
    def n(self) -> int:
        return len(self.y)

    def replace(self, **changes: Any) -> Data:
        return replace(self, **changes)

    def rows(self, order: NDArray[np.int64]) -> Data:
        """The same data with its rows in another order, or some of them, or some twice."""

        def take(values: Any) -> Any:
            return None if values is None else values[order]

        return replace(
            self,
            y=self.y[order],
            X=self.X[order],
            codes=tuple(codes[order] for codes in self.codes),
            terms=tuple((group, z[order]) for group, z in self.terms),
            w=take(self.w),
            offset=take(self.offset),
        )

    @property
    def design(self) -> Any:
        groups = [
            SimpleNamespace(
                name=f"g{i}",
                codes=np.ascontiguousarray(codes, dtype=np.int32),
                levels=pd.RangeIndex(n_levels).astype(str),
                n_levels=n_levels,
                spec=SimpleNamespace(factors=(Factor(f"g{i}", f"g{i}", True, 0),)),
            )
            for i, (codes, n_levels) in enumerate(zip(self.codes, self.n_levels, strict=True))
        ]
        terms = [
            SimpleNamespace(group=group, columns=tuple(f"t{t}z{j}" for j in range(z.shape[1])), z=z)
            for t, (group, z) in enumerate(self.terms)
        ]
        return SimpleNamespace(
            formula=SimpleNamespace(text="y ~ random structure"),
            freeze=lambda: None,
            y=self.y,
            X=self.X,
            x_names=tuple(f"x{j}" for j in range(self.X.shape[1])),
            w=self.w,
            offset=self.offset,
            groups=tuple(groups),
            terms=tuple(terms),
            n=self.n,
            n_dropped=0,
            rows=None,
            index=None,
            response_name="y",
            messages=(),
            has_rows=False,  # no table in which a copy of the response could be
        )

    @property
    def model(self) -> LinearMixedModel:
        return from_design(self.design)

    def along_axes(self, model: LinearMixedModel) -> Data:
        """The data with columns of Z along the axes of a model of them, as its core has them."""
        terms, used = [], [0] * len(self.codes)
        for group, z in self.terms:
            T = model._model.products.axes(group)
            own = slice(used[group], used[group] + z.shape[1])
            used[group] += z.shape[1]
            terms.append((group, z if T is None else z @ T[own, own]))
        return self.replace(terms=tuple(terms))


def build(recipe: Recipe) -> Data:
    """The arrays of a recipe; every level of every factor occurs."""
    rng = np.random.default_rng(recipe.seed)
    n = recipe.n
    codes: list[NDArray[np.int32]] = []
    for kind, levels in recipe.factors:
        if kind == "nested" and codes:
            finer = codes[-1]
            codes.append(_all_used(rng.integers(levels, size=finer.max() + 1)[finer]))
            continue
        drawn = rng.choice(levels, size=n, p=rng.dirichlet(np.full(levels, 2.0)))
        if kind == "disconnected":
            drawn = drawn + levels * (np.arange(n) >= n // 2)
        codes.append(_all_used(drawn))
    terms = []
    for t, (group, size) in enumerate(recipe.terms):
        z = rng.normal(size=(n, size))
        if t == 0 or rng.random() < 0.5:
            z[:, 0] = 1.0
        terms.append((group, z))
    X = np.column_stack([np.ones(n), rng.normal(size=(n, max(recipe.p - 1, 0)))])[:, : recipe.p]
    y = X @ rng.normal(size=recipe.p) + rng.normal(size=n)
    for group, z in terms:
        b = rng.normal(size=(codes[group].max() + 1, z.shape[1]))
        y += 0.7 * np.einsum("ij,ij->i", z, b[codes[group]])
    return Data(
        y=y,
        X=X,
        codes=tuple(codes),
        n_levels=tuple(int(c.max()) + 1 for c in codes),
        terms=tuple(terms),
        w=rng.uniform(0.2, 3.0, size=n) if recipe.weights else None,
        offset=rng.normal(size=n) if recipe.offset else None,
    )


def _all_used(codes: NDArray[Any]) -> NDArray[np.int32]:
    return np.unique(codes, return_inverse=True)[1].astype(np.int32)


def theta_at(model: LinearMixedModel, point: Point, seed: int) -> Floats:
    """A theta of the model, singular as asked: in one place, a term, or everywhere."""
    rng = np.random.default_rng(seed)
    templates = model._model.templates
    entries, diagonal = templates.entries, templates.diagonal
    theta = np.where(diagonal, rng.uniform(0.2, 1.5, len(entries)), rng.normal(size=len(entries)))
    chosen = rng.choice(np.flatnonzero(diagonal))
    if point == "origin":
        theta[:] = 0.0
    elif point == "zero template":
        theta[entries[:, 0] == entries[chosen, 0]] = 0.0
    elif point == "zero column":
        same = (entries[:, 0] == entries[chosen, 0]) & (entries[:, 2] == entries[chosen, 2])
        theta[same] = 0.0
    elif point == "zero diagonal":
        theta[chosen] = 0.0
    return theta


@st.composite
def recipes(draw: st.DrawFn, **fixed: Any) -> Recipe:
    """Recipes of every kind; simple ones first."""
    n_terms = draw(st.integers(1, 4))
    terms: list[tuple[int, int]] = []
    factors: list[tuple[Kind, int]] = []
    for _ in range(n_terms):
        group = draw(st.integers(0, len(factors))) if factors else 0
        if group == len(factors):
            factors.append((draw(st.sampled_from(KINDS)), draw(st.integers(2, 7))))
        terms.append((group, draw(st.integers(1, 5 if n_terms < 3 else 3))))
    drawn = {
        "n": draw(st.integers(15, 50)),
        "p": draw(st.integers(0, 4)),
        "weights": draw(st.booleans()),
        "offset": draw(st.booleans()),
        "seed": draw(st.integers(0, 2**16)),
    }
    return Recipe(tuple(factors), tuple(terms), **(drawn | fixed))


def seeded_recipes(count: int) -> Iterator[Recipe]:
    """The same `count` recipes on every run, of every kind."""
    rng = np.random.default_rng(20260101)
    for seed in range(count):
        n_terms = 1 + seed % 4
        factors: list[tuple[Kind, int]] = []
        terms = []
        for _ in range(n_terms):
            group = int(rng.integers(len(factors) + 1)) if rng.random() < 0.3 else len(factors)
            if group == len(factors):
                factors.append((KINDS[rng.integers(3)], int(rng.integers(2, 8))))
            terms.append((group, int(rng.integers(1, 6 if n_terms < 3 else 4))))
        yield Recipe(
            tuple(factors),
            tuple(terms),
            n=int(rng.integers(15, 51)),
            p=int(rng.integers(0, 5)),
            weights=bool(rng.random() < 0.4),
            offset=bool(rng.random() < 0.3),
            seed=seed,
        )
