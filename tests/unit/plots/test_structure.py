"""Pictures of matrices: what is drawn where."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from mixedmodels.plots.structure import plot_structure


def matrices(q: int, n: int) -> tuple[sparse.csc_array, sparse.csc_array, sparse.csc_array]:
    codes = np.arange(n) % q
    Zt = sparse.csc_array((np.ones(n), (codes, np.arange(n))), shape=(q, n))
    M = sparse.csc_array(Zt @ Zt.T + sparse.eye_array(q))
    return Zt, M, M.sqrt()


def test_small_matrices_cell_by_cell() -> None:
    Zt, M, L = matrices(6, 20)
    figure = plot_structure(Zt, M, L, groups=(("a", 4), ("b", 2)), order="as given")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [
        "Z': 6 × 20, 20 nonzeros",
        "U'U + I, lower triangle: 6 × 6, 6 nonzeros",
        "L (as given): 6 × 6, 6 nonzeros",
    ]
    picture = figure.axes[0].images[0].get_array()
    assert picture.shape == (6, 20)
    np.testing.assert_array_equal(~np.ma.getmaskarray(picture), Zt.toarray() != 0)
    assert [text.get_text() for text in figure.axes[0].texts] == ["a", "b"]
    figure.canvas.draw()


def test_upper_triangle_is_not_drawn() -> None:
    Zt, _, L = matrices(3, 5)
    full = sparse.csc_array(np.full((3, 3), 2.0))
    axes = plot_structure(Zt, full, L).axes[1]
    drawn = ~np.ma.getmaskarray(axes.images[0].get_array())
    np.testing.assert_array_equal(drawn, np.tri(3, dtype=bool))
    np.testing.assert_array_equal(full.toarray(), 2.0)


def test_large_matrices_by_density() -> None:
    Zt, M, L = matrices(3000, 5000)
    figure = plot_structure(Zt, M, L)
    picture = figure.axes[1].images[0].get_array()
    assert picture.shape == (256, 256)
    assert (~np.ma.getmaskarray(picture)).diagonal().all()
