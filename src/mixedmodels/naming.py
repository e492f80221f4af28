"""Names that stay distinct, and what users mean by a name.

Results hold their rows and columns by position; a name is what they are called in print. Two things
with one name are printed in another spelling each, and the name that they share selects neither.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from mixedmodels.errors import MixedModelsError

Spelling = Callable[[int], str]

# Longest name that a list in a message shows whole.
_LONGEST = 80


def distinct(
    names: Sequence[str], *spellings: Spelling, taken: Collection[str] = ()
) -> tuple[str, ...]:
    """The names, those that occur twice spelled otherwise.

    Args:
        names: As they are where nothing collides.
        spellings: From a position to a longer name, tried in this order; where all are used up,
            the names are numbered.
        taken: Names that none of them may have.

    Returns:
        Names of which no two are equal, none of them in `taken`.
    """
    out = list(names)
    if len(set(out)) == len(out) and not any(name in out for name in taken):
        return tuple(out)
    level = [0] * len(out)
    while True:
        counts = Counter([*out, *taken])
        moved = [i for i, name in enumerate(out) if counts[name] > 1 and level[i] < len(spellings)]
        if not moved:
            return tuple(_numbered(out, taken))
        for i in moved:
            out[i] = spellings[level[i]](i)
            level[i] += 1


def _numbered(names: list[str], taken: Collection[str]) -> Iterable[str]:
    counts = Counter([*names, *taken])
    used, next_number = {*names, *taken}, Counter[str]()
    for name in names:
        numbered = name
        while counts[name] > 1 and numbered in used:
            next_number[name] += 1
            numbered = f"{name} ({next_number[name]})"
        used.add(numbered)
        yield numbered


def by_spelling(spelled: Sequence[Iterable[str]]) -> dict[str, list[int]]:
    """Positions of each spelling."""
    found: dict[str, list[int]] = {}
    for position, names in enumerate(spelled):
        for name in dict.fromkeys(names):
            found.setdefault(name, []).append(position)
    return found


def find(
    asked: str, printed: Sequence[str], spelled: Callable[[], Mapping[str, Sequence[int]]]
) -> int | None:
    """The position of what a user calls `asked`; None where nothing is called so.

    Args:
        asked: The user's word.
        printed: Printed names, no two equal.
        spelled: Gives other spellings, made when the printed names do not decide.

    Raises:
        MixedModelsError: Several are called so.
    """
    if asked in printed:
        return printed.index(asked)
    positions = spelled().get(asked, ())
    if len(positions) > 1:
        raise ambiguous(asked, [printed[j] for j in positions])
    return positions[0] if positions else None


def ambiguous(asked: str, choices: Sequence[str]) -> MixedModelsError:
    """The error for a name that several things have."""
    listed = " or ".join(repr(choice) for choice in choices)
    return MixedModelsError(f"{asked!r} can mean more than one here; write {listed}.")


def spaceless(text: str) -> str:
    """A name or an expression without the spaces in it, by which it is compared."""
    return "".join(text.split())


def first_few(names: Sequence[str], most: int) -> str:
    """The first `most` names for a message, ``a, b, ...``; long ones are cut."""
    shown = [n if len(n) <= _LONGEST else f"{n[: _LONGEST - 3]}..." for n in names[:most]]
    return ", ".join([*shown, "..."] if len(names) > most else shown)


def backticked(name: str) -> str:
    """The name in backticks, whether a formula would need them or not."""
    return f"`{name}`"
