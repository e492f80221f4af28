"""Which (co)variances cannot be told apart, against dense matrices, for every kind and coding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from mixedmodels import LinearMixedModel

Array = NDArray[np.float64]


def table_of(seed: int, n: int = 100, levels: int = 12) -> pd.DataFrame:
    """Rows with every kind of column that may or may not vary within the levels of `g`."""
    rng = np.random.default_rng(seed)
    g = rng.permutation(np.repeat(np.arange(levels), -(-n // levels))[:n])
    x = rng.normal(3.0, 1.0, n)
    data = pd.DataFrame({"g": g, "x": x, "z": rng.normal(size=n), "h": rng.integers(0, 7, n)})
    data["twin"] = [f"t{31 - v}" for v in g]  # the groups of g under another name and order
    data["f"] = rng.choice(list("abc"), n)
    data["two"] = rng.choice(list("pq"), n)
    data["side"] = np.where(g % 2 == 0, "left", "right")
    data["third"] = np.array(["u", "v", "w"])[g % 3]
    data["old"] = 1.0 * (g % 2)
    data["age"] = rng.normal(40.0, 9.0, levels)[g]
    data["one"], data["zero"] = 1.0, 0.0
    data["y"] = x + rng.normal(size=levels)[g] + rng.normal(size=n)
    return data


# Formula, and how many directions of the covariance parameters the data leave open by ML and REML.
KINDS = [
    ("y ~ x + (1 | g) + (1 | twin)", 1, 1),
    ("y ~ x + (1 | g / twin)", 1, 1),
    ("y ~ x + (1 | g) + (1 | factor(g))", 1, 1),
    ("y ~ x + (1 | g:h) + (1 | h:g)", 1, 1),
    ("y ~ x + (1 | g) + (0 + two | g)", 1, 1),
    ("y ~ x + (x | g) + (0 + x | twin)", 1, 1),
    ("y ~ x + (x | g) + (x | twin)", 3, 3),
    ("y ~ x + (1 | g) + (0 + one | g)", 1, 1),
    ("y ~ x + (side | g)", 1, 1),
    ("y ~ x + (0 + side | g)", 1, 1),
    ("y ~ x + (third | g)", 3, 3),
    ("y ~ x + (0 + third | g)", 3, 3),
    ("y ~ x + (old | g)", 1, 1),
    ("y ~ x + (x + I(2 * x) | g)", 3, 3),
    ("y ~ x + (x + z + I(x + z) | g)", 4, 4),
    ("y ~ x + (x || g) + (0 + I(2 * x) | g)", 1, 1),
    ("y ~ x + (1 | g:two) + (two | g)", 1, 1),
    ("y ~ x + (0 + zero | g)", 1, 1),
    ("y ~ x + f + (1 | f)", 0, 1),
    ("y ~ x + f + (x | f)", 0, 2),
    ("y ~ x * f + (x | f)", 0, 3),
    ("y ~ x + factor(g) + (1 | g) + (1 | h)", 0, 1),
    ("y ~ x + factor(g) + (1 | g:third) + (1 | h)", 0, 1),
    ("y ~ x + (1 | g) + (1 | h)", 0, 0),
    ("y ~ x + (x + z | g) + (f | h)", 0, 0),
    ("y ~ x + (x + z || g)", 0, 0),
    ("y ~ x + (age | g)", 0, 0),
    ("y ~ x + (0 + third || g)", 0, 0),
    ("y ~ x + (1 | g) + (0 + old | g)", 0, 0),
    ("y ~ x + side + age + (1 | g)", 0, 0),
]


def derivatives(model: LinearMixedModel, reml: bool) -> Array:
    """(parameters, n^2) the identity and V_j over their sizes, X projected out for REML."""
    design = model.design
    Q = np.eye(design.n)
    if reml:
        Q -= design.X @ np.linalg.pinv(design.X)
    rows = [Q / np.sqrt(design.n)]
    for term in design.terms:
        codes = design.groups[term.group].codes
        same = (codes[:, None] == codes).astype(np.float64)
        for c in range(term.z.shape[1]):
            for r in range(c, term.z.shape[1]):
                product = np.outer(term.z[:, r], term.z[:, c])
                V = same * (product + product.T)
                rows.append(Q @ V @ Q / max(float(np.linalg.norm(V)), 1e-12))
    return np.array([row.ravel() for row in rows])


def open_directions(model: LinearMixedModel, reml: bool) -> int:
    """Null directions of the derivatives, densely."""
    rows = derivatives(model, reml)
    return len(rows) - int(np.linalg.matrix_rank(rows, tol=1e-8))


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize(("formula", "by_ml", "by_reml"), KINDS)
def test_every_kind_is_found_and_nothing_else(
    formula: str, by_ml: int, by_reml: int, reml: bool
) -> None:
    """Parameters are unknown exactly where moving along a null direction changes them."""
    model = LinearMixedModel(formula, table_of(1))
    expected = by_reml if reml else by_ml
    assert open_directions(model, reml) == expected
    found = model._model.identification(model._model.criterion(reml=reml))
    assert found.complete == (expected == 0)
    rows = derivatives(model, reml)
    _, sizes, vectors = np.linalg.svd(rows.T, full_matrices=False)
    null = vectors[sizes < 1e-8]
    moved = np.abs(null).max(axis=0, initial=0.0) > 1e-6
    assert found.unknown.tolist() == [*moved[1:].tolist(), bool(moved[0])]
    for problem in found.problems:
        assert any(term.source.name in problem for term in model.design.terms)
        assert problem.endswith(".")


CODINGS: list[dict[str, Any]] = [
    {"contrasts": {"two": "sum", "side": "sum", "third": "helmert", "f": "sum"}},
    {"turn": True},
    {"relabel": True},
    {"weights": True},
]


@pytest.mark.parametrize("coding", CODINGS, ids=["contrasts", "rows", "labels", "weights"])
@pytest.mark.parametrize(("formula", "by_ml", "by_reml"), KINDS)
def test_the_coding_does_not_matter(
    formula: str, by_ml: int, by_reml: int, coding: dict[str, Any]
) -> None:
    """Contrasts, order of rows and labels of levels change neither whether nor which terms."""
    data = table_of(2)
    if coding.get("turn"):
        data = data.iloc[::-1].reset_index(drop=True)
    if coding.get("relabel"):
        data = data.assign(g=[f"id {(7 * v) % 12}" for v in data["g"]])
    weights = np.random.default_rng(0).uniform(0.5, 2.0, len(data)) if "weights" in coding else None
    names = {name for name in coding.get("contrasts", {}) if name in formula}
    contrasts = {name: coding["contrasts"][name] for name in names}
    model = LinearMixedModel(formula, data, contrasts=contrasts, weights=weights)
    for reml, expected in ((False, by_ml), (True, by_reml)):
        found = model._model.identification(model._model.criterion(reml=reml))
        assert found.complete == (expected == 0)


ORDINARY = [
    "y ~ x + (1 | g)",
    "y ~ x + z + (x | g)",
    "y ~ x * f + (f | g)",
    "y ~ f + (1 | g) + (1 | h)",
    "y ~ x + (x + z || g) + (1 | h)",
    "y ~ two + (two | g)",
    "y ~ age + (1 | g / two)",
    "y ~ side * x + (x | g) + (1 | g:two)",
]


@pytest.mark.parametrize("seed", range(40))
def test_ordinary_models_get_no_message(seed: int) -> None:
    """Random unbalanced data, covariates far from zero and of any scale."""
    rng = np.random.default_rng(seed)
    data = table_of(seed, int(rng.integers(90, 300)), int(rng.integers(6, 20)))
    data["x"] = data["x"] * 10.0 ** rng.integers(-4, 5) + rng.choice([0.0, 1e3])
    model = LinearMixedModel(ORDINARY[seed % len(ORDINARY)], data)
    for reml in (False, True):
        assert model._model.identification(model._model.criterion(reml=reml)).messages == ()


@pytest.mark.parametrize("origin", [0.0, 2e3, 1e5, 1e6])
def test_the_origin_of_a_covariate_does_not_confound(origin: float) -> None:
    """Calendar years and time stamps in correlated and uncorrelated terms."""
    data = table_of(3)
    data["x"] = data["x"] + origin
    for formula in ("y ~ x + (x | g)", "y ~ x + (x || g)", "y ~ x + (x | g) + (1 | h)"):
        model = LinearMixedModel(formula, data)
        assert model._model.identification(model._criterion).complete


@pytest.mark.parametrize(("columns", "left"), [(10, 1), (9, 2)])
def test_too_few_residuals_for_the_variances(columns: int, left: int) -> None:
    """With n - p = 1 REML knows one number; with 2 it knows three."""
    rng = np.random.default_rng(4)
    n = columns + 1 + left
    data = pd.DataFrame(rng.normal(size=(n, columns)), columns=[f"v{i}" for i in range(columns)])
    data["y"], data["g"] = rng.normal(size=n), np.arange(n) % 4
    formula = "y ~ " + " + ".join(f"v{i}" for i in range(columns)) + " + (1 | g)"
    model = LinearMixedModel(formula, data)
    found = model._model.identification(model._criterion)
    assert found.complete == (left > 1)
    if left == 1:
        assert "leave 1, too few" in found.problems[0]
        assert found.unknown.all()


@pytest.mark.parametrize("repeated", [1, 2, 3, 4])
def test_groups_that_hardly_repeat(repeated: int) -> None:
    """A few repeated rows identify a variance, and the message says how few they are."""
    n = 30
    g = np.r_[np.arange(n - repeated), np.arange(repeated)]
    data = pd.DataFrame({"g": g, "y": np.random.default_rng(5).normal(size=n)})
    model = LinearMixedModel("y ~ 1 + (1 | g)", data)
    found = model._model.identification(model._criterion)
    assert found.complete
    assert bool(found.messages) == (repeated <= 3)
