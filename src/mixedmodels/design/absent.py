"""Designs whose rows are elsewhere: what is not there says so when it is asked for.

A model that was made from sums over rows has a design in which the arrays with a value for each row
are not set. Whatever touches one of them is refused, in the name of what the user called; no code
has to ask beforehand, and none can take an empty array for the data.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NoReturn, TypeVar

from mixedmodels.errors import MixedModelsError, asked_for

D = TypeVar("D")


def refuse_absent(self: Any, name: str) -> NoReturn:
    """`__getattr__` of the parts of a design: called for a field that is not set.

    Raises:
        MixedModelsError: For a field; it names what was called and what to do instead.
        AttributeError: For other names.
    """
    if name not in {field.name for field in dataclasses.fields(self)}:
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
    raise rows_needed()


def needs_rows(what: str) -> str:
    """What to say of something that cannot be computed from sums over rows."""
    return (
        f"{what} needs the rows of the data, and this fit was made from sums over them. "
        "fit.augment(source) gives fitted values and residuals of all rows, fit.predict(table) "
        "those of a table; for the rest fit a sample of the rows with lmer(formula, table)."
    )


def rows_needed() -> MixedModelsError:
    """What the core raises."""
    return MixedModelsError(needs_rows(asked_for() or "This"))


def without(made: D, names: set[str], **changes: Any) -> D:
    """A copy of a dataclass with some fields changed and others not set."""
    out = object.__new__(type(made))
    for field in dataclasses.fields(made):  # type: ignore[arg-type]
        if field.name not in names:
            value = changes[field.name] if field.name in changes else getattr(made, field.name)
            object.__setattr__(out, field.name, value)
    return out


def changed(made: D, **changes: Any) -> D:
    """A copy with some fields changed; fields that are not set stay so."""
    fields = dataclasses.fields(made)  # type: ignore[arg-type]
    names = {f.name for f in fields if f.name not in changes and not is_set(made, f.name)}
    return without(made, names, **changes)


def is_set(made: Any, name: str) -> bool:
    """Whether a field has a value."""
    try:
        object.__getattribute__(made, name)
    except AttributeError:
        return False
    return True
