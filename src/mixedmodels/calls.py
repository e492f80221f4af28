"""Calls and attributes that do not exist: errors of ours that say what to write instead.

`guided` wraps a function, `Guided` is a base class whose methods are wrapped; both look at a call
only after it has failed. What names of other packages mean here is in `foreign`.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from mixedmodels import foreign
from mixedmodels.errors import ArgumentError, ResourceError, UnknownNameError, did_you_mean
from mixedmodels.memory import exhausted
from mixedmodels.output import Outward

_Function = TypeVar("_Function", bound=Callable[..., Any])

# Names that a message lists.
_SHOWN = 30
# Share of letters in common of an argument that is offered for another: "fits" is not "digits".
_NEAR_ARGUMENT = 0.7

_SIGNS = re.compile(r"[^0-9a-z]+")


def guided(function: _Function) -> _Function:
    """The function, whose errors in the names or number of arguments are of our tree.

    A call that cannot be bound to the signature raises an `ArgumentError`, and an allocation that
    fails a `ResourceError`. Other errors inside the function pass as they are.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            began = error.__traceback__
            inside = began is not None and began.tb_next is not None
            message = None if inside else _refusal(function, args, kwargs)
            if message is None:
                raise
            raise ArgumentError(message) from None
        except ResourceError:
            raise
        except MemoryError as error:
            raise exhausted(f"{function.__name__}()") from error

    return call  # type: ignore[return-value]


class Guided(Outward):
    """Base class of what users hold: unknown arguments and attributes are answered in words.

    Attributes:
        _made_by_users: Whether users call the class itself, so that this is answered too.
        _other_names: Names of other packages for what has one of ours, so that an answer prefers
            ours.
    """

    __slots__ = ()

    _made_by_users: ClassVar[bool] = False
    _other_names: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, **options: Any) -> None:
        for name, method in list(vars(cls).items()):
            public = not name.startswith("_") or (cls._made_by_users and name == "__init__")
            if public and isinstance(method, FunctionType) and not hasattr(method, "__wrapped__"):
                setattr(cls, name, guided(method))
        super().__init_subclass__(**options)  # wraps tables, outside of the above

    if not TYPE_CHECKING:  # an attribute that is not there is an error for type checkers

        def __getattr__(self, name: str) -> Any:
            """Called for what is not there.

            Raises:
                UnknownNameError: Always, but for names of Python's own.
            """
            if name.startswith("_") or hasattr(type(self), name):
                # A property of the second kind has raised an AttributeError: have it again.
                return object.__getattribute__(self, name)
            raise UnknownNameError(attribute_answer(type(self), name))


def attribute_answer(cls: type, name: str) -> str:
    """What to say of an attribute that objects of a class do not have."""
    start = f"A {cls.__name__} has no attribute '{name}'."
    for base in cls.__mro__:
        answer = foreign.ATTRIBUTES.get(base.__name__, {}).get(_folded(name))
        if answer is not None:
            return f"{start} {_sentence(answer)}"
    known = public_names(cls)
    same = _spelled_alike(name, known)
    if same is not None:
        return f"{start} Write .{same}{_brackets(cls, same)}."
    return start + (did_you_mean(name, known) or _all_of(known))


def package_answer(
    name: str,
    names: Iterable[str],
    fits: Iterable[type],
    models: Iterable[type],
    datasets: Iterable[str],
) -> str:
    """What to say of a name that the package does not have.

    Args:
        name: The name.
        names: Those that it has.
        fits: The classes of fits.
        models: The classes of models.
        datasets: Names of the bundled data sets.
    """
    start = f"mixedmodels has no '{name}'."
    folded = _folded(name)
    known = list(names)
    same = _spelled_alike(name, known)
    if same is not None:
        return f"{start} Write mixedmodels.{same}."
    if folded in foreign.PACKAGE:
        return f"{start} {_sentence(foreign.PACKAGE[folded])}"
    if _spelled_alike(name, datasets):
        return f'{start} Write mixedmodels.load_dataset("{_spelled_alike(name, datasets)}").'
    for answers in foreign.OF_FITS:
        if folded in answers:
            return f"{start} {_sentence(answers[folded])}"
    owners = [*((cls, "fit") for cls in fits), *((cls, "model") for cls in models)]
    for cls, owner in owners:
        same = _spelled_alike(name, public_names(cls))
        if same is not None:
            return f"{start} Write {owner}.{same}{_brackets(cls, same)}."
    hint = did_you_mean(name, known)
    if not hint:
        of_fits = {same for cls in fits for same in public_names(cls)}
        hint = did_you_mean(name, sorted(of_fits), "fit.{}".format)
    return start + (hint or _all_of(known))


def value_hint(kind: str, value: object, options: Iterable[object]) -> str:
    """A sentence that offers the option nearest to a `value` that is not one, or nothing."""
    if not isinstance(value, str):
        return ""
    answer = foreign.VALUES.get(kind, {}).get(_folded(value))
    for option in options:
        if answer is not None and str(option) == answer:
            return f" Write {option!r}."
    return did_you_mean(value, [option for option in options if isinstance(option, str)])


def public_names(cls: type) -> list[str]:
    """The names that objects of a class have for users, those of other packages last."""
    others: frozenset[str] = getattr(cls, "_other_names", frozenset())
    names = [name for name in dir(cls) if not name.startswith("_")]
    return sorted(names, key=others.__contains__)


def _refusal(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> str | None:
    """Why a call cannot be bound and what to write; None where it can be."""
    signature = inspect.signature(function)
    called = _called(function)
    accepted = [
        name
        for name, parameter in signature.parameters.items()
        if parameter.kind is not parameter.VAR_POSITIONAL and name != "self"
    ]
    unknown = [name for name in kwargs if name not in accepted]
    if unknown:
        named = _listed(f"'{name}'" for name in unknown)
        tables = list(_keyword_tables(called, args))
        answers = dict.fromkeys(
            _keyword_answer(tables, name, kwargs[name], accepted) for name in unknown
        )
        return f"{_shown(called)} has no argument {named}. {' '.join(answers)}"
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        reason = str(error).rstrip(".")
        return f"{_shown(called)}: {reason}. {_usage(called, signature)}"
    return None


def _keyword_tables(called: str, args: tuple[Any, ...]) -> Iterator[foreign.Answers]:
    """Answers for arguments: of the method of this class, of the function, of any function."""
    if called.startswith(".") and args:
        for base in type(args[0]).__mro__:
            yield foreign.KEYWORDS.get(base.__name__ + called, {})
    yield foreign.KEYWORDS.get(called, {})
    yield foreign.EVERYWHERE


def _keyword_answer(
    tables: Iterable[foreign.Answers], name: str, value: Any, accepted: list[str]
) -> str:
    folded = _folded(name)
    for answers in tables:
        answer = answers.get(folded, "")
        if answer in accepted:
            return _keyword(answer, value)
        if " " in answer:
            return answer
    same = _spelled_alike(name, accepted)
    if same is not None:
        return _keyword(same, value)
    hint = did_you_mean(name, accepted, cutoff=_NEAR_ARGUMENT).strip()
    return hint or f"It takes {', '.join(accepted) or 'no arguments'}."


def _keyword(name: str, value: Any) -> str:
    """The argument as it is to be written, with the value where that is short."""
    if isinstance(value, str):
        value = foreign.VALUES.get(name, {}).get(_folded(value), value)
    plain = value is None or isinstance(value, (bool, int, float, str))
    shown = repr(value) if plain and len(repr(value)) <= 40 else ""
    return f"Write {name}={shown}."


def _usage(called: str, signature: inspect.Signature) -> str:
    parameters = [p for p in signature.parameters.values() if p.name != "self"]
    first = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    others = [f"{p.name}=" for p in parameters if p.kind is p.KEYWORD_ONLY]
    taken = f"Give {', '.join(first)} in this order or by name" if first else ""
    named = f"{', '.join(others)} by name" if others else ""
    text = " and ".join(part for part in (taken, named) if part)
    if not text:
        return f"{_shown(called)} takes no arguments."
    return f"{text[0].upper()}{text[1:]}." if first else f"Give {text}."


def _called(function: Callable[..., Any]) -> str:
    """`lmer` of a function, `.predict` of a method, the class's name of `__init__`."""
    owner, _, name = function.__qualname__.rpartition(".")
    if name == "__init__":
        return owner.rpartition(".")[2]
    return f".{name}" if owner else name


def _all_of(names: list[str]) -> str:
    """A sentence with the names, or how to see them where there are many."""
    if len(names) > _SHOWN:
        return " dir() lists the names that there are."
    return f" It has {', '.join(names)}."


def _shown(called: str) -> str:
    return f"{called.lstrip('.')}()"


def _sentence(answer: str) -> str:
    return answer if " " in answer else f"Write {answer}."


def _brackets(cls: type, name: str) -> str:
    return "()" if callable(inspect.getattr_static(cls, name)) else ""


def _spelled_alike(name: str, known: Iterable[str]) -> str | None:
    """The known name that differs in case and signs only, or does not differ."""
    plain = _folded(name).replace("_", "")
    alike = [same for same in known if _folded(same).replace("_", "") == plain]
    return name if name in alike else next(iter(alike), None)


def _folded(name: str) -> str:
    return _SIGNS.sub("_", name.lower()).strip("_")


def _listed(names: Iterator[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
