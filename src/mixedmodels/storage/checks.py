"""Whether what a file holds can be a fit: parts of the right types that do not belong together.

The core trusts its design, and so do tables, predictions and profiles; a file may be made by
anyone. Types are checked in `types`, sizes of what is allocated in `container` and `values`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mixedmodels.arrays import AnyArray
from mixedmodels.crossprod import templates_of
from mixedmodels.design import Design, GroupingFactor, PartPlan, TermDesign
from mixedmodels.design.coding import Coding
from mixedmodels.design.design import PartDesign
from mixedmodels.design.factors import Recipe
from mixedmodels.design.variables import Variable, place_in_x
from mixedmodels.errors import FileError
from mixedmodels.estimates.solution import Solution
from mixedmodels.formula import Factor, parse_formula
from mixedmodels.formula.parts import parse_part
from mixedmodels.optimize.summary import OptSummary

if TYPE_CHECKING:
    from mixedmodels.estimates.generalized_solution import GeneralizedSolution


def work_bytes(design: Design) -> int:
    """Memory of all columns of X and Z, if none were a view of another, and of results by row."""
    columns: int = design.X.shape[1] + sum(term.z.shape[1] for term in design.terms)
    return 8 * design.n * columns + 8 * (design.all_rows.n if design.all_rows else 0)


def check_design(design: Design) -> None:
    """Refuse a design that the core, or a prediction, could not work with.

    Raises:
        FileError: What is wrong.
    """
    require(design.n >= 1 and design.n_dropped >= 0, "it has no rows")
    require(parse_formula(design.formula.text) == design.formula, "its formula is not its text")
    _check_rows(design)
    _check_plan(design.fixed_spec, design.x_names)
    for recipe in design.offset_spec.recipes:
        _check_recipe(recipe)
    for name, variable in design.variables.items():
        _check_variable(name, variable, design)
    for part in design.parts:
        _check_part(part, design.n)
    for group in design.groups:
        _check_group(group, design.n)
    for term in design.terms:
        _check_term(term, design)
    used = {term.group for term in design.terms}
    require(used == set(range(len(design.groups))), "a grouping factor has no term")
    names = {keys: name for name, keys, _ in design.formula.groupings}
    found = {_keys(group.spec.factors): group.name for group in design.groups}
    require(found == names, "its grouping factors are not those of its formula")


def check_solution(solution: Solution, design: Design) -> None:
    """Refuse a solution of another model.

    Raises:
        FileError: What is wrong.
    """
    p_all, kept = len(design.x_names), solution.kept
    templates = templates_of(design)
    m, q = templates.m, templates.q
    thetas = (solution.theta, solution.axes_theta, solution.relative_theta)
    shapes = [
        *((theta, (m,)) for theta in thetas),
        (solution.beta, (p_all,)),
        *((kept, (solution.p,)), (solution.vcov, (solution.p, solution.p))),
        *((solution.u, (q,)), (solution.b, (q,))),
    ]
    check_shapes(solution, design, shapes)
    numbers = [*thetas, solution.beta[kept], solution.u, solution.b, solution.vcov]
    scalars = (solution.objective, solution.deviance, solution.pwrss, solution.sigma)
    require(
        all(map(_finite, numbers)) and _finite(np.array(scalars)),
        "its solution has numbers that are not finite",
    )
    require(
        bool((np.diag(solution.vcov) > 0).all()),
        "a coefficient has a variance that is not positive",
    )
    require(solution.pwrss >= 0 and solution.sigma >= 0, "its residual variance is negative")


def check_shapes(
    solution: Solution | GeneralizedSolution,
    design: Design,
    shapes: Iterable[tuple[Any, tuple[int, ...]]],
) -> None:
    """Refuse a solution with arrays of other shapes, or columns that are not among those of X.

    Raises:
        FileError: What is wrong.
    """
    require(
        solution.n == design.n and all(array.shape == shape for array, shape in shapes),
        "its solution is that of another model",
    )
    kept = solution.kept
    increasing = bool(np.all(np.diff(kept, prepend=-1) > 0))
    require(
        increasing and (not kept.size or bool(kept[-1] < len(design.x_names))),
        "the columns that its solution keeps are not columns of X",
    )


def check_search(optsum: OptSummary, m: int) -> None:
    """Refuse a search for another number of parameters.

    Raises:
        FileError: What is wrong.
    """
    require(
        optsum.theta_start.shape == (m,) and all(theta.shape == (m,) for _, theta in optsum.trace),
        "its search is that of another model",
    )


def require(holds: bool, otherwise: str) -> None:
    """Refuse what does not hold.

    Raises:
        FileError: In these words.
    """
    if not holds:
        raise FileError(otherwise)


def _check_part(part: PartDesign, n: int) -> None:
    spec = part.spec
    require(parse_part(spec.role, spec.text) == spec, "a formula of a part is not its text")
    require(
        part.X.shape == (n, len(part.names)) and _finite(part.X),
        "a part has not one number for each row and column",
    )
    _check_plan(part.plan, part.names)


def _keys(factors: tuple[Factor, ...]) -> tuple[str, ...]:
    return tuple(factor.key for factor in factors)


def _finite(array: AnyArray) -> bool:
    return bool(np.isfinite(array).all())


def _check_rows(design: Design) -> None:
    n = design.n
    vectors = [array for array in (design.y, design.w, design.offset) if array is not None]
    require(
        all(array.shape == (n,) for array in vectors)
        and design.X.shape == (n, len(design.x_names)),
        "its arrays are not one value for each row and column",
    )
    require(all(map(_finite, (*vectors, design.X))), "its rows have numbers that are not finite")
    require(design.w is None or bool((design.w > 0).all()), "a weight is not positive")
    rows = design.rows
    require(
        rows is None or (rows.shape == (n,) and bool(np.all(np.diff(rows, prepend=-1) > 0))),
        "its rows are not rows of a table",
    )
    require(design.index is None or len(design.index) == n, "its rows have not one label each")
    _check_all_rows(design)


def _check_all_rows(design: Design) -> None:
    table, rows = design.all_rows, design.rows
    if table is None:
        return
    require(
        rows is not None and table.n > rows[-1] and (table.index is None) == (design.index is None),
        "its rows are not rows of a table",
    )
    if rows is not None and table.index is not None:
        require(
            len(table.index) == table.n and table.index.take(rows).equals(design.index),
            "its rows are not called as those of their table",
        )


def _check_term(term: TermDesign, design: Design) -> None:
    require(0 <= term.group < len(design.groups), "a term has no grouping factor")
    group = design.groups[term.group]
    require(
        term.source in design.formula.random
        and _keys(term.source.grouping) == _keys(group.spec.factors),
        f"a term of '{group.name}' is not in the formula",
    )
    require(
        term.z.shape == (design.n, len(term.columns)) and len(term.columns) > 0,
        f"a term of '{group.name}' has not one value for each row and column",
    )
    require(_finite(term.z), f"a term of '{group.name}' has numbers that are not finite")
    _check_plan(term.spec, term.columns)


def _check_group(group: GroupingFactor, n: int) -> None:
    codes, levels, spec = group.codes, group.n_levels, group.spec
    require(
        len(spec.factors) == len(spec.levels) == len(spec.parts) == len(spec.states) > 0,
        f"'{group.name}' is not made of its factors",
    )
    require(codes.shape == (n,), f"the codes of '{group.name}' are not one for each row")
    inside = 0 < levels <= n and codes.min() >= 0 and codes.max() < levels
    require(
        bool(inside) and bool(np.bincount(codes, minlength=levels).min()),
        f"the codes of '{group.name}' are not those of its levels",
    )
    increases, alike = np.zeros(levels - 1, dtype=np.bool_), np.ones(levels - 1, dtype=np.bool_)
    for known, part in zip(spec.levels, spec.parts, strict=True):
        require(
            known.is_unique
            and part.shape == (levels,)
            and bool(part.min() >= 0)
            and bool(part.max() < len(known)),
            f"the levels of '{group.name}' are not those of its factors",
        )
        step = np.diff(part)
        increases |= alike & (step > 0)
        alike &= step == 0
    require(bool(increases.all()), f"the levels of '{group.name}' are out of order")


def _check_plan(plan: PartPlan, names: tuple[str, ...]) -> None:
    require(
        plan.names == names and len(plan.columns) == len(plan.terms) == len(names),
        "its columns have not one name each",
    )
    for key, recipe in plan.recipes.items():
        require(recipe.factor.key == key, f"'{key}' is made as another factor")
        _check_recipe(recipe)
    for chosen, which in _choices(plan):
        require(0 <= which < chosen, "a column is not one of its factor")


def _choices(plan: PartPlan) -> Iterator[tuple[int, int]]:
    """How many columns the factor of each choice has, and the one that is taken."""
    widths = {
        (key, reduced): _width(plan.recipes, key, reduced)
        for key, reduced in {(k, r) for column in plan.columns for k, r, _ in column}
    }
    for column in plan.columns:
        for key, reduced, which in column:
            yield widths[key, reduced], which


def _width(recipes: Mapping[str, Recipe], key: str, reduced: bool) -> int:
    recipe = recipes.get(key)
    if recipe is None:
        raise FileError(f"nothing says how '{key}' is made")
    if recipe.contrast is None or recipe.levels is None:
        return len(recipe.names) - reduced
    return len(recipe.contrast.suffixes) if reduced else len(recipe.levels)


def _check_variable(name: str, variable: Variable, design: Design) -> None:
    values, levels = variable.values, variable.levels
    if values is None:
        in_x = levels is None and place_in_x(name, design.fixed_spec) is not None
        require(in_x, f"the column '{name}' has no values")
        return
    require(values.shape == (design.n,), f"the column '{name}' has not one value for each row")
    if levels is None:
        numbers = values.dtype.kind in "fiub" and _finite(values)
        require(numbers, f"'{name}' has numbers that are not finite")
        return
    inside = values.dtype.kind in "iu" and values.min() >= 0 and values.max() < len(levels)
    require(bool(inside), f"the column '{name}' has a level that is not one of its levels")


def _check_recipe(recipe: Recipe) -> None:
    levels, contrast = recipe.levels, recipe.contrast
    name = recipe.factor.name
    if levels is None or contrast is None:
        require(levels is contrast is None, f"'{name}' is coded without levels")
        return
    require(levels.is_unique, f"'{name}' has a level twice")
    _check_coding(contrast, len(levels), name)


def _check_coding(coding: Coding, levels: int, name: str) -> None:
    columns = len(coding.suffixes)
    if coding.matrix is None:
        fits = len(coding.indicated) == columns == levels - 1 and all(
            0 <= level < levels for level in coding.indicated
        )
    else:
        fits = coding.matrix.shape == (levels, columns) and _finite(coding.matrix)
    require(fits, f"the coding of '{name}' is not that of its levels")
