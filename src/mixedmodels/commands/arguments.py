"""The arguments of `mixedmodels`: one parser, which completion and the wording of advice read."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import mixedmodels
from mixedmodels.errors import MixedModelsError
from mixedmodels.settings import (
    CONFINT_METHODS,
    INTERVALS,
    NA_ACTIONS,
    OPTIMIZERS,
    UNCERTAINTIES,
)

if TYPE_CHECKING:
    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001

# What may be completed at arguments with these names, beside choices.
FILES, DATA_SETS = "files", "data sets"
COMPLETED = {
    "FILE": (FILES,),
    "FIT": (FILES,),
    "DATA": (FILES, DATA_SETS),
    "NAME": (DATA_SETS,),
}
SHELLS = ("bash", "zsh", "fish")

_DATA = "a CSV, TSV, Parquet, Arrow or Feather file, or the name of a bundled data set"
_DDF = "degrees of freedom: satterthwaite (default), kenward-roger, residual or none"
_SAVED = "a fit that `mixedmodels fit --save` wrote"
# Shortest beginning of --confint that is no other option's.
_CONFINT = "--conf"


class _Version(argparse.Action):
    """Prints the version, which is looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"mixedmodels {mixedmodels.__version__}")
        parser.exit()


def parsed(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments, understood.

    Raises:
        SystemExit: They are not, or help was asked for; argparse has printed what is to be said.
    """
    return make_parser().parse_args(_with_methods(argv))


def make_parser() -> argparse.ArgumentParser:
    """The parser with those of all commands."""
    parser = argparse.ArgumentParser(
        prog="mixedmodels", description="Linear and generalized linear mixed models."
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="show the version of mixedmodels and exit"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_fit(commands)
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
    """Refuse options that would be of no use.

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


def _add_fit(commands: Commands) -> None:
    fit = commands.add_parser(
        "fit",
        help="fit a model and print its summary",
        description="Fit a linear mixed model, or with --family a generalized one, and print its "
        "summary.",
        epilog='examples: mixedmodels fit "Reaction ~ Days + (Days | Subject)" sleepstudy; '
        'mixedmodels fit "TICKS ~ YEAR + (1 | BROOD)" grouseticks --family poisson',
    )
    fit.add_argument("formula", metavar="FORMULA", help='such as "y ~ x + (1 | g)", quoted')
    fit.add_argument("data", metavar="DATA", help=f"{_DATA}; or a folder or pattern of files")
    fit.add_argument("--ml", action="store_true", help="maximum likelihood instead of REML")
    _add_family(fit)
    fit.add_argument("--weights", metavar="COL", help="column (or expression) of prior weights")
    fit.add_argument("--offset", metavar="COL", help="column (or expression) of known terms")
    fit.add_argument(
        "--contrasts",
        action="append",
        metavar="COL=CODING",
        help="coding of a factor: treatment, sum, helmert or poly; may be repeated",
    )
    fit.add_argument(
        "--na-action",
        choices=NA_ACTIONS,
        default="omit",
        help="rows with missing values: left out (omit, the default) or refused (raise)",
    )
    _add_search(fit)
    fit.add_argument("--ddf", metavar="METHOD", help=f"{_DDF}; prints the whole summary")
    _add_intervals(fit)
    large = fit.add_argument_group("large data", "a folder or pattern of files is read in parts")
    large.add_argument("--memory", metavar="SIZE", help="most memory to take, such as 8GB")
    large.add_argument(
        "--checkpoint", metavar="DIR", help="folder to keep the work in, and to go on from"
    )
    _add_text_options(fit)
    results = fit.add_argument_group("results")
    results.add_argument("--report", metavar="FILE", help="also write a page of HTML with pictures")
    results.add_argument("--save", metavar="FILE", help="also write the fit, for other commands")
    _add_json(results)


def _add_family(fit: argparse.ArgumentParser) -> None:
    family = fit.add_argument_group("generalized models")
    family.add_argument(
        "--family",
        metavar="F",
        help="of the response: binomial, poisson, negative_binomial, gamma, beta and others",
    )
    family.add_argument("--link", metavar="L", help="such as logit or log; the family's usual one")
    family.add_argument(
        "--n-agq",
        type=int,
        metavar="N",
        help="nodes of quadrature (default: 1, Laplace's approximation)",
    )


def _add_search(fit: argparse.ArgumentParser) -> None:
    search = fit.add_argument_group("search")
    search.add_argument("--optimizer", choices=OPTIMIZERS, default="auto", help="default: auto")
    search.add_argument("--start", metavar="LIST", help="theta to start from, such as 1,0,1")
    search.add_argument(
        "--max-evaluations", type=int, metavar="N", help="most evaluations of the criterion"
    )
    search.add_argument("--threads", type=int, metavar="N", help="most threads to use")
    search.add_argument("--verbose", action="store_true", help="print a line per iteration")


def _add_intervals(fit: argparse.ArgumentParser) -> None:
    intervals = fit.add_argument_group("confidence intervals")
    intervals.add_argument(
        "--confint",
        nargs="?",
        choices=CONFINT_METHODS,
        metavar="METHOD",
        help="also print intervals: profile (default), wald or bootstrap",
    )
    intervals.add_argument("--level", type=float, metavar="P", help="coverage (default: 0.95)")
    intervals.add_argument("--nsim", type=int, metavar="N", help="replicates of the bootstrap")
    intervals.add_argument("--seed", type=int, metavar="N", help="seed of the bootstrap")


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
        "--type", metavar="SCALE", help="of generalized models: response (default) or link"
    )
    predict.add_argument(
        "--allow-new-levels",
        action="store_true",
        help="predict rows with new levels, whose random effects are zero",
    )
    intervals = predict.add_argument_group("intervals")
    intervals.add_argument(
        "--interval", choices=INTERVALS, help="of the mean (confidence) or of an observation"
    )
    intervals.add_argument("--level", type=float, metavar="P", help="coverage (default: 0.95)")
    intervals.add_argument("--ddf", metavar="METHOD", help=_DDF)
    intervals.add_argument(
        "--uncertainty", choices=UNCERTAINTIES, help="given theta (default), or averaged over it"
    )
    intervals.add_argument("--weights", metavar="COL", help="column of prior weights of new rows")
    _add_text_options(predict)
    results = predict.add_argument_group("results")
    results.add_argument(
        "--output", metavar="FILE", help="write to a file: .csv, or .tsv with tabs between fields"
    )
    _add_json(results)
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
    _add_json(compare)


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
        help="for several tests: tukey, holm, hochberg, sidak, bonferroni, scheffe, mvt, fdr, none",
    )
    emmeans.add_argument("--type", metavar="SCALE", help="link (default), or response")
    emmeans.add_argument(
        "--weights",
        metavar="HOW",
        help="averages: equal (default), proportional, outer, cells, flat, counterfactual",
    )
    emmeans.add_argument("--level", type=float, metavar="P", help="coverage (default: 0.95)")
    emmeans.add_argument("--pairs", action="store_true", help="also compare all pairs")
    emmeans.add_argument("--threads", type=int, metavar="N", help="most threads to use")
    _add_json(emmeans)


def _add_datasets(commands: Commands) -> None:
    datasets = commands.add_parser(
        "datasets",
        help="list the bundled data sets, or describe one",
        description="List the bundled data sets, or describe one.",
    )
    datasets.add_argument("name", nargs="?", metavar="NAME", help="the data set to describe")
    _add_json(datasets)


def _add_completion(commands: Commands) -> None:
    completion = commands.add_parser(
        "completion",
        help="print a script that completes commands and options in a shell",
        description="Print a script that completes commands and options in a shell.",
        epilog='bash: eval "$(mixedmodels completion bash)"',
    )
    completion.add_argument("shell", choices=SHELLS, help="whose script")


def _add_text_options(parser: argparse.ArgumentParser) -> None:
    text = parser.add_argument_group("text files", "found in the file where they are not given")
    text.add_argument("--sep", metavar="S", help="between fields: one character, tab or blank")
    text.add_argument("--decimal", metavar="D", help="decimal mark: . or ,")
    text.add_argument("--encoding", metavar="E", help="such as utf-8, latin-1, utf-16")


def _add_json(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object, not text")
