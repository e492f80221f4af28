"""Draws the pictures of docs/pictures.md: `python tools/draw_docs.py [NAME ...]`."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

import mixedmodels as mm

IMAGES = Path(__file__).parents[1] / "docs" / "images"
DPI = 90
PAIRED = ["sd(Subject.(Intercept))", "sd(Subject.Days)", "sigma", "Days"]


def main(names: list[str]) -> None:
    """Draw the pictures of these names, or all."""
    mpl.use("Agg")
    IMAGES.mkdir(exist_ok=True)
    for name, draw in pictures().items():
        if not names or name in names:
            figure = draw()
            figure.savefig(IMAGES / f"{name}.png", dpi=DPI, metadata={"Software": None})
            plt.close(figure)


def pictures() -> dict[str, Callable[[], Figure]]:
    """Name of the file to what draws it."""
    sleep = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
    pastes = mm.lmer("strength ~ 1 + (1 | batch/cask)", mm.load_dataset("pastes"))
    cake = mm.lmer("angle ~ recipe + temperature + (1 | recipe:replicate)", mm.load_dataset("cake"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.SingularFitWarning)
        insteval = mm.lmer("y ~ service + (1 | s) + (1 | d)", mm.load_dataset("insteval"))
    return {
        "ranef": sleep.plot_ranef,
        "ranef_many": insteval.plot_ranef,
        "qq_ranef": sleep.plot_qq_ranef,
        "shrinkage": sleep.plot_shrinkage,
        "shrinkage_one": lambda: pastes.plot_shrinkage("cask:batch"),
        "residuals": sleep.plot_residuals,
        "residuals_many": insteval.plot_residuals,
        "scale_location": sleep.plot_scale_location,
        "qq": sleep.plot_qq,
        "coefficients": cake.plot_coefficients,
        "profile": sleep.plot_profile,
        "profile_density": sleep.plot_profile_density,
        "profile_pairs": lambda: sleep.plot_profile_pairs(parameters=PAIRED),
        "bootstrap": lambda: pastes.plot_bootstrap(pastes.bootstrap(1000, seed=1)),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
