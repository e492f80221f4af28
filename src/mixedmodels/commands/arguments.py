"""The arguments of `mixedmodels`: one parser, which completion and the wording of advice read."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn, TypeAlias

import mixedmodels
from mixedmodels.commands.options import (
    add_family_options,
    add_interval_options,
    add_json_option,
    add_large_options,
    add_model_options,
    add_search_options,
    add_text_options,
    named,
)
from mixedmodels.errors import MixedModelsError, did_you_mean
from mixedmodels.settings import CONFINT_METHODS, INTERVALS, UNCERTAINTIES

if TYPE_CHECKING:
    Commands: TypeAlias = "argparse._SubParsersAction[_Parser]"  # noqa: SLF001

# What may be completed at arguments with these names, beside choices.
FILES, DATA_SETS = "files", "data sets"
COMPLETED = {
    "DIR": (FILES,),
    "FILE": (FILES,),
    "FIT": (FILES,),
    "DATA": (FILES, DATA_SETS),
    "NAME": (DATA_SETS,),
}
SHELLS = ("bash", "zsh", "fish")

_DATA = "a CSV, TSV, Parquet, Arrow or Feather file, or the name of a bundled data set"
_FOLDER = "a folder or pattern of files"
_FORMULA = 'such as "y ~ x + (1 | g)", quoted'
_DDF = "degrees of freedom: satterthwaite (default), kenward-roger, residual or none"
_SUMS = "sums that `mixedmodels sums` wrote"
_SAVED = "a fit that `mixedmodels fit --save` wrote"
# Shortest beginning of --confint that is no other option's.
_CONFINT = "--conf"
# The same of --sums.
_SUMS_OPTION = "--su"
# What argparse says of a word that is not among the choices, and the words in these.
_NO_CHOICE = re.compile(r"invalid choice: '(.*)' \(choose from (.*)\)$")
_WORD = re.compile(r"[\w-]+")


class _Version(argparse.Action):
    """Prints the version, which is looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"mixedmodels {mixedmodels.__version__}")
        parser.exit()


class _Parser(argparse.ArgumentParser):
    """A parser that offers the choice nearest to a word that is none."""

    def error(self, message: str) -> NoReturn:
        refused = _NO_CHOICE.search(message)
        if refused is not None:
            message += "." + did_you_mean(refused[1], _WORD.findall(refused[2]))
        super().error(message)


def parsed(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments, understood.

    Raises:
        SystemExit: They are not, or help was asked for; argparse has printed what is to be said.
    """
    options = [word.partition("=")[0] for word in argv]
    of_sums = any(name.startswith(_SUMS_OPTION) and "--sums".startswith(name) for name in options)
    parser = make_parser(of_sums=of_sums)
    _refuse_unknown(parser, argv)
    return parser.parse_args(_with_methods(argv))


def _refuse_unknown(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Refuse options that a command does not have, before a value of theirs passes for another's.

    Raises:
        SystemExit: There is one.
    """
    chosen, called = parser, "mixedmodels"
    for word in argv[: argv.index("--")] if "--" in argv else argv:
        name = word.partition("=")[0]
        known = [text[2:] for of in actions_of(chosen) for text in of.option_strings]
        if name.startswith("--") and not any(option.startswith(name[2:]) for option in known):
            hint = did_you_mean(name[2:], known, "--{}".format)
            listed = f" `{called} --help` lists the options."
            parser.error(f"`{called}` has no option {name}.{hint or listed}")
        if chosen is parser and not word.startswith("-"):
            chosen, called = commands_of(parser).get(word, parser), f"mixedmodels {word}"
            if chosen is parser:
                return


def make_parser(*, of_sums: bool = False) -> argparse.ArgumentParser:
    """The parser with those of all commands.

    Args:
        of_sums: Whether `fit` is of sums, without formula and data. These are optional then only:
            argparse takes an optional argument for absent where an option stands before it.
    """
    parser = _Parser(prog="mixedmodels", description="Linear and generalized linear mixed models.")
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="show the version of mixedmodels and exit"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_fit(commands, "?" if of_sums else None)
    _add_sums(commands)
    _add_merge(commands)
    _add_predict(commands)
    _add_compare(commands)
    _add_emmeans(commands)
    _add_datasets(commands)
    _add_completion(commands)
    return parser


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers of the commands, by name."""
    for action in parser._actions:  # noqa: SLF001 (argparse has no other way)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            return dict(action.choices)
    return {}


def actions_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """The arguments of one command, in the order of its help."""
    return list(parser._actions)  # noqa: SLF001


def refuse_without(arguments: argparse.Namespace, names: Sequence[str], needed: str) -> None:
    """Refuse options that would have no effect.

    Raises:
        MixedModelsError: One of the options was given.
    """
    for name in names:
        if getattr(arguments, name) is not None:
            raise MixedModelsError(f"--{name.replace('_', '-')} is of use with {needed} only.")


def _with_methods(argv: Sequence[str]) -> list[str]:
    """The arguments with `--confint` as `--confint=profile` where no method follows it.

    Without that argparse would take the formula or the file that follows for the method.
    """
    found = list(argv)
    for i, word in enumerate(found):
        if word == "--":
            break
        if len(word) >= len(_CONFINT) and "--confint".startswith(word):
            following = found[i + 1] if i + 1 < len(found) else ""
            if not difflib.get_close_matches(following.lower(), CONFINT_METHODS, n=1, cutoff=0.7):
                found[i] = "--confint=profile"
    return found


def _add_fit(commands: Commands, positional: str | None) -> None:
    fit = commands.add_parser(
        "fit",
        help="fit a model and print its summary",
        description="Fit a linear mixed model, or with --family a generalized one, and print its "
        "summary.",
        epilog='examples: mixedmodels fit "Reaction ~ Days + (Days | Subject)" sleepstudy; '
        'mixedmodels fit "TICKS ~ YEAR + (1 | BROOD)" grouseticks --family poisson',
    )
    fit.add_argument("formula", metavar="FORMULA", nargs=positional, help=_FORMULA)
    fit.add_argument("data", metavar="DATA", nargs=positional, help=f"{_DATA}; or {_FOLDER}")
    fit.add_argument("--ml", action="store_true", help="maximum likelihood instead of REML")
    add_family_options(fit)
    add_model_options(fit)
    add_search_options(fit)
    fit.add_argument("--ddf", metavar="METHOD", help=f"{_DDF}; prints the whole summary")
    add_interval_options(fit)
    large = fit.add_argument_group("large data", "a folder or pattern of files is read in parts")
    add_large_options(large)
    large.add_argument(
        "--sums",
        metavar="FILE",
        help="fit the sums of `mixedmodels sums`, without FORMULA and DATA",
    )
    add_text_options(fit)
    results = fit.add_argument_group("results")
    results.add_argument("--report", metavar="FILE", help="also write a page of HTML with pictures")
    results.add_argument("--save", metavar="FILE", help="also write the fit, for other commands")
    add_json_option(results)


def _add_sums(commands: Commands) -> None:
    sums = commands.add_parser(
        "sums",
        help="sum the rows of files and write the sums, which are merged and fitted",
        description="Sum the rows of files: all that a fit needs of them, in one file.",
        epilog='example: mixedmodels sums "y ~ x + (1 | g)" folder --output old.mmsums; then for '
        'new rows mixedmodels sums "y ~ x + (1 | g)" more --plan old.mmsums --output new.mmsums',
    )
    sums.add_argument("formula", metavar="FORMULA", help=_FORMULA)
    sums.add_argument("data", metavar="DATA", help=f"{_DATA}; or {_FOLDER}")
    add_model_options(sums)
    sums.add_argument(
        "--plan",
        metavar="FILE",
        help="sums that these are to be merged with, whose levels and codings hold here too; or "
        "a folder or pattern of files with the rows of all",
    )
    add_large_options(sums)
    sums.add_argument("--threads", type=int, metavar="N", help="most threads to use")
    sums.add_argument("-o", "--output", metavar="FILE", required=True, help="where the sums go")
    add_json_option(sums)


def _add_merge(commands: Commands) -> None:
    merge = commands.add_parser(
        "merge",
        help="add sums of `mixedmodels sums` over different rows",
        description="Add sums over different rows that were made by one plan.",
        epilog="example: mixedmodels merge old.mmsums new.mmsums --output all.mmsums",
    )
    merge.add_argument("first", metavar="FILE", help=_SUMS)
    merge.add_argument("others", metavar="FILE", nargs="+", help="sums over other rows")
    merge.add_argument("-o", "--output", metavar="FILE", required=True, help="where they go")
    add_json_option(merge)


def _add_predict(commands: Commands) -> None:
    predict = commands.add_parser(
        "predict",
        help="predict from a saved fit and write CSV",
        description="Predict from a saved fit: CSV with the columns of DATA and the predictions.",
        epilog="example: mixedmodels predict fit.mm new.csv --interval prediction --output out.csv",
    )
    predict.add_argument("fit", metavar="FIT", help=_SAVED)
    predict.add_argument(
        "data", metavar="DATA", nargs="?", help=f"{_DATA}; the rows of the fit if absent"
    )
    predict.add_argument(
        "--random",
        action="append",
        metavar="TERM",
        help="random effects that take part: all (default), none, or a grouping factor or term; "
        "may be repeated; average of generalized models",
    )
    predict.add_argument(
        "--type",
        metavar="SCALE",
        help="response (the default of generalized models) or link (that of linear ones)",
    )
    predict.add_argument(
        "--allow-new-levels",
        action="store_true",
        help="predict rows with new levels, whose random effects are zero",
    )
    intervals = predict.add_argument_group("intervals")
    intervals.add_argument(
        "--interval",
        type=named(INTERVALS),
        choices=INTERVALS,
        help="of the mean (confidence) or of an observation",
    )
    intervals.add_argument("--level", type=float, metavar="P", help="coverage (default: 0.95)")
    intervals.add_argument("--ddf", metavar="METHOD", help=_DDF)
    intervals.add_argument(
        "--uncertainty",
        type=named(UNCERTAINTIES),
        choices=UNCERTAINTIES,
        help="given theta (default), or averaged over it",
    )
    intervals.add_argument("--weights", metavar="COL", help="column of prior weights of new rows")
    add_text_options(predict)
    results = predict.add_argument_group("results")
    results.add_argument(
        "--output", metavar="FILE", help="write to a file: .csv, or .tsv with tabs between fields"
    )
    add_json_option(results)
    predict.add_argument("--threads", type=int, metavar="N", help="most threads to use")


def _add_compare(commands: Commands) -> None:
    compare = commands.add_parser(
        "compare",
        help="compare saved fits by likelihood ratios, AIC and BIC, and side by side",
        description="Compare saved fits of the same data: likelihood ratios and information "
        "criteria, then the estimates side by side.",
        epilog="example: mixedmodels compare small.mm large.mm",
    )
    compare.add_argument("fit", metavar="FIT", help=_SAVED)
    compare.add_argument("fits", metavar="FIT", nargs="+", help="others of the same data")
    compare.add_argument("--ddf", metavar="METHOD", help=_DDF)
    compare.add_argument("--threads", type=int, metavar="N", help="most threads to use")
    add_json_option(compare)


def _add_emmeans(commands: Commands) -> None:
    emmeans = commands.add_parser(
        "emmeans",
        help="marginal means of a saved fit",
        description="Estimated marginal means of a saved fit.",
        epilog="example: mixedmodels emmeans fit.mm Machine --pairs",
    )
    emmeans.add_argument("fit", metavar="FIT", help=_SAVED)
    emmeans.add_argument(
        "specs",
        metavar="SPECS",
        nargs="+",
        help='variables, or a formula such as "~ f | g" or "pairwise ~ f", quoted',
    )
    emmeans.add_argument(
        "--by", action="append", metavar="COL", help="compare within its levels; may be repeated"
    )
    emmeans.add_argument(
        "--at",
        action="append",
        metavar="COL=V,V",
        help="values in place of all levels or of the mean; may be repeated",
    )
    emmeans.add_argument("--ddf", metavar="METHOD", help=_DDF)
    emmeans.add_argument(
        "--adjust",
        metavar="METHOD",
        help="for several tests: tukey, holm, hochberg, hommel, sidak, bonferroni, scheffe, mvt, "
        "fdr, fdr-by, none",
    )
    emmeans.add_argument("--type", metavar="SCALE", help="link (default), response, or prob")
    emmeans.add_argument(
        "--offset",
        type=float,
        metavar="X",
        help="offset of every mean, such as 0 (default: its mean)",
    )
    emmeans.add_argument(
        "--weights",
        metavar="HOW",
        help="averages: equal (default), proportional, outer, cells, flat, counterfactual",
    )
    emmeans.add_argument("--level", type=float, metavar="P", help="coverage (default: 0.95)")
    emmeans.add_argument("--pairs", action="store_true", help="also compare all pairs")
    emmeans.add_argument("--threads", type=int, metavar="N", help="most threads to use")
    add_json_option(emmeans)


def _add_datasets(commands: Commands) -> None:
    datasets = commands.add_parser(
        "datasets",
        help="list the bundled data sets, or describe one",
        description="List the bundled data sets, or describe one.",
    )
    datasets.add_argument("name", nargs="?", metavar="NAME", help="the data set to describe")
    add_json_option(datasets)


def _add_completion(commands: Commands) -> None:
    completion = commands.add_parser(
        "completion",
        help="print a script that completes commands and options in a shell",
        description="Print a script that completes commands and options in a shell.",
        epilog='bash: eval "$(mixedmodels completion bash)"',
    )
    completion.add_argument("shell", choices=SHELLS, help="whose script")
