"""Which library the tables that users get belong to, and the conversion at the outermost call.

Inside the package every table is pandas'. `Outward` wraps what users read: methods, properties
and fields whose annotation names a Series or a DataFrame. A wrapper converts only what code outside
of the package asked for, so that callers inside may use public methods freely.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable
from types import FrameType, FunctionType, MemberDescriptorType
from typing import TYPE_CHECKING, Any, TypeVar

from mixedmodels.lazy import late_module

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
else:
    pd = late_module("pandas")
    pl = late_module("polars")

_Function = TypeVar("_Function", bound=Callable[..., Any])

# Name of a column of labels that have none.
LABELS = "name"

# Whether tables are given as Polars'; one state for the process, as pandas' options.
_state = {"polars": False}

# Modules that read fields and items for others: copies get what is stored, the views of a mapping
# what their own caller gets.
_COPYING = ("dataclasses", "copy", "copyreg", "pickle")
_BETWEEN = ("collections.abc", "_collections_abc")

_TABLES = re.compile(r"\b(Series|DataFrame)\b")


def polars_wanted() -> bool:
    """Whether tables are given as Polars'."""
    return _state["polars"]


def want_polars(wanted: bool) -> None:
    """Set whether tables are given as Polars'."""
    _state["polars"] = wanted


def has_table(annotation: object) -> bool:
    """Whether a value so annotated is, or holds, a Series or a DataFrame."""
    return isinstance(annotation, str) and _TABLES.search(annotation) is not None


def outward(function: _Function) -> _Function:
    """The function, whose tables are converted when it is called from outside of the package."""
    if getattr(function, "_outward", False):
        return function

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        found = function(*args, **kwargs)
        if _state["polars"] and _from_outside(sys._getframe(1)):  # noqa: SLF001
            return converted(found)
        return found

    call._outward = True  # type: ignore[attr-defined]  # noqa: SLF001 (seen when a class is made twice)
    return call  # type: ignore[return-value]


def for_caller(found: Any) -> Any:
    """A table as the caller of the function that asks here gets it."""
    if _state["polars"] and _from_outside(sys._getframe(2)):  # noqa: SLF001
        return converted(found)
    return found


class Outward:
    """Base class of what users hold: its members that are tables are converted for them."""

    __slots__ = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        kinds = inspect.get_annotations(cls)
        for name, member in list(vars(cls).items()):
            if name.startswith("_"):
                continue
            known = has_table(kinds.get(name))
            if isinstance(member, FunctionType) and has_table(_returned(member)):
                setattr(cls, name, outward(member))
            elif isinstance(member, property) and member.fget is not None:
                if known or has_table(_returned(member.fget)):
                    setattr(cls, name, member.getter(outward(member.fget)))
            elif isinstance(member, MemberDescriptorType) and known:
                setattr(cls, name, _Field(member))


class _Field:
    """A field of a dataclass with slots, read through the conversion."""

    def __init__(self, slot: MemberDescriptorType) -> None:
        self._slot = slot
        self.__doc__ = slot.__doc__

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """The value; converted for callers outside of the package."""
        if instance is None:
            return self._slot
        found = self._slot.__get__(instance, owner)
        if _state["polars"] and _from_outside(sys._getframe(1)):  # noqa: SLF001
            return converted(found)
        return found

    def __set__(self, instance: Any, value: Any) -> None:
        """Set the value, as the dataclass does once."""
        self._slot.__set__(instance, value)


def converted(found: Any) -> Any:
    """Tables as Polars': a frame, a column, or a dict of these; anything else as it is.

    Labels of rows become columns at the left, called `name` where they have none themselves.
    Those that only number the rows are left out, so that a Series by row stays a Series.
    """
    if isinstance(found, pd.DataFrame):
        return _frame(found)
    if isinstance(found, pd.Series):
        if _numbers_rows(found.index):
            return _column("" if found.name is None else str(found.name), found)
        return _frame(found.to_frame(LABELS if found.name is None else found.name))
    if isinstance(found, dict):
        return {key: converted(value) for key, value in found.items()}
    return found


def labelled(given: Any) -> Any:
    """What users give by name: a Polars frame of labels and values as the Series or frame it was.

    Anything else is given back as it is.
    """
    module = type(given).__module__.partition(".")[0]
    if module != "polars" or not hasattr(given, "columns") or LABELS not in given.columns:
        return given
    others = [column for column in given.columns if column != LABELS]
    labels = given[LABELS].to_list()
    if len(others) == 1:
        return pd.Series(given[others[0]].to_list(), index=labels, name=others[0])
    return pd.DataFrame({column: given[column].to_list() for column in others}, index=labels)


def _from_outside(frame: FrameType | None) -> bool:
    """Whether code outside of the package reads here, or what reads for it."""
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module not in _BETWEEN:
            return module.partition(".")[0] != "mixedmodels" and module not in _COPYING
        frame = frame.f_back
    return True


def _returned(function: Any) -> object:
    return getattr(function, "__annotations__", {}).get("return")


def _numbers_rows(index: pd.Index) -> bool:
    """Whether labels are no more than numbers of rows."""
    return index.nlevels == 1 and index.name is None and index.dtype.kind in "iu"


def _frame(found: pd.DataFrame) -> pl.DataFrame:
    columns: list[tuple[str, pd.Series]] = []
    index = found.index
    if not _numbers_rows(index):
        for level in range(index.nlevels):
            label = index.names[level]
            values = pd.Series(index.get_level_values(level))
            columns.append((LABELS if label is None else str(label), values))
    for position, name in enumerate(found.columns):
        text = " ".join(map(str, name)) if isinstance(name, tuple) else str(name)
        columns.append((text, found.iloc[:, position]))
    taken: dict[str, pl.Series] = {}
    for name, values in columns:
        unique, number = name, 1
        while unique in taken:
            number += 1
            unique = f"{name}_{number}"
        taken[unique] = _column(unique, values)
    return pl.DataFrame(list(taken.values()))


def _column(name: str, values: pd.Series) -> pl.Series:
    """A column without its labels; what is missing is null, as Polars has it."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return _factor(name, values)
    kind = getattr(values.dtype, "kind", "O")
    if not isinstance(values.dtype, pd.api.extensions.ExtensionDtype) and kind in "iufbmM":
        return pl.Series(name, values.to_numpy(), nan_to_null=kind == "f")
    plain = [
        None if missing else value for value, missing in zip(values, values.isna(), strict=True)
    ]
    return pl.Series(name, plain, strict=False)


def _factor(name: str, values: pd.Series) -> pl.Series:
    """Text as an Enum with the levels in their order, other values as they are."""
    levels = values.cat.categories
    codes = values.cat.codes.to_list()
    plain = [None if code < 0 else levels[code] for code in codes]
    if all(isinstance(level, str) for level in levels):
        return pl.Series(name, plain, dtype=pl.Enum(levels.to_list()))
    return pl.Series(name, plain, strict=False)
