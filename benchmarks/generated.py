"""Data sets too large, or too special, to bundle: seeded generators, one per shape of design."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.cases import N_WIDE
from mixedmodels.datasets import load_dataset

Codes = npt.NDArray[np.int64]


def factor(codes: Codes) -> pd.Categorical:
    """A categorical column of the levels that occur."""
    used, compact = np.unique(codes, return_inverse=True)
    return pd.Categorical.from_codes(compact.astype(np.int32), categories=pd.Index(used))


def maximal() -> pd.DataFrame:
    """56 subjects and 32 items, three factors at +-1, covariances of rank one and two."""
    rng = np.random.default_rng(1)
    n_subjects, n_items = 56, 32
    subject, item = (a.ravel() for a in np.indices((n_subjects, n_items)))
    cell = (subject + item) % 8
    S, P, C = (np.where(cell & bit, 1.0, -1.0) for bit in (1, 2, 4))
    kept = np.sort(rng.permutation(n_subjects * n_items)[:1790])
    subject, item, S, P, C = (a[kept] for a in (subject, item, S, P, C))
    X = np.column_stack([np.ones_like(S), S, P, C, S * P, S * C, P * C, S * P * C])
    by_subject = rng.standard_normal((n_subjects, 2)) @ rng.standard_normal((2, 8)) * 60
    by_item = rng.standard_normal((n_items, 1)) @ rng.standard_normal((1, 8)) * 40
    by_subject[:, 0] += rng.standard_normal(n_subjects) * 300
    by_item[:, 0] += rng.standard_normal(n_items) * 350
    mean = 2180 + X @ np.array([0, -67, -334, 78, 22, -18, 4, 23.0])
    random = (X * by_subject[subject]).sum(1) + (X * by_item[item]).sum(1)
    rt = mean + random + rng.standard_normal(len(S)) * 670
    return pd.DataFrame(
        {"rt": rt, "S": S, "P": P, "C": C, "subj": factor(subject), "item": factor(item)}
    )


def nested() -> pd.DataFrame:
    """A million rows in 200,000 classes of 20,000 schools of 1,000 districts."""
    rng = np.random.default_rng(2)
    n = 1_000_000
    classroom = rng.integers(0, 200_000, n)
    school = np.sort(rng.integers(0, 20_000, 200_000))[classroom]
    district = np.sort(rng.integers(0, 1000, 20_000))[school]
    x = rng.standard_normal(n)
    slope = 0.5 + 0.2 * rng.standard_normal(20_000)[school]
    y = 1 + slope * x + rng.standard_normal(n) + 0.3 * rng.standard_normal(1000)[district]
    y += 0.4 * rng.standard_normal(20_000)[school] + 0.5 * rng.standard_normal(200_000)[classroom]
    columns = {"cls": classroom, "school": school, "district": district}
    return pd.DataFrame({"y": y, "x": x, **{name: factor(c) for name, c in columns.items()}})


def vector_crossed() -> pd.DataFrame:
    """130,000 rows, three crossed factors with intercepts and slopes."""
    rng = np.random.default_rng(3)
    n = 130_000
    codes = {name: rng.integers(0, k, n) for name, k in (("g", 2000), ("h", 1000), ("i", 100))}
    x = rng.standard_normal(n)
    y = 1 + x + rng.standard_normal(n)
    for code in codes.values():
        b = rng.standard_normal((2000, 2)) @ np.array([[0.5, 0.1], [0.0, 0.3]])
        y += b[code, 0] + b[code, 1] * x
    return pd.DataFrame({"y": y, "x": x, **{name: factor(c) for name, c in codes.items()}})


def ratings() -> pd.DataFrame:
    """950,000 ratings: 6,000 users of log-normal activity, 3,700 items of Zipf's popularity."""
    rng = np.random.default_rng(4)
    n, n_users, n_items = 950_000, 6000, 3700
    activity = np.exp(rng.standard_normal(n_users))
    popularity = 1 / (np.arange(n_items) + 10) ** 0.9
    user = rng.choice(n_users, n, p=activity / activity.sum())
    item = rng.choice(n_items, n, p=popularity / popularity.sum())
    x = rng.standard_normal(n)
    y = 3.5 + 0.1 * x + 0.4 * rng.standard_normal(n_users)[user]
    y += 0.6 * rng.standard_normal(n_items)[item] + 0.9 * rng.standard_normal(n)
    return pd.DataFrame({"y": y, "x": x, "user": factor(user), "item": factor(item)})


def partially_crossed() -> pd.DataFrame:
    """500,000 rows in 200 disjoint districts; pupils move between the schools of their district."""
    rng = np.random.default_rng(5)
    n, districts = 500_000, 200
    pupil = rng.integers(0, 100_000, n)
    district = pupil % districts
    home = rng.integers(0, 25, 100_000)
    school = np.where(rng.random(n) < 0.15, rng.integers(0, 25, n), home[pupil])
    school = school * districts + district
    teacher = rng.integers(0, 25, n) * districts + district
    x = rng.standard_normal(n)
    y = 1 + 0.3 * x + 0.7 * rng.standard_normal(100_000)[pupil] + rng.standard_normal(n)
    y += 0.4 * rng.standard_normal(5000)[school] + 0.3 * rng.standard_normal(5000)[teacher]
    columns = {"pupil": pupil, "school": school, "teacher": teacher}
    return pd.DataFrame({"y": y, "x": x, **{name: factor(c) for name, c in columns.items()}})


def wide() -> pd.DataFrame:
    """100,000 rows and 300 fixed-effects columns with the intercept."""
    rng = np.random.default_rng(6)
    n = 100_000
    X = rng.standard_normal((n, N_WIDE))
    a, b = rng.integers(0, 5000, n), rng.integers(0, 500, n)
    y = X @ (0.1 * rng.standard_normal(N_WIDE)) + rng.standard_normal(n)
    y += 0.5 * rng.standard_normal(5000)[a] + 0.5 * rng.standard_normal(500)[b]
    columns = pd.DataFrame(X, columns=[f"x{j}" for j in range(N_WIDE)])
    return columns.assign(y=y, a=factor(a), b=factor(b))


GENERATED: dict[str, Callable[[], pd.DataFrame]] = {
    "maximal": maximal,
    "nested": nested,
    "vector-crossed": vector_crossed,
    "ratings": ratings,
    "partially-crossed": partially_crossed,
    "wide": wide,
}


def load(dataset: str) -> pd.DataFrame:
    """A data set by name: one of these, or one that comes with the package."""
    return GENERATED[dataset]() if dataset in GENERATED else load_dataset(dataset)
