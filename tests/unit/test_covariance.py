"""Templates: order, names, bounds and index arrays of theta."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg, sparse

from mixedmodels.covariance import Templates

SLOPE = Templates.from_terms((2,), (0,), ("Subject",), (("(Intercept)", "Days"),), (18,))
MIXED = Templates.from_terms(
    (1, 3, 2),
    (0, 1, 0),
    ("a", "b"),
    (("(Intercept)",), ("x", "y", "z"), ("u", "v")),
    (4, 2),
)

structures = st.lists(
    st.tuples(st.integers(1, 4), st.integers(0, 2)), min_size=1, max_size=4
).flatmap(
    lambda terms: st.tuples(st.just(terms), st.lists(st.integers(1, 5), min_size=3, max_size=3))
)


def build(terms: list[tuple[int, int]], n_levels: list[int]) -> Templates:
    sizes, groups = zip(*terms, strict=True)
    columns = [[f"c{t}{j}" for j in range(s)] for t, s in enumerate(sizes)]
    return Templates.from_terms(sizes, groups, ("f", "g", "h"), columns, n_levels)


def test_names_follow_lme4() -> None:
    assert SLOPE.names == ("Subject.(Intercept)", "Subject.Days.(Intercept)", "Subject.Days")
    assert MIXED.names == (
        "a.(Intercept)",
        "b.x",
        "b.y.x",
        "b.z.x",
        "b.y",
        "b.z.y",
        "b.z",
        "a.u",
        "a.v.u",
        "a.v",
    )


def test_bounds_and_start() -> None:
    np.testing.assert_array_equal(SLOPE.lower_bounds, [0.0, -np.inf, 0.0])
    np.testing.assert_array_equal(SLOPE.initial, [1.0, 0.0, 1.0])
    assert SLOPE.m == 3
    assert SLOPE.q == 36


def test_entries_count_within_term_and_within_group() -> None:
    assert MIXED.entries.dtype == np.int32
    np.testing.assert_array_equal(MIXED.entries[-3:], [[2, 0, 0], [2, 1, 0], [2, 1, 1]])
    np.testing.assert_array_equal(MIXED.core_entries[-3:], [[0, 1, 1], [0, 2, 1], [0, 2, 2]])
    assert MIXED.group_sizes == (3, 3)


def test_lam_is_column_major_lower() -> None:
    theta = np.arange(1.0, 11.0)
    one, three, two = MIXED.lam(theta)
    np.testing.assert_array_equal(one, [[1.0]])
    np.testing.assert_array_equal(three, [[2, 0, 0], [3, 5, 0], [4, 6, 7]])
    np.testing.assert_array_equal(two, [[8, 0], [9, 10]])
    np.testing.assert_array_equal(MIXED.group_lam(theta)[0], [[1, 0, 0], [0, 8, 0], [0, 9, 10]])


def test_public_to_core_interleaves_terms_of_one_group() -> None:
    np.testing.assert_array_equal(
        MIXED.public_to_core,
        [0, 3, 6, 9, *range(12, 18), 1, 2, 4, 5, 7, 8, 10, 11],
    )


@pytest.mark.parametrize("theta", [(0.9, -0.1, 0.3), (-0.9, -0.1, -0.3), (-0.0, 0.2, 0.0)])
def test_rectify_keeps_the_covariance(theta: tuple[float, ...]) -> None:
    before = np.array(theta)
    after = SLOPE.rectify(before)
    assert (after[SLOPE.diagonal] >= 0).all()
    assert not np.signbit(after[SLOPE.diagonal]).any()
    lam, rectified = SLOPE.lam(before)[0], SLOPE.lam(after)[0]
    np.testing.assert_allclose(lam @ lam.T, rectified @ rectified.T)


@given(structures, st.integers(0, 2**32 - 1))
def test_round_trip_lambda_and_permutation(
    structure: tuple[list[tuple[int, int]], list[int]], seed: int
) -> None:
    templates = build(*structure)
    theta = np.random.default_rng(seed).normal(size=templates.m)
    lams = templates.lam(theta)
    np.testing.assert_array_equal(templates.theta_of(lams), theta)

    q = templates.q
    Lambda = sparse.csc_array(templates.lambda_csc(theta), shape=(q, q)).toarray()
    in_terms = [
        np.kron(np.eye(templates.n_levels[g]), lam)
        for g, lam in zip(templates.groups, lams, strict=True)
    ]
    np.testing.assert_array_equal(Lambda, linalg.block_diag(*in_terms))

    core = templates.public_to_core
    assert sorted(core) == list(range(q))
    in_groups = [
        np.kron(np.eye(n), lam)
        for n, lam in zip(templates.n_levels, templates.group_lam(theta), strict=True)
        if lam.size
    ]
    by_group = linalg.block_diag(*in_groups)
    np.testing.assert_array_equal(by_group[np.ix_(core, core)], Lambda)


@given(structures, st.integers(0, 2**32 - 1))
def test_core_entries_place_theta_in_group_templates(
    structure: tuple[list[tuple[int, int]], list[int]], seed: int
) -> None:
    templates = build(*structure)
    theta = np.random.default_rng(seed).normal(size=templates.m)
    blocks = [np.zeros((s, s)) for s in templates.group_sizes]
    for value, (group, row, col) in zip(theta, templates.core_entries, strict=True):
        blocks[group][row, col] = value
    for block, expected in zip(blocks, templates.group_lam(theta), strict=True):
        np.testing.assert_array_equal(block, expected)
