"""Values made when they are first asked for, and modules imported then.

Values are made without a lock. Before Python 3.12 `functools.cached_property` holds one lock for
all instances of a class while it computes: fits in several threads wait for each other, and a
process forked meanwhile waits for ever. Without the lock two threads may both compute a value; the
first one stays.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from functools import cached_property as cached_property
else:
    _ABSENT = object()

    class cached_property(functools.cached_property):
        """`functools.cached_property` without its lock."""

        def __get__(self, instance: Any, owner: type | None = None) -> Any:
            """The value, computed once for each instance."""
            if instance is None:
                return self
            kept = instance.__dict__
            value = kept.get(self.attrname, _ABSENT)
            if value is _ABSENT:
                value = kept.setdefault(self.attrname, self.func(instance))
            return value


class late_module:
    """A module that is imported when something is first read of it.

    The first fit of a process waits for every import, so modules that few fits need are imported
    so. Type checkers see the ordinary import beside it::

        if TYPE_CHECKING:
            import narwhals as nw
        else:
            nw = late_module("narwhals")
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(import_module(self._name), attribute)
        setattr(self, attribute, value)  # read without this function from now on
        return value


def late_function(module: str, name: str) -> Callable[..., Any]:
    """A function, or a class to be called, whose module is imported at the first call.

    Type checkers see the ordinary import beside it, as for `late_module`.
    """

    def call(*args: Any, **options: Any) -> Any:
        return getattr(import_module(module), name)(*args, **options)

    return call
