"""How a call may end: a result without unexplained NaN, or an error of the library's tree."""

from __future__ import annotations

import contextlib
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mixedmodels import GeneralizedLinearMixedFit, LinearMixedFit, MixedModelsError


@dataclass(frozen=True)
class Outcome:
    """How a call ended.

    Attributes:
        kind: ``"result"``, ``"refused"`` (an error of the tree) or ``"problem"``.
        text: What the problem is, or the message of the refusal.
    """

    kind: str
    text: str = ""


def outcome_of(call: Callable[[], object]) -> Outcome:
    """Call, and judge how it ended; warnings must be of the library, too."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = call()
        except MixedModelsError as error:
            return _refused(error)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - also panics of other languages
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{last.filename}:{last.lineno}"
            return Outcome("problem", f"{type(error).__name__} at {where}: {str(error)[:300]}")
    foreign = [w for w in caught if not _is_ours(w)]
    if foreign:
        first = foreign[0]
        where = f"{first.filename}:{first.lineno}"
        return Outcome("problem", f"{first.category.__name__} at {where}: {first.message!s:.300}")
    if isinstance(result, (LinearMixedFit, GeneralizedLinearMixedFit)) and not caught:
        silent = _unexplained(result)
        if silent:
            return Outcome("problem", f"{silent} is not finite and nothing says why")
    return Outcome("result")


@contextlib.contextmanager
def refused_in_words(name: str) -> Iterator[None]:
    """Let a call after a fit be refused, if the refusal says why."""
    try:
        yield
    except MixedModelsError as error:
        if not str(error).strip():
            raise AssertionError(f"{name}: {type(error).__name__} without a message") from error


def _is_ours(warning: warnings.WarningMessage) -> bool:
    """Of the library's own categories, or a UserWarning that its code gave (here, its caller)."""
    if warning.category.__module__.startswith("mixedmodels"):
        return True
    where = Path(warning.filename).parts
    return warning.category is UserWarning and ("mixedmodels" in where or "fuzz" in where)


def _refused(error: MixedModelsError) -> Outcome:
    message = str(error)
    if not message.strip() or message == "None":
        return Outcome("problem", f"{type(error).__name__} without a message")
    return Outcome("refused", message)


def _unexplained(fit: LinearMixedFit | GeneralizedLinearMixedFit) -> str:
    """The first estimate that is not finite although neither fit nor table has a note about it."""
    if fit.messages:
        return ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = fit.coef_table()
    table = table.drop(index=list(table.attrs.get("notes", ())), columns="df")
    estimates = {
        "theta": fit.theta,
        "fixef": fit.fixef.to_numpy(),
        "stderror": fit.stderror.to_numpy(),
        "objective": np.array([fit.objective]),
        "coef_table": table.to_numpy(dtype=np.float64),
    }
    if isinstance(fit, LinearMixedFit):
        estimates["sigma"] = np.array([fit.sigma])
    elif fit.dispersion is not None:
        estimates["dispersion"] = np.atleast_1d(np.asarray(fit.dispersion, dtype=np.float64))
    for name, values in estimates.items():
        if not np.isfinite(values).all():
            return name
    return ""
