"""The chapters of the page that reports a fit: the model in words, tables, how it was fitted.

Values come from the fit; this module chooses words and columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from mixedmodels.report.distributions import (
    DistributionWords,
    indexed,
    linear_terms,
    listed,
    product,
)
from mixedmodels.report.frames import DIGITS, frame_table
from mixedmodels.report.numbers import SLACK, format_column
from mixedmodels.report.sections import Paragraph, Section, Table

if TYPE_CHECKING:
    import pandas as pd

_HEADERS = {
    "estimate": "Estimate",
    "std_error": "Std. Error",
    "lower": "2.5 %",
    "upper": "97.5 %",
    "statistic": "t",
    "p_value": "p",
}
_TEST_HEADERS = {"num_df": "Num. df", "den_df": "Den. df", "statistic": "F", "p_value": "p"}


class Chapter(NamedTuple):
    """Sections under a heading."""

    heading: str
    sections: Sequence[Section]


class RandomPart(NamedTuple):
    """One random-effects term: its grouping factor, effects, and number of levels."""

    group: str
    effects: tuple[str, ...]
    levels: int


@dataclass(frozen=True, slots=True, eq=False)
class PageValues:
    """What the page shows.

    Attributes:
        response: The left-hand side.
        reml: Whether the fit is by REML.
        n: Rows used.
        n_dropped: Rows dropped for missing values.
        weighted: Whether there are prior weights.
        shifted: Whether there is an offset.
        random: Random-effects terms.
        fixed: `estimate`, `std_error`, `lower`, `upper`, `df`, `statistic`, `p_value`.
        tests: F tests of terms; None without such terms.
        components: `group`, `effect`, `sd`, `lower`, `upper`, `correlation` as text.
        shares: Lines on R squared and intraclass correlations.
        criteria: Rows of criteria.
        search: Rows on how the optimum was found.
        made: Date, and version of the package.
        others: Chapters that other parts of the library give, before the last.
        family: Of a generalized model what is said of its distribution; else None.
        beside: What was given beside the formula.
        ratios: Coefficients as ratios, `estimate`, `lower` and `upper`, and what these are called.
        parameters: Tables of the parameters of the distribution beside its mean.
    """

    response: str
    reml: bool
    n: int
    n_dropped: int
    weighted: bool
    shifted: bool
    random: tuple[RandomPart, ...]
    fixed: pd.DataFrame
    tests: pd.DataFrame | None
    components: Table
    shares: tuple[str, ...]
    criteria: Table
    search: Table
    made: str
    others: tuple[Chapter, ...] = ()
    family: DistributionWords | None = None
    beside: Mapping[str, str] = field(default_factory=dict)
    ratios: tuple[str, pd.DataFrame] | None = None
    parameters: tuple[Section, ...] = ()


def chapters(values: PageValues) -> list[Chapter]:
    """The chapters in the order of the page."""
    found = [
        Chapter("The model", [Paragraph(tuple(_words(values))), Paragraph(equation(values))]),
        Chapter("Fixed effects", list(_fixed(values))),
        Chapter("Other parameters of the distribution", values.parameters),
        Chapter("Random effects", [values.components, Paragraph(values.shares)]),
        *values.others,
        Chapter("How it was fitted", [values.criteria, values.search]),
    ]
    return [chapter for chapter in found if chapter.sections]


def _words(values: PageValues) -> Iterator[str]:
    method = "restricted maximum likelihood (REML)" if values.reml else "maximum likelihood"
    if values.family is None:
        yield f"Linear mixed model of {values.response}, fitted by {method}."
    else:
        of = values.family
        yield (
            f"Generalized linear mixed model of {values.response}, {of.family} with {of.link} "
            f"link, fitted by {of.method}."
        )
    dropped = f" ({values.n_dropped:,} dropped for missing values)" if values.n_dropped else ""
    levels = {part.group: part.levels for part in values.random}
    groups = ", ".join(f"{count:,} levels of {group}" for group, count in levels.items())
    yield f"Data: {values.n:,} observations{dropped}; {groups}. {values.made}."
    for what, text in values.beside.items():
        yield f"{what}: {text}."
    names = [name for name in values.fixed.index if name != "(Intercept)"]
    if names:
        yield f"Fixed effects: {listed(names)}."
    for part in values.random:
        yield f"Random effects of {part.group}: {listed(part.effects)}."
    if values.family is not None:
        yield from values.family.words()


def equation(values: PageValues) -> tuple[str, ...]:
    """Lines of the model as an equation, with β for fixed effects and b for random ones."""
    names = list(values.fixed.index)
    fixed = linear_terms("β", "X", names)
    random, distributions, number = [], [], 0
    for term, part in enumerate(values.random):
        symbols = []
        for name in part.effects:
            symbols.append(indexed("b", number))
            random.append(product(f"{symbols[-1]}[{part.group}]", name))
            number += 1
        what = symbols[0] if len(symbols) == 1 else f"({', '.join(symbols)})"
        spread = indexed("τ", term) + "²" if len(symbols) == 1 else indexed("Σ", term)
        distributions.append(f"{what} ~ N(0, {spread}) for every level of {part.group}")
    terms = [*fixed, *random, *(["offset"] if values.shifted else [])]
    if values.family is not None:
        return (
            *values.family.mean_lines(terms),
            *distributions,
            *values.family.parameter_lines(),
            *values.family.response_lines(values.response, weighted=values.weighted),
        )
    terms.append("ε")
    residual = "ε ~ N(0, σ² / weight)" if values.weighted else "ε ~ N(0, σ²)"
    return (f"{values.response} = {' + '.join(terms)}", *distributions, residual)


def _fixed(values: PageValues) -> Iterator[Section]:
    if values.fixed.empty:
        yield Paragraph(("No fixed effects",))
        return
    fixed, headers = values.fixed, _HEADERS
    if (fixed["df"] == float("inf")).all():  # tests by the normal distribution
        fixed, headers = fixed.drop(columns="df"), {**_HEADERS, "statistic": "z"}
    yield _headed(frame_table(fixed, "Coefficients, with 95 % limits"), headers)
    if values.ratios is not None:
        name, ratios = values.ratios
        caption = f"{name}, with 95 % limits"
        yield _headed(frame_table(ratios, caption), {**_HEADERS, "estimate": "Ratio"})
    if values.tests is not None:
        yield _tests(values.tests)


def parameter_section(title: str, table: pd.DataFrame) -> Table:
    """Coefficients of a parameter of the distribution.

    Args:
        title: What it is called.
        table: `estimate`, `std_error`, `lower`, `upper`, `statistic`, `p_value`.
    """
    found = frame_table(table, f"{title}, with 95 % limits")
    return _headed(found, {**_HEADERS, "statistic": "z"})


def _tests(tests: pd.DataFrame) -> Table:
    if (tests["den_df"].dropna() != float("inf")).any():
        return _headed(frame_table(tests, "F tests of the terms, type III"), _TEST_HEADERS)
    chi2 = tests.assign(statistic=tests["statistic"] * tests["num_df"]).drop(columns="den_df")
    headers = {**_TEST_HEADERS, "statistic": "Chi-square"}
    return _headed(frame_table(chi2, "Wald tests of the terms, type III"), headers)


def _headed(table: Table, names: Mapping[str, str]) -> Table:
    header = tuple(names.get(name, name) for name in table.header)
    return Table(table.caption, header, table.rows, table.sides)


def component_section(table: pd.DataFrame) -> Table:
    """Standard deviations with 95 % limits where these are known, and correlations.

    Args:
        table: `grp`, `var1`, `var2`, `sdcor`, `lower`, `upper` of every component.
    """
    sds = table[table["var2"].isna()]
    limited = bool(sds["lower"].notna().any())
    shown = ["sdcor", "lower", "upper"] if limited else ["sdcor"]
    columns = [format_column(sds[name], DIGITS, SLACK) for name in shown]
    rows = []
    for i, (group, effect) in enumerate(zip(sds["grp"], sds["var1"], strict=True)):
        own = table[(table["grp"] == group) & table["var2"].notna()]
        others = own[own["var2"] == effect]
        correlations = [
            f"{r:.3f} with {name}" for name, r in zip(others["var1"], others["sdcor"], strict=True)
        ]
        cells = ["" if cell == "nan" else cell for cell in (column[i] for column in columns)]
        rows.append((str(group), effect or "", *cells, ", ".join(correlations)))
    header = ["Group", "Effect", "SD", *(["2.5 %", "97.5 %"] if limited else []), "Correlation"]
    width = len(header) if any(row[-1] for row in rows) else len(header) - 1
    return Table(
        "Standard deviations" + (", with 95 % limits by profile likelihood" if limited else ""),
        tuple(header[:width]),
        tuple(row[:width] for row in rows),
        ("<<" + ">" * len(shown) + "<")[:width],
    )
