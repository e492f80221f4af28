"""Random mixed models, and by dense algebra whether the data can tell their parameters apart.

V is linear in the variances and covariances of the random effects, so that they are told apart
where the matrices dV/dphi, with the identity for the residual variance, are linearly independent;
for REML after X is projected out. Nothing of the library but the design is used.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Verdict: TypeAlias = Literal["identified", "confounded", "idle", "unclear"]

# Singular values of the matrices of unit length: below the first rounding, above the second sound.
_ZERO, _SOUND = 1e-9, 1e-5


@dataclass(frozen=True)
class Case:
    """A model to be fitted."""

    formula: str
    data: pd.DataFrame
    reml: bool
    weights: str | None


FIXED = ("1", "x", "x + z", "f", "f + x", "x * z", "f * x", "0 + f", "p + x", "f + p", "x + xb")
ORDINARY = (
    *("(1|{})", "(1|{})", "(x|{})", "(x||{})", "(0 + x|{})", "(f|{})", "(0 + f|{})", "(f||{})"),
    *("(x + z|{})", "(x + z||{})", "(p|{})", "(0 + p|{})", "(x:p|{})", "(poly(x, 2)|{})"),
)
CONFOUNDED = (
    "(1|{0}) + (1|{0}copy)",
    "(x|{0}) + (1|{0}copy)",
    "(1|{0}) + (0 + f|{0})",
    "(1|{0}) + (0 + p|{0})",
    "(x|{0}) + (0 + p|{0})",
    "({0}x|{0})",
    "(1 + {0}x||{0})",
    "(x + twice|{0})",
    "(x + xplus|{0})",
    "(1|{0}) + (1|factor({0}))",
    "(x||{0}) + (0 + twice|{0})",
    "({0}f|{0})",
    "(1|{0}:p) + (1|p:{0}copy)",
)
ABSORBED = ("{0} + x", "{0} * x", "0 + {0}", "{0} + f")


def ordinary(seed: int) -> Case:
    """One to three terms of crossed, nested and joined factors; most are identified, not all."""
    rng = np.random.default_rng(seed)
    data = _table(rng)
    groups = ["g", "h", "inner", "few", "g:p", "h:f", "g:few"]
    chosen = rng.choice(groups, rng.integers(1, 4), replace=False)
    random = " + ".join(str(rng.choice(ORDINARY)).format(group) for group in chosen)
    return _case(rng, f"y ~ {rng.choice(FIXED)} + {random}", data)


def confounded(seed: int) -> Case:
    """The same with a part that repeats another, or that the fixed part takes up."""
    rng = np.random.default_rng(seed)
    data = _table(rng)
    group = str(rng.choice(["g", "h", "inner"]))
    fixed, part = str(rng.choice(FIXED)), str(rng.choice(CONFOUNDED)).format(group)
    if rng.uniform() < 0.2:
        fixed, part = str(rng.choice(ABSORBED)).format("few"), "(1|few) + (1|g)"
    elif rng.uniform() < 0.4:
        part += " + " + str(rng.choice(ORDINARY)).format(rng.choice(["few", "other"]))
    return _case(rng, f"y ~ {fixed} + {part}", data)


def truth(design: Any, *, reml: bool) -> Verdict:
    """What dense algebra says of a design; "idle" where the fixed part takes up an effect."""
    root = np.ones(design.n) if design.w is None else np.sqrt(design.w)
    X = root[:, None] * design.X
    parts, size, variance = _derivatives(design, root)
    basis, sizes, _ = np.linalg.svd(X, full_matrices=False)
    basis = basis[:, sizes > 1e-9 * sizes.max(initial=0.0)]
    Q = np.eye(design.n) - basis @ basis.T
    projected = [Q @ part @ Q for part in parts]
    least = min(
        np.linalg.norm(left) / np.linalg.norm(part)
        for part, left, own in zip(parts, projected, variance, strict=True)
        if own
    )
    if least < _ZERO:
        return "idle"
    A = np.reshape(projected if reml else parts, (len(parts), -1)).T / size
    smallest = np.linalg.svd(A, compute_uv=False).min()
    if smallest < _ZERO:
        return "confounded"
    return "identified" if min(smallest, least) > _SOUND else "unclear"


def _derivatives(design: Any, root: Floats) -> tuple[list[Floats], Floats, NDArray[np.bool_]]:
    """dV/dphi of all (co)variances along orthogonal columns, whitened; sizes; which are variances.

    The size of a covariance is that of its two variances: by itself it may be rounding.
    """
    parts, sizes, variance = [], [], []
    for term in design.terms:
        codes = design.groups[term.group].codes
        same = codes[:, None] == codes[None, :]
        z = root[:, None] * _orthogonal(np.asarray(term.z, dtype=np.float64))
        own = [np.linalg.norm(same * np.outer(column, column)) for column in z.T]
        for i, j in itertools.combinations_with_replacement(range(z.shape[1]), 2):
            product = np.outer(z[:, i], z[:, j])
            parts.append(same * (product if i == j else product + product.T))
            sizes.append(np.sqrt(own[i] * own[j]))
            variance.append(i == j)
    n = design.n
    return [*parts, np.eye(n)], np.array([*sizes, np.sqrt(n)]), np.array([*variance, True])


def _orthogonal(z: Floats) -> Floats:
    """Columns that span the same where they are independent; else as they are, of unit length."""
    z = z / np.linalg.norm(z, axis=0)
    q, r = np.linalg.qr(z)
    sound = np.abs(np.diag(r)).min() > 1e-9
    return np.sqrt(len(z)) * (q if sound else z)


def _case(rng: np.random.Generator, formula: str, data: pd.DataFrame) -> Case:
    weights = "w" if rng.uniform() < 0.3 else None
    return Case(formula, data, bool(rng.uniform() < 0.5), weights)


def _table(rng: np.random.Generator) -> pd.DataFrame:
    n = int(rng.integers(30, 110))
    g = _levels(rng, n, int(rng.integers(3, max(n // 3, 4))))
    x = rng.standard_normal(n) + rng.choice([0.0, 3.0, 50.0])
    data = pd.DataFrame({"g": g, "x": x, "z": rng.uniform(size=n)})
    data["h"] = _levels(rng, n, int(rng.integers(3, 12)))
    data["other"] = _levels(rng, n, 6)
    data["few"] = rng.integers(3, size=n)
    data["inner"] = data["g"] * 4 + rng.integers(int(rng.integers(2, 5)), size=n)
    data["f"] = rng.choice(list("abc"), n)
    data["p"] = rng.choice(["no", "yes"], n)
    for name in ("g", "h", "inner"):
        codes = data[name].to_numpy()
        values = rng.standard_normal(codes.max() + 1)
        data[f"{name}x"] = values[codes]
        data[f"{name}f"] = np.where(values[codes] > 0.0, "up", "down")
        data[f"{name}copy"] = [f"c{99 - code}" for code in codes]
    data["xb"] = data["gx"]
    data["twice"], data["xplus"] = 2.0 * data["x"], data["x"] + 1.0
    for name in ("g", "h", "other", "few", "inner"):
        data[name] = [f"{name}{code}" for code in data[name]]
    effects = rng.standard_normal(n)[pd.factorize(data["g"])[0]]
    data["y"] = effects + 0.3 * data["x"] + rng.standard_normal(n)
    data["w"] = rng.uniform(0.2, 3.0, n)
    return data


def _levels(rng: np.random.Generator, n: int, k: int) -> NDArray[np.int64]:
    """(n,) levels, balanced or with some small ones."""
    if rng.uniform() < 0.5:
        return rng.permutation(np.arange(n) % k)
    return np.unique(rng.choice(k, n, p=rng.dirichlet(np.full(k, 0.7))), return_inverse=True)[1]
