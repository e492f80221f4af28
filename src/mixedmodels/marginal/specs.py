"""What means a user asks for: names, lists of names, or R's formulas.

Which names there are is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any

from mixedmodels.errors import MixedModelsError

# A name in backticks, a call with its brackets, or any other run of characters between operators.
_NAME = re.compile(r"`[^`]+`|(?:[^\s`+*:|~()/^%-]+(?:\([^()]*\))?)")
# A comma that is not in brackets.
_COMMA = re.compile(r",(?![^()]*\))")
_BETWEEN = re.compile(r"^[\s+*:]*$")


@dataclass(frozen=True, slots=True)
class Specs:
    """Means by cells of some variables, compared within cells of others.

    Attributes:
        names: Variables, as the user calls them.
        by: Variables within whose levels means are compared.
        contrast: Name of a comparison from the left side of a formula, or "".
    """

    names: tuple[str, ...]
    by: tuple[str, ...]
    contrast: str = ""


def read_specs(specs: Any, by: Any = None) -> Specs:
    """The means that `specs` and `by` ask for.

    Args:
        specs: A name, a list of names, "1" for one mean, or a formula such as "pairwise ~ f | g".
        by: A name or names; None for what a formula has behind its bar.

    Raises:
        MixedModelsError: Neither names nor a formula.
    """
    groups = _listed("by", by)
    if isinstance(specs, str) and "~" in specs:
        left, _, right = specs.partition("~")
        inside, _, behind = right.partition("|")
        names = () if inside.strip() == "1" else _names(inside, specs)
        own = _names(behind, specs)
        return Specs(_others(names, groups or own), groups or own, left.strip())
    names = () if isinstance(specs, str) and specs.strip() == "1" else _listed("specs", specs)
    return Specs(_others(names, groups), groups)


def split_name(name: str) -> tuple[str, ...]:
    """The names in a product such as "f:g" or "f * g"."""
    return _names(name, name)


def as_formula(text: str, names: Container[str], is_method: Callable[[str], bool]) -> str:
    """The formula that is meant by a text without "~", such as "f | g"; "" if it is none.

    Args:
        text: A text that is not the name of a variable.
        names: Those that are.
        is_method: Whether a word names a comparison.
    """
    inside, bar, behind = _COMMA.sub(" ", text).partition("|")
    first, _, rest = inside.strip().partition(" ")
    left = f"{first} ~ " if first not in names and is_method(first) else "~ "
    sides = [rest if left != "~ " else inside, *([behind] if bar else [])]
    found = [_NAME.findall(side) for side in sides]
    stray = [_NAME.sub("", side) for side in sides if not _BETWEEN.match(_NAME.sub("", side))]
    every = [name.strip("`") in names for side in found for name in side]
    if stray or not all(found) or not all(every) or (left == "~ " and len(every) < 2):
        return ""
    return left + " | ".join(" * ".join(side) for side in found)


def _listed(argument: str, given: Any) -> tuple[str, ...]:
    if given is None and argument == "by":
        return ()
    if isinstance(given, str):
        return (given.strip(),)
    if isinstance(given, Sequence) and all(isinstance(name, str) for name in given):
        return tuple(name.strip() for name in given)
    raise MixedModelsError(
        f"{argument} is {given!r:.80}; it must be a name, a list of names, or for specs a formula "
        'such as "pairwise ~ f | g".'
    )


def _names(text: str, whole: str) -> tuple[str, ...]:
    if not _BETWEEN.match(_NAME.sub("", text)):
        raise MixedModelsError(
            f"{whole!r:.80} is not understood; write the variables as ~ f, ~ f * g or ~ f | g, a "
            "name with other signs between backticks."
        )
    return tuple(dict.fromkeys(name.strip("`") for name in _NAME.findall(text)))


def _others(names: tuple[str, ...], by: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in by)
