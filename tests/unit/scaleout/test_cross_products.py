"""Sums as users hold them, and fits that have no rows."""

from __future__ import annotations

import contextlib
import copy
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.streamed import in_parts, summed

import mixedmodels as mm
from mixedmodels.errors import DataError, FileError, MixedModelsError, ModelError
from mixedmodels.linear import LinearMixedFit
from mixedmodels.scaleout import CrossProducts
from mixedmodels.streaming.executor import Threads
from mixedmodels.streaming.sources import as_source
from mixedmodels.streaming.summing import sum_source

# Every data set, cut into seven parts.
DATA = [
    ("sleepstudy", "Reaction ~ Days + (Days | Subject)"),
    ("sleepstudy", "Reaction ~ Days + (Days || Subject)"),
    ("dyestuff", "Yield ~ 1 + (1 | Batch)"),
    ("dyestuff2", "Yield ~ 1 + (1 | Batch)"),
    ("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)"),
    ("pastes", "strength ~ 1 + (1 | batch / cask)"),
    ("cake", "angle ~ recipe * temperature + (1 | recipe:replicate)"),
]


def frame(name: str) -> pd.DataFrame:
    return pd.DataFrame(mm.load_dataset(name))


def both(name: str, formula: str, **options: Any) -> tuple[LinearMixedFit, LinearMixedFit]:
    data = frame(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.SingularFitWarning)
        streamed = CrossProducts(*summed(formula, in_parts(data, 7))).fit(**options)
        return streamed, mm.lmer(formula, data, **options)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize(("name", "formula"), DATA)
def test_a_fit_of_seven_parts_is_that_of_the_table(name: str, formula: str, reml: bool) -> None:
    streamed, whole = both(name, formula, reml=reml)
    assert abs(streamed.objective - whole.objective) <= 1e-10 * abs(whole.objective)
    np.testing.assert_allclose(streamed.theta, whole.theta, atol=1e-6, rtol=1e-6)
    np.testing.assert_allclose(streamed.beta, whole.beta, rtol=1e-8)
    assert streamed.messages == whole.messages
    assert str(streamed.varcorr) == str(whole.varcorr)
    np.testing.assert_allclose(
        streamed.model.gradient(whole.theta), whole.model.gradient(whole.theta), atol=1e-6
    )


def same(found: Any, expected: Any) -> None:
    """Tables, or results that are tables, with the same numbers."""
    tables = [x if isinstance(x, pd.DataFrame) else x.to_frame() for x in (found, expected)]
    pd.testing.assert_frame_equal(*tables, rtol=1e-5, atol=1e-7, check_index_type=False)


@pytest.fixture(scope="module")
def pair() -> tuple[LinearMixedFit, LinearMixedFit]:
    return both("sleepstudy", "Reaction ~ Days + (Days | Subject)")


WITHOUT_ROWS = {
    "coef_table": lambda fit: fit.coef_table(),
    "coef_table by Kenward and Roger": lambda fit: fit.coef_table(ddf="kenward-roger"),
    "anova": lambda fit: fit.anova(),
    "test": lambda fit: fit.test("Days = 10"),
    "varcorr_table": lambda fit: fit.varcorr_table(),
    "emmeans": lambda fit: fit.emmeans("~ Days"),
    "emmeans at": lambda fit: fit.emmeans("~ Days", at={"Days": [0, 9]}),
    "emtrends": lambda fit: fit.emtrends("~ 1", "Days"),
    "joint_tests": lambda fit: fit.joint_tests(),
    "drop1": lambda fit: fit.drop1(),
    "drop1 by F": lambda fit: fit.drop1("F"),
    "ranova": lambda fit: fit.ranova(),
    "ranova of whole terms": lambda fit: fit.ranova(reduce=False),
    "ranef": lambda fit: fit.ranef()["Subject"],
    "ranef_cov": lambda fit: pd.DataFrame(fit.ranef_cov()["Subject"].reshape(18, 4)),
    "coef": lambda fit: fit.coef()["Subject"],
    "profile": lambda fit: fit.confint(),
    "confint by Wald": lambda fit: fit.confint(method="wald"),
    "glance": lambda fit: fit.glance(),
    "tidy": lambda fit: fit.tidy(["fixed", "ran_pars", "ran_vals", "ran_coefs"]),
    "vcov_full": lambda fit: pd.DataFrame(fit.vcov_full()),
    "icc": lambda fit: fit.icc(),
    "r2": lambda fit: fit.r2(),
    "repca": lambda fit: fit.repca(),
    "predict": lambda fit: fit.predict(NEW).to_frame(),
    "predict_interval": lambda fit: fit.predict_interval(NEW, kind="prediction"),
}
NEW = pd.DataFrame({"Days": [0.0, 3.5, 20.0], "Subject": ["308", "309", "372"]})


@pytest.mark.parametrize("what", WITHOUT_ROWS)
def test_what_needs_no_rows_is_as_in_memory(
    what: str, pair: tuple[LinearMixedFit, LinearMixedFit]
) -> None:
    same(*(WITHOUT_ROWS[what](fit) for fit in pair))


ROWS_NEEDED = {
    "fitted": lambda fit: fit.fitted,
    "residuals": lambda fit: fit.residuals,
    "leverage": lambda fit: fit.leverage(),
    "cooks_distance": lambda fit: fit.cooks_distance(),
    "influence": lambda fit: fit.influence(),
    "std_residuals": lambda fit: fit.std_residuals(),
    "simulate": lambda fit: fit.simulate(seed=1),
    "bootstrap": lambda fit: fit.bootstrap(5, seed=1, kind="residual"),
    "refit": lambda fit: fit.refit(np.arange(180.0)),
    "X": lambda fit: fit.model.X,
    "y": lambda fit: fit.model.y,
    "Zt": lambda fit: fit.model.Zt,
    "data": lambda fit: fit.data,
    "model_matrix": lambda fit: fit.model_matrix(),
    "plot_residuals": lambda fit: fit.plot_residuals(),
    "vcov_robust": lambda fit: fit.vcov_robust("Subject"),
    "emmeans": lambda fit: fit.emmeans("~ Days", weights="counterfactual"),
    "model_frame": lambda fit: fit.model_frame(),
    "check": lambda fit: fit.check(),
}


@pytest.mark.parametrize("what", ROWS_NEEDED)
def test_what_needs_rows_says_so_by_name(
    what: str, pair: tuple[LinearMixedFit, LinearMixedFit]
) -> None:
    with pytest.raises(MixedModelsError, match=rf"^{what} needs the rows .*fit\.(augment|{what})"):
        ROWS_NEEDED[what](pair[0])


def test_every_public_member_answers_or_refuses(
    pair: tuple[LinearMixedFit, LinearMixedFit],
) -> None:
    fit = pair[0]
    for name in dir(type(fit)):
        if name.startswith("_") or name in ("plot", "report"):
            continue
        with contextlib.suppress(MixedModelsError):
            member = getattr(fit, name)
            if callable(member):
                member()


def test_a_fit_of_sums_goes_through_pickle_and_copies(
    pair: tuple[LinearMixedFit, LinearMixedFit],
) -> None:
    fit = pair[0]
    for again in (pickle.loads(pickle.dumps(fit)), copy.copy(fit), copy.deepcopy(fit)):
        assert again.objective == fit.objective
        same(again.coef_table(), fit.coef_table())


def test_a_fit_of_sums_in_a_file(
    pair: tuple[LinearMixedFit, LinearMixedFit], tmp_path: Path
) -> None:
    path = tmp_path / "fit.mm"
    pair[0].save(path)
    again = mm.load(path, threads=1)
    assert again.objective == pair[0].objective
    assert (again.theta == pair[0].theta).all()
    assert (again.beta == pair[0].beta).all()
    assert again.messages == pair[0].messages
    for what, ask in WITHOUT_ROWS.items():
        same(ask(again), ask(pair[1])) if what != "profile" else None
    content = path.read_bytes()
    for cut in (100, len(content) // 2, len(content) - 20):
        (tmp_path / "cut.mm").write_bytes(content[:cut])
        with pytest.raises(FileError):
            mm.load(tmp_path / "cut.mm")
    with pytest.raises(FileError, match="does not hold sums"):
        CrossProducts.load(path)
    CrossProducts(*summed(DATA[0][1], in_parts(frame("sleepstudy"), 2))).save(path)
    with pytest.raises(FileError, match="not a fit"):
        mm.load(path)


@pytest.mark.parametrize("formula", [DATA[0][1], "Reaction ~ 1 + (1 | Subject)"])
def test_rows_are_augmented_batch_by_batch(formula: str) -> None:
    data = frame("sleepstudy")
    parts = in_parts(data, 7)
    fit, whole = CrossProducts(*summed(formula, parts)).fit(), mm.lmer(formula, data)
    found = fit.augment(parts).read_all().to_pandas()
    expected = whole.augment(data)
    assert list(found)[:2] == [name for name in data if name in list(found)[:2]]
    own = [name for name in expected if name.startswith(".")]
    for name in own:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-8, atol=1e-8)
    assert list(found)[len(list(found)) - len(own) - 3 :] == [
        *own,
        ".std_error",
        ".lower",
        ".upper",
    ]
    limits = whole.predict_interval(data, kind="prediction", ddf="residual")
    np.testing.assert_allclose(found[".std_error"], limits["std_error"], rtol=1e-8)
    np.testing.assert_allclose(found[".lower"], limits["lower"], rtol=1e-8)
    np.testing.assert_allclose(found[".upper"], limits["upper"], rtol=1e-8)
    wider = fit.augment(parts, level=0.99).read_all().to_pandas()
    assert (wider[".upper"] > found[".upper"]).all()
    with pytest.raises(MixedModelsError, match="give augment"):
        fit.augment()
    with pytest.raises(MixedModelsError, match="no column 'Subject'"):
        fit.augment(in_parts(data.drop(columns="Subject"), 2))


def test_rows_left_out_are_not_augmented() -> None:
    data = frame("sleepstudy")
    data.loc[[3, 50, 51], "Reaction"] = np.nan
    parts = in_parts(data, 4)
    fit = CrossProducts(*summed(DATA[0][1], parts)).fit()
    assert len(fit.augment(parts).read_all()) == fit.nobs == 177
    assert fit.messages == mm.lmer(DATA[0][1], data).messages


def test_tomorrows_rows_are_added_to_yesterdays_sums(tmp_path: Path) -> None:
    data = frame("sleepstudy")
    parts = in_parts(data, 6)
    plan, _ = summed(DATA[0][1], parts)
    from_file = tmp_path / "sums.mmsums"
    yesterday = CrossProducts(plan, summed_by(plan, parts[:4]))
    yesterday.save(from_file)
    today = CrossProducts.load(from_file).merge(CrossProducts(plan, summed_by(plan, parts[4:])))
    assert (today.n, len(today.keys)) == (180, 6)
    whole = mm.lmer(DATA[0][1], data)
    assert abs(today.fit().objective - whole.objective) <= 1e-10 * whole.objective
    with pytest.raises(DataError, match="count twice"):
        today.merge(yesterday)
    with pytest.raises(DataError, match="not what cross_products"):
        today.merge(3)  # type: ignore[arg-type]
    assert "180 rows read" in str(today)
    assert today.to_frame()["missing"].sum() == 0


def summed_by(plan: Any, parts: Any) -> Any:
    return sum_source(plan, as_source(parts), Threads(2))


@pytest.mark.parametrize("what", ["empty", "other", "cut", "changed"])
def test_a_file_that_does_not_hold_sums_is_refused(what: str, tmp_path: Path) -> None:
    path = tmp_path / "sums.mmsums"
    CrossProducts(*summed(DATA[0][1], in_parts(frame("sleepstudy"), 2))).save(path)
    content = path.read_bytes()
    if what == "other":
        mm.lmer(DATA[2][1], frame("dyestuff")).save(path)
    else:
        changed = {
            "empty": b"",
            "cut": content[:-100],
            "changed": content[:500] + b"x" + content[501:],
        }
        path.write_bytes(changed[what])
    with pytest.raises(FileError):
        CrossProducts.load(path)


def test_rows_that_are_unlike_the_sample_are_summed_again() -> None:
    rng = np.random.default_rng(3)
    n = 40_000
    x = np.concatenate([np.full(n // 2, 5.0), 5.0 + 1e-3 * rng.standard_normal(n // 2)])
    z = np.concatenate([np.zeros(n // 2), x[n // 2 :] + 1e-6 * rng.standard_normal(n // 2)])
    g = rng.integers(0, 50, n)
    y = x + rng.standard_normal(50)[g] + rng.standard_normal(n)
    data = pd.DataFrame({"y": y, "x": x, "z": z, "g": g})
    plan, partial = summed("y ~ x + z + (1 | g)", in_parts(data, 1))
    sums = CrossProducts(plan, partial)
    if not sums.accurate:
        with pytest.raises(ModelError, match="better_plan"):
            sums.fit()
        again = sums.better_plan()
        assert again.id != plan.id
        sums = CrossProducts(again, summed_by(again, in_parts(data, 1)))
    assert sums.accurate
    whole = mm.lmer("y ~ x + z + (1 | g)", data)
    assert abs(sums.fit().objective - whole.objective) <= 1e-10 * whole.objective


@pytest.mark.parametrize("term", ["x", "f", "x * f", "poly(x, 3)", "far"])
def test_a_response_fitted_exactly_is_refused_as_in_memory(term: str) -> None:
    rng = np.random.default_rng(4)
    n = 6000
    data = pd.DataFrame(
        {"x": rng.normal(size=n), "f": rng.choice([*"abc"], n), "g": rng.integers(0, 20, n)}
    )
    data["far"] = np.where(data.index < n // 2, data["x"], 1e5 * data["x"])
    of_f = data["f"].map({"a": 1.1, "b": 2.3, "c": 0.7})
    y = {"x": 2.0 + 3.0 * data["x"], "f": of_f, "x * f": 0.1 * data["x"] + of_f}
    data["y"] = y.get(term, data["x"] ** 3 if term != "far" else 2.0 + 3.0 * data["far"])
    for rows in (data, in_parts(data, 6)):
        with pytest.raises(ModelError, match=r"fits the response 'y' exactly \(.*6000 rows\)"):
            mm.lmer(f"y ~ {term} + (1 | g)", rows)
        with pytest.raises(DataError, match=r"'I\(0 \* x\)' is constant \(0 in all 6000 rows\)"):
            mm.lmer("I(0 * x) ~ f + (1 | g)", rows)


def test_random_effects_that_hide_the_residuals_are_refused() -> None:
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(40), 25)
    data = pd.DataFrame({"y": 1e7 * rng.standard_normal(40)[g] + rng.standard_normal(1000), "g": g})
    sums = CrossProducts(*summed("y ~ 1 + (1 | g)", in_parts(data, 3)))
    with pytest.raises(ModelError, match="so large beside the residuals"):
        sums.fit()


def test_models_of_sums_are_nested_by_the_names_of_their_columns() -> None:
    parts = in_parts(frame("sleepstudy").assign(x=np.sin(np.arange(180))), 3)
    one, two = (
        CrossProducts(*summed(f"Reaction ~ {text}", parts)).fit()
        for text in ("x + (1 | Subject)", "Days + (Days | Subject)")
    )
    with pytest.warns(mm.NotNestedWarning, match=r"by the names of its columns \(fits made from"):
        table = mm.anova(one, two)
    assert table["p_value"].isna().all()


def test_models_of_sums_are_compared() -> None:
    data = frame("sleepstudy")
    formulas = [DATA[0][1], "Reaction ~ Days + (1 | Subject)", "Reaction ~ 1 + (1 | Subject)"]
    parts = in_parts(data, 3)
    streamed = [CrossProducts(*summed(f, parts)).fit() for f in formulas]
    whole = [mm.lmer(f, data) for f in formulas]
    found, expected = mm.anova(*streamed).to_frame(), mm.anova(*whole).to_frame()
    pd.testing.assert_frame_equal(found, expected, rtol=1e-5)
    pd.testing.assert_frame_equal(
        mm.anova(streamed[0], whole[1]).to_frame(), mm.anova(*whole[:2]).to_frame(), rtol=1e-5
    )
    other = data.assign(Reaction=data["Reaction"] + 1e-3 * np.arange(180))
    with pytest.raises(MixedModelsError, match="different responses"):
        mm.anova(streamed[0], CrossProducts(*summed(formulas[1], in_parts(other, 2))).fit())
    with pytest.raises(MixedModelsError, match="different fixed parts"):
        mm.anova(streamed[1], streamed[2], refit=False)


@pytest.mark.parametrize(
    "formula",
    ["y ~ f * h + x + I(2 * x) + (1 | g)", "y ~ x + I(x + 1e3) + f + (x | g)", "y ~ f + h + (1|g)"],
)
@pytest.mark.parametrize("ss", [1, 2, 3])
def test_aliased_columns_and_tests_of_terms(formula: str, ss: int) -> None:
    rng = np.random.default_rng(8)
    n = 400
    data = pd.DataFrame(
        {
            "f": rng.choice(list("abc"), n),
            "h": rng.choice(list("uv"), n),
            "x": 1e6 + rng.standard_normal(n),
            "g": rng.integers(0, 20, n),
        }
    )
    data = data[~((data["f"] == "c") & (data["h"] == "v"))].reset_index(drop=True)
    effects, slopes = 3.0 * rng.standard_normal((2, 20))[:, data["g"]]
    noise = rng.standard_normal(len(data))
    data["y"] = effects + slopes * (data["x"] - 1e6) + (data["f"] == "b") + noise
    fit = CrossProducts(*summed(formula, in_parts(data, 5))).fit()
    whole = mm.lmer(formula, data)
    assert fit.messages == whole.messages
    assert np.isnan(fit.beta).tolist() == np.isnan(whole.beta).tolist()
    same(fit.anova(type=ss), whole.anova(type=ss))
