"""F tests of drop1 against dense linear algebra, also where a term's removal recodes the others.

The truth is independent of codings: each term spans the indicators of all levels of its factors,
times its covariates, and the hypothesis says that the mean lies in what the other terms span.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels.arrays import FloatArray

CONTRASTS = [None, "sum", "helmert"]


def table(*, empty_cells: bool) -> pd.DataFrame:
    rng = np.random.default_rng(11)
    n = 150
    data = pd.DataFrame(
        {
            "f": pd.Categorical(rng.choice(list("abc"), n)),
            "h": pd.Categorical(rng.choice(list("uvwz"), n)),
            "k": pd.Categorical(rng.choice(["no", "yes"], n)),
            "x": rng.standard_normal(n) + 3.0,
            "z": rng.standard_normal(n),
            "s": pd.Categorical(rng.integers(15, size=n).astype(str)),
        }
    )
    data["y"] = (
        rng.standard_normal(15)[data["s"].cat.codes]
        + 0.3 * data["f"].cat.codes
        + 0.2 * data["x"]
        + rng.standard_normal(n)
    )
    if empty_cells:
        gone = (data["f"] == "a") & data["h"].isin(["u", "v"])
        data = data[~gone].reset_index(drop=True)
    return data


TABLES = {False: table(empty_cells=False), True: table(empty_cells=True)}


def span_of(term: str, data: pd.DataFrame) -> FloatArray:
    """(n, k) indicators of combinations of levels, times the covariates; "1" is the constant."""
    columns = np.ones((len(data), 1))
    for name in term.split(":") if term != "1" else []:
        if isinstance(data[name].dtype, pd.CategoricalDtype):
            part = pd.get_dummies(data[name]).to_numpy(dtype=float)
        else:
            part = data[[name]].to_numpy(dtype=float)
        columns = (columns[:, :, None] * part[:, None, :]).reshape(len(data), -1)
    return columns


def basis_of(terms: list[str], data: pd.DataFrame) -> FloatArray:
    """(n, r) an orthonormal basis of what terms span."""
    parts = [np.empty((len(data), 0)), *(span_of(term, data) for term in terms)]
    left, sizes, _ = np.linalg.svd(np.column_stack(parts), full_matrices=False)
    basis: FloatArray = left[:, sizes > 1e-9 * sizes.max(initial=0.0)]
    return basis


def wald_f(whole: FloatArray, part: FloatArray, V: FloatArray, y: FloatArray) -> tuple[float, int]:
    """F and its numerator's df for: the mean lies in `part` of `whole`, both orthonormal bases."""
    root = np.linalg.cholesky(V)
    A, b = np.linalg.solve(root, whole), np.linalg.solve(root, y)
    fitted = A @ np.linalg.lstsq(A, b, rcond=None)[0]
    reduced = np.zeros_like(b)
    if part.shape[1]:
        B = np.linalg.solve(root, part)
        reduced = B @ np.linalg.lstsq(B, b, rcond=None)[0]
    df = whole.shape[1] - part.shape[1]
    return float(((fitted - reduced) ** 2).sum()) / df, df


FORMULAS = {
    "0 + f + h": ["f", "h"],
    "0 + h + f": ["h", "f"],
    "0 + f + h + x": ["f", "h", "x"],
    "0 + x + f": ["x", "f"],
    "0 + x + f + h + k": ["x", "f", "h", "k"],
    "0 + f:x + h": ["f:x", "h"],
    "0 + f + f:x": ["f", "f:x"],
    "0 + f + x + f:x": ["f", "x", "f:x"],
    "0 + f:h + x": ["f:h", "x"],
    "0 + f + k + f:k + h": ["f", "k", "f:k", "h"],
    "0 + f:h + k": ["f:h", "k"],
    "f:x + h": ["1", "f:x", "h"],
    "f + h:x": ["1", "f", "h:x"],
    "f + f:h + k": ["1", "f", "f:h", "k"],
    "f:h + k": ["1", "f:h", "k"],
    "0 + f:x + h:x": ["f:x", "h:x"],
    "0 + x:z + f:x + z": ["x:z", "f:x", "z"],
    "f + h + x": ["1", "f", "h", "x"],
}


@pytest.mark.parametrize("contrast", CONTRASTS)
@pytest.mark.parametrize("empty_cells", [False, True])
@pytest.mark.parametrize("fixed", FORMULAS)
def test_f_is_that_of_the_spans(fixed: str, empty_cells: bool, contrast: str | None) -> None:
    data, terms = TABLES[empty_cells], FORMULAS[fixed]
    contrasts = None if contrast is None else dict.fromkeys("fhk", contrast)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.SingularFitWarning)
        fit = mm.lmer(f"y ~ {fixed} + (1|s)", data, contrasts=contrasts)
    found = fit.drop1("F", ddf="residual")
    Z = span_of("s", data)
    V = fit.sigma**2 * (np.eye(len(data)) + fit.theta[0] ** 2 * Z @ Z.T)
    whole = basis_of(terms, data)
    assert whole.shape[1] == fit.npar - 2
    assert len(found) >= 1
    for term in found.index:
        others = [other for other in terms if set(other.split(":")) != set(term.split(":"))]
        F, df = wald_f(whole, basis_of(others, data), V, data["y"].to_numpy())
        assert found.loc[term, "num_df"] == df, term
        np.testing.assert_allclose(found.loc[term, "statistic"], F, rtol=1e-6, err_msg=term)


@pytest.mark.parametrize("second", ["0 + h + f + x", "x + f + h - 1", "x + h + 0 + f"])
def test_the_order_of_terms_does_not_matter(second: str) -> None:
    one, other = (
        mm.lmer(f"y ~ {fixed} + (1|s)", TABLES[False]).drop1("F", ddf="residual")
        for fixed in ("0 + f + h + x", second)
    )
    pd.testing.assert_frame_equal(one.to_frame(), other.loc[one.index], rtol=1e-6)
