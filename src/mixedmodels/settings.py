"""Options of the library: their names as Literals and the frozen, validated control settings.

Nothing here computes; a setting that cannot work is refused when it is made.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from numbers import Integral
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from mixedmodels.arrays import FloatArray
from mixedmodels.calls import Guided, guided
from mixedmodels.errors import MixedModelsError
from mixedmodels.output import polars_wanted, want_polars
from mixedmodels.spelling import chosen_option, not_among

# Level up to which a profile goes by default.
PROFILE_LEVEL = 0.99
# Largest number of threads that may be asked for: in all, or for each processor.
_MOST_THREADS = 64
_THREADS_PER_PROCESSOR = 4

NaAction: TypeAlias = Literal["omit", "exclude", "raise"]
OptimizerName: TypeAlias = Literal[
    "auto", "quasi-newton", "L-BFGS-B", "COBYQA", "Nelder-Mead", "Powell", "BOBYQA"
]
DfMethod: TypeAlias = Literal["satterthwaite", "kenward-roger", "residual", "none"]
# As `ddf` is given by users of other packages.
Ddf: TypeAlias = Literal[
    "satterthwaite", "kenward-roger", "residual", "none", "Satterthwaite", "Kenward-Roger", "KR"
]
AnovaType: TypeAlias = Literal[1, 2, 3]
# As `type` is given: in any case.
AnovaTypeName: TypeAlias = Literal[1, 2, 3, "I", "II", "III"]
ContrastName: TypeAlias = Literal["treatment", "sum", "helmert", "poly"]
Information: TypeAlias = Literal["observed", "expected"]
Modes: TypeAlias = Literal["new", "kept"]
BootstrapKind: TypeAlias = Literal["parametric", "residual"]
BootstrapInterval: TypeAlias = Literal["percentile", "basic", "normal", "bias-corrected"]
IntervalKind: TypeAlias = Literal["confidence", "prediction"]
Uncertainty: TypeAlias = Literal["conditional", "full"]
ResidualKind: TypeAlias = Literal[
    "raw", "pearson", "scaled", "standardized", "studentized", "quantile"
]
InfluenceMethod: TypeAlias = Literal["exact", "one-step", "held"]
RobustKind: TypeAlias = Literal["CR0", "CR1", "CR2"]
PcaScale: TypeAlias = Literal["covariance", "correlation", "orthogonal"]
TidyEffect: TypeAlias = Literal["fixed", "ran_pars", "ran_vals", "ran_coefs"]
MeansType: TypeAlias = Literal["link", "response"]
MarginalType: TypeAlias = Literal["link", "response", "prob"]
TidyLimits: TypeAlias = Literal["wald", "profile"]
ConfintMethod: TypeAlias = Literal["profile", "wald", "bootstrap"]
Method: TypeAlias = Literal["auto", "exact", "iterative"]
DropTest: TypeAlias = Literal["Chisq", "F"]
Output: TypeAlias = Literal["default", "pandas", "polars"]


class _AsBefore:
    """The default of an argument that stays as it was; None is a value of its own there."""

    def __repr__(self) -> str:
        """The text that signatures show."""
        return "<as before>"


AS_BEFORE: Any = _AsBefore()

NA_ACTIONS: tuple[NaAction, ...] = get_args(NaAction)
OPTIMIZERS: tuple[OptimizerName, ...] = get_args(OptimizerName)
DF_METHODS: tuple[DfMethod, ...] = get_args(DfMethod)
ANOVA_TYPES: tuple[AnovaType, ...] = get_args(AnovaType)
CONTRASTS: tuple[ContrastName, ...] = get_args(ContrastName)
INFORMATION: tuple[Information, ...] = get_args(Information)
MODES: tuple[Modes, ...] = get_args(Modes)
BOOTSTRAPS: tuple[BootstrapKind, ...] = get_args(BootstrapKind)
BOOTSTRAP_INTERVALS: tuple[BootstrapInterval, ...] = get_args(BootstrapInterval)
INTERVALS: tuple[IntervalKind, ...] = get_args(IntervalKind)
UNCERTAINTIES: tuple[Uncertainty, ...] = get_args(Uncertainty)
RESIDUAL_KINDS: tuple[ResidualKind, ...] = get_args(ResidualKind)
INFLUENCE_METHODS: tuple[InfluenceMethod, ...] = get_args(InfluenceMethod)
ROBUST_KINDS: tuple[RobustKind, ...] = get_args(RobustKind)
PCA_SCALES: tuple[PcaScale, ...] = get_args(PcaScale)
TIDY_EFFECTS: tuple[TidyEffect, ...] = get_args(TidyEffect)
MEANS_TYPES: tuple[MeansType, ...] = get_args(MeansType)
MARGINAL_TYPES: tuple[MarginalType, ...] = get_args(MarginalType)
TIDY_LIMITS: tuple[TidyLimits, ...] = get_args(TidyLimits)
CONFINT_METHODS: tuple[ConfintMethod, ...] = get_args(ConfintMethod)
METHODS: tuple[Method, ...] = get_args(Method)
DROP_TESTS: tuple[DropTest, ...] = get_args(DropTest)
OUTPUTS: tuple[Output, ...] = get_args(Output)

_DF_SPELLINGS: dict[str, DfMethod] = {"kr": "kenward-roger"}
_ROMAN: dict[str, AnovaType] = {"I": 1, "II": 2, "III": 3}


def real_numbers(given: object) -> FloatArray:
    """An array of float64 from what a user gave as numbers.

    NumPy converts text, complex numbers, times and what a mask hides without an error.

    Raises:
        TypeError: Text, complex numbers, times or anything else that is not a real number.
        ValueError: Rows of different lengths, or a masked value.
    """
    if type(given) is np.ndarray and given.dtype == np.float64:
        return np.array(given)
    if isinstance(given, np.ma.MaskedArray) and np.ma.getmaskarray(given).any():
        raise ValueError("a masked value")
    array = np.asarray(given)
    if array.dtype.kind not in "biufO":
        raise TypeError("not real numbers")
    if array.dtype.kind == "O" and any(isinstance(value, (str, bytes)) for value in array.flat):
        raise TypeError("text")
    return np.array(array, dtype=np.float64)


def names_given(kind: str, given: object, wanted: str) -> list[str]:
    """The names in `given`, one name or several.

    Args:
        kind: What the argument is called.
        given: What the user gave.
        wanted: What the argument must be, in words.

    Raises:
        MixedModelsError: Neither text nor a list of texts.
    """
    if isinstance(given, str):
        return [given]
    try:
        listed = list(given)  # type: ignore[call-overload]
    except TypeError:
        listed = [given]
    names = [value for value in listed if isinstance(value, str)]
    if len(names) < len(listed):
        raise MixedModelsError(f"{kind} is {given!r:.80}; it must be {wanted}.")
    return names


def df_method(ddf: object) -> DfMethod:
    """The method for denominator degrees of freedom that is called `ddf`.

    Raises:
        MixedModelsError: Not the name of a method.
    """
    return chosen_option("ddf", ddf, DF_METHODS, _DF_SPELLINGS)


def anova_type(given: object) -> AnovaType:
    """The type of an F table, as a number.

    Raises:
        MixedModelsError: Neither 1, 2, 3 nor "I", "II", "III".
    """
    if isinstance(given, str) and given.strip().upper() in _ROMAN:
        return _ROMAN[given.strip().upper()]
    for known in ANOVA_TYPES:
        if not isinstance(given, bool) and isinstance(given, Integral) and int(given) == known:
            return known
    raise not_among("type", given, (*ANOVA_TYPES, *_ROMAN))


def check_flag(name: str, value: object) -> None:
    """Refuse what is not a truth value.

    Raises:
        MixedModelsError: Neither True nor False.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise MixedModelsError(f"{name} is {value!r:.80}; it must be True or False.")


def check_level(level: float) -> None:
    """Refuse what is not a confidence level.

    Raises:
        MixedModelsError: `level` is not a number between 0 and 1.
    """
    if isinstance(level, bool) or not isinstance(level, (int, float)) or not 0.0 < level < 1.0:
        raise MixedModelsError(f"level is {level!r}; it must be a number between 0 and 1.")


def check_reml(reml: object) -> bool:
    """Whether the criterion is REML's.

    Raises:
        MixedModelsError: `reml` is not a truth value.
    """
    if not isinstance(reml, (bool, np.bool_)):
        raise MixedModelsError(f"reml is {reml!r}; it must be True (REML) or False (ML).")
    return bool(reml)


def thread_count(threads: object, default: int | None = None) -> int:
    """The number of threads that `threads=` asks for.

    Args:
        threads: A whole number, or None for the default.
        default: As many as the process may use processors if None.

    Raises:
        MixedModelsError: Not a whole number of at least 1, or far more than there are processors.
    """
    if threads is None:
        return _processors() if default is None else default
    if isinstance(threads, bool) or not isinstance(threads, Integral):
        raise MixedModelsError(f"threads is {threads!r:.40}; it must be a whole number.")
    threads = int(threads)
    if 1 <= threads <= _MOST_THREADS:
        return threads
    most = thread_limit()
    if not 1 <= threads <= most:
        bits = threads.bit_length()
        shown = str(threads) if bits < 64 else f"a number of {bits} bits"
        raise MixedModelsError(
            f"threads is {shown}; it must be at least 1 and here at most {most}. More threads than "
            f"processors ({_processors()}) gain nothing."
        )
    return threads


def thread_limit() -> int:
    """The largest number of threads that may be asked for in this process."""
    return max(_MOST_THREADS, _THREADS_PER_PROCESSOR * _processors())


class OutputChange:
    """What `set_output` gives: at the end of a `with` block, tables are as before it."""

    def __init__(self, before: bool) -> None:
        self._before = before

    def __enter__(self) -> None:
        """The change was made by the call."""

    def __exit__(self, *_: object) -> None:
        """Take it back."""
        want_polars(self._before)


@guided
def set_output(library: Output) -> OutputChange:
    """Choose the library of the tables that this package gives, for the whole process.

    Every method, property, field and function that gives a Series or a DataFrame gives one of that
    library from then on, those of fits and results that exist already too. What is given as data
    may be of any library, whatever is chosen here.

    pandas' tables have row labels, Polars' have not. Labels become columns at the left, with their
    name, or `name` where they have none (coefficients, parameters, models); a Series by name
    becomes a table of two columns. Labels that only number the rows are left out, so that
    residuals, predictions and the like are a Polars Series. Missing values are null.

    Args:
        library: "polars", or "pandas", which is the default.

    Returns:
        For a `with` statement, at whose end the choice before it is taken again. Without one the
        choice stays.

    Raises:
        MixedModelsError: Another library, or Polars is not installed.

    Examples:
        Polars tables in one block::

            with mm.set_output("polars"):
                coefficients = fit.coef_table().to_frame()
    """
    library = chosen_option("library", library, OUTPUTS)
    before = polars_wanted()
    if library == "polars" and not find_spec("polars"):
        raise MixedModelsError("Polars is not installed: pip install polars")
    want_polars(library == "polars")
    return OutputChange(before)


def _processors() -> int:
    """How many processors the process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Control(Guided):
    """Limits and tolerances of a fit.

    Attributes:
        max_evaluations: Most evaluations of the criterion that the optimiser may spend.
        gtol: Largest decrease of the criterion that gradient and Hessian predict at convergence.
        ftol: Relative change of the criterion at which SciPy's and NLopt's methods stop.
        xtol: Relative change of theta at which derivative-free methods stop.
        singular_tol: A diagonal of theta below this is reported as zero (singular fit).

    Raises:
        MixedModelsError: a limit is not a positive whole number, or a tolerance not in (0, 1).
    """

    _made_by_users = True

    max_evaluations: int = 1000
    gtol: float = 1e-6
    ftol: float = 1e-12
    xtol: float = 1e-7
    singular_tol: float = 1e-4

    def __post_init__(self) -> None:
        limit = self.max_evaluations
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise MixedModelsError(
                f"max_evaluations is {limit!r}; it must be a whole number of at least 1."
            )
        for name in ("gtol", "ftol", "xtol", "singular_tol"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1:
                raise MixedModelsError(f"{name} is {value!r}; it must be a number between 0 and 1.")


USUAL_CONTROL = Control()
"""The limits of a fit that is given none."""
