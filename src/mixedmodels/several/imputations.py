"""One result from fits to multiply imputed data, by Rubin's rules.

Degrees of freedom are those of Barnard and Rubin (1999), which do not exceed what complete data
would have; these come from `ddf`, as in `coef_table`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.calls import guided
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.tails import t_tail, wald_limits
from mixedmodels.linear import LinearMixedFit
from mixedmodels.report.frames import frame_table
from mixedmodels.report.results import Result
from mixedmodels.report.sections import Paragraph, Section
from mixedmodels.settings import Ddf, DfMethod, check_level, df_method
from mixedmodels.several.fits import checked_fits, first_difference


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Pooled(Result):
    """Estimates pooled over imputations.

    Attributes:
        table: By coefficient `estimate`, `std_error`, `df`, `statistic`, `p_value`, `lower`,
            `upper`; `riv`, the relative increase of the variance by what is missing, and `fmi`,
            the fraction of missing information.
        vcov: (p, p) total covariance: mean within, and 1 + 1/m times that between imputations.
        within: (p, p) the former.
        between: (p, p) the covariance between imputations.
        varcorr: Variance components as in `varcorr.to_frame()`: `vcov` and `sdcor` are means over
            the imputations (the latter of the former, but means of correlations); `least` and
            `most` are the extremes of `sdcor`.
        m: Number of imputations.
        formula: The model.
        nobs: Rows of each.
        ddf: Degrees of freedom that complete data would have.
        level: Coverage of the intervals.
        singular: How many of the fits are singular.
    """

    table: pd.DataFrame
    vcov: pd.DataFrame
    within: pd.DataFrame
    between: pd.DataFrame
    varcorr: pd.DataFrame
    m: int
    formula: str
    nobs: int
    ddf: DfMethod
    level: float
    singular: int

    def to_frame(self) -> pd.DataFrame:
        """The table of coefficients."""
        return self.table.copy()

    def _sections(self) -> Sequence[Section]:
        head = Paragraph((
            f"Pooled over {self.m} imputations (Rubin's rules)",
            f"Formula: {self.formula}",
            f"Number of obs: {self.nobs} in each; ddf of complete data: {self.ddf}",
        ))  # fmt: skip
        limits = ["lower", "upper"]
        intervals = self.table[["estimate", *limits, "riv", "fmi"]]
        components = self.varcorr.drop(columns="vcov").fillna({"var1": "", "var2": ""})
        components = components.set_index("grp").rename_axis(None)
        parts: list[Section] = [
            head,
            frame_table(self.table.drop(columns=[*limits, "riv", "fmi"]), "Fixed effects:"),
            frame_table(intervals, f"Intervals of {100 * self.level:g} %, and what is missing:"),
            frame_table(components, "Standard deviations and correlations (means and range):"),
        ]
        if self.singular:
            parts.append(Paragraph((f"{self.singular} of {self.m} fits are singular.",)))
        return parts


@guided
def pool(
    fits: Sequence[LinearMixedFit], *, ddf: Ddf = "satterthwaite", level: float = 0.95
) -> Pooled:
    """Pool fits of one model to multiply imputed data, by Rubin's rules.

    Args:
        fits: One for each imputed data set: the same formula, rows and criterion.
        ddf: Method for the degrees of freedom that complete data would have, as in `coef_table`;
            their mean over the imputations enters the formula of Barnard and Rubin.
        level: Coverage of `lower` and `upper`.

    Returns:
        Coefficients with tests and fractions of missing information; means of the variance
        components.

    Raises:
        MixedModelsError: Not two fits or more, or fits of different models, rows or criteria.

    References:
        Rubin (1987), Multiple Imputation for Nonresponse in Surveys, chapter 3; Barnard and Rubin
        (1999), Biometrika 86, 948-955.

    Examples:
        >>> import numpy as np
        >>> import mixedmodels as mm
        >>> data, rng = mm.load_dataset("sleepstudy"), np.random.default_rng(1)
        >>> imputed = [data.assign(Reaction=data["Reaction"] + rng.normal(0, 9, 180))
        ...            for _ in range(5)]
        >>> pooled = mm.pool([mm.lmer("Reaction ~ Days + (Days | Subject)", d) for d in imputed])
        >>> pooled.to_frame()["fmi"].round(3).tolist()
        [0.12, 0.119]
    """
    every = checked_fits("pool", fits)
    method = df_method(ddf)
    check_level(level)
    _check_alike(every)
    tables = [fit.coef_table(method) for fit in every]
    names = list(tables[0].table.index)
    Q = np.stack([table["estimate"].to_numpy(dtype=np.float64) for table in tables])
    U = np.stack([fit.vcov_adjusted(method).to_numpy(dtype=np.float64) for fit in every])
    complete = np.mean([table["df"].to_numpy(dtype=np.float64) for table in tables], axis=0)
    m = len(every)
    within, between = U.mean(axis=0), np.atleast_2d(np.cov(Q.T, ddof=1))
    total = within + (1.0 + 1.0 / m) * between
    estimate, std_error = Q.mean(axis=0), np.sqrt(np.diag(total))
    riv = (1.0 + 1.0 / m) * np.diag(between) / np.diag(within)
    df = pooled_df(riv, m, complete)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = estimate / std_error
    lower, upper = wald_limits(estimate, std_error, df, level)
    table = pd.DataFrame(
        {
            "estimate": estimate,
            "std_error": std_error,
            "df": df,
            "statistic": statistic,
            "p_value": t_tail(df, statistic),
            "lower": lower,
            "upper": upper,
            "riv": riv,
            "fmi": (riv + 2.0 / (df + 3.0)) / (1.0 + riv),
        },
        index=names,
    )
    return Pooled(
        table=table,
        vcov=pd.DataFrame(total, names, names),
        within=pd.DataFrame(within, names, names),
        between=pd.DataFrame(between, names, names),
        varcorr=_components(every),
        m=m,
        formula=every[0].model.formula,
        nobs=every[0].nobs,
        ddf=method,
        level=level,
        singular=sum(fit.is_singular for fit in every),
    )


def pooled_df(riv: FloatArray, m: int, complete: FloatArray) -> FloatArray:
    """Barnard and Rubin's degrees of freedom, from those of complete data; either may be infinite.

    Args:
        riv: (p,) relative increase of the variance.
        m: Number of imputations.
        complete: (p,) degrees of freedom without missing values.
    """
    share = riv / (1.0 + riv)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = share**2 / (m - 1.0)
        observed = complete * (1.0 - 2.0 / (complete + 3.0)) * (1.0 - share)
        inverse = inverse + np.where(np.isinf(complete), 0.0, 1.0 / observed)
        df: FloatArray = 1.0 / inverse
    return df


def _check_alike(fits: Sequence[LinearMixedFit]) -> None:
    """Refuse fits that are not of one model.

    Raises:
        MixedModelsError: Other formulas, rows, coefficients or criteria.
    """
    aspects: dict[str, list[Any]] = {
        "formulas": [fit.model.formula for fit in fits],
        "numbers of rows": [fit.nobs for fit in fits],
        "coefficients": [list(fit.stderror.index) for fit in fits],
        "random effects": [fit.theta_names for fit in fits],
        "criteria": ["REML" if fit.reml else "ML" for fit in fits],
    }
    for aspect, values in aspects.items():
        at = first_difference(values)
        if at is not None:
            raise MixedModelsError(
                f"pool takes fits of one model to imputed versions of one data set; the fits 1 and "
                f"{at + 1} have different {aspect}: {values[0]!s:.120} and {values[at]!s:.120}."
            )


def _components(fits: Sequence[LinearMixedFit]) -> pd.DataFrame:
    """Means of variances and correlations, and the range of standard deviations."""
    frames = [fit.varcorr.to_frame() for fit in fits]
    out = frames[0].copy()
    vcov = np.stack([frame["vcov"].to_numpy() for frame in frames])
    sdcor = np.stack([frame["sdcor"].to_numpy() for frame in frames])
    is_correlation = out["var2"].notna().to_numpy()
    out["vcov"] = vcov.mean(axis=0)
    out["sdcor"] = np.where(is_correlation, sdcor.mean(axis=0), np.sqrt(np.abs(out["vcov"])))
    out["least"], out["most"] = sdcor.min(axis=0), sdcor.max(axis=0)
    return out
