"""The functions that users call first: one call from a table to a fit."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
import pandas as pd

from mixedmodels.calls import guided
from mixedmodels.crossprod import templates_of
from mixedmodels.design import build_design
from mixedmodels.design.unquoted import read_formula
from mixedmodels.errors import FileError, MixedModelsError
from mixedmodels.fit.likelihood import compare_fits
from mixedmodels.fit.mixed import MixedFit
from mixedmodels.fit.reports import InTables, models_side_by_side
from mixedmodels.inference.compare import Comparison
from mixedmodels.lazy import late_module
from mixedmodels.linear import LinearMixedFit, LinearMixedModel, restored
from mixedmodels.output import outward
from mixedmodels.prediction.denovo import (
    check_sigma,
    given_parameters,
    simulate_design,
    with_left_side,
)
from mixedmodels.prediction.simulate import Seed
from mixedmodels.report.side_by_side import Below, ModelTable
from mixedmodels.settings import (
    Control,
    Ddf,
    Information,
    Method,
    NaAction,
    OptimizerName,
    thread_count,
)
from mixedmodels.storage.container import Unpacked
from mixedmodels.storage.files import path_text
from mixedmodels.storage.fits import Saved
from mixedmodels.storage.loading import load_fit
from mixedmodels.streaming.kinds import is_source

if TYPE_CHECKING:
    from mixedmodels import generalized, large
    from mixedmodels.families.base import Family
    from mixedmodels.generalized import GeneralizedLinearMixedFit
else:
    generalized = late_module("mixedmodels.generalized")
    large = late_module("mixedmodels.large")


@guided
def lmer(
    formula: str,
    data: Any,
    *,
    reml: bool = True,
    weights: Any = None,
    offset: Any = None,
    contrasts: Mapping[str, Any] | None = None,
    na_action: NaAction = "omit",
    start: npt.ArrayLike | None = None,
    optimizer: OptimizerName = "auto",
    control: Control | None = None,
    threads: int | None = None,
    method: Method = "auto",
    memory: str | float | None = None,
    verbose: bool = False,
    executor: Any = None,
    checkpoint: Any = None,
    levels: Mapping[str, Any] | None = None,
) -> LinearMixedFit:
    """Fit a linear mixed model.

    Args:
        formula: `response ~ fixed + (lhs | group) + ...`, lme4's language with Python functions.
        data: A pandas, Polars, PyArrow or other eager table, or a dict of columns; not modified. Or
            a source that is read in parts, see `plan`: a path or folder of files, a query, ...
        reml: Restricted maximum likelihood; False for maximum likelihood.
        weights: Prior weights: a column, an expression of columns, or one value per row.
        offset: A known addition to the linear predictor, given in the same ways.
        contrasts: Column to "treatment" (the default), "sum", "helmert", "poly" or a matrix.
        na_action: "omit" drops rows with a missing value in any variable used, "exclude" does so
            and keeps their places: results by row are NaN there; "raise" refuses.
        start: (m,) theta to start from; by moments if None.
        optimizer: "auto", "quasi-newton", "L-BFGS-B", "COBYQA", "Nelder-Mead", "Powell" or
            "BOBYQA" (with the extra nlopt).
        control: Limits and tolerances.
        threads: Threads that the fit may use; None leaves the choice to the library.
        method: "exact" factorizes; "iterative" estimates the log-determinant for crossed factors
            whose factor would be too large, and states the error; "auto" takes the exact way
            wherever it fits and takes up to a minute an evaluation.
        memory: The most memory a calculation may take, such as "8GB" or a number of bytes; 80 % of
            what is free if None.
        verbose: Print a line per iteration.
        executor: Who reads a source: `Threads(n)`, `DaskExecutor(client)`,
            `SparkExecutor(session)`.
        checkpoint: A folder in which the work on a source is kept, so that a fit that was stopped
            goes on where it was.
        levels: Column to the levels of all rows, for a source that can be read once (a reader of
            Arrow, a generator of batches).

    Returns:
        The fit. That of a source has no rows: what needs them says what to do instead.

    Raises:
        FormulaError: The formula cannot be understood; the message points at the piece.
        DataError: A column cannot be used.
        ModelError: The data cannot identify the model.

    Examples:
        >>> import mixedmodels as mm
        >>> fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
        >>> round(fit.objective, 4)
        1743.6283
    """
    given = {
        "weights": weights,
        "offset": offset,
        "contrasts": contrasts,
        "na_action": na_action,
    }
    large_only = executor is not None or checkpoint is not None or levels is not None
    if large_only or is_source(data):
        search = {"start": start, "optimizer": optimizer, "control": control, "verbose": verbose}
        return large.fit_source(
            formula,
            data,
            given,
            {"reml": reml, "method": method, **search},
            memory=memory,
            executor=executor,
            checkpoint=checkpoint,
            threads=threads,
            levels=levels,
        )
    model = LinearMixedModel(
        formula, data, reml, threads=threads, method=method, memory=memory, **given
    )
    return model.fit(start=start, optimizer=optimizer, control=control, verbose=verbose)


@guided
def glmer(
    formula: str,
    data: Any,
    family: str | Family | type[Family] = "binomial",
    *,
    link: str | None = None,
    n_agq: int = 1,
    information: Information = "observed",
    reml: bool = False,
    weights: Any = None,
    offset: Any = None,
    contrasts: Mapping[str, Any] | None = None,
    na_action: NaAction = "omit",
    dispersion: str | None = None,
    zero_inflation: str | None = None,
    start: npt.ArrayLike | None = None,
    optimizer: OptimizerName = "auto",
    control: Control | None = None,
    threads: int | None = None,
    verbose: bool = False,
) -> GeneralizedLinearMixedFit:
    """Fit a generalized linear mixed model by maximum likelihood.

    The likelihood is Laplace's approximation with the observed curvature, or by quadrature; its
    mode is found to rounding and its gradient is exact.

    Args:
        formula: `response ~ fixed + (lhs | group) + ...`; of a binomial model the response is 0 or
            1, a column of two categories (the first is failure), a share with the number of trials
            as weights, or `cbind(successes, failures)`; of an ordinal one ordered categories or
            whole numbers.
        data: A pandas, Polars, PyArrow or other eager table, or a dict of columns; not modified.
        family: "binomial", "poisson", "negative_binomial" (variance mu + mu^2 / k, k estimated),
            "nb1" (variance mu (1 + alpha)), "truncated_poisson" and "truncated_negative_binomial"
            (no zeros), "gamma", "inverse_gaussian", "beta", "gaussian" (with a link), "ordinal"
            (ordered categories), or an object of `mixedmodels.families`.
        link: "logit", "probit", "cloglog", "cauchit", "log", "identity", "inverse", "sqrt",
            "inverse_squared" or "loglog", as far as the family takes it; its usual one if None.
        n_agq: 1 for Laplace's approximation; more are nodes of adaptive Gauss-Hermite quadrature
            for each random effect, with one grouping factor of up to three effects per level; 0
            leaves the coefficients to the modes, which is faster and not quite the maximum.
        information: Weights in the determinant of Laplace's approximation: "observed", or
            "expected", which lme4 takes for links that are not canonical.
        reml: Integrate over the coefficients, too, as REML does for linear models.
        weights: Prior weights: trials of shares, and what divides the dispersion of positive
            responses; a column, an expression of columns, or one value per row.
        offset: A known addition to the linear predictor, given in the same ways.
        contrasts: Column to "treatment" (the default), "sum", "helmert", "poly" or a matrix.
        na_action: As for `lmer`.
        dispersion: A formula `"~ x"` of fixed effects for the logarithm of the family's own
            parameter (phi, k, alpha, the precision); None for one value.
        zero_inflation: A formula such as `"~ 1"` or `"~ x"` for the logit of the probability that
            a count is zero by a process of its own; None for no such zeros.
        start: (m,) theta to start from, or all parameters; by moments if None.
        optimizer: As for `lmer`.
        control: Limits and tolerances.
        threads: Threads that the fit may use; None leaves the choice to the library.
        verbose: Print a line per iteration.

    Returns:
        The fit.

    Raises:
        FormulaError: The formula cannot be understood; the message points at the piece.
        DataError: A column cannot be used, or the response is not one of the family.
        ModelError: The data cannot identify the model.

    Examples:
        >>> import mixedmodels as mm
        >>> fit = mm.glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)",
        ...                mm.load_dataset("cbpp"), family="binomial")
        >>> round(fit.objective, 4)
        184.0526
    """
    model = generalized.GeneralizedLinearMixedModel(
        formula,
        data,
        family,
        link=link,
        n_agq=n_agq,
        information=information,
        reml=reml,
        weights=weights,
        offset=offset,
        contrasts=contrasts,
        na_action=na_action,
        dispersion=dispersion,
        zero_inflation=zero_inflation,
        threads=threads,
    )
    return model.fit(start=start, optimizer=optimizer, control=control, verbose=verbose)


@guided
def load(
    path: str | os.PathLike[str], *, threads: int | None = None
) -> LinearMixedFit | GeneralizedLinearMixedFit:
    """Read a fit that `fit.save` wrote.

    Every number is the one that was saved, bit for bit; nothing is fitted again. Whatever a fit
    can do, the loaded one can: predictions, profiles, refits.

    Args:
        path: The file.
        threads: Threads that later work may use; None leaves the choice to the library.

    Returns:
        The fit.

    Raises:
        FileError: No such file, not one written by `save`, damaged, or of an unknown version.

    Examples:
        >>> import tempfile, pathlib
        >>> import mixedmodels as mm
        >>> fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "dyestuff.mm"
        >>> fit.save(path)
        >>> mm.load(path).objective == fit.objective
        True
    """
    count = thread_count(threads)
    saved = load_fit(path)
    try:
        if isinstance(saved, Unpacked):
            return large.fit_of_file(saved, count)
        if isinstance(saved, Saved):
            return restored(saved, count)
        return generalized.restored(saved, count)
    except FileError:
        raise
    except MixedModelsError as error:
        raise FileError(f"{path_text(path)} cannot be understood: {error}") from error


@outward
@guided
def simulate(
    formula: str,
    data: Any,
    *,
    beta: Any,
    sigma: float,
    theta: Any = None,
    sd: Any = None,
    cor: Any = None,
    nsim: int = 1,
    seed: Seed = None,
    weights: Any = None,
    offset: Any = None,
    contrasts: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Draw responses of a linear mixed model from a formula, a table and parameters.

    For power studies and tests: nothing is fitted.

    Args:
        formula: As for `lmer`; the left-hand side may be left out, and is not read.
        data: The design, any table that `lmer` takes; without missing values. Not modified.
        beta: Fixed effects: a dict or Series by name (`(Intercept)`, `Days`), or in column order.
        sigma: Residual standard deviation.
        theta: Relative covariance parameters by name (`theta_names`) or in order; or give `sd`.
        sd: Standard deviations of random effects, by name (`Subject.Days`), in order, or one
            number where there is one.
        cor: Their correlations, by name (`Subject.(Intercept).Days`) or in order; those not given
            are zero.
        nsim: Number of responses.
        seed: A whole number, a SeedSequence or a `numpy.random.Generator`; None draws one.
        weights: Prior weights; the residual variance of a row is sigma^2 / w.
        offset: A known addition to the linear predictor.
        contrasts: As for `lmer`.

    Returns:
        (n, nsim) with the index of the data; columns are numbered from 0.

    Raises:
        FormulaError: The formula cannot be understood, or names no column.
        DataError: A column cannot be used, or has missing values.
        ModelError: The data could not identify the model.
        MixedModelsError: Parameters that are missing, unknown or impossible.

    Examples:
        >>> import mixedmodels as mm
        >>> design = {"x": [0, 1, 2] * 4, "g": [g for g in "abcd" for _ in range(3)]}
        >>> y = mm.simulate("y ~ x + (1 | g)", design, beta={"(Intercept)": 10, "x": 2},
        ...                 sd={"g.(Intercept)": 3}, sigma=1, nsim=5, seed=1)
        >>> y.shape
        (12, 5)
    """
    design = build_design(
        read_formula(with_left_side(formula), data),
        data,
        weights=weights,
        offset=offset,
        contrasts=contrasts,
        na_action="raise",
        response=False,
    )
    templates = templates_of(design)
    given = given_parameters(
        "simulate", design, templates, beta, check_sigma(sigma), theta=theta, sd=sd, cor=cor
    )
    return simulate_design(design, templates, given, nsim=nsim, seed=seed)


@guided
def anova(
    *fits: MixedFit,
    names: Sequence[str] | None = None,
    refit: bool = True,
    nsim: int | None = None,
    seed: Seed = None,
    threads: int | None = None,
) -> Comparison:
    """Compare models of the same data by likelihood ratios and information criteria.

    Each model is tested against the one before it, with fewer parameters. Fits by `lmer` count as
    Gaussian ones among fits by `glmer` of the same continuous response. Fits by REML are
    compared by ML, from searches beside the given fits, which stay as they are; the table's `note`
    says so. Models that are not nested have a `NotNestedWarning` and no p-value, as their ratio has
    no chi-square distribution; the criteria compare them.

    Args:
        fits: Two or more.
        names: One for each; fit1, fit2, ... if None.
        refit: False compares REML likelihoods, which needs the same fixed part in all.
        nsim: Responses to draw from the smaller model of each test and to fit by both (a parametric
            bootstrap, R's PBmodcomp): what the ratio is compared with where few groups or a
            variance at zero leave no chi-square distribution. None draws none.
        seed: Seed of the draws.
        threads: Threads that fit drawn responses; those of the fits if None.

    Returns:
        A table that is read like a DataFrame (`table["p_value"]`), by increasing number of
        parameters: `npar`, `aic`, `aicc`, `bic`, `weight` (Akaike's), `loglik`,
        `deviance`, `statistic`, `df`, `p_value`, and of draws `p_bootstrap`, the share of ratios
        that are as large, the given one among them; with attributes `note` and `models` (formula by
        name).

    Raises:
        MixedModelsError: Fewer than two fits, other rows or responses, restricted likelihoods that
            do not compare, or densities beside probabilities.

    Examples:
        >>> import mixedmodels as mm
        >>> data = mm.load_dataset("sleepstudy")
        >>> small = mm.lmer("Reaction ~ Days + (1 | Subject)", data)
        >>> large = mm.lmer("Reaction ~ Days + (Days | Subject)", data)
        >>> mm.anova(small, large)["statistic"].round(3).tolist()
        [nan, 42.139]
    """
    for position, fit in enumerate(fits):
        if not isinstance(fit, MixedFit):
            raise _not_a_fit(position, fit)
    if names is None:
        names = [f"fit{i + 1}" for i in range(len(fits))]
    elif isinstance(names, str) or len(names) != len(fits):
        raise MixedModelsError(f"names is {names!r}; it must have one name for each of the fits.")
    return compare_fits(fits, names, refit, nsim, seed, threads)


def _not_a_fit(position: int, given: Any) -> MixedModelsError:
    """What `anova` says of an argument that is not a fit, but perhaps a collection of fits."""
    inside = given.values() if isinstance(given, Mapping) else given
    if not (isinstance(inside, Iterable) and any(isinstance(fit, MixedFit) for fit in inside)):
        return MixedModelsError(
            f"anova compares fits; argument {position + 1} is {given!r:.60}. Give names and "
            "options by keyword."
        )
    collection = (
        "anova(*fits.values(), names=list(fits)) of a dict"
        if isinstance(given, Mapping)
        else "anova(*fits) of a list"
    )
    return MixedModelsError(
        "anova takes each fit as an argument of its own: write mixedmodels.anova(fit1, fit2), "
        f"or mixedmodels.{collection}."
    )


@guided
def table(
    fits: InTables | Sequence[InTables] | Mapping[str, InTables],
    *others: InTables,
    names: Sequence[str] | None = None,
    below: Below = "std_error",
    stars: bool = False,
    ddf: Ddf = "satterthwaite",
    level: float = 0.95,
    exponentiate: bool = False,
) -> ModelTable:
    """Set fits side by side: coefficients, standard deviations and criteria, a column each.

    Args:
        fits: A list of fits, a dict of them by title, or the first of them; what `pool` gives may
            be among them.
        *others: The other fits.
        names: Titles of the columns; (1), (2), ... if None.
        below: What stands below each coefficient: "std_error", "conf_int" (Wald limits by `ddf`),
            "statistic", "p_value" or "none".
        stars: Mark p-values below 0.05, 0.01 and 0.001.
        ddf: Method for degrees of freedom, as in `LinearMixedFit.coef_table`.
        level: Coverage of the intervals.
        exponentiate: Show fixed effects as ratios: odds ratios of a logit link, ratios of means of
            a log link or a response log(y); standard errors by the delta method.

    Returns:
        Prints as text of 80 columns and shows as HTML in a notebook; `to_markdown()`, `to_latex()`,
        and `to_frame()` with all numbers, whatever is shown.

    Raises:
        MixedModelsError: What is not a fit, names that are not one for each fit, or an unknown
            option.

    Examples:
        >>> import mixedmodels as mm
        >>> data = mm.load_dataset("sleepstudy")
        >>> small = mm.lmer("Reaction ~ Days + (1 | Subject)", data)
        >>> large = mm.lmer("Reaction ~ Days + (Days | Subject)", data)
        >>> shown = mm.table([small, large], names=["intercepts", "slopes"])
        >>> shown.to_frame().loc[("fixed", "Days"), "slopes"].round(3).tolist()[:2]
        [10.467, 1.546]
    """
    if isinstance(fits, Mapping) and not others:
        names = list(map(str, fits)) if names is None else names
        fits = list(fits.values())
    every = [*(fits if isinstance(fits, Iterable) else [fits]), *others]
    for position, fit in enumerate(every):
        if not isinstance(fit, InTables):
            raise MixedModelsError(
                f"table shows fits; number {position + 1} is {fit!r:.60}. Give a list of fits, and "
                "options by keyword."
            )
    if not every:
        raise MixedModelsError("table was given no fit.")
    return models_side_by_side(
        every, names, below, ddf, level, stars=stars, exponentiate=exponentiate
    )
