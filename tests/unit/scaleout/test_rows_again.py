"""Fits of sums whose source is read once more, and what they say of rows without reading any."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from tests.streamed import in_parts

import mixedmodels as mm
from mixedmodels.linear import LinearMixedFit
from mixedmodels.streaming.sampling import sampled_rows
from mixedmodels.streaming.sources import as_source

mpl.use("agg")
FORMULA = "y ~ x + f + twice + (x | g) + (1 | h)"


def table(n: int = 240) -> pd.DataFrame:
    rng = np.random.default_rng(8)
    data = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "f": rng.choice(["a", "b", "c"], n),
            "g": rng.integers(0, 12, n),
            "h": rng.integers(0, 5, n),
            "w": rng.uniform(0.5, 2.0, n),
            "o": rng.normal(size=n),
        }
    )
    data["twice"] = 2.0 * data["x"] + 1.0
    effects = rng.normal(size=(12, 2))[data["g"]]
    data["y"] = effects[:, 0] + (1.0 + effects[:, 1]) * data["x"] + rng.normal(size=n)
    data.loc[[5, 77], "x"] = np.nan
    return data


DATA = table()


@pytest.fixture(scope="module", params=[{}, {"weights": "w", "offset": "o"}], ids=["plain", "w"])
def pair(request: pytest.FixtureRequest) -> tuple[LinearMixedFit, LinearMixedFit]:
    """The fit of a table, and that of its rows in five parts."""
    options: dict[str, Any] = request.param
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mm.lmer(FORMULA, DATA, **options), mm.lmer(FORMULA, in_parts(DATA, 5), **options)


Pair = tuple[LinearMixedFit, LinearMixedFit]


def test_rows_have_the_values_of_a_fit_in_memory(pair: Pair) -> None:
    whole, fit = pair
    found, expected = fit.augment(in_parts(DATA, 5)).read_all().to_pandas(), whole.augment()
    assert len(found) == len(expected) == 238
    for name in (column for column in expected if column.startswith(".")):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6, atol=1e-7)


def test_predictions_where_columns_are_aliased(pair: Pair) -> None:
    whole, fit = pair
    new = DATA.head(4)
    pd.testing.assert_series_equal(fit.predict(new), whole.predict(new), rtol=1e-8)
    pd.testing.assert_frame_equal(fit.predict_interval(new), whole.predict_interval(new), rtol=1e-6)
    for each in pair:
        with pytest.warns(UserWarning, match="1 of 4 rows cannot be predicted: twice was dropped"):
            each.predict(new.assign(twice=[*new["twice"][:3], 40.0]))


def test_drawn_responses_have_the_covariance_of_the_model(pair: Pair) -> None:
    whole, fit = pair
    nsim = 400
    drawn = fit.simulate(nsim, seed=2, source=in_parts(DATA, 5)).read_all().to_pandas()
    y = drawn.filter(like=".sim").to_numpy()
    design, model = whole.model.design, whole.model
    lam, w = model.Lambda(whole.theta), design.w if design.w is not None else np.ones(design.n)
    zl = np.asarray((model.Zt.T @ lam).todense())
    V = whole.sigma**2 * (zl @ zl.T + np.diag(1.0 / w))
    offset = 0.0 if design.offset is None else design.offset
    mean = offset + design.X @ whole.fixef.fillna(0.0).to_numpy()
    white = np.linalg.solve(np.linalg.cholesky(V), y - mean[:, None])
    n = white.size
    assert abs(white.mean()) < 4.0 / np.sqrt(n)
    assert abs((white**2).mean() - 1.0) < 4.0 * np.sqrt(2.0 / n)
    inside = np.corrcoef(white)[np.triu_indices(len(white), 1)]
    assert abs((inside**2).mean() * nsim - 1.0) < 0.1


def test_draws_do_not_depend_on_the_order_of_partitions_or_the_cut_of_batches(pair: Pair) -> None:
    _, fit = pair
    parts = in_parts(DATA, 5)
    first = fit.simulate(2, seed=4, source=parts).read_all().to_pandas()
    again = fit.simulate(2, seed=4, source=parts[::-1]).read_all().to_pandas()
    pd.testing.assert_frame_equal(first, again)
    assert not first[".sim0"].equals(
        fit.simulate(1, 5, source=parts).read_all().to_pandas()[".sim0"]
    )


def test_kept_modes_are_the_mean_of_draws(pair: Pair) -> None:
    whole, fit = pair
    drawn = fit.simulate(300, seed=1, modes="kept", source=in_parts(DATA, 5)).read_all().to_pandas()
    apart = drawn.filter(like=".sim").to_numpy().mean(axis=1) - whole.fitted.to_numpy()
    w = whole.model.design.w
    sd = whole.sigma / np.sqrt(300.0 * (np.ones(len(apart)) if w is None else w))
    assert np.abs(apart / sd).max() < 5.0


def test_simulate_says_what_it_cannot_use(pair: Pair) -> None:
    whole, fit = pair
    with pytest.raises(mm.MixedModelsError, match=r"^source= is for a fit that was made from"):
        whole.simulate(source=in_parts(DATA, 5))
    with pytest.raises(mm.MixedModelsError, match=r"^simulate needs the rows"):
        fit.simulate()
    with pytest.raises(mm.MixedModelsError, match="no column 'g'"):
        fit.simulate(source=in_parts(DATA.drop(columns="g"), 2))
    with pytest.raises(mm.MixedModelsError, match="modes is 'old'"):
        fit.simulate(modes="old", source=in_parts(DATA, 5))  # type: ignore[arg-type]


def test_tables_of_fits_with_and_without_rows(pair: Pair) -> None:
    whole, fit = pair
    text = str(mm.table([whole, fit]))
    assert "rows or responses differ" not in text
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = mm.lmer(FORMULA, in_parts(DATA.assign(y=DATA["y"] + DATA["o"]), 5))
    assert "rows or responses differ" in str(mm.table([fit, other]))


@pytest.mark.parametrize("options", [{}, {"weights": "w", "offset": "o"}], ids=["plain", "w"])
def test_effects_without_points(options: dict[str, Any]) -> None:
    formula = "y ~ x + f + (x | g) + (1 | h)"
    whole, fit = (mm.lmer(formula, data, **options) for data in (DATA, in_parts(DATA, 5)))
    theirs, ours = (each.plot_effect("x", show="none").axes[0].lines[0] for each in (whole, fit))
    np.testing.assert_allclose(ours.get_xdata(), theirs.get_xdata(), rtol=1e-12)
    np.testing.assert_allclose(ours.get_ydata(), theirs.get_ydata(), rtol=1e-6)
    below = [each.plot_effect("x").axes[0].get_xlabel() for each in (whole, fit)]
    assert ["Points: data" in text for text in below] == [True, False]
    fit.plot_effect("f", by="x", at={"x": [0.0, 1.0]})
    fit.plot_effect("x", random="g")
    with pytest.raises(mm.MixedModelsError, match=r"by names 'x', whose standard deviation"):
        fit.plot_effect("f", by="x")
    with pytest.raises(mm.MixedModelsError, match=r"^random='g' draws the lines"):
        fit.plot_effect("x", by="f", random="g")


def test_effects_that_are_not_estimable(pair: Pair) -> None:
    for each in pair:
        with pytest.raises(mm.MixedModelsError, match=r"predictions over 'x' .*dropped: twice"):
            each.plot_effect("x")


def test_report_without_rows(pair: Pair, tmp_path: Path) -> None:
    _, fit = pair
    fit.report(tmp_path / "fit.html")
    text = (tmp_path / "fit.html").read_text(encoding="utf-8")
    assert "Checks need the rows of the data" in text
    assert "Marginal means" in text


def test_rows_of_an_estimated_fit_have_values_without_variances() -> None:
    formula = "y ~ x + (1 | g) + (1 | h)"
    exact = mm.lmer(formula, in_parts(DATA, 3)).augment(in_parts(DATA, 2)).read_all()
    fit = mm.lmer(formula, in_parts(DATA, 3), method="iterative")
    found = fit.augment(in_parts(DATA, 2)).read_all()
    assert found.schema == exact.schema
    for name in (".fitted", ".resid", ".wtres"):
        np.testing.assert_allclose(found[name], exact[name], atol=1e-3)
    for name in (".hat", ".std_resid", ".cooksd", ".std_error", ".lower", ".upper"):
        assert np.isnan(found[name]).all()


PICTURES = {
    "residuals": lambda fit, **more: fit.plot_residuals(**more),
    "by a group": lambda fit, **more: fit.plot_residuals("g", **more),
    "by a column": lambda fit, **more: fit.plot_residuals("x", **more),
    "spread": lambda fit, **more: fit.plot_scale_location(**more),
    "quantiles": lambda fit, **more: fit.plot_qq(**more),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_show_the_rows_of_a_source(
    name: str, pair: tuple[LinearMixedFit, LinearMixedFit]
) -> None:
    whole, fit = pair
    draw = PICTURES[name]
    axes, expected = draw(fit, source=in_parts(DATA, 3)).axes[0], draw(whole).axes[0]
    assert axes.get_title() == f"{expected.get_title()}\nall 238 rows"
    assert axes.get_xlabel() == expected.get_xlabel()

    def points(of: Any) -> np.ndarray:
        line = max(of.lines, key=lambda line: len(line.get_xdata()))
        found = np.column_stack([line.get_xdata(), line.get_ydata()])
        return found[np.lexsort(found.T)]

    # Two fits end within the tolerance of their searches.
    np.testing.assert_allclose(points(axes), points(expected), atol=1e-5)
    with pytest.raises(mm.MixedModelsError, match=r"fit\.plot_\w+\(source=\.\.\.\)"):
        draw(fit)
    with pytest.raises(mm.MixedModelsError, match="Leave source= out"):
        draw(whole, source=DATA)


def test_a_sample_does_not_depend_on_the_batches(
    pair: tuple[LinearMixedFit, LinearMixedFit],
) -> None:
    _, fit = pair
    plan = fit._sums.plan
    rows = as_source(in_parts(DATA, 4))
    few, all_rows = (sampled_rows(fit._fitted, plan, rows, n) for n in (50, 238))
    assert len(few.residuals) == 50
    assert few.words == "a sample of 50 of 238 rows"
    np.testing.assert_array_equal(np.sort(few.residuals), np.sort(all_rows.residuals[:50]))
    with pytest.raises(mm.MixedModelsError, match=r"neither a grouping factor.*\(g, h\)"):
        fit.plot_residuals("o", source=DATA)
