"""Coverage of 95 % intervals for few groups.

Wald intervals of a treatment between groups, by the method for degrees of freedom, are counted.
Prediction intervals, theta taken as known or averaged over:

    python -m benchmarks.coverage [replicates]

For every design data are simulated, the model is fitted by REML, and one new observation is
predicted in every known group and in a new one. The truth being known, the probability that an
interval holds the observation is computed and not counted, so that a few hundred replicates give
the coverage to about half a percent. "normal" is the interval that others report: prediction +-
1.96 standard errors, theta taken as known.
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr

import mixedmodels as mm
from mixedmodels.arrays import FloatArray
from mixedmodels.settings import DF_METHODS

SEED = 20240611
REPLICATES = 400
PER_GROUP = 5


@dataclass(frozen=True)
class Case:
    """Groups of `PER_GROUP` rows; sd of random effects over that of the residual, which is 1."""

    name: str
    formula: str
    groups: int
    sd: tuple[float, ...]

    def rows(self) -> pd.DataFrame:
        """The covariate and the groups, without a response."""
        group, x = (part.ravel() for part in np.indices((self.groups, PER_GROUP)))
        return pd.DataFrame({"g": group.astype(str), "x": x - 0.5 * (PER_GROUP - 1)})


INTERCEPT, SLOPE = "y ~ x + (1 | g)", "y ~ x + (x | g)"
CASES = [
    *(
        Case(f"intercepts, sd {sd}", INTERCEPT, groups, (sd,))
        for groups in (6, 10)
        for sd in (0.3, 1.0, 3.0)
    ),
    *(
        Case(f"slopes, sd {sd}", SLOPE, groups, (sd, 0.5 * sd))
        for groups in (6, 10)
        for sd in (0.5, 2.0)
    ),
]
KINDS = ("normal", "conditional", "full")


def intervals(fit: mm.LinearMixedFit, new: pd.DataFrame, kind: str) -> FloatArray:
    """(2, rows) limits of 95 % prediction intervals."""
    table = fit.predict_interval(
        new,
        allow_new_levels=True,
        kind="prediction",
        uncertainty="full" if kind == "full" else "conditional",
        ddf="residual",
    )
    if kind == "normal":
        half = 1.959964 * table["std_error"]
        return np.array([table["prediction"] - half, table["prediction"] + half])
    return np.asarray(table[["lower", "upper"]].to_numpy().T, dtype=np.float64)


def coverage(case: Case, replicates: int) -> dict[str, float]:
    """Mean coverage of known and new groups, by kind of interval."""
    rng = np.random.default_rng([SEED, case.groups, CASES.index(case)])
    rows = case.rows()
    Z = np.column_stack([np.ones(len(rows)), rows["x"]])[:, : len(case.sd)]
    at = 0.5 * PER_GROUP
    new = pd.DataFrame({"g": [*rows["g"].unique(), "new"], "x": at})
    z = np.array([1.0, at])[: len(case.sd)]
    found = {f"{where}, {kind}": 0.0 for where in ("known", "new") for kind in KINDS}
    for _ in range(replicates):
        effects = rng.standard_normal((case.groups, len(case.sd))) * case.sd
        noise = rng.standard_normal(len(rows))
        y = (Z * effects[rows["g"].astype(int)]).sum(axis=1) + noise
        fit = mm.lmer(case.formula, rows.assign(y=y))
        mean = np.append(effects @ z, 0.0)
        sd = np.append(np.ones(case.groups), np.sqrt(1.0 + np.sum((z * case.sd) ** 2)))
        for kind in KINDS:
            lower, upper = intervals(fit, new, kind)
            inside = ndtr((upper - mean) / sd) - ndtr((lower - mean) / sd)
            found[f"known, {kind}"] += float(inside[:-1].mean()) / replicates
            found[f"new, {kind}"] += float(inside[-1]) / replicates
    return found


def between(groups: int, replicates: int) -> dict[str, float]:
    """Coverage of Wald intervals of a treatment that half of the groups have, by `ddf`."""
    rng = np.random.default_rng([SEED, groups])
    rows = Case("", INTERCEPT, groups, (1.0,)).rows()
    group = rows["g"].astype(int)
    rows["treated"] = (group % 2).astype(float)
    inside = dict.fromkeys(DF_METHODS, 0.0)
    for _ in range(replicates):
        y = rng.standard_normal(groups)[group] + rng.standard_normal(len(rows))
        fit = mm.lmer("y ~ treated + (1 | g)", rows.assign(y=y))
        for ddf in DF_METHODS:
            lower, upper = fit.confint("treated", method="wald", ddf=ddf).to_numpy()[0]
            inside[ddf] += float(lower < 0.0 < upper) / replicates
    return {str(name): value for name, value in inside.items()}


def main() -> None:
    """Print the tables."""
    replicates = int(sys.argv[1]) if len(sys.argv) > 1 else REPLICATES
    warnings.simplefilter("ignore")
    for groups in (8, 20):
        found = between(groups, 10 * replicates)
        cells = "  ".join(f"{name} {100 * value:5.1f}" for name, value in found.items())
        print(f"{groups:3d} groups, treatment between them: {cells}", flush=True)
    for case in CASES:
        found = coverage(case, replicates)
        cells = "  ".join(f"{name} {100 * value:5.1f}" for name, value in found.items())
        print(f"{case.groups:3d} groups, {case.name:20s} {cells}", flush=True)


if __name__ == "__main__":
    main()
