"""Relative covariance templates: theta to and from the lower-triangular factors lambda; Sigma.

Here live the order, names, bounds and starting values of theta, the templates it fills and
the index arrays that tell the core where each entry goes; nothing depends on data.

Two orders of the random effects occur. *Public*: term by term, within a term level by
level, the term's columns adjacent. *Core*: group by group, level by level, the columns of
all the group's terms adjacent, so that terms on one grouping factor share dense blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise

import numpy as np

from mixedmodels.arrays import BoolArray, FloatArray, IntArray, LongArray
from mixedmodels.lazy import cached_property
from mixedmodels.naming import backticked, distinct

RESIDUAL = "Residual"
"""What the residual is called among the terms."""

# Levels up to which templates are kept for the next model of the same structure.
_MOST_REMEMBERED = 5000


def _entries_of_term(size: int) -> int:
    """How many entries of theta a term with so many columns has."""
    return size * (size + 1) // 2


@lru_cache(maxsize=64)
def _triangle(size: int) -> tuple[IntArray, IntArray]:
    """Rows and columns of a lower triangle taken by columns."""
    cols, rows = np.triu_indices(size)
    return rows.astype(np.int32), cols.astype(np.int32)


@dataclass(frozen=True, eq=False)
class Templates:
    """The templates of a model's random-effects terms, one value of theta away from numbers.

    Attributes:
        sizes: s_t, coefficients per level of each term.
        groups: Index of each term's grouping factor.
        group_names: One name per grouping factor.
        columns: Names of each term's coefficients.
        n_levels: Levels per grouping factor.
        m: Length of theta.
    """

    sizes: tuple[int, ...]
    groups: tuple[int, ...]
    group_names: tuple[str, ...]
    columns: tuple[tuple[str, ...], ...]
    n_levels: tuple[int, ...]
    m: int

    @classmethod
    def from_terms(
        cls,
        sizes: Sequence[int],
        groups: Sequence[int],
        group_names: Sequence[str],
        columns: Sequence[Sequence[str]],
        n_levels: Sequence[int],
    ) -> Templates:
        """Describe the templates of terms already in order (by decreasing number of levels).

        Args:
            sizes: Number of columns of each term.
            groups: Index of each term's grouping factor.
            group_names: One name per grouping factor.
            columns: Names of each term's columns.
            n_levels: Levels per grouping factor.
        """
        make = _remembered if sum(n_levels) <= _MOST_REMEMBERED else _made
        return make(
            tuple(sizes),
            tuple(groups),
            tuple(group_names),
            tuple(map(tuple, columns)),
            tuple(n_levels),
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """lme4's names: `group.column` on a diagonal, `group.row.column` below it.

        No two are equal: where parts with a dot make two alike, these are put in backticks; where
        two terms have the same effect of the same group, the term is named.
        """
        return self.parameter_names("{}")

    def parameter_names(
        self, sd: str, cor: str | None = None, *, column_first: bool = False
    ) -> tuple[str, ...]:
        """Names of the entries of theta, of which no two are equal.

        Args:
            sd: Pattern round the name of a diagonal entry.
            cor: Pattern round those below the diagonal; as `sd` if None.
            column_first: Whether the effect of the column stands before that of the row.
        """
        entries = self.entries.tolist()

        def spelled(i: int, spell: Callable[[str], str], suffix: str = "") -> str:
            term, row, column = entries[i]
            effects = [self.columns[term][j] for j in dict.fromkeys((row, column))]
            parts = [self.group_names[self.groups[term]], *effects[:: -1 if column_first else 1]]
            pattern = sd if row == column or cor is None else cor
            return pattern.replace("{}", ".".join(map(spell, parts)) + suffix)

        return distinct(
            [spelled(i, str) for i in range(self.m)],
            lambda i: spelled(i, _without_dots),
            lambda i: spelled(i, _without_dots, f" [term {entries[i][0] + 1}]"),
        )

    @cached_property
    def effects(self) -> tuple[tuple[str, ...], ...]:
        """Names of the effects of each grouping factor, over all its terms; no two are equal."""
        return tuple(self._effects_of(group) for group in range(len(self.group_names)))

    def _effects_of(self, group: int) -> tuple[str, ...]:
        own = [
            (f"[term {t + 1}]", name)
            for t, of in enumerate(self.groups)
            for name in (self.columns[t] if of == group else ())
        ]
        return distinct([name for _, name in own], lambda j: f"{own[j][1]} {own[j][0]}")

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """A label for each term: its group, the k-th further term on it `group.k`, as in lme4."""
        seen: dict[int, int] = {}
        labels = []
        for group in self.groups:
            count = seen.get(group, 0)
            seen[group] = count + 1
            labels.append(self.group_names[group] + (f".{count}" if count else ""))

        def spelled(t: int) -> str:
            label = labels[t]
            return f"group({label})" if label == RESIDUAL else f"{label} [term {t + 1}]"

        return distinct(labels, spelled, taken=(RESIDUAL,))

    @cached_property
    def entries(self) -> IntArray:
        """(m, 3): term, row and column of each theta."""
        out = np.empty((self.m, 3), dtype=np.int32)
        for t, (size, part) in enumerate(zip(self.sizes, self.theta_slices, strict=True)):
            out[part, 0] = t
            out[part, 1], out[part, 2] = _triangle(size)
        return out

    @cached_property
    def core_entries(self) -> IntArray:
        """(m, 3): group of each theta, and its row and column in the group's template."""
        term = self.entries[:, 0]
        out = np.empty((self.m, 3), dtype=np.int32)
        out[:, 0] = np.array(self.groups, dtype=np.int32)[term]
        shift = np.array(self.term_offsets, dtype=np.int32)[term]
        out[:, 1:] = self.entries[:, 1:] + shift[:, None]
        return out

    @cached_property
    def diagonal(self) -> BoolArray:
        """(m,): whether each theta sits on the diagonal of its template."""
        same: BoolArray = self.entries[:, 1] == self.entries[:, 2]
        return same

    @cached_property
    def lower_bounds(self) -> FloatArray:
        """(m,): 0 for diagonal entries, -inf for the others."""
        return np.where(self.diagonal, 0.0, -np.inf)

    @cached_property
    def initial(self) -> FloatArray:
        """(m,): theta of identity templates."""
        return self.diagonal.astype(np.float64)

    @cached_property
    def theta_slices(self) -> tuple[slice, ...]:
        """The part of theta that belongs to each term."""
        ends = list(accumulate(map(_entries_of_term, self.sizes), initial=0))
        return tuple(slice(a, b) for a, b in pairwise(ends))

    @cached_property
    def term_offsets(self) -> tuple[int, ...]:
        """Where each term's columns start within its group's template."""
        filled = [0] * len(self.group_names)
        offsets = []
        for size, group in zip(self.sizes, self.groups, strict=True):
            offsets.append(filled[group])
            filled[group] += size
        return tuple(offsets)

    @cached_property
    def group_sizes(self) -> tuple[int, ...]:
        """S_g, coefficients per level of each grouping factor, over all its terms."""
        filled = [0] * len(self.group_names)
        for size, group in zip(self.sizes, self.groups, strict=True):
            filled[group] += size
        return tuple(filled)

    @cached_property
    def term_starts(self) -> tuple[int, ...]:
        """First public position of each term's random effects, with q at the end."""
        widths = (s * self.n_levels[g] for s, g in zip(self.sizes, self.groups, strict=True))
        return tuple(accumulate(widths, initial=0))

    @property
    def q(self) -> int:
        """Number of random effects."""
        return self.term_starts[-1]

    @cached_property
    def _column_diagonal(self) -> LongArray:
        """(m,): for each theta, the index of the diagonal entry of its column."""
        on_diagonal = np.flatnonzero(self.diagonal)
        counted: LongArray = np.cumsum(self.diagonal) - 1
        return on_diagonal[counted]

    def lam(self, theta: FloatArray) -> tuple[FloatArray, ...]:
        """Lower-triangular templates at theta, one (s_t, s_t) array per term."""
        out = []
        for size, part in zip(self.sizes, self.theta_slices, strict=True):
            block = np.zeros((size, size))
            block[_triangle(size)] = theta[part]
            out.append(block)
        return tuple(out)

    def group_lam(self, theta: FloatArray) -> tuple[FloatArray, ...]:
        """Amalgamated templates at theta, one block-diagonal (S_g, S_g) array per group."""
        out = tuple(np.zeros((size, size)) for size in self.group_sizes)
        for group, start, block in zip(
            self.groups, self.term_offsets, self.lam(theta), strict=True
        ):
            inside = slice(start, start + len(block))
            out[group][inside, inside] = block
        return out

    def theta_of(self, lams: Sequence[FloatArray]) -> FloatArray:
        """The theta, shape (m,), that gives these templates (entries above diagonals unread)."""
        out = np.empty(self.m)
        for size, part, block in zip(self.sizes, self.theta_slices, lams, strict=True):
            out[part] = block[_triangle(size)]
        return out

    def rectify(self, theta: FloatArray) -> FloatArray:
        """The same covariance with every diagonal entry nonnegative.

        A column of a template may change sign without changing lambda lambda'.
        """
        flipped = theta[self._column_diagonal] < 0.0
        # Adding zero turns the -0.0 of a flipped zero into 0.0.
        return np.where(flipped, -theta, theta) + 0.0

    @cached_property
    def public_to_core(self) -> LongArray:
        """(q,): the core position of each public position."""
        group_starts = list(
            accumulate(
                (s * n for s, n in zip(self.group_sizes, self.n_levels, strict=True)), initial=0
            )
        )
        out = np.empty(self.q, dtype=np.int64)
        starts = self.term_starts
        for t, (size, group) in enumerate(zip(self.sizes, self.groups, strict=True)):
            levels = np.arange(self.n_levels[group], dtype=np.int64) * self.group_sizes[group]
            first = group_starts[group] + self.term_offsets[t]
            part = out[starts[t] : starts[t + 1]].reshape(-1, size)
            np.add(levels[:, None], np.arange(first, first + size), out=part)
        return out

    @cached_property
    def one_order(self) -> bool:
        """Whether the public order and that of the core are the same."""
        return list(self.groups) == list(range(len(self.groups)))

    def lambda_csc(self, theta: FloatArray) -> tuple[FloatArray, LongArray, LongArray]:
        """`data`, `indices`, `indptr` of the (q, q) CSC matrix Lambda(theta), public order."""
        data, indices, counts = [], [], []
        for t, (size, part) in enumerate(zip(self.sizes, self.theta_slices, strict=True)):
            n_levels = self.n_levels[self.groups[t]]
            rows, _ = _triangle(size)
            first = self.term_starts[t] + size * np.arange(n_levels, dtype=np.int64)
            data.append(np.tile(theta[part], n_levels))
            indices.append((first[:, None] + rows).ravel())
            counts.append(np.tile(np.arange(size, 0, -1, dtype=np.int64), n_levels))
        indptr = np.zeros(self.q + 1, dtype=np.int64)
        np.cumsum(np.concatenate(counts), out=indptr[1:])
        return np.concatenate(data), np.concatenate(indices), indptr


def _without_dots(part: str) -> str:
    """A part of a name, in backticks where its dots would be taken for those between parts."""
    return backticked(part) if "." in part else part


def _made(
    sizes: tuple[int, ...],
    groups: tuple[int, ...],
    group_names: tuple[str, ...],
    columns: tuple[tuple[str, ...], ...],
    n_levels: tuple[int, ...],
) -> Templates:
    m = sum(map(_entries_of_term, sizes))
    return Templates(sizes, groups, group_names, columns, n_levels, m)


# Templates are values and their index arrays cost a small model as much as its search does.
_remembered = lru_cache(maxsize=32)(_made)


def covariance_of_effects(lam: FloatArray, sigma: float) -> tuple[FloatArray, FloatArray]:
    """Sigma = sigma^2 Lambda Lambda' of one level: standard deviations and correlations.

    Args:
        lam: (s, s) the term's template.
        sigma: Residual standard deviation; 1 where the rows have none.

    Returns:
        sd: (s,) square roots of the diagonal.
        corr: (s, s) correlations; NaN beside an effect of zero variance.
    """
    root = sigma * lam
    sd = np.sqrt(np.einsum("ij,ij->i", root, root))
    with np.errstate(invalid="ignore"):
        unit = root / np.where(sd > 0.0, sd, np.nan)[:, None]
    corr = np.clip(unit @ unit.T, -1.0, 1.0)
    np.fill_diagonal(corr, 1.0)
    return sd, corr
