"""Families by name."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

from mixedmodels.errors import MixedModelsError, did_you_mean
from mixedmodels.families.base import Family
from mixedmodels.families.counts import (
    Nb1,
    NegativeBinomial,
    Poisson,
    TruncatedNegativeBinomial,
    TruncatedPoisson,
)
from mixedmodels.families.elsewhere import ANSWERS, OTHER_NAMES
from mixedmodels.families.links import LINKS
from mixedmodels.families.ordinal import Ordinal
from mixedmodels.families.positive import Gamma, Gaussian, InverseGaussian
from mixedmodels.families.shares import Beta, Binomial
from mixedmodels.spelling import spelled

FAMILIES: dict[str, type[Family]] = {
    family.name: family
    for family in (
        Binomial,
        Poisson,
        NegativeBinomial,
        Nb1,
        TruncatedPoisson,
        TruncatedNegativeBinomial,
        Gamma,
        InverseGaussian,
        Beta,
        Gaussian,
        Ordinal,
    )
}
"""The classes by the names that `family=` takes."""

_ORDER = (
    "the formula comes first, then the data, then the family: "
    'glmer("y ~ x + (1 | g)", data, "poisson").'
)
_SIGNS = re.compile(r"[^a-z0-9]")
_CALL = re.compile(r"\s*([\w.]+)\s*\(\s*(?:link\s*=\s*)?[\"']?(\w*)[\"']?\s*\)\s*")


def family_of(family: object, link: str | None = None) -> Family:
    """The family that a user asks for.

    Args:
        family: A name, a class or an object of `mixedmodels.families`.
        link: Name of a link, or None for the usual one; beside an object it must be None.

    Raises:
        MixedModelsError: There is no such family or link.
    """
    if isinstance(family, Family):
        if link is not None and spelled(link, (family.link.name,)) is None:
            raise MixedModelsError(
                f"link is {link!r:.40} and the family is {family!r}; name the link in one place."
            )
        return family
    if isinstance(family, type) and issubclass(family, Family):
        return family(link)
    name = _known(family) if isinstance(family, str) else None
    if name is None:
        raise MixedModelsError(f"family is {_shown(family)}; {_answer(family)}")
    return FAMILIES[name](link)


@functools.lru_cache(maxsize=64)
def _known(text: str) -> str | None:
    """The name of the family that a text names, in any spelling."""
    plain = _SIGNS.sub("", text.lower())
    return OTHER_NAMES.get(plain) or next(
        (name for name in FAMILIES if _SIGNS.sub("", name) == plain), None
    )


def check_not_family(data: object) -> None:
    """Refuse the name of a family in the place of the data.

    Raises:
        MixedModelsError: It is one.
    """
    if isinstance(data, str) and _known(data) is not None:
        raise MixedModelsError(f"data is {data!r}, the name of a family; {_ORDER}")


def name_answer(name: str) -> str:
    """What to say of a name that `mixedmodels.families` does not have."""
    start = f"mixedmodels.families has no '{name}'."
    known = _known(name)
    if known is not None:
        return f"{start} Write mixedmodels.families.{FAMILIES[known].__name__}."
    plain = _SIGNS.sub("", name.lower())
    if plain in ANSWERS:
        return f"{start} {ANSWERS[plain]}"
    if name.lower() in LINKS:
        return f"{start} This is a link, which a family takes: Binomial(link={name.lower()!r})."
    classes = [family.__name__ for family in FAMILIES.values()]
    return start + (did_you_mean(name, classes) or f" It has {', '.join(classes)}.")


def _is_data(given: object) -> bool:
    return (
        isinstance(given, Mapping)
        or hasattr(given, "columns")
        or hasattr(given, "__arrow_c_stream__")
    )


def _shown(family: object) -> str:
    """What was given, as it is to be shown."""
    if _is_data(family):
        return f"data ({type(family).__name__})"
    shown = f"{family!r:.60}"
    return shown if isinstance(family, str) or family is None else f"the object {shown}"


def _answer(family: object) -> str:
    """What to write in place of a family that is not one."""
    if _is_data(family) or (isinstance(family, str) and "~" in family):
        return _ORDER
    if not isinstance(family, str):
        own = getattr(family, "__name__", type(family).__name__)
        near = _known(own)
        return f"write family={near!r}." if near else _all_families(own)
    call = _CALL.fullmatch(family)
    name = call.group(1) if call else family
    plain = _SIGNS.sub("", name.lower())
    if call and _known(name):
        chosen = f", link={call.group(2)!r}" if call.group(2) else ""
        return f"write family={_known(name)!r}{chosen}."
    if plain in ANSWERS:
        return f"{ANSWERS[plain][0].lower()}{ANSWERS[plain][1:]}"
    if name.lower() in LINKS:
        probability = name.lower() in Beta.links
        takes = "'binomial'" if probability else "..."
        return f"this is a link. Write family={takes}, link={name.lower()!r}."
    return _all_families(name)


def _all_families(given: str) -> str:
    known = ", ".join(repr(known) for known in FAMILIES)
    hint = did_you_mean(given, FAMILIES)
    return f"it must be one of {known}, or an object of mixedmodels.families.{hint}"
