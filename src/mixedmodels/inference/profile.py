"""The profile likelihood of a fit: all its curves, and what one reads off them.

Points come from `curves` and `paths`, values between them from `traces`. The criterion is always
ML, as in lme4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy

from mixedmodels.arrays import FloatArray
from mixedmodels.errors import MixedModelsError
from mixedmodels.estimates.linear import Fitted
from mixedmodels.inference.curves import Curve, LowerDevianceError, NoLimitError
from mixedmodels.inference.limits import (
    add_note,
    from_optimum,
    in_parallel,
    limits,
    not_identified,
    shares,
)
from mixedmodels.inference.parameters import Parameter, parameters_of, place_of, select
from mixedmodels.inference.paths import Path, path
from mixedmodels.inference.traces import Trace
from mixedmodels.plots.pairs import plot_profile_pairs
from mixedmodels.plots.profiles import LEVELS, plot_profile, plot_profile_density
from mixedmodels.report.frames import frame_table
from mixedmodels.report.results import Result
from mixedmodels.report.sections import Paragraph, Section
from mixedmodels.settings import PROFILE_LEVEL, check_level

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Profile(Result):
    """The profile likelihood of a fit.

    The signed root zeta of a parameter is the square root of the ML deviance, minimised over all
    other parameters, above its minimum, with the sign of the parameter less its estimate. Where the
    log-likelihood is quadratic it is a straight line; compared with a normal distribution it gives
    confidence intervals.

    Attributes:
        parameters: Names, as in `confint`.
        estimates: ML estimates by name (of all parameters of the model).
        deviance: The ML deviance at the estimates.
        level: How far the curves go: the confidence level of regions for two parameters at a time.
        notes: By name why a parameter is not identified, or its curve cannot be computed.

    Examples:
        >>> import mixedmodels as mm
        >>> fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
        >>> profile = fit.profile()
        >>> profile.parameters
        ('sd(Batch.(Intercept))', 'sigma', '(Intercept)')
        >>> profile.zeta("sigma", [49.0, 60.0]).round(2)
        array([-0.07,  1.25])
    """

    parameters: tuple[str, ...]
    estimates: pd.Series[float]
    deviance: float
    level: float
    traces: Mapping[str, Trace]
    fitted: Fitted
    threads: int
    notes: Mapping[str, str]

    def to_frame(self) -> pd.DataFrame:
        """All points: `parameter`, `zeta`, and a column for every parameter of the model.

        In the rows of a parameter its own column holds what it was held at, the others the
        conditional estimates. A correlation with an effect of no variance is NaN.
        """
        frames = [
            pd.DataFrame(trace.values, columns=self.estimates.index).assign(
                parameter=name, zeta=trace.zeta
            )
            for name, trace in self.traces.items()
        ]
        columns = ["parameter", "zeta", *self.estimates.index]
        if not frames:
            return pd.DataFrame(columns=columns)
        return pd.concat(frames, ignore_index=True)[columns]

    def zeta(self, parameter: str, values: npt.ArrayLike) -> FloatArray:
        """Signed root at values of a parameter; NaN beyond the ends of the curve.

        Raises:
            MixedModelsError: The profile has no such parameter.
        """
        return self._trace(parameter).zeta_at(np.asarray(values, dtype=np.float64))

    def value(self, parameter: str, zeta: npt.ArrayLike) -> FloatArray:
        """The value of a parameter at signed roots; NaN beyond the ends of the curve.

        Raises:
            MixedModelsError: The profile has no such parameter.
        """
        return self._trace(parameter).value_at(np.asarray(zeta, dtype=np.float64))

    def density(self, parameter: str, values: npt.ArrayLike) -> FloatArray:
        """The density that a parameter has if zeta is standard normal; NaN beyond the ends.

        Raises:
            MixedModelsError: The profile has no such parameter.
        """
        return self._trace(parameter).density_at(np.asarray(values, dtype=np.float64))

    def confint(self, level: float = 0.95) -> pd.DataFrame:
        """Confidence limits, searched from the curves until the deviance is met.

        Args:
            level: Coverage, between 0 and 1; may be more than the profile's.

        Returns:
            One row per parameter; columns `lower`, `upper`.

        Raises:
            MixedModelsError: `level` is not between 0 and 1.
        """
        chosen = [trace.parameter for trace in self.traces.values()]
        try:
            return limits(self.fitted, chosen, level, self.threads, self.traces)
        except LowerDevianceError:  # beyond the curves, where no search from there converged
            return limits(self.fitted, chosen, level, self.threads, self.traces, unbounded=True)

    def plot(
        self,
        parameters: str | Sequence[str] | None = None,
        *,
        levels: Sequence[float] = LEVELS,
        figsize: tuple[float, float] | None = None,
    ) -> Figure:
        """Draw zeta of each parameter: straight where a Wald interval would do.

        Vertical lines go from the axis to the curve at the limits of each level; the dashed line is
        the tangent at the estimate, the zeta of a Wald interval.

        Args:
            parameters: A name, or names in the order of the panels; all if None.
            levels: Coverage of the intervals.
            figsize: Size in inches; from the number of parameters if None.

        Raises:
            MixedModelsError: An unknown parameter, or matplotlib is not installed.

        Examples:
            >>> import mixedmodels as mm
            >>> fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
            >>> len(fit.profile().plot(["sigma", "(Intercept)"]).axes)
            2
        """
        return plot_profile(self, parameters=parameters, levels=levels, figsize=figsize)

    def plot_density(
        self,
        parameters: str | Sequence[str] | None = None,
        *,
        level: float = 0.95,
        figsize: tuple[float, float] | None = None,
    ) -> Figure:
        """Draw the density of each parameter that its profile implies, its interval shaded.

        Args:
            parameters: A name, or names in the order of the panels; all if None.
            level: Coverage of the interval.
            figsize: Size in inches; from the number of parameters if None.

        Raises:
            MixedModelsError: An unknown parameter, or matplotlib is not installed.
        """
        return plot_profile_density(self, parameters=parameters, level=level, figsize=figsize)

    def plot_pairs(
        self,
        parameters: str | Sequence[str] | None = None,
        *,
        levels: Sequence[float] = LEVELS,
        figsize: tuple[float, float] | None = None,
    ) -> Figure:
        """Draw every pair of parameters: traces of the profiles, and regions made from them.

        Below the diagonal on the scale of the parameters, above it on that of zeta, where a
        quadratic criterion would give circles cut by straight traces. Each region is interpolated
        between four points that the traces give exactly (Bates and Watts 1988, appendix A6).

        Args:
            parameters: Names of two to eight parameters, or `"theta_"` or `"beta_"`; all if None.
            levels: Coverage of the regions.
            figsize: Size in inches; from the number of parameters if None.

        Raises:
            MixedModelsError: An unknown parameter, fewer than two or more than eight, or matplotlib
                is not installed.
        """
        return plot_profile_pairs(self, parameters=parameters, levels=levels, figsize=figsize)

    def _sections(self) -> Sequence[Section]:
        """Estimates and 95 % limits as the curves have them."""
        ends = [self._ends(name, float(scipy.special.ndtri(0.975))) for name in self.parameters]
        table = pd.DataFrame(ends, self.parameters, ["2.5 %", "97.5 %"])
        table.insert(0, "estimate", self.estimates.reindex(self.parameters))
        points = sum(len(trace.w) for trace in self.traces.values())
        notes = (f"{name}: {note}" for name, note in self.notes.items())
        heading = Paragraph((f"Profile likelihood: {points} points", *notes))
        return [heading, frame_table(table)]

    def _ends(self, name: str, zeta: float) -> tuple[float, float]:
        """Limits by interpolation; the last value where a bound is nearer."""
        trace = self.traces[name]
        return trace.end(-zeta), trace.end(zeta)

    def _trace(self, parameter: str) -> Trace:
        if parameter in self.traces:
            return self.traces[parameter]
        traces = list(self.traces.values())
        own = [trace.parameter for trace in traces]
        return traces[place_of(self.fitted, own, parameter, "The profile")]


def profile(
    fitted: Fitted,
    names: str | Sequence[str] | None = None,
    level: float = PROFILE_LEVEL,
    threads: int | None = None,
) -> Profile:
    """The curves of the named parameters (of all if None).

    Args:
        fitted: The fit by maximum likelihood; not changed.
        names: Parameters, or `"theta_"` or `"beta_"`.
        level: Confidence level for two parameters at a time up to which the curves go.
        threads: Curves computed at a time; None leaves the choice to the library.

    Raises:
        MixedModelsError: Unknown names, an invalid level or number of threads, or a profile that
            cannot be computed.
    """
    check_level(level)
    return from_optimum(
        fitted, lambda fit, unbounded: _profile(fit, names, level, threads, unbounded)
    )


def _profile(
    fitted: Fitted,
    names: str | Sequence[str] | None,
    level: float,
    threads: int | None,
    unbounded: bool,
) -> Profile:
    every = parameters_of(fitted)
    chosen = select(fitted, every, names)
    for parameter in chosen if names is not None else ():
        if np.isnan(parameter.estimate):
            raise MixedModelsError(
                f"{parameter.name} has no estimate, one of its effects having no variance, and so "
                "no profile. Leave it out, or drop its effect from the model."
            )
    chosen = [parameter for parameter in chosen if not np.isnan(parameter.estimate)]
    count, inner = shares(fitted, len(chosen), threads)
    # Chi-square with 2 degrees of freedom, as for regions of two parameters.
    reach = float(np.sqrt(scipy.special.chdtri(2, 1.0 - level)))

    notes = not_identified(fitted, chosen)

    def trace(parameter: Parameter) -> Trace:
        curve = Curve(fitted, parameter, inner, unbounded=unbounded)
        try:
            curve.check()
        except NoLimitError as error:  # of a fit that is not at its minimum
            found = Path([curve.optimum], str(error))
        else:
            found = path(curve, reach)
        points, trouble, level = found
        if trouble:
            add_note(notes, parameter, trouble)
        scales = len(fitted.scale_names)
        return Trace.of(
            parameter, curve.coordinate.unit, points, fitted.model.templates, scales, level
        )

    traces = in_parallel(trace, chosen, count)
    return Profile(
        parameters=tuple(parameter.name for parameter in chosen),
        estimates=pd.Series({p.name: p.estimate for p in every}, name="estimate"),
        deviance=fitted.solution.objective,
        level=level,
        traces={p.name: trace for p, trace in zip(chosen, traces, strict=True)},
        fitted=fitted,
        threads=count * inner,
        notes=notes,
    )
