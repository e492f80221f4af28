"""One result from fits to multiply imputed data, by Rubin's rules.

Degrees of freedom are those of Barnard and Rubin (1999), which do not exceed what complete data
would have; these come from `ddf`, as in `coef_table`. Complete data of a generalized model have
infinitely many: its tests are by the normal distribution, and so are Rubin's own (1987).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.calls import guided
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.own import own_coefficients
from mixedmodels.estimates.tails import wald_limits
from mixedmodels.inference.coefficients import announced_degrees, coef_table
from mixedmodels.inference.components import table_order
from mixedmodels.inference.degrees import Normal
from mixedmodels.linear import LinearMixedFit
from mixedmodels.marginal import means
from mixedmodels.marginal.adjust import Adjust
from mixedmodels.marginal.ratios import as_ratios
from mixedmodels.marginal.results import MarginalMeans
from mixedmodels.marginal.source import source_of
from mixedmodels.marginal.weights import Weights
from mixedmodels.report.frames import frame_table
from mixedmodels.report.results import WithTable
from mixedmodels.report.sections import Paragraph, Section
from mixedmodels.report.side_by_side import ModelColumn
from mixedmodels.settings import Ddf, DfMethod, MeansType, check_level
from mixedmodels.several.fits import (
    AnyFit,
    first_difference,
    fits_of_either_kind,
    fitted_of,
    generalized_of,
)
from mixedmodels.several.rubin import Rubin


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Pooled(WithTable):
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
        others: As `table`, of coefficients of other parameters than the mean: of a dispersion, of
            zero inflation, thresholds; named as in `confint`, and the logarithm of a dispersion
            that is one number. Empty where there are none.
    """

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
    fits: tuple[AnyFit, ...] = field(repr=False)
    tests: Rubin = field(repr=False)
    others: pd.DataFrame

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
        return _limits(self.table, level)

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
            type: "response" transforms means of `log(y)`, or by a link, back.
            weights: How cells are averaged.
            level: Coverage of the limits.

        Raises:
            MixedModelsError: A variable or level that the model does not have, an unknown option.
        """
        first = fitted_of(self.fits[0])
        design = first.model.design
        one = self.fits[0]
        successes = one._of_successes  # noqa: SLF001 (of the fits)
        wanted = means.Wanted(adjust, type, weights, level, successes=successes)
        scale = one._scale  # noqa: SLF001 (of the fits)
        origin = source_of(first, self.tests)
        meaning = self.fits[0]._meaning  # noqa: SLF001 (as above)
        return means.marginal_means(design, origin, scale, specs, by, at, wanted, meaning=meaning)

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
        alone = first._model_column("", self.ddf, level)  # noqa: SLF001
        names = list(alone.random)
        # The place after these is that of a residual standard deviation, where there is one.
        places = table_order(fitted_of(first).model.templates)
        order = [place for place in places if place < len(names)]
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
            family=alone.family,
            others=self._others_by_title(alone, level),
            tested=f"ddf: of Barnard and Rubin ({self.ddf})",
        )

    def _others_by_title(self, alone: ModelColumn, level: float) -> dict[str, pd.DataFrame]:
        """The pooled coefficients of every part that a table has of a single fit."""
        pooled, found, first = self.others.assign(**_limits(self.others, level)), {}, 0
        for title, part in alone.others.items():
            rows = pooled.iloc[first : first + len(part)]
            found[title] = rows.set_axis(part.index)
            first += len(part)
        return found

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
        ]
        if len(self.others):
            shown = self.others.drop(columns=[*limits, "riv"])
            parts.append(frame_table(shown, "Coefficients of other parameters:"))
        ends = "Standard deviations and correlations (means and range):"
        parts.append(frame_table(components, ends))
        if self.singular:
            parts.append(Paragraph((f"{self.singular} of {self.m} fits are singular.",)))
        return parts


@guided
def pool(fits: Sequence[AnyFit], *, ddf: Ddf = "satterthwaite", level: float = 0.95) -> Pooled:
    """Pool fits of one model to multiply imputed data, by Rubin's rules.

    Args:
        fits: One for each imputed data set: the same formula, rows and criterion.
        ddf: Method for the degrees of freedom that complete data would have, as in `coef_table`;
            their mean over the imputations enters the formula of Barnard and Rubin. Of generalized
            models they are infinite, and Rubin's own formula is left.
        level: Coverage of `lower` and `upper`.

    Returns:
        Coefficients with tests and fractions of missing information; means of the variance
        components.

    Raises:
        MixedModelsError: Not two fits or more, or fits of different models, rows or criteria.
        ModelError: A method of degrees of freedom that generalized models do not have.

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
    every = fits_of_either_kind("pool", fits)
    check_level(level)
    _check_alike(every)
    tests = Rubin([announced_degrees(fitted_of(fit), ddf) for fit in every])
    names, total = list(every[0].stderror.index), tests.vcov
    others = [_others(fit) for fit in every]
    return Pooled(
        table=_tested(tests, names, level),
        vcov=pd.DataFrame(total, names, names),
        within=pd.DataFrame(tests.within, names, names),
        between=pd.DataFrame(tests.between, names, names),
        varcorr=_components(every),
        m=tests.m,
        formula=every[0].model.formula,
        nobs=every[0].nobs,
        ddf=tests.method,
        level=level,
        singular=sum(fit.is_singular for fit in every),
        fits=tuple(every),
        tests=tests,
        others=_tested(Rubin([own for _, own in others]), others[0][0], level),
    )


def _tested(tests: Rubin, names: Sequence[str], level: float) -> pd.DataFrame:
    """Pooled coefficients with tests, limits and what is missing."""
    unit = np.eye(len(names))
    riv, df = tests.riv(unit), tests.of_rows(unit)
    table = coef_table(names, tests)
    table.attrs = {}
    return table.assign(
        **_limits(table, level), riv=riv, fmi=(riv + 2.0 / (df + 3.0)) / (1.0 + riv)
    )


def _limits(table: pd.DataFrame, level: float) -> pd.DataFrame:
    estimate, error, df = (table[k].to_numpy() for k in ("estimate", "std_error", "df"))
    limits = wald_limits(estimate, error, df, level)
    return pd.DataFrame(dict(zip(("lower", "upper"), limits, strict=True)), table.index)


def _check_alike(fits: Sequence[AnyFit]) -> None:
    """Refuse fits that are not of one model.

    Raises:
        MixedModelsError: Other formulas, rows, coefficients or criteria.
    """
    aspects: dict[str, list[Any]] = {
        "formulas": [fit.model.formula for fit in fits],
        "distributions": [_distribution(fit) for fit in fits],
        "likelihoods": [_likelihood(fit) for fit in fits],
        "numbers of rows": [fit.nobs for fit in fits],
        "coefficients": [list(fit.stderror.index) for fit in fits],
        "coefficients beside those of the mean": [_others(fit)[0] for fit in fits],
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


def _distribution(fit: AnyFit) -> str:
    """Family and link with the formulas of other parameters, in words."""
    if isinstance(fit, LinearMixedFit):
        return "normal"
    return generalized_of(fit).model.distribution_in_words


def _likelihood(fit: AnyFit) -> str:
    """How the likelihood of a generalized model is made, in words."""
    return "" if isinstance(fit, LinearMixedFit) else generalized_of(fit).model.method


def _others(fit: AnyFit) -> tuple[list[str], Normal]:
    """Names and estimates of other parameters than the mean; the logarithm of a single number."""
    own = own_coefficients(fitted_of(fit))
    names, values, vcov = list(own.names), own.values, own.vcov()
    if not isinstance(fit, LinearMixedFit):
        fitted = generalized_of(fit)
        error = [own.scale_error()] * len(fitted.scale_places)
        names += [f"log({name})" for name in fitted.scale_names]
        values = np.append(values, np.log(fitted.scale_values))
        whole = np.zeros((len(values), len(values)))
        whole[: len(vcov), : len(vcov)] = vcov
        whole[len(vcov) :, len(vcov) :] = np.diag(np.square(error))
        vcov = whole
    return names, Normal(values, vcov, 1.0)


def _components(fits: Sequence[AnyFit]) -> pd.DataFrame:
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
