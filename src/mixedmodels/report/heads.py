"""Heads of columns as readers of a paper know them; tables of numbers keep their own names."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

from mixedmodels.report.sections import Section, Table

HEADS = {
    "estimate": "Estimate",
    "std_error": "Std. Error",
    "df": "df",
    "num_df": "Num. df",
    "den_df": "Den. df",
    "statistic": "Statistic",
    "p_value": "p",
    "p_mixture": "p (mixture)",
    "p_bootstrap": "p (bootstrap)",
    "lower": "Lower",
    "upper": "Upper",
    "conf_low": "Lower",
    "conf_high": "Upper",
    "sum_sq": "Sum Sq",
    "mean_sq": "Mean Sq",
    "npar": "Parameters",
    "aic": "AIC",
    "aicc": "AICc",
    "bic": "BIC",
    "loglik": "logLik",
    "deviance": "Deviance",
    "weight": "Weight",
    "rhs": "Value tested",
    "null": "Value tested",
    "bias": "Bias",
    "nobs": "Observations",
    "sd": "SD",
    "sdcor": "SD or corr.",
    "vcov": "Variance or cov.",
    "grp": "Group",
    "var1": "Effect",
    "var2": "Effect 2",
    "relative_sd": "Relative SD",
    "proportion": "Proportion",
    "cumulative": "Cumulative",
    "cooks_distance": "Cook's distance",
    "fmi": "FMI",
    "riv": "RIV",
    "contrast": "Contrast",
    "letters": "Letters",
    "verdict": "Verdict",
    "measure": "Measure",
    "value": "Value",
    "least": "Least",
    "most": "Most",
    "delta": "Delta",
    "power": "Power",
    "rejected": "Rejected",
    "failed": "Failed",
    "singular": "Singular",
}


def with_heads(sections: Iterable[Section]) -> Iterator[Section]:
    """The sections, columns of their tables named for readers."""
    for section in sections:
        yield _readable(section) if isinstance(section, Table) else section


def _readable(table: Table) -> Table:
    labels = [row[0] for row in table.rows]
    if set(table.header[1:]) <= set(labels):
        return table  # a matrix, whose columns are coefficients
    return dataclasses.replace(table, header=tuple(HEADS.get(h, h) for h in table.header))
