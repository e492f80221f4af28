"""The functions that users call first: one call from a table to a fit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from mixedmodels.fit.linear import LinearMixedFit
from mixedmodels.model import LinearMixedModel
from mixedmodels.settings import Control, NaAction, OptimizerName
from mixedmodels.storage.fits import load_fit


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
    verbose: bool = False,
) -> LinearMixedFit:
    """Fit a linear mixed model.

    Args:
        formula: `response ~ fixed + (lhs | group) + ...`, lme4's language with Python functions.
        data: A pandas, Polars, PyArrow or other eager table, or a dict of columns; not modified.
        reml: Restricted maximum likelihood; False for maximum likelihood.
        weights: Prior weights: a column, an expression of columns, or one value per row.
        offset: A known addition to the linear predictor, given in the same ways.
        contrasts: Column to "treatment" (the default), "sum", "helmert", "poly" or a matrix.
        na_action: "omit" drops rows with a missing value in any variable used, "raise" refuses.
        start: (m,) theta to start from; by moments if None.
        optimizer: "auto", "quasi-newton", "L-BFGS-B", "COBYQA", "Nelder-Mead", "Powell", "brent"
            or "BOBYQA" (with the extra nlopt).
        control: Limits and tolerances.
        threads: Threads that the fit may use; None leaves the choice to the library.
        verbose: Print a line per iteration.

    Returns:
        The fit.

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
    model = LinearMixedModel(
        formula,
        data,
        weights=weights,
        offset=offset,
        contrasts=contrasts,
        na_action=na_action,
        threads=threads,
    )
    return model.fit(reml, start=start, optimizer=optimizer, control=control, verbose=verbose)


def load(path: str | os.PathLike[str], *, threads: int | None = None) -> LinearMixedFit:
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
    return LinearMixedModel.restore(*load_fit(Path(path)), threads=threads)
