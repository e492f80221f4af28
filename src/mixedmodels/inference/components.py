"""Standard errors of variance components by the delta method.

Variances, standard deviations and correlations are functions of theta and log sigma, whose
covariance is `information`'s. What lies on its bound (a standard deviation of 0, a correlation of
1) has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy

from mixedmodels.arrays import FloatArray
from mixedmodels.covariance import Templates
from mixedmodels.estimates.identified import Identification
from mixedmodels.estimates.linear import Fitted
from mixedmodels.estimates.varcorr import VarCorr
from mixedmodels.inference.information import Information, announced_information

# Distance from 1 within which a correlation counts as 1.
_ONE = 1e-9
# Change of a function along a direction without curvature below which it does not depend on it.
_FLAT = 1e-5


class _Component(NamedTuple):
    """Derivatives (m + 1,) of a (co)variance and of its sd or correlation, NaN on a bound."""

    vcov: FloatArray
    sdcor: FloatArray


def component_table(
    varcorr: VarCorr,
    templates: Templates,
    theta: FloatArray,
    information: Information,
    identified: Identification | None = None,
) -> pd.DataFrame:
    """`VarCorr.to_frame` with standard errors, and degrees of freedom of the variances.

    Columns `grp`, `var1`, `var2`, `vcov`, `vcov_std_error`, `sdcor`, `sdcor_std_error`, `df`, the
    last one being 2 (variance / its standard error)^2. Parameters that are not identified have NaN.
    """
    table = varcorr.to_frame()
    components = list(_components(templates, theta, information.sigma))[: len(table)]
    order = table_order(templates)[: len(table)]
    vcov = _errors([c.vcov for c in components], information)
    sdcor = _errors([c.sdcor for c in components], information)
    if identified is not None:
        vcov[identified.unknown[order]] = np.nan
        sdcor[identified.unknown_names[order]] = np.nan
    table.insert(4, "vcov_std_error", vcov)
    table["sdcor_std_error"] = sdcor
    with np.errstate(divide="ignore", invalid="ignore"):
        df = 2.0 * (table["vcov"] / table["vcov_std_error"]) ** 2
    table["df"] = df.where(table["var2"].isna())
    return table


def components_of(fitted: Fitted, varcorr: VarCorr) -> pd.DataFrame:
    """The table of a fit; warns where parameters have no standard error."""
    information = fitted.once(announced_information)
    templates, theta = fitted.model.templates, fitted.solution.theta
    return component_table(varcorr, templates, theta, information, fitted.identification)


def component_limits(table: pd.DataFrame, level: float) -> FloatArray:
    """(2, rows) Wald limits: of standard deviations by their logarithms, of correlations by z.

    Args:
        table: From `component_table`.
        level: Coverage.
    """
    size, error = (table[name].to_numpy() for name in ("sdcor", "sdcor_std_error"))
    half = scipy.special.ndtri(0.5 + 0.5 * level)
    correlation = table["var2"].notna().to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = np.where(correlation, np.arctanh(size), np.log(np.abs(size)))
        spread = half * error / np.where(correlation, 1.0 - size**2, size)
        ends = np.stack([centre - spread, centre + spread])
        limits: FloatArray = np.where(correlation, np.tanh(ends), np.exp(ends))
    return limits


def table_order(templates: Templates) -> list[int]:
    """Places in theta (m for the residual) of the rows of `VarCorr.to_frame`."""
    out: list[int] = []
    for part in templates.theta_slices:
        places = range(part.start, part.stop)
        out += [e for e in places if templates.diagonal[e]]
        out += [e for e in places if not templates.diagonal[e]]
    return [*out, templates.m]


def _errors(slopes: list[FloatArray], information: Information) -> FloatArray:
    rows = np.array(slopes)
    rows[:, :-1] = information.axes.slope_to_axes(rows[:, :-1])
    # Scaled, so that squares of very large or small derivatives are numbers.
    most = np.abs(rows).max(axis=1, initial=0.0)
    scaled = rows / np.where(most > 0.0, most, 1.0)[:, None]
    errors = most * np.sqrt(np.einsum("ki,ij,kj->k", scaled, information.vcov, scaled))
    size = np.abs(rows[:, :-1]) @ np.abs(information.flat)
    moves = np.abs(rows[:, :-1] @ information.flat) > _FLAT * size
    return np.where(moves.any(axis=1), np.nan, errors)


def _components(templates: Templates, theta: FloatArray, sigma: float) -> Iterator[_Component]:
    """The components in the order of `VarCorr.to_frame`."""
    m = templates.m
    for lam, part in zip(templates.lam(theta), templates.theta_slices, strict=True):
        size = len(lam)
        for i in range(size):
            yield _variance(lam, i, _Place(templates, m, part), sigma)
        for j in range(size):
            for i in range(j + 1, size):
                yield _covariance(lam, i, j, _Place(templates, m, part), sigma)
    residual = np.zeros(m + 1)
    residual[m] = 1.0
    yield _Component(2.0 * sigma**2 * residual, sigma * residual)


class _Place:
    """Puts derivatives with respect to a template, and log sigma, into their places."""

    def __init__(self, templates: Templates, m: int, part: slice) -> None:
        self._part = part
        self.size = m + 1
        _, self._rows, self._columns = templates.entries[part].T

    def __call__(self, by_template: FloatArray, by_log_sigma: float) -> FloatArray:
        out = np.zeros(self.size)
        out[self._part] = by_template[self._rows, self._columns]
        out[-1] = by_log_sigma
        return out


def _variance(lam: FloatArray, i: int, place: _Place, sigma: float) -> _Component:
    slope = np.zeros_like(lam)
    slope[i] = lam[i]
    norm = float(np.linalg.norm(lam[i]))
    variance = sigma**2 * norm**2
    if norm == 0.0:
        return _Component(*_unknown(place))
    return _Component(
        place(2.0 * sigma**2 * slope, 2.0 * variance), place(sigma * slope / norm, sigma * norm)
    )


def _covariance(lam: FloatArray, i: int, j: int, place: _Place, sigma: float) -> _Component:
    slope = np.zeros_like(lam)
    slope[i], slope[j] = lam[j], lam[i]
    product = float(lam[i] @ lam[j])
    norms = np.linalg.norm(lam[[i, j]], axis=1)
    scale = float(norms.prod())
    covariance = place(sigma**2 * slope, 2.0 * sigma**2 * product)
    if scale == 0.0:
        return _Component(*_unknown(place))
    corr = product / scale
    if abs(corr) > 1.0 - _ONE:
        return _Component(covariance, _unknown(place)[1])
    by_corr = slope / scale
    by_corr[i] -= corr * lam[i] / norms[0] ** 2
    by_corr[j] -= corr * lam[j] / norms[1] ** 2
    return _Component(covariance, place(by_corr, 0.0))


def _unknown(place: _Place) -> tuple[FloatArray, FloatArray]:
    nothing = np.full(place.size, np.nan)
    return nothing, nothing
