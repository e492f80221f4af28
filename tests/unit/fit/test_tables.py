"""Tables and row sums from arrays, on structures that the reference cases do not have."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from oracle import problem, solution, z_matrix

from mixedmodels.covariance import Templates
from mixedmodels.design.factors import Recipe
from mixedmodels.design.names import Effect
from mixedmodels.estimates.linear import Fitted
from mixedmodels.estimates.tables import coef_tables, random_part, ranef_tables
from mixedmodels.formula import Factor
from mixedmodels.linear import LinearMixedFit
from mixedmodels.settings import Control

RNG = np.random.default_rng(20090701)
N, A, B = 60, 7, 4
GROUPS: Any = tuple(
    SimpleNamespace(
        name=name,
        codes=RNG.permutation(np.arange(N, dtype=np.int32) % levels),
        levels=pd.Index([f"{name}{i}" for i in range(levels)]),
        n_levels=levels,
        spec=SimpleNamespace(
            factors=(Factor(name, name, True, 0),),
            levels=(pd.Index([f"{name}{i}" for i in range(levels)]),),
        ),
    )
    for name, levels in (("a", A), ("b", B))
)
SLOPES = np.asfortranarray(RNG.normal(size=(N, 2)))
RECIPES = {"`x`": Recipe(Factor("x", "x", True, 0), "", names=("x",))}
ONE: Any = ()
X = (("`x`", False, 0),)
TERMS: Any = tuple(
    SimpleNamespace(
        group=group,
        columns=names,
        z=z,
        spec=SimpleNamespace(names=names, columns=columns, recipes=RECIPES),
    )
    for group, names, columns, z in (
        (0, ("(Intercept)",), (ONE,), np.broadcast_to(1.0, (N, 1))),
        (1, ("(Intercept)", "x"), (ONE, X), SLOPES),
        (0, ("x",), (X,), SLOPES[:, 1:]),
    )
)
TEMPLATES = Templates.from_terms(
    [len(t.columns) for t in TERMS],
    [t.group for t in TERMS],
    [g.name for g in GROUPS],
    [t.columns for t in TERMS],
    [g.n_levels for g in GROUPS],
)
Z = z_matrix([(GROUPS[t.group].codes, GROUPS[t.group].n_levels, np.array(t.z)) for t in TERMS])


def test_random_part_is_z_times_b() -> None:
    b = RNG.normal(size=TEMPLATES.q)
    np.testing.assert_allclose(random_part(TEMPLATES, GROUPS, TERMS, b, N), Z @ b)


def test_ranef_joins_terms_that_are_not_neighbours() -> None:
    b = np.arange(float(TEMPLATES.q))
    tables = ranef_tables(TEMPLATES, GROUPS, b)
    assert list(tables) == ["a", "b"]
    assert list(tables["a"].columns) == ["(Intercept)", "x"]
    np.testing.assert_array_equal(tables["a"]["(Intercept)"], b[:A])
    np.testing.assert_array_equal(tables["a"]["x"], b[A + 2 * B :])
    np.testing.assert_array_equal(tables["b"], b[A : A + 2 * B].reshape(B, 2))
    assert list(tables["b"].index) == ["b0", "b1", "b2", "b3"]


def test_coef_adds_up_repeated_effects_of_one_factor() -> None:
    table = pd.DataFrame([[1.0, 10.0, 2.0]], index=["g0"], columns=["x", "z", "x"])
    one, x, z = (Effect(((name, name),), name, name) for name in ("(Intercept)", "x", "z"))
    coef = coef_tables([(one, 100.0), (x, 1000.0)], {"g": table}, {"g": [x, z, x]})["g"]
    assert list(coef.columns) == ["z", "(Intercept)", "x"]
    assert coef.loc["g0"].tolist() == [10.0, 100.0, 1003.0]


def test_model_without_fixed_effects() -> None:
    X = np.empty((N, 0))
    nothing = SimpleNamespace(names=(), columns=(), recipes={})
    offset = RNG.normal(size=N)
    y = RNG.normal(size=N)
    theta = TEMPLATES.initial
    solved = problem(y, X, Z, TEMPLATES, offset=offset)
    design = SimpleNamespace(
        y=y, X=X, x_names=(), groups=GROUPS, terms=TERMS, n=N, w=None, offset=offset, messages=(),
        fixed_spec=nothing, offset_spec=SimpleNamespace(argument=None), weights_as="", index=None,
        rows=None, all_rows=None, has_rows=True,
        formula=SimpleNamespace(text="y ~ 0 + (1 | a) + (x | b) + (0 + x | a)"),
    )  # fmt: skip
    optsum: Any = SimpleNamespace(converged=True, control=Control())
    identified = SimpleNamespace(messages=())
    model: Any = SimpleNamespace(
        _given=None,
        _sums=None,
        design=design,
        templates=TEMPLATES,
        criterion=lambda **_: None,
        note="",
        identification=lambda _: identified,
        identification_by=lambda **_: identified,
    )
    fit = LinearMixedFit(model, Fitted(model, solution(solved, theta, reml=True), optsum))
    assert fit.objective == fit.deviance
    assert fit.fixef.empty
    assert fit.vcov.shape == (0, 0)
    assert len(fit.coef_table()) == 0
    assert fit.npar == TEMPLATES.m + 1
    assert "No fixed effects" in str(fit)
    assert list(fit.coef()["b"].columns) == ["(Intercept)", "x"]
    np.testing.assert_allclose(fit.fitted, offset + Z @ fit.solution.b)
