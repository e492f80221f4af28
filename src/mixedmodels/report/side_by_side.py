"""Several models in one table: the estimates of each in a column of its own.

Numbers come as frozen values; this module chooses rows, decimals and notes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from mixedmodels.errors import MixedModelsError
from mixedmodels.lazy import late_module
from mixedmodels.report.numbers import SLACK, format_number, format_p
from mixedmodels.report.results import Result
from mixedmodels.report.sections import Paragraph, Section, Table

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = late_module("pandas")

Below: TypeAlias = Literal["std_error", "conf_int", "statistic", "p_value", "none"]
BELOW: tuple[Below, ...] = get_args(Below)

DIGITS = 4
# Largest p-value of each mark.
STARS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))

_BRACKETS = {"conf_int": "[{}]", "none": "{}"}
_EXPLAINED = {
    "std_error": "Standard errors in parentheses.",
    "statistic": "Test statistics in parentheses.",
    "p_value": "p-values in parentheses.",
    "none": "",
}
_RESTRICTED = (
    "logLik, AIC and BIC of REML fits compare only between equal fixed parts.",
    "Compare other models with anova(), or fit them with reml=False.",
)
# Largest relative difference of norms of one response that were summed in different orders.
_ROUNDING = 1e-9
_OTHER_ROWS = ("The rows or responses differ, so logLik, AIC and BIC do not compare.",)


@dataclass(frozen=True, slots=True)
class ResponseMark:
    """What tells responses apart.

    Attributes:
        digest: Of the numbers; None where a fit has no rows.
        norm: Root of the weighted sum of squares of the response.
    """

    digest: bytes | None
    norm: float


@dataclass(frozen=True, slots=True, eq=False)
class ModelColumn:
    """What the table shows of one model.

    Attributes:
        name: Title of the column.
        formula: What was fitted.
        reml: Whether the fit is by REML.
        fixed: Coefficients by name: `estimate`, `std_error`, `df`, `statistic`, `p_value`, `lower`,
            `upper`.
        random: Standard deviations and correlations by name.
        groups: Number of levels by grouping factor.
        n: Rows used.
        response: What tells whether another model has the same rows and response; None of a model
            that stands for several.
        criteria: `logLik`, `AIC`, `BIC`.
        notes: Messages of the fit.
        family: Family and link of a generalized model, or nothing.
        own: The family's own parameter by name, where it is one number.
        others: Coefficients of other parameters of the distribution, by title, as `fixed`.
        tested: Degrees of freedom of tests and limits, in words.
    """

    name: str
    formula: str
    reml: bool
    fixed: pd.DataFrame
    random: Mapping[str, float]
    groups: Mapping[str, int]
    n: int
    response: ResponseMark | None
    criteria: Mapping[str, float]
    notes: tuple[str, ...]
    family: tuple[str, str] | tuple[()] = ()
    own: Mapping[str, float] = field(default_factory=dict)
    others: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    tested: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ModelTable(Result):
    """Models side by side; prints as text, and as HTML in a notebook.

    Attributes:
        columns: One value per model.
        below: What stands below each coefficient.
        level: Coverage of intervals.
        stars: Whether marks show the size of p-values.
        exponentiate: Whether fixed effects are shown as ratios.
    """

    columns: tuple[ModelColumn, ...]
    below: Below
    level: float
    stars: bool
    exponentiate: bool = False

    def to_frame(self) -> pd.DataFrame:
        """All numbers, one row per term.

        Returns:
            Rows by (`part`, `term`), where part is "fixed", "random", "groups" or "model", and of
            generalized models "dispersion", "zero_inflation" and "thresholds"; columns
            by (model, value), where value is `estimate`, `std_error`, `df`, `statistic`, `p_value`,
            `lower` or `upper`. NaN where a model does not have the term, or the term not the value.
        """
        parts = {column.name: _long(column) for column in self.columns}
        rows = pd.MultiIndex.from_tuples(self._row_keys(), names=["part", "term"])
        frame = pd.concat({name: part.reindex(rows) for name, part in parts.items()}, axis=1)
        return frame.rename_axis(columns=["model", "value"])

    def _row_keys(self) -> list[tuple[str, str]]:
        keys: list[tuple[str, str]] = []
        for part in ("fixed", "random"):
            keys += [(part, term) for term in self._terms(part)]
        for title in _union(column.others for column in self.columns):
            found = (
                column.others[title].index for column in self.columns if title in column.others
            )
            keys += [(_part(title), term) for term in _union(found)]
        keys += [("groups", group) for group in _union(column.groups for column in self.columns)]
        own = _union(column.own for column in self.columns)
        return [*keys, *(("model", name) for name in ("nobs", *_CRITERIA, *own))]

    def _terms(self, part: str) -> list[str]:
        if part == "fixed":
            return _union(column.fixed.index for column in self.columns)
        return sorted(_union(column.random for column in self.columns), key=_kind)

    def _sections(self) -> Sequence[Section]:
        header = ("", *(column.name for column in self.columns))
        sides = "<" + ">" * len(self.columns)
        tables = [
            Table(f"Fixed effects{self._shown_as()}:", header, tuple(self._fixed_rows()), sides),
            *(
                Table(f"{title}:", header, tuple(self._other_rows(title)), sides)
                for title in _union(column.others for column in self.columns)
            ),
            Table("Random effects (SD and correlations):", header, self._random_rows(), sides),
            Table("", header, tuple(self._model_rows()), sides),
        ]
        formulas = tuple(f"{column.name}: {column.formula}" for column in self.columns)
        return [Paragraph(formulas), *(t for t in tables if t.rows), Paragraph(self._notes())]

    def _shown_as(self) -> str:
        return ", as ratios" if self.exponentiate else ""

    def _other_rows(self, title: str) -> Iterator[tuple[str, ...]]:
        """Coefficients of another parameter, with what stands below those of the mean."""
        nothing = pd.DataFrame(columns=list(_VALUES))
        yield from self._rows_of([column.others.get(title, nothing) for column in self.columns])

    def _fixed_rows(self) -> Iterator[tuple[str, ...]]:
        yield from self._rows_of([column.fixed for column in self.columns])

    def _rows_of(self, tables: Sequence[pd.DataFrame]) -> Iterator[tuple[str, ...]]:
        cells = [self._cells(table) for table in tables]
        for term in _union(table.index for table in tables):
            found = [column.get(term, ("", "")) for column in cells]
            yield (term, *(upper for upper, _ in found))
            if self.below != "none":
                yield ("", *(lower for _, lower in found))

    def _cells(self, table: pd.DataFrame) -> dict[str, tuple[str, str]]:
        """Of each coefficient the text of its estimate and of what stands below it."""
        space = "   " if self.stars else ""
        pattern = _BRACKETS.get(self.below, "({})") + space
        cells = {}
        for term, row in table.iterrows():
            decimals = _decimals(row["std_error"])
            estimate = _fixed_point(row["estimate"], decimals)
            mark = f"{_mark(row['p_value']):3}" if self.stars else ""
            cells[str(term)] = (estimate + mark, pattern.format(self._lower(row, decimals)))
        return cells

    def _lower(self, row: pd.Series, decimals: int | None) -> str:
        if self.below == "conf_int":
            return ", ".join(_fixed_point(row[name], decimals) for name in ("lower", "upper"))
        if self.below == "p_value":
            return format_p(row["p_value"])
        if self.below == "statistic":
            return f"{row['statistic']:.3f}"
        return _fixed_point(row["std_error"], decimals)

    def _random_rows(self) -> tuple[tuple[str, ...], ...]:
        return tuple(
            (term, *(_number(column.random.get(term)) for column in self.columns))
            for term in self._terms("random")
        )

    def _model_rows(self) -> Iterator[tuple[str, ...]]:
        yield ("Observations", *(str(column.n) for column in self.columns))
        for group in _union(column.groups for column in self.columns):
            levels = (column.groups.get(group) for column in self.columns)
            yield (f"Levels of {group}", *(str(n or "") for n in levels))
        for name in _CRITERIA:
            yield (name, *(_criterion(column.criteria[name]) for column in self.columns))
        for name in _union(column.own for column in self.columns):
            yield (name, *(_number(column.own.get(name)) for column in self.columns))
        if any(column.family for column in self.columns):
            families = [column.family or ("gaussian", "identity") for column in self.columns]
            yield ("Family", *(name for name, _ in families))
            yield ("Link", *(link for _, link in families))
        yield ("Method", *("REML" if column.reml else "ML" for column in self.columns))

    def _notes(self) -> tuple[str, ...]:
        notes = [_EXPLAINED.get(self.below, f"{100 * self.level:g} % intervals in brackets.")]
        if self.stars:
            notes.append(", ".join(f"{mark} p < {p:g}" for p, mark in reversed(STARS)) + ".")
        notes += self._tested()
        if self._incomparable():
            notes += _OTHER_ROWS
        elif self._restricted():
            notes += _RESTRICTED
        for column in self.columns:
            notes += [f"{column.name}: {note}" for note in column.notes]
        return tuple(note for note in notes if note)

    def _tested(self) -> list[str]:
        """By which degrees of freedom tests and limits are, where some are shown."""
        if not self.stars and self.below not in ("conf_int", "p_value"):
            return []
        names: dict[str, list[str]] = {}
        for column in self.columns:
            if len(column.fixed):
                names.setdefault(column.tested, []).append(column.name)
        if len(names) == 1:
            return [f"Tests and limits: {way}." for way in names]
        return [f"Tests and limits of {', '.join(of)}: {way}." for way, of in names.items()]

    def _incomparable(self) -> bool:
        """Whether the models are not all of the same rows and response."""
        marks = [column.response for column in self.columns]
        sizes = {column.n for column in self.columns}
        return len(sizes) > 1 or any(not _alike(marks[0], mark) for mark in marks[1:])

    def _restricted(self) -> bool:
        """Whether criteria are shown that must not be compared."""
        kinds = {column.reml for column in self.columns}
        fixed = {tuple(column.fixed.index) for column in self.columns}
        return len(kinds) > 1 or (True in kinds and len(fixed) > 1)


def _alike(one: ResponseMark | None, other: ResponseMark | None) -> bool:
    """Whether two responses are the same; for a fit without rows, but for rounding."""
    if one is None or other is None:
        return one is other
    if one.digest is not None and other.digest is not None:
        return one.digest == other.digest
    return math.isclose(one.norm, other.norm, rel_tol=_ROUNDING)


_CRITERIA = ("logLik", "AIC", "BIC")
_VALUES = ("estimate", "std_error", "df", "statistic", "p_value", "lower", "upper")


def with_shared_names(columns: Sequence[ModelColumn]) -> tuple[ModelColumn, ...]:
    """The columns, an interaction of grouping factors called alike in all: `g:h` is `h:g`."""
    known: dict[frozenset[str], str] = {}
    made = []
    for column in columns:
        spelled = {g: known.setdefault(frozenset(g.split(":")), g) for g in column.groups}
        if len(set(spelled.values())) == len(spelled):
            column = replace(  # noqa: PLW2901 (the same column)
                column,
                groups={spelled[group]: levels for group, levels in column.groups.items()},
                random={_respelled(name, spelled): x for name, x in column.random.items()},
            )
        made.append(column)
    return tuple(made)


def _respelled(parameter: str, spelled: Mapping[str, str]) -> str:
    """`sd(h:g.x)` as `sd(g:h.x)`."""
    for group, name in spelled.items():
        kind, bracket, rest = parameter.partition("(")
        if rest.startswith(f"{group}."):
            return f"{kind}{bracket}{name}{rest[len(group) :]}"
    return parameter


def check_names(names: Sequence[str] | None, count: int) -> list[str]:
    """A title for each model, all different.

    Raises:
        MixedModelsError: Not one text for each model, or two that are equal.
    """
    if names is None:
        return [f"({i + 1})" for i in range(count)]
    given = [names] if isinstance(names, str) else list(names)
    if (
        len(given) != count
        or len(set(given)) != count
        or not all(isinstance(n, str) for n in given)
    ):
        raise MixedModelsError(
            f"names is {names!r:.80}; it must have one text for each of the {count} fits, all "
            "different."
        )
    return given


def _long(column: ModelColumn) -> pd.DataFrame:
    """The numbers of one model by (part, term)."""
    fixed = column.fixed[list(_VALUES)]
    model = {"nobs": float(column.n), **column.criteria, **column.own}
    others = {"random": column.random, "groups": column.groups, "model": model}
    keys = [("fixed", term) for term in fixed.index]
    values = [fixed.to_numpy(dtype=np.float64)]
    for title, of in column.others.items():
        keys += [(_part(title), term) for term in of.index]
        values.append(of[list(_VALUES)].to_numpy(dtype=np.float64))
    for part, numbers in others.items():
        keys += [(part, term) for term in numbers]
        block = np.full((len(numbers), len(_VALUES)), np.nan)
        block[:, 0] = list(numbers.values())
        values.append(block)
    rows = pd.MultiIndex.from_tuples(keys, names=["part", "term"])
    return pd.DataFrame(np.vstack(values), rows, list(_VALUES))


def _part(title: str) -> str:
    """The part of `Zero inflation, logit(probability)` is `zero_inflation`."""
    return title.partition(",")[0].lower().replace(" ", "_")


def _kind(parameter: str) -> int:
    """Standard deviations come first, then correlations, and sigma last."""
    return 0 if parameter.startswith("sd(") else 1 if parameter.startswith("cor(") else 2


def _union(parts: Iterable[Iterable[str]]) -> list[str]:
    """All names, each once, in the order in which they first come."""
    return list(dict.fromkeys(name for part in parts for name in part))


def _decimals(std_error: float) -> int | None:
    """Decimals in which a standard error has three digits; None where there is no such number."""
    if not (math.isfinite(std_error) and std_error > 1e-6):
        return None
    return max(0, 2 - math.floor(math.log10(std_error)))


def _fixed_point(value: float, decimals: int | None) -> str:
    if decimals is None or not math.isfinite(value):
        return _number(value)
    return f"{round(value, decimals) + 0.0:.{decimals}f}"


def _number(value: float | None) -> str:
    """The number with four significant digits; nothing for None."""
    if value is None:
        return ""
    return format_number(value, DIGITS, SLACK).replace("nan", "NaN")


def _criterion(value: float) -> str:
    """The criterion with three decimals; nothing where a model does not have it."""
    return f"{value:.3f}" if math.isfinite(value) else ""


def _mark(p: float) -> str:
    return next((mark for limit, mark in STARS if p < limit), "")
