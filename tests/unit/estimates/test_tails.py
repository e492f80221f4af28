"""Tails of t: shapes, ends, and agreement with SciPy where that has its digits."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

from mixedmodels._core import student_tails, triangle_inverse
from mixedmodels.estimates.tails import t_tail


def test_tails_are_those_of_scipy() -> None:
    df, t = np.meshgrid(np.concatenate([np.geomspace(0.2, 3000, 60), [1, 2, 3]]), [0.02, 0.7, 2, 9])
    # SciPy takes integers another way, which loses digits near t = 0.
    np.testing.assert_allclose(t_tail(df, t), 2 * scipy.special.stdtr(df, -t), rtol=1e-10)
    np.testing.assert_array_equal(t_tail(df, -t), t_tail(df, t))


def test_infinite_degrees_of_freedom_are_the_normal() -> None:
    z = np.linspace(-8, 8, 33)
    normal = 2 * scipy.special.ndtr(-np.abs(z))
    np.testing.assert_allclose(t_tail(np.array([np.inf]), z), normal, rtol=1e-13)
    np.testing.assert_allclose(t_tail(np.array([1e13]), z), normal, rtol=1e-9)


def test_tails_fall_with_t_and_with_the_degrees_of_freedom() -> None:
    t = np.concatenate([[0.0], np.geomspace(1e-6, 1e6, 400), [np.inf]])
    for df in (0.5, 1.0, 7.3, 4999.0, 5001.0, 1e7, np.inf):
        tails = t_tail(np.array([df]), t)
        assert tails[0] == 1.0
        assert tails[-1] == 0.0
        assert (np.diff(tails) <= 0.0).all()
    df = np.geomspace(0.5, 1e8, 500)
    assert (np.diff(t_tail(df, np.array([2.0]))) < 1e-11).all()


def test_what_has_no_tail_is_nan() -> None:
    df, t = np.array([0.0, -1.0, np.nan, 3.0]), np.array([1.0, 1.0, 1.0, np.nan])
    assert np.isnan(t_tail(df, t)).all()
    assert t_tail(np.zeros((0, 3)), np.zeros((0, 3))).shape == (0, 3)
    with pytest.raises(ValueError, match="differ in length"):
        student_tails(np.ones(2), np.ones(3))


@pytest.mark.parametrize("p", [0, 1, 2, 17, 130])
@pytest.mark.parametrize("order", ["C", "F"])
def test_inverse_of_a_triangle(p: int, order: str) -> None:
    rng = np.random.default_rng(p)
    R = np.triu(rng.normal(size=(p, p))) + 4.0 * np.sqrt(p + 1) * np.eye(p)
    below = np.asarray(R + np.tril(np.full((p, p), np.nan), -1), order=order)
    inverse = triangle_inverse(below)
    np.testing.assert_allclose(inverse @ R, np.eye(p), atol=1e-13)
    assert (np.tril(inverse, -1) == 0.0).all()
    with pytest.raises(ValueError, match="not square"):
        triangle_inverse(np.ones((2, 3)))
