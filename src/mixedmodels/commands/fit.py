"""`mixedmodels fit`: a model from a formula and a table."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from mixedmodels.api import glmer, lmer
from mixedmodels.commands.arguments import refuse_without
from mixedmodels.commands.output import (
    check_targets,
    json_records,
    named_numbers,
    number,
    print_json,
    print_text,
    results_alone_on_stdout,
    status_of,
    warnings_in_words,
)
from mixedmodels.commands.tables import given_contrasts, given_data
from mixedmodels.commands.wording import in_shell_words
from mixedmodels.errors import MixedModelsError
from mixedmodels.fit.mixed import MixedFit
from mixedmodels.lazy import late_module
from mixedmodels.report.frames import frame_table
from mixedmodels.report.text import render_text
from mixedmodels.settings import Control, DfMethod, check_level, df_method, thread_count

if TYPE_CHECKING:
    from mixedmodels import scaleout
    from mixedmodels.generalized import GeneralizedLinearMixedFit
    from mixedmodels.linear import LinearMixedFit
else:
    scaleout = late_module("mixedmodels.scaleout")

_LEVEL = 0.95
_FAMILY_OPTIONS = ("link", "n_agq", "information", "dispersion", "zero_inflation")
# What a file of sums has settled.
_OF_ROWS = (
    "weights",
    "offset",
    "contrasts",
    "na_action",
    "checkpoint",
    "sep",
    "decimal",
    "encoding",
)


def run(arguments: argparse.Namespace) -> int:
    """Fit a model, write what was asked for and print the result.

    Returns:
        0, or 1 where the fit did not converge.
    """
    ddf = None if arguments.ddf is None else df_method(arguments.ddf)
    asked = _checked(arguments)
    check_targets(
        {"save": arguments.save, "report": arguments.report},
        {"the data": arguments.data, "the sums": arguments.sums},
    )
    make = _of_rows(arguments, asked) if arguments.sums is None else _of_sums(arguments, asked)
    with results_alone_on_stdout(arguments.json), warnings_in_words(arguments):
        found = make()
        if arguments.save is not None:
            found.save(arguments.save)
        if arguments.report is not None:
            found.report(arguments.report)
        intervals = _intervals(found, arguments)
        if arguments.json:
            content = as_json(found, arguments, ddf or "satterthwaite", intervals)
        else:
            text = str(found) if ddf is None else str(found.summary(ddf))
    if arguments.json:
        print_json("fit", content)
    else:
        print_text(text, arguments)
        if intervals is not None:
            print(f"\n{_intervals_text(intervals, arguments)}")
    return status_of(found.converged)


def _of_rows(
    arguments: argparse.Namespace, asked: dict[str, Any]
) -> Callable[[], LinearMixedFit | GeneralizedLinearMixedFit]:
    """The fit of a table or source; the table is read at once."""
    data = given_data(arguments)
    names = ("weights", "offset", "optimizer", "threads", "verbose")
    asked |= {name: getattr(arguments, name) for name in names}
    asked |= {
        "contrasts": given_contrasts(arguments),
        "na_action": arguments.na_action or "omit",
    }
    if arguments.family is not None:
        return lambda: glmer(
            arguments.formula, data, arguments.family, **asked, **_of_family(arguments)
        )
    return lambda: lmer(
        arguments.formula,
        data,
        reml=not arguments.ml,
        method=arguments.method,
        memory=arguments.memory,
        checkpoint=arguments.checkpoint,
        **asked,
    )


def _of_family(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `glmer` is given beside what linear models have."""
    return {
        "link": arguments.link,
        "n_agq": 1 if arguments.n_agq is None else arguments.n_agq,
        "information": arguments.information or "observed",
        "reml": arguments.reml,
        "dispersion": arguments.dispersion,
        "zero_inflation": arguments.zero_inflation,
    }


def _check_family(arguments: argparse.Namespace) -> None:
    """Refuse options of the other kind of model.

    Raises:
        MixedModelsError: One of them was given.
    """
    if arguments.family is None:
        if arguments.reml:
            raise MixedModelsError(
                "--reml is of use with --family only: a linear model is fitted by REML unless --ml "
                "is given."
            )
        refuse_without(arguments, _FAMILY_OPTIONS, "--family")
        return
    if arguments.ml:
        raise MixedModelsError(
            "--ml is of linear models; with --family a fit is by maximum likelihood unless --reml "
            "is given."
        )
    for name in ("memory", "checkpoint", "sums"):
        if getattr(arguments, name) is not None:
            raise MixedModelsError(
                f"--{name} is of linear models: with --family all rows are read into memory."
            )


def _of_sums(arguments: argparse.Namespace, asked: dict[str, Any]) -> Callable[[], LinearMixedFit]:
    """The fit of sums in a file, which is read at once.

    Raises:
        MixedModelsError: Something was given that the sums settle.
        FileError: The file does not hold sums.
    """
    if arguments.formula is not None:
        raise MixedModelsError(
            f"--sums takes formula and rows from its file; leave {arguments.formula!r:.80} out."
        )
    for name in _OF_ROWS:
        if getattr(arguments, name) is not None:
            raise MixedModelsError(
                f"--{name.replace('_', '-')} is for rows that are read, and the sums in "
                f"{arguments.sums} are made; leave it out, or give it to `mixedmodels sums`."
            )
    sums = scaleout.CrossProducts.load(arguments.sums)
    return lambda: sums.fit(
        reml=not arguments.ml,
        optimizer=arguments.optimizer,
        threads=arguments.threads,
        verbose=arguments.verbose,
        method=arguments.method,
        memory=arguments.memory,
        **asked,
    )


def _checked(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `lmer` is given beside columns and plain options; refuses options without effect.

    Raises:
        MixedModelsError: An option that cannot be understood, or goes with another one.
    """
    thread_count(arguments.threads)
    _check_family(arguments)
    if arguments.confint is None:
        refuse_without(arguments, ["level", "nsim", "seed"], "--confint")
    elif arguments.confint != "bootstrap":
        refuse_without(arguments, ["nsim", "seed"], "--confint bootstrap")
    if arguments.level is not None:
        check_level(arguments.level)
    limit = arguments.max_evaluations
    return {
        "start": _start(arguments.start),
        "control": None if limit is None else Control(max_evaluations=limit),
    }


def _start(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(piece) for piece in text.strip("[]").replace(",", " ").split()]
    except ValueError:
        raise MixedModelsError(
            f"--start is {text!r:.80}; it must be numbers with commas, such as 1,0,1."
        ) from None


def _intervals(found: MixedFit, arguments: argparse.Namespace) -> pd.DataFrame | None:
    if arguments.confint is None:
        return None
    return found.confint(
        level=_level(arguments),
        method=arguments.confint,
        ddf=arguments.ddf or "satterthwaite",
        nsim=arguments.nsim,
        seed=arguments.seed,
        threads=arguments.threads,
    )


def _level(arguments: argparse.Namespace) -> float:
    return _LEVEL if arguments.level is None else float(arguments.level)


def _intervals_text(intervals: pd.DataFrame, arguments: argparse.Namespace) -> str:
    title = f"{100 * _level(arguments):g} % confidence intervals ({arguments.confint}):"
    shown = intervals.dropna(how="all") if arguments.confint == "wald" else intervals
    return render_text([frame_table(shown, title)])


def as_json(
    found: MixedFit,
    arguments: argparse.Namespace,
    ddf: DfMethod,
    intervals: pd.DataFrame | None,
) -> dict[str, Any]:
    """A fit as an object of JSON; a number that is not finite (an aliased one) becomes null.

    What has a name stands in lists of records: two columns may have the same name.
    """
    design = found._design  # noqa: SLF001
    kept = dict(zip(found.solution.kept.tolist(), found.stderror.tolist(), strict=True))
    return {
        "formula": design.formula.text,
        "reml": found.reml,
        "n": found.nobs,
        "npar": found.npar,
        "objective": number(found.objective),
        "deviance": number(found.deviance),
        "loglik": number(found.loglik),
        "aic": number(found.aic),
        "bic": number(found.bic),
        "theta": named_numbers(found.theta_names, found.theta),
        "beta": [
            {"name": name, "value": number(value), "std_error": number(kept.get(j, math.nan))}
            for j, (name, value) in enumerate(zip(design.x_names, found.beta, strict=True))
        ],
        "ddf": "none" if found.solution.residual_sd is None else ddf,
        "tests": _tests(found, ddf),
        "confint": None if intervals is None else _confint(intervals, arguments),
        "sigma": None if found.solution.residual_sd is None else number(found.sigma),
        "family": found._family_words,  # noqa: SLF001
        "components": _components(found),
        "groups": [{"name": group.name, "levels": group.n_levels} for group in design.groups],
        "random": [
            {
                "group": term.label,
                "sd": named_numbers(term.columns, term.sd),
                "corr": [[number(value) for value in row] for row in term.corr],
            }
            for term in found.varcorr.terms
        ],
        "converged": bool(found.converged),
        "singular": bool(found.is_singular),
        "optimizer": found.optsum.optimizer,
        "evaluations": found.optsum.n_objective,
        "messages": [in_shell_words(message, arguments) for message in found.messages],
    }


def _tests(found: MixedFit, ddf: DfMethod) -> list[dict[str, Any]]:
    """The tests of the coefficients kept; infinitely many degrees of freedom become null."""
    names = ["estimate", "std_error", "df", "statistic", "p_value"]
    return json_records(found.coef_table(ddf)[names], "name")


def _components(found: MixedFit) -> list[dict[str, Any]]:
    """Coefficients of dispersion, zero inflation and thresholds; none of a linear model."""
    if found._family_words is None:  # noqa: SLF001
        return []
    whole = cast("GeneralizedLinearMixedFit", found).component_table()
    return [
        {"component": str(part), **record}
        for part, table in whole.groupby(level="component", sort=False)
        for record in json_records(table.droplevel("component"), "name")
    ]


def _confint(intervals: pd.DataFrame, arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "method": arguments.confint,
        "level": _level(arguments),
        "intervals": json_records(intervals[["lower", "upper"]], "name"),
    }
