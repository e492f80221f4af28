"""The commands of `mixedmodels`: each turns its arguments into calls and prints what they give.

Text and JSON go to standard output, notes and warnings to standard error. What surrounds a command
(arguments, streams, signals, the exit status of errors) is in `cli`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import sys
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mixedmodels.api import lmer
from mixedmodels.datasets import describe_dataset, list_datasets
from mixedmodels.design.frame import FileTable
from mixedmodels.errors import ConvergenceWarning, FileError, SingularFitWarning
from mixedmodels.layout import TextOptions
from mixedmodels.linear import LinearMixedFit
from mixedmodels.readers import read_table
from mixedmodels.settings import DfMethod, df_method, thread_count
from mixedmodels.storage.files import check_target

OK, NOT_CONVERGED = 0, 1


def datasets(arguments: argparse.Namespace) -> int:
    """List the bundled data sets, or describe one."""
    if arguments.name is not None:
        print(describe_dataset(arguments.name))
        return OK
    for name in list_datasets():
        info = describe_dataset(name)
        print(f"{name:<14}{info.rows:>6} rows  {info.description}")
    return OK


def fit(arguments: argparse.Namespace) -> int:
    """Fit a model, write what was asked for and print the result.

    Returns:
        0, or 1 where the fit did not converge.
    """
    thread_count(arguments.threads)
    ddf = None if arguments.ddf is None else df_method(arguments.ddf)
    _check_files(arguments)
    options = TextOptions(arguments.sep, arguments.decimal, arguments.encoding)
    data, notes, naming = read_table(arguments.data, options)
    for note in notes:
        _say("note", f"{arguments.data}: {note}.")
    with _results_alone_on_stdout(arguments.json), _warnings_in_words():
        found = lmer(
            arguments.formula,
            FileTable(data, naming),
            reml=not arguments.ml,
            weights=arguments.weights,
            offset=arguments.offset,
            optimizer=arguments.optimizer,
            threads=arguments.threads,
            verbose=arguments.verbose,
        )
        if arguments.save is not None:
            found.save(arguments.save)
        if arguments.report is not None:
            found.report(arguments.report)
        if arguments.json:
            content = as_json(found, ddf or "satterthwaite")
            text = json.dumps(content, indent=2, allow_nan=False)
        else:
            text = str(found) if ddf is None else str(found.summary(ddf))
    print(text)
    return OK if found.converged else NOT_CONVERGED


def _check_files(arguments: argparse.Namespace) -> None:
    """Find out before a long fit whether what it gives can be written where it is to go.

    Raises:
        FileError: A file cannot be written, or would replace the data or the other result.
    """
    taken = {Path(arguments.data).resolve(): "the data"} if _exists(arguments.data) else {}
    for option in ("save", "report"):
        wanted = getattr(arguments, option)
        if wanted is None:
            continue
        path = check_target(wanted).path.resolve()
        for other, what in taken.items():
            if path == other or (path.exists() and path.samefile(other)):
                raise FileError(f"--{option} {wanted} would replace {what}; give another name.")
        taken[path] = f"what --{option} writes"


def _exists(source: str) -> bool:
    try:
        return Path(source).exists()
    except (OSError, ValueError):
        return False


def _say(kind: str, message: str) -> None:
    print(f"mixedmodels: {kind}: {message}", file=sys.stderr)


@contextlib.contextmanager
def _results_alone_on_stdout(wanted: bool) -> Iterator[None]:
    """Send the optimiser's trace to standard error: what is printed stays one JSON object."""
    with contextlib.redirect_stdout(sys.stderr) if wanted else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def _warnings_in_words() -> Iterator[None]:
    """Silence the warnings that summary and JSON repeat; say others without a place in the code."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", SingularFitWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            yield
        finally:
            for message in dict.fromkeys(str(warning.message) for warning in caught):
                _say("warning", message)


def as_json(found: LinearMixedFit, ddf: DfMethod = "satterthwaite") -> dict[str, Any]:
    """A fit as an object of JSON; a number that is not finite (an aliased one) becomes null.

    What has a name stands in lists of records: two columns may have the same name.
    """
    design = found.model.design
    kept = dict(zip(found.solution.kept.tolist(), found.stderror.tolist(), strict=True))
    return {
        "formula": design.formula.text,
        "reml": found.reml,
        "n": found.nobs,
        "npar": found.npar,
        "objective": _number(found.objective),
        "deviance": _number(found.deviance),
        "loglik": _number(found.loglik),
        "aic": _number(found.aic),
        "bic": _number(found.bic),
        "theta": _records(found.theta_names, found.theta),
        "beta": [
            {"name": name, "value": _number(value), "std_error": _number(kept.get(j, math.nan))}
            for j, (name, value) in enumerate(zip(design.x_names, found.beta, strict=True))
        ],
        "ddf": ddf,
        "tests": _tests(found, ddf),
        "sigma": _number(found.sigma),
        "groups": [{"name": group.name, "levels": group.n_levels} for group in design.groups],
        "random": [
            {
                "group": term.label,
                "sd": _records(term.columns, term.sd),
                "corr": [[_number(value) for value in row] for row in term.corr],
            }
            for term in found.varcorr.terms
        ],
        "converged": bool(found.converged),
        "singular": bool(found.is_singular),
        "optimizer": found.optsum.optimizer,
        "evaluations": found.optsum.n_objective,
        "messages": list(found.messages),
    }


def _tests(found: LinearMixedFit, ddf: DfMethod) -> list[dict[str, Any]]:
    """The tests of the coefficients kept; infinitely many degrees of freedom become null."""
    table = found.coef_table(ddf)
    names = ("estimate", "std_error", "df", "statistic", "p_value")
    return [
        {
            "name": str(row),
            **{name: _number(value) for name, value in zip(names, values, strict=True)},
        }
        for row, values in zip(table.index, table[list(names)].to_numpy().tolist(), strict=True)
    ]


def _records(names: Iterable[str], values: Iterable[float]) -> list[dict[str, Any]]:
    return [
        {"name": str(name), "value": _number(value)}
        for name, value in zip(names, values, strict=True)
    ]


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
