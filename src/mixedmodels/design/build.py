"""FormulaSpec and table to Design: the order of the steps, each of which lives in its own module.

Variables are found, incomplete rows dropped, then response, fixed part, groups and random-effects
terms are made on the rows that are left, and what cannot be identified is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from mixedmodels.design.builder import Builder
from mixedmodels.design.checks import (
    check_identifiable,
    check_response,
    check_ruled_response,
    warn_of_wide_terms,
)
from mixedmodels.design.coding import contrast_name
from mixedmodels.design.design import AllRows, Design
from mixedmodels.design.evaluate import columns_hint
from mixedmodels.design.frame import Table, as_table
from mixedmodels.design.missing import (
    MissingRows,
    read_argument,
    weights_message,
)
from mixedmodels.design.response import ResponseRule, outcome_message
from mixedmodels.design.roles import check_roles
from mixedmodels.design.rows import Rows
from mixedmodels.design.used import use_rows
from mixedmodels.design.variables import variables_of
from mixedmodels.errors import DataError, FormulaWarning, warn
from mixedmodels.formula import FormulaSpec
from mixedmodels.formula.parts import PartSpec
from mixedmodels.formula.tokens import shorten
from mixedmodels.settings import NA_ACTIONS, NaAction
from mixedmodels.spelling import chosen_option


def build_design(
    spec: FormulaSpec,
    data: Any,
    *,
    weights: Any = None,
    offset: Any = None,
    contrasts: Mapping[str, Any] | None = None,
    na_action: NaAction = "omit",
    residual: bool = True,
    response: bool | ResponseRule = True,
    parts: Sequence[PartSpec] = (),
    categories: pd.Index | None = None,
) -> Design:
    """Make the design of a mixed model from a parsed formula and a table.

    Args:
        spec: The parsed formula.
        data: A pandas, Polars, PyArrow or other eager table, or a dict of columns; not modified.
        weights: Prior weights: a column, an expression of columns, or one value per row of `data`.
        offset: The same for a known addition to the linear predictor.
        contrasts: Column (or factor as written) to "treatment", "sum", "helmert", "poly" or a
            matrix (levels x columns); treatment for all others.
        na_action: "omit" drops rows with a missing value in any variable used, "exclude" does so
            and keeps their places for results by row, "raise" refuses.
        residual: Whether the model has a residual variance of its own (linear models); without,
            one level per row is allowed.
        response: Whether the response is read; it is zero otherwise, and need not be in the data.
            A rule says what responses there may be, and may turn them and the weights into others
            (shares and trials into successes and trials).
        parts: Formulas of other parameters of the response's distribution.
        categories: Of an ordered response that is not read.

    Returns:
        The design on the rows used.

    Raises:
        FormulaError: the formula names what the data does not have, or cannot be computed.
        DataError: a column, the weights or the offset cannot be used.
        ModelError: a random-effects term cannot be identified.

    Example:
        >>> from mixedmodels import load_dataset
        >>> from mixedmodels.formula import parse_formula
        >>> spec = parse_formula("Reaction ~ Days + (Days | Subject)")
        >>> design = build_design(spec, load_dataset("sleepstudy"))
        >>> design.n, design.x_names, design.groups[0].n_levels
        (180, ('(Intercept)', 'Days'), 18)
    """
    na_action = chosen_option("na_action", na_action, NA_ACTIONS)
    for power in spec.powers:
        warn(
            f"'{shorten(power)}' adds nothing to the formula: as in R, a power of one term is the "
            f"term itself. For a power of its numbers write I({shorten(power)}).",
            FormulaWarning,
        )
    rows = Rows(as_table(data))
    if rows.n_rows == 0:
        raise DataError("The data has no rows.")
    check_roles(spec, rows.table)
    contrasts = {} if contrasts is None else contrasts
    check_contrasts(contrasts, rows.table)
    given_offset = read_argument("offset", offset, rows)
    given_weights = read_argument("weights", weights, rows)
    missing = MissingRows(rows, na_action)
    used = use_rows(spec, missing, given_weights, given_offset, response=response, parts=parts)
    builder = Builder(spec, used.values, contrasts)
    levels = categories if used.categories is None else used.categories.levels
    fixed_spec, X = builder.fixed(intercept=levels is None)
    groups, terms = builder.random(fixed_spec, X)
    others = tuple(builder.part(part) for part in parts)
    if response is True:
        check_response(spec.response, used.y)
    elif isinstance(response, ResponseRule) and not response.ordered:
        check_ruled_response(spec.response, used.y, used.w, of_trials=response.of_trials)
    check_identifiable(terms, groups, rows.n_rows, residual=residual)
    warn_of_wide_terms(terms, groups)
    empty = None if used.categories is None else used.categories.message
    outcome = None
    if isinstance(response, ResponseRule):
        outcome = outcome_message(response, spec, used.values)
    zero = weights_message(used.n_zero_weight, trials=weights is None)
    dropped = (missing.message, zero, empty, outcome)
    messages = (*dropped, *builder.level_messages())
    excluded = na_action == "exclude" and rows.kept is not None
    return Design(
        formula=spec,
        y=used.y,
        X=X,
        x_names=fixed_spec.names,
        w=used.w,
        offset=used.offset,
        groups=groups,
        terms=terms,
        n=rows.n_rows,
        n_dropped=missing.n_dropped,
        rows=rows.kept,
        index=rows.index(),
        response_name=spec.response,
        fixed_spec=fixed_spec,
        offset_spec=used.offset_spec,
        variables=variables_of(spec, rows, fixed_spec),
        messages=tuple(message for message in messages if message),
        all_rows=AllRows(rows.table.n_rows, rows.table.index) if excluded else None,
        parts=others,
        categories=levels,
    ).freeze()


def check_contrasts(contrasts: Mapping[str, Any], table: Table) -> None:
    """Refuse contrasts of columns that do not exist, or that are not contrasts.

    Raises:
        DataError: Naming the column.
    """
    if not isinstance(contrasts, Mapping):
        raise DataError(f"contrasts must be a dict from column to contrast, not {contrasts!r:.80}.")
    for name in contrasts:
        if name not in table and "(" not in str(name):
            hint = columns_hint(str(name), table)
            raise DataError(f"contrasts names '{name}', which is not a column of the data.{hint}")
        if isinstance(contrasts[name], str):
            contrast_name(contrasts[name], name)
