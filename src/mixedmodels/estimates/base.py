"""What models and fits of either kind share before users hold them: stages and values made once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from mixedmodels._core import Products
from mixedmodels.arrays import FloatArray
from mixedmodels.covariance import Templates
from mixedmodels.criterion.axes import ThetaAxes
from mixedmodels.criterion.base import Watch
from mixedmodels.criterion.workspace import EvaluatorWorkspace
from mixedmodels.design import Design
from mixedmodels.lazy import cached_property
from mixedmodels.optimize import Request

if TYPE_CHECKING:
    from typing_extensions import Self

AnyWorkspace = TypeVar("AnyWorkspace", bound=EvaluatorWorkspace[Any])
F = TypeVar("F", bound="BaseFitted")
T = TypeVar("T")


class BaseModel(ABC, Generic[AnyWorkspace]):
    """The stages of a model of either kind, each made once.

    Attributes:
        design: Model matrices and response.
        threads: Threads that a fit may use.
        templates: Names, bounds and meaning of theta.
        products: Cross-products.
        origin: (p_all,) what the columns of X are relative to in the products, where thresholds
            stand for the intercept; else None.
    """

    design: Design
    threads: int
    templates: Templates
    products: Products
    origin: FloatArray | None = None

    @abstractmethod
    def _new_workspace(self) -> AnyWorkspace:
        """A new workspace, not shared yet."""

    @property
    def several_basins(self) -> bool:
        """Whether a search from the optimum of similar data takes the model's own starts too."""
        return False

    @cached_property
    def workspace(self) -> AnyWorkspace:
        """The workspace that all users of the model share."""
        return self._new_workspace()

    @property
    def axes(self) -> ThetaAxes:
        """The maps between theta and theta along the axes of the terms."""
        return self.workspace.axes

    @abstractmethod
    def criterion(self, *, reml: bool) -> Any:
        """What a search minimises, in the shared workspace."""

    @abstractmethod
    def with_response(self, y: FloatArray) -> Self:
        """The same model for another response (n,)."""

    @abstractmethod
    def solve(self, criterion: Any, request: Request, watch: Watch | None = None) -> Any:
        """Search the optimum of a criterion of the model and solve there."""

    def twin(self) -> Self:
        """The same model with a workspace of its own, for work beside that of a fit."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.__dict__.pop("workspace", None)
        return twin

    def _public(self, effects: FloatArray) -> FloatArray:
        """(q,) from the core's order."""
        templates = self.templates
        return effects if templates.one_order else effects[templates.public_to_core]


class BaseFitted:
    """A model of either kind at its optimum, and what has been made for it."""

    __slots__ = ()

    model: BaseModel[Any]
    solution: Any
    _kept: dict[Callable[[Any], Any], Any]

    def once(self: F, make: Callable[[F], T]) -> T:
        """What a function gives for this fit, computed when it is first asked for and then kept.

        As in `lazy`, two threads may both compute it, and the first result stays. A result must not
        refer to the fit, which would then outlive its last user.
        """
        if make in self._kept:
            found: T = self._kept[make]
        else:
            found = self._kept.setdefault(make, make(self))
        return found

    def searched_again(self, request: Request) -> Self:
        """Another search for the optimum of the same criterion, in a workspace of its own."""
        twin = self.model.twin()
        found: Self = twin.solve(twin.criterion(reml=self.solution.reml), request)
        return found
