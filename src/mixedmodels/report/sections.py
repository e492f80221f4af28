"""A report as a list of paragraphs and tables of strings, in the manner of lme4's print.

All number formatting happens here, once; `report.text` and `report.html` only lay it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mixedmodels.arrays import FloatArray
from mixedmodels.report.numbers import SLACK, abbreviated, format_column, format_p
from mixedmodels.report.values import CoefficientValues, FitValues, VarianceRow

VARIANCE_DIGITS = 5
COEFFICIENT_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Lines of text."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of strings under a header; `sides` aligns each column, "<" or ">"."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    sides: str


Section = Paragraph | Table


def fit_sections(values: FitValues) -> list[Section]:
    """The sections of a fit's print, in lme4's order."""
    sections: list[Section] = [_heading(values), _criterion(values)]
    if values.quantiles is not None:
        sections.append(_residuals(values.quantiles))
    sections.append(variance_table(values.variances, "Random effects:", with_variance=True))
    sections.append(_counts(values))
    if values.coefficients.names:
        sections.append(coefficient_table(values.coefficients))
        if values.coefficients.correlation is not None:
            sections.append(
                _correlations(values.coefficients.names, values.coefficients.correlation)
            )
    else:
        sections.append(Paragraph(("No fixed effects",)))
    sections += [coefficient_table(part, caption) for caption, part in values.others]
    if values.messages:
        sections.append(Paragraph(values.messages))
    return sections


def _heading(values: FitValues) -> Paragraph:
    beside = (f"{what}: {text}" for what, text in values.beside.items())
    return Paragraph((*values.title, f"Formula: {values.formula}", *beside))


def _criterion(values: FitValues) -> Section:
    if values.reml:
        return Paragraph((f"REML criterion at convergence: {values.objective:.3f}",))
    shown = (values.aic, values.bic, values.loglik, values.deviance)
    return Table(
        caption="",
        header=("AIC", "BIC", "logLik", "deviance", "df.resid"),
        rows=((*(f"{v:.3f}" for v in shown), str(values.df_residual)),),
        sides=">>>>>",
    )


def _residuals(quantiles: FloatArray) -> Table:
    return Table(
        caption="Scaled residuals:",
        header=("Min", "1Q", "Median", "3Q", "Max"),
        rows=(tuple(f"{v:.4f}" for v in quantiles),),
        sides=">>>>>",
    )


def variance_table(
    rows: Sequence[VarianceRow], caption: str = "", *, with_variance: bool = False
) -> Table:
    """Variance components: standard deviations and correlations, variances on request."""
    sds = format_column([row.sd for row in rows], VARIANCE_DIGITS, SLACK)
    variances = format_column([row.variance for row in rows], VARIANCE_DIGITS, SLACK)
    n_corr = max(len(row.corr) for row in rows)
    header = ["Groups", "Name", *(["Variance"] if with_variance else []), "Std.Dev."]
    header += ["Corr", *[""] * (n_corr - 1)] if n_corr else []
    cells = []
    previous = ""
    for row, variance, sd in zip(rows, variances, sds, strict=True):
        corr = [*map(_correlation, row.corr)] + [""] * (n_corr - len(row.corr))
        group = "" if row.group == previous else row.group
        previous = row.group
        cells.append((group, row.name, *([variance] if with_variance else []), sd, *corr))
    return Table(caption, tuple(header), tuple(cells), "<<" + ">" * (len(header) - 2))


def _counts(values: FitValues) -> Paragraph:
    groups = "; ".join(f"{name}, {levels}" for name, levels in values.groups)
    return Paragraph((f"Number of obs: {values.n}, groups: {groups}",))


def coefficient_table(values: CoefficientValues, caption: str = "Fixed effects:") -> Table:
    """Estimates, standard errors and tests of the fixed effects."""
    p = len(values.names)
    numbers = format_column(
        [*values.estimate, *values.std_error], COEFFICIENT_DIGITS, SLACK, [*values.std_error] * 2
    )
    name = values.statistic_name
    columns = [list(values.names), numbers[:p], numbers[p:]]
    header = ["", "Estimate", "Std. Error"]
    if values.df is not None:
        columns.append([f"{v:.2f}" for v in values.df])
        header.append("df")
    columns.append([f"{v:.3f}" for v in values.statistic])
    columns.append([format_p(v) for v in values.p_value])
    header += [f"{name} value", f"Pr(>|{name}|)"]
    rows = tuple(zip(*columns, strict=True))
    return Table(caption, tuple(header), rows, "<" + ">" * (len(header) - 1))


def _correlations(names: Sequence[str], correlation: FloatArray) -> Table:
    short = abbreviated(names[:-1], 6)
    left = abbreviated(names[1:], 11)
    rows = tuple(
        (
            name,
            *map(_correlation, correlation[i + 1, : i + 1]),
            *[""] * (len(short) - i - 1),
        )
        for i, name in enumerate(left)
    )
    return Table("Correlation of fixed effects:", ("", *short), rows, "<" + ">" * len(short))


def _correlation(value: float) -> str:
    # Rounding first and adding zero keeps "-0.000" away.
    return f"{round(value, 3) + 0.0:.3f}"
