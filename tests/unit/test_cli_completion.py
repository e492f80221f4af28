"""Completion: scripts of shells, and what bash completes by its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mixedmodels.cli import main
from mixedmodels.commands.arguments import SHELLS, actions_of, commands_of, make_parser

BASH = shutil.which("bash")


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_option_is_there(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = script(shell, capsys)
    for name, parser in commands_of(make_parser()).items():
        assert name in text
        for action in actions_of(parser):
            for option in action.option_strings:
                shown = option.lstrip("-") if shell == "fish" else option
                assert shown in text, (name, option)


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_are_read_by_their_shells(
    shell: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    path = tmp_path / "script"
    path.write_text(script(shell, capsys), encoding="utf-8")
    option = "--no-execute" if shell == "fish" else "-n"
    done = subprocess.run([program, option, str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(BASH is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            [""],
            {
                "fit",
                "sums",
                "merge",
                "predict",
                "compare",
                "emmeans",
                "datasets",
                "completion",
                "--help",
            },
        ),
        (["pre"], {"predict"}),
        (["fit", "--con"], {"--contrasts", "--confint"}),
        (["fit", "y ~ x", "d", "--confint", ""], {"profile", "wald", "bootstrap"}),
        (["fit", "--optimizer", "BO"], {"BOBYQA"}),
        (["fit", "y ~ x", "sleepst"], {"sleepstudy", "sleepstudy_na"}),
        (["fit", "y ~ x", "my d"], {"my data.csv"}),
        (["fit", "--save", "my"], {"my data.csv"}),
        (["fit", "--save", "sl"], set()),
        (["predict", "fi"], {"fit.mm"}),
        (["fit", "--method", ""], {"auto", "exact", "iterative"}),
        (["fit", "--sums", "my"], {"my data.csv"}),
        (["fit", "--checkpoint", "fi"], {"fit.mm"}),
        (["sums", "y ~ x", "--pl"], {"--plan"}),
        (["sums", "y ~ x", "sleepst"], {"sleepstudy", "sleepstudy_na"}),
        (["sums", "y ~ x", "d", "-o", "fi"], {"fit.mm"}),
        (["merge", "my"], {"my data.csv"}),
        (["predict", "fit.mm", "--interval", ""], {"confidence", "prediction"}),
        (["predict", "--allow"], {"--allow-new-levels"}),
        (["datasets", "dye"], {"dyestuff", "dyestuff2"}),
        (["completion", ""], {"bash", "zsh", "fish"}),
        (["nosuch", "--x"], set()),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bash_completes(
    words: list[str], expected: set[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("my data.csv", "fit.mm"):
        (tmp_path / name).touch()
    assert BASH is not None
    asked = (
        script("bash", capsys)
        + 'COMP_WORDS=(mixedmodels "$@"); COMP_CWORD=$#; _mixedmodels 2>/dev/null\n'
        + 'for reply in "${COMPREPLY[@]}"; do printf "%s\\n" "$reply"; done\n'
    )
    done = subprocess.run(
        [BASH, "--norc", "-c", asked, "bash", *words],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    found = set(done.stdout.splitlines())
    assert expected <= found
    if words != [""]:
        assert found == expected
