"""Averages over models of the same data, by weights of an information criterion.

What a coefficient means depends on what else is in the model, so the averages come with their
caveats, and predictions can be averaged instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from mixedmodels.arrays import BoolArray, FloatArray
from mixedmodels.calls import guided
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates import criteria
from mixedmodels.estimates.linear import Fitted, by_ml
from mixedmodels.inference.compare import REFITTED, Candidate, check_comparable
from mixedmodels.linear import LinearMixedFit
from mixedmodels.report.frames import frame_table
from mixedmodels.report.results import Result
from mixedmodels.report.sections import Paragraph, Section
from mixedmodels.settings import check_level
from mixedmodels.several.fits import checked_fits, fitted_of, normal_quantile, normal_tail
from mixedmodels.spelling import chosen_option

Criterion: TypeAlias = Literal["aic", "aicc", "bic"]
CRITERIA: tuple[Criterion, ...] = get_args(Criterion)

_CAVEATS = (
    "Averages of coefficients make sense only where a coefficient means the same in",
    "every model: not beside interactions with its variable in some of them, nor",
    "where covariates are strongly correlated. 'full' counts a coefficient as 0 where",
    "it is absent and shrinks it; 'conditional' averages over models that have it and",
    "exaggerates weak effects. Predictions average without these: .predict().",
)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Average(Result):
    """Averages over models.

    Attributes:
        models: By model, best first: `formula`, `npar`, the criterion, `delta` to the best,
            `weight`.
        full: By coefficient `estimate`, `std_error`, `statistic` (z), `p_value`, `lower`, `upper`,
            a coefficient being 0 in models without it.
        conditional: The same over the models that have the coefficient.
        importance: By coefficient the sum of the weights of the models that have it.
        criterion: "aic", "aicc" or "bic".
        level: Coverage of the intervals.
        note: How the likelihoods were made comparable; "" when nothing had to be done.
        fits: The fits as given, by name.
    """

    models: pd.DataFrame
    full: pd.DataFrame
    conditional: pd.DataFrame
    importance: pd.Series[float]
    criterion: Criterion
    level: float
    note: str
    fits: dict[str, LinearMixedFit] = field(repr=False)

    @property
    def weights(self) -> pd.Series[float]:
        """Weight of each model, best first; their sum is 1."""
        return self.models["weight"].copy()

    def predict(self, data: Any = None, **options: Any) -> pd.Series[float]:
        """Average of the models' predictions by their weights.

        Args:
            data: New rows, as for `predict` of a fit; the rows used if None.
            **options: As for `predict` of a fit.

        Returns:
            (n,) with the index of the data.
        """
        every = [
            weight * self.fits[str(name)].predict(data, **options)
            for name, weight in self.weights.items()
        ]
        total = every[0]
        for part in every[1:]:
            total = total + part
        return total.rename("prediction")

    def to_frame(self) -> pd.DataFrame:
        """Both averages, rows by kind ("full", "conditional") and coefficient."""
        tables = {"full": self.full, "conditional": self.conditional}
        return pd.concat(tables, names=["average", "coefficient"])

    def _sections(self) -> Sequence[Section]:
        listed = tuple(f"{name}: {text}" for name, text in self.models["formula"].items())
        heading = f"Average of {len(self.models)} models by weights of {self.criterion.upper()}"
        head = (heading, *([self.note] if self.note else []), *listed)
        weights = self.importance.rename("weight").to_frame()
        full = self.full.assign(weight=weights["weight"])
        limits = ["lower", "upper"]
        return [
            Paragraph(head),
            frame_table(self.models.drop(columns="formula")),
            frame_table(full.drop(columns=limits), "Full average:"),
            frame_table(self.conditional.drop(columns=limits), "Conditional average:"),
            Paragraph(_CAVEATS),
        ]


@guided
def average(
    fits: Sequence[LinearMixedFit],
    criterion: Criterion = "aicc",
    *,
    names: Sequence[str] | None = None,
    level: float = 0.95,
) -> Average:
    """Average the coefficients of several models by their weights.

    Weights are exp(-delta / 2), scaled to sum to 1. Where fits are by REML and their fixed parts
    differ, restricted likelihoods do not compare: all are refitted by ML beside the given fits, and
    coefficients are those of the refits.

    Args:
        fits: Two or more fits of linear models to the same rows and response.
        criterion: "aicc", "aic" or "bic".
        names: One for each; fit1, fit2, ... if None.
        level: Coverage of the intervals.

    Returns:
        Averages full and conditional, with standard errors that contain the differences between
        models; weights; `predict()` for averages of predictions.

    Raises:
        MixedModelsError: Fewer than two fits, other rows or responses, an unknown criterion.

    References:
        Burnham and Anderson (2004), Sociological Methods & Research 33, 261-304, for the standard
        errors; Cade (2015), Ecology 96, 2370-2382, for what averages of coefficients do not mean.

    Examples:
        >>> import mixedmodels as mm
        >>> data = mm.load_dataset("sleepstudy")
        >>> small = mm.lmer("Reaction ~ 1 + (Days | Subject)", data)
        >>> large = mm.lmer("Reaction ~ Days + (Days | Subject)", data)
        >>> mm.average([small, large]).importance.round(4).to_dict()
        {'(Intercept)': 1.0, 'Days': 1.0}
    """
    every = checked_fits("average", fits)
    criterion = chosen_option("criterion", criterion, CRITERIA)
    check_level(level)
    given = [fitted_of(fit) for fit in every]
    labels = _labels(names, len(every))
    check_comparable([*_candidates(labels, given)], "average")
    used, note = _comparable(given)
    npar = np.array([candidate.npar for candidate in _candidates(labels, used)])
    values = _values(used, npar, criterion)
    delta = values - values.min()
    weight = np.exp(-0.5 * delta)
    weight /= weight.sum()
    models = pd.DataFrame(
        {
            "formula": [fit.model.formula for fit in every],
            "npar": npar,
            criterion: values,
            "delta": delta,
            "weight": weight,
        },
        index=labels,
    ).sort_values("delta", kind="stable")
    estimate, variance = _coefficients(used)
    there = estimate.notna().to_numpy().T
    return Average(
        models=models,
        full=_averaged(estimate.fillna(0.0), variance.fillna(0.0), weight[:, None], level),
        conditional=_averaged(
            estimate.fillna(0.0), variance.fillna(0.0), _conditional(delta, there), level
        ),
        importance=pd.Series(there.T @ weight, estimate.index, name="importance"),
        criterion=criterion,
        level=level,
        note=note,
        fits=dict(zip(labels, every, strict=True)),
    )


def _conditional(delta: FloatArray, there: BoolArray) -> FloatArray:
    """(fits, coefficients) weights among the models that have each coefficient.

    From the best of these, so that they are numbers also where its weight among all is zero.
    """
    own = np.where(there, delta[:, None], np.inf)
    least = own.min(axis=0)
    relative = np.exp(-0.5 * (own - np.where(np.isfinite(least), least, 0.0)))
    relative[:, np.isinf(least)] = there[:, np.isinf(least)]
    weights: FloatArray = relative / relative.sum(axis=0)
    return weights


def _labels(names: Sequence[str] | None, count: int) -> list[str]:
    if names is None:
        return [f"fit{i + 1}" for i in range(count)]
    if isinstance(names, str) or len(names) != count:
        raise MixedModelsError(f"names is {names!r}; it must have one name for each of the fits.")
    return [str(name) for name in names]


def _candidates(labels: Sequence[str], fits: Sequence[Fitted]) -> Iterator[Candidate]:
    for label, fitted in zip(labels, fits, strict=True):
        yield Candidate(label, fitted.model.design, fitted.solution, fitted.model.products)


def _comparable(fits: Sequence[Fitted]) -> tuple[list[Fitted], str]:
    """The fits, or their refits by ML where restricted likelihoods do not compare."""
    reml = {fitted.solution.reml for fitted in fits}
    X = [f.model.design.X[:, f.solution.kept] for f in fits]
    same = all(x.shape == X[0].shape and np.array_equal(x, X[0]) for x in X)
    if reml == {False} or (reml == {True} and same):
        return list(fits), ""
    return [by_ml(fitted) for fitted in fits], REFITTED


def _values(fits: Sequence[Fitted], npar: Any, criterion: Criterion) -> FloatArray:
    objective = np.array([fitted.solution.objective for fitted in fits])
    n = fits[0].solution.n
    if criterion == "bic":
        return np.asarray(criteria.bic(objective, npar, n))
    if criterion == "aic":
        return np.asarray(criteria.aic(objective, npar))
    found = np.asarray(criteria.aicc(objective, npar, n))
    if np.isinf(found).all():
        raise MixedModelsError(
            f"AICc needs more rows ({n}) than parameters and one; use criterion='aic' or 'bic'."
        )
    return found


def _coefficients(fits: Sequence[Fitted]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Estimates and their variances (coefficients, fits), NaN where a model has no such one."""
    columns, spreads = [], []
    for fitted in fits:
        solution, names = fitted.solution, fitted.model.design.x_names
        kept = [names[j] for j in solution.kept]
        columns.append(pd.Series(solution.beta[solution.kept], kept))
        spreads.append(pd.Series(np.diag(solution.vcov).copy(), kept))
    order = list(dict.fromkeys(name for column in columns for name in column.index))
    estimate, variance = (pd.concat(part, axis=1).reindex(order) for part in (columns, spreads))
    return estimate, variance


def _averaged(
    estimate: pd.DataFrame, variance: pd.DataFrame, weight: FloatArray, level: float
) -> pd.DataFrame:
    """Means by weight (fits, 1 or coefficients); errors with what models differ by."""
    values = estimate.to_numpy().T
    mean = np.sum(weight * values, axis=0)
    spread = variance.to_numpy().T + (values - mean) ** 2
    std_error = np.sqrt(np.sum(weight * spread, axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = mean / std_error
    half = normal_quantile(level) * std_error
    return pd.DataFrame(
        {
            "estimate": mean,
            "std_error": std_error,
            "statistic": statistic,
            "p_value": normal_tail(statistic),
            "lower": mean - half,
            "upper": mean + half,
        },
        index=estimate.index,
    )
