"""The command `mixedmodels`: fit a model to a file from the shell, list the bundled data sets.

Arguments are turned into one call of `lmer`, and its result into text or JSON; tables are read in
`readers`. Exit status: 0, 1 (the fit did not converge), 2 (bad input, said in one message on
standard error).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import mixedmodels
from mixedmodels.datasets import describe_dataset, list_datasets
from mixedmodels.errors import ConvergenceWarning, MixedModelsError, SingularFitWarning
from mixedmodels.fit.linear import LinearMixedFit
from mixedmodels.readers import read_table
from mixedmodels.settings import OPTIMIZERS

OK, NOT_CONVERGED, BAD_INPUT = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Arguments after the command's name; those of the process if None.

    Returns:
        The exit status.
    """
    arguments = _parser().parse_args(argv)
    command = {"fit": _fit, "datasets": _datasets}[arguments.command]
    try:
        return command(arguments)
    except MixedModelsError as error:
        print(f"mixedmodels: error: {error}", file=sys.stderr)
        return BAD_INPUT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mixedmodels", description="Linear mixed models.")
    parser.add_argument(
        "--version", action="version", version=f"mixedmodels {mixedmodels.__version__}"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    fit = commands.add_parser(
        "fit",
        help="fit a model and print its summary",
        description="Fit a linear mixed model and print its summary.",
        epilog='example: mixedmodels fit "Reaction ~ Days + (Days | Subject)" sleepstudy',
    )
    fit.add_argument("formula", metavar="FORMULA", help='such as "y ~ x + (1 | g)", quoted')
    fit.add_argument(
        "data",
        metavar="DATA",
        help="a CSV, Parquet, Arrow or Feather file, or the name of a bundled data set",
    )
    fit.add_argument("--ml", action="store_true", help="maximum likelihood instead of REML")
    fit.add_argument("--weights", metavar="COL", help="column (or expression) of prior weights")
    fit.add_argument("--offset", metavar="COL", help="column (or expression) of known terms")
    fit.add_argument("--optimizer", choices=OPTIMIZERS, default="auto", help="default: auto")
    fit.add_argument("--threads", type=int, metavar="N", help="most threads to use")
    fit.add_argument("--verbose", action="store_true", help="print a line per iteration")
    fit.add_argument("--report", metavar="FILE", help="also write a page of HTML with pictures")
    fit.add_argument("--save", metavar="FILE", help="also write the fit, for mixedmodels.load")
    fit.add_argument("--json", action="store_true", help="print one JSON object instead of text")

    datasets = commands.add_parser(
        "datasets",
        help="list the bundled data sets, or describe one",
        description="List the bundled data sets, or describe one.",
    )
    datasets.add_argument("name", nargs="?", metavar="NAME", help="the data set to describe")
    return parser


def _datasets(arguments: argparse.Namespace) -> int:
    if arguments.name is not None:
        print(describe_dataset(arguments.name))
        return OK
    for name in list_datasets():
        info = describe_dataset(name)
        print(f"{name:<14}{info.rows:>6} rows  {info.description}")
    return OK


def _fit(arguments: argparse.Namespace) -> int:
    data = read_table(arguments.data)
    with _results_alone_on_stdout(arguments.json), _said_in_the_result():
        fit = mixedmodels.lmer(
            arguments.formula,
            data,
            reml=not arguments.ml,
            weights=arguments.weights,
            offset=arguments.offset,
            optimizer=arguments.optimizer,
            threads=arguments.threads,
            verbose=arguments.verbose,
        )
    if arguments.save is not None:
        fit.save(arguments.save)
    if arguments.report is not None:
        fit.report(arguments.report)
    print(json.dumps(as_json(fit), indent=2, allow_nan=False) if arguments.json else fit)
    return OK if fit.converged else NOT_CONVERGED


@contextlib.contextmanager
def _results_alone_on_stdout(wanted: bool) -> Iterator[None]:
    """Send the optimiser's trace to standard error: what is printed stays one JSON object."""
    with contextlib.redirect_stdout(sys.stderr) if wanted else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def _said_in_the_result() -> Iterator[None]:
    """Silence the warnings that summary and JSON repeat."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", SingularFitWarning)
        yield


def as_json(fit: LinearMixedFit) -> dict[str, Any]:
    """A fit as an object of JSON; a number that is not finite (an aliased one) becomes null."""
    levels = {group.name: group.n_levels for group in fit.model.design.groups}
    return {
        "formula": fit.model.design.formula.text,
        "reml": fit.reml,
        "n": fit.nobs,
        "npar": fit.npar,
        "objective": _number(fit.objective),
        "deviance": _number(fit.deviance),
        "loglik": _number(fit.loglik),
        "aic": _number(fit.aic),
        "bic": _number(fit.bic),
        "theta": _numbers(zip(fit.theta_names, fit.theta, strict=True)),
        "beta": _numbers(fit.fixef.items()),
        "se": _numbers(fit.stderror.items()),
        "sigma": _number(fit.sigma),
        "levels": levels,
        "random": [
            {
                "group": term.label,
                "sd": _numbers(zip(term.columns, term.sd, strict=True)),
                "corr": [[_number(value) for value in row] for row in term.corr],
            }
            for term in fit.varcorr.terms
        ],
        "converged": bool(fit.converged),
        "singular": bool(fit.is_singular),
        "optimizer": fit.optsum.optimizer,
        "evaluations": fit.optsum.n_objective,
        "messages": list(fit.messages),
    }


def _numbers(items: Any) -> dict[str, float | None]:
    return {str(name): _number(value) for name, value in items}


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


if __name__ == "__main__":
    sys.exit(main())
