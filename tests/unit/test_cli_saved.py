"""The commands that read a saved fit: predict, compare, emmeans; and intervals of `fit`."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels
from mixedmodels.cli import main

SLEEP = "Reaction ~ Days + (Days | Subject)"
SMALL = "Reaction ~ Days + (1 | Subject)"
SCORE = "score ~ Machine + (1 | Worker/Machine)"
FITS = {"small.mm": (SMALL, "sleepstudy"), "large.mm": (SLEEP, "sleepstudy"),
        "machines.mm": (SCORE, "machines")}  # fmt: skip


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fits")
    for name, (formula, data) in FITS.items():
        mixedmodels.lmer(formula, mixedmodels.load_dataset(data)).save(folder / name)
    return folder


@pytest.fixture
def fits(saved: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in FITS:
        (tmp_path / name).write_bytes((saved / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def printed_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(printed(capsys, *arguments, "--json"))
    assert found["schema"] == 1
    assert found["command"] == arguments[0]
    return found


def printed_csv(capsys: pytest.CaptureFixture[str], *arguments: str, **more: Any) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(printed(capsys, *arguments)), **more)


NEW = "note,Days,Subject\nα,10,308\nβ,2.5,337\n"


# -- predict ----------------------------------------------------------------------------------


@pytest.mark.parametrize("random", [(), ("none",), ("all",), ("Subject",), ("(Days | Subject)",)])
@pytest.mark.parametrize("interval", [None, "confidence", "prediction"])
def test_predictions_stand_beside_the_columns_of_the_data(
    random: tuple[str, ...],
    interval: str | None,
    fits: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("new.csv").write_text(NEW, encoding="utf-8")
    fit = mixedmodels.load(fits / "large.mm")
    arguments = [piece for term in random for piece in ("--random", term)]
    more = () if interval is None else ("--interval", interval, "--level", "0.9", "--ddf", "none")
    table = printed_csv(capsys, "predict", "large.mm", "new.csv", *arguments, *more)
    new = pd.read_csv("new.csv")
    pd.testing.assert_frame_equal(table[["note", "Days", "Subject"]], new)
    terms = random[0] if random in (("none",), ("all",)) else list(random) or "all"
    if interval is None:
        expected = fit.predict(new, random=terms).to_frame("prediction")
    else:
        expected = fit.predict_interval(new, interval, 0.9, ddf="none", random=terms)
    pd.testing.assert_frame_equal(table.iloc[:, 3:], expected, rtol=1e-14)
    as_json = printed_json(capsys, "predict", "large.mm", "new.csv", *arguments, *more)
    assert as_json["predictions"]["columns"] == list(table.columns)
    rows = pd.DataFrame(as_json["predictions"]["rows"], columns=list(table.columns))
    pd.testing.assert_frame_equal(rows, table, check_dtype=False, rtol=1e-14)
    assert as_json["level"] == (None if interval is None else 0.9)


def test_predictions_of_the_rows_of_the_fit(fits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit = mixedmodels.load(fits / "large.mm")
    table = printed_csv(capsys, "predict", "large.mm")
    assert list(table.columns) == ["Reaction", "Subject", "prediction"]
    np.testing.assert_allclose(table["prediction"], fit.fitted, rtol=1e-14)


@pytest.mark.parametrize(("ending", "separator"), [("csv", ","), ("tsv", "\t"), ("CSV", ",")])
def test_predictions_in_a_file(
    ending: str, separator: str, fits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("new.txt").write_text("Days;Subject\n1,5;308\n", encoding="utf-8")
    target = fits / f"out.{ending}"
    assert main(["predict", "large.mm", "new.txt", "--output", str(target)]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "mixedmodels: note: new.txt: read with semicolons between fields, decimal commas.\n"
    )
    expected = mixedmodels.load(fits / "large.mm").predict({"Days": [1.5], "Subject": ["308"]})
    table = pd.read_csv(target, sep=separator)
    assert list(table.columns) == ["Days", "Subject", "prediction"]
    assert table["prediction"].tolist() == pytest.approx(expected.tolist(), rel=1e-14)


@pytest.mark.usefixtures("fits")
def test_missing_values_and_columns_stay_as_they_were(
    capsys: pytest.CaptureFixture[str],
) -> None:
    content = "prediction,id,Days,Subject,z\n7,007,1,308,\n8,012,NA,308,2\n9,1,3,,4\n"
    Path("new.csv").write_text(content, encoding="utf-8")
    assert main(["predict", "large.mm", "new.csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "data(prediction),id,Days,Subject,z,prediction"
    assert lines[1].startswith("7,007,1,308,,273.")
    assert lines[2:] == ["8,012,,308,2,", "9,1,3,,4,"]


NEW_LEVEL = "Days,Subject\n1,308\n1,999\n"


def test_new_levels(fits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("new.csv").write_text(NEW_LEVEL, encoding="utf-8")
    table = printed_csv(capsys, "predict", "large.mm", "new.csv", "--allow-new-levels")
    fit = mixedmodels.load(fits / "large.mm")
    assert table["prediction"][1] == pytest.approx(fit.beta.sum(), rel=1e-12)
    assert main(["predict", "large.mm", "new.csv"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "999 (line 3)" in captured.err
    assert "With --allow-new-levels they" in captured.err
    assert "; --random none leaves" in captured.err


# -- compare ----------------------------------------------------------------------------------


def test_compare(fits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = [mixedmodels.load(fits / name) for name in ("small.mm", "large.mm")]
    names = ["small", "large"]
    text = printed(capsys, "compare", "small.mm", "large.mm")
    tests = mixedmodels.anova(*models, names=names)
    assert text.startswith(str(tests))
    assert "sd(Subject.Days)" in text
    result = printed_json(capsys, "compare", "small.mm", "large.mm")
    assert result["note"] == tests.note
    assert [fit["formula"] for fit in result["fits"]] == [SMALL, SLEEP]
    assert result["tests"][1]["p_value"] == pytest.approx(tests.table["p_value"].iloc[1])
    frame = mixedmodels.table(models, names=names).to_frame()
    for record in result["estimates"]:
        expected = frame.loc[(record["part"], record["term"]), (record["fit"], "estimate")]
        assert record["estimate"] == pytest.approx(expected)
    assert (
        len(result["estimates"]) == frame.xs("estimate", axis=1, level=1).notna().to_numpy().sum()
    )


@pytest.mark.usefixtures("fits")
def test_files_of_one_name_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    Path("other").mkdir()
    Path("large.mm").rename("other/small.mm")
    result = printed_json(capsys, "compare", "small.mm", "other/small.mm")
    assert [fit["name"] for fit in result["fits"]] == ["small.mm", "other/small.mm"]


# -- marginal means ---------------------------------------------------------------------------


@pytest.mark.parametrize("specs", [("Machine",), ("pairwise ~ Machine",)])
def test_emmeans(specs: tuple[str, ...], fits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    means = mixedmodels.load(fits / "machines.mm").emmeans(specs[0])
    assert printed(capsys, "emmeans", "machines.mm", *specs) == f"{means}\n"
    result = printed_json(capsys, "emmeans", "machines.mm", *specs)
    assert result["means"]["columns"] == list(means.table.columns)
    assert [row[0] for row in result["means"]["rows"]] == ["A", "B", "C"]
    assert (result["contrasts"] is None) == (means.contrasts is None)


def test_pairs(fits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["emmeans", "machines.mm", "Machine", "--pairs"]
    arguments += ["--adjust", "holm", "--ddf", "KR", "--level", "0.9"]
    means = mixedmodels.load(fits / "machines.mm").emmeans(
        "Machine", ddf="KR", adjust="holm", level=0.9
    )
    assert printed(capsys, *arguments) == f"{means}\n\n{means.pairs()}\n"
    found = printed_json(capsys, *arguments)["contrasts"]
    assert [row[-1] for row in found["rows"]] == pytest.approx(means.pairs()["p_value"].tolist())


@pytest.mark.parametrize(
    ("given", "values"), [("Days=0,5", [0, 5]), ("Days = 2.5, 1e1", [2.5, 10.0])]
)
def test_values_of_covariates(
    given: str, values: list[float], fits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    means = mixedmodels.load(fits / "large.mm").emmeans("Days", at={"Days": values})
    assert printed(capsys, "emmeans", "large.mm", "Days", "--at", given) == f"{means}\n"


# -- intervals of parameters ------------------------------------------------------------------


@pytest.mark.parametrize("method", ["profile", "wald", "bootstrap"])
def test_intervals(method: str, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--nsim", "50", "--seed", "3"] if method == "bootstrap" else []
    fit = mixedmodels.lmer(SMALL, mixedmodels.load_dataset("sleepstudy"))
    asked = {"nsim": 50, "seed": 3} if more else {}
    expected = fit.confint(method=method, level=0.9, **asked)
    arguments = ["fit", SMALL, "sleepstudy", "--confint", method, "--level", "0.9", *more]
    found = printed_json(capsys, *arguments)["confint"]
    assert (found["method"], found["level"]) == (method, 0.9)
    for record in found["intervals"]:
        limits = expected.loc[record["name"]]
        for side in ("lower", "upper"):
            if record[side] is None:
                assert np.isnan(limits[side])
            else:
                assert record[side] == pytest.approx(limits[side])
    text = printed(capsys, *arguments)
    assert text.startswith(str(fit))
    assert f"\n\n90 % confidence intervals ({method}):\n" in text
    assert ("sigma" in text.split("intervals")[1]) == (method != "wald")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--confint", SMALL, "sleepstudy"],
        [SMALL, "--confint", "sleepstudy"],
        [SMALL, "sleepstudy", "--confint"],
        [SMALL, "--confint=profile", "sleepstudy"],
        ["--confi", SMALL, "sleepstudy"],
        ["--confint", "--ml", SMALL, "sleepstudy"],
    ],
)
def test_the_method_may_be_left_out_anywhere(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert printed_json(capsys, "fit", *arguments)["confint"]["method"] == "profile"


# -- bad input, and fits that had not converged -----------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["predict", "none.mm"], "none.mm does not exist"),
        (["predict", "new.csv"], "`mixedmodels fit --save`"),
        (["predict", "large.mm", "none.csv"], "neither a file nor a bundled data set"),
        (["predict", "large.mm", "new.csv", "--level", "0.9"], "--level is of use with --interval"),
        (["predict", "large.mm", "new.csv", "--interval", "prediction", "--level", "9"],
         "--level is 9.0"),
        (["predict", "large.mm", "new.csv", "--interval", "prediction", "--ddf", "x"],
         "--ddf is 'x'"),
        (["predict", "large.mm", "new.csv", "--random", "Subjct"], "Subjct"),
        (["predict", "large.mm", "new.csv", "--output", "new.csv"], "would replace the data"),
        (["predict", "large.mm", "new.csv", "--output", "o.xlsx"], "written as .csv"),
        (["predict", "large.mm", "new.csv", "--output", "large.mm"], "written as .csv"),
        (["predict", "large.mm", "new.csv", "--output", "o.csv", "--json"], "--json"),
        (["predict", "large.mm", "--sep", ";"], "with DATA only"),
        (["predict", "machines.mm", "new.csv"], "Machine"),
        (["compare", "small.mm", "machines.mm"], "use different rows"),
        (["compare", "small.mm", "small.mm"], "Two fits are called"),
        (["compare", "small.mm", "none.mm"], "none.mm does not exist"),
        (["compare", "small.mm", "large.mm", "--ddf", "x"], "--ddf is 'x'"),
        (["emmeans", "large.mm", "Nope"], "Nope"),
        (["emmeans", "large.mm", "Days", "--at", "Days"], "--at is 'Days'"),
        (["emmeans", "large.mm", "Days", "--adjust", "x"], "--adjust is 'x'"),
        (["emmeans", "large.mm", "Days", "--level", "2"], "--level is 2.0"),
        (["fit", SMALL, "sleepstudy", "--level", "0.9"], "--level is of use with --confint only"),
        (["fit", SMALL, "sleepstudy", "--confint", "--nsim", "9"], "with --confint bootstrap only"),
        (["fit", SMALL, "sleepstudy", "--confint", "--level", "0"], "--level is 0.0"),
        (["fit", SMALL, "sleepstudy", "--start", "a"], "--start is 'a'"),
        (["fit", SMALL, "sleepstudy", "--contrasts", "a"], "--contrasts is 'a'"),
        (["fit", SMALL, "sleepstudy", "--contrasts", "a=sum"], "--contrasts names 'a'"),
        (["fit", SMALL, "sleepstudy", "--max-evaluations", "0"], "--max-evaluations is 0"),
        (["fit", SMALL, "missing.csv", "--na-action", "raise"], "use --na-action omit"),
        (["datasets", "sleepstud"], "`mixedmodels datasets` lists them all"),
    ],
)  # fmt: skip
def test_bad_input(
    arguments: list[str], said: str, fits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("new.csv").write_text(NEW, encoding="utf-8")
    Path("missing.csv").write_text("Reaction,Days,Subject\n1,,a\n2,1,b\n", encoding="utf-8")
    before = {path.name: path.read_bytes() for path in fits.iterdir()}
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""
    assert "should not happen" not in captured.err
    assert {path.name: path.read_bytes() for path in fits.iterdir()} == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "small.mm"],
        ["compare", "small.mm", "large.mm"],
        ["emmeans", "small.mm", "Days"],
        ["fit", SMALL, "sleepstudy"],
    ],
)
@pytest.mark.usefixtures("fits")
def test_not_converged(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mixedmodels.LinearMixedFit, "converged", False)
    assert main(arguments) == 1
    assert capsys.readouterr().out
