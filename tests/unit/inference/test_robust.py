"""Cluster-robust covariances against clubSandwich and against dense algebra."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels as mm
from mixedmodels.arrays import FloatArray
from mixedmodels.linear import LinearMixedFit

SLEEP = "Reaction ~ Days + (Days | Subject)"
KINDS = ("CR0", "CR1", "CR2")


def thinned() -> pd.DataFrame:
    """sleepstudy without nine rows, with a covariate and sites of three subjects each."""
    data = mm.load_dataset("sleepstudy").drop(index=[2, 16, 17, 99, 100, 101, 102, 103, 104])
    data["x"] = (np.arange(1, len(data) + 1) * 37) % 11
    codes = pd.Categorical(data["Subject"]).codes
    data["site"] = [f"s{code}" for code in (codes + 1) % 6]
    return data


# Standard errors and degrees of freedom of clubSandwich 0.5.8 with lme4 1.1-31.
CLUB: list[tuple[str, str | None, str, list[float], list[float], float, float]] = [
    ("thinned", "site", "CR0", [3.60408427, 1.23474108, 0.13564954],
     [4.9626653955, 4.9957081230, 4.9689278116], 43.5628304658, 3.9791995441),
    ("thinned", "site", "CR1", [3.94807651, 1.35259108, 0.14859662],
     [4.9626653955, 4.9957081230, 4.9689278116], 36.3023587215, 3.9791995441),
    ("thinned", "site", "CR2", [3.92678587, 1.34916838, 0.15009252],
     [4.9489967348, 4.9942897394, 4.9567463969], 37.1294796618, 3.9708860894),
    ("pastes", None, "CR0", [3.1022998146, 1.0206271131, 0.0748109315],
     [5.5288653795, 5.3478423488, 8.6694091196], 4.20432621886, 6.30317619844),
    ("pastes", None, "CR1", [3.2701111330, 1.0758354397, 0.0788576458],
     [5.5288653795, 5.3478423488, 8.6694091196], 3.78389359698, 6.30317619844),
    ("pastes", None, "CR2", [3.5356777744, 1.1738502052, 0.0793173510],
     [5.3285010824, 5.0879640879, 8.6039453051], 3.38406954603, 6.13967405861),
]  # fmt: skip


def club_fit(name: str) -> tuple[LinearMixedFit, pd.DataFrame]:
    if name == "thinned":
        data = thinned()
        return mm.lmer("Reaction ~ Days + x + (Days | Subject)", data), data
    data = mm.load_dataset("pastes")
    row = np.arange(1, 61)
    data["x"] = pd.Series(row % 7).groupby(data["batch"].to_numpy()).transform("mean").to_numpy()
    data["z"] = (row * (7 % 11)) % 5
    return mm.lmer("strength ~ x + z + (1 | batch/cask)", data), data


@pytest.mark.parametrize(("name", "cluster", "kind", "errors", "df", "statistic", "den_df"), CLUB)
def test_values_of_clubsandwich(
    name: str,
    cluster: str | None,
    kind: Any,
    errors: list[float],
    df: list[float],
    statistic: float,
    den_df: float,
) -> None:
    fit, data = club_fit(name)
    found = fit.vcov_robust(None if cluster is None else data[cluster], kind)
    # The searches of lme4 end within 1e-5 of the optimum.
    np.testing.assert_allclose(found.stderror, errors, rtol=2e-5)
    table = fit.coef_table(vcov=found)
    np.testing.assert_allclose(table["df"], df, rtol=2e-5)
    joint = fit.test(np.eye(3)[1:], vcov=found).joint
    np.testing.assert_allclose([joint.statistic, joint.den_df], [statistic, den_df], rtol=5e-5)
    assert joint.num_df == 2


def dense(fit: LinearMixedFit, codes: Any, kind: str) -> tuple[FloatArray, FloatArray]:
    """Covariance and degrees of freedom by n x n matrices."""
    model = fit.model
    design, kept = model.design, fit.solution.kept
    X, y = design.X[:, kept], design.y - (0.0 if design.offset is None else design.offset)
    U = (model.Zt.T @ model.Lambda(fit.theta)).toarray()
    V = U @ U.T + np.diag(np.ones(design.n) if design.w is None else 1.0 / design.w)
    W = np.linalg.inv(V)
    M = np.linalg.inv(X.T @ W @ X)
    e = y - X @ fit.solution.beta[kept]
    H = X @ M @ X.T @ W
    parts, meat = [], np.zeros((len(kept), len(kept)))
    every = np.unique(codes)
    for code in every:
        at = np.flatnonzero(codes == code)
        inside = np.ix_(at, at)
        A = np.eye(len(at))
        if kind == "CR1":
            A *= np.sqrt(len(every) / (len(every) - 1))
        if kind == "CR2":
            D = np.linalg.cholesky(V[inside]).T
            left = (np.eye(design.n) - H)[at]
            values, vectors = np.linalg.eigh(D @ left @ V @ left.T @ D.T)
            power = np.where(values > 1e-11 * values.max(), np.abs(values) ** -0.5, 0.0)
            A = D.T @ (vectors * power) @ vectors.T @ D
        score = X[at].T @ W[inside] @ A
        meat += np.outer(score @ e[at], score @ e[at])
        parts.append((np.eye(design.n) - H)[at].T @ score.T @ M)
    df = []
    for j in range(len(kept)):
        own = np.array([part[:, j] for part in parts])
        P = own @ V @ own.T
        df.append(np.trace(P) ** 2 / np.sum(P * P))
    return M @ meat @ M, np.array(df)


def random_model(seed: int) -> tuple[LinearMixedFit, Any]:
    """A fit of nested random data, and labels of its clusters."""
    rng = np.random.default_rng(seed)
    clusters = int(rng.integers(4, 12))
    groups = np.concatenate([np.full(rng.integers(1, 4), c) for c in range(clusters)])
    g = np.repeat(np.arange(len(groups)), rng.integers(2, 7, len(groups)))
    rng.shuffle(g)
    n = len(g)
    shift = [0.0, 1e6][seed % 2]
    data = pd.DataFrame({
        "g": g, "c": groups[g], "x": rng.normal(size=n) + shift,
        "t": rng.normal(size=clusters)[groups[g]], "w": rng.uniform(0.5, 2.0, n),
    })  # fmt: skip
    random = ["(1 | g)", "(x | g)", "(1 | c/g)", "(1 | c) + (0 + t | c)"][seed % 4]
    data["y"] = rng.normal(size=n) + rng.normal(size=len(groups))[g] + 0.3 * (data["x"] - shift)
    options: dict[str, Any] = {"weights": "w", "offset": "t"} if seed % 3 == 0 else {}
    fit = mm.lmer(f"y ~ x + t + {random}", data, reml=seed % 5 != 0, **options)
    return fit, data["c"]


@pytest.mark.filterwarnings("ignore::mixedmodels.SingularFitWarning")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(12))
def test_against_dense_algebra(seed: int, kind: Any) -> None:
    fit, clusters = random_model(seed)
    found = fit.vcov_robust(clusters, kind)
    if seed % 2:  # the dense inverse loses the digits of a far origin
        fit, clusters = random_model(seed)
        assert np.isfinite(found.to_numpy()).all()
        tolerance = 1e-3
    else:
        tolerance = 1e-7
    vcov, df = dense(fit, clusters.to_numpy(), kind)
    slopes = slice(1, None)
    np.testing.assert_allclose(
        found.stderror.iloc[slopes], np.sqrt(np.diag(vcov))[slopes], rtol=tolerance
    )
    table = fit.coef_table(vcov=found)
    np.testing.assert_allclose(table["df"].iloc[slopes], df[slopes], rtol=tolerance)


@pytest.mark.parametrize("kind", KINDS)
def test_origin_of_a_covariate_moves_nothing(kind: Any) -> None:
    data = thinned()
    near = mm.lmer("Reaction ~ x + Days + (Days | Subject)", data)
    data["Days"] += 1e6
    far = mm.lmer("Reaction ~ x + Days + (Days | Subject)", data)
    a, b = (fit.coef_table(vcov=fit.vcov_robust("Subject", kind)) for fit in (near, far))
    columns = ["std_error", "df"]
    np.testing.assert_allclose(a.loc["Days", columns], b.loc["Days", columns], rtol=1e-5)


def test_balanced_designs_have_the_models_own_errors() -> None:
    fit = mm.lmer(SLEEP, mm.load_dataset("sleepstudy"))
    np.testing.assert_allclose(fit.vcov_robust(), fit.vcov, rtol=1e-4)
    np.testing.assert_allclose(fit.coef_table(vcov="CR2")["df"], 17.0, rtol=1e-8)


def test_clusters_by_every_way_to_name_them() -> None:
    data = mm.load_dataset("pastes")
    fit = mm.lmer("strength ~ 1 + (1 | batch:cask)", data)
    expected = fit.vcov_robust("batch").to_numpy()  # a factor of the grouping factor
    for cluster in (data["batch"], data["batch"].to_numpy(), list(data["batch"])):
        np.testing.assert_array_equal(fit.vcov_robust(cluster).to_numpy(), expected)
    assert fit.vcov_robust("cask:batch").n_clusters == 30
    assert fit.vcov_robust().cluster == fit.vcov_robust("batch:cask").cluster
    assert fit.influence("batch").by == "batch"


def test_labels_for_all_rows_are_taken_at_the_rows_used() -> None:
    data = thinned()
    data.loc[data.index[5], "Reaction"] = np.nan
    fit = mm.lmer(SLEEP, data)
    assert fit.nobs == len(data) - 1
    used = data["site"].drop(data.index[5])
    np.testing.assert_array_equal(fit.vcov_robust(data["site"]), fit.vcov_robust(used))


def test_a_matrix_and_other_degrees_of_freedom() -> None:
    fit = mm.lmer(SLEEP, thinned())
    robust = fit.vcov_robust()
    table = fit.coef_table("none", vcov=robust.to_frame().iloc[::-1, ::-1])
    np.testing.assert_allclose(table["std_error"], robust.stderror, rtol=1e-12)
    assert np.isinf(table["df"]).all()
    assert (fit.coef_table("residual", vcov=robust)["df"] == fit.nobs - 2).all()
    assert "CR2 by Subject, 18 clusters" in str(fit.test("Days", vcov=robust))
    assert "given matrix" in str(fit.coef_table("none", vcov=robust.to_numpy()))


@pytest.mark.parametrize("kind", ["CR0", "CR1"])
def test_a_coefficient_of_one_cluster_has_no_degrees_of_freedom(kind: Any) -> None:
    data = thinned()
    data["own"] = (data["site"] == "s2").astype(float)
    data["rest"] = 1.0 - data["own"]
    fit = mm.lmer("Reaction ~ 0 + own + rest + I(Days * rest) + (1 | Subject)", data)
    robust = fit.vcov_robust(data["site"], kind)
    with pytest.warns(mm.ConvergenceWarning, match="single cluster"):
        table = fit.coef_table(vcov=robust)
    assert np.isnan(table.loc["own", "df"])
    assert table["df"].notna().tolist() == [False, True, True]
    assert list(table.notes) == ["own"]


SITES = thinned()["site"]
REFUSED = [
    ({"cluster": "nowhere"}, "is not a grouping factor"),
    ({"cluster": [1] * len(SITES)}, "at least 2"),
    ({"cluster": np.arange(len(SITES))}, "level '308' has rows in 9"),
    ({"cluster": SITES.to_list()[1:]}, "one value for each"),
    ({"cluster": SITES.where(SITES != "s1")}, "missing labels"),
    ({"kind": "CR3"}, "must be one of"),
    ({"kind": 2}, "must be one of"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_refused_clusters(options: dict[str, Any], message: str) -> None:
    fit = mm.lmer(SLEEP, thinned())
    with pytest.raises(mm.MixedModelsError, match=message):
        fit.vcov_robust(**options)


def test_refused_covariances() -> None:
    fit = mm.lmer(SLEEP, thinned())
    other = mm.lmer("Reaction ~ Days + (1 | Subject)", thinned())
    for vcov, ddf, message in (
        (fit.vcov, "satterthwaite", "not for a matrix"),
        (fit.vcov_robust(), "kenward-roger", "of its own"),
        (other.vcov_robust(), "satterthwaite", "another fit"),
        ([[1.0]], "none", "shape"),
        ([[1.0, 2.0], [2.0, 1.0]], "none", "negative eigenvalue"),
        ([[1.0, 0.5], [0.0, 1.0]], "none", "symmetric"),
        (np.full((2, 2), np.nan), "none", "finite"),
        ("sandwich", "none", "must be one of"),
    ):
        with pytest.raises(mm.MixedModelsError, match=message):
            fit.coef_table(ddf, vcov=vcov)  # type: ignore[arg-type]


def test_crossed_and_empty_models_are_refused() -> None:
    crossed = mm.lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", mm.load_dataset("penicillin"))
    with pytest.raises(mm.MixedModelsError, match="crossed"):
        crossed.vcov_robust()
    empty = mm.lmer("Reaction ~ 0 + (1 | Subject)", mm.load_dataset("sleepstudy"))
    with pytest.raises(mm.ModelError, match="no fixed effects"):
        empty.vcov_robust()


def test_large_clusters_take_blocks_only_for_cr2(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    n = 60_000
    data = {"g": np.arange(n) % 30, "x": rng.normal(size=n)}
    data["y"] = data["x"] + rng.normal(size=30)[data["g"]] + rng.normal(size=n)
    fit = mm.lmer("y ~ x + (1 | g)", data)
    assert fit.vcov_robust(data["g"] % 4, "CR1").n_clusters == 4
    monkeypatch.setattr("mixedmodels.memory.available", lambda: 8e9)
    with pytest.raises(mm.ResourceError, match="CR1"):
        fit.vcov_robust(data["g"] % 4)


def vcovs(fit: LinearMixedFit) -> dict[str, tuple[Any, Any]]:
    """Covariances in every form, and the same as what `coef_table` takes to compare with."""
    robust = fit.vcov_robust()
    return {
        "kind": ("CR2", "satterthwaite"),
        "result": (fit.vcov_robust(kind="CR1"), "satterthwaite"),
        "robust, residual": (robust, "residual"),
        "matrix": (2.0 * fit.vcov.to_numpy(), "none"),
        "frame": (robust.to_frame().iloc[::-1, ::-1], "residual"),
    }


@pytest.mark.parametrize("form", ["kind", "result", "robust, residual", "matrix", "frame"])
def test_every_table_takes_the_covariance(form: str) -> None:
    fit = mm.lmer("Reaction ~ Days + (Days | Subject)", thinned())
    vcov, ddf = vcovs(fit)[form]
    expected = fit.coef_table(ddf, vcov=vcov)
    slope = expected.table.loc["Days"]

    def same(row: pd.Series[Any], names: list[str]) -> None:
        np.testing.assert_allclose(row[names].astype(float), slope[names].astype(float), rtol=1e-6)

    estimates = ["estimate", "std_error", "df"]
    trend = fit.emtrends("~ 1", "Days", ddf=ddf, vcov=vcov)
    same(trend.table.iloc[0], estimates)
    pair = fit.emmeans("Days", at={"Days": [1, 0]}, ddf=ddf, vcov=vcov).pairs()
    same(pair.table.iloc[0], [*estimates, "statistic", "p_value"])
    start = fit.emmeans("~ 1", at={"Days": 0}, ddf=ddf, vcov=vcov).table.iloc[0]
    np.testing.assert_allclose(
        start[estimates].astype(float), expected.table.loc["(Intercept)", estimates], rtol=1e-9
    )
    for table in (
        fit.anova(ddf=ddf, vcov=vcov).table,
        fit.anova(1, ddf=ddf, vcov=vcov).table,
        fit.joint_tests(ddf=ddf, vcov=vcov).table,
    ):
        np.testing.assert_allclose(table["statistic"], slope["statistic"] ** 2, rtol=1e-6)
        np.testing.assert_allclose(table["p_value"], slope["p_value"], rtol=1e-6)
    tidy = fit.tidy("fixed", ddf=ddf, vcov=vcov, conf_int=True).iloc[1]
    same(tidy, [*estimates, "statistic", "p_value"])
    limits = fit.confint("beta_", method="wald", ddf=ddf, vcov=vcov).loc["Days"]
    np.testing.assert_allclose(limits, tidy[["conf_low", "conf_high"]].astype(float), rtol=1e-12)


def test_tables_say_which_covariance() -> None:
    fit = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
    for found in (
        fit.anova(vcov="CR2"),
        fit.emmeans("Days", vcov="CR2"),
        fit.emtrends("~ 1", "Days", vcov="CR2"),
        fit.joint_tests(vcov="CR2"),
    ):
        assert "CR2 by Subject, 18 clusters" in " ".join(str(found).split())


def test_a_covariance_is_for_wald_intervals() -> None:
    fit = mm.lmer("Yield ~ 1 + (1 | Batch)", mm.load_dataset("dyestuff"))
    for method in ("profile", "bootstrap"):
        with pytest.raises(mm.MixedModelsError, match="method='wald', vcov"):
            fit.confint(method=method, vcov="CR2")  # type: ignore[arg-type]


def frames(data: pd.DataFrame) -> dict[str, Any]:
    """The same table in several kinds."""
    import polars as pl  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    return {
        "pandas": data,
        "polars": pl.from_pandas(data),
        "arrow": pa.Table.from_pandas(data, preserve_index=False),
        "dict": {name: data[name].tolist() for name in data},
    }


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow", "dict"])
@pytest.mark.parametrize("labels", ["text", "category", "int", "float", "bool"])
@pytest.mark.parametrize("na_action", ["omit", "exclude"])
def test_clusters_by_any_column_of_the_table(kind: str, labels: str, na_action: Any) -> None:
    data = thinned()
    number = data["site"].str[1:].astype(int)
    data["site"] = {
        "text": data["site"],
        "category": data["site"].astype("category"),
        "int": number,
        "float": number.astype(float),
        "bool": number % 2 == 0,
    }[labels]
    data.loc[data.index[[3, 50]], "Reaction"] = np.nan
    table = frames(data)[kind]
    fit = mm.lmer("Reaction ~ Days + (Days | Subject)", table, na_action=na_action)
    used = data["Reaction"].notna().to_numpy()
    found = fit.vcov_robust("site", "CR1")
    expected = fit.vcov_robust(data["site"].to_numpy()[used], "CR1")
    np.testing.assert_array_equal(found, expected)
    assert (found.cluster, found.n_clusters) == ("site", expected.n_clusters)
    assert "by site" in str(fit.coef_table(vcov=found))


def test_columns_that_are_not_clusters() -> None:
    data = thinned()
    data["gaps"] = data["site"].where(data["site"] != "s1")
    fit = mm.lmer("Reaction ~ Days + (Days | Subject)", data)
    for name, message in (
        ("gaps", "cluster='gaps' has missing labels"),
        ("Days", "not nested in the clusters by Days"),
        ("nowhere", "nowhere"),
    ):
        with pytest.raises(mm.MixedModelsError, match=message):
            fit.vcov_robust(name)
