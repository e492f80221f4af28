"""Tests of the rows of a table against a value: on either side, or within a margin of it.

A test of equivalence is two tests on one side each, of which the larger p-value counts (Schuirmann,
1987, Journal of Pharmacokinetics and Biopharmaceutics 15, 657-680).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.tails import t_tail
from mixedmodels.marginal.adjust import Together, adjusted, multiples
from mixedmodels.marginal.functions import Functions, View, family_of, shown_columns
from mixedmodels.marginal.source import Source
from mixedmodels.settings import real_numbers
from mixedmodels.spelling import chosen_option

Side: TypeAlias = Literal["two-sided", "greater", "less"]
SIDES: tuple[Side, ...] = get_args(Side)
_SIGNS = {">": "greater", "<": "less", "=": "two-sided", "!=": "two-sided", "0": "two-sided"}
_SPELLINGS: dict[str, Side] = {
    "both": "two-sided",
    "equivalence": "two-sided",
    "right": "greater",
    "upper": "greater",
    "noninferiority": "greater",
    "left": "less",
    "lower": "less",
    "nonsuperiority": "less",
}
# Methods whose limits say the same as their p-values.
_WITH_LIMITS = ("none", "sidak", "bonferroni")


@dataclass(frozen=True, slots=True)
class Against:
    """What rows are tested against.

    Attributes:
        null: (k,) the values, on the scale of the linear predictor.
        side: Which differences speak against them.
        delta: A margin around them, or 0.
    """

    null: FloatArray
    side: Side
    delta: float

    @property
    def one_tailed(self) -> bool:
        """Whether one tail of the distribution counts, as it does with a margin too."""
        return self.side != "two-sided" or self.delta > 0.0


def against(null: npt.ArrayLike, side: object, delta: object, k: int) -> Against:
    """What a user means by it, for k rows.

    Raises:
        MixedModelsError: `null` is not one number or k; an unknown side; `delta` is not a number of
            at least 0.
    """
    try:
        values = real_numbers(null)
    except (TypeError, ValueError):
        values = np.full(1, np.nan)
    if values.shape not in ((), (1,), (k,)) or not np.isfinite(values).all():
        raise MixedModelsError(
            f"null is {null!r:.80}; it must be one number, or one for each of the {k} rows."
        )
    given = _SIGNS.get(side.strip(), side) if isinstance(side, str) else side
    chosen = chosen_option("side", given, SIDES, _SPELLINGS)
    number = isinstance(delta, (int, float, np.integer, np.floating))
    if isinstance(delta, bool) or not number or not 0.0 <= float(delta) < np.inf:  # type: ignore[arg-type]
        raise MixedModelsError(f"delta is {delta!r:.80}; it must be a number of at least 0.")
    return Against(np.broadcast_to(values, k).astype(np.float64), chosen, float(delta))  # type: ignore[arg-type]


def check_coverage(what: Against, level: float) -> None:
    """Refuse a level with which limits of equivalence would be in the wrong order.

    Raises:
        MixedModelsError: It is below one half, in tests of equivalence.
    """
    if what.side == "two-sided" and what.delta and level < 0.5:
        raise MixedModelsError(
            f"level is {level:.6g}; tests of equivalence have limits from a level of 0.5 on, where "
            "p-values below 0.5 are small. Give a level such as 0.95."
        )


def for_tails(rows: Together, what: Against) -> Together:
    """Rows with their adjustment, or with Šidák's where that is for two tails and one counts."""
    two_tailed = rows.method in ("tukey", "scheffe", "mvt")
    return rows.by("sidak") if two_tailed and what.one_tailed else rows


def tests_table(
    functions: Functions,
    source: Source,
    view: View,
    what: Against,
    families: Sequence[Together],
) -> pd.DataFrame:
    """Labels, estimates, limits, `null`, `statistic` and `p_value`; one row for each function.

    Args:
        functions: The rows.
        source: Where estimates come from.
        view: How they are shown.
        what: What they are tested against.
        families: The rows that are adjusted together.
    """
    estimate, error, df = source.estimates(functions.L, functions.constant)
    estimate = estimate + functions.offset
    off = estimate - what.null
    if what.side == "two-sided":
        off = np.abs(off) - what.delta if what.delta else off
    else:
        off = off + what.delta if what.side == "greater" else off - what.delta
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = off / error
    p_value, size = np.full(len(off), np.nan), np.full(len(off), np.nan)
    for one in families:
        rows, method = one.rows, one.method
        family = family_of(functions, source, rows, one.means, statistic[rows])
        if not what.one_tailed:
            p_value[rows] = adjusted(family, method)
            size[rows] = multiples(family, method, view.level)
            continue
        tail = _one_tail(family.df, family.t if what.side == "greater" else -family.t)
        p_value[rows] = adjusted(family, method, tail)
        size[rows] = multiples(family, method, view.level, one_sided=True)
    open_sides = (what.side == "greater", what.side == "less")
    columns = shown_columns(estimate, error, df, size, view, open_above=open_sides[0],
                            open_below=open_sides[1])  # fmt: skip
    columns["null"] = view.back(what.null)[0]
    return functions.table({**columns, "statistic": statistic, "p_value": p_value})


@dataclass(frozen=True, slots=True)
class ShownOn:
    """How estimates are shown that are tested on another scale.

    Attributes:
        scale: Name of the scale of the tests.
        rises: Whether what is shown rises with what is tested.
        falls: Whether it falls.
    """

    scale: str
    rises: bool
    falls: bool


def sentences(
    what: Against, shown: ShownOn | None, level: float, families: Sequence[Together]
) -> list[str]:
    """What the tests are of.

    Args:
        what: What rows are tested against.
        shown: How estimates are shown that are tested on another scale; else None.
        level: Coverage of the limits.
        families: The rows that are adjusted together.
    """
    on = f" on the scale of {shown.scale}" if shown else ""
    margin = f"with a margin of {what.delta:.6g}{on}"
    if what.delta and what.side == "two-sided":
        found = [
            f"Tests of equivalence {margin}.",
            "A small p-value says that the estimate differs from null by less.",
        ]
        if all(one.method in _WITH_LIMITS for one in families):
            found.append(f"Limits are within the margins where p is below {1.0 - level:.4g}.")
        return found
    if what.side == "two-sided":
        return []
    turned = shown is not None and not shown.rises
    subject, null = (f"the estimate{on}", "null there") if turned else ("the estimate", "null")
    if what.delta:
        name, than = (
            ("noninferiority", "less") if what.side == "greater" else ("nonsuperiority", "more")
        )
        found = [
            f"Tests of {name} {margin}.",
            f"A small p-value says that {subject} is not {than} than {null} by as much.",
        ]
    else:
        found = [f"A small p-value says that {subject} is {what.side} than {null}."]
    if turned and shown is not None:
        order = f"fall where those{on} rise" if shown.falls else f"need not rise with those{on}"
        found.append(f"Estimates shown {order}; the latter are tested.")
    return found


def _one_tail(df: FloatArray, t: FloatArray) -> FloatArray:
    """P(T > t)."""
    half = 0.5 * t_tail(df, t)
    return np.where(t >= 0.0, half, 1.0 - half)
