"""Small crossed designs of several spectra: expanders, communities, sparse ones, movers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int64]


def _popular(rng: np.random.Generator, n: int, users: int, items: int) -> tuple[Codes, Codes]:
    activity = np.exp(rng.standard_normal(users))
    popularity = 1.0 / (np.arange(items) + 10.0) ** 0.9
    user = rng.choice(users, n, p=activity / activity.sum())
    item = rng.choice(items, n, p=popularity / popularity.sum())
    return user, item


def respond(
    rng: np.random.Generator, codes: Sequence[Codes], sds: Sequence[float], sigma: float = 0.9
) -> dict[str, Any]:
    """A table with a response that has an effect of every level."""
    n = len(codes[0])
    x = rng.standard_normal(n)
    y = 3.5 + 0.1 * x + sigma * rng.standard_normal(n)
    for code, sd in zip(codes, sds, strict=True):
        y += sd * rng.standard_normal(int(code.max()) + 1)[code]
    groups = {f"g{i + 1}": code for i, code in enumerate(codes)}
    return {"y": y, "x": x, **groups}


def ratings(seed: int = 11, n: int = 20_000, users: int = 500, items: int = 300) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return respond(rng, _popular(rng, n, users, items), (0.4, 0.6))


def communities(seed: int = 11) -> dict[str, Any]:
    """Most ratings within the genre of the user."""
    rng = np.random.default_rng(seed)
    users, items, genres = 600, 400, 8
    user, item = _popular(rng, 30_000, users, items)
    genre = rng.integers(0, genres, users)
    item = rng.permutation(items)[item]
    inside = np.minimum((item // genres) * genres + genre[user], items - 1)
    item = np.where(rng.random(len(item)) < 0.7, inside, item)
    return respond(rng, (user, item), (0.4, 0.6))


def sparse(seed: int = 11) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return respond(rng, _popular(rng, 12_000, 3000, 500), (0.4, 0.6))


def worker_firm(
    seed: int = 11, persons: int = 2000, firms: int = 100, years: int = 6, move: float = 0.12
) -> dict[str, Any]:
    """Persons who mostly stay: a wide spectrum, and a sparse root."""
    rng = np.random.default_rng(seed)
    size = np.exp(1.2 * rng.standard_normal(firms))
    size /= size.sum()
    firm = rng.choice(firms, persons, p=size)
    who, where = [], []
    for _ in range(years):
        who.append(np.arange(persons))
        where.append(firm.copy())
        near = np.minimum((firm // 10) * 10 + rng.integers(0, 10, persons), firms - 1)
        far = rng.choice(firms, persons, p=size)
        target = np.where(rng.random(persons) < 0.7, near, far)
        firm = np.where(rng.random(persons) < move, target, firm)
    return respond(rng, (np.concatenate(who), np.concatenate(where)), (0.9, 0.45))


def three(seed: int = 11) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    codes = []
    for levels in (500, 250, 60):
        chance = np.exp(0.7 * rng.standard_normal(levels))
        codes.append(rng.choice(levels, 20_000, p=chance / chance.sum()))
    return respond(rng, codes, (0.5, 0.5, 0.5))


TWO = "y ~ x + (1 | g1) + (1 | g2)"
THREE = "y ~ x + (1 | g1) + (1 | g2) + (1 | g3)"
DESIGNS = {
    "ratings": (TWO, ratings),
    "communities": (TWO, communities),
    "sparse": (TWO, sparse),
    "worker-firm": (TWO, worker_firm),
    "three": (THREE, three),
}
