"""Tests of terms where columns of X are aliased: by what the columns of the terms span.

Blocks are complete, so F is that of least squares with fixed blocks, and degrees of freedom are
differences of ranks.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from mixedmodels import MixedModelsError, lmer

BLOCKS = 5
pytestmark = pytest.mark.filterwarnings("ignore::mixedmodels.SingularFitWarning")

# a, b, c cross with empty cells, d and e follow from them; x has the
# copy z and the sum s with a level of a.
MODELS = (
    "a + b", "b + a", "a + d", "d + a", "a + e", "e + a", "x + z", "z + x", "x + z + a",
    "a + x + s", "s + x + a", "a * b", "b * a", "a * b + c", "a + b + c + d", "d + c + b + a",
    "a * x", "a * x + z", "a + b + x + z + e", "a * b + e", "e + a * c", "b * c + d + x",
)  # fmt: skip
CELLS = {
    "some": [(i, j, k) for i in range(3) for j in range(3) for k in range(2) if (i + j + k) % 4],
    "few": [(0, 0, 0), (1, 1, 0), (1, 2, 1), (2, 1, 1), (2, 2, 0), (1, 0, 1), (2, 0, 0)],
    "controls": [(0, 0, 0), (1, 1, 0), (1, 2, 1), (2, 1, 1), (2, 2, 0), (1, 1, 1), (2, 2, 1)],
}


@cache
def data(cells: str) -> pd.DataFrame:
    one = pd.DataFrame(CELLS[cells], columns=list("abc"))
    one["d"], one["e"] = (one["a"] + one["b"]) % 3, one["a"] // 2
    for name in "abcde":
        one[name] = [f"{name}{level}" for level in one[name]]
    rng = np.random.default_rng(7)
    one["x"] = 100.0 + 3.0 * rng.normal(size=len(one))
    one["z"], one["s"] = 2.0 * one["x"], one["x"] + (one["a"] == "a1")
    frame = pd.concat([one] * BLOCKS, ignore_index=True)
    frame["block"] = [f"k{k}" for k in range(BLOCKS) for _ in range(len(one))]
    effects = np.repeat(rng.normal(0.0, 2.0, BLOCKS), len(one))
    return frame.assign(y=effects + rng.normal(size=len(frame)))


def columns(frame: pd.DataFrame, term: str) -> npt.NDArray[np.float64]:
    out = np.ones((len(frame), 1))
    for name in term.split(":"):
        values = frame[[name]]
        coded = pd.get_dummies(values).to_numpy(float) if name in "abcde" else values.to_numpy()
        out = np.einsum("ni,nj->nij", out, coded).reshape(len(frame), -1)
    return out


def least_squares(frame: pd.DataFrame, terms: list[str]) -> tuple[int, float]:
    """Rank, and sum of squares of the residuals, with fixed blocks."""
    X = np.hstack([pd.get_dummies(frame["block"]).to_numpy(float)]
                  + [columns(frame, term) for term in terms])  # fmt: skip
    size = np.linalg.norm(X, axis=0)
    u, s, _ = np.linalg.svd(X / np.where(size > 0.0, size, 1.0), full_matrices=False)
    rank = int((s > 1e-9 * s[0]).sum())
    left = frame["y"] - u[:, :rank] @ (u[:, :rank].T @ frame["y"])
    return rank, float(left @ left)


@pytest.mark.parametrize(
    ("cells", "contrast"), [("some", "sum"), ("few", "treatment"), ("controls", "helmert")]
)
@pytest.mark.parametrize("fixed", MODELS)
def test_terms(fixed: str, cells: str, contrast: str) -> None:
    frame = data(cells)
    used = {name: contrast for name in "abcde" if name in fixed and frame[name].nunique() > 1}
    fit = lmer(f"y ~ {fixed} + (1 | block)", frame, contrasts=used)
    terms = fit.anova(1, ddf="residual").index.tolist()
    assert np.isfinite(fit.anova(1)["num_df"]).all()
    p, left = least_squares(frame, terms)
    variance = left / (len(frame) - p)

    def check(row: pd.Series, before: list[str], term: str) -> None:
        rank, small = least_squares(frame, before)
        with_it, large = least_squares(frame, [*before, term])
        assert row["num_df"] == with_it - rank
        if with_it > rank:
            wanted = (small - large) / (with_it - rank) / variance
            assert row["statistic"] == pytest.approx(wanted, rel=1e-5, abs=1e-6)

    def contains(other: str, term: str) -> bool:
        more, own = set(other.split(":")), set(term.split(":"))
        return own < more and not (more - own) & set("xzs")

    first, second, third = (fit.anova(t, ddf="residual") for t in (1, 2, 3))
    dropped, ratio = fit.drop1("F", ddf="residual"), fit.drop1()
    for k, term in enumerate(terms):
        others = [other for other in terms if other != term]
        check(first.iloc[k], terms[:k], term)
        check(second.iloc[k], [o for o in others if not contains(o, term)], term)
        if term in dropped.index:
            check(dropped.loc[term], others, term)
            assert ratio.loc[term, "df"] == dropped.loc[term, "num_df"]
        if not any(contains(other, term) for other in others):
            check(third.iloc[k], others, term)
    assert fit.fixef.index.tolist() == list(fit.model.design.x_names)
    assert fit.confint(method="wald", parameters="beta_").shape == (len(fit.fixef), 2)


def test_combinations_of_aliased_coefficients() -> None:
    fit = lmer("y ~ x + z + (1 | block)", data("few"))
    assert np.isnan(fit.fixef["z"])
    found = fit.test("x + 2*z").table["estimate"].iloc[0]
    assert found == pytest.approx(fit.fixef["x"])
    with pytest.raises(MixedModelsError, match=r"not estimable.*Dropped columns: z"):
        fit.test("z")
