"""The block structure of a factor, for looking at: which blocks, how full, at what cost.

Counts are taken from the patterns of the symbolic analysis.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from mixedmodels._core import Analysis
from mixedmodels.arrays import FloatArray, IntArray, LongArray
from mixedmodels.covariance import Templates
from mixedmodels.criterion.pls import penalized_least_squares
from mixedmodels.estimates.linear import Model
from mixedmodels.estimates.matrices import (
    general_pattern,
    penalized_cross_product,
    transposed_z,
)
from mixedmodels.plots.structure import plot_structure
from mixedmodels.report.results import Result
from mixedmodels.report.sections import Paragraph, Section, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Storage: TypeAlias = Literal["diagonal", "block diagonal", "sparse", "dense"]
SI_PREFIXES = ("", "k", "M", "G", "T")


@dataclass(frozen=True, slots=True)
class Block:
    """One block of the lower triangle, rows of one grouping factor by columns of another.

    Attributes:
        row: Grouping factor of the rows.
        column: Grouping factor of the columns, the same as `row` for a diagonal block.
        shape: Rows and columns, counted in random effects.
        nnz_M: Nonzeros of U'U + I (lower triangle).
        nnz_L: Nonzeros of L.
        storage: How full the block of L is.
    """

    row: str
    column: str
    shape: tuple[int, int]
    nnz_M: int
    nnz_L: int
    storage: Storage


@dataclass(frozen=True, slots=True, repr=False)
class BlockPlan(Result):
    """What an evaluation of the criterion works on; prints as two tables.

    Attributes:
        groups: Name, levels and coefficients per level of each grouping factor.
        blocks: Blocks of the lower triangle, by columns.
        order: Name of the order of elimination.
        supernodes: Number of supernodes of L.
        flops: Floating-point operations of one numeric factorisation.
        p: Columns of the fixed-effects matrix.
    """

    groups: tuple[tuple[str, int, int], ...]
    blocks: tuple[Block, ...]
    order: str
    supernodes: int
    flops: float
    p: int

    @property
    def nnz_M(self) -> int:
        """Nonzeros of the lower triangle of U'U + I."""
        return sum(block.nnz_M for block in self.blocks)

    @property
    def nnz_L(self) -> int:
        """Nonzeros of L."""
        return sum(block.nnz_L for block in self.blocks)

    def to_frame(self) -> pd.DataFrame:
        """One row per block: `row`, `column`, `rows`, `columns`, `nnz_M`, `nnz_L`, `storage`."""
        return pd.DataFrame(
            [
                (b.row, b.column, b.shape[0], b.shape[1], b.nnz_M, b.nnz_L, b.storage)
                for b in self.blocks
            ],
            columns=["row", "column", "rows", "columns", "nnz_M", "nnz_L", "storage"],
        )

    def _sections(self) -> Sequence[Section]:
        """Grouping factors, blocks, and the totals."""
        q = sum(levels * size for _, levels, size in self.groups)
        groups = tuple(
            (name, str(levels), str(size), str(levels * size)) for name, levels, size in self.groups
        )
        named = ("Grouping factor", "Levels", "Columns", "Random effects")
        header = ("Block of L", "Rows", "Columns", "nnz(M)", "nnz(L)", "Full", "Storage")
        heading = f"Block plan: {q} random effects, {self.p} fixed effects; order: {self.order}"
        totals = (
            f"nnz(L) = {self.nnz_L}, fill-in {self.nnz_L - self.nnz_M}; "
            f"{self.supernodes} supernodes; {_si(self.flops)}flop per factorisation"
        )
        return [
            Paragraph((heading,)),
            Table("", named, groups, "<>>>"),
            Table("", header, tuple(map(_cells, self.blocks)), "<>>>>><"),
            Paragraph((totals,)),
        ]


def plan_of(model: Model) -> BlockPlan:
    """The plan of a model's factor."""
    analysis, templates = model.analysis, model.templates
    factor = penalized_least_squares(model.criterion(reml=False), model.products, templates.initial)
    return block_plan(
        templates,
        general_pattern(model),
        factor.L,
        factor.perm,
        order=analysis.order,
        supernodes=analysis.supernodes,
        flops=analysis.flops,
        p=model.products.p,
    )


def fill_in(model: Model) -> pd.DataFrame:
    """Four orders of elimination of a model compared, as `fill_in_table`.

    The factors in the order of the formula and in reverse, a minimum degree order of their levels,
    and the order chosen.
    """
    chosen = model.analysis
    sequence = list(dict.fromkeys(term.group for term in model.design.formula.random))
    names = [group.name for group in model.design.groups]
    given = [names.index(name) for name in sequence]
    analyses = {
        "as given": Analysis(model.products, given),
        "reversed": Analysis(model.products, given[::-1]),
        "minimum degree": Analysis(model.products, "minimum degree"),
        f"chosen ({chosen.order})": chosen,
    }
    return fill_in_table(
        {"order": label, "nnz_L": one.nnz, "flops": one.flops, "supernodes": one.supernodes}
        for label, one in analyses.items()
    )


def picture(model: Model, theta: FloatArray | None) -> Figure:
    """Pictures of Z', U'U + I and L at theta (identity templates if None)."""
    templates = model.templates
    at = templates.initial if theta is None else theta
    starts = templates.term_starts
    groups = [
        (templates.group_names[term.group], end - begin)
        for term, begin, end in zip(model.design.terms, starts, starts[1:], strict=False)
    ]
    L = penalized_least_squares(model.criterion(reml=False), model.products, at).L
    M = penalized_cross_product(model, at)
    return plot_structure(transposed_z(model), M, L, groups=groups, order=model.analysis.order)


def fill_in_table(orders: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Nonzeros of L, flops and supernodes by order of elimination.

    Args:
        orders: One mapping per order, with keys `order`, `nnz_L`, `flops`, `supernodes`.

    Returns:
        One row per order, in the order given; columns `nnz_L`, `flops`, `supernodes`.
    """
    frame = pd.DataFrame(
        [(o["order"], o["nnz_L"], o["flops"], o["supernodes"]) for o in orders],
        columns=["order", "nnz_L", "flops", "supernodes"],
    )
    return frame.set_index("order")


def block_plan(
    templates: Templates,
    M: Any,
    L: Any,
    perm: IntArray | LongArray,
    *,
    order: str,
    supernodes: int,
    flops: float,
    p: int,
) -> BlockPlan:
    """Count the nonzeros of M and L by pairs of grouping factors.

    Args:
        templates: Sizes, groups and levels of the random-effects terms.
        M: SciPy sparse (q, q), pattern of U'U + I in public order; both triangles or the lower.
        L: SciPy sparse (q, q), its Cholesky factor, L L' = P M P'.
        perm: (q,) row of M at each row of L.
        order: Name of the order of elimination.
        supernodes: Number of supernodes of L.
        flops: Floating-point operations of one numeric factorisation.
        p: Columns of the fixed-effects matrix.
    """
    widths = np.diff(templates.term_starts)
    group_of = np.repeat(np.array(templates.groups), widths)
    counts_M = _counts(M, group_of, len(templates.group_names))
    counts_L = _counts(L, group_of[perm], len(templates.group_names))
    blocks = []
    for j, column in enumerate(templates.group_names):
        for i in range(j, len(templates.group_names)):
            shape = _width(templates, i), _width(templates, j)
            nnz = int(counts_L[i, j])
            storage = _storage(templates, i, j, nnz)
            row = templates.group_names[i]
            blocks.append(Block(row, column, shape, int(counts_M[i, j]), nnz, storage))
    groups = zip(templates.group_names, templates.n_levels, templates.group_sizes, strict=True)
    return BlockPlan(tuple(groups), tuple(blocks), order, supernodes, flops, p)


def _width(templates: Templates, group: int) -> int:
    return templates.n_levels[group] * templates.group_sizes[group]


def _counts(matrix: Any, group_of: IntArray | LongArray, n_groups: int) -> LongArray:
    """Lower-triangle nonzeros by (higher, lower) index of the two groups."""
    pattern = matrix.tocoo()
    lower = pattern.row >= pattern.col
    first, second = group_of[pattern.row[lower]], group_of[pattern.col[lower]]
    pairs = np.maximum(first, second) * n_groups + np.minimum(first, second)
    counts: LongArray = np.bincount(pairs, minlength=n_groups**2).astype(np.int64)
    return counts.reshape(n_groups, n_groups)


def _storage(templates: Templates, i: int, j: int, nnz: int) -> Storage:
    rows, columns = _width(templates, i), _width(templates, j)
    if i != j:
        return "dense" if nnz == rows * columns else "sparse"
    size = templates.group_sizes[i]
    if nnz == templates.n_levels[i] * size * (size + 1) // 2:
        return "diagonal" if size == 1 else "block diagonal"
    return "dense" if nnz == rows * (rows + 1) // 2 else "sparse"


def _cells(block: Block) -> tuple[str, ...]:
    rows, columns = block.shape
    diagonal = block.row == block.column
    name = block.row if diagonal else f"{block.row} x {block.column}"
    room = rows * (rows + 1) // 2 if diagonal else rows * columns
    full = f"{100.0 * block.nnz_L / room:.3g}%"
    return (name, str(rows), str(columns), str(block.nnz_M), str(block.nnz_L), full, block.storage)


def _si(value: float) -> str:
    """A number with an SI prefix, three digits."""
    power = 0
    while value >= 1000.0 and power < len(SI_PREFIXES) - 1:
        value /= 1000.0
        power += 1
    return f"{value:.3g} {SI_PREFIXES[power]}"
