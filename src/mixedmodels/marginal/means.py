"""Marginal means of a fit: from what a user asks for to the table.

The grid, weights, estimates and comparisons have files of their own; here they are put together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy

from mixedmodels.arrays import FloatArray, LongArray
from mixedmodels.design import Design
from mixedmodels.design.rebuild import new_rows, rebuild_fixed
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.tails import Back
from mixedmodels.marginal.adjust import Adjust, adjust_name
from mixedmodels.marginal.axes import Axis, find_axis
from mixedmodels.marginal.comparing import BACK_TRANSFORMED, PROBABILITIES, Origin
from mixedmodels.marginal.contrasts import is_method, method_name
from mixedmodels.marginal.functions import Functions, View
from mixedmodels.marginal.grid import Grid, cell_label, reference_grid, training_table, with_offset
from mixedmodels.marginal.meaning import (
    Meaning,
    exposure_words,
    linear_meaning,
    offset_words,
)
from mixedmodels.marginal.nesting import variables_of_term
from mixedmodels.marginal.regridding import SCALES, Regrid, regridded
from mixedmodels.marginal.results import MarginalMeans, contrasts_of, means_of
from mixedmodels.marginal.scale import Scale
from mixedmodels.marginal.source import Source
from mixedmodels.marginal.specs import Specs, as_formula, read_specs, split_name
from mixedmodels.marginal.weights import WEIGHTS, Weights, cell_weights, target_codes
from mixedmodels.settings import MARGINAL_TYPES, MarginalType, check_flag, check_level
from mixedmodels.spelling import chosen_option

if TYPE_CHECKING:
    from mixedmodels.marginal.categories import Categories

_METHODS = {
    "satterthwaite": "Satterthwaite",
    "kenward-roger": "Kenward-Roger",
    "residual": "residual",
    "none": "none (normal distribution)",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """How means are to be averaged and shown.

    Attributes:
        adjust: Method for several tests; "tukey" stands for what suits each comparison.
        type: Scale of the estimates.
        weights: How cells are averaged.
        level: Coverage of limits.
        bias_adjust: Whether means that are transformed back are adjusted for bias.
        sigma: Standard deviation for that; the residual's if None.
        offset: The offset in every mean; its mean over the rows if None.
        regrid: Scale on which cells are averaged and means compared; "none" for the predictor's.
        successes: Whether means on the scale of the response are probabilities of a success.

    Raises:
        MixedModelsError: An unknown option.
    """

    adjust: Adjust = "tukey"
    type: MarginalType = "link"
    weights: Weights = "equal"
    level: float = 0.95
    bias_adjust: bool = False
    sigma: float | None = None
    offset: float | None = None
    regrid: Regrid = "none"
    successes: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "adjust", adjust_name(self.adjust))
        object.__setattr__(self, "type", chosen_option("type", self.type, MARGINAL_TYPES))
        object.__setattr__(self, "regrid", chosen_option("regrid", self.regrid, SCALES))
        object.__setattr__(self, "weights", chosen_option("weights", self.weights, WEIGHTS))
        check_level(self.level)
        check_flag("bias_adjust", self.bias_adjust)
        if self.sigma is not None and not (_is_number(self.sigma) and self.sigma >= 0.0):
            raise MixedModelsError(f"sigma is {self.sigma!r:.80}; it must be a standard deviation.")
        if self.offset is not None and not _is_number(self.offset):
            raise MixedModelsError(
                f"offset is {self.offset!r:.80}; it must be one number on the scale of the linear "
                "predictor, such as 0 or log(10)."
            )

    def view(self, scale: Scale | None, sigma: float) -> View:
        """How estimates are shown."""
        return self.shown(scale if self.type == "response" else None, sigma)

    def shown(self, back: Scale | None, sigma: float) -> View:
        """How estimates are shown on the scale of the response, with the adjustment of bias."""
        if not self.bias_adjust or back is None:
            return View(self.level, back)
        spread = sigma if self.sigma is None else float(self.sigma)
        return View(self.level, back, spread**2)


def _is_number(value: object) -> bool:
    real = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    return real and bool(np.isfinite(value))  # type: ignore[call-overload]


def marginal_means(
    design: Design,
    source: Source,
    scale: Scale | None,
    specs: Any,
    by: Any,
    at: Any,
    wanted: Wanted,
    categories: Categories | None = None,
    meaning: Meaning | None = None,
) -> MarginalMeans:
    """The marginal means of a fit.

    Args:
        design: The design of the model.
        source: Coefficients and their covariance.
        scale: The way back from the linear predictor: from the transform of the response, or a
            link; None where there is none.
        specs: Variables of the means, or a formula.
        by: Variables within which means are compared.
        at: Values of variables, by name.
        wanted: How they are averaged and shown.
        categories: Of an ordered response, where their probabilities are asked for.
        meaning: What means are; those of a linear model if None.

    Raises:
        MixedModelsError: An unknown variable, level or option.
    """
    asked = read_specs(specs, by)
    meaning = linear_meaning(design, scale) if meaning is None else meaning
    method = method_name(asked.contrast) if asked.contrast else ""
    if categories is None and wanted.type == "prob":
        raise MixedModelsError(
            "type='prob' gives probabilities of the categories of an ordered response, which this "
            "model does not have; write type='response'."
        )
    bare = categories is not None  # the thresholds alone give probabilities
    grid = cells = with_offset(reference_grid(design, at, bare=bare), wanted.offset)
    if categories is not None:
        asked = categories.asked(asked)
        cells, source = categories.of(grid, source, wanted.weights)
    names, groups = resolve(asked, cells)
    view = wanted.view(scale, source.tests.sigma)
    back = None if wanted.regrid == "none" else wanted.shown(scale, source.tests.sigma).back
    functions = mean_functions(cells, source, names, groups, wanted.weights, back)
    if back is not None:
        view = View(wanted.level)
    notes = (
        *average_notes(grid, names, wanted.weights, shifted=not own_offsets(grid, wanted)),
        *involved_note(grid, names),
        *scale_notes(scale, view, averaged=back is not None),
        *(meaning.notes if categories is None else ()),
        degrees_note(source),
    )
    adjust = None if wanted.adjust == "tukey" else wanted.adjust
    title, words = "Marginal means", offset_words(grid)
    mean = measured = f"{meaning.response}{words}"
    if view.scale is not None and not view.spread:
        measured = f"{BACK_TRANSFORMED}{mean}"
    elif view.scale is None and back is None:
        measured = f"{meaning.predictor}{words}"
    if categories is not None:
        title, measured = "Marginal probabilities", f"probability of {meaning.of}{words}"
    of = (scale.response or scale.of if scale is not None else "") or design.response_name
    if wanted.successes or categories is not None or (scale is not None and scale.odds):
        of = PROBABILITIES
    origin = Origin(
        functions, source, view, adjust, title, notes, measured,
        scale=scale if back is None else None, of_means=True, response=of,
        mean=mean, predictor=f"{meaning.predictor}{words}",
    )  # fmt: skip
    if back is not None and wanted.regrid == "log":
        origin = regridded(origin, "log")
    means = means_of(origin)
    if not method:
        return means
    found = contrasts_of(origin, method, groups)
    return MarginalMeans(means.table, origin, found)


def own_offsets(grid: Grid, wanted: Wanted) -> bool:
    """Whether means are over rows that have their own offsets, which matters on another scale."""
    on_response = wanted.regrid != "none" and wanted.weights == "counterfactual"
    return on_response and not grid.offset_asked


def resolve(asked: Specs, grid: Grid) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """All variables of the means, those of `by` last; and these.

    A factor brings those that it is nested in.
    """
    groups = _found(asked.by, grid, "by")
    names = [name for name in _found(asked.names, grid, "specs") if name not in groups]
    names = _with_nests(names, groups, grid)
    groups = tuple(_with_nests(groups, names, grid))
    return (*names, *groups), groups


def _with_nests(names: Sequence[str], others: Sequence[str], grid: Grid) -> list[str]:
    """The names, behind each the factors that it is nested in unless they are there."""
    found: list[str] = []
    for name in names:
        nests = grid.nests.get(name, ())
        found += [name, *(outer for outer in nests if outer not in (*names, *others))]
    return list(dict.fromkeys(found))


def _found(asked: Sequence[str], grid: Grid, argument: str) -> tuple[str, ...]:
    names: list[str] = []
    for name in asked:
        parts = [name]
        if name not in grid.axes and (":" in name or "*" in name) and "(" not in name:
            parts = list(split_name(name))
        meant = "" if name in grid.axes else as_formula(name, grid.axes, is_method)
        if meant and len(parts) == 1 and argument == "specs":
            raise MixedModelsError(
                f'specs is {name!r:.80}, a formula without its "~"; write specs="{meant}".'
            )
        names += [find_axis(part, grid.axes, argument, design=grid.design) for part in parts]
    return tuple(dict.fromkeys(names))


def mean_functions(
    grid: Grid,
    source: Source,
    names: Sequence[str],
    groups: Sequence[str],
    weights: Weights,
    back: Back | None = None,
) -> Functions:
    """The means as functions of the coefficients.

    Args:
        grid: The cells.
        source: Coefficients, where cells are taken to the response.
        names: The variables shown.
        groups: Those of them within whose levels means are compared.
        weights: How cells are averaged.
        back: From predictors to the scale on which cells are averaged; that of the predictor if
            None. What is on another scale is near to a linear function of the coefficients.
    """
    target, codes = target_codes(grid, names)
    if weights == "counterfactual":
        L, offset = _counterfactual(grid, source, names, codes, back)
        table = cell_weights(grid, names, target, "flat")
        constant = np.full(len(L), grid.constant)
    else:
        table = cell_weights(grid, names, target, weights)
        rows, shift, share = _through(source, grid.X, grid.constant, grid.offset, back)
        L = table @ rows
        offset = np.full(len(L), grid.offset) if back is None else table @ shift
        constant = np.full(len(L), grid.constant) if back is None else table @ share
    labels = pd.DataFrame(
        {name: grid.axes[name].values.take(codes[name]) for name in names}, index=range(len(L))
    )
    texts = _texts(grid.axes, [name for name in names if name not in groups], codes, len(L))
    return Functions(
        labels,
        texts,
        L,
        constant,
        offset,
        _reasons(grid, source, L, constant, table),
        tuple(groups),
        means=None if back is None else scipy.sparse.eye_array(len(L), format="csr"),
    )


def _texts(
    axes: Mapping[str, Axis], names: Sequence[str], codes: Mapping[str, LongArray], k: int
) -> tuple[str, ...]:
    """What the means are called: levels in a row, those of numbers after the variable's name."""
    found = []
    for row in range(k):
        parts = [
            f"{name if axes[name].is_numeric else ''}{axes[name].labels[codes[name][row]]}"
            for name in names
        ]
        found.append(" ".join(parts))
    return tuple(found)


def _through(
    source: Source,
    X: FloatArray,
    constant: float,
    offset: float | FloatArray,
    back: Back | None,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Rows of X on another scale: weights of the coefficients, what is added, constants.

    Args:
        source: The coefficients.
        X: (r, p_all) rows.
        constant: What each has of what stands for the intercept in ordered models.
        offset: What is added to each predictor.
        back: From predictors to the other scale; None for theirs.
    """
    whole = np.broadcast_to(np.asarray(offset, dtype=np.float64), len(X))
    if back is None:
        return X, whole, np.full(len(X), constant)
    good = source.estimable(X, constant)
    eta = np.where(good, X[:, source.kept] @ source.tests.beta, 0.0)
    value, slope = back(eta + whole)
    slope = np.where(good, slope, 1.0)
    return slope[:, None] * X, np.where(good, value - slope * eta, 0.0), slope * constant


def _reasons(
    grid: Grid, source: Source, L: FloatArray, constant: FloatArray, table: FloatArray
) -> tuple[str, ...]:
    bad = ~source.estimable(L, constant)
    if not bad.any():
        return ("",) * len(L)
    counts, found = grid.counts(), []
    factors = [name for name, axis in grid.axes.items() if axis.is_factor]
    for row, missing in enumerate(bad.tolist()):
        if not missing:
            found.append("")
            continue
        cells = np.flatnonzero(table[row])

        def label(cell: int, cells: LongArray = cells) -> str:
            return cell_label(grid.axes, int(cells[cell]), factors)

        found.append(source.why_not(grid.X[cells], grid.constant, counts[cells], label))
    return tuple(found)


def _counterfactual(
    grid: Grid,
    source: Source,
    names: Sequence[str],
    codes: Mapping[str, LongArray],
    back: Back | None,
) -> tuple[FloatArray, FloatArray]:
    """Means over all rows of the data, each with the levels of a mean in place of its own."""
    design = grid.design
    base = training_table(design)
    k = len(next(iter(codes.values()))) if codes else 1
    L, added = np.empty((k, len(design.x_names))), np.full(k, grid.offset)
    own = None if back is None or grid.offset_asked else design.offset
    for row in range(k):
        table = base.copy(deep=False)
        for name in names:
            table[name] = grid.axes[name].at(np.full(design.n, codes[name][row], dtype=np.int64))
        X = rebuild_fixed(design, new_rows(table))
        X, shift, _ = _through(source, X, grid.constant, grid.offset if own is None else own, back)
        L[row] = X.mean(axis=0)
        if back is not None:
            added[row] = shift.mean()
    return L, added


def average_notes(
    grid: Grid, names: Sequence[str], weights: Weights, *, shifted: bool = True
) -> list[str]:
    """What is averaged over and held, and what is nested.

    Args:
        grid: The cells.
        names: The variables shown.
        weights: How cells are averaged.
        shifted: Whether the offset counts, as it does not in slopes.
    """
    found = []
    averaged = [n for n, axis in grid.axes.items() if n not in names and len(axis) > 1]
    if weights == "counterfactual":
        found.append(
            "Averaged over the rows of the data, with the levels shown in place of theirs."
        )
        averaged = []
    elif averaged:
        how = "" if weights == "equal" else f" (weights: {weights})"
        found.append(f"Averaged over the levels of {', '.join(averaged)}{how}.")
    held = [
        f"{n} = {axis.labels[0]}"
        for n, axis in grid.axes.items()
        if n not in names and len(axis) == 1 and weights != "counterfactual"
    ]
    if held:
        found.append(f"At {', '.join(held)}.")
    if shifted and grid.design.is_shifted:
        where, exposure = "" if grid.offset_asked else "its mean, ", exposure_words(grid)
        at = f"{grid.offset:.5g} ({exposure})" if exposure else f"{grid.offset:.5g}"
        found.append(f"The offset is at {where}{at}.")
    for inner, outer in grid.nests.items():
        found.append(f"{inner} is nested in {', '.join(outer)}.")
    return found


def involved_note(grid: Grid, names: Sequence[str]) -> list[str]:
    """A warning where a variable averaged over or held interacts with one that is shown."""
    held: list[str] = []
    for term in grid.design.formula.terms:
        variables = variables_of_term(grid.design, term)
        others = variables - set(names)
        nested = {outer for name in others for outer in grid.nests.get(name, ())}
        shown = variables & set(names)
        if not (shown - nested and others):
            continue
        listed, with_others = ", ".join(sorted(shown)), ", ".join(sorted(others))
        if any(len(grid.axes[name]) > 1 for name in others):
            return [f"{listed} interacts with {with_others}, so averages may hide differences."]
        held.append(f"{listed} interacts with {with_others}, so comparisons hold where it is held.")
    return list(dict.fromkeys(held))


def degrees_note(source: Source) -> str:
    """Which method gave the degrees of freedom, and which covariance errors are by."""
    tests = source.tests
    found = f"Degrees of freedom: {_METHODS.get(tests.method, tests.method)}."
    return f"{found} Covariance: {tests.source}." if tests.source else found


def scale_notes(scale: Scale | None, view: View, *, averaged: bool = False) -> list[str]:
    """Notes that say on which scale the estimates are.

    Args:
        scale: The way back from the linear predictor.
        view: How estimates are shown.
        averaged: Whether they are averages on the scale of the response.
    """
    if scale is None:
        return []
    if averaged:
        return [f"Averages of cells taken from the scale of {scale.name} by the delta method."]
    if view.scale is None:
        return [
            f"Estimates are on the scale of {scale.name}; type='response' transforms them back."
        ]
    found = [f"Back-transformed from {scale.name}; limits are those there, transformed."]
    if view.spread:
        found.append(f"Bias adjusted for a standard deviation of {view.spread**0.5:.5g}.")
    return found
