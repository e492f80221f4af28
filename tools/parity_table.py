"""Write docs/parity.md and docs/parity-generalized.md: how far every reference case is from lme4.

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

from parity import generalized  # noqa: E402
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


GENERALIZED = """\
# Agreement of generalized models

Made by `python tools/parity_table.py`; the same comparisons are tests
(`tests/parity/test_generalized.py`). The criterion at given parameters and at the optimum is
lme4's (1.1-31, modes found to rounding) where the link is canonical. For other links and for
families with a dispersion lme4 has a criterion of its own; the optimum is compared with that of a
dense program of the same approximation.

`given` is the largest relative difference of the criterion at the given parameters, with
`information="expected"` for probit and cloglog. `excess` is the criterion found less the lowest one
known. `theta` is in units of its largest entry, `beta` in standard errors. `se` is the largest
relative difference of a standard error of a coefficient from that of fourth-order differences of
the exact gradient in the dense program; `lme4 se` and `refined se` are those of lme4's default
standard errors, and of the reference's own by Richardson extrapolation. `calls` is the number of
evaluations of the criterion, `lme4 calls` the fewest and the most of its optimisers.
"""


def known(errors: dict[str, float | None] | None) -> bool:
    """Whether the reference has these standard errors."""
    return bool(errors) and None not in errors.values()


def generalized_page() -> str:
    """The table of the generalized cases."""
    rows = []
    for name in generalized.LAPLACE:
        case, fit = generalized.CASES[name], generalized.fit_of(name)
        found = generalized.distance(case, fit)
        given = 0.0
        if name in generalized.CANONICAL or name in generalized.EXPECTED:
            expected = "expected" if name in generalized.EXPECTED else "observed"
            model = generalized.model_of(case, information=expected)
            values = [
                (model.objective(at["theta"], at["beta"]), at["neg2loglik"])
                for at in case["devfun"]
            ]
            given = max(abs(ours / theirs - 1.0) for ours, theirs in values)
        exact = generalized.EXACT.get(name, {}).get("se_beta")
        others = [
            max(abs(a / b - 1.0) for a, b in zip(case[key].values(), exact, strict=True))
            if exact and name in generalized.CANONICAL and known(case.get(key))
            else 0.0
            for key in ("se_beta", "se_beta_richardson")
        ]
        calls = [end["feval"] for end in case["optimizers"]]
        rows.append(
            [
                name,
                *map(cell, (given, found.excess, found.theta, found.beta, found.se, *others)),
                str(found.evaluations),
                f"{min(calls)} - {max(calls)}",
            ]
        )
    header = ["case", "given", "excess", "theta", "beta", "se", "lme4 se", "refined se", "calls"]
    return f"{GENERALIZED}\n{table([*header, 'lme4 calls'], rows)}"


def main() -> None:
    """Fit every case and write the pages."""
    page = TOP / "docs" / "parity-generalized.md"
    page.write_text(generalized_page(), encoding="utf-8")
    print(f"{page.relative_to(TOP)}: {len(generalized.LAPLACE)} cases")
    if "--generalized" in sys.argv:
        return
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
