"""The command line: what it prints, its exit status, its refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

import mixedmodels
from mixedmodels import readers
from mixedmodels.cli import main
from mixedmodels.errors import DataError
from mixedmodels.settings import df_method

SLEEP = "Reaction ~ Days + (Days | Subject)"
CLASSROOM = "mathgain ~ mathkind + minority + ses + (1|classid) + (1|schoolid)"
# lme4's criterion of SLEEP by REML and by ML.
SLEEP_REML, SLEEP_ML = 1743.628272, 1751.939344


def fit_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["fit", *arguments, "--json"]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def values(records: list[dict[str, Any]], field: str = "value") -> dict[str, float]:
    found = {record["name"]: record[field] for record in records}
    assert len(found) == len(records)
    return found


def test_prints_the_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", CLASSROOM, "classroom", "--ml"]) == 0
    out = capsys.readouterr().out
    for piece in ("11391.53", "classid", "schoolid", "27.07", "mathkind"):
        assert piece in out


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (["fit", "--famly", "poisson", SLEEP, "sleepstudy"], "no option --famly. Did you mean --f"),
        (["fit", SLEEP, "sleepstudy", "--n_agq=3"], "Did you mean --n-agq?"),
        (["fit", SLEEP, "sleepstudy", "--zzz"], "`mixedmodels fit --help` lists the options"),
        (["predict", "fit.mm", "--intervl", "prediction"], "Did you mean --interval?"),
        (["--versoin"], "Did you mean --version?"),
        (["fitt", SLEEP, "sleepstudy"], "Did you mean 'fit'?"),
        (["fit", SLEEP, "sleepstudy", "--optimizer", "powel"], "Did you mean 'Powell'?"),
        (["zzz"], ").\n"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_words_that_are_nearly_right(
    call: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(call)
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err


def test_beginnings_of_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", SLEEP, "sleepstudy", "--optim=Powell", "--jso"]) == 0
    assert json.loads(capsys.readouterr().out)["command"] == "fit"


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    result = fit_json(capsys, SLEEP, "sleepstudy")
    assert result["objective"] == pytest.approx(SLEEP_REML, abs=1e-6)
    assert result["reml"]
    assert result["converged"]
    assert not result["singular"]
    assert result["groups"] == [{"name": "Subject", "levels": 18}]
    assert [record["name"] for record in result["theta"]] == [
        "Subject.(Intercept)",
        "Subject.Days.(Intercept)",
        "Subject.Days",
    ]
    assert values(result["beta"]) == pytest.approx(
        {"(Intercept)": 251.405105, "Days": 10.467286}, rel=1e-6
    )
    assert values(result["beta"], "std_error") == pytest.approx(
        {"(Intercept)": 6.8246, "Days": 1.5458}, rel=1e-4
    )
    assert values(result["random"][0]["sd"]) == pytest.approx(
        {"(Intercept)": 24.7407, "Days": 5.9221}, rel=1e-4
    )
    assert result["sigma"] == pytest.approx(25.5918, rel=1e-5)


def test_an_aliased_coefficient_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    formula = "Reaction ~ Days + I(2 * Days) + (1 | Subject)"
    result = fit_json(capsys, formula, "sleepstudy")
    assert result["beta"][2] == {"name": "I(2 * Days)", "value": None, "std_error": None}
    assert any("I(2 * Days)" in message for message in result["messages"])


@pytest.mark.parametrize("ddf", ["satterthwaite", "KR", "Kenward-Roger", "residual", "none"])
def test_degrees_of_freedom(capsys: pytest.CaptureFixture[str], ddf: str) -> None:
    fit = mixedmodels.lmer(SLEEP, mixedmodels.load_dataset("sleepstudy"))
    result = fit_json(capsys, SLEEP, "sleepstudy", "--ddf", ddf)
    table = fit.coef_table(ddf)
    assert result["ddf"] == df_method(ddf)
    for name in ("estimate", "std_error", "statistic", "p_value"):
        assert values(result["tests"], name) == pytest.approx(table[name].to_dict())
    expected = [None if np.isinf(df) else df for df in table["df"]]
    assert list(values(result["tests"], "df").values()) == pytest.approx(expected)
    assert main(["fit", SLEEP, "sleepstudy", "--ddf", ddf]) == 0
    assert capsys.readouterr().out.strip() == str(fit.summary(ddf)).strip()


def test_unknown_degrees_of_freedom_are_refused_before_the_fit(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["fit", SLEEP, "no such file", "--ddf", "welch"]) == 2
    assert "ddf is 'welch'" in capsys.readouterr().err


def test_options_reach_the_fit(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--ml", "--optimizer", "Nelder-Mead", "--threads", "1"]
    result = fit_json(capsys, SLEEP, "sleepstudy", *options)
    assert result["optimizer"] == "Nelder-Mead"
    # Looser than a gradient method: the simplex stops when its values agree.
    assert result["objective"] == pytest.approx(SLEEP_ML, abs=1e-5)


def test_weights_and_offset(capsys: pytest.CaptureFixture[str]) -> None:
    weighted = fit_json(capsys, SLEEP, "sleepstudy", "--weights", "1/(1 + Days)")
    plain = fit_json(capsys, SLEEP, "sleepstudy")
    shifted = fit_json(capsys, SLEEP, "sleepstudy", "--offset", "3 * Days")
    assert weighted["objective"] != pytest.approx(plain["objective"], abs=0.1)
    slopes = [values(found["beta"])["Days"] for found in (shifted, plain)]
    assert slopes[0] == pytest.approx(slopes[1] - 3.0, rel=1e-6)


def test_missing_weights_leave_rows_out(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    data = mixedmodels.load_dataset("sleepstudy").assign(w=1.0)
    data.loc[[3, 7], "w"] = np.nan
    data.to_csv(tmp_path / "sleep.csv", index=False, na_rep="NA")
    found = fit_json(capsys, SLEEP, str(tmp_path / "sleep.csv"), "--weights", "w")
    assert found["n"] == 178
    arguments = ["fit", SLEEP, str(tmp_path / "sleep.csv"), "--weights", "w"]
    assert main([*arguments, "--na-action", "raise"]) == 2
    assert "missing values (w 2): line 5, line 9" in capsys.readouterr().err


def test_the_trace_stands_before_the_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", SLEEP, "sleepstudy", "--verbose"]) == 0
    assert capsys.readouterr().out.startswith("0: ")


def test_the_trace_leaves_json_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", SLEEP, "sleepstudy", "--verbose", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["n"] == 180
    assert captured.err.startswith("0: ")


def test_a_singular_fit_is_a_success_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "Yield ~ 1 + (1 | Batch)", "dyestuff2"]) == 0
    captured = capsys.readouterr()
    assert "ingular" in captured.out
    assert captured.err == ""


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, index=False)


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    pa.parquet.write_table(pa.Table.from_pandas(frame), path)


def write_feather(frame: pd.DataFrame, path: Path) -> None:
    pa.feather.write_feather(pa.Table.from_pandas(frame), path)


def write_stream(frame: pd.DataFrame, path: Path) -> None:
    table = pa.Table.from_pandas(frame)
    with path.open("wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)


FILES = {
    "a.csv": write_csv,
    "a.csv.gz": write_csv,
    "A.CSV": write_csv,
    "a.parquet": write_parquet,
    "a.pq": write_parquet,
    "a.feather": write_feather,
    "a.arrow": write_feather,
    "stream.arrow": write_stream,
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("library", ["pyarrow", "polars"])
def test_files(
    name: str,
    library: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / name
    frame = mixedmodels.load_dataset("sleepstudy")
    # A CSV file has no factors, so the levels must not look like numbers.
    frame["Subject"] = "S" + frame["Subject"].astype(str)
    FILES[name](frame, path)
    monkeypatch.setattr(readers, "find_spec", lambda package: package == library or None)
    result = fit_json(capsys, SLEEP, str(path))
    assert result["objective"] == pytest.approx(SLEEP_REML, abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([SLEEP, "sleepstud"], "Did you mean 'sleepstudy'"),
        ([SLEEP, "no/such.csv"], "neither a file nor a bundled data set"),
        ([SLEEP, __file__], "'.py' are not read"),
        (["Reaction ~ Dayz + (Days | Subject)", "sleepstudy"], "Dayz"),
        (["Reaction ~ Days + (Days | Subject", "sleepstudy"], "^"),
        (["Reaction ~ Days", "sleepstudy"], "random"),
        ([SLEEP, "sleepstudy", "--weights", "nope"], "nope"),
        ([SLEEP, "sleepstudy", "--threads", "0"], "threads"),
    ],
)
def test_bad_input(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize("name", ["broken.parquet", "broken.arrow", "broken.csv"])
def test_a_broken_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"\x00\xff\xfe not a table")
    with pytest.raises(DataError, match="cannot be read"):
        readers.read_table(str(path))


def test_no_library_for_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    path.touch()
    monkeypatch.setattr(readers, "find_spec", lambda _package: None)
    with pytest.raises(DataError, match="pip install pyarrow"):
        readers.read_table(str(path))


def test_not_converged(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    fit = mixedmodels.lmer(SLEEP, mixedmodels.load_dataset("sleepstudy"))
    monkeypatch.setattr(type(fit), "converged", False)
    assert main(["fit", SLEEP, "sleepstudy"]) == 1
    assert "Reaction" in capsys.readouterr().out


def test_datasets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in mixedmodels.list_datasets())
    assert main(["datasets", "penicillin"]) == 0
    assert "Davies & Goldsmith" in capsys.readouterr().out
    assert main(["datasets", "penicilin"]) == 2
    assert "'penicillin'" in capsys.readouterr().err


def test_as_a_process() -> None:
    command = [sys.executable, "-m", "mixedmodels.cli", "fit", SLEEP, "nowhere"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("mixedmodels: error: 'nowhere' is neither")


def test_save(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "fit.mm"
    result = fit_json(capsys, SLEEP, "sleepstudy", "--save", str(path))
    assert mixedmodels.load(path).objective == result["objective"]


def test_save_to_nowhere(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["fit", SLEEP, "sleepstudy", "--save", str(tmp_path / "none" / "fit.mm")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_report(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mixedmodels.fit.mixed.can_draw", lambda: False)
    path = tmp_path / "fit.html"
    assert main(["fit", "Yield ~ 1 + (1 | Batch)", "dyestuff", "--report", str(path)]) == 0
    assert "REML" in capsys.readouterr().out
    assert "<!DOCTYPE html>" in path.read_text(encoding="utf-8")
