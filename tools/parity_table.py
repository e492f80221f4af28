"""Write docs/parity.md: how far every reference case is from lme4, quantity by quantity.

    python tools/parity_table.py

Fits the cases of tests/reference/lmm.json as the tests do, with the measures of
tests/parity/measures.py. The tests set the limits, this shows the figures.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

TOP = Path(__file__).parents[1]
sys.path.insert(0, str(TOP / "tests"))

from parity.measures import (  # noqa: E402
    CASES,
    FixedTheta,
    Optimum,
    at_fixed_theta,
    at_optimum,
    fit_of,
)

INTRODUCTION = """\
# Agreement with lme4

Made by `python tools/parity_table.py`; the same comparisons are tests (`tests/parity`). The
reference is lme4 1.1-31 in R 4.2.2, its optimum polished by Newton steps on its own criterion
(how: `tests/reference/README.md`). The reference itself is good to 1e-9 relative in the
criterion, to about 1e-6 in theta and what follows from it, to 1e-5 for `insteval`, `star` and
`chem97`.

Every entry is the largest absolute difference of its kind, so `2e-07` under `beta` says that the
worst coefficient agrees to 2e-7 relative. A dash is a difference of exactly zero.
"""

FIXED = """\
## At fixed theta

The ML and REML criteria and their parts at six given values of theta per case, two of them
singular. Relative differences; log-determinants below 1 in units of 1, coefficients below their
standard error in units of it.
"""

OPTIMUM = """\
## At the optimum

`excess` is the criterion found less lme4's, signed: negative is lower, that is better. All other
columns are relative, except: `theta` in units of the largest of its term, `vcov` of the product of
two standard errors, `corr` absolute, `ranef` and `sumsq` of the largest in their column, `cond_var`
of the product of two standard deviations, `rows` (fitted values and residuals) in units of sigma.
`calls` is the number of evaluations of the criterion and of its gradient.
"""


def cell(value: float) -> str:
    """A difference with one digit."""
    return f"{value:.0e}" if value else "–"


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table, its first column to the left and the others to the right."""
    names = list(header)
    lines = [names, [":--", *["--:"] * (len(names) - 1)], *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def worst(columns: Iterable[Iterable[float]]) -> list[str]:
    """The last row: the largest entry of every column."""
    return [cell(max(column, key=abs)) for column in columns]


def section(text: str, found: dict[str, Any], calls: dict[str, str]) -> str:
    """A heading with its table: the cases, the worst of each column, and `calls` if any."""
    names = [field.name for field in fields(next(iter(found.values())))]
    values = {case: [getattr(kind, name) for name in names] for case, kind in found.items()}
    extra = ["calls"] if calls else []
    rows = [
        [case, *map(cell, line), *([calls[case]] if calls else [])] for case, line in values.items()
    ]
    rows.append(["**worst**", *worst(zip(*values.values(), strict=True)), *[""] * len(extra)])
    return f"{text}\n{table(['case', *names, *extra], rows)}"


def main() -> None:
    """Fit every case and write the page."""
    fixed: dict[str, FixedTheta] = {}
    optimum: dict[str, Optimum] = {}
    calls: dict[str, str] = {}
    for name, case in CASES.items():
        fit = fit_of(name)
        fixed[name] = at_fixed_theta(case, fit.model)
        optimum[name] = at_optimum(case, fit)
        calls[name] = f"{fit.optsum.n_objective} + {fit.optsum.n_gradient}"
    parts = [INTRODUCTION, section(FIXED, fixed, {}), section(OPTIMUM, optimum, calls)]
    page = TOP / "docs" / "parity.md"
    page.write_text("\n".join(parts), encoding="utf-8")
    print(f"{page.relative_to(TOP)}: {len(CASES)} cases")


if __name__ == "__main__":
    main()
