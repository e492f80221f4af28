"""Binary data with few rows per level and very large variances."""

from __future__ import annotations

import numpy as np
import pandas as pd


def visits(seed: int, sd: float = 4.5) -> pd.DataFrame:
    """Patients seen seven times, most of them with the same response every time."""
    rng = np.random.default_rng(seed)
    patients, at = 294, np.array([0, 1, 2, 3, 6, 9, 12])
    g = np.repeat(np.arange(patients), 7)
    t = np.tile(at, patients)
    drug = np.repeat(rng.integers(0, 2, patients), 7)
    eta = -1.6 - 0.2 * drug - 0.4 * t - 0.14 * drug * t + sd * rng.normal(size=patients)[g]
    y = (rng.random(len(g)) < 1 / (1 + np.exp(-eta))).astype(int)
    return pd.DataFrame({"y": y, "t": t, "drug": drug, "g": g})


def births(seed: int, sd: float = 9.0) -> pd.DataFrame:
    """One to three births of a mother, mothers within communities."""
    rng = np.random.default_rng(seed)
    communities, p = 60, 6
    community = np.repeat(np.arange(communities), rng.integers(5, 15, communities))
    mothers = len(community)
    g = np.repeat(np.arange(mothers), rng.integers(1, 4, mothers))
    X = rng.normal(size=(len(g), p))
    X[:, : p // 2] = rng.normal(size=(mothers, p // 2))[g]
    eta = 1 + X @ np.linspace(1.5, -1.5, p) + sd * rng.normal(size=mothers)[g]
    eta += 2.5 * rng.normal(size=communities)[community[g]]
    y = (rng.random(len(g)) < 1 / (1 + np.exp(-eta))).astype(int)
    data = pd.DataFrame(X, columns=[f"x{j}" for j in range(p)])
    return data.assign(y=y, mother=g, community=community[g])
