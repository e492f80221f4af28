"""Cross-products of a design: the last stage that reads rows.

The sums themselves, the orthogonal basis of X and its rank are the core's; here the design is
handed over and what the core finds impossible is said in the user's words.
"""

from __future__ import annotations

from mixedmodels._core import Products
from mixedmodels.covariance import Templates
from mixedmodels.design import Design
from mixedmodels.errors import ModelError


def templates_of(design: Design) -> Templates:
    """The covariance templates of a design's random-effects terms."""
    return Templates.from_terms(
        sizes=[len(term.columns) for term in design.terms],
        groups=[term.group for term in design.terms],
        group_names=[group.name for group in design.groups],
        columns=[term.columns for term in design.terms],
        n_levels=[group.n_levels for group in design.groups],
    )


def cross_products(design: Design, threads: int = 1) -> Products:
    """Form A = [Z X y]'W[Z X y], with X orthogonalised and y replaced by its residual.

    Args:
        design: Model matrices and response; its arrays are made read-only, for the core keeps
            pointers into them.
        threads: Threads that BLAS may use.

    Returns:
        The products, by grouping factor in core order (see `covariance`).

    Raises:
        ModelError: The fixed part fits the response exactly, so nothing is left to explain.
    """
    design.freeze()
    products = Products(
        codes=[group.codes for group in design.groups],
        levels=[group.n_levels for group in design.groups],
        z=[[term.z for term in design.terms if term.group == g] for g in range(len(design.groups))],
        X=design.X,
        y=design.y,
        weights=design.w,
        offset=design.offset,
        threads=threads,
    )
    if products.fits_exactly:
        raise ModelError(
            f"The fixed part fits the response '{design.response_name}' exactly "
            f"({products.p} independent columns, {design.n} rows): the residual variance would be "
            "zero. Leave out fixed effects, or the one that is the response under another name."
        )
    return products
