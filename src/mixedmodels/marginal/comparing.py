"""Contrasts of the rows of a table, which make another table of the same kind.

What the contrasts are is in `contrasts`, the adjustment for several tests in `adjust`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy

from mixedmodels.arrays import FloatArray, LongArray
from mixedmodels.design.columns import level_label
from mixedmodels.marginal.adjust import Adjust, Together, adjust_name, describe
from mixedmodels.marginal.contrasts import Comparison, Sign, comparison, shielded, too_few
from mixedmodels.marginal.functions import Functions, View, apart, contrast_table, family_of
from mixedmodels.marginal.interactions import Interaction, is_asked, product
from mixedmodels.marginal.scale import Scale
from mixedmodels.marginal.source import Source
from mixedmodels.settings import check_flag, check_level

# What means of successes and of ordered categories are of.
PROBABILITIES = "probabilities"
# A sum of weights that is zero but for rounding.
_ROUNDING = 1e-9
# Beginnings of sentences about the tests of a table, which do not hold for others.
OF_TESTS = (
    "P-values",
    "Limits",
    "Tukey's",
    "Tests of",
    "A small p-value",
    "Estimates shown",
    "Means that share",
)
# Of those that do not hold for contrasts of the rows.
_NOT_OF_CONTRASTS = ("Back-", "Bias", "Estimates are", "Contrasts are", *OF_TESTS)

BACK_TRANSFORMED = "back-transformed "
"""Beginning of what estimates are that were transformed back."""


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
        measured: What an estimate is a number of, for the axis of a picture.
        families: Of contrasts, the rows that are adjusted together.
        scale: Of means, the way back to the response, whether or not it is shown.
        of_means: Whether rows are means, which have other scales.
        response: What means on the scale of the response are of.
        mean: What a mean on the scale of the response is, for the axis of a picture.
        predictor: The same on the scale of the linear predictor.
    """

    functions: Functions
    source: Source
    view: View
    adjust: Adjust | None
    title: str
    notes: tuple[str, ...]
    measured: str = "Estimate"
    families: tuple[Together, ...] = ()
    scale: Scale | None = None
    of_means: bool = False
    response: str = ""
    mean: str = ""
    predictor: str = ""


def compared(
    origin: Origin,
    method: Any,
    by: tuple[str, ...],
    adjust: Adjust | None,
    level: float | None,
    *,
    ref: Any = None,
    reverse: bool = False,
    interaction: Interaction = False,
) -> tuple[pd.DataFrame, Origin]:
    """The table of contrasts, and what it is made from; arguments as in `Estimates.contrast`."""
    check_flag("reverse", reverse)
    view = _difference_view(origin.view, level)
    functions = origin.functions
    between: Sign = " / " if view.ratios else " - "
    pieces, made = [], []
    for rows in functions.families(by):
        texts = _texts(functions, by, rows.tolist())
        own = [name for name in functions.labels.columns if name not in by]
        levels = functions.labels[own].iloc[rows]
        if is_asked(interaction):
            found = product(interaction, method, levels, ref, reverse=reverse, between=between)
        else:
            found = comparison(
                method, texts, levels=levels, ref=ref, reverse=reverse, between=between
            )
        pieces.append(_contrasted(functions, rows, found, by, origin.source))
        made.append(found)
    whole = _joined(pieces)
    if not len(whole.L):
        raise too_few()
    groups: list[Together] = []
    start = 0
    wanted = adjust_name(adjust) if adjust is not None else origin.adjust
    for found in made:
        rows = np.arange(start, start + len(found.weights), dtype=np.int64)
        if not len(rows):
            continue
        group = Together(rows, found.weights.shape[1], "none", found.pairs)
        groups.append(group.by(found.adjust if wanted is None else wanted))
        start += len(found.weights)
    families = [(g.rows, family_of(whole, origin.source, g.rows, g.means)) for g in groups]
    methods = [g.method for g in groups]
    sums = np.concatenate([one.weights.sum(axis=1) for one in made])
    ratios = view.ratios and bool((np.abs(sums) < _ROUNDING).all())
    notes = (
        *_contrast_notes(origin, view, ratios=ratios),
        *in_place_of(wanted, groups),
        *adjustments(whole, origin.source, groups),
    )
    table = contrast_table(whole, origin.source, view, families, methods)
    title = "Ratios" if ratios else "Contrasts"
    made_of = dataclasses.replace(
        origin,
        functions=whole,
        view=view,
        title=f"{title} of {_lowered(origin.title)}",
        notes=notes,
        measured=_compared(origin, view, ratios=ratios),
        of_means=False,
        families=tuple(groups),
    )
    return table, made_of


def families_of(origin: Origin, wanted: Adjust | None) -> tuple[Together, ...]:
    """The rows of a table that are adjusted together.

    Args:
        origin: What the table is made from.
        wanted: The adjustment asked for; None for that of the table, which means have not.
    """
    functions = origin.functions
    found = origin.families or tuple(
        Together(rows, len(rows), "none") for rows in functions.families(functions.by)
    )
    return found if wanted is None else tuple(group.by(wanted) for group in found)


def adjustments(functions: Functions, source: Source, families: Sequence[Together]) -> list[str]:
    """Sentences about the adjustments of some families."""
    said = [
        sentence
        for one in families
        for sentence in describe(one.method, family_of(functions, source, one.rows, one.means))
    ]
    return list(dict.fromkeys(said))


def in_place_of(wanted: Adjust | None, families: Sequence[Together]) -> list[str]:
    """A sentence where Tukey's method was asked for and is not for these rows."""
    if wanted != "tukey" or all(one.method != "sidak" for one in families):
        return []
    return ["Tukey's method is for all pairs of means; Šidák's is used."]


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
) -> Functions:
    """The contrasts of one family as functions of the coefficients."""
    columns = {"contrast": found.labels} if found.columns is None else found.columns
    shown = {name: list(own) for name, own in columns.items()}
    names = found.labels
    labels = pd.DataFrame(shown)
    groups = apart(by, shown)
    for name, label in groups.items():
        value = functions.labels[name].iloc[int(rows[0])]
        labels[label] = [value] * len(names)
    held = {label: functions.variable(name) for name, label in groups.items()}
    L = found.weights @ functions.L[rows]
    # What cancels but for rounding is zero, lest it counts as a part of an aliased column.
    L[np.abs(L) < 1e-12 * np.abs(found.weights) @ np.abs(functions.L[rows])] = 0.0
    offset = found.weights @ functions.offset[rows]
    constant = found.weights @ functions.constant[rows]
    good = source.estimable(L, constant)
    reasons = tuple(
        "" if fine else _first_reason(functions, rows, weights)
        for fine, weights in zip(good, found.weights, strict=True)
    )
    means = None
    if functions.means is not None:
        means = scipy.sparse.csr_array(found.weights) @ functions.means[rows]
    return Functions(labels, names, L, constant, offset, reasons, tuple(held), held, means)


def _first_reason(functions: Functions, rows: LongArray, weights: FloatArray) -> str:
    used = rows[weights != 0.0].tolist()
    for reason in (functions.reasons[row] for row in used):
        if reason:
            return str(reason)
    return "not estimable: columns of X depend on others."


def _joined(pieces: Sequence[Functions]) -> Functions:
    """The contrasts of all families, which have the same columns."""
    known = [piece.means for piece in pieces if piece.means is not None]
    return Functions(
        pd.concat([piece.labels for piece in pieces], ignore_index=True),
        tuple(text for piece in pieces for text in piece.texts),
        np.concatenate([piece.L for piece in pieces]),
        np.concatenate([piece.constant for piece in pieces]),
        np.concatenate([piece.offset for piece in pieces]),
        tuple(reason for piece in pieces for reason in piece.reasons),
        pieces[0].by,
        pieces[0].held,
        scipy.sparse.vstack(known, format="csr") if len(known) == len(pieces) else None,
    )


def _contrast_notes(
    origin: Origin,
    view: View,
    *,
    ratios: bool,
) -> list[str]:
    """Sentences of the means that hold for their contrasts, and on which scale these are."""
    notes = [note for note in origin.notes if not note.startswith(_NOT_OF_CONTRASTS)]
    scale = origin.view.scale
    if view.ratios and view.scale is not None:
        of = PROBABILITIES if origin.response == PROBABILITIES else view.scale.of
        of = "odds" if view.scale.odds else of
        what = "odds ratios" if view.scale.odds else f"ratios of {of}"
        tested = "differences"
        if not ratios:  # e^(a + b) is not a ratio
            what = f"products of powers of {of}, no ratios where the weights do not add up to 0"
            tested = "weighted sums"
        notes.append(f"Estimates are {what}; tests are of {tested} of {view.scale.name}.")
    elif scale is not None:
        notes.append(f"Contrasts are on the scale of {scale.name}.")
    return notes


def _lowered(title: str) -> str:
    return title[:1].lower() + title[1:]


def _compared(origin: Origin, view: View, *, ratios: bool) -> str:
    """What a comparison of means is a number of."""
    measured = origin.measured
    if view.ratios:
        odds = view.scale is not None and view.scale.odds
        what = measured.removeprefix(BACK_TRANSFORMED)
        if not ratios:
            return f"Product of powers of {'odds for the ' if odds else ''}{what}"
        return f"Odds ratio for the {what}" if odds else f"Ratio of {what}"
    back = origin.view.scale is not None and view.scale is None
    return f"Difference in {origin.predictor if back else measured}"
