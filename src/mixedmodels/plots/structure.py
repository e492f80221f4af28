"""Pictures of Z', U'U + I and L, as in Bates' slides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.plots.backend import drawing
from mixedmodels.plots.palette import palette_of
from mixedmodels.plots.style import new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Most cells drawn (rows, columns), so that none is narrower than a pixel of the screen.
WIDE_CELLS = (128, 512)
SQUARE_CELLS = (256, 256)
PALEST = 0.25


@styled
def plot_structure(
    Zt: Any,
    M: Any,
    L: Any,
    *,
    groups: Sequence[tuple[str, int]] = (),
    order: str = "",
) -> Figure:
    """Pictures of Z', U'U + I and L, as in Bates' slides.

    The larger an entry, the darker its cell (on a dark background, the brighter); zeros are left
    empty. A matrix too large for a cell per entry is shown by density: each cell covers several
    entries, and is the darker the more of them are not zero.

    Args:
        Zt: SciPy sparse (q, n), transpose of the random-effects matrix.
        M: SciPy sparse (q, q), U'U + I in the order of Z', lower triangle or both.
        L: SciPy sparse (q, q), lower triangular factor, in its own order of rows.
        groups: Name of each block of rows of Z' and how many rows it has; marked in the
            pictures of Z' and U'U + I.
        order: Name of the order of elimination, for the title of L.

    Returns:
        A figure with three axes.

    Raises:
        MixedModelsError: matplotlib is not installed.
    """
    figure = new_figure((10.0, 8.0))
    axes = figure.subplot_mosaic([["Zt", "Zt"], ["M", "L"]], height_ratios=[1.0, 2.2])
    _picture(axes["Zt"], Zt, "Z'", WIDE_CELLS)
    _picture(axes["M"], _lower(M), "U'U + I, lower triangle", SQUARE_CELLS)
    _picture(axes["L"], L, f"L ({order})" if order else "L", SQUARE_CELLS)
    for name, columns_too in (("Zt", False), ("M", True)):
        _mark_groups(axes[name], groups, columns_too=columns_too)
    return figure


def _lower(M: Any) -> Any:
    pattern = M.tocoo(copy=True)
    above = pattern.row < pattern.col
    pattern.data[above] = 0
    pattern.eliminate_zeros()
    return pattern


def _picture(axes: Axes, matrix: Any, name: str, most_cells: tuple[int, int]) -> None:
    """One matrix as grey cells, first row on top."""
    rows, columns = matrix.shape
    look = palette_of(axes)
    greys = drawing().LinearSegmentedColormap.from_list("greys", [look.background, look.strong])
    axes.grid(visible=False)
    axes.spines[:].set_visible(True)
    axes.imshow(
        np.ma.masked_equal(_shades(matrix, most_cells), 0.0),
        cmap=greys,
        vmin=0.0,
        vmax=1.0,
        extent=(0.5, columns + 0.5, rows + 0.5, 0.5),
        aspect="equal" if most_cells == SQUARE_CELLS else "auto",
        interpolation="nearest",
    )
    axes.set_title(f"{name}: {rows} × {columns}, {matrix.nnz} nonzeros")
    for spine in axes.spines.values():
        spine.set_linewidth(0.5)


def _shades(matrix: Any, most_cells: tuple[int, int]) -> FloatArray:
    """Cells between 0 (all zero) and 1 (largest), not more than `most_cells`."""
    pattern = matrix.tocoo()
    rows, columns = pattern.shape
    cells = min(rows, most_cells[0]), min(columns, most_cells[1])
    shades = np.zeros(cells)
    if pattern.nnz == 0:
        return shades
    i = pattern.row.astype(np.int64) * cells[0] // rows
    j = pattern.col.astype(np.int64) * cells[1] // columns
    if cells == (rows, columns):
        shades[i, j] = np.abs(pattern.data)
    else:
        shades = np.bincount(i * cells[1] + j, minlength=cells[0] * cells[1]).reshape(cells) + 0.0
        # Densities differ by orders of magnitude between a diagonal and a dense corner.
        shades **= 0.5
    top = shades.max()
    scaled: FloatArray = np.where(
        shades > 0.0, PALEST + (1.0 - PALEST) * shades / (top or 1.0), 0.0
    )
    return scaled


def _mark_groups(axes: Axes, groups: Sequence[tuple[str, int]], *, columns_too: bool) -> None:
    """Lines between the blocks of the groups, their names at the right."""
    edge = 0.5
    look = palette_of(axes)
    for k, (name, size) in enumerate(groups):
        if k:
            axes.axhline(edge, color=look.orange, linewidth=0.6)
        if k and columns_too:
            axes.axvline(edge, color=look.orange, linewidth=0.6)
        axes.text(
            1.01,
            edge + size / 2,
            name,
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=8,
            color=look.ink,
        )
        edge += size
