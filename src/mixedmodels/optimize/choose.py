"""The choice of a method by predicted cost.

Costs are counted in floating-point operations from the analysis of the factor; how many evaluations
a method needs is a figure measured over the reference models from the start by moments.
"""

from __future__ import annotations

import functools

from mixedmodels._core import Analysis, Products
from mixedmodels.settings import OptimizerName

# Evaluations to convergence as (constant, per theta): quasi-Newton starts from the expected
# information; derivative-free methods build their model from values.
_QUASI_NEWTON = (4.0, 0.5)
_BRENT = 14.0
_COBYQA = (10.0, 12.0)
_MOST_THETAS = 3


def evaluation_flops(analysis: Analysis, products: Products, *, reml: bool) -> tuple[float, float]:
    """Floating-point operations of one value of the criterion, and of one gradient more."""
    k = products.p + 1
    value = analysis.flops + 2.0 * analysis.stored * k + float(products.q) * k * k
    gradient = 2.0 * analysis.flops
    if reml:
        gradient += 6.0 * analysis.stored * products.p + 2.0 * float(products.q) * products.p**2
    return value, gradient


def choose_optimizer(
    analysis: Analysis, products: Products, m: int, *, reml: bool
) -> tuple[OptimizerName, str]:
    """Name of the cheapest method and the reason, for `optsum`.

    Args:
        analysis: Order and pattern of the factor.
        products: Cross-products.
        m: Length of theta.
        reml: Which criterion.
    """
    return cheapest(*evaluation_flops(analysis, products, reml=reml), m)


@functools.lru_cache(maxsize=64)
def cheapest(value: float, gradient: float, m: int) -> tuple[OptimizerName, str]:
    """The method that needs least for m parameters, by the cost (flops) of value and gradient.

    A gradient for less than about three values leaves nothing to a method without one; that is what
    the factor's inverse on its own pattern costs, so real models rarely choose otherwise.
    """
    if m > _MOST_THETAS:
        return "quasi-newton", f"exact gradient, {m} parameters"
    both = value + gradient
    judging = (m + 1) * both  # the gradient and the differences that make the Hessian, either way
    with_gradient = (_QUASI_NEWTON[0] + _QUASI_NEWTON[1] * m) * both + judging - both
    name: OptimizerName = "brent" if m == 1 else "COBYQA"
    without = (_BRENT if m == 1 else _COBYQA[0] + _COBYQA[1] * m) * value + judging
    if without < with_gradient:
        return name, f"predicted {_si(without)}flop, {_si(with_gradient)}flop with the gradient"
    return (
        "quasi-newton",
        f"predicted {_si(with_gradient)}flop, {_si(without)}flop without the gradient",
    )


def _si(value: float) -> str:
    for prefix in ("", "k", "M", "G"):
        if value < 1000.0:
            return f"{value:.3g} {prefix}"
        value /= 1000.0
    return f"{value:.3g} T"
