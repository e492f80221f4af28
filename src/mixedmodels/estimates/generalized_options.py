"""Which approximations of the likelihood there are for a model, and which go together."""

from __future__ import annotations

import numpy as np

from mixedmodels.design import Design
from mixedmodels.design.places import used_rows
from mixedmodels.errors import DataError, MixedModelsError, ModelError
from mixedmodels.estimates.components import Component
from mixedmodels.families.base import ZERO_INFLATION, Family

_MOST_NODES = 100
# Largest offset on the scale of a logarithm that is not taken for an exposure.
_FARTHEST_OFFSET = 100.0
# Of quadrature: random effects per level, and nodes of all of them.
MOST_EFFECTS, MOST_NODES = 3, 4000
# Families whose expected information has no closed form.
_WITHOUT_EXPECTED = ("nb1",)


def check_options(nodes: int, *, expected: bool, reml: bool) -> None:
    """Refuse options that do not go together."""
    given = [
        *([f"n_agq={nodes}"] if nodes != 1 else []),
        *(['information="expected"'] if expected else []),
        *(["reml=True"] if reml else []),
    ]
    if len(given) > 1 and not (nodes == 0 and expected and not reml):
        raise ModelError(
            f"{' and '.join(given)} do not go together: leave one of them as it is by default "
            '(n_agq=1, information="observed", reml=False).'
        )


def check_expected(family: Family, components: tuple[Component, ...]) -> None:
    """Refuse expected information where there is no closed form."""
    mixed = any(part.role == ZERO_INFLATION for part in components)
    if family.name in _WITHOUT_EXPECTED or family.ordered or mixed:
        what = "zero inflation" if mixed else f"the {family.title} family"
        raise ModelError(
            f'information="expected": it has no closed form for {what}. Leave '
            'information="observed".'
        )


def check_quadrature(design: Design, nodes: int) -> None:
    """Refuse quadrature where its sums would be over too many nodes."""
    if nodes <= 1:
        return
    names = [group.name for group in design.groups]
    if len(names) > 1:
        raise ModelError(
            f"n_agq is {nodes}: quadrature is for models with one grouping factor, and this one "
            f"has {len(names)} ({', '.join(names)}). Leave n_agq=1, Laplace's approximation."
        )
    width = sum(len(term.columns) for term in design.terms)
    if width > MOST_EFFECTS:
        raise ModelError(
            f"n_agq is {nodes}: quadrature is for at most {MOST_EFFECTS} random effects per level, "
            f"and this model has {width}. Leave n_agq=1, Laplace's approximation."
        )
    if nodes**width > MOST_NODES:
        raise ModelError(
            f"n_agq is {nodes}: with {width} random effects per level that is {nodes**width} "
            f"nodes, more than {MOST_NODES}. Take fewer; 9 are exact to many digits."
        )


def check_nodes(n_agq: object) -> int:
    """`n_agq` as a number of nodes.

    Raises:
        MixedModelsError: Not a whole number from 0 to 100.
    """
    whole = isinstance(n_agq, (int, np.integer)) and not isinstance(n_agq, bool)
    if not whole or not 0 <= n_agq <= _MOST_NODES:  # type: ignore[operator]
        raise MixedModelsError(
            f"n_agq is {n_agq!r:.40}; it must be a whole number from 0 (coefficients in the mode) "
            f"or 1 (Laplace's approximation) to {_MOST_NODES}."
        )
    return int(n_agq)  # type: ignore[call-overload,no-any-return]


def check_offset(design: Design, family: Family) -> None:
    """Refuse an offset of exposures where their logarithms belong.

    Raises:
        DataError: An offset by which means would be out of all bounds.
    """
    offset = design.offset
    if family.link.name != "log" or offset is None:
        return
    far = np.flatnonzero(np.abs(offset) > _FARTHEST_OFFSET)
    if far.size:
        places = used_rows(far, design.rows, design.index)
        raise DataError(
            f"The offset is {offset[far[0]]:g} in {places}, a factor of exp({offset[far[0]]:g}) on "
            "the mean: an offset is added to the logarithm of the mean. Exposures go in as "
            "offset(log(exposure))."
        )
