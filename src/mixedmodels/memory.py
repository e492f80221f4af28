"""Memory that a calculation will need against what there is: refused before anything is allocated.

Callers name the parts and their bytes; the core asks through `require` too. What is available is
read from the system only when a need is large, so that small models pay nothing.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mixedmodels.errors import LongCalculationWarning, MixedModelsError, ResourceError, warn

try:
    import resource as _resource
except ImportError:  # Windows
    _resource = None  # type: ignore[assignment]

resource: Any = _resource

# Bytes below which the available memory is not looked up.
SMALL = 64e6
# Share of the available memory that one calculation may take.
SHARE = 0.8
# Operations per second, about, for the time that a message predicts.
_SPEED = 1e10
# Seconds of a calculation, predicted, above which it is announced.
_LONG = 30.0
_UNLIMITED = 1 << 60
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]*)?)\s*([KMGT]?(?:I?B)?)", re.IGNORECASE)
_UNITS = {
    "": 1.0,
    "B": 1.0,
    "IB": 1.0,
    "K": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "KB": 1e3,
    "MB": 1e6,
    "GB": 1e9,
    "TB": 1e12,
    "KIB": 2.0**10,
    "MIB": 2.0**20,
    "GIB": 2.0**30,
    "TIB": 2.0**40,
}
_limit: ContextVar[float | None] = ContextVar("memory", default=None)
_CGROUPS = (  # (folder, limit, usage)
    ("/sys/fs/cgroup", "memory.max", "memory.current"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
)


def require(parts: Mapping[str, float], what: str, flops: float = 0.0, remedy: str = "") -> None:
    """Refuse a calculation that does not fit into the memory that is available.

    Args:
        parts: What is to be allocated, and its bytes.
        what: What is being calculated, as the subject of a sentence.
        flops: Floating-point operations of one evaluation, if known.
        remedy: What to do instead.

    Raises:
        ResourceError: With the bytes of every part.
    """
    total = math.fsum(parts.values())
    if total < SMALL:
        return
    room = budget()
    if total <= room.size:
        return
    largest = sorted(((size, name) for name, size in parts.items() if size), reverse=True)
    listed = ", ".join(f"{name} {format_bytes(size)}" for size, name in largest)
    work = (
        f" One evaluation takes {flops:.2g} flops, {duration(flops / _SPEED)} on one processor."
        if flops > 0.0
        else ""
    )
    raise ResourceError(
        f"{what} would need {format_bytes(total)} of memory ({listed}); {room.words}.{work}"
        f" {remedy or 'Use fewer levels, terms or columns, or a machine with more memory.'}"
    )


def announce(what: str, flops: float, remedy: str) -> None:
    """Warn before a calculation that is predicted to take long.

    Args:
        what: What is being calculated, as the subject of a sentence.
        flops: Floating-point operations of all of it, about.
        remedy: What to do instead.
    """
    seconds = flops / _SPEED
    if seconds >= _LONG:
        warn(
            f"{what} takes {flops:.2g} flops, {duration(seconds)} on one processor. {remedy}",
            LongCalculationWarning,
        )


class limited:
    """A context in which no calculation of this thread takes more bytes.

    Args:
        limit: ``"8GB"``, a number of bytes, or None, which changes nothing.

    Raises:
        MixedModelsError: Not an amount of memory.
    """

    def __init__(self, limit: object) -> None:
        self._limit = None if limit is None else memory_size(limit)

    def __enter__(self) -> None:
        self._token = None if self._limit is None else _limit.set(self._limit)

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            _limit.reset(self._token)


def fits(size: float) -> bool:
    """Whether so many bytes may be taken; for a way that another one can stand in for."""
    return size < SMALL or size <= budget().size


class Budget(NamedTuple):
    """How many bytes one calculation may take, and whose limit that is, in words."""

    size: float
    words: str


def budget(limit: float | None = None) -> Budget:
    """What one calculation may take: `limit`, that of `limited`, or a share of what is free."""
    given = _limit.get() if limit is None else limit
    if given is not None:
        return Budget(given, f"memory={format_bytes(given).replace(' ', '')!r} is the limit")
    free = available()
    words = f"{format_bytes(free)} are available, of which at most {SHARE:.0%} are taken"
    return Budget(SHARE * free, words)


def memory_size(given: object) -> float | None:
    """Bytes of `memory=`: a number, or text with a unit such as "8GB"; None for no limit.

    Raises:
        MixedModelsError: Anything else.
    """
    if given is None:
        return None
    size = math.nan
    if isinstance(given, str):
        found = _SIZE.fullmatch(given.strip())
        if found is not None:
            size = float(found[1]) * _UNITS[found[2].upper()]
    elif isinstance(given, (int, float, np.number)) and not isinstance(given, bool):
        size = float(given)
    if not (math.isfinite(size) and size > 0.0):
        raise MixedModelsError(
            f"memory is {given!r:.40}; it must be a positive number of bytes, or text such as "
            "'8GB' or '500 MB'."
        )
    return size


def threads_that_fit(threads: int, size: float) -> int:
    """As many of the threads as have room when each takes `size` bytes; at least one."""
    if threads == 1 or threads * size < SMALL:
        return threads
    return max(1, min(threads, int(budget().size / max(size, 1.0))))


def exhausted(what: str = "The calculation") -> ResourceError:
    """The error for an allocation that failed although nothing had predicted it."""
    return ResourceError(
        f"{what} needs more memory than there is ({format_bytes(available())} are available). "
        "Use fewer levels, terms, columns, rows or threads, or a machine with more memory."
    )


class guarded:
    """A context in which allocations that fail raise `ResourceError` instead of MemoryError."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if isinstance(error, MemoryError) and not isinstance(error, ResourceError):
            raise exhausted(self._what) from error


def available() -> float:
    """Bytes that this process may still take; infinite where the system does not say."""
    return max(0.0, min(_machine(), _address_space(), *_cgroups()))


def format_bytes(size: float) -> str:
    """`size` with a unit: 11.7 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1e3
    return f"{size:.3g} TB" if size < 999.5 else f"{size / 1e3:.3g} PB"


def duration(seconds: float) -> str:
    """About how long: 3 minutes."""
    amount, unit = seconds, "second"
    for larger, size in (("minute", 60.0), ("hour", 60.0), ("day", 24.0), ("year", 365.0)):
        if amount < size:
            break
        amount, unit = amount / size, larger
    number = max(1, round(amount))
    return f"about {number} {unit}{'s' if number > 1 else ''}"


def _machine() -> float:
    """Memory that the machine has left."""
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return 1024.0 * int(line.split()[1])
    try:  # elsewhere all there is
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):
        return math.inf


def _address_space() -> float:
    """What the limit of the process's address space leaves (`ulimit -v`)."""
    if resource is None:
        return math.inf
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY or limit > _UNLIMITED:
        return math.inf
    mapped = _read("/proc/self/statm").split()
    used = int(mapped[0]) * resource.getpagesize() if mapped else 0
    return float(limit - used)


def _cgroups() -> Iterator[float]:
    """What the control groups of the process leave, from its own up to the root."""
    yield math.inf
    paths = {line.rsplit(":", 1)[-1].strip("/") for line in _read("/proc/self/cgroup").splitlines()}
    for folder, limit_name, usage_name in _CGROUPS:
        for path in paths | {""}:
            place = Path(folder, path)
            for group in (place, *place.parents):
                if not group.is_relative_to(folder):
                    break
                limit = _read(group / limit_name).strip()
                usage = _read(group / usage_name).strip()
                if limit.isdigit() and usage.isdigit() and int(limit) < _UNLIMITED:
                    yield float(int(limit) - int(usage) + _reclaimable(group))


def _reclaimable(group: Path) -> int:
    """Bytes of files in memory that count as used but are given up when needed."""
    for line in _read(group / "memory.stat").splitlines():
        name, _, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file"):
            return int(value)
    return 0


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return ""
