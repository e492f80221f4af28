"""Whether the fields of a value read from a file are of the types that its class declares.

The annotations of the class are the only description: a new field is checked as it is declared.
Whether values of the right types belong together is for `checks`.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import types
import typing
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from mixedmodels.errors import FileError

Check: TypeAlias = Callable[[Any], bool]


def check_fields(instance: Any) -> None:
    """Check every field of an instance of a dataclass.

    Raises:
        FileError: A value of another type.
    """
    kind: Any = type(instance)
    for name, check in _checks(kind).items():
        value = getattr(instance, name)
        if not check(value):
            raise FileError(f"its {kind.__name__} has {value!r:.40} as {name}")


@functools.cache
def _checks(kind: Any) -> dict[str, Check]:
    hints = typing.get_type_hints(kind)
    return {field.name: _check(hints[field.name]) for field in dataclasses.fields(kind)}


def _check(hint: Any) -> Check:
    """The test of one annotation."""
    hint = _behind_alias(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return lambda _value: True
    if origin in (typing.Union, types.UnionType):
        options = [_check(option) for option in arguments]
        return lambda value: any(option(value) for option in options)
    if origin is typing.Literal:
        return lambda value: isinstance(value, (str, int)) and value in arguments
    if origin is np.ndarray:
        return _array(typing.get_args(arguments[1])[0])
    if origin is not None:
        return _container(origin, arguments)
    if hint is float:
        return lambda value: isinstance(value, (float, int)) and not isinstance(value, bool)
    if hint is bool:
        return lambda value: isinstance(value, (bool, np.bool_))
    if hint is int:
        return lambda value: isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return lambda value: isinstance(value, hint)


def _behind_alias(hint: Any) -> Any:
    """The type that an alias by the `type` statement stands for, as NumPy's are from 2.5 on."""
    origin = typing.get_origin(hint)
    if hasattr(origin, "__value__"):
        return _behind_alias(origin.__value__[typing.get_args(hint)])
    return _behind_alias(hint.__value__) if hasattr(hint, "__value__") else hint


def _array(element: Any) -> Check:
    kind = object if element is Any else typing.get_origin(element) or element

    def check(value: Any) -> bool:
        return (
            isinstance(value, np.ndarray)
            and value.dtype.isnative
            and issubclass(value.dtype.type, kind)
        )

    return check


def _container(origin: Any, arguments: tuple[Any, ...]) -> Check:
    """The check of tuples, lists and mappings, and of what they hold."""
    if origin is tuple and arguments[-1] is not ...:
        parts = [_check(argument) for argument in arguments]
        return lambda value: (
            isinstance(value, tuple)
            and len(value) == len(parts)
            and all(part(item) for part, item in zip(parts, value, strict=True))
        )
    inner = _check(arguments[0])
    if issubclass(origin, collections.abc.Mapping):
        held = _check(arguments[1])
        return lambda value: (
            isinstance(value, dict)
            and all(inner(key) and held(item) for key, item in value.items())
        )
    return lambda value: isinstance(value, origin) and all(inner(item) for item in value)
