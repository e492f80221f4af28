"""Options that several commands share, or that belong together: a function for each group."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from mixedmodels.settings import CONFINT_METHODS, INFORMATION, METHODS, NA_ACTIONS, OPTIMIZERS
from mixedmodels.spelling import spelled


def add_model_options(parser: argparse._ActionsContainer) -> None:
    """What the model is made of beside its formula."""
    parser.add_argument("--weights", metavar="COL", help="column (or expression) of prior weights")
    parser.add_argument("--offset", metavar="COL", help="column (or expression) of known terms")
    parser.add_argument(
        "--contrasts",
        action="append",
        metavar="COL=CODING",
        help="coding of a factor: treatment, sum, helmert or poly; may be repeated",
    )
    parser.add_argument(
        "--na-action",
        type=named(NA_ACTIONS),
        choices=NA_ACTIONS,
        help="rows with missing values: left out (omit, the default) or refused (raise)",
    )


def named(options: Sequence[str]) -> Callable[[str], str]:
    """What makes the option of a word: in any case and with any signs, as in Python."""

    def chosen(word: str) -> str:
        return spelled(word, options) or word

    return chosen


def add_family_options(fit: argparse.ArgumentParser) -> None:
    """What a generalized model is made of beside what linear ones have."""
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
    family.add_argument(
        "--information",
        type=named(INFORMATION),
        choices=INFORMATION,
        help="weights in the determinant: observed (default), or expected as lme4's",
    )
    family.add_argument(
        "--reml", action="store_true", help="integrate over the coefficients, as REML does"
    )
    family.add_argument(
        "--dispersion",
        metavar="FORMULA",
        help='of the logarithm of the family\'s own parameter, such as "~ x"',
    )
    family.add_argument(
        "--zero-inflation",
        metavar="FORMULA",
        help='of the logit of the probability of zeros of their own, such as "~ 1"',
    )


def add_large_options(parser: argparse._ActionsContainer) -> None:
    """How a source that is read in parts is worked on."""
    parser.add_argument("--memory", metavar="SIZE", help="most memory to take, such as 8GB")
    parser.add_argument(
        "--checkpoint", metavar="DIR", help="folder to keep the work in, and to go on from"
    )


def add_search_options(fit: argparse.ArgumentParser) -> None:
    """How the optimum is searched."""
    search = fit.add_argument_group("search")
    search.add_argument(
        "--method",
        type=named(METHODS),
        choices=METHODS,
        default="auto",
        help="exact, or iterative: an estimated log-likelihood for crossed factors; default: auto",
    )
    search.add_argument(
        "--optimizer",
        type=named(OPTIMIZERS),
        choices=OPTIMIZERS,
        default="auto",
        help="default: auto",
    )
    search.add_argument("--start", metavar="LIST", help="theta to start from, such as 1,0,1")
    search.add_argument(
        "--max-evaluations", type=int, metavar="N", help="most evaluations of the criterion"
    )
    search.add_argument("--threads", type=int, metavar="N", help="most threads to use")
    search.add_argument("--verbose", action="store_true", help="print a line per iteration")


def add_interval_options(fit: argparse.ArgumentParser) -> None:
    """Which confidence intervals are printed."""
    intervals = fit.add_argument_group("confidence intervals")
    intervals.add_argument(
        "--confint",
        nargs="?",
        type=named(CONFINT_METHODS),
        choices=CONFINT_METHODS,
        metavar="METHOD",
        help="also print intervals: profile (default), wald or bootstrap",
    )
    intervals.add_argument("--level", type=float, metavar="P", help="coverage (default: 0.95)")
    intervals.add_argument("--nsim", type=int, metavar="N", help="replicates of the bootstrap")
    intervals.add_argument("--seed", type=int, metavar="N", help="seed of the bootstrap")


def add_text_options(parser: argparse.ArgumentParser) -> None:
    """How text files are written."""
    text = parser.add_argument_group("text files", "found in the file where they are not given")
    text.add_argument("--sep", metavar="S", help="between fields: one character, tab or blank")
    text.add_argument("--decimal", metavar="D", help="decimal mark: . or ,")
    text.add_argument("--encoding", metavar="E", help="such as utf-8, latin-1, utf-16")


def add_json_option(parser: argparse._ActionsContainer) -> None:
    """Results for programs."""
    parser.add_argument("--json", action="store_true", help="print one JSON object, not text")
