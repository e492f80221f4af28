"""Cross-products of a design: the last stage that reads rows.

The core forms the sums, the orthogonal basis of X and its rank. Here the design is handed over, and
what the core finds impossible is said in the user's words.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

import mixedmodels._core as _core
from mixedmodels._core import Products
from mixedmodels.arrays import FloatArray
from mixedmodels.covariance import Templates
from mixedmodels.design import Design
from mixedmodels.design.copies import explaining_columns
from mixedmodels.design.stray import levels_of_single_rows
from mixedmodels.errors import ModelError

# Smallest and largest order of coefficients, standard deviations and theta: their squares, and sums
# of these, are numbers.
_LEAST, _MOST = 1e-153, 1e153


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
        threads: Threads of the core; BLAS is held to one.

    Returns:
        The products, by grouping factor in core order (see `covariance`).

    Raises:
        ModelError: The fixed part fits the response exactly, so nothing is left to explain; or
            columns, response or weights so large or small that variances overflow.
    """
    return checked_products(design, _products(design, threads, response=True))


def checked_products(design: Design, products: Products) -> Products:
    """Products of which a model can be made; raises as `cross_products`."""
    if products.fits_exactly:
        raise ModelError(
            f"The fixed part fits the response '{design.response_name}' exactly "
            f"({products.p} independent columns, {design.n} rows): the residual variance would be "
            "zero. Leave out fixed effects, or the one that is the response under another name."
            + _explained(design, products.p)
        )
    return _within_double_precision(design, products)


def column_products(X: FloatArray, names: Sequence[str], threads: int) -> Products:
    """The orthogonal basis of some columns (n, k), without random effects and response.

    Raises:
        ModelError: The square of a coefficient would not be a number.
    """
    X.flags.writeable = False
    products = Products(codes=[], levels=[], z=[], X=X, y=None, threads=threads)
    if not products.within(_LEAST, _MOST):
        raise ModelError(_too_far_from_one(_coefficient_sizes(products, names, len(X))))
    return products


def _within_double_precision(design: Design, products: Products) -> Products:
    if not products.within(_LEAST, _MOST):
        raise ModelError(_too_far_from_one(_sizes(design, products)))
    return products


def _explained(design: Design, rank: int) -> str:
    """Which columns fit the response; of as many as rows, factors with a level for each row."""
    if rank >= design.n:
        said = levels_of_single_rows(design.fixed_spec.factors, design.n)
        return f" {said}" if said else ""
    columns = explaining_columns(design) if design.has_rows else ""
    return f" It can be computed from {columns}." if columns else ""


def row_products(design: Design, threads: int = 1, origin: FloatArray | None = None) -> Products:
    """The same without response and offset, for models that are not linear in these.

    Args:
        design: As for `cross_products`.
        threads: Threads of the core; BLAS is held to one.
        origin: (p_all,) what is taken from the columns of X where another parameter stands for the
            intercept. Which columns depend on others is decided before, with an intercept: after it
            rounding of a column would look like a column of its own.

    Raises:
        ModelError: The square of a coefficient or of theta would not be a number.
    """
    if origin is None:
        return _within_double_precision(design, _products(design, threads, response=False))
    X = design.X - origin
    dependent = np.ones(X.shape[1], dtype=np.bool_)
    dependent[with_intercept(design, threads).kept[1:] - 1] = False
    X[:, dependent] = 0.0
    products = _products(design, threads, response=False, X=np.asfortranarray(X))
    return _within_double_precision(design, products)


def with_intercept(design: Design, threads: int) -> Products:
    """The orthogonal basis of an intercept and the columns of X."""
    X = np.asfortranarray(np.column_stack([np.ones(design.n), design.X]))
    return Products(codes=[], levels=[], z=[], X=X, y=None, threads=threads)


def _products(
    design: Design, threads: int, *, response: bool, X: FloatArray | None = None
) -> Products:
    if design.y.flags.writeable:
        design.freeze()
    return Products(
        codes=[group.codes for group in design.groups],
        levels=[group.n_levels for group in design.groups],
        z=[[term.z for term in design.terms if term.group == g] for g in range(len(design.groups))],
        X=design.X if X is None else X,
        y=design.y if response else None,
        weights=design.w,
        offset=design.offset if response else None,
        threads=threads,
    )


def triangle_inverse(R: FloatArray) -> FloatArray:
    """Inverse (p, p) of an upper triangle, such as that of X or of the factor of X'V^-1X."""
    # The core's: the import of `scipy.linalg` takes a hundred times as long as a small fit.
    inverse: FloatArray = _core.triangle_inverse(R)
    return inverse


def _coefficient_sizes(
    products: Products, names: Sequence[str], n: int
) -> Iterator[tuple[str, float]]:
    """What coefficients are of the order of; the core's own numbers are of unit size."""
    steps = products.unit * math.sqrt(n) / np.abs(np.diag(products.R))
    for j, step in zip(products.kept, steps, strict=True):
        yield f"the coefficient of '{names[j]}'", float(step)


def _sizes(design: Design, products: Products) -> Iterator[tuple[str, float]]:
    """What coefficients, the residual and theta are of the order of."""
    yield from _coefficient_sizes(products, design.x_names, design.n)
    yield "the residual standard deviation (times the root of the weights)", products.unit
    used = [0] * len(design.groups)
    for term in design.terms:
        axes = products.axes(term.group)
        for name in term.columns:
            at = used[term.group]
            used[term.group] += 1
            if axes is not None:
                what = f"theta of '{name}' by '{design.groups[term.group].name}'"
                yield what, float(axes[at, at])


def _too_far_from_one(sizes: Iterator[tuple[str, float]]) -> str:
    """The first of some sizes whose square is not a number."""
    what, size = next((w, s) for w, s in sizes if not _LEAST < s < _MOST)
    return (
        f"{what[0].upper()}{what[1:]} is of the order of {size:.0e}, and double precision cannot "
        "hold its square. Multiply the column, the response or the weights by a power of ten that "
        "brings their values nearer to 1."
    )
