"""Frozen dataclasses with the quick `__init__` behave as those of Python do."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from dataclasses import dataclass, field

import pytest

from mixedmodels.values import quick


def make(*, as_quick: bool) -> type:
    """A class with every kind of field."""

    @dataclass(frozen=True, slots=True)
    class Value:
        a: int
        b: str = "b"
        c: list[int] = field(default_factory=list)
        d: float = field(default=1.5, kw_only=True)
        e: dict[str, int] = field(init=False, repr=False, default_factory=dict)
        f: int = field(init=False, default=7)

        def __post_init__(self) -> None:
            object.__setattr__(self, "f", self.f + self.a)

    return quick(Value) if as_quick else Value


@quick
@dataclass(frozen=True, slots=True, eq=False)
class Base:
    """For pickles, which find a class by its name."""

    a: int
    b: int = 2


@quick
@dataclass(frozen=True, slots=True, eq=False)
class Derived(Base):
    """Has the slots of another class, too."""

    c: int = 3


CALLS = [
    ((1,), {}),
    ((1, "x"), {"d": 2.0}),
    ((1, "x", [3]), {}),
    ((), {"a": 1, "c": [2]}),
]


@pytest.mark.parametrize(("args", "kwargs"), CALLS)
def test_values_are_those_of_an_ordinary_dataclass(args, kwargs):
    ours, theirs = make(as_quick=True)(*args, **kwargs), make(as_quick=False)(*args, **kwargs)
    assert dataclasses.asdict(ours) == dataclasses.asdict(theirs)
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize(
    ("args", "kwargs"), [((), {}), ((1, 2, 3, 4), {}), ((1,), {"e": {}}), ((1,), {"z": 1})]
)
def test_calls_that_python_refuses_are_refused(args, kwargs):
    for as_quick in (False, True):
        with pytest.raises(TypeError):
            make(as_quick=as_quick)(*args, **kwargs)


def test_defaults_that_are_made_belong_to_one_instance():
    Value = make(as_quick=True)
    one, other = Value(1), Value(1)
    assert one.c is not other.c
    assert one.e is not other.e


def test_signatures_are_the_same():
    def shown(cls):
        found = inspect.signature(cls)
        return [(p.name, p.kind, repr(p.default), p.annotation) for p in found.parameters.values()]

    assert shown(make(as_quick=True)) == shown(make(as_quick=False))


def test_instances_stay_frozen_and_can_be_copied():
    value = Derived(1, c=5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.a = 2
    for again in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert (again.a, again.b, again.c) == (1, 2, 5)
    assert dataclasses.replace(value, b=9).b == 9
