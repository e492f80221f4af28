"""Power by simulation: responses drawn from a model and a design, fitted, and tested.

The designs are made from one by `design.extend`, tests by `hypotheses`; here replicates are drawn
and fitted in chunks. Every size of the design has random numbers of its own, so neither the other
sizes nor the threads show in its replicates.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from mixedmodels.arrays import FloatArray
from mixedmodels.calls import guided
from mixedmodels.crossprod import templates_of
from mixedmodels.design import Design, build_design
from mixedmodels.design.extend import extended
from mixedmodels.design.names import term_names
from mixedmodels.design.unquoted import read_formula
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.refits import Refits, singular_rows
from mixedmodels.families.base import Family
from mixedmodels.generalized import GeneralizedLinearMixedFit
from mixedmodels.inference.coefficients import without_degrees
from mixedmodels.linear import LinearMixedFit
from mixedmodels.memory import require
from mixedmodels.naming import first_few
from mixedmodels.planning.curve import Power, power_row
from mixedmodels.planning.from_fit import Distributed, Supplied, check_given, kind_of, supplied
from mixedmodels.planning.hypotheses import Question, Test, test_of
from mixedmodels.planning.kinds import AnyModel, Kind, Refit, Source
from mixedmodels.prediction.denovo import (
    Parameters,
    check_sigma,
    given_parameters,
    with_left_side,
)
from mixedmodels.prediction.simulate import (
    MOST_NUMBERS,
    Seed,
    check_count,
    random_generator,
)
from mixedmodels.progress import Tally
from mixedmodels.settings import (
    DROP_TESTS,
    USUAL_CONTROL,
    Control,
    Ddf,
    DropTest,
    check_level,
    check_reml,
    df_method,
    thread_count,
)
from mixedmodels.spelling import chosen_option

# Seconds that a chunk is to take: progress shows, and interrupts are noticed.
_SECONDS = 0.5


@guided
def power(
    formula: str | LinearMixedFit | GeneralizedLinearMixedFit,
    design: Any = None,
    *,
    beta: Any = None,
    sigma: float | None = None,
    test: Any = None,
    sd: Any = None,
    theta: Any = None,
    cor: Any = None,
    nsim: int = 1000,
    alpha: float = 0.05,
    extend: Mapping[str, int | Sequence[int]] | None = None,
    ddf: Ddf = "satterthwaite",
    kind: DropTest = "F",
    reml: bool = True,
    level: float = 0.95,
    seed: Seed = None,
    weights: Any = None,
    offset: Any = None,
    contrasts: Mapping[str, Any] | None = None,
    family: str | Family | type[Family] | None = None,
    link: str | None = None,
    dispersion: float | None = None,
    zero_inflation: float | None = None,
    n_agq: int | None = None,
    control: Control | None = None,
    threads: int | None = None,
    progress: bool | None = None,
) -> Power:
    """Power of a test by simulation, for one design or for several sizes of it.

    Responses are drawn from the model and fitted in compiled code over threads; what the test says
    of each fit is what `test`, `anova`, `drop1` or `ranova` would say.

    Args:
        formula: As for `lmer`; the left-hand side may be left out, and is not read. Or a fit, which
            supplies formula, design, parameters, contrasts, weights, offset, family, and formulas
            and coefficients of dispersion, zero inflation and thresholds where they are not given;
            effects in a dict `beta` replace those of the fit.
        design: A row for each observation, any table that `lmer` takes, without missing values.
        beta: Fixed effects: a dict or Series by name, or in column order.
        sigma: Residual standard deviation; generalized models have none.
        test: A coefficient's name or an equation of coefficients (t, or z), a list of these (F),
            the name of a term (F of type III), or what `ranova` leaves out of the random effects,
            `"(1 | Item)"` or `"Days in (Days | Subject)"`, or the term `"(Days | Subject)"` as a
            whole (likelihood ratios). If None, the only fixed term.
        sd: Standard deviations of the random effects, as for `simulate`; or give `theta`. Those of
            generalized models are on the scale of the linear predictor.
        theta: Relative covariance parameters.
        cor: Correlations of the random effects, with `sd`; 0 if not given.
        nsim: Replicates for each size.
        alpha: Level of the test.
        extend: By factor the number of levels, or several numbers; all combinations where there are
            several factors. New levels repeat the rows of old ones in turn, fewer levels are the
            first ones. The factor is a grouping factor, or one that a grouping factor is made of;
            grouping factors nested in it get new levels too.
        ddf: Degrees of freedom of t and F tests, as in `coef_table`.
        kind: "F" for t and F tests in the fit, "Chisq" for likelihood ratios by ML.
        reml: The criterion of the fits; likelihood ratios of fixed effects take ML.
        level: Coverage of the limits of power.
        seed: A whole number, a SeedSequence or a `numpy.random.Generator`; None draws one, which
            the result names. The same seed gives the same result for any number of threads.
        weights: Prior weights, as for `lmer`; trials of a binomial family.
        offset: A known addition to the linear predictor.
        contrasts: As for `lmer`.
        family: Of a generalized model, as for `glmer`; its tests are z tests, by the exact Hessian
            of each fit, or likelihood ratios.
        link: Name of the link; the usual one of the family if None.
        dispersion: The family's own parameter, where it has one; a fit supplies predictors of it.
        zero_inflation: Probability that a count is a zero of its own; a fit supplies predictors.
        n_agq: As for `glmer`; 1 if None.
        control: Limits and tolerances of the fits.
        threads: Threads; None leaves the choice to the library.
        progress: Show how far it is: on a terminal when it takes seconds (None), from the start
            (True) or never (False).

    Returns:
        Power with exact binomial limits for each size; `plot()` draws the curve. Replicates
        without a fit count as not rejected; their number and that of singular fits are in the
        table.

    Raises:
        FormulaError: The formula cannot be understood.
        DataError: A column cannot be used, or has missing values.
        ModelError: A size of the design does not identify the model.
        MixedModelsError: Parameters that are missing, unknown or impossible; a test or a factor
            that the model does not have.

    Examples:
        >>> import mixedmodels as mm
        >>> design = {"subject": [s for s in range(10) for _ in "ab"], "treated": [0, 1] * 10}
        >>> study = mm.power("y ~ treated + (1 | subject)", design,
        ...                  beta={"(Intercept)": 10, "treated": 1}, sd=2, sigma=1,
        ...                  test="treated", extend={"subject": [10, 20]}, nsim=200, seed=2)
        >>> study.to_frame()[["subject", "power"]].values.tolist()
        [[10.0, 0.475], [20.0, 0.845]]
    """
    what = kind_of(formula, Distributed(family, link, dispersion, zero_inflation, n_agq))
    question = Question(
        test, _kind(kind), df_method(ddf) if what.residual else without_degrees(ddf)
    )
    by_reml, count = check_reml(reml) and what.residual, check_count("nsim", nsim)
    if question.ddf == "kenward-roger" and not by_reml:
        raise MixedModelsError("ddf='kenward-roger' needs fits by REML; leave reml=True.")
    _check_alpha(alpha)
    _check_control(control)
    check_level(level)
    asked = Supplied("", design, beta, sigma, theta, sd, cor, contrasts, weights, offset)
    if isinstance(formula, (LinearMixedFit, GeneralizedLinearMixedFit)):
        asked = supplied(formula, asked)
    else:
        asked = check_given(asked._replace(formula=formula), what)
    if sigma is not None and not what.residual:
        raise MixedModelsError(
            "power: sigma= is for linear models. Give dispersion= where the family has a parameter."
        )
    base = build_design(
        read_formula(with_left_side(asked.formula), asked.design),
        asked.design,
        weights=asked.weights,
        offset=asked.offset,
        contrasts=asked.contrasts,
        na_action="raise",
        response=False,
        residual=what.residual,
        parts=what.parts,
        categories=what.categories,
    )
    given = given_parameters(
        "power",
        base,
        templates_of(base),
        asked.beta,
        check_sigma(asked.sigma) if what.residual else 1.0,
        theta=asked.theta,
        sd=asked.sd,
        cor=asked.cor,
    )
    if test is None:
        question = Question(_only_term(base), question.kind, question.ddf)
    search = control or USUAL_CONTROL
    study = _Study(what, question, given, by_reml, count, search, thread_count(threads))
    sizes = list(_sizes(extend))
    rng, entropy = random_generator(seed)
    rows, p_values, label = [], [], ""
    with Tally("fits", shown=progress) as tally:
        for number, size in enumerate(sizes):
            grown = base
            for factor, levels in size.items():
                grown = extended(grown, factor, levels, residual=what.residual)
            own = np.random.default_rng(rng.integers(2**63, size=4))
            done = partial(_report, tally, number * count, len(sizes) * count)
            label, found, singular = study.run(grown, own, done)
            rows.append({**size, "nobs": grown.n, **power_row(found, alpha, level),
                         "singular": singular})  # fmt: skip
            p_values.append(found)
    return Power(
        table=pd.DataFrame(rows),
        p_values=np.column_stack(p_values),
        formula=asked.formula,
        test=label,
        alpha=float(alpha),
        nsim=count,
        level=level,
        seed=entropy,
        extended=tuple(sizes[0]),
    )


def _report(tally: Tally, before: int, total: int, done: int) -> None:
    tally(before + done, total)


@dataclass(frozen=True, slots=True, eq=False)
class _Study:
    """What is drawn, fitted and tested, whatever the size of the design."""

    kind: Kind
    question: Question
    given: Parameters
    reml: bool
    nsim: int
    control: Control
    threads: int

    def run(
        self, design: Design, rng: np.random.Generator, report: Any
    ) -> tuple[str, FloatArray, int]:
        """The test in words, the p-values (nsim,), and how many fits are singular."""
        templates = templates_of(design)
        require({f"{self.nsim} fits": 8.0 * self.nsim * (templates.m + 8)}, "power")
        source = self.kind.source(design, self.given)
        model = self.kind.model(design, source, self.threads)
        test = test_of(self.question, self.kind, model, self.reml, self._refitter)
        refitter = self.kind.refitter(model, self.given, self.control, reml=test.reml)
        p_values, singular = [], 0
        for responses in self._chunks(source, rng, design.n + templates.q):
            fits: Refits = refitter(responses)
            p_values.append(_tested(test, responses, fits))
            theta = fits.theta[:, : templates.m]
            singular += int(singular_rows(model, theta, self.control).sum())
            report(sum(map(len, p_values)))
        return test.label, np.concatenate(p_values), singular

    def _refitter(self, model: AnyModel, *, reml: bool) -> Refit:
        return self.kind.refitter(model, None, self.control, reml=reml)

    def _chunks(
        self, source: Source, rng: np.random.Generator, numbers: int
    ) -> Iterator[FloatArray]:
        """Responses (count, n), chunk by chunk."""
        most = max(1, MOST_NUMBERS // numbers)
        size, done = min(most, 4 * self.threads), 0
        while done < self.nsim:
            began = time.perf_counter()
            count = min(size, self.nsim - done)
            yield source.draw(rng, count)
            done += count
            if time.perf_counter() - began < _SECONDS:
                size = min(most, 4 * size)


def _tested(test: Test, responses: FloatArray, fits: Refits) -> FloatArray:
    found = test.p_values(responses, fits)
    return np.where(np.isfinite(fits.objective), found, np.nan)


def _kind(kind: object) -> DropTest:
    return chosen_option("kind", kind, DROP_TESTS)


def _check_alpha(alpha: object) -> None:
    number = isinstance(alpha, (int, float, np.number)) and not isinstance(alpha, bool)
    if not number or not 0.0 < float(alpha) < 1.0:  # type: ignore[arg-type]
        raise MixedModelsError(f"alpha is {alpha!r:.80}; it must be a number between 0 and 1.")


def _check_control(control: object) -> None:
    if control is not None and not isinstance(control, Control):
        raise MixedModelsError(f"control is {control!r:.80}; it must be a mixedmodels.Control.")


def _only_term(design: Design) -> str:
    """The fixed term that is tested if none is named.

    Raises:
        MixedModelsError: There are none, or several.
    """
    terms = design.formula.terms
    names = [n for n, term in zip(term_names(terms), terms, strict=True) if term.factors]
    if len(names) == 1:
        return names[0]
    raise MixedModelsError(
        "test is missing: name a coefficient, a term or a random-effects part. Coefficients: "
        f"{first_few(design.x_names, 12)}."
    )


def _sizes(extend: Mapping[str, int | Sequence[int]] | None) -> Iterator[dict[str, int]]:
    """Levels by factor, all combinations.

    Raises:
        MixedModelsError: Not numbers of levels by factor.
    """
    if extend is not None and not isinstance(extend, Mapping):
        raise MixedModelsError(
            f"extend is {extend!r:.80}; it must be a dict from factor to numbers of levels, like "
            "{'Subject': [10, 20, 40]}."
        )
    extend = extend or {}
    lists = [_numbers(factor, levels) for factor, levels in extend.items()]
    for combination in itertools.product(*lists):
        yield dict(zip(extend, combination, strict=True))


def _numbers(factor: object, levels: Any) -> list[int]:
    if not isinstance(factor, str):
        raise MixedModelsError(f"extend names {factor!r:.80}; factors are named by text.")
    given: Any = levels if np.iterable(levels) else [levels]
    found = [] if isinstance(given, (str, Mapping)) else list(given)
    if not found or not all(map(_is_count, found)):
        raise MixedModelsError(
            f"extend has {levels!r:.80} for '{factor}'; it must be whole numbers of levels, at "
            "least 1."
        )
    return [int(n) for n in found]


def _is_count(value: object) -> bool:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return whole and int(value) >= 1  # type: ignore[call-overload]
