"""The command as a process: its streams, its files, how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedmodels
from mixedmodels import cli
from mixedmodels.commands import datasets, fit

BATCH = ["fit", "Yield ~ 1 + (1 | Batch)", "dyestuff"]
COMMAND = [sys.executable, "-m", "mixedmodels"]


def run(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        [*COMMAND, *arguments],
        stdout=more.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
        **more,
    )
    assert "Traceback" not in result.stderr
    assert "Exception ignored" not in result.stderr
    return result


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fits") / "batch.mm"
    mixedmodels.lmer(BATCH[1], mixedmodels.load_dataset(BATCH[2])).save(path)
    path.with_name("other.mm").write_bytes(path.read_bytes())
    return path


CALLS = {
    "fit": BATCH,
    "help": ["--help"],
    "predict": ["predict", "FIT"],
    "compare": ["compare", "FIT", "OTHER"],
    "emmeans": ["emmeans", "FIT", "~ 1"],
    "datasets": ["datasets", "--json"],
    "completion": ["completion", "bash"],
}


def call_of(name: str, saved: Path) -> list[str]:
    named = {"FIT": str(saved), "OTHER": str(saved.with_name("other.mm"))}
    return [named.get(word, word) for word in CALLS[name]]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no full device")
@pytest.mark.parametrize("name", [name for name in CALLS if name != "help"])
def test_a_full_disk(name: str, saved: Path) -> None:
    with Path("/dev/full").open("w") as full:
        result = run(*call_of(name, saved), stdout=full)
    assert result.returncode == 2
    assert result.stderr == (
        "mixedmodels: error: The output cannot be written: No space left on device.\n"
    )


@pytest.mark.parametrize("name", CALLS)
def test_a_closed_pipe(name: str, saved: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    result = run(*call_of(name, saved), stdout=writer)
    os.close(writer)
    assert result.stderr == ""
    # argparse itself says nothing where its help cannot be written at once.
    assert result.returncode == 141 or (name == "help" and result.returncode == 0)


def test_letters_that_the_output_does_not_have(tmp_path: Path) -> None:
    path = tmp_path / "é.csv"
    frame = pd.DataFrame({"y": [1.0, 2, 3, 4, 5, 7], "g": list("ééaabb"), "µ": [1, 2, 1, 3, 1, 2]})
    frame.to_csv(path, index=False, encoding="utf-8")
    plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = run("fit", "y ~ µ + (1 | g)", str(path), env={**plain, "PYTHONIOENCODING": "ascii"})
    assert result.returncode == 0
    assert "\\xb5" in result.stdout


def test_an_interrupt() -> None:
    code = (
        "import signal, sys, time\n"
        # A shell may have started the tests with the signal ignored, which children inherit.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from mixedmodels import cli\nfrom mixedmodels.commands import datasets\n"
        "def slow(arguments):\n    print('slow', flush=True)\n    time.sleep(100)\n"
        "datasets.run = slow\n"
        "sys.exit(cli.main(['datasets']))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "slow\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "")


# -- in this process: what a command may raise -------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), 130, ""),
        (MemoryError(), 2, "not enough memory"),
        (MemoryError("Unable to allocate 8 TiB"), 2, "not enough memory: Unable to allocate 8 TiB"),
        (RecursionError("deep"), 2, "This should not happen (RecursionError: deep)"),
        (ZeroDivisionError("x"), 2, "This should not happen (ZeroDivisionError: x)"),
        (mixedmodels.ModelError("no"), 2, "mixedmodels: error: no"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_every_error_is_a_message(
    error: BaseException,
    status: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(_arguments: Any) -> int:
        raise error

    monkeypatch.setattr(datasets, "run", failing)
    assert cli.main(["datasets"]) == status
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == bool(said)


# -- files ------------------------------------------------------------------------------------


def write_data(path: Path) -> Path:
    frame = mixedmodels.load_dataset("dyestuff")
    frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("option", ["--save", "--report"])
@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("", "is empty"),
        (".", "Is a directory"),
        ("none/fit", "No such file or directory"),
        ("new/", "name of a folder"),
        ("data.csv", "would replace the data"),
        ("./data.csv", "would replace the data"),
        ("link.csv", "would replace the data"),
        ("pipe", "a named pipe, not a file"),
        ("x" * 300, "File name too long"),
    ],
)
def test_places_that_cannot_be_written(
    option: str,
    target: str,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = write_data(tmp_path / "data.csv").read_bytes()
    (tmp_path / "link.csv").symlink_to("data.csv")
    os.mkfifo(tmp_path / "pipe")
    assert cli.main(["fit", "Yield ~ 1 + (1 | Batch)", "data.csv", option, target]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""
    assert (tmp_path / "data.csv").read_bytes() == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["data.csv", "link.csv", "pipe"]


def test_two_results_in_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "a")
    assert cli.main([*BATCH, "--save", path, "--report", path]) == 2
    assert "would replace what --save writes" in capsys.readouterr().err


@pytest.mark.parametrize("threads", ["0", "-3", "1000", str(2**31), str(2**40), "9" * 400])
def test_numbers_of_threads(threads: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*BATCH, f"--threads={threads}"]) == 2
    assert "threads is" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::mixedmodels.SingularFitWarning")
def test_columns_of_one_name_are_all_in_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "y": rng.normal(size=60),
            "f": np.tile(["a", "b", "b"], 20),
            "fb": rng.normal(size=60),
            "g": np.repeat(list("uvwxyz"), 10),
        }
    )
    frame.to_csv(tmp_path / "d.csv", index=False)
    formula = "y ~ f + fb + (0 + f + fb | g)"
    with_fit = mixedmodels.lmer(formula, frame)
    assert cli.main(["fit", formula, str(tmp_path / "d.csv"), "--json"]) in (0, 1)
    result = json.loads(capsys.readouterr().out)
    assert [record["name"] for record in result["beta"]] == ["(Intercept)", "f[b]", "`fb`"]
    np.testing.assert_allclose([record["value"] for record in result["beta"]], with_fit.beta)
    np.testing.assert_allclose(
        [record["std_error"] for record in result["beta"]], with_fit.stderror
    )
    assert [record["name"] for record in result["random"][0]["sd"]] == ["fa", "f[b]", "`fb`"]
    assert len(result["theta"]) == 6


def test_warnings_are_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lmer = fit.lmer

    def warning(*arguments: Any, **named: Any) -> Any:
        for _ in range(2):
            warnings.warn("said once", stacklevel=1)
        return lmer(*arguments, **named)

    monkeypatch.setattr(fit, "lmer", warning)
    assert cli.main(BATCH) == 0
    assert capsys.readouterr().err == "mixedmodels: warning: said once\n"
