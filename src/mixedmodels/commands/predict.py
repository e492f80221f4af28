"""`mixedmodels predict`: rows with their predictions, from a saved fit."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.api import load
from mixedmodels.commands.arguments import refuse_without
from mixedmodels.commands.output import (
    check_targets,
    json_table,
    print_json,
    status_of,
    warnings_in_words,
)
from mixedmodels.commands.tables import given_table, text_options
from mixedmodels.design.frame import FileTable
from mixedmodels.diagnostics.tidy import beside, labelled_columns, model_columns
from mixedmodels.errors import FileError, MixedModelsError
from mixedmodels.fit.mixed import MixedFit
from mixedmodels.layout import TextOptions
from mixedmodels.settings import check_level, df_method
from mixedmodels.storage.files import write_whole

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
# Largest number up to which every whole number is a double.
_WHOLE = 2.0**53
_OF_INTERVALS = ("level", "ddf", "uncertainty", "weights")


def run(arguments: argparse.Namespace) -> int:
    """Predict, and write the rows with their predictions.

    Returns:
        0, or 1 where the fit had not converged.
    """
    options = _interval_options(arguments)
    separator = _separator(arguments)
    check_targets(
        {"output": arguments.output}, {"the fit": arguments.fit, "the data": arguments.data}
    )
    fit = load(arguments.fit, threads=arguments.threads)
    data = None if arguments.data is None else given_table(arguments)
    with warnings_in_words(arguments):
        table = _predicted(fit, data, arguments, options)
    if arguments.json:
        print_json("predict", _as_json(fit, table, arguments, options))
        return status_of(fit.converged)
    text = table.to_csv(sep=separator, index=False, lineterminator="\n")
    if arguments.output is None:
        print(text, end="")
    else:
        write_whole(arguments.output, text.encode("utf-8", "surrogateescape"))
    return status_of(fit.converged)


def _interval_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `predict_interval` is asked for.

    Raises:
        MixedModelsError: An option that cannot be, or goes with another one.
    """
    if arguments.interval is None:
        refuse_without(arguments, _OF_INTERVALS, "--interval")
    if arguments.level is not None:
        check_level(arguments.level)
    if arguments.ddf is not None:
        df_method(arguments.ddf)
    if arguments.data is None and text_options(arguments) != TextOptions():
        raise MixedModelsError("--sep, --decimal and --encoding are of use with DATA only.")
    asked = {name: getattr(arguments, name) for name in _OF_INTERVALS}
    return {name: value for name, value in asked.items() if value is not None}


def _separator(arguments: argparse.Namespace) -> str:
    """What stands between the fields of the output.

    Raises:
        FileError: The file's ending is of another kind, or JSON is asked for too.
    """
    if arguments.output is None:
        return ","
    if arguments.json:
        raise FileError("--output is for CSV; with --json send standard output to a file.")
    ending = Path(arguments.output).suffix.lower()
    if arguments.output and ending not in _SEPARATORS:
        raise FileError(
            f"--output {arguments.output} ends in {ending or 'nothing'!r}; predictions are "
            "written as .csv, or as .tsv with tabs between fields."
        )
    return _SEPARATORS.get(ending, ",")


def _predicted(
    fit: MixedFit,
    data: FileTable | None,
    arguments: argparse.Namespace,
    options: dict[str, Any],
) -> pd.DataFrame:
    """The columns of the data, or what the fit keeps of its own, and beside these predictions."""
    which = {"random": _random(arguments), "allow_new_levels": arguments.allow_new_levels}
    if arguments.type is not None:
        which["type"] = arguments.type
    if arguments.interval is None:
        made = fit.predict(data, **which).to_frame("prediction")
    else:
        made = fit.predict_interval(data, arguments.interval, **which, **options)
    given = (
        model_columns(fit._fitted).reindex(made.index)  # noqa: SLF001
        if data is None
        else labelled_columns(data.table, made.index)
    )
    return beside(_whole_numbers(given), made)


def _whole_numbers(given: pd.DataFrame) -> pd.DataFrame:
    """Whole numbers as such, where missing values among them have made decimal numbers of them."""
    columns = [given.iloc[:, position] for position in range(given.shape[1])]
    for position, column in enumerate(columns):
        if column.dtype.kind == "f" and column.isna().any():
            present = column.dropna().to_numpy()
            if np.array_equal(present, np.rint(present)) and (np.abs(present) < _WHOLE).all():
                columns[position] = column.astype("Int64")
    return pd.concat(columns, axis=1) if columns else given


def _random(arguments: argparse.Namespace) -> str | list[str]:
    """Random effects that take part: "all", "none", or terms by name."""
    given = arguments.random or ["all"]
    alone = len(given) == 1 and given[0] in ("all", "none", "average")
    return str(given[0]) if alone else list(given)


def _as_json(
    fit: MixedFit,
    table: pd.DataFrame,
    arguments: argparse.Namespace,
    options: dict[str, Any],
) -> dict[str, Any]:
    return {
        "formula": fit.formula,
        "converged": bool(fit.converged),
        "random": arguments.random or ["all"],
        "interval": arguments.interval,
        "level": options.get("level", 0.95) if arguments.interval else None,
        "predictions": json_table(table),
    }
