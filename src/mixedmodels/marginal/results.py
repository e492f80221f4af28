"""Tables of marginal means and of their contrasts, as results that can be compared further."""

from __future__ import annotations

import dataclasses
import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray, LongArray
from mixedmodels.design.columns import level_label
from mixedmodels.errors import MixedModelsError
from mixedmodels.marginal.adjust import Adjust, Family, adjust_name, describe
from mixedmodels.marginal.contrasts import Comparison, comparison, shielded
from mixedmodels.marginal.functions import (
    Functions,
    View,
    contrast_table,
    family_of,
    means_table,
)
from mixedmodels.marginal.letters import compact_letters
from mixedmodels.marginal.source import Source
from mixedmodels.plots.means import plot_means
from mixedmodels.report.frames import frame_table
from mixedmodels.report.results import TableResult
from mixedmodels.report.sections import Paragraph, Section, Table
from mixedmodels.report.text import WIDTH, render_text
from mixedmodels.settings import check_level

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NUMBERS = ("estimate", "std_error", "df", "lower", "upper", "statistic", "p_value")
# Beginnings of sentences about a table that do not hold for contrasts of its rows.
_NOT_OF_CONTRASTS = (
    "Back-",
    "Bias",
    "P-values",
    "Limits",
    "Estimates are",
    "Contrasts are",
    "Tukey's",
)
# Columns that are printed with the same number of decimals.
_ALIKE = ("estimate", "std_error", "lower", "upper")


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """What a table of estimates is made from, and says below it.

    Attributes:
        functions: Its rows as functions of the coefficients.
        source: Where estimates come from.
        view: How they are shown.
        adjust: Method for several tests that was asked for; None for that of each comparison.
        title: What the estimates are.
        notes: Sentences about them.
    """

    functions: Functions
    source: Source
    view: View
    adjust: Adjust | None
    title: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Estimates(TableResult):
    """Functions of the coefficients with their estimates, one row each.

    Attributes:
        origin: What the table is made from.
    """

    origin: Origin

    @property
    def heading(self) -> tuple[str, ...]:
        """What the rows are."""
        return (self.origin.title,)

    def __str__(self) -> str:
        """The text; sentences that are too long go on in the next line."""
        return in_lines(self._sections())

    @property
    def by(self) -> tuple[str, ...]:
        """Variables within whose levels the rows are compared."""
        return self.origin.functions.by

    @property
    def footnotes(self) -> tuple[str, ...]:
        """What was averaged over, the methods, and the scale."""
        return self.origin.notes

    def contrast(
        self,
        method: Any = "pairwise",
        *,
        by: str | Sequence[str] | None = None,
        adjust: Adjust | None = None,
        level: float | None = None,
        ref: Any = None,
        reverse: bool = False,
    ) -> Contrasts:
        """Contrasts of the rows, within the levels of `by`.

        Args:
            method: "pairwise"; "consecutive", each less the one before; "treatment", each less
                `ref`; "polynomial", over levels at equal distances; "effect", each less the mean of
                all; a dict from names to weights (one for each row, or a dict by label); a matrix.
            by: Variables within whose levels rows are compared; those of the table if None, and
                `[]` for none.
            adjust: Method for several tests: "tukey", "holm", "hochberg", "sidak", "bonferroni",
                "scheffe", "mvt", "fdr" or "none". If None the one that the means were asked for
                with, or what suits the contrast: "tukey" for pairs, "mvt" for consecutive and
                treatment contrasts, "fdr" for effects, "none" for the others.
            level: Coverage of the limits together; that of the table if None.
            ref: The label or position that "treatment" compares with; the first if None.
            reverse: Turn the sign of every contrast.

        Returns:
            A table with `estimate`, `std_error`, `df`, `lower`, `upper`, `statistic`, `p_value`.

        Raises:
            MixedModelsError: An unknown method, variable or adjustment, or weights that do not fit.
        """
        return contrasts_of(
            self.origin, method, self._groups(by), adjust, level, ref=ref, reverse=reverse
        )

    def pairs(
        self,
        *,
        by: str | Sequence[str] | None = None,
        adjust: Adjust | None = None,
        level: float | None = None,
        reverse: bool = False,
    ) -> Contrasts:
        """All pairs of rows, within the levels of `by`; arguments as in `contrast`."""
        return self.contrast("pairwise", by=by, adjust=adjust, level=level, reverse=reverse)

    def plot(self, *, ax: Axes | None = None, figsize: tuple[float, float] | None = None) -> Figure:
        """Estimates with limits, a panel of rows for each group of `by`.

        Args:
            ax: Axes to draw in; a new figure if None.
            figsize: Size of a new figure, in inches.

        Raises:
            MixedModelsError: matplotlib is not installed.
        """
        functions, view = self.origin.functions, self.origin.view
        drawn = self.table[["estimate", "lower", "upper"]].copy()
        drawn.index = pd.Index(list(functions.texts))
        groups = [_within(functions, j) for j in range(len(drawn))]
        return plot_means(
            drawn, groups, title=self.origin.title, level=view.level, zero=self._zero(),
            ax=ax, figsize=figsize,
        )  # fmt: skip

    def _zero(self) -> float | None:
        """What estimates are compared with in a picture."""
        return None

    def _groups(self, by: str | Sequence[str] | None) -> tuple[str, ...]:
        functions = self.origin.functions
        if by is None:
            return functions.by
        names = (by,) if isinstance(by, str) else tuple(by)
        for name in names:
            if name not in functions.labels.columns:
                listed = ", ".join(map(str, functions.labels.columns))
                raise MixedModelsError(f"by names '{name}'; the rows are told apart by: {listed}.")
        return names

    def _tables(self) -> Sequence[Section]:
        """A table for each group of `by`."""
        functions, found = self.origin.functions, []
        decimals = _decimals(self.table)
        for rows in functions.families(functions.by):
            part = self.table.iloc[rows].drop(columns=list(functions.by))
            within = _within(functions, int(rows[0]))
            found.append(_table_of(part, decimals, f"{within}:" if within else ""))
        return found

    def _sentences(self) -> Iterator[str]:
        yield from TableResult._sentences(self)  # noqa: SLF001 (slots leave super() without a cell)
        yield from self.footnotes


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Contrasts(Estimates):
    """Contrasts of means: estimates with errors, limits and tests."""

    def _zero(self) -> float | None:
        return 1.0 if self.origin.view.ratios else 0.0


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MarginalMeans(Estimates):
    """Means, or trends: `estimate`, `std_error`, `df`, `lower`, `upper`.

    Attributes:
        contrasts: The contrasts that the left side of a formula asked for, or None.
    """

    contrasts: Contrasts | None = None

    def letters(self, *, adjust: Adjust | None = None, level: float | None = None) -> LetteredMeans:
        """The means with compact letters: those that share one do not differ significantly.

        Args:
            adjust: Method for several tests, as in `contrast`.
            level: Means differ where the p-value of their difference is below 1 - level.

        Returns:
            The table with a column `letters`, means compared within the levels of `by`.
        """
        return lettered(self, adjust, level)

    def _sections(self) -> Sequence[Section]:
        own = list(TableResult._sections(self))  # noqa: SLF001 (as above)
        return own if self.contrasts is None else [*own, *_sections_of(self.contrasts)]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LetteredMeans(Estimates):
    """Means with a column `letters`."""


def in_lines(sections: Sequence[Section]) -> str:
    """Sections as text, sentences in lines of at most 80 columns."""
    return render_text(
        Paragraph(tuple(part for line in section.lines for part in textwrap.wrap(line, WIDTH)))
        if isinstance(section, Paragraph)
        else section
        for section in sections
    )


def means_of(origin: Origin) -> MarginalMeans:
    """The table of means, or of trends."""
    return MarginalMeans(means_table(origin.functions, origin.source, origin.view), origin)


def contrasts_of(
    origin: Origin,
    method: Any,
    by: tuple[str, ...],
    adjust: Adjust | None,
    level: float | None,
    *,
    ref: Any = None,
    reverse: bool = False,
) -> Contrasts:
    """Contrasts of the rows of another table; arguments as in `Estimates.contrast`."""
    view = _difference_view(origin.view, level)
    functions = origin.functions
    pieces, made = [], []
    for rows in functions.families(by):
        texts = _texts(functions, by, rows.tolist())
        found = comparison(method, texts, ref=ref, reverse=reverse)
        pieces.append(_contrasted(functions, rows, found, by, origin.source, ratios=view.ratios))
        made.append(found)
    whole = _joined(pieces, by)
    families, methods, start = [], [], 0
    wanted = adjust_name(adjust) if adjust is not None else origin.adjust
    for found in made:
        rows = np.arange(start, start + len(found.weights), dtype=np.int64)
        families.append((rows, family_of(whole, origin.source, rows, found.weights.shape[1])))
        methods.append(_suitable(wanted, found))
        start += len(found.weights)
    notes = _contrast_notes(origin, view, families, methods, wanted)
    table = contrast_table(whole, origin.source, view, families, methods)
    title = "Ratios" if view.ratios else "Contrasts"
    made_of = dataclasses.replace(
        origin,
        functions=whole,
        view=view,
        title=f"{title} of {_lowered(origin.title)}",
        notes=notes,
    )
    return Contrasts(table, made_of)


def lettered(means: MarginalMeans, adjust: Adjust | None, level: float | None) -> LetteredMeans:
    """Means with letters; arguments as in `MarginalMeans.letters`."""
    origin = means.origin
    level = origin.view.level if level is None else level
    check_level(level)
    functions = origin.functions
    letters = [""] * len(functions.L)
    pairs = (
        contrasts_of(origin, "pairwise", functions.by, adjust, level) if len(letters) > 1 else None
    )
    p_value = iter(() if pairs is None else pairs.table["p_value"].tolist())
    estimate, _, _ = origin.source.estimates(functions.L)
    for rows in functions.families(functions.by):
        differ = np.zeros((len(rows), len(rows)), dtype=np.bool_)
        for i in range(len(rows)):
            for j in range(i + 1, len(rows)):
                differ[i, j] = next(p_value) < 1.0 - level
        for row, text in zip(rows, compact_letters(differ, estimate[rows]), strict=True):
            letters[row] = text
    table = means.table.copy()
    table["letters"] = letters
    notes = () if pairs is None else tuple(n for n in pairs.footnotes if n.startswith("P-values"))
    share = f"Means that share a letter do not differ at the level {1.0 - level:.4g}."
    new = dataclasses.replace(origin, notes=(*origin.notes, *notes, share))
    return LetteredMeans(table, new)


def _sections_of(result: TableResult) -> Sequence[Section]:
    return result._sections()  # noqa: SLF001 (of the same family)


def _difference_view(view: View, level: float | None) -> View:
    """How contrasts are shown: as ratios where differences are logarithms, else as they are."""
    level = view.level if level is None else level
    check_level(level)
    if view.scale is not None and view.scale.base and not view.ratios:
        return View(level, view.scale, ratios=True)
    return View(level, view.scale if view.ratios else None, ratios=view.ratios)


def _texts(functions: Functions, by: Sequence[str], rows: Sequence[int]) -> list[str]:
    """What rows are called within a family of other variables than those of the table."""
    if tuple(by) == functions.by:
        return [functions.texts[j] for j in rows]
    others = [name for name in functions.by if name not in by]
    found = []
    for j in rows:
        text, labels = functions.texts[j], functions.labels
        levels = [str(level_label(labels[name].iloc[j])) for name in others]
        found.append(" ".join([shielded(text) if levels else text, *levels]).strip())
    return found


def _contrasted(
    functions: Functions,
    rows: LongArray,
    found: Comparison,
    by: tuple[str, ...],
    source: Source,
    *,
    ratios: bool,
) -> Functions:
    """The contrasts of one family as functions of the coefficients."""
    names = tuple(name.replace(" - ", " / ") if ratios else name for name in found.labels)
    labels = pd.DataFrame({"contrast": list(names)})
    for name in by:
        value = functions.labels[name].iloc[int(rows[0])]
        labels[name] = [value] * len(names)
    L = found.weights @ functions.L[rows]
    # What cancels but for rounding is zero, lest it counts as a part of an aliased column.
    L[np.abs(L) < 1e-12 * np.abs(found.weights) @ np.abs(functions.L[rows])] = 0.0
    offset = found.weights @ functions.offset[rows]
    good = source.estimable(L)
    reasons = tuple(
        "" if fine else _first_reason(functions, rows, weights)
        for fine, weights in zip(good, found.weights, strict=True)
    )
    return Functions(labels, names, L, offset, reasons, by)


def _first_reason(functions: Functions, rows: LongArray, weights: FloatArray) -> str:
    used = rows[weights != 0.0].tolist()
    for reason in (functions.reasons[row] for row in used):
        if reason:
            return str(reason)
    return "not estimable: columns of X depend on others."


def _joined(pieces: Sequence[Functions], by: tuple[str, ...]) -> Functions:
    return Functions(
        pd.concat([piece.labels for piece in pieces], ignore_index=True),
        tuple(text for piece in pieces for text in piece.texts),
        np.concatenate([piece.L for piece in pieces]),
        np.concatenate([piece.offset for piece in pieces]),
        tuple(reason for piece in pieces for reason in piece.reasons),
        by,
    )


def _suitable(wanted: Adjust | None, found: Comparison) -> Adjust:
    """The adjustment asked for; Tukey's is for all pairs of means, others have Šidák's then."""
    if wanted is None:
        chosen = found.adjust
    elif wanted == "tukey" and not found.pairs:
        chosen = "sidak"
    else:
        chosen = wanted
    return "none" if len(found.weights) == 1 and chosen != "scheffe" else chosen


def _contrast_notes(
    origin: Origin,
    view: View,
    families: Sequence[tuple[LongArray, Family]],
    methods: Sequence[Adjust],
    wanted: Adjust | None,
) -> tuple[str, ...]:
    notes = [note for note in origin.notes if not note.startswith(_NOT_OF_CONTRASTS)]
    scale = origin.view.scale
    if view.ratios and view.scale is not None:
        what = "odds ratios" if view.scale.odds else f"ratios of {view.scale.of}"
        notes.append(f"Estimates are {what}; tests are of differences of {view.scale.name}.")
    elif scale is not None:
        notes.append(f"Contrasts are on the scale of {scale.name}.")
    if wanted == "tukey" and "sidak" in methods:
        notes.append("Tukey's method is for all pairs of means; Šidák's is used.")
    said = [describe(method, family) for (_, family), method in zip(families, methods, strict=True)]
    notes += dict.fromkeys(sentence for sentences in said for sentence in sentences)
    return tuple(notes)


def _lowered(title: str) -> str:
    return title[:1].lower() + title[1:]


def _within(functions: Functions, row: int) -> str:
    """The levels of `by` at a row."""
    labels = functions.labels
    return ", ".join(f"{name} = {level_label(labels[name].iloc[row])}" for name in functions.by)


def _decimals(table: pd.DataFrame) -> int:
    """As many as show four digits of the smallest error and seven of the largest number."""
    numbers = np.abs(table[list(_ALIKE)].to_numpy(dtype=np.float64))
    errors, numbers = numbers[:, 1], numbers[np.isfinite(numbers) & (numbers > 0.0)]
    errors = errors[np.isfinite(errors) & (errors > 0.0)]
    if not errors.size:
        return 4
    wanted = 3 - math.floor(math.log10(float(errors.min())))
    most = 6 - math.floor(math.log10(float(numbers.max())))
    return min(max(min(wanted, most), 0), 12)


def _table_of(part: pd.DataFrame, decimals: int, caption: str) -> Table:
    """A table without row names, whose estimates, errors and limits have the same decimals."""
    table = frame_table(part, caption)
    columns = [list(column) for column in zip(*table.rows, strict=True)]
    for place, name in enumerate(part.columns, start=1):
        if name in _ALIKE:
            columns[place] = [_fixed(value, decimals) for value in part[name].tolist()]
        elif str(name) not in NUMBERS:
            columns[place] = [level_label(value) for value in part[name].tolist()]
    rows = tuple(zip(*columns[1:], strict=True))
    return Table(caption, table.header[1:], rows, table.sides[1:])


def _fixed(value: float, decimals: int) -> str:
    if not math.isfinite(value):
        return str(value).replace("nan", "NaN")
    return f"{round(value, decimals) + 0.0:.{decimals}f}"
