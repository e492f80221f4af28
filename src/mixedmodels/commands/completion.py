"""`mixedmodels completion`: scripts that complete commands and options, from the parser's tree."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mixedmodels.commands.arguments import (
    COMPLETED,
    DATA_SETS,
    FILES,
    actions_of,
    commands_of,
    make_parser,
)
from mixedmodels.commands.output import OK
from mixedmodels.datasets import list_datasets


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a command, as a shell needs it.

    Attributes:
        names: Of an option; empty for an argument by position.
        about: Its help.
        values: Words that may follow or stand there.
        files: Whether a file may.
        takes_value: Whether something follows the option.
    """

    names: tuple[str, ...]
    about: str
    values: tuple[str, ...]
    files: bool
    takes_value: bool


def run(arguments: argparse.Namespace) -> int:
    """Print a script."""
    commands = {
        name: [_argument(action) for action in actions_of(parser)]
        for name, parser in commands_of(make_parser()).items()
    }
    print({"bash": _bash, "zsh": _zsh, "fish": _fish}[arguments.shell](commands), end="")
    return OK


def _argument(action: argparse.Action) -> Argument:
    kinds = COMPLETED.get(str(action.metavar), ())
    values = [str(choice) for choice in action.choices or ()]
    if DATA_SETS in kinds:
        values += list_datasets()
    takes = bool(action.option_strings) and action.nargs != 0
    return Argument(
        tuple(action.option_strings), action.help or "", tuple(values), FILES in kinds, takes
    )


def _options(arguments: Iterable[Argument]) -> list[str]:
    return [name for argument in arguments for name in argument.names]


def _words(arguments: Iterable[Argument]) -> list[str]:
    """Words that may stand by position."""
    return [word for argument in arguments if not argument.names for word in argument.values]


def _valued(arguments: Iterable[Argument]) -> Iterator[Argument]:
    return (argument for argument in arguments if argument.takes_value)


def _bash(commands: dict[str, list[Argument]]) -> str:
    """Words of a command by a `case` over it, values of an option by one over the word before."""
    cases = []
    for name, arguments in commands.items():
        values = "\n".join(
            f"      {'|'.join(a.names)}) words={shlex.quote(' '.join(a.values))}; "
            f"files={int(a.files)}; open=0 ;;"
            for a in _valued(arguments)
        )
        words = shlex.quote(" ".join(_words(arguments)))
        files = int(any(a.files for a in arguments if not a.names))
        options = shlex.quote(" ".join(_options(arguments)))
        cases.append(
            f"    {name}) options={options}; words={words}; files={files}\n"
            f'      case "$before" in\n{values}\n      esac ;;'
        )
    return _BASH.format(commands=" ".join(commands), cases="\n".join(cases))


_BASH = """\
# Completion of mixedmodels in bash: eval "$(mixedmodels completion bash)"
_mixedmodels() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
  local options= words= files=0 open=1
  COMPREPLY=()
  if [ "$COMP_CWORD" -le 1 ]; then
    COMPREPLY=($(compgen -W '{commands} --help --version' -- "$word"))
    return
  fi
  case "${{COMP_WORDS[1]}}" in
{cases}
  esac
  if [ "$open" = 1 ] && [ "${{word#-}}" != "$word" ]; then
    words=$options files=0
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  if [ "$files" = 1 ]; then
    local IFS=$'\\n'
    COMPREPLY+=($(compgen -f -- "$word"))
    compopt -o filenames 2>/dev/null || true
  fi
}}
complete -F _mixedmodels mixedmodels
"""


def _zsh(commands: dict[str, list[Argument]]) -> str:
    cases = []
    for name, arguments in commands.items():
        specs = [_zsh_option(a) for a in arguments if a.names] + [_zsh_rest(arguments)]
        lines = " \\\n        ".join(specs)
        cases.append(f"    {name})\n      _arguments \\\n        {lines} ;;")
    return _ZSH.format(commands=" ".join(commands), cases="\n".join(cases))


def _zsh_option(argument: Argument) -> str:
    about = argument.about.translate({ord("["): "(", ord("]"): ")", ord(":"): ";"})
    value = f":value:{_zsh_values(argument.values, argument.files)}" if argument.takes_value else ""
    names = [shlex.quote(f"*{name}[{about}]{value}") for name in argument.names]
    return " ".join(names)


def _zsh_rest(arguments: Iterable[Argument]) -> str:
    by_position = [a for a in arguments if not a.names]
    files = any(a.files for a in by_position)
    return shlex.quote(f"*:argument:{_zsh_values(_words(by_position), files)}")


def _zsh_values(words: Iterable[str], files: bool) -> str:
    listed = " ".join(words)
    if files:
        return f"{{_files; compadd -- {listed}}}" if listed else "_files"
    return f"({listed})" if listed else " "


_ZSH = """\
#compdef mixedmodels
# Completion of mixedmodels in zsh: eval "$(mixedmodels completion zsh)"
_mixedmodels() {{
  if (( CURRENT == 2 )); then
    compadd -- {commands} --help --version
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
{cases}
  esac
}}
compdef _mixedmodels mixedmodels
"""


def _fish(commands: dict[str, list[Argument]]) -> str:
    start = "complete -c mixedmodels"
    lines = [
        "# Completion of mixedmodels in fish: mixedmodels completion fish | source",
        f"{start} -f",
        f"{start} -n __fish_use_subcommand -a {shlex.quote(' '.join(commands))}",
        f"{start} -n __fish_use_subcommand -l version",
    ]
    for name, arguments in commands.items():
        begun = f"{start} -n '__fish_seen_subcommand_from {name}'"
        lines += [f"{begun} {_fish_option(a)}" for a in arguments if a.names]
        by_position = [a for a in arguments if not a.names]
        if any(a.files for a in by_position):
            lines.append(f"{begun} -F")
        words = _words(by_position)
        if words:
            lines.append(f"{begun} -a {shlex.quote(' '.join(words))}")
    return "\n".join(lines) + "\n"


def _fish_option(argument: Argument) -> str:
    names = [
        f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in argument.names
    ]
    value = []
    if argument.takes_value:
        value.append("-r -F" if argument.files else "-x" if argument.values else "-r")
    if argument.values:
        value.append(f"-a {shlex.quote(' '.join(argument.values))}")
    about = argument.about.replace("\\", "\\\\").replace("'", "\\'")
    return " ".join([*names, *value, f"-d '{about}'"])
