"""Which evaluator a model gets, decided by prediction before anything large is allocated.

The exact one wherever its factor fits and an evaluation is predicted to take up to a minute; else
the one that estimates the log-determinant. Small models are decided without a question to the core.
"""

from __future__ import annotations

from dataclasses import dataclass

from mixedmodels._core import Outlook, Products, predict_costs
from mixedmodels.covariance import Templates
from mixedmodels.errors import MixedModelsError, ResourceError
from mixedmodels.foreign import CRITERION
from mixedmodels.memory import budget, duration, format_bytes, memory_size
from mixedmodels.settings import METHODS, Method
from mixedmodels.spelling import chosen_option
from mixedmodels.values import quick

# Seconds that an exact evaluation may take.
PATIENCE = 60.0
# Random effects of all factors but the largest up to which a factor is small.
_SMALL = 1500
# Seconds of an exact evaluation above which a fit names the time of the other way, if that is
# _FASTER times faster.
_LONG = 5.0
_FASTER = 5.0
# Operations per second of one thread in dense kernels.
_SPEED = 3e10
# Standard error of -2 log L above which an estimate is not used unasked.
MOST_ERROR = 0.5


@quick
@dataclass(frozen=True, slots=True)
class Ways:
    """What the user asked for.

    Attributes:
        method: "auto", "exact" or "iterative".
        memory: Bytes that a calculation may take, or None for a share of what is free.
    """

    method: Method = "auto"
    memory: float | None = None


_USUAL = Ways()


def ways_of(method: Method, memory: str | float | None) -> Ways:
    """What the arguments `method=` and `memory=` ask for.

    Raises:
        MixedModelsError: An unknown method, or memory that is not a size.
    """
    if isinstance(method, str) and method.strip().upper() in ("ML", "REML"):
        raise MixedModelsError(f"method is {method!r}. {CRITERION}")
    method = chosen_option("method", method, METHODS)
    return _USUAL if method == "auto" and memory is None else Ways(method, memory_size(memory))


@quick
@dataclass(frozen=True, slots=True)
class Route:
    """The way that a model takes.

    Attributes:
        iterative: Whether the log-determinant is estimated.
        note: What the user should know of the other way, or "".
    """

    iterative: bool
    note: str = ""


_EXACT = Route(False)


def route_of(products: Products, templates: Templates, ways: Ways, threads: int) -> Route:
    """Whether the log-determinant is estimated.

    Raises:
        ResourceError: Neither way fits.
        MixedModelsError: `method="iterative"` for a model with one grouping factor.
    """
    if ways.method == "exact":
        return _EXACT
    if ways.method == "auto" and ways.memory is None and products.q <= _SMALL:
        return _EXACT
    rest = products.q - _largest(templates)
    if ways.method == "iterative":
        if rest == 0:
            raise MixedModelsError(
                "method='iterative' is for crossed grouping factors; this model has one, whose "
                "factor is as small as the data. Leave method out."
            )
        return Route(True)
    if rest <= _SMALL and ways.memory is None:
        return _EXACT
    room = budget(ways.memory)
    most_flops = PATIENCE * _SPEED * threads
    found = predict_costs(products, most_flops, room.size)
    if found.exact_flops <= most_flops and found.exact_bytes <= room.size:
        return Route(False, _slow(found, threads))
    if found.iterative_bytes > room.size:
        raise ResourceError(f"{costs(found, threads)}; {room.words}. {_REMEDY}")
    if found.exact_bytes <= room.size and found.iterative_flops >= found.exact_flops:
        return Route(False)
    return Route(True)


def _slow(found: Outlook, threads: int) -> str:
    """What the other way would take, where an exact evaluation takes long and that is faster."""
    exact = found.exact_flops / (_SPEED * threads)
    if exact < _LONG or found.iterative_flops * _FASTER > found.exact_flops:
        return ""
    about = "" if found.counted else "up to "
    return (
        f"An exact evaluation of the criterion was predicted to take {about}{duration(exact)}, one "
        f"by method='iterative' {duration(found.iterative_flops / (_SPEED * threads))}; that "
        "estimates the log-determinant and states the error."
    )


_REMEDY = "Use fewer levels or terms, or a machine with more memory."


def costs(found: Outlook, threads: int) -> str:
    """Both ways and what each would take."""
    about = "" if found.counted else "up to "
    speed = _SPEED * threads
    return (
        f"The factor of this model and its inverse would need {about}"
        f"{format_bytes(found.exact_bytes)} of memory and an evaluation {about}"
        f"{duration(found.exact_flops / speed)} (root of order {found.root:,.0f}); the iterative "
        f"evaluation {format_bytes(found.iterative_bytes)} and "
        f"{duration(found.iterative_flops / speed)}"
    )


def too_inaccurate(products: Products, ways: Ways, threads: int) -> MixedModelsError:
    """The refusal of an estimate whose error is large in a model that is large for the factor."""
    room = budget(ways.memory)
    found = predict_costs(products, PATIENCE * _SPEED * threads, room.size)
    return ResourceError(
        f"{costs(found, threads)}; {room.words}. An estimate by as many probes as are made "
        f"unasked leaves a standard error of -2 log L above {MOST_ERROR:g}. method='iterative' "
        "takes it all the same and states the error; method='exact' makes the factor."
    )


def _largest(templates: Templates) -> int:
    """Random effects of the grouping factor with most levels, which comes first."""
    sizes = zip(templates.sizes, templates.groups, strict=True)
    return templates.n_levels[0] * sum(size for size, group in sizes if group == 0)
