"""Names of options as users write them: in any case, and with any signs between words.

One rule for every option that is a name. Names that other packages have for an option are not
taken, but for those that are in a table of ours; the error says what to write.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Real
from typing import TypeVar

from mixedmodels.calls import value_hint
from mixedmodels.errors import MixedModelsError

_Option = TypeVar("_Option", bound=str | int)


def spelled(
    value: object, options: Iterable[_Option], also: Mapping[str, _Option] | None = None
) -> _Option | None:
    """The option that a value names: in any case, with any signs between words; None if it is none.

    Args:
        value: What a user gave.
        options: What there is.
        also: Other names, by their letters and digits in lower case.
    """
    known = tuple(options)
    # Comparing an array, or the missing value of pandas, has no single answer.
    scalar = isinstance(value, (str, Real)) and not isinstance(value, bool)
    if scalar and value in known:
        return known[known.index(value)]
    if not isinstance(value, str):
        return None
    letters = letters_of(value)
    alike = (one for one in known if isinstance(one, str) and letters_of(one) == letters)
    return next(alike, None) or (also or {}).get(letters)


def chosen_option(
    kind: str,
    value: object,
    options: Iterable[_Option],
    also: Mapping[str, _Option] | None = None,
) -> _Option:
    """The one of the `options` that a value names, as `spelled` finds it.

    Raises:
        MixedModelsError: It names none; the message has all, and the nearest one.
    """
    known = tuple(options)
    found = spelled(value, known, also)
    if found is None:
        raise not_among(kind, value, known)
    return found


def not_among(kind: str, value: object, options: tuple[str | int, ...]) -> MixedModelsError:
    """The error for a value that names no option, with all of them and the nearest one."""
    listed = ", ".join(repr(option) for option in options)
    hint = value_hint(kind, value, options)
    return MixedModelsError(f"{kind} is {value!r:.80}; it must be one of {listed}.{hint}")


def letters_of(name: str) -> str:
    """Letters and digits of a name, in lower case."""
    return "".join(sign for sign in name.casefold() if sign.isalnum())
