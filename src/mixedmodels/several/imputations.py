"""One result from fits to multiply imputed data, by Rubin's rules.

Degrees of freedom are those of Barnard and Rubin (1999), which do not exceed what complete data
would have; these come from `ddf`, as in `coef_table`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.calls import guided
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.tails import t_tail, wald_limits
from mixedmodels.inference.coefficients import announced_degrees
from mixedmodels.inference.components import table_order
from mixedmodels.linear import LinearMixedFit
from mixedmodels.marginal import means
from mixedmodels.marginal.adjust import Adjust
from mixedmodels.marginal.ratios import as_ratios
from mixedmodels.marginal.results import MarginalMeans
from mixedmodels.marginal.scale import response_scale
from mixedmodels.marginal.source import source_of
from mixedmodels.marginal.weights import Weights
from mixedmodels.report.frames import frame_table
from mixedmodels.report.results import Result
from mixedmodels.report.sections import Paragraph, Section
from mixedmodels.report.side_by_side import ModelColumn
from mixedmodels.settings import Ddf, DfMethod, MeansType, check_level, df_method
from mixedmodels.several.fits import checked_fits, first_difference, fitted_of
from mixedmodels.several.rubin import Rubin


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
        fits: The fits.
        tests: The method of tests on the pooled coefficients.
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
    fits: tuple[LinearMixedFit, ...] = field(repr=False)
    tests: Rubin = field(repr=False)

    def confint(self, level: float = 0.95) -> pd.DataFrame:
        """Confidence limits of the coefficients, with the degrees of freedom of the table.

        Args:
            level: Coverage.

        Returns:
            One row per coefficient; columns `lower` and `upper`.

        Raises:
            MixedModelsError: `level` is not between 0 and 1.
        """
        check_level(level)
        estimate, error, df = (self.table[k].to_numpy() for k in ("estimate", "std_error", "df"))
        limits = wald_limits(estimate, error, df, level)
        return pd.DataFrame(dict(zip(("lower", "upper"), limits, strict=True)), self.table.index)

    def emmeans(
        self,
        specs: str | Sequence[str],
        by: str | Sequence[str] | None = None,
        at: Mapping[str, Any] | None = None,
        *,
        adjust: Adjust = "tukey",
        type: MeansType = "link",  # noqa: A002
        weights: Weights = "equal",
        level: float = 0.95,
    ) -> MarginalMeans:
        """Marginal means and contrasts from the pooled coefficients, as `emmeans` of a fit.

        Variances and degrees of freedom of each row are by Rubin's rules. Levels, and the means of
        covariates, are those of the first imputed data set; `at` gives others.

        Args:
            specs: Variables of the means, or a formula.
            by: Variables within whose levels means are compared.
            at: Values of variables, by name.
            adjust: Method for several tests in contrasts.
            type: "response" transforms means of `log(y)` and the like back.
            weights: How cells are averaged.
            level: Coverage of the limits.

        Raises:
            MixedModelsError: A variable or level that the model does not have, an unknown option.
        """
        first = fitted_of(self.fits[0])
        design = first.model.design
        wanted = means.Wanted(adjust, type, weights, level)
        scale = response_scale(design.formula.response_factor)
        origin = source_of(first, self.tests)
        return means.marginal_means(design, origin, scale, specs, by, at, wanted)

    @property
    def _has_degrees(self) -> bool:
        """Whether tests have denominator degrees of freedom."""
        return fitted_of(self.fits[0]).solution.residual_sd is not None

    def _model_column(
        self, name: str, ddf: Ddf, level: float, *, exponentiate: bool = False
    ) -> ModelColumn:
        """What a table of several models shows of this result; `ddf` was chosen by `pool`."""
        del ddf
        table = self.table.drop(columns=["lower", "upper"])
        first = self.fits[0]
        fixed = table.assign(**self.confint(level))
        if exponentiate:
            fixed = as_ratios(fixed, first._ratios())  # noqa: SLF001
        names = list(first._model_column("", self.ddf, level).random)  # noqa: SLF001
        order = table_order(fitted_of(first).model.templates)
        sizes = self.varcorr["sdcor"].to_numpy()
        by_name = {names[place]: float(size) for place, size in zip(order, sizes, strict=True)}
        nothing = dict.fromkeys(("logLik", "AIC", "BIC"), float("nan"))
        return ModelColumn(
            name=name,
            formula=self.formula,
            reml=first.reml,
            fixed=fixed,
            random={parameter: by_name[parameter] for parameter in names},
            groups=first.ngroups,
            n=self.nobs,
            response=None,
            criteria=nothing,
            notes=(f"Pooled over {self.m} imputations.",),
        )

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
    tests = Rubin([announced_degrees(fitted_of(fit), method) for fit in every])
    names, total = list(every[0].stderror.index), tests.vcov
    estimate, std_error = tests.beta, np.sqrt(np.diag(total))
    unit = np.eye(len(names))
    riv, df = tests.riv(unit), tests.of_rows(unit)
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
        within=pd.DataFrame(tests.within, names, names),
        between=pd.DataFrame(tests.between, names, names),
        varcorr=_components(every),
        m=tests.m,
        formula=every[0].model.formula,
        nobs=every[0].nobs,
        ddf=method,
        level=level,
        singular=sum(fit.is_singular for fit in every),
        fits=tuple(every),
        tests=tests,
    )


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
