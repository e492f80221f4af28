"""A fit of a source is that of its rows in memory: in one call, by checkpoints, in the shell."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from streamed import in_parts

import mixedmodels as mm
from mixedmodels.cli import main
from mixedmodels.streaming.sources import as_source

INDEX = Path(mm.__file__).parent / "datasets" / "files" / "index.json"
FORMULAS = {
    name: entry["formula"] for name, entry in json.loads(INDEX.read_text(encoding="utf-8")).items()
}
# Models that are not linear: the response as numbers, and no level for each row.
LINEAR = {
    **FORMULAS,
    **{
        name: "as.numeric(factor(" + FORMULAS[name].replace(" ~ ", ")) ~ ")
        for name in ("contraception", "guimmun", "verbagg")
    },
    "grouseticks": FORMULAS["grouseticks"].replace(" + (1 | INDEX)", ""),
}


@pytest.mark.filterwarnings("ignore")  # singular fits and searches at their limit
@pytest.mark.parametrize("name", LINEAR)
def test_bundled_data_in_seven_parts(name: str) -> None:
    data, formula = mm.load_dataset(name), LINEAR[name]
    in_memory = mm.lmer(formula, data)
    streamed = mm.lmer(formula, in_parts(data, 7), executor=mm.Threads(2))
    theta = np.where(np.array(in_memory.model.lower_bounds) == 0.0, 0.7, 0.2)
    for reml in (True, False):
        ours, theirs = (
            mm.LinearMixedModel(formula, data, reml=reml) if fit is None else fit.model
            for fit in (None, streamed if reml else mm.lmer(formula, in_parts(data, 7), reml=False))
        )
        assert theirs.objective(theta) == pytest.approx(ours.objective(theta), rel=1e-10)
        gradient = ours.gradient(theta)
        scale = max(np.abs(gradient).max(), 1.0)
        np.testing.assert_allclose(theirs.gradient(theta), gradient, atol=1e-8 * scale)
    assert streamed.objective == pytest.approx(in_memory.objective, rel=1e-10, abs=1e-6)
    np.testing.assert_allclose(streamed.theta, in_memory.theta, atol=1e-5)
    aliased = in_memory.fixef.isna()
    pd.testing.assert_series_equal(streamed.fixef.isna(), aliased)
    size = in_memory.stderror.dropna()
    apart = (streamed.fixef - in_memory.fixef).dropna().abs() / size
    assert apart.max() < 1e-5
    assert streamed.nobs == in_memory.nobs
    assert streamed.ngroups == in_memory.ngroups
    assert streamed.model.design.messages == in_memory.model.design.messages
    assert list(streamed.messages) == list(in_memory.messages)


def rows(n: int = 4000) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    data = pd.DataFrame(
        {
            "x": 1e6 + rng.standard_normal(n),
            "f": rng.choice(["a", "b", "c"], n),
            "g": rng.integers(0, 60, n),
            "h": rng.integers(0, 25, n),
            "w": rng.integers(0, 3, n).astype(float),
        }
    )
    effects = rng.standard_normal(60)
    data["y"] = 1e5 + 0.3 * (data["x"] - 1e6) + effects[data["g"]] + rng.standard_normal(n)
    data.loc[::31, "x"] = np.nan
    data.loc[::37, "w"] = np.nan
    data["twice"] = 2.0 * data["x"]
    return data


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("y ~ x + twice + f + (1 | g) + (1 | h)", {}),
        ("y ~ poly(x, 2) + (scale(x) | g)", {"weights": "w"}),
        ("y ~ f + (1 | g / f)", {"offset": "x", "contrasts": {"f": "sum"}, "reml": False}),
    ],
)
def test_arguments(formula: str, options: dict[str, Any]) -> None:
    data = rows()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        in_memory = mm.lmer(formula, data, **options)
        streamed = mm.lmer(formula, in_parts(data, 6), memory="2GB", threads=2, **options)
    assert streamed.objective == pytest.approx(in_memory.objective, rel=1e-10)
    pd.testing.assert_series_equal(streamed.fixef, in_memory.fixef, rtol=1e-6)
    assert streamed.model.design.messages == in_memory.model.design.messages


def test_a_sample_unlike_the_rows_is_made_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows are summed once more in coordinates of all of them."""
    monkeypatch.setattr("mixedmodels.streaming.scan._PILOT_BATCH", 5)
    monkeypatch.setattr("mixedmodels.streaming.scan._PILOT", 5)
    rng = np.random.default_rng(0)
    n = 3000
    x = np.concatenate([rng.standard_normal(n - 100), 1e7 + 1e6 * rng.standard_normal(100)])
    g = rng.integers(0, 30, n)
    y = rng.standard_normal(n) + x + rng.standard_normal(30)[g]
    data = pd.DataFrame({"x": x, "g": g, "y": y})
    parts = in_parts(data.iloc[rng.permutation(n)], 3)
    plan = mm.plan("y ~ x + (1 | g)", parts)
    sums = mm.cross_products(plan, parts)
    assert sums.accurate
    assert sums.plan.id != plan.id
    fit, in_memory = sums.fit(), mm.lmer("y ~ x + (1 | g)", data)
    assert fit.objective == pytest.approx(in_memory.objective, rel=1e-10)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "rows"
    found.mkdir()
    table = pa.Table.from_pandas(rows(), preserve_index=False)
    for number in range(4):
        pq.write_table(table.slice(number * 1000, 1000), found / f"part{number}.parquet")
    return found


def test_checkpoints_of_a_fit(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    formula, kept = "y ~ scale(x) + (1 | g)", tmp_path / "kept"
    first = mm.lmer(formula, folder, checkpoint=kept)
    read = []

    def batches(self: Any, _columns: Any) -> Any:
        read.append(self.key)
        raise AssertionError

    monkeypatch.setattr(type(as_source(folder).partitions[0]), "batches", batches)
    again = mm.lmer(formula, folder, checkpoint=kept)
    assert read == []
    assert again.objective == first.objective
    for changed in (
        {"weights": "w + 1"},
        {"offset": "x"},
        {"na_action": "raise"},
        {"contrasts": {"few": "sum"}},
    ):
        with pytest.raises(mm.FileError, match=f"begun with {next(iter(changed))}"):
            mm.lmer(formula, folder, checkpoint=kept, **changed)  # type: ignore[arg-type]
    with pytest.raises(mm.FileError, match="begun with formula"):
        mm.lmer("y ~ x + (1 | g)", folder, checkpoint=kept)
    (folder / "part3.parquet").rename(tmp_path / "part3.parquet")
    with pytest.raises(mm.FileError, match=r"other rows: .*part3\.parquet.* is gone"):
        mm.lmer(formula, folder, checkpoint=kept)


def test_tomorrows_rows_are_added(folder: Path, tmp_path: Path) -> None:
    formula = "y ~ x + (1 | g)"
    plan = mm.plan(formula, folder)
    old = mm.cross_products(plan, sorted(folder.glob("*"))[:3], executor=mm.Threads(1))
    old.save(tmp_path / "old.mmsums")
    new = mm.cross_products(plan, folder / "part3.parquet")
    both = mm.CrossProducts.load(tmp_path / "old.mmsums").merge(new)
    assert both.n == plan.n
    in_memory = mm.lmer(formula, rows())
    assert both.fit().objective == pytest.approx(in_memory.objective, rel=1e-12)


def test_a_table_in_memory_with_an_executor_is_a_source() -> None:
    fit = mm.lmer("y ~ x + (1 | g)", rows(), executor=mm.Threads(2))
    assert fit.objective == pytest.approx(mm.lmer("y ~ x + (1 | g)", rows()).objective, rel=1e-10)


def test_paths_that_are_not_there() -> None:
    with pytest.raises(mm.FileError, match=r"write load_dataset\('sleepstudy'\)"):
        mm.lmer("Reaction ~ Days + (1 | Subject)", "sleepstudy")
    with pytest.raises(mm.FileError, match="path of the file is empty"):
        mm.lmer("y ~ x + (1 | g)", "")


def test_a_limit_of_memory_holds_in_memory_too() -> None:
    with pytest.raises(mm.ResourceError, match=r"memory='1kB' is the limit"):
        mm.lmer("y ~ x + (1 | g)", rows(), memory=1000)


def output(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    status = main([str(word) for word in words])
    found = capsys.readouterr()
    return status, found.out, found.err


def test_the_command_on_folders(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    formula = "y ~ x + (1 | g)"
    expected = mm.lmer(formula, rows()).objective
    for data in (folder, folder / "part*.parquet"):
        status, out, err = output(capsys, "fit", formula, data, "--json")
        assert (status, err) == (0, "")
        assert json.loads(out)["objective"] == pytest.approx(expected, rel=1e-10)
    kept = tmp_path / "kept"
    for _ in range(2):
        status, out, _ = output(
            capsys, "fit", formula, folder, "--memory", "1GB", "--checkpoint", kept
        )
        assert status == 0
        assert "Number of obs: 3870, groups: g, 60" in out
    assert len(list(kept.glob("*.sums"))) == 4
    file = folder / "part0.parquet"
    status, out, _ = output(capsys, "fit", formula, file, "--checkpoint", tmp_path / "one")
    assert "Number of obs: 967" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--memory", "much"], "--memory is 'much'"),
        (["--sep", ";"], "--sep, --decimal and --encoding are for a single file"),
        (["--na-action", "exclude"], 'na_action is "exclude"|--na-action'),
        (["--checkpoint", "rows/part0.parquet"], "cannot be a folder of checkpoints"),
    ],
)
def test_options_that_are_refused(
    words: list[str],
    message: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder.parent)
    status, out, err = output(capsys, "fit", "y ~ x + (1 | g)", "rows", *words)
    assert (status, out) == (2, "")
    assert pytest.importorskip("re").search(message, err)
