"""The command line with data that are read in parts: folders, sums, merged and fitted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mixedmodels.cli import main
from mixedmodels.datasets import load_dataset
from mixedmodels.large import cross_products, plan

SLEEP = "Reaction ~ Days + (Days | Subject)"
SLEEP_REML = 1743.628272
PENICILLIN = "diameter ~ 1 + (1 | plate) + (1 | sample)"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of files, and sums by one plan and by others."""
    folder = tmp_path_factory.mktemp("large")
    data = load_dataset("sleepstudy")
    for name, rows in (("all", data), ("old", data[data.Days < 7]), ("new", data[data.Days >= 7])):
        (folder / name).mkdir()
        for part in range(3):
            table = pa.Table.from_pandas(rows.iloc[part::3], preserve_index=False)
            pq.write_table(table, folder / name / f"{part}.parquet")
    cross_products(plan(SLEEP, data[:90]), data[:90]).save(folder / "half.mmsums")
    cross_products(plan(SLEEP, data), data).save(folder / "whole.mmsums")
    plates = load_dataset("penicillin")
    cross_products(plan(PENICILLIN, plates), plates).save(folder / "plates.mmsums")
    (folder / "text.mmsums").write_text("no sums")
    assert main(["fit", SLEEP, "sleepstudy", "--save", str(folder / "fit.mm")]) == 0
    return folder


@pytest.fixture
def here(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    return made


def printed(capsys: pytest.CaptureFixture[str], *call: str) -> dict[str, Any]:
    assert main([*call, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize(
    "options",
    [
        ["--memory", "2GB"],
        ["--checkpoint", "kept"],
        ["--method", "exact", "--memory", "1 GB", "--threads", "1"],
    ],
    ids=" ".join,
)
def test_a_folder_is_fitted(
    options: list[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del here
    found = printed(capsys, "fit", SLEEP, "all", *options)
    assert found["objective"] == pytest.approx(SLEEP_REML, abs=1e-6)
    assert found["n"] == 180


@pytest.mark.parametrize("shared", ["old.mmsums", "all", "*/*.parquet"])
def test_sums_are_made_merged_and_fitted(
    shared: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del here
    first = [] if shared == "old.mmsums" else ["--plan", shared]
    old = printed(capsys, "sums", SLEEP, "old", *first, "-o", "old.mmsums")
    new = printed(capsys, "sums", SLEEP, "new", "--plan", shared, "--output", "new.mmsums")
    whole = printed(capsys, "merge", "old.mmsums", "new.mmsums", "-o", "merged.mmsums")
    assert (old["n"], new["n"], whole["n"]) == (126, 54, 180)
    assert old["plan"] == new["plan"] == whole["plan"]
    assert whole["partitions"] == [*old["partitions"], *new["partitions"]]
    assert whole["groups"] == [{"name": "Subject", "levels": 18}]
    fit = printed(capsys, "fit", "--sums", "merged.mmsums", "--confint", "wald")
    assert fit["objective"] == pytest.approx(SLEEP_REML, abs=1e-6)
    ml = printed(capsys, "fit", "--sums", "merged.mmsums", "--ml", "--memory", "1GB")
    assert ml["objective"] == pytest.approx(1751.939344, abs=1e-6)


def test_the_text_names_what_was_summed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del here
    assert main(["sums", SLEEP, "all", "-o", "s.mmsums", "--weights", "Days + 1"]) == 0
    out = capsys.readouterr().out
    for piece in ("3 partitions", "180 rows read", "Subject 18", "Written to s.mmsums."):
        assert piece in out


def test_options_of_the_model_reach_the_sums(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del here
    options = ["--weights", "Days + 1", "--offset", "Days", "--threads", "1", "--memory", "1GB"]
    printed(capsys, "sums", SLEEP, "all", *options, "-o", "w.mmsums", "--checkpoint", "kept sums")
    found = printed(capsys, "fit", "--sums", "w.mmsums")
    expected = printed(capsys, "fit", SLEEP, "sleepstudy", *options[:4])
    assert found["objective"] == pytest.approx(expected["objective"], rel=1e-10)


def test_codings_reach_the_sums(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del here
    model = "score ~ Machine + (1 | Worker)"
    printed(capsys, "sums", model, "machines", "--contrasts", "Machine=sum", "-o", "m.mmsums")
    found = printed(capsys, "fit", "--sums", "m.mmsums")
    expected = printed(capsys, "fit", model, "machines", "--contrasts", "Machine=sum")
    for ours, theirs in zip(found["beta"], expected["beta"], strict=True):
        assert ours["name"] == theirs["name"]
        assert ours["value"] == pytest.approx(theirs["value"], rel=1e-8)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (["fit", SLEEP, "sleepstudy", "--sums", "whole.mmsums"], "leave 'Reaction"),
        (["fit", "--sums", "whole.mmsums", "--weights", "Days"], "--weights is for rows"),
        (["fit", "--sums", "whole.mmsums", "--checkpoint", "kept"], "--checkpoint is for rows"),
        (["fit", "--sums", "whole.mmsums", "--na-action", "omit"], "--na-action is for rows"),
        (["fit", "--sums", "fit.mm"], "`mixedmodels sums`"),
        (["fit", "--sums", "text.mmsums"], "text.mmsums"),
        (["fit", "--sums", "absent.mmsums"], "absent.mmsums"),
        (["fit", "--sums", "whole.mmsums", "--method", "iterative"], "--method iterative"),
        (["fit", SLEEP, "all", "--memory", "much"], "--memory is 'much'"),
        (["fit", SLEEP, "all", "--sep", ";"], "--sep"),
        (["sums", SLEEP, "nosuch", "-o", "x.mmsums"], "nosuch"),
        (["sums", "Reaction ~ Dayz + (1 | Subject)", "all", "-o", "x.mmsums"], "Dayz"),
        (["sums", SLEEP, "all", "-o", "nosuch/x.mmsums"], "nosuch"),
        (["sums", SLEEP, "all", "-o", "x.mmsums", "--plan", "plates.mmsums"], "not for"),
        (["sums", SLEEP, "all", "-o", "x.mmsums", "--plan", "half.mmsums"], "Give --plan all"),
        (["sums", SLEEP, "all", "-o", "x.mmsums", "--plan", "fit.mm"], "`mixedmodels sums`"),
        (
            ["sums", SLEEP, "all", "-o", "x.mmsums", "--plan", "whole.mmsums", "--weights", "Days"],
            "--weights is settled",
        ),
        (["sums", SLEEP, "all", "-o", "x.mmsums", "--contrasts", "sum"], "--contrasts is 'sum'"),
        (["merge", "whole.mmsums", "whole.mmsums", "-o", "x.mmsums"], "is in both sums"),
        (["merge", "whole.mmsums", "plates.mmsums", "-o", "x.mmsums"], "with the same --plan"),
        (["merge", "whole.mmsums", "half.mmsums", "-o", "half.mmsums"], "would replace"),
        (["merge", "whole.mmsums", "fit.mm", "-o", "x.mmsums"], "`mixedmodels sums`"),
        (["merge", "whole.mmsums", "text.mmsums", "-o", "x.mmsums"], "text.mmsums"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input(
    call: list[str], said: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(call) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert said in error
    assert not (here / "x.mmsums").exists()


@pytest.mark.parametrize(
    "call",
    [
        ["fit", SLEEP],
        ["fit", "whole.mmsums"],
        ["sums", SLEEP, "all"],
        ["merge", "whole.mmsums", "-o", "x.mmsums"],
        ["merge", "a", "b"],
    ],
    ids=" ".join,
)
def test_usage(call: list[str], here: Path) -> None:
    del here
    with pytest.raises(SystemExit) as stopped:
        main(call)
    assert stopped.value.code == 2
