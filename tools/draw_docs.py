"""Draws the pictures of docs/: `python tools/draw_docs.py [NAME ...]`."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import mixedmodels as mm

IMAGES = Path(__file__).parents[1] / "docs" / "images"
DPI = 90
PAIRED = ["sd(Subject.(Intercept))", "sd(Subject.Days)", "sigma", "Days"]


def main(names: list[str]) -> None:
    """Draw the pictures of these names, or all."""
    IMAGES.mkdir(exist_ok=True)
    for name, draw in pictures().items():
        if not names or name in names:
            draw().savefig(IMAGES / f"{name}.png", dpi=DPI, metadata={"Software": None})


def prediction(fit: mm.LinearMixedFit) -> Figure:
    """Means and single observations of two known subjects and a new one, with 95 % intervals."""
    data = mm.load_dataset("sleepstudy")
    days = np.linspace(0, 9, 46)
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    for panel, subject in zip(panels, ["308", "335", "a new subject"], strict=True):
        new = pd.DataFrame({"Days": days, "Subject": subject})
        for interval, alpha in (("prediction", 0.18), ("confidence", 0.4)):
            found = fit.predict_interval(new, interval, allow_new_levels=True)
            panel.fill_between(
                days, found["lower"], found["upper"], alpha=alpha, color="tab:blue", lw=0
            )
        panel.plot(days, found["prediction"], color="tab:blue")
        seen = data[data["Subject"] == subject]
        panel.plot(seen["Days"], seen["Reaction"], "o", color="black", ms=4)
        panel.set(title=subject, xlabel="Days")
    panels[0].set_ylabel("Reaction, ms")
    return figure


def power() -> Figure:
    """The study of docs/power.md."""
    rows = [(s, i, i % 2) for s in range(20) for i in range(12)]
    design = dict(zip(("subject", "item", "primed"), zip(*rows, strict=True), strict=True))
    study = mm.power(
        "rt ~ primed + (1 | subject) + (1 | item)",
        design,
        beta={"(Intercept)": 600, "primed": -25},
        sd={"subject.(Intercept)": 40, "item.(Intercept)": 20},
        sigma=80,
        test="primed",
        extend={"subject": [20, 40, 60], "item": [12, 24]},
        nsim=500,
        seed=1,
    )
    return study.plot()


def coverage() -> Figure:
    """The table of docs/prediction.md: coverage by kind of interval, known and new groups."""
    lines = (IMAGES.parent / "prediction.md").read_text(encoding="utf-8").splitlines()
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if re.match(r"\| \d+ \|", line)
    ]
    labels = [f"{groups} groups, {effects}" for groups, effects, *_ in cells]
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for panel, title, first in zip(panels, ["known groups", "a new group"], [2, 5], strict=True):
        panel.axvline(95, color="grey", lw=1)
        for shift, (kind, marker) in enumerate(
            [("normal", "x"), ("conditional", "o"), ("full", "D")]
        ):
            values = [float(row[first + shift]) for row in cells]
            panel.plot(values, range(len(cells)), marker, label=kind, ms=5)
        panel.set(title=title, xlabel="coverage, %")
    panels[0].set_yticks(range(len(cells)), labels)
    panels[0].invert_yaxis()
    figure.legend(*panels[1].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def pictures() -> dict[str, Callable[[], Figure]]:
    """Name of the file to what draws it."""
    sleep = mm.lmer("Reaction ~ Days + (Days | Subject)", mm.load_dataset("sleepstudy"))
    profile = sleep.profile()
    pastes = mm.lmer("strength ~ 1 + (1 | batch/cask)", mm.load_dataset("pastes"))
    penicillin = mm.LinearMixedModel(
        "diameter ~ 1 + (1 | plate) + (1 | sample)", mm.load_dataset("penicillin")
    )
    cake = mm.lmer("angle ~ recipe + temperature + (1 | recipe:replicate)", mm.load_dataset("cake"))
    growth = mm.lmer("distance ~ age * Sex + (age | Subject)", mm.load_dataset("orthodont"))
    by_age = growth.emmeans("~ Sex | age", at={"age": [8, 11, 14]})
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
        "profile": profile.plot,
        "profile_density": profile.plot_density,
        "profile_pairs": lambda: profile.plot_pairs(PAIRED),
        "means": by_age.pairs().plot,
        "effect": lambda: sleep.plot_effect("Days", random="Subject"),
        "effect_by": lambda: growth.plot_effect("age", by="Sex", random="Subject"),
        "effect_levels": lambda: cake.plot_effect("temperature", by="recipe", show="partial"),
        "structure": penicillin.plot_structure,
        "prediction": lambda: prediction(sleep),
        "coverage": coverage,
        "power": power,
        "checks": lambda: sleep.check().plot(),
        "bootstrap": lambda: pastes.bootstrap(1000, seed=1).plot(),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
