"""`mixedmodels compare`: saved fits of the same data, by likelihood and side by side."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mixedmodels.api import anova, load, table
from mixedmodels.commands.output import (
    json_records,
    json_value,
    print_json,
    print_text,
    status_of,
    warnings_in_words,
)
from mixedmodels.fit.mixed import MixedFit
from mixedmodels.inference.compare import Comparison
from mixedmodels.report.side_by_side import ModelTable
from mixedmodels.settings import df_method


def run(arguments: argparse.Namespace) -> int:
    """Compare fits.

    Returns:
        0, or 1 where one of the fits had not converged.
    """
    ddf = df_method(arguments.ddf or "satterthwaite")
    files = [arguments.fit, *arguments.fits]
    names = _names(files)
    fits = [load(file, threads=arguments.threads) for file in files]
    with warnings_in_words(arguments):
        tests = anova(*fits, names=names)
        beside = table(fits, names=names, ddf=ddf)
        text = f"{tests}\n\n{beside}"
    if arguments.json:
        print_json(
            "compare",
            {
                "fits": [_fit(*each) for each in zip(names, files, fits, strict=True)],
                "note": tests.note,
                "tests": _tests(tests),
                "estimates": _estimates(beside, names),
            },
        )
    else:
        print_text(text, arguments)
    return status_of(all(fit.converged for fit in fits))


def _names(files: Sequence[str]) -> list[str]:
    """Files by name: without folders and ending, where that tells them apart."""
    stems = [Path(file).stem for file in files]
    return stems if len(set(stems)) == len(stems) else list(files)


def _fit(name: str, file: str, fit: MixedFit) -> dict[str, Any]:
    return {
        "name": name,
        "file": file,
        "formula": fit.formula,
        "reml": fit.reml,
        "n": fit.nobs,
        "converged": bool(fit.converged),
        "singular": bool(fit.is_singular),
    }


def _tests(tests: Comparison) -> list[dict[str, Any]]:
    return json_records(tests.table, "name")


def _estimates(beside: ModelTable, names: Sequence[str]) -> list[dict[str, Any]]:
    """One record per term and fit that has it."""
    frame = beside.to_frame()
    found = []
    for (part, term), row in frame.iterrows():
        for name in names:
            values = row[name]
            if values.notna().any():
                cells = {key: json_value(value) for key, value in values.items()}
                found.append({"part": part, "term": term, "fit": name, **cells})
    return found
