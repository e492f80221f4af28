"""Effects for pictures: marginal means over a covariate or a factor, and what lies behind them.

Predictions and limits are those of `means`; points and lines of levels are added here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray, IntArray, LongArray
from mixedmodels.design.columns import level_label
from mixedmodels.design.design import Design, TermDesign
from mixedmodels.design.evaluate import columns_of
from mixedmodels.design.frame import as_table
from mixedmodels.design.lookup import GroupNames
from mixedmodels.design.rebuild import new_rows, rebuild_term
from mixedmodels.design.variables import variable_column
from mixedmodels.errors import FormulaError, MixedModelsError
from mixedmodels.estimates.linear import Fitted
from mixedmodels.estimates.tables import term_modes
from mixedmodels.formula.expression import parse_expression
from mixedmodels.marginal.axes import Axis, axes_of, find_at, find_axis, range_of
from mixedmodels.marginal.functions import Functions, View
from mixedmodels.marginal.grid import Grid, combined, grid_table, reference_grid, with_offset
from mixedmodels.marginal.meaning import Meaning, offset_words
from mixedmodels.marginal.means import (
    Wanted,
    average_notes,
    involved_note,
    marginal_means,
    resolve,
)
from mixedmodels.marginal.scale import Scale
from mixedmodels.marginal.source import Source
from mixedmodels.marginal.specs import read_specs
from mixedmodels.marginal.weights import cell_weights, target_codes
from mixedmodels.memory import require
from mixedmodels.plots.effects import Curve, Effect, Marks, Strands
from mixedmodels.spelling import chosen_option, spelled

Show: TypeAlias = Literal["data", "partial", "none"]
SHOWS: tuple[Show, ...] = get_args(Show)

# Values of a covariate at which a line is computed: so many, fewer where there are many levels.
_PLACES = (11, 101)
_CELLS = 4000


@dataclass(frozen=True, slots=True)
class Behind:
    """What is drawn behind predictions.

    Attributes:
        show: Points.
        random: The grouping factor whose levels have lines, or "none".
        linked: Whether the predictor is a transformation of the mean, not of the response: there
            are no data on its scale then.
    """

    show: Show = "data"
    random: str = "none"
    linked: bool = False


def effect_of(
    fitted: Fitted,
    source: Source,
    scale: Scale | None,
    meaning: Meaning,
    variable: Any,
    by: Any,
    at: Any,
    wanted: Wanted,
    behind: Behind,
    residuals: Callable[[], FloatArray],
) -> Effect:
    """The effect of a variable on the response.

    Args:
        fitted: The fit.
        source: Coefficients and their covariance.
        scale: The way back from the linear predictor, or None.
        meaning: What means are.
        variable: What predictions are made over.
        by: What has a line each, or None.
        at: Values of variables, by name.
        wanted: How they are averaged and shown.
        behind: What is drawn behind them.
        residuals: Gives those (n,) of the rows used, on the scale of the predictor.

    Raises:
        MixedModelsError: A variable or grouping factor that the model does not have, an unknown
            option, or predictions of which none is estimable.
        ResourceError: Too many combinations.
    """
    behind = replace(behind, show=chosen_option("show", behind.show, SHOWS))
    design = fitted.model.design
    group = _group(design, behind.random)
    if group is not None and wanted.weights == "counterfactual":
        raise MixedModelsError("random= does not go with weights='counterfactual'.")
    name, groups, values = _values(design, variable, by, at)
    found = marginal_means(design, source, scale, [name], list(groups) or None, values, wanted)
    grid = with_offset(reference_grid(design, values), wanted.offset)
    names, groups = resolve(read_specs([name], list(groups) or None), grid)
    functions = found.origin.functions
    effect = _Parts(fitted, grid, names, groups, functions, found.table, found.origin.view)
    curves = effect.curves()
    if all(np.isfinite(curve.estimate).sum() < 1 + effect.is_line for curve in curves):
        why = next(iter(found.notes.values()), "they are not numbers.")
        raise MixedModelsError(f"plot_effect: predictions over '{name}' cannot be drawn: {why}")
    marks = effect.marks(behind, residuals) if design.has_rows else None
    return Effect(
        variable=":".join(effect.own),
        levels=None if effect.is_line else effect.levels(),
        by=", ".join(groups[:1]),
        panel=", ".join(groups[1:]),
        response=_response(grid, scale, meaning, wanted, behind.linked),
        curves=curves,
        notes=_notes(grid, names, meaning, wanted, found.origin.view),
        marks=marks,
        strands=None if group is None else effect.strands(group, wanted),
    )


def _group(design: Design, random: Any) -> int | None:
    names = GroupNames(design.groups)
    found = None if isinstance(random, str) and random == "none" else names.find(random)
    if found is None and spelled(random, ("none",)) is not None:
        return None
    if found is None:
        raise MixedModelsError(f"random={names.unknown(random)} 'none' draws no lines of levels.")
    return found


def _values(
    design: Design, variable: Any, by: Any, at: Any
) -> tuple[str, tuple[str, ...], dict[str, Any]]:
    """The variables by their names, and the values of all that have values of their own."""
    axes = axes_of(design)
    if not isinstance(variable, str):
        raise MixedModelsError(
            f"variable is {variable!r:.80}; it must be the name of a variable. Others, for lines "
            "and panels of their own, go to by=."
        )
    name = find_axis(variable, axes, "variable", design=design)
    groups = tuple(find_axis(asked, axes, "by", design=design) for asked in read_specs([], by).by)
    if name in groups:
        raise MixedModelsError(f"by names '{name}', which is the variable itself.")
    values: dict[str, Any] = {}
    if at is not None and not isinstance(at, Mapping):
        raise MixedModelsError(f"at is {at!r:.80}; it must be a dict from a variable to values.")
    for asked, given in (at or {}).items():
        values[find_at(str(asked), axes)] = given
    for each in (name, *groups):
        if each in values or axes[each].is_factor:
            continue
        if each == name:
            places = _places([axis for other, axis in axes.items() if other != name])
            values[each] = np.linspace(*range_of(design, each), places)
        else:
            values[each] = _about_the_mean(design, each)
    if name in values and not axes[name].is_factor:
        values[name] = _increasing(values[name])
    return name, groups, values


def _about_the_mean(design: Design, name: str) -> list[float]:
    """The mean of a covariate, and one standard deviation below and above.

    Raises:
        MixedModelsError: There are no rows.
    """
    if not design.has_rows:
        raise MixedModelsError(
            f"by names '{name}', whose standard deviation is not known: this fit was made from "
            f"sums over rows. Give its values, at={{'{name}': [...]}}."
        )
    column = variable_column(name, design.variables, design.fixed_spec, design.X)
    middle, spread = float(column.mean()), float(column.std(ddof=1))
    return [middle - spread, middle, middle + spread]


def _places(others: Sequence[Axis]) -> int:
    return int(np.clip(_CELLS // math.prod(len(axis) for axis in others), *_PLACES))


def _increasing(values: Any) -> Any:
    try:
        return np.unique(np.asarray(values, dtype=np.float64).ravel())
    except (TypeError, ValueError):
        return values  # what is wrong with them is said elsewhere


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    """Predictions as a table, and where rows of the data belong in it."""

    fitted: Fitted
    grid: Grid
    names: tuple[str, ...]
    groups: tuple[str, ...]
    functions: Functions
    table: pd.DataFrame
    view: View

    @property
    def own(self) -> tuple[str, ...]:
        """The variable, behind factors that it is nested in."""
        return tuple(name for name in self.names if name not in self.groups)

    @property
    def is_line(self) -> bool:
        """Whether predictions are those over a covariate."""
        return len(self.own) == 1 and not self.grid.axes[self.own[0]].is_factor

    def _families(self) -> list[LongArray]:
        return list(self.functions.families(self.groups))

    def levels(self) -> tuple[str, ...]:
        """Levels of the variable, in order."""
        labels = self.functions.labels
        texts = [
            " ".join(level_label(labels[name].iloc[row]) for name in self.own)
            for row in range(len(labels))
        ]
        return tuple(dict.fromkeys(texts[i] for i in np.argsort(self._order(), kind="stable")))

    def _order(self) -> LongArray:
        return self._codes_of(self.functions.labels, self.own)

    def _at(self) -> FloatArray:
        """(k,) where each prediction stands."""
        if self.is_line:
            return np.asarray(self.functions.labels[self.own[0]], dtype=np.float64)
        return np.unique(self._order(), return_inverse=True)[1].astype(np.float64)

    def curves(self) -> tuple[Curve, ...]:
        """A curve for each combination of the levels of `by`."""
        at = self._at()
        estimate, lower, upper = (
            self.table[c].to_numpy(dtype=np.float64) for c in ("estimate", "lower", "upper")
        )
        return tuple(
            Curve(
                self._name(int(rows[0]), self.groups[:1]),
                at[rows],
                estimate[rows],
                lower[rows],
                upper[rows],
                self._name(int(rows[0]), self.groups[1:]),
            )
            for rows in self._families()
        )

    def _name(self, row: int, names: Sequence[str]) -> str:
        labels, axes = self.functions.labels, self.grid.axes
        parts = []
        for name in names:
            value = labels[name].iloc[row]
            parts.append(f"{value:.4g}" if axes[name].is_numeric else level_label(value))
        return " ".join(parts)

    def _codes_of(self, labels: pd.DataFrame, names: Sequence[str]) -> LongArray:
        """(k,) combination of levels of each prediction."""
        axes = [self.grid.axes[name] for name in names]
        if not axes:
            return np.zeros(len(labels), dtype=np.int64)
        codes = [
            axis.values.get_indexer(pd.Index(labels[name])).astype(np.int64)
            for name, axis in zip(names, axes, strict=True)
        ]
        return combined(codes, [len(axis) for axis in axes])

    def _codes_of_rows(self, names: Sequence[str]) -> LongArray:
        """(n,) the same for the rows of the data, -1 for none; numbers are those nearest."""
        design = self.grid.design
        known, codes = np.ones(design.n, dtype=np.bool_), []
        for name in names:
            axis = self.grid.axes[name]
            if axis.codes is not None:
                own = axis.codes
            else:
                column = variable_column(name, design.variables, design.fixed_spec, design.X)
                own = _nearest(axis.values.to_numpy(dtype=np.float64), column)
            known &= own >= 0
            codes.append(np.maximum(own, 0))
        if not codes:
            return np.zeros(design.n, dtype=np.int64)
        sizes = [len(self.grid.axes[name]) for name in names]
        return np.where(known, combined(codes, sizes), -1)

    def _curve_of_rows(self) -> LongArray:
        """(n,) the curve that each row belongs to, -1 for none."""
        codes = self._codes_of(self.functions.labels, self.groups)
        curves = [int(codes[rows[0]]) for rows in self._families()]
        return _positions(self._codes_of_rows(self.groups), np.array(curves, dtype=np.int64))

    def _places_of_rows(self) -> FloatArray:
        """(n,) where each row stands, NaN for nowhere."""
        if self.is_line:
            design = self.grid.design
            column = variable_column(self.own[0], design.variables, design.fixed_spec, design.X)
            return np.asarray(column, dtype=np.float64)
        places = _positions(self._codes_of_rows(self.own), np.unique(self._order()))
        return np.where(places >= 0, places, np.nan)

    def marks(self, behind: Behind, residuals: Callable[[], FloatArray]) -> Marks | None:
        """The response of every row, or what is predicted for it plus its residual."""
        show, back = behind.show, self.view.scale is not None
        if show == "none" or (show == "data" and behind.linked and not back):
            return None
        curve, at = self._curve_of_rows(), self._places_of_rows()
        y = np.array(self.fitted.mean_response, dtype=np.float64)
        if show == "data" and self.grid.offset_asked:
            y = self._at_offset(y, linked=behind.linked)
        if show == "partial":
            y = self._linear_at(at, curve) + residuals()
        is_response = show == "data" and behind.linked
        shown = self.view.back(y)[0] if back and not is_response else y
        good = (curve >= 0) & np.isfinite(at) & np.isfinite(shown)
        what = "data" if show == "data" else "partial residuals"
        own = self.grid.design.offset
        if show == "data" and not self.grid.offset_asked and own is not None and np.ptp(own) > 0.0:
            what = "data, each at its own offset"
        return Marks(what, at[good], shown[good], curve[good].astype(np.int32))

    def _at_offset(self, y: FloatArray, *, linked: bool) -> FloatArray:
        """(n,) responses moved along the predictor from the offset of their row to that asked."""
        own = self.grid.design.offset
        move = self.grid.offset - (0.0 if own is None else own)
        if not linked:
            return y + move
        model: Any = self.fitted.model  # a generalized one
        link = model.family.link
        with np.errstate(divide="ignore", invalid="ignore"):
            moved: FloatArray = link.mean(link.predictor(y) + move)
        return moved

    def _linear(self) -> FloatArray:
        """(k,) predictions on the scale of the predictor."""
        L, solution = self.functions.L, self.fitted.solution
        values = L[:, solution.kept] @ solution.beta[solution.kept] + self.functions.offset
        unknown = self.table["std_error"].isna().to_numpy()
        return np.where(unknown, np.nan, values)

    def _linear_at(self, at: FloatArray, curve: LongArray) -> FloatArray:
        """(n,) predictions at places of curves."""
        linear, places, found = self._linear(), self._at(), np.full(len(at), np.nan)
        for j, rows in enumerate(self._families()):
            own = (curve == j) & np.isfinite(at)
            order = rows[np.argsort(places[rows], kind="stable")]
            if self.is_line:
                found[own] = np.interp(at[own], places[order], linear[order])
            else:
                value = np.full(int(np.nanmax([*at[own], *places])) + 1, np.nan)
                value[places[order].astype(int)] = linear[order]
                found[own] = value[at[own].astype(int)]
        return found

    def strands(self, group: int, wanted: Wanted) -> Strands:
        """A line for each level of a grouping factor on each curve where it has rows."""
        design, factor = self.grid.design, self.grid.design.groups[group]
        k = len(self.functions.L)
        require(
            {f"{factor.n_levels} levels at {k} values": 24.0 * factor.n_levels * k}, "plot_effect"
        )
        target, _ = target_codes(self.grid, self.names)
        weights = cell_weights(self.grid, self.names, target, wanted.weights)
        by_level = np.zeros((factor.n_levels, k))
        for t, term in enumerate(design.terms):
            if term.group == group:
                modes = term_modes(self.fitted.model.templates, self.fitted.solution.b, t)
                by_level += modes @ (weights @ _at_cells(term, self.grid)).T
        values = self._linear() + by_level
        if self.view.scale is not None:
            values = self.view.back(values.ravel())[0].reshape(values.shape)
        if not design.has_rows:
            return self._everywhere(factor.name, values)
        return self._where_seen(factor.name, factor.codes, values)

    def _everywhere(self, name: str, values: FloatArray) -> Strands:
        """Lines of all levels, where rows are elsewhere and there is one curve.

        Raises:
            MixedModelsError: There are several; who has rows on which is not known.
        """
        families = self._families()
        if len(families) > 1 or not self.is_line:
            raise MixedModelsError(
                f"random='{name}' draws the lines of levels where they have rows, and this fit was "
                "made from sums over rows. Leave out by=, and give a covariate as the variable."
            )
        return Strands(name, len(values), np.zeros(len(values), np.int32), values[:, families[0]])

    def _where_seen(self, name: str, codes: IntArray, values: FloatArray) -> Strands:
        curve, at, places = self._curve_of_rows(), self._places_of_rows(), self._at()
        lines, curves = [], []
        for j, rows in enumerate(self._families()):
            here = (curve == j) & np.isfinite(at)
            for level in np.unique(codes[here]).tolist():
                line = values[level, rows].copy()
                if not self.is_line:
                    line[~np.isin(places[rows], at[here & (codes == level)])] = np.nan
                lines.append(line)
                curves.append(j)
        width = len(self._families()[0])
        y = np.array(lines) if lines else np.zeros((0, width))
        return Strands(name, len(values), np.array(curves, dtype=np.int32), y)


def _nearest(values: FloatArray, column: FloatArray) -> LongArray:
    order = np.argsort(values, kind="stable")
    between = (values[order][1:] + values[order][:-1]) / 2.0
    return order[np.searchsorted(between, np.asarray(column, dtype=np.float64))].astype(np.int64)


def _positions(codes: LongArray, known: LongArray) -> LongArray:
    """Positions of codes among those known, -1 for others."""
    order = np.argsort(known, kind="stable")
    place = np.minimum(np.searchsorted(known[order], codes), len(known) - 1)
    return np.where(known[order][place] == codes, order[place], -1).astype(np.int64)


def _at_cells(term: TermDesign, grid: Grid) -> FloatArray:
    """(cells, s) z of a term; its mean over the data where it needs what the grid does not have."""
    table = grid_table(grid.axes)
    given = as_table(table)
    try:
        for recipe in term.spec.recipes.values():
            columns_of(recipe.factor, recipe.formula, given)
    except FormulaError:
        mean = np.asarray(term.z, dtype=np.float64).mean(axis=0)
        return np.tile(mean, (len(table), 1))
    return rebuild_term(term, new_rows(table))


def _response(
    grid: Grid, scale: Scale | None, meaning: Meaning, wanted: Wanted, linked: bool
) -> str:
    """What predictions are of, and at which offset where that was asked for."""
    design = grid.design
    if linked:
        found = meaning.predictor if wanted.type == "link" else meaning.observed
    elif scale is None or wanted.type == "link":
        found = meaning.observed if scale is None else design.response_name
    else:
        references = parse_expression(design.formula.response_factor.source).references
        found = ", ".join(ref.name for ref in references if not ref.called) or design.response_name
    return f"{found}{offset_words(grid)}"


def _notes(
    grid: Grid, names: Sequence[str], meaning: Meaning, wanted: Wanted, view: View
) -> tuple[str, ...]:
    found = [f"{100 * wanted.level:g} % limits."]
    found += average_notes(grid, names, wanted.weights)
    found += involved_note(grid, names)
    if view.scale is not None:
        found.append(f"Back-transformed from {view.scale.name}.")
    found += ["Only differences have a meaning."] if meaning.latent else meaning.notes
    return tuple(found)
