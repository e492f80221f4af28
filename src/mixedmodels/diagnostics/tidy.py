"""Tidy tables of a fit in the columns of R's broom.mixed, in snake case.

The numbers come from the tables of the fit; here they are only put into long form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import AnyArray, FloatArray
from mixedmodels.design.by_row import all_labels, used_labels
from mixedmodels.design.frame import as_table
from mixedmodels.design.given import Given
from mixedmodels.design.model_frame import model_frame
from mixedmodels.diagnostics.rows import RowValues, fixed_part, row_columns
from mixedmodels.errors import DataError, MixedModelsError
from mixedmodels.estimates.linear import Fitted
from mixedmodels.estimates.tails import wald_limits
from mixedmodels.estimates.varcorr import VarCorr
from mixedmodels.lazy import late_module
from mixedmodels.naming import backticked, distinct
from mixedmodels.settings import TIDY_EFFECTS, TidyEffect, names_given
from mixedmodels.spelling import chosen_option

if TYPE_CHECKING:
    import narwhals as nw
else:
    nw = late_module("narwhals")

COLUMNS = (
    "effect",
    "component",
    "group",
    "level",
    "term",
    "estimate",
    "std_error",
    "df",
    "statistic",
    "p_value",
    "conf_low",
    "conf_high",
)


def check_effects(effects: TidyEffect | Sequence[TidyEffect]) -> list[TidyEffect]:
    """The effects asked for, as a list.

    Raises:
        MixedModelsError: Not among those there are, or none.
    """
    listed = ", ".join(TIDY_EFFECTS)
    wanted = names_given("effects", effects, f"one of {listed}, or a list of them")
    if not wanted:
        raise MixedModelsError(f"tidy: effects is empty; name some of {listed}.")
    return [chosen_option("effects", effect, TIDY_EFFECTS) for effect in wanted]


def fixed_rows(table: pd.DataFrame, level: float) -> pd.DataFrame:
    """Rows of a coefficient table, with limits by its degrees of freedom."""
    estimate, error, df = (table[name].to_numpy() for name in ("estimate", "std_error", "df"))
    low, high = wald_limits(estimate, error, df, level)
    values = {name: table[name].to_numpy() for name in table.columns}
    return pd.DataFrame(
        {
            "effect": "fixed",
            "group": None,
            "level": None,
            "term": table.index.to_numpy(dtype=object),
            **values,
            "conf_low": low,
            "conf_high": high,
        }
    )


def component_rows(table: pd.DataFrame, component: str, level: float) -> pd.DataFrame:
    """Coefficients of another parameter than the mean, with limits by the normal."""
    rows = fixed_rows(table.assign(df=np.inf), level)
    return rows.assign(component=component)


def profiled_component(rows: pd.DataFrame, limits: pd.DataFrame) -> pd.DataFrame:
    """The rows of such coefficients with limits from a table of all parameters."""
    own = [f"{role}.{term}" for role, term in zip(rows["component"], rows["term"], strict=True)]
    names = [
        name if name in limits.index else term for name, term in zip(own, rows["term"], strict=True)
    ]
    return limited(rows, limits, names)


def parameter_rows(varcorr: VarCorr) -> pd.DataFrame:
    """Standard deviations and correlations: terms `sd__Days`, `cor__(Intercept).Days`."""
    frame = varcorr.to_frame()
    rows = list(zip(frame["grp"], frame["var1"], frame["var2"], strict=True))
    # No two terms have one label, so that only the names of one label can collide.
    labelled = distinct(
        [f"{label}\n{_parameter(*effects)}" for label, *effects in rows],
        lambda i: f"{rows[i][0]}\n{_parameter(*map(_dotless, rows[i][1:]))}",
    )
    names = [name.partition("\n")[2] for name in labelled]
    return pd.DataFrame(
        {
            "effect": "ran_pars",
            "group": frame["grp"].to_numpy(dtype=object),
            "term": np.array(names, dtype=object),
            "estimate": frame["sdcor"].to_numpy(),
        }
    )


def scale_rows(
    names: Sequence[str], values: FloatArray, log_error: float, level: float
) -> pd.DataFrame:
    """Parameters of a family that are one number for all rows, with limits on the log scale.

    Args:
        names: What they are called, as in `confint`.
        values: (k,) above zero.
        log_error: Standard error of the logarithm.
        level: Coverage.
    """
    normal, error = np.full(len(values), np.inf), np.full(len(values), log_error)
    with np.errstate(over="ignore"):  # nothing is known of a limit beyond the largest number
        low, high = np.exp(wald_limits(np.log(values), error, normal, level))
    return pd.DataFrame(
        {
            "effect": "ran_pars",
            "component": "dispersion",
            "group": None,
            "term": np.array(names, dtype=object),
            "estimate": values,
            "std_error": values * log_error,
            "conf_low": low,
            "conf_high": high,
        }
    )


def limited(rows: pd.DataFrame, limits: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """The rows with limits from a table by name."""
    found = limits.reindex(list(names)).to_numpy(dtype=np.float64)
    return rows.assign(conf_low=found[:, 0], conf_high=found[:, 1])


def _parameter(var1: str | None, var2: str | None) -> str:
    if var1 is None:
        return "sd__Observation"
    return f"sd__{var1}" if var2 is None else f"cor__{var1}.{var2}"


def _dotless(name: str | None) -> str | None:
    return backticked(name) if name is not None and "." in name else name


def mode_rows(
    tables: Mapping[str, pd.DataFrame], variances: Mapping[str, FloatArray], level: float
) -> pd.DataFrame:
    """Conditional modes with conditional standard deviations, limits by the normal."""
    parts = []
    for group, table in tables.items():
        sd = np.sqrt(np.einsum("ljj->lj", variances[group]))
        part = _by_level("ran_vals", group, table)
        part["std_error"] = sd.ravel()
        estimate, normal = part["estimate"].to_numpy(), np.array([np.inf])
        part["conf_low"], part["conf_high"] = wald_limits(estimate, sd.ravel(), normal, level)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def coefficient_rows(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Fixed plus random effects by level."""
    return pd.concat(
        [_by_level("ran_coefs", group, table) for group, table in tables.items()],
        ignore_index=True,
    )


def _by_level(effect: TidyEffect, group: str, table: pd.DataFrame) -> pd.DataFrame:
    levels, terms = table.shape
    return pd.DataFrame(
        {
            "effect": effect,
            "group": group,
            "level": np.repeat(table.index.to_numpy(dtype=object), terms),
            "term": np.tile(table.columns.to_numpy(dtype=object), levels),
            "estimate": table.to_numpy().ravel(),
        }
    )


def bind(parts: Sequence[pd.DataFrame], *, limits: bool) -> pd.DataFrame:
    """The parts under each other, with the columns that any of them has."""
    present = {name for part in parts for name in part.columns}
    if all(part["effect"].isin(["fixed", "ran_pars"]).all() for part in parts):
        present.discard("level")
    columns = [name for name in COLUMNS if name in present]
    if not limits:
        columns = [name for name in columns if not name.startswith("conf_")]
    filled = [part.reindex(columns=columns) for part in parts]
    out = {
        name: np.concatenate([part[name].to_numpy(dtype=_kind(name)) for part in filled])
        for name in columns
    }
    return pd.DataFrame(out)


def _kind(name: str) -> type:
    return object if name in COLUMNS[:5] else np.float64


def augmented(fitted: Fitted, values: RowValues, fit_values: FloatArray) -> pd.DataFrame:
    """The columns that `augment` adds, on the rows used."""
    design, solution = fitted.model.design, fitted.solution
    offset = np.zeros(design.n) if design.offset is None else design.offset
    w = np.ones(design.n) if design.w is None else design.w
    columns = row_columns(
        values, solution, design.y, fit_values, fixed_part(fitted) + offset, offset, w
    )
    return pd.DataFrame(columns, used_labels(design))


def model_columns(fitted: Fitted) -> pd.DataFrame:
    """The response and the grouping factors, which is what a fit keeps of its data."""
    design = fitted.model.design
    names = [design.response_name, *(group.name for group in design.groups)]
    columns = [
        fitted.response,
        *(pd.Categorical.from_codes(group.codes, group.levels) for group in design.groups),
    ]
    told_apart = distinct(names, lambda i: f"group({names[i]})" if i else names[i])
    return pd.DataFrame(dict(zip(told_apart, columns, strict=True)), used_labels(design))


def own_columns(fitted: Fitted, given: Given | None) -> pd.DataFrame:
    """The variables of the formula where the fit has its table as it was, else `model_columns`."""
    if given is not None:
        try:
            frame = model_frame(fitted.model.design, given)
        except DataError:  # The table has been changed since.
            return model_columns(fitted)
        # Weights and offset are among the columns that `augment` adds.
        return frame.drop(columns=["(weights)", "(offset)"], errors="ignore")
    return model_columns(fitted)


def beside(first: pd.DataFrame, added: pd.DataFrame) -> pd.DataFrame:
    """Both tables side by side; columns of the first with a name of the second are `data(name)`."""
    names = [f"data({name})" if name in added.columns else name for name in first.columns]
    return pd.concat([first.set_axis(names, axis=1), added], axis=1)


def rows_used(fitted: Fitted, data: Any) -> pd.DataFrame:
    """The rows of the user's table that results by row have, labelled as these.

    Raises:
        DataError: Not an eager table, or not the one the model was fitted to.
    """
    design = fitted.model.design
    frame = _to_pandas(data)
    least = design.n if design.rows is None else int(design.rows[-1]) + 1
    if len(frame) < least or (design.rows is None and len(frame) != design.n):
        raise DataError(
            f"augment: data has {len(frame)} rows; the model was fitted to a table that has "
            f"{'' if design.rows is None else 'at least '}{least}. Give the same table."
        )
    if design.all_rows is not None and len(frame) != design.all_rows.n:
        raise DataError(
            f"augment: data has {len(frame)} rows; the model was fitted to a table that has "
            f"{design.all_rows.n}. Give the same table."
        )
    used = frame if design.rows is None else frame.iloc[design.rows]
    name = design.response_name
    if name in used.columns and _differ(used[name].to_numpy(), fitted.response):
        raise DataError(
            f"augment: '{name}' in data is not the response that the model was fitted to. "
            "Give the same table, its rows in the same order."
        )
    kept = used if design.all_rows is None else frame
    return kept.set_axis(all_labels(design), axis=0)


def _differ(given: AnyArray, response: FloatArray) -> bool:
    """Whether a column of numbers is another response; of categories nothing is known."""
    return given.dtype.kind in "biuf" and not np.allclose(given, response, rtol=1e-9, atol=0.0)


def labelled_columns(data: Any, labels: pd.Index | None) -> pd.DataFrame:
    """The columns of a table, its rows labelled anew."""
    frame = _to_pandas(data)
    return frame if labels is None else frame.set_axis(labels, axis=0)


def _to_pandas(data: Any) -> pd.DataFrame:
    if isinstance(data, pd.DataFrame):
        return data
    as_table(data)  # refuses what is not a table, in words
    if isinstance(data, Mapping):
        return pd.DataFrame(dict(data))
    frame = nw.from_native(data, eager_only=True)
    return pd.DataFrame({name: frame[name].to_numpy() for name in frame.columns})
