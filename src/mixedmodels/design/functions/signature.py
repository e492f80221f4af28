"""A function of formulas: its name, the arguments it takes, and the refusal of all others."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mixedmodels.design.functions.learning import Learning, MakeLearner
from mixedmodels.errors import DataError, FormulaError, did_you_mean

_EMPTY = inspect.Parameter.empty


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """What a name followed by arguments calls.

    Arguments are matched to parameters by position and by name. A keyword that is not listed is
    refused, so that nothing reaches the computation but what it was written for.

    Attributes:
        name: Name in formulas, for messages.
        compute: The computation. Its messages follow the name: "needs numbers", "of degree 5 ...".
        parameters: Name of each parameter, in order, to its default (or `inspect`'s empty).
        spellings: Other names of parameters, such as ``"Boundary.knots"``, to those of `compute`.
        variadic: Whether any number of unnamed arguments comes before the parameters.
        stateful: Whether it learns from the training data (`compute` takes ``_state``).
        learner: How it learns where the data come in batches; None where it learns nothing.
    """

    name: str
    compute: Callable[..., Any]
    parameters: Mapping[str, Any]
    spellings: Mapping[str, str] = field(default_factory=dict)
    variadic: bool = False
    stateful: bool = False
    learner: MakeLearner | None = None

    def __call__(self, *arguments: Any, _state: Any = None, **keywords: Any) -> Any:
        """The value of a call.

        Args:
            *arguments: Values of the unnamed arguments.
            _state: What a stateful function has learnt; an empty dict in training.
            **keywords: Values of the named arguments, by the names typed, dots included.

        Raises:
            FormulaError: an argument is missing, unknown, or of the wrong kind.
            DataError: the values cannot be used.
        """
        given = self._match(arguments, keywords)
        unnamed = arguments if self.variadic else ()
        try:
            if self.stateful:
                if isinstance(_state, Learning):
                    _state.observe(self.learner, given)
                given["_state"] = {} if _state is None else _state
            return self.compute(*unnamed, **given)
        except FormulaError as error:
            raise type(error)(f"{self.name}() {error.message}") from None
        except DataError as error:
            raise DataError(f"{self.name}() {str(error).lstrip()}") from None

    def _match(self, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> dict[str, Any]:
        names = list(self.parameters)
        given: dict[str, Any] = {}
        if not self.variadic:
            if len(arguments) > len(names):
                raise FormulaError(
                    f"{self.name}() is given {len(arguments)} arguments; it takes {self.listed()}."
                )
            given.update(zip(names, arguments, strict=False))
        for typed, value in keywords.items():
            name = self.spellings.get(typed, typed)
            if name not in self.parameters:
                hint = did_you_mean(typed, [*names, *self.spellings])
                raise FormulaError(
                    f"{self.name}() does not take '{typed}='; it takes {self.listed()}.{hint}"
                )
            if name in given:
                raise FormulaError(
                    f"{self.name}() is given '{typed}' twice, by its name and by its place; it "
                    f"takes {self.listed()}."
                )
            given[name] = value
        if self.variadic and not arguments:
            raise FormulaError(f"{self.name}() needs at least one argument.")
        for name in names:
            if name not in given and self.parameters[name] is _EMPTY:
                raise FormulaError(f"{self.name}() needs '{name}'; it takes {self.listed()}.")
        return given

    def listed(self) -> str:
        """``"x and base"``: the parameters as R spells them."""
        typed = {name: spelling for spelling, name in self.spellings.items()}
        names = [typed.get(name, name) for name in self.parameters]
        if self.variadic:
            names.insert(0, "columns without names")
        return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def function(
    name: str,
    compute: Callable[..., Any],
    *,
    stateful: bool = False,
    learner: MakeLearner | None = None,
    **spellings: str,
) -> Function:
    """`compute` as a `Function`; its signature says what it takes.

    Args:
        name: Name in formulas.
        compute: A function whose parameters are those of the formula function.
        stateful: Whether it takes ``_state`` and learns.
        learner: How it learns from batches.
        **spellings: Python name of a parameter to R's.
    """
    parameters = dict(inspect.signature(compute).parameters)
    parameters.pop("_state", None)
    variadic = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters.values())
    defaults = {
        parameter.name: parameter.default
        for parameter in parameters.values()
        if parameter.kind is not inspect.Parameter.VAR_POSITIONAL
    }
    typed = {spelling: own for own, spelling in spellings.items()}
    return Function(name, compute, defaults, typed, variadic, stateful, learner)


def row_wise(name: str, compute: Callable[..., Any], *parameters: str) -> Function:
    """`compute`, which takes arrays of numbers and nothing else, as a `Function`."""
    return Function(name, compute, dict.fromkeys(parameters, _EMPTY))
