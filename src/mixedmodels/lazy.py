"""Values made when they are first asked for, without a lock.

Before Python 3.12 `functools.cached_property` holds one lock for all instances of a class while it
computes: fits in several threads wait for each other, and a process forked meanwhile waits for
ever. Without the lock two threads may both compute a value; the first one stays.
"""

from __future__ import annotations

import functools
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
